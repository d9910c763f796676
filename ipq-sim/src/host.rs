//! The emulated host around the queue: devices, addresses, neighbours, routes, and the netfilter
//! rules (FWD).
//!
//! Each module answers one question. A packet's way from one to the next is in `kernel/hooks`.

pub(crate) mod hook;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod network;
pub(crate) mod packet;
pub(crate) mod routing;
pub(crate) mod rules;

use ipq_core::Family;
use ipq_core::wire::EtherType;

/// Returns the length in bytes that an arriving packet states (FWD-2). Returns `None` if the packet
/// must be dropped (FWD-1).
pub(crate) fn own_length(family: Family, packet: &[u8]) -> Option<usize> {
    match family {
        Family::Ipv4 => ipv4::own_length(packet),
        Family::Ipv6 => ipv6::own_length(packet),
    }
}

/// Returns the `EtherType` of a family.
pub(crate) const fn ether_type(family: Family) -> EtherType {
    match family {
        Family::Ipv4 => EtherType::IPV4,
        Family::Ipv6 => EtherType::IPV6,
    }
}
