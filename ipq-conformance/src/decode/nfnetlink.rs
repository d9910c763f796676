//! The fields of messages to and from numbered queues (`nfnetlink_queue`).
//!
//! Numbers in nfnetlink's header and in attributes are big-endian; the length and the type of an
//! attribute have the machine's order.

use super::{Cursor, ip};
use ipq_core::wire::nfnetlink::{attribute, message_type};
use ipq_core::wire::{ByteOrder, EtherType, Hook, Verdict, padding};

/// Returns whether a message type belongs to the subsystem of the numbered queues.
pub(crate) fn is_type(kind: u16) -> bool {
    kind >> 8 == message_type::PACKET >> 8
}

/// Returns the name of a message type; `None` if numbered queues have no such message.
pub(crate) const fn type_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        message_type::PACKET => "PACKET of a numbered queue",
        message_type::VERDICT => "VERDICT for a numbered queue",
        message_type::CONFIG => "CONFIG of a numbered queue",
        message_type::VERDICT_BATCH => "VERDICT_BATCH for a numbered queue",
        _ => return None,
    })
}

/// Names the fields after the netlink header of a message of type `kind`.
pub(super) fn decode(cursor: &mut Cursor<'_>, kind: u16, order: ByteOrder) {
    cursor.field("family", 1, |bytes| bytes[0]);
    cursor.field("version", 1, |bytes| bytes[0]);
    cursor.field("queue", 2, number);
    decode_attributes(cursor, kind, order);
}

fn decode_attributes(cursor: &mut Cursor<'_>, kind: u16, order: ByteOrder) {
    while let Some(attribute) = Attribute::first(cursor.remaining(), order) {
        let about = about(kind, attribute.kind);
        cursor.field(about.name, 4, |_| {
            format!("attribute {} with {} bytes", attribute.kind, attribute.content.len())
        });
        let mut inner = Cursor::new(attribute.content);
        if (kind, attribute.kind) == (message_type::PACKET, attribute::PAYLOAD)
            || (kind, attribute.kind) == (message_type::VERDICT, attribute::PAYLOAD)
        {
            ip::decode(&mut inner);
        }
        for (name, length, show) in about.parts {
            inner.field(name, *length, show);
        }
        inner.rest("content");
        cursor.adopt(inner);
        cursor.field("padding", attribute.padding, hex::encode);
    }
    cursor.rest("no attribute");
}

/// An attribute of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    /// The type of the attribute, without the two flags in its upper bits.
    pub(crate) kind: u16,
    pub(crate) content: &'a [u8],
    /// The number of padding bytes after this attribute.
    padding: usize,
}

impl<'a> Attribute<'a> {
    /// Returns the attribute at the beginning of `bytes`; `None` if it is not whole.
    fn first(bytes: &'a [u8], order: ByteOrder) -> Option<Self> {
        let half = |at: usize| {
            let bytes = bytes.get(at..at + 2)?.first_chunk::<2>()?;
            Some(match order {
                ByteOrder::Little => u16::from_le_bytes(*bytes),
                ByteOrder::Big => u16::from_be_bytes(*bytes),
            })
        };
        let (length, kind) = (usize::from(half(0)?), half(2)? & 0x3fff);
        let content = bytes.get(4..length)?;
        let left = bytes.len() - length;
        Some(Self {
            kind,
            content,
            padding: padding(length).min(left),
        })
    }

    /// Returns the whole attributes at the beginning of `bytes`, and the number of bytes after
    /// them.
    pub(crate) fn all(bytes: &'a [u8], order: ByteOrder) -> (Vec<Self>, usize) {
        let mut attributes = Vec::new();
        let mut rest = bytes;
        while let Some(attribute) = Self::first(rest, order) {
            rest = &rest[4 + attribute.content.len() + attribute.padding..];
            attributes.push(attribute);
        }
        (attributes, rest.len())
    }
}

/// What is known of an attribute: its name, and for each part of its content the name, the size in
/// bytes, and how to show it.
pub(crate) struct About {
    pub(crate) name: &'static str,
    parts: &'static [Part],
}

type Part = (&'static str, usize, fn(&[u8]) -> String);

impl About {
    /// Returns the least size of the attribute's content in bytes: the sum of the sizes of its
    /// parts, or 0 if no part is known.
    pub(crate) fn length(&self) -> usize {
        self.parts.iter().map(|(_, length, _)| length).sum()
    }
}

/// Returns what is known of the attribute type `attribute` in a message of type `kind`. An unknown
/// attribute has no parts.
pub(crate) const fn about(kind: u16, attribute: u16) -> About {
    let about: (_, &'static [Part]) = if kind == message_type::CONFIG {
        match attribute {
            attribute::CONFIG_COMMAND => (
                "CFG_CMD",
                &[
                    ("command", 1, command),
                    ("padding", 1, hex),
                    ("protocol_family", 2, number),
                ],
            ),
            attribute::CONFIG_PARAMETERS => ("CFG_PARAMS", &[("copy_range", 4, number), ("copy_mode", 1, number)]),
            attribute::CONFIG_MAX_LENGTH => ("CFG_QUEUE_MAXLEN", &[("max_length", 4, number)]),
            attribute::CONFIG_MASK => ("CFG_MASK", &[("mask", 4, prefixed)]),
            attribute::CONFIG_FLAGS => ("CFG_FLAGS", &[("flags", 4, prefixed)]),
            _ => ("unknown attribute", &[]),
        }
    } else {
        match attribute {
            attribute::PACKET_HEADER => (
                "PACKET_HDR",
                &[
                    ("packet_id", 4, number),
                    ("hw_protocol", 2, ether_type),
                    ("hook", 1, hook),
                ],
            ),
            attribute::VERDICT_HEADER => ("VERDICT_HDR", &[("verdict", 4, verdict), ("packet_id", 4, number)]),
            attribute::MARK => ("MARK", &[("mark", 4, prefixed)]),
            attribute::TIMESTAMP => ("TIMESTAMP", &[("seconds", 8, number), ("microseconds", 8, number)]),
            attribute::INCOMING_DEVICE => ("IFINDEX_INDEV", &[("device", 4, number)]),
            attribute::OUTGOING_DEVICE => ("IFINDEX_OUTDEV", &[("device", 4, number)]),
            attribute::INCOMING_PORT => ("IFINDEX_PHYSINDEV", &[("device", 4, number)]),
            attribute::OUTGOING_PORT => ("IFINDEX_PHYSOUTDEV", &[("device", 4, number)]),
            attribute::HARDWARE_ADDRESS => (
                "HWADDR",
                &[("hw_addrlen", 2, number), ("padding", 2, hex), ("hw_addr", 8, hex)],
            ),
            attribute::PAYLOAD => ("PAYLOAD", &[]),
            attribute::FULL_LENGTH => ("CAP_LEN", &[("full_length", 4, number)]),
            attribute::CHECKSUM_STATE => ("SKB_INFO", &[("checksum_state", 4, prefixed)]),
            attribute::USER_ID => ("UID", &[("user", 4, number)]),
            attribute::GROUP_ID => ("GID", &[("group", 4, number)]),
            attribute::VLAN => ("VLAN", &[]),
            attribute::PRIORITY => ("PRIORITY", &[("priority", 4, prefixed)]),
            _ => ("unknown attribute", &[]),
        }
    };
    About {
        name: about.0,
        parts: about.1,
    }
}

/// Describes a message of type `kind` in one line: its name, its queue, and its whole attributes
/// with their values, or with their sizes if the values are not known. If `body` is shorter than
/// nfnetlink's header, the line says so.
pub(crate) fn summary(kind: u16, body: &[u8], order: ByteOrder) -> String {
    let name = type_name(kind).unwrap_or("message of a numbered queue");
    let Some([_, _, queue @ ..]) = body.first_chunk::<4>() else {
        return format!("{name}, cut: {} bytes after its header", body.len());
    };
    let (attributes, _) = Attribute::all(&body[4..], order);
    let parts = attributes.iter().map(|attribute| {
        let about = about(kind, attribute.kind);
        let values = about
            .parts
            .iter()
            .scan(attribute.content, |rest, (name, length, show)| {
                let bytes = rest.split_off(..*length)?;
                Some((*name, show(bytes)))
            });
        let values: Vec<_> = values
            .filter(|(name, _)| *name != "padding")
            .map(|(_, value)| value)
            .collect();
        match (attribute.kind, values.is_empty()) {
            (_, true) => format!("{} of {} bytes", about.name, attribute.content.len()),
            _ => format!("{} {}", about.name, values.join(" ")),
        }
    });
    let parts: Vec<_> = parts.collect();
    format!(
        "{name} {}: {}",
        number(queue),
        if parts.is_empty() {
            "no attribute".to_owned()
        } else {
            parts.join(", ")
        }
    )
}

fn number(bytes: &[u8]) -> String {
    value(bytes).to_string()
}

/// Returns the number that up to eight bytes are in big-endian order, which nfnetlink has.
pub(crate) fn value(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

fn prefixed(bytes: &[u8]) -> String {
    format!("{:#x}", value(bytes))
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

fn hook(bytes: &[u8]) -> String {
    Hook::from_wire(value(bytes) as u32).to_string()
}

fn ether_type(bytes: &[u8]) -> String {
    format!("{:#06x}", EtherType(value(bytes) as u16).0)
}

/// Returns the name of the verdict in the lowest 8 bits. If the upper 16 bits are not 0, adds the
/// number that they hold, such as that of the queue to which the packet goes next.
fn verdict(bytes: &[u8]) -> String {
    let value = value(bytes) as u32;
    let verdict = Verdict::from_wire(value & 0xff);
    match value >> 16 {
        0 => verdict.to_string(),
        upper => format!("{verdict}, {upper} in its upper half"),
    }
}

fn command(bytes: &[u8]) -> String {
    match bytes.first() {
        Some(1) => "BIND".into(),
        Some(2) => "UNBIND".into(),
        Some(3) => "PF_BIND".into(),
        Some(4) => "PF_UNBIND".into(),
        _ => number(bytes),
    }
}
