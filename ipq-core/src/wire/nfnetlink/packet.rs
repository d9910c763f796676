//! Reading nfnetlink's PACKET message, in which the kernel hands over a packet.

mod in_order;

use super::{Attributes, HEADER_BYTES, ParseError, Span, attribute, message_type, parse_header};
use crate::wire::{EtherType, HardwareAddress, Header, Hook, Mark, Timestamp};
use in_order::in_order;

/// A queued packet, as nfnetlink describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedPacket {
    /// The protocol family: 2 for IPv4, 10 for IPv6, 7 for a bridge.
    pub family: u8,
    /// The number of the queue that the packet is in.
    pub queue: u16,
    /// The packet's id, for its verdict.
    pub id: u32,
    /// The span of the packet's bytes in the datagram; its length is 0 if the bytes were not asked
    /// for.
    pub payload: Span,
    /// The index of the device that the packet came in by, or 0.
    pub incoming: u32,
    /// The index of the device that the packet will leave by, or 0.
    pub outgoing: u32,
    /// The hook at which the packet was queued.
    pub hook: Hook,
    /// The protocol of the packet's link-layer frame.
    pub hw_protocol: EtherType,
    /// The link-layer source address; `None` if the kernel stated none.
    pub hw_address: Option<HardwareAddress>,
    /// The netfilter mark.
    pub mark: Mark,
    /// The time of the packet's arrival; all zeros if the kernel took no time.
    pub timestamp: Timestamp,
}

impl QueuedPacket {
    /// Reads the PACKET message in a datagram of `length` bytes. The message's type is not checked.
    /// `front` holds the first bytes of the datagram: at least all that come before the packet's
    /// own. Skips attributes that have no field here. Fails if the message, an attribute or the
    /// hardware address has a wrong length, if an attribute of a type under 64 comes twice, if the
    /// attribute with the packet's id is missing, if more than padding follows the packet's bytes,
    /// or if `front` is too short.
    // Inlined, so that the fields go to where they are used: fields that were just written one by
    // one are slow to be read again in larger parts.
    #[inline(always)]
    pub fn parse(front: &[u8], length: usize) -> Result<Self, ParseError> {
        let header = parse_header(front, length)?;
        let end = header.length as usize;
        let own_header = front.get(Header::BYTES..).and_then(<[u8]>::first_chunk);
        let Some(&[family, _, high, low]) = own_header.filter(|_| end >= HEADER_BYTES) else {
            return Err(ParseError::MessageTooShort {
                message_type: message_type::PACKET,
                needed: HEADER_BYTES,
                found: end,
            });
        };
        let queue = u16::from_be_bytes([high, low]);
        match in_order(front, end, family, queue) {
            Some(packet) => Ok(packet),
            None => in_any_order(front, end, family, queue),
        }
    }
}

/// Reads the attributes of a message that ends at byte `end`, in whatever order they are. Returns
/// the packet that they describe, with this `family` and `queue`. Fails as [`QueuedPacket::parse`]
/// does.
#[inline(never)]
fn in_any_order(front: &[u8], end: usize, family: u8, queue: u16) -> Result<QueuedPacket, ParseError> {
    let mut fixed = None;
    let mut packet = QueuedPacket {
        family,
        queue,
        id: 0,
        payload: Span::default(),
        incoming: 0,
        outgoing: 0,
        hook: Hook::Unknown(0),
        hw_protocol: EtherType::NONE,
        hw_address: None,
        mark: Mark(0),
        timestamp: Timestamp::default(),
    };
    for found in Attributes::new(front, HEADER_BYTES, end) {
        let found = found?;
        match found.kind {
            attribute::PACKET_HEADER => fixed = Some(found.fixed::<7>(front)?),
            attribute::MARK => packet.mark = Mark(u32::from_be_bytes(*found.fixed(front)?).into()),
            attribute::TIMESTAMP => {
                packet.timestamp = timestamp(found.fixed(front)?);
            }
            attribute::INCOMING_DEVICE => packet.incoming = u32::from_be_bytes(*found.fixed(front)?),
            attribute::OUTGOING_DEVICE => packet.outgoing = u32::from_be_bytes(*found.fixed(front)?),
            attribute::HARDWARE_ADDRESS => packet.hw_address = Some(hardware_address(found.fixed(front)?)?),
            attribute::PAYLOAD => {
                packet.payload = found.content;
                let after = found.content.start + found.content.length;
                if end - after > 3 {
                    return Err(ParseError::PayloadNotLast { count: end - after });
                }
                break;
            }
            _ => {}
        }
    }
    let [a, b, c, d, protocol @ .., hook] = *fixed.ok_or(ParseError::MissingAttribute {
        attribute: attribute::PACKET_HEADER,
    })?;
    packet.id = u32::from_be_bytes([a, b, c, d]);
    packet.hw_protocol = EtherType(u16::from_be_bytes(protocol));
    packet.hook = Hook::from_wire(hook.into());
    Ok(packet)
}

/// Reads the content of [`attribute::HARDWARE_ADDRESS`]: the length, and the field. Fails if the
/// stated length is over 8 bytes.
#[inline]
pub(crate) fn hardware_address(content: &[u8; 12]) -> Result<HardwareAddress, ParseError> {
    let [high, low, _, _, field @ ..] = *content;
    let stated = u16::from_be_bytes([high, low]);
    u8::try_from(stated)
        .ok()
        .and_then(|length| HardwareAddress::from_wire(length, field).ok())
        .ok_or(ParseError::HardwareAddress { stated })
}

/// Reads the content of [`attribute::TIMESTAMP`]: seconds, and then microseconds.
#[inline]
pub(crate) fn timestamp(content: &[u8; 16]) -> Timestamp {
    let [seconds, microseconds] = [0, 8].map(|at| i64::from_be_bytes(std::array::from_fn(|byte| content[at + byte])));
    Timestamp { seconds, microseconds }
}
