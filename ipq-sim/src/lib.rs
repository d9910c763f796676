//! The kernel's side of Linux's packet queues, in memory: test a packet-queue program without root,
//! without a kernel, without a network, and without waiting.
//!
//! Both queues are here: `ip_queue`, which kernels up to 3.4 had, and `nfnetlink_queue` with its
//! numbered queues (NFQUEUE), which today's kernels have.
//!
//! ```toml
//! [dependencies]
//! ipq-core = { version = "0.1", features = ["etherparse"] }  # of the program itself
//!
//! [dev-dependencies]
//! etherparse = "0.21"                                        # builds packets
//! ipq-sim = { version = "0.1", default-features = false }    # without the command
//! ```
//!
//! ```
//! use etherparse::{PacketBuilder, TransportSlice};
//! use ipq_core::{CopyMode, Family, Hook, Verdict};
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
//! handle.run(|packet| match packet.headers().map(|headers| headers.transport) {
//!     Ok(Some(TransportSlice::Udp(udp))) if udp.destination_port() == 53 => Verdict::Drop,
//!     _ => Verdict::Accept,
//! })?; // ends when nothing is left to decide about
//! sim.assert_dropped(sent, DropReason::Verdict);
//! # Ok(())
//! # }
//! ```
//!
//! For a numbered queue, build a kernel that has such queues, and open a handle by
//! [`open_nfqueue`](Simulation::open_nfqueue).
//!
//! # What is emulated
//!
//! A host as recordings of real kernels show it. The emulator gives the same answers, byte for
//! byte, except for packet ids of `ip_queue`, time stamps and padding. Unless a [`Profile`] chooses
//! another kernel, it is Linux 3.4.10.
//!
//! - `ip_queue`, a queue of each family: its messages, replies, copy modes, verdicts and packet ids
//!   (ATT, MSG, ERR, PKT, VER and EVT in the [rules](ipq_core::protocol));
//! - `nfnetlink_queue`, as Linux 6.1 and 6.18 have it: configuration, flags, attributes, verdicts
//!   one by one and in batches, and acknowledgements (NFQ in the
//!   [rules](ipq_core::protocol::nfnetlink_queue));
//! - netlink sockets with port ids, and receive buffers that fill by what a datagram weighs,
//!   overrun, and latch (SOCK);
//! - the hooks PREROUTING, INPUT, FORWARD, OUTPUT and POSTROUTING, the tables mangle and filter,
//!   and rules with the targets QUEUE, NFQUEUE and MARK, and with matches of addresses, ports,
//!   devices, marks and protocols;
//! - devices, addresses, neighbours and connected routes; forwarding with its checks, TTL and
//!   fragmentation; packets that a host sends to itself (FWD).
//!
//! Out of scope: ICMP answers, connection tracking, reassembly of fragments for this host (IPv4
//! fragments are dropped and counted), IPv4 options that a router fills in, bridges, segmentation
//! and checksum offload, address resolution, network namespaces. A packet to a neighbour that its
//! device does not know is dropped, unless the device has a gateway.
//!
//! What differs between kernels is data: a [`Profile`] is a kernel's rules and its figures.
//!
//! # Time and threads
//!
//! A [`Sim`] is owned by one thread and runs on virtual time: nothing waits, and the same calls
//! always give the same bytes. A [`SharedSim`] is for several threads and runs on real time.
//! Handles of both are ordinary [`Handle`](ipq_core::Handle)s.
//!
//! # Fate
//!
//! Every packet that enters leaves exactly once, [delivered or dropped](Fate) for a
//! [reason](DropReason), or waits in a queue. [`Accounting::balances`] holds at every step.
//!
//! # Bounds
//!
//! The memory that a peer can make the emulator hold is bounded, and a verdict's cost hardly grows
//! with the queue:
//!
//! | what | holds at most | measured |
//! |---|---|---|
//! | a queue | as many packets as its maximum length | |
//! | a queued packet | its bytes, and 288 more | 158 more, of 1,000,000 |
//! | an open socket | 256 bytes, and its receive buffer's datagrams | 230 bytes, of 10,000 |
//! | a receive buffer | its size, and one datagram more; a frame with part of a packet holds the whole packet | |
//!
//! For tests to look at, the emulator keeps the fates of the last 65,536 packets, unless
//! [`KernelBuilder::keep_fates`] says otherwise, and the last 65,536 frames that left by each
//! device and were not taken.
//!
//! # Where things are
//!
//! For whoever works on the emulator. Most modules use only those below them:
//!
//! | module | holds |
//! |---|---|
//! | `programs` | `server` (other processes connect to it), and `run` (a program on a capture: `capture` reads it, `feeding` feeds it, `program` starts the program, `summary` reports) |
//! | `sim` | handles on a kernel: the transport, and who owns the kernel behind it |
//! | `kernel` | the machine; among others, `syscalls` (socket, bind, send), `packets` and `entry` (how packets enter), `hooks` (their way), `traversal` (a packet on its way), `verdict` (what a verdict does), `delivery` (how they leave), `numbered` (messages, packets and verdicts of queues with numbers), `flaws` (how seeded faults spoil messages) |
//! | `queue` | the queue protocols, a module each: `ip_queue` checks messages and judges verdicts, `nfnetlink` does so for queues with numbers. `QueueId` and `Queues` say which queue a rule's target or a netlink protocol means. `entries` and `records` keep the packets and ids of `ip_queue` |
//! | `netlink` | sockets, port ids, receive buffers |
//! | `host` | devices, routes, rules, IP headers |
//! | `frame`, `per_family` | Ethernet frames; a value for each family |
//! | `pcapng` | the numbers of the capture format pcapng, and the blocks of a file to write |
//! | `books` | fates, drop reasons, the accounts |
//! | `profile` | kernels, a file for each version; Linux 6.18 and 6.1 share one |
//! | `behaviour` | the rules that differ between kernels, and seeded faults, which break one |
//! | `time` | the clock, and locks between threads |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod behaviour;
mod books;
mod frame;
mod host;
mod kernel;
mod netlink;
pub mod pcapng;
mod per_family;
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
pub use frame::{MacAddress, OutgoingFrame};
pub use host::network::{Device, DeviceError};
pub use host::rules::{Matches, NumberedQueue, Rule, RuleError, RuleTextError, Spread, Table, Target};
pub use kernel::{EntryPoint, InjectError, Kernel, KernelBuilder};
pub use netlink::{ClientId, SocketId};
pub use profile::{Nearest, Nearness, NoProfile, Profile, Provenance, Weight};
pub use queue::entries::IdReuse;
pub use queue::{QueueId, nfnetlink};
pub use sim::{Access, OpenError, Owned, Shared, SharedSim, Sim, SimDevices, SimTransport, Simulation};

/// The examples of the READMEs, compiled and, unless they say `no_run`, run.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../README.md")]
    struct OfTheRepository;
    #[doc = include_str!("../README.md")]
    struct OfThePackage;
}
