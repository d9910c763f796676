//! A conformance suite for `ip_queue`: kernels, emulators, and what stands in for them.
//!
//! Everything is built on one seam. A [`World`] does [`Step`]s and says what was seen; cases, recordings and generated tests
//! are all sequences of steps.
//!
//! - [`cases`] are the suite itself, and say how to write one;
//! - [`recording`] reads what a real kernel did, and [`replay`] compares a world with it, byte for byte;
//! - [`runner`] runs cases, [`report`] tells what came of them, [`matrix`] puts several worlds side by side, and
//!   [`requirements`] says what they cover;
//! - [`cli`] is the program `ipq-conformance`.
//!
//! # Trying an implementation of your own
//!
//! Implement [`World`] and [`WorldFactory`], and give it to the command line: every case and every recording can then be
//! tried on it, by `--world mine`.
//!
//! ```no_run
//! use ipq_conformance::{
//!     Capabilities, Description, Machine, Observation, Setup, Step, World, WorldError, WorldFactory, cli, worlds,
//! };
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
//!     let mut worlds = worlds::all();
//!     worlds.push(Arc::new(Factory));
//!     cli::main(&worlds)
//! }
//! ```

mod capability;
mod case;
pub mod cases;
pub mod cli;
pub mod client;
mod decode;
pub mod diff;
mod filter;
mod isolation;
mod known;
pub mod lab;
#[cfg(target_os = "linux")]
pub mod laboratory;
pub mod matrix;
mod outcome;
mod packet;
pub mod recording;
pub mod replay;
pub mod report;
mod request;
pub mod requirements;
pub mod runner;
mod serial;
mod setup;
mod step;
mod subject;
mod transcript;
#[cfg(target_os = "linux")]
pub mod vm;
mod world;
pub mod worlds;

pub use capability::{Capabilities, Capability};
pub use case::{Case, Level, Topic};
pub use filter::Filter;
pub use known::{KnownDifference, KnownDifferences, KnownDifferencesError};
pub use outcome::{Outcome, Stopped};
pub use packet::{Packet, frame_to_neighbour};
pub use request::Request;
pub use setup::{Machine, Protocol, Rule, Setup, Table, Target};
pub use step::{Account, MOST_INJECTED, Observation, OpenStage, Received, Step};
pub use subject::{CaseResult, Drained, PORT_IDS, ProcText, Program, ReceivedPacket, Socket, Subject, WorldTransport};
pub use transcript::{Event, Transcript};
pub use world::{Description, World, WorldError, WorldFactory};
