//! The emulated host around the queue: devices, addresses, neighbours, routes, and the netfilter rules (sections 5 and 5b).
//!
//! What the pieces do with a packet, one after another, is in `traversal`; here each answers one question.

pub(crate) mod hook;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod network;
pub(crate) mod packet;
pub(crate) mod routing;
pub(crate) mod rules;
