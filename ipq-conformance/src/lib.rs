//! A conformance suite for `ip_queue` and `nfnetlink_queue`: it tests kernels, emulators, and other
//! implementations.
//!
//! The tests are built on one interface. A [`World`](world::World) does [`Step`](world::Step)s and
//! answers each with an observation; cases, recordings and generated tests are all sequences of
//! steps. The main modules, from the bottom up:
//!
//! - [`world`] is the interface and its vocabulary; [`worlds`] holds the worlds that come with the
//!   suite;
//! - [`suite`] holds the cases, the types that they are written with, and the runner;
//! - [`recording`] reads and writes recordings, which are steps with a world's answers, most often
//!   a real kernel's; [`replay`] does such steps in a world, and compares the answers; [`diff`]
//!   does generated steps in two worlds, and compares their answers;
//! - [`report`] writes the results of a run, and puts several worlds side by side;
//! - [`vectors`] holds sample frames, each with its meaning or the rule that it breaks, to test
//!   other parsers;
//! - [`cli`] is the program `ipq-conformance`.
//!
//! # Trying an implementation of your own
//!
//! Implement [`World`](world::World) and [`WorldFactory`](world::WorldFactory), and give the
//! factory to the command line. `run --world mine` then tries your implementation on the cases, and
//! `replay --world mine` on the recordings.
//!
//! ```no_run
//! use ipq_conformance::world::{
//!     Capabilities, Description, Machine, Observation, Setup, Step, World, WorldError, WorldFactory,
//! };
//! use ipq_conformance::{cli, worlds};
//! use std::sync::Arc;
//!
//! struct Mine;
//!
//! impl World for Mine {
//!     fn describe(&self) -> Description {
//!         Description {
//!             implementation: "mine 1.0".into(),
//!             machine: Machine::linux_3_4_x86_64(),
//!             seed: None,
//!         }
//!     }
//!
//!     fn capabilities(&self) -> Capabilities {
//!         Capabilities::default()
//!     }
//!
//!     fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
//!         todo!("the devices of the laboratory, and {:?}", setup.rules)
//!     }
//!
//!     fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
//!         match step {
//!             Step::Send { socket, to, bytes } => todo!("send {bytes:?} by {socket} to {to:?}"),
//!             other => Err(WorldError::Unsupported(format!("{other:?}"))),
//!         }
//!     }
//! }
//!
//! struct Factory;
//!
//! impl WorldFactory for Factory {
//!     fn name(&self) -> &str {
//!         "mine"
//!     }
//!
//!     fn create(&self) -> Result<Box<dyn World>, WorldError> {
//!         Ok(Box::new(Mine))
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     // For the worlds of a real kernel this program is started once more.
//!     #[cfg(target_os = "linux")]
//!     worlds::serve_if_asked();
//!     let mut worlds = worlds::all();
//!     worlds.push(Arc::new(Factory));
//!     cli::main(&worlds)
//! }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(
    target_os = "linux",
    any(feature = "exec", feature = "laboratory", feature = "libipq")
))]
mod child;
#[cfg(feature = "cli")]
pub mod cli;
mod decode;
pub mod diff;
#[cfg(all(target_os = "linux", feature = "laboratory"))]
pub mod laboratory;
#[cfg(all(target_os = "linux", feature = "libipq"))]
pub mod libipq;
mod partition;
#[cfg(all(target_os = "linux", feature = "exec"))]
mod pipe;
pub mod recording;
pub mod replay;
pub mod report;
pub mod suite;
mod transcript;
pub mod vectors;
#[cfg(all(target_os = "linux", feature = "vm"))]
pub mod vm;
#[cfg(all(target_os = "linux", any(feature = "laboratory", feature = "vm")))]
mod waiting;
pub mod world;
pub mod worlds;

pub use partition::{Partition, PartitionError};
pub use transcript::{Event, Transcript};
