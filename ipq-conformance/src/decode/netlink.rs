//! The fields of the datagrams of `ip_queue` and `nfnetlink_queue`. A message is taken for one of
//! `nfnetlink_queue` by its type; error messages are the same in both.

use super::{Cursor, ip, nfnetlink};
use ipq_core::wire::{
    Abi, ByteOrder, CopyMode, Header, Hook, InterfaceName, Message, MessageType, PacketId, PortId, Verdict, padding,
};
use ipq_core::{Errno, wire::WordSize};

pub(super) fn decode(cursor: &mut Cursor<'_>, abi: Abi) {
    // A datagram for numbered queues may have several messages (NFQ-50). Of one for ip_queue only
    // the first counts (MSG-11).
    loop {
        let Some(header) = Header::parse(cursor.remaining(), abi) else {
            return decode_message(cursor, abi, true);
        };
        let whole = cursor.remaining();
        let length = header.length as usize;
        let several =
            nfnetlink::is_type(header.message_type.to_wire()) && (Header::BYTES..whole.len()).contains(&length);
        if !several {
            return decode_message(cursor, abi, true);
        }
        let mut message = Cursor::new(&whole[..length]);
        decode_message(&mut message, abi, true);
        cursor.adopt(message);
        cursor.field("padding", padding(length), hex::encode);
    }
}

fn decode_message(cursor: &mut Cursor<'_>, abi: Abi, may_quote: bool) {
    let whole = cursor.remaining();
    cursor.field("length", 4, |bytes| number(bytes, abi));
    let kind = cursor.field("type", 2, |bytes| type_name(number(bytes, abi) as u16));
    cursor.field("flags", 2, |bytes| format!("{:#x}", number(bytes, abi)));
    cursor.field("sequence", 4, |bytes| number(bytes, abi));
    cursor.field("port_id", 4, |bytes| PortId(number(bytes, abi) as u32));
    match kind.map(|bytes| message_type(bytes, abi)) {
        Some(MessageType::Error) if may_quote => decode_error(cursor, abi, whole),
        Some(MessageType::Mode) => decode_mode(cursor, abi),
        Some(MessageType::Verdict) => decode_verdict(cursor, abi),
        Some(MessageType::Packet) => decode_packet(cursor, abi),
        Some(MessageType::Unknown(kind)) if nfnetlink::is_type(kind) => nfnetlink::decode(cursor, kind, abi.order),
        _ => cursor.rest("body"),
    }
}

fn decode_error(cursor: &mut Cursor<'_>, abi: Abi, whole: &[u8]) {
    cursor.field("error", 4, |bytes| {
        let error = (number(bytes, abi) as u32).cast_signed();
        if error == 0 {
            "0, an acknowledgement".to_owned()
        } else {
            format!("{error}: {}", Errno(error.wrapping_neg()))
        }
    });
    // After the quoted message there is padding up to a multiple of 4. The header of an answer of
    // ip_queue does not count it (ERR-3).
    let stated = Header::parse(whole, abi).map_or(whole.len(), |header| header.length as usize);
    let quoted = stated.saturating_sub(Header::BYTES + 4).min(cursor.remaining().len());
    let mut inner = Cursor::new(cursor.remaining().get(..quoted).unwrap_or_default());
    inner.set_prefix("quoted ");
    decode_message(&mut inner, abi, false);
    cursor.adopt(inner);
    cursor.rest("padding");
}

fn decode_mode(cursor: &mut Cursor<'_>, abi: Abi) {
    let word = abi.word_bytes();
    cursor.field("value", 1, |bytes| CopyMode::from_wire(bytes[0]));
    cursor.field("padding", word - 1, hex::encode);
    cursor.field("range", word, |bytes| number(bytes, abi));
    cursor.field("unused", word, hex::encode);
    cursor.rest("more");
}

fn decode_verdict(cursor: &mut Cursor<'_>, abi: Abi) {
    let word = abi.word_bytes();
    cursor.field("value", 4, |bytes| Verdict::from_wire(number(bytes, abi) as u32));
    cursor.field("padding", word - 4, hex::encode);
    cursor.field("id", word, |bytes| PacketId(number(bytes, abi)));
    cursor.field("data_len", word, |bytes| number(bytes, abi));
    decode_payload(cursor, usize::MAX);
}

fn decode_packet(cursor: &mut Cursor<'_>, abi: Abi) {
    let word = abi.word_bytes();
    cursor.field("packet_id", word, |bytes| PacketId(number(bytes, abi)));
    cursor.field("mark", word, |bytes| format!("{:#x}", number(bytes, abi)));
    cursor.field("timestamp_sec", word, |bytes| number(bytes, abi));
    cursor.field("timestamp_usec", word, |bytes| number(bytes, abi));
    cursor.field("hook", 4, |bytes| Hook::from_wire(number(bytes, abi) as u32));
    cursor.field("indev_name", InterfaceName::WIRE_BYTES, interface_name);
    cursor.field("outdev_name", InterfaceName::WIRE_BYTES, interface_name);
    cursor.field("hw_protocol", 2, |bytes| format!("0x{}", hex::encode(bytes)));
    cursor.field("hw_type", 2, |bytes| number(bytes, abi));
    cursor.field("hw_addrlen", 1, |bytes| bytes[0]);
    cursor.field("hw_addr", 8, hex::encode);
    let padding_bytes = match abi.word {
        WordSize::Four => 3,
        WordSize::Eight => 7,
    };
    cursor.field("padding", padding_bytes, hex::encode);
    let data_len = cursor.field("data_len", word, |bytes| number(bytes, abi));
    let data_len = data_len.map_or(0, |bytes| number(bytes, abi));
    decode_payload(cursor, usize::try_from(data_len).unwrap_or(usize::MAX));
    cursor.rest("padding");
}

fn decode_payload(cursor: &mut Cursor<'_>, length: usize) {
    let payload = cursor.remaining();
    let mut inner = Cursor::new(payload.get(..length).unwrap_or(payload));
    ip::decode(&mut inner);
    cursor.adopt(inner);
}

fn interface_name(bytes: &[u8]) -> String {
    bytes
        .first_chunk()
        .map(|field| format!("{:?}", InterfaceName::from_wire(*field)))
        .unwrap_or_default()
}

/// Returns the name of a message type of `ip_queue` or `nfnetlink_queue`; for another type, its
/// number after the word `type`.
fn type_name(kind: u16) -> String {
    nfnetlink::type_name(kind).map_or_else(|| MessageType::from_wire(kind).to_string(), str::to_owned)
}

fn message_type(bytes: &[u8], abi: Abi) -> MessageType {
    MessageType::from_wire(number(bytes, abi) as u16)
}

/// Returns the number that up to eight bytes are in the byte order of `abi`.
fn number(bytes: &[u8], abi: Abi) -> u64 {
    let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
    match abi.order {
        ByteOrder::Little => bytes.iter().rev().fold(0, add),
        ByteOrder::Big => bytes.iter().fold(0, add),
    }
}

/// Describes the first message of a datagram in one line. If it can't be parsed, the line says why.
pub(crate) fn summary(bytes: &[u8], abi: Abi) -> String {
    let message = match Message::parse(bytes, abi) {
        Ok(message) => message,
        Err(error) => return format!("{} bytes, no whole message: {error}", bytes.len()),
    };
    match message {
        Message::Packet(packet) => {
            let pad = padding(packet.payload().len());
            format!(
                "PACKET id {} at {}, in {:?}, out {:?}, mark {:#x}, {} bytes of packet{}",
                packet.packet_id(),
                packet.hook(),
                packet.indev_name(),
                packet.outdev_name(),
                packet.mark().0,
                packet.payload().len(),
                if pad == 0 {
                    String::new()
                } else {
                    format!(" and {pad} of padding")
                },
            )
        }
        Message::Mode(request) => format!("MODE {}, range {}{}", request.mode, request.range, envelope(bytes, abi)),
        Message::Verdict(request, following) => format!(
            "VERDICT {} for id {}, data_len {}, {} bytes follow{}",
            request.verdict,
            request.packet_id,
            request.data_len,
            following.len(),
            envelope(bytes, abi)
        ),
        Message::Error(error) if error.is_acknowledgement() => {
            format!("acknowledgement{}", quoted(error.quoted_header(abi)))
        }
        Message::Error(error) => format!("error {}{}", error.errno(), quoted(error.quoted_header(abi))),
        Message::Unknown(kind, body) if nfnetlink::is_type(kind) => {
            format!("{}{}", nfnetlink::summary(kind, body, abi.order), envelope(bytes, abi))
        }
        Message::Unknown(kind, body) => {
            format!(
                "{} with {} bytes{}",
                MessageType::from_wire(kind),
                body.len(),
                envelope(bytes, abi)
            )
        }
    }
}

fn envelope(bytes: &[u8], abi: Abi) -> String {
    Header::parse(bytes, abi).map_or_else(String::new, |header| {
        format!(
            " (flags {:#x}, sequence {}, port id {})",
            header.flags.0, header.sequence, header.port_id
        )
    })
}

fn quoted(header: Option<Header>) -> String {
    header.map_or_else(String::new, |header| {
        format!(
            " to {} with sequence {} and port id {}",
            type_name(header.message_type.to_wire()),
            header.sequence,
            header.port_id
        )
    })
}
