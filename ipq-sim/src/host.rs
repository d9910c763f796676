//! The emulated host around the queue: devices, addresses, neighbours, routes, and the netfilter rules (sections 5 and 5b).
//!
//! What the pieces do with a packet, one after another, is in `kernel/hooks`; here each answers one question.

pub(crate) mod hook;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod network;
pub(crate) mod packet;
pub(crate) mod routing;
pub(crate) mod rules;

use ipq_core::Family;
use ipq_core::wire::EtherType;

/// The own length in bytes of a packet that arrives (FWD-2); none if it is to be dropped (FWD-1).
pub(crate) fn own_length(family: Family, packet: &[u8]) -> Option<usize> {
    match family {
        Family::Ipv4 => ipv4::own_length(packet),
        Family::Ipv6 => ipv6::own_length(packet),
    }
}

/// What the link layer calls a family.
pub(crate) const fn ether_type(family: Family) -> EtherType {
    match family {
        Family::Ipv4 => EtherType::IPV4,
        Family::Ipv6 => EtherType::IPV6,
    }
}
