//! The emulated host around the queue: devices, addresses, neighbours, routes, and the netfilter
//! rules (FWD).
//!
//! A packet's way through the host is in the modules of `kernel`, which ask these.

pub(crate) mod hook;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod network;
pub(crate) mod packet;
mod recent;
pub(crate) mod routing;
pub(crate) mod rules;

use ipq_core::Family;
use ipq_core::wire::EtherType;

/// Returns the length in bytes of the packet that `packet` begins with, as its IP header states it
/// (FWD-2). An IPv6 jumbogram, whose header states none, counts whole. Returns `None` if the header
/// is wrong or states more bytes than there are (for IPv4: FWD-1), and for an IPv6 packet from a
/// multicast address. A host drops such packets on arrival.
pub(crate) fn own_length(family: Family, packet: &[u8]) -> Option<usize> {
    match family {
        Family::Ipv4 => ipv4::own_length(packet),
        Family::Ipv6 => ipv6::own_length(packet),
    }
}

/// Returns the `EtherType` of a family's packets.
pub(crate) const fn ether_type(family: Family) -> EtherType {
    match family {
        Family::Ipv4 => EtherType::IPV4,
        Family::Ipv6 => EtherType::IPV6,
    }
}
