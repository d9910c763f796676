//! The translation between `ip_queue` and nfnetlink, both ways. It does no I/O and keeps no state.
//!
//! - [`request`] turns a MODE or VERDICT message into the nfnetlink message that stands for it;
//! - [`datagram`] turns a datagram from the kernel into a frame in the caller's buffer, with
//!   [`packet`] for packets and [`answer`] for answers;
//! - [`headroom`] says where in a buffer a datagram is received, and moves bytes to their place;
//! - [`slices`] takes messages apart that come as several slices;
//! - [`quote`] holds message and attribute types of our own. A kernel does not know them, but its
//!   answer quotes them, and so brings the `ip_queue` message back.

pub(crate) mod answer;
pub(crate) mod datagram;
pub(crate) mod headroom;
pub(crate) mod packet;
pub(crate) mod quote;
pub(crate) mod request;
pub(crate) mod slices;
