//! `libipq` in Rust: take packets from a Linux packet queue, and give a verdict on each.
//!
//! The kernel puts packets in a queue where a netfilter rule says so, and a program decides what
//! becomes of them. This crate listens to the `ip_queue` of kernels up to 3.4, to the nfnetlink
//! queues of today's kernels, and to an emulated kernel in memory (the crate `ipq-sim`), with the
//! same code:
//!
//! ```no_run
//! use ipq_core::transport::nfqueue::NfQueue;
//! use ipq_core::{CopyMode, Family, Handle, Verdict};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let handle = Handle::new(NfQueue::open(Family::Ipv4)?);
//!     handle.set_mode(CopyMode::Packet, 1500)?;
//!     handle.run(|packet| {
//!         println!("{} bytes", packet.payload().len());
//!         Verdict::Accept
//!     })?;
//!     Ok(())
//! }
//! ```
//!
//! The rule for this program is `iptables -A INPUT -p icmp -j NFQUEUE --queue-num 0`, or with
//! nftables `ip protocol icmp queue num 0`. Setting the rule needs root. So does the program:
//! without the capability `CAP_NET_ADMIN` it ends with "Operation not permitted (EPERM)" and says
//! what to do.
//!
//! ```toml
//! [dependencies]
//! ipq-core = "0.1"
//! ```
//!
//! # Parts
//!
//! The code of each part uses only the parts above it in this list.
//!
//! - [`wire`] turns bytes into messages and back, those of `ip_queue` for both word sizes and both
//!   byte orders. It does no I/O and allocates nothing.
//! - [`transport`] moves whole datagrams to and from a kernel or an emulator.
//! - [`Handle`] is libipq's logic over any transport. It sets the mode, reads, gives verdicts, and
//!   says what failed.
//! - [`protocol`] and [`protocol::nfnetlink_queue`] have no code: they are the rules of the two
//!   protocols, as text. An id in the documentation, such as ATT-4, names a rule there.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `etherparse` | the headers of a queued packet, parsed, and checksums made right after a change |
//! | `tracing` | events for the crate `tracing`: what a handle sends, reads and fails at |
//! | `tokio` | transports with a descriptor, in tasks on tokio: `transport::tokio` |
//! | `capi` | the functions of libipq for C programs; the Makefile builds the C library with it |

#![cfg_attr(docsrs, feature(doc_cfg))]

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

/// The README, whose code `cargo test --doc` compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
