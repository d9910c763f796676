//! What `libipq` did, in Rust: the frames of the `ip_queue` protocol, and the logic that a program needs to take packets
//! from a queue and give a verdict on each.
//!
//! The crate has three floors, and each knows only those below it:
//!
//! - [`wire`] turns bytes into messages and back, for both word sizes and both byte orders, without I/O or allocation;
//! - [`transport`] is the one seam between this crate and whatever is on the other side (a kernel, an emulator): whole
//!   datagrams in and out;
//! - [`Handle`] is libipq's logic over any transport: set the mode, read, give a verdict, and say precisely what failed.
//!
//! [`protocol`] is a page of the protocol's rules. An id in the documentation, such as ATT-4, is that of a rule there.
//!
//! ```
//! use ipq_core::{CopyMode, Handle, Transport, Verdict, Wait, wire::Message};
//!
//! /// Lets every packet through, for as long as the queue is there.
//! fn accept_all(handle: &Handle<impl Transport>) -> Result<(), ipq_core::Error> {
//!     handle.set_mode(CopyMode::Packet, 1500)?;
//!     let mut buffer = [0; 2048];
//!     loop {
//!         if let Message::Packet(packet) = handle.read(&mut buffer, Wait::Forever)? {
//!             handle.set_verdict(packet.packet_id(), Verdict::Accept, None)?;
//!         }
//!     }
//! }
//! ```

#[cfg(all(feature = "capi", target_os = "linux"))]
mod capi;
mod errno;
mod error_number;
mod family;
pub mod handle;
pub mod protocol;
pub mod transport;
pub mod wire;

pub use errno::Errno;
pub use error_number::ErrorNumber;
pub use family::Family;
pub use handle::{Error, Handle};
pub use transport::{Transport, TransportError, Wait};
pub use wire::{CopyMode, Hook, Mark, PacketId, PortId, Verdict};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
