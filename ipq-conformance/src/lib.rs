//! A conformance suite for `ip_queue`: kernels, emulators, and what stands in for them.
//!
//! Everything is built on one seam. A [`World`] does [`Step`]s and says what was seen; cases, recordings and generated tests
//! are all sequences of steps. Whoever implements [`World`] can run the whole suite on an implementation of their own.

mod capability;
mod case;
pub mod cases;
pub mod cli;
mod decode;
mod filter;
mod isolation;
mod known;
pub mod lab;
mod outcome;
mod packet;
pub mod recording;
pub mod replay;
pub mod report;
mod request;
pub mod requirements;
pub mod runner;
mod setup;
mod step;
mod subject;
mod transcript;
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
pub use subject::{CaseResult, Drained, PORT_IDS, ProcText, ReceivedPacket, Socket, Subject, WorldTransport};
pub use transcript::{Event, Transcript};
pub use world::{Description, World, WorldError, WorldFactory};
