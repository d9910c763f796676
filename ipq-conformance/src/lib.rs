//! A conformance suite for `ip_queue`: kernels, emulators, and what stands in for them.
//!
//! Everything is built on one seam. A [`World`] does [`Step`]s and says what was seen; cases, recordings and generated tests
//! are all sequences of steps. Whoever implements [`World`] can run the whole suite on an implementation of their own.

mod capability;
pub mod lab;
pub mod recording;
mod setup;
mod step;
mod world;

pub use capability::{Capabilities, Capability};
pub use setup::{Machine, Protocol, Rule, Setup, Table, Target};
pub use step::{Account, MOST_INJECTED, Observation, OpenStage, Received, Step};
pub use world::{Description, World, WorldError, WorldFactory};
