//! The kernel's side of `ip_queue`, in memory: test a packet-queue program without root, without a kernel, without a
//! network, and without waiting.
//!
//! ```
//! use etherparse::PacketBuilder;
//! use ipq_core::{CopyMode, Family, Hook, Verdict, Wait, wire::Message};
//! use ipq_sim::{DropReason, Fate, Rule, Sim};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = Sim::default();
//! sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward).protocol(17))?;
//! let handle = sim.open(Family::Ipv4)?;
//! handle.set_mode(CopyMode::Packet, 1500)?;
//!
//! let mut packet = Vec::new();
//! PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64).udp(4000, 53).write(&mut packet, b"query")?;
//! let sent = sim.inject_packet("tap0", &packet)?;
//! assert_eq!(sim.fate(sent), Some(Fate::Queued));
//!
//! let mut buffer = [0; 2048];
//! let Message::Packet(queued) = handle.read(&mut buffer, Wait::Never)? else { panic!("a packet is queued") };
//! let verdict = if queued.payload()[22..24] == [0, 53] { Verdict::Drop } else { Verdict::Accept };
//! handle.set_verdict(queued.packet_id(), verdict, None)?;
//! assert_eq!(sim.fate(sent), Some(Fate::Dropped(DropReason::Verdict)));
//! # Ok(())
//! # }
//! ```
//!
//! # What is emulated
//!
//! A host as the recordings of a real Linux 3.4.10 have it, whose answers are the emulator's yardstick, byte for byte:
//!
//! - the queue of each family, with its messages, replies, copy modes, verdicts and packet ids (protocol sections 2 to 7);
//! - netlink sockets with port ids, receive buffers that fill by what a datagram weighs, overrun and its latch (section 9);
//! - the hooks PREROUTING, INPUT, FORWARD, OUTPUT and POSTROUTING, tables mangle and filter, rules with targets QUEUE and MARK;
//! - devices, addresses, neighbours and connected routes; forwarding with its checks, TTL and fragmentation; the way of
//!   what a host sends to itself (section 5b).
//!
//! Out of scope, and never pretended: ICMP answers, connection tracking, reassembly of fragments for this host (those of IPv4
//! are dropped, and counted), IPv4 options that a router fills in, bridges, segmentation and checksum offload, address
//! resolution, network namespaces. A neighbour that was not named is unknown.
//!
//! # Time and threads
//!
//! A [`Sim`] is owned by one thread and runs on virtual time: nothing waits, the same calls give the same bytes. A
//! [`SharedSim`] is for several threads and runs on real time. Handles of both are ordinary [`Handle`](ipq_core::Handle)s.
//!
//! # Fate
//!
//! Every packet that enters leaves exactly once, [delivered or dropped](Fate) for a [reason](DropReason), or waits in a
//! queue: [`Accounting::balances`], at every step.
//!
//! # Bounds
//!
//! What a peer can make the emulator hold is bounded, and a verdict's cost does not grow with the queue:
//!
//! | what | holds at most | measured |
//! |---|---|---|
//! | a queue | as many packets as its maximum length | |
//! | a queued packet | its bytes, and 288 beside | 158 beside, of 1,000,000 |
//! | an open socket | 256 bytes, and what is in its receive buffer | 230 bytes, of 10,000 |
//! | a receive buffer | its size, and one datagram beyond it; for a part of a packet all of it | |
//!
//! What the test itself holds on to is its own affair: frames that left and fates are kept for the last 65,536.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod behaviour;
mod books;
mod builder;
mod host;
mod kernel;
mod netlink;
mod profile;
#[cfg(all(feature = "run", target_os = "linux"))]
pub mod programs;
mod queue;
#[cfg(test)]
mod sample;
mod sim;
mod time;

#[cfg(feature = "seeded-faults")]
pub use behaviour::Fault;
pub use books::{Accounting, DropReason, Fate, PacketEvent, PacketSerial};
pub use builder::KernelBuilder;
pub use host::frame::{MacAddress, OutgoingFrame};
pub use host::network::{Device, DeviceError};
pub use host::rules::{Rule, RuleError, Table, Target};
pub use kernel::{EntryPoint, InjectError, Kernel};
pub use netlink::{ClientId, SocketId};
pub use profile::{Nearest, Nearness, NoProfile, Profile, Provenance, Weight};
pub use queue::entries::IdReuse;
pub use queue::nfnetlink;
pub use sim::{Access, OpenError, Owned, Shared, SharedSim, Sim, SimTransport, Simulation};

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
