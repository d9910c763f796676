//! The translation between `ip_queue` and nfnetlink, both ways. It does no I/O and keeps no state.
//!
//! - [`request`] turns a message of the program's into the nfnetlink message that stands for it;
//! - [`datagram`] turns a datagram from the kernel into a frame in the caller's buffer, with
//!   [`packet`] for packets and [`answer`] for answers;
//! - [`headroom`] says where in a buffer a datagram is received, and moves bytes to their place;
//! - [`slices`] takes apart messages that the program gives in several slices, and puts datagrams
//!   together from slices;
//! - [`quote`] holds the message and attribute types that only this transport uses. No kernel knows
//!   them, but an answer that quotes such an attribute brings back what is in it, such as the
//!   `ip_queue` message.

pub(crate) mod answer;
pub(crate) mod datagram;
pub(crate) mod headroom;
pub(crate) mod packet;
pub(crate) mod quote;
pub(crate) mod request;
pub(crate) mod slices;
