//! The world in which cases and recordings run, and the vocabulary for it.
//!
//! - [`World`] is the interface: every type that implements it can run the whole suite;
//! - [`Step`] is one thing that is done to a world, [`Observation`] is what was seen of it;
//! - [`Setup`] is the state that a world begins in, [`topology`] the devices around it;
//! - [`Capability`] is something that a world may lack;
//! - [`Call`] is a call of libipq, for worlds that have a program with a libipq of its own beside
//!   the queue.

mod call;
mod capability;
mod serial;
mod setup;
mod step;
pub mod topology;

pub use call::{Call, Called, Function, HandleNumber, HandleState, Returned};
pub use capability::{Capabilities, Capability};
pub(crate) use setup::order_word;
pub use setup::{Machine, NumberedQueue, Protocol, QueueProtocol, Rule, Setup, Spread, Table, Target};
pub use step::{Account, MOST_INJECTED, Observation, OpenStage, Received, Step};

use serde::{Deserialize, Serialize};

/// An implementation of `ip_queue` with enough around it to be tested: an emulator, a kernel, or a
/// replacement for one.
///
/// Implement this, and the whole suite runs on your implementation. A world is a laboratory as
/// [`topology`] describes it. It is used by one thread, in this order:
///
/// 1. [`describe`](World::describe) and [`capabilities`](World::capabilities), at any time, for the
///    report;
/// 2. [`begin`](World::begin), once, with the setup of the case or recording;
/// 3. [`step`](World::step), any number of times. A step is over when everything that it caused is
///    over: an injected packet has reached the queue, a device, or its end;
/// 4. [`end`](World::end), unless a step went wrong;
/// 5. drop, which undoes everything, also while a panic unwinds.
///
/// A world judges nothing. The caller of a step judges the observation.
pub trait World {
    /// Returns the description for the head of a report.
    fn describe(&self) -> Description;

    /// Returns the capabilities of the world.
    fn capabilities(&self) -> Capabilities;

    /// Returns the machine that the world is with this setup.
    fn machine(&self, setup: &Setup) -> Machine {
        setup.machine.clone().unwrap_or_else(|| self.describe().machine)
    }

    /// Returns whether the world has a libipq of its own, for C or for another language, which cases
    /// call by [`Step::Call`]. In a world without one, cases of the library try this project's, over
    /// the world's sockets.
    fn has_libipq(&self) -> bool {
        self.capabilities().has(Capability::CLibrary)
    }

    /// Sets everything up as `setup` says. Both queues are loaded, without a peer, with their
    /// default lengths.
    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError>;

    /// Does one step, and returns the observation.
    ///
    /// If the system refuses the step, that is an observation with an errno. An error says that the
    /// world can't do the step at all; it never counts as a failure of the implementation.
    fn step(&mut self, step: &Step) -> Result<Observation, WorldError>;

    /// Ends the world in order, after the last step. The drop that follows must not need this.
    ///
    /// The error says that the world went wrong at its end.
    fn end(&mut self) -> Result<(), WorldError> {
        Ok(())
    }

    /// Takes and returns the text that the implementation has printed since the last call, for the
    /// transcript.
    fn take_printed(&mut self) -> String {
        String::new()
    }
}

/// Creates a world for each case, so that no case sees what another case left.
pub trait WorldFactory: Send + Sync {
    /// Returns the name that selects this kind of world on the command line: a word in lower case.
    fn name(&self) -> &str;

    /// Creates a fresh world. The world is used on the thread that calls this.
    fn create(&self) -> Result<Box<dyn World>, WorldError>;

    /// Returns whether several worlds may exist at the same time. If not, cases run one after
    /// another.
    fn parallel(&self) -> bool {
        true
    }
}

/// The description of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The implementation and its version: `ipq-sim 0.1.0`.
    pub implementation: String,
    /// The machine that the world is, or stands for, unless a [`Setup`] asks for another.
    pub machine: Machine,
    /// The seed of the world's random numbers; `None` if it uses none.
    pub seed: Option<u64>,
}

/// The reason why a world could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WorldError {
    /// The world lacks a capability: the case is skipped.
    #[error("this world lacks the capability {_0}: not every world {what}", what = .0.description())]
    Lacks(Capability),
    /// The world can't do this for another reason: the case is skipped.
    #[error("not supported here: {0}")]
    Unsupported(String),
    /// The step makes no sense, since its socket is not open or its device does not exist: the case
    /// is wrong.
    #[error("{0}")]
    Misuse(String),
    /// The laboratory failed, not the implementation: the case is broken.
    #[error("the laboratory failed: {0}")]
    Broken(String),
}
