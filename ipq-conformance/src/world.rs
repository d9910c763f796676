//! The world that cases and recordings run in, and the vocabulary to speak of it.
//!
//! - [`World`] is the seam: whoever implements it can run the whole suite;
//! - [`Step`] is one thing that is done to a world, [`Observation`] what was seen of it;
//! - [`Setup`] is the state that a world begins in, [`topology`] the devices around it;
//! - [`Capability`] is something that a world may lack;
//! - [`Call`] is a call of libipq, for worlds that have a program with that library beside the queue.

mod call;
mod capability;
mod serial;
mod setup;
mod step;
pub mod topology;

pub use call::{Call, Called, Function, HandleNumber, HandleState, Returned};
pub use capability::{Capabilities, Capability};
pub use setup::{Machine, Protocol, Rule, Setup, Table, Target};
pub use step::{Account, MOST_INJECTED, Observation, OpenStage, Received, Step};

use serde::{Deserialize, Serialize};

/// An implementation of `ip_queue`, with enough around it to be tried: an emulator, a kernel, or what stands in for one.
///
/// Implement this, and the whole suite runs on yours. A world is a laboratory as [`topology`] describes it. It is
/// used by one thread, from [`begin`](World::begin) to its drop:
///
/// 1. [`describe`](World::describe) and [`capabilities`](World::capabilities), at any time, for the report;
/// 2. [`begin`](World::begin), once, with what the case or the recording asks for;
/// 3. [`step`](World::step), as often as it takes. A step is over when everything that it caused is over: the packet
///    that was injected has reached the queue, a device, or its end;
/// 4. drop, which undoes everything, also while a panic unwinds.
///
/// A world judges nothing: what it sees is compared, and accepted or not, by whoever asked for the step.
pub trait World {
    /// What it is made of, for the head of a report.
    fn describe(&self) -> Description;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Makes everything as `setup` says, with both queues loaded, without a peer, and with their default lengths.
    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError>;

    /// Does one step and says what was seen.
    ///
    /// What the system refuses is an observation, with its errno. An error is for what keeps the world from doing the
    /// step at all: it never counts as a failure of the implementation that is tried.
    fn step(&mut self, step: &Step) -> Result<Observation, WorldError>;
}

/// Makes a world for each case, so that no case sees what another left.
pub trait WorldFactory: Send + Sync {
    /// The name that selects this kind of world on the command line: a word in lower case.
    fn name(&self) -> &str;

    /// A world that nobody has used. It is used on the thread that made it.
    fn create(&self) -> Result<Box<dyn World>, WorldError>;

    /// Whether several worlds may exist at the same time. The suite runs its cases one after another where not.
    fn parallel(&self) -> bool {
        true
    }
}

/// What a world is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The implementation and its version: `ipq-sim 0.1.0`.
    pub implementation: String,
    /// The machine that it is, or stands for, unless a [`Setup`] asks for another.
    pub machine: Machine,
    /// The seed of everything that is left to chance in it, if anything is.
    pub seed: Option<u64>,
}

/// Why a world could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WorldError {
    /// It lacks a capability: the case is skipped.
    #[error("this world lacks the capability {_0}: not every world {what}", what = .0.description())]
    Lacks(Capability),
    /// It can't do this for another reason of its own: the case is skipped.
    #[error("not supported here: {0}")]
    Unsupported(String),
    /// The step makes no sense: a socket that is not open, a device that there is not. Whoever wrote it is wrong.
    #[error("{0}")]
    Misuse(String),
    /// The laboratory failed, not what is tried in it: the case is broken.
    #[error("the laboratory failed: {0}")]
    Broken(String),
}
