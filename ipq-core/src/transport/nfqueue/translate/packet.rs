//! From a packet as nfnetlink describes it to what `ip_queue` said about it.

use crate::family::Family;
use crate::transport::nfqueue::Device;
use crate::wire::nfnetlink::QueuedPacket;
use crate::wire::{EtherType, Hook, PacketId, PacketMetadata};

/// Returns the family, IPv4 or IPv6, that nfnetlink's header states for the packet. Returns `None`
/// if it states any other.
pub(crate) const fn family_of(packet: &QueuedPacket) -> Option<Family> {
    Family::from_protocol_family(packet.family as u32)
}

/// Returns what a PACKET frame says about `packet`, but for its bytes. `payload` is the start of
/// the packet's bytes. `devices` looks up two devices by their indices, the incoming one first; a
/// device that the frame does not name at the packet's hook has index 0, which is no device.
#[inline]
pub(crate) fn metadata(
    packet: &QueuedPacket,
    payload: &[u8],
    devices: impl FnOnce([u32; 2]) -> [Device; 2],
) -> PacketMetadata {
    let [shows_incoming, shows_outgoing] = shows_devices(packet.hook);
    let shown = [(packet.incoming, shows_incoming), (packet.outgoing, shows_outgoing)];
    let [incoming, outgoing] = devices(shown.map(|(index, shows)| if shows { index } else { 0 }));
    // Without an incoming device, or a link-layer header, there is no address (PKT-7).
    let hw_address = packet.hw_address.filter(|_| shows_incoming);
    PacketMetadata {
        packet_id: PacketId(packet.id.into()),
        mark: packet.mark,
        timestamp: packet.timestamp,
        hook: packet.hook,
        indev_name: incoming.name,
        outdev_name: outgoing.name,
        hw_protocol: hw_protocol(packet, payload),
        hw_type: hw_address.map_or(0, |_| incoming.hw_type),
        hw_address: hw_address.unwrap_or_default(),
    }
}

/// Returns the link-layer protocol that `ip_queue` stated (PKT-6). For a packet that the host
/// itself sends, at OUTPUT or POSTROUTING, that is 0, but for IPv4 at POSTROUTING and for IPv6
/// neighbour and multicast listener discovery, as far as `payload` shows that. In these cases, and
/// for all other packets, it is what nfnetlink states.
fn hw_protocol(packet: &QueuedPacket, payload: &[u8]) -> EtherType {
    // At POSTROUTING newer kernels name the device that a forwarded packet came in by. A packet of
    // the host's own has none.
    let local = packet.hook == Hook::Output || (packet.hook == Hook::Postrouting && packet.incoming == 0);
    let known = match family_of(packet) {
        Some(Family::Ipv4) => packet.hook == Hook::Postrouting,
        Some(Family::Ipv6) => is_neighbour_discovery(payload),
        None => true,
    };
    if local && !known {
        EtherType::NONE
    } else {
        packet.hw_protocol
    }
}

/// Returns `true` if an IPv6 packet is neighbour discovery or multicast listener discovery:
/// `ICMPv6` of type 130 to 137, or 143, right after the header or after hop-by-hop options. The
/// kernel itself makes these, with their protocol filled in.
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

/// Returns which devices a PACKET frame at this hook names. The first value is `true` if it names
/// the device that the packet came in by, and gives the packet's link-layer source address. The
/// second value is `true` if it names the device that the packet will leave by.
#[inline]
pub(crate) const fn shows_devices(hook: Hook) -> [bool; 2] {
    match hook {
        Hook::Prerouting | Hook::Input => [true, false],
        Hook::Output | Hook::Postrouting => [false, true],
        _ => [true, true],
    }
}
