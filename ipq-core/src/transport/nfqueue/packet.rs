//! From a packet as nfnetlink hands it over to the PACKET frame that `ip_queue` would have made.

use super::message::{Attributes, HEADERS, ParseError, Span, attribute, header, kind};
use crate::family::Family;
use crate::wire::{EtherType, HardwareAddress, Hook, InterfaceName, Mark, PacketId, PacketMetadata, Timestamp};

/// What nfnetlink says of a queued packet. A device is an index, and 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueuedPacket {
    /// 2 or 10, or another that `ip_queue` had no queue for.
    pub(super) family: u8,
    pub(super) queue: u16,
    pub(super) id: u32,
    pub(super) payload: Span,
    incoming: u32,
    outgoing: u32,
    hook: Hook,
    hw_protocol: EtherType,
    hw_address: Option<HardwareAddress>,
    mark: Mark,
    timestamp: Timestamp,
}

/// What there is to know of a network device.
// Aligned, so that the name of the second of two is read as it was written, in one piece: else the one waits for the other.
#[repr(align(16))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: InterfaceName,
    /// 1 for Ethernet, 772 for loopback.
    pub(super) hw_type: u16,
}

impl QueuedPacket {
    /// Reads the PACKET message of nfnetlink in a datagram of `length` bytes, of which `start` is at hand: all but, perhaps,
    /// some of the packet's bytes.
    // What was just written field by field is slow to be read in other pieces, so it is not returned in memory.
    #[inline(always)]
    pub(super) fn parse(start: &[u8], length: usize) -> Result<Self, ParseError> {
        let header = header(start, length)?;
        let end = header.length as usize;
        let Some(&[family, _, high, low]) = start.get(16..).and_then(<[u8]>::first_chunk).filter(|_| end >= HEADERS)
        else {
            return Err(ParseError::MessageTooShort {
                message_type: kind::PACKET,
                needed: HEADERS,
                found: end,
            });
        };
        let mut fixed = None;
        let mut packet = Self {
            family,
            queue: u16::from_be_bytes([high, low]),
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
        for found in Attributes::new(start, HEADERS, end) {
            let found = found?;
            match found.kind {
                attribute::PACKET_HEADER => fixed = Some(found.fixed::<7>(start)?),
                attribute::MARK => packet.mark = Mark(u32::from_be_bytes(*found.fixed(start)?).into()),
                attribute::TIMESTAMP => {
                    packet.timestamp = timestamp(found.fixed(start)?);
                }
                attribute::INCOMING_DEVICE => packet.incoming = u32::from_be_bytes(*found.fixed(start)?),
                attribute::OUTGOING_DEVICE => packet.outgoing = u32::from_be_bytes(*found.fixed(start)?),
                attribute::HARDWARE_ADDRESS => packet.hw_address = Some(hardware_address(found.fixed(start)?)?),
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

    /// The queue that `ip_queue` would have put the packet into, if any.
    pub(super) const fn ip_family(&self) -> Option<Family> {
        Family::from_protocol_family(self.family as u32)
    }

    /// What the PACKET frame says beside the packet's bytes, of which `payload` is the start. `devices` knows the devices of two
    /// indices, of which 0 is no device's.
    pub(super) fn metadata(&self, payload: &[u8], devices: impl FnOnce([u32; 2]) -> [Device; 2]) -> PacketMetadata {
        let [shows_incoming, shows_outgoing] = shows_devices(self.hook);
        let shown = [(self.incoming, shows_incoming), (self.outgoing, shows_outgoing)];
        let [incoming, outgoing] = devices(shown.map(|(index, shows)| if shows { index } else { 0 }));
        // Where there is no incoming device, or the packet came without a link-layer header, there is no address (PKT-7).
        let hw_address = self.hw_address.filter(|_| shows_incoming);
        PacketMetadata {
            packet_id: PacketId(self.id.into()),
            mark: self.mark,
            timestamp: self.timestamp,
            hook: self.hook,
            indev_name: incoming.name,
            outdev_name: outgoing.name,
            hw_protocol: self.hw_protocol(payload),
            hw_type: hw_address.map_or(0, |_| incoming.hw_type),
            hw_address: hw_address.unwrap_or_default(),
        }
    }

    /// Kernels since 3.5 know the protocol of what the host itself sends, and `ip_queue`'s did not yet (PKT-6).
    fn hw_protocol(&self, payload: &[u8]) -> EtherType {
        // At POSTROUTING newer kernels name the device that a forwarded packet came in by; a local one has none.
        let local = self.hook == Hook::Output || (self.hook == Hook::Postrouting && self.incoming == 0);
        let known = match self.ip_family() {
            Some(Family::Ipv4) => self.hook == Hook::Postrouting,
            Some(Family::Ipv6) => is_neighbour_discovery(payload),
            None => true,
        };
        if local && !known {
            EtherType::NONE
        } else {
            self.hw_protocol
        }
    }
}

/// Whether an IPv6 packet is neighbour discovery or multicast listener discovery (130 to 137, and 143), which the kernel
/// itself makes, complete with their protocol.
fn is_neighbour_discovery(packet: &[u8]) -> bool {
    const HOP_BY_HOP: u8 = 0;
    const ICMPV6: u8 = 58;
    let at = |offset: usize| packet.get(offset).copied();
    let icmp = match at(6) {
        Some(ICMPV6) => 40,
        Some(HOP_BY_HOP) if at(40) == Some(ICMPV6) => 48 + 8 * usize::from(at(41).unwrap_or_default()),
        _ => return false,
    };
    matches!(at(icmp), Some(130..=137 | 143))
}

/// Whether a frame says which device a packet came in by, with the address that it came from, and which it will leave by.
#[inline]
pub(super) const fn shows_devices(hook: Hook) -> [bool; 2] {
    match hook {
        Hook::Prerouting | Hook::Input => [true, false],
        Hook::Output | Hook::Postrouting => [false, true],
        _ => [true, true],
    }
}

/// Length (u16), two bytes of padding, and eight bytes.
#[inline]
pub(super) fn hardware_address(content: &[u8; 12]) -> Result<HardwareAddress, ParseError> {
    let [high, low, _, _, field @ ..] = *content;
    let stated = u16::from_be_bytes([high, low]);
    u8::try_from(stated)
        .ok()
        .and_then(|length| HardwareAddress::from_wire(length, field).ok())
        .ok_or(ParseError::HardwareAddress { stated })
}

/// Seconds and microseconds.
#[inline]
pub(super) fn timestamp(content: &[u8; 16]) -> Timestamp {
    let [seconds, microseconds] = [0, 8].map(|at| i64::from_be_bytes(std::array::from_fn(|byte| content[at + byte])));
    Timestamp { seconds, microseconds }
}
