//! The interface of a world, in which cases and recordings run, and the vocabulary for it.
//!
//! - [`World`] is the interface: every type that implements it can run the whole suite;
//! - [`Step`] is one action on a world, and [`Observation`] is the world's answer to it;
//! - [`Setup`] is the state that a world begins in, and [`topology`] describes the devices and
//!   addresses around the queue;
//! - [`Capability`] is something that a world may lack;
//! - [`Call`] is a call of libipq: of the world's own if it has one beside the queue.

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

/// An implementation of the packet queue, with the host around it: an emulator, a kernel, or a
/// replacement for one.
///
/// Implement this trait, and the whole suite runs on your implementation. A world has the devices
/// and addresses that [`topology`] describes. One thread uses it, in this order:
///
/// 1. [`describe`](World::describe), [`capabilities`](World::capabilities),
///    [`machine`](World::machine) and [`has_libipq`](World::has_libipq), at any time;
/// 2. [`begin`](World::begin), once, with the setup of the case or recording;
/// 3. [`step`](World::step), any number of times. A step is over when everything that it caused is
///    over: an injected packet has reached the queue, a device, or its end.
///    [`take_printed`](World::take_printed) may follow each step;
/// 4. [`end`](World::end), unless the case or recording stopped early;
/// 5. drop, which undoes everything, also while a panic unwinds.
///
/// A world judges nothing. The caller of a step judges the observation.
pub trait World {
    /// Returns the implementation, machine and seed, for the head of a report.
    fn describe(&self) -> Description;

    /// Returns the capabilities of the world, which are the same in every setup.
    fn capabilities(&self) -> Capabilities;

    /// Returns the machine whose kernel the world is, or imitates, if it begins with `setup`: by
    /// default the machine in `setup`, or that of [`describe`](World::describe) if `setup` names
    /// none. A world with two kernels, one with `ip_queue` and one with numbered queues, chooses by
    /// the protocol in `setup`.
    fn machine(&self, setup: &Setup) -> Machine {
        setup.machine.clone().unwrap_or_else(|| self.describe().machine)
    }

    /// Returns whether the world has a libipq of its own, for C or another language, which cases
    /// call by [`Step::Call`]. If not, the cases of the library call this project's handle over the
    /// world's sockets. By default `true` with [`Capability::CLibrary`].
    fn has_libipq(&self) -> bool {
        self.capabilities().has(Capability::CLibrary)
    }

    /// Puts the world into the state that `setup` describes. Then no numbered queue is bound, no
    /// `ip_queue` has a peer, and the modules of both `ip_queue` families, if the kernel has them,
    /// are loaded with the default maximum length. Fails if the world can't be in that state.
    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError>;

    /// Does one step, and returns the observation.
    ///
    /// If the system refuses the step, the result is an observation that says so, mostly by an
    /// errno. An error says that the world can't do the step at all; an error never counts as a
    /// failure of the implementation.
    fn step(&mut self, step: &Step) -> Result<Observation, WorldError>;

    /// Ends the world after the last step. Does nothing by default. A world may also be dropped
    /// without this call.
    ///
    /// Fails if the world goes wrong at its end, such as a program that exits with a status other
    /// than 0.
    fn end(&mut self) -> Result<(), WorldError> {
        Ok(())
    }

    /// Takes and returns the text that the implementation has printed since the last call of this
    /// method, for the transcript. Empty by default.
    fn take_printed(&mut self) -> String {
        String::new()
    }
}

/// A way to create worlds of one kind: a fresh one for each case, so that no case sees what another
/// case left.
pub trait WorldFactory: Send + Sync {
    /// Returns the name of this kind of world in reports and in lists of known differences, such as
    /// `sim`.
    fn name(&self) -> &str;

    /// Creates a fresh world. The world is used on the thread that calls this.
    fn create(&self) -> Result<Box<dyn World>, WorldError>;

    /// Returns whether several worlds may exist at the same time. If not, cases run one after
    /// another. `true` by default.
    fn parallel(&self) -> bool {
        true
    }
}

/// A world's description of itself, for the head of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The name of the implementation and its version, such as `ipq-sim 0.1.0`.
    pub implementation: String,
    /// The machine whose kernel the world is, or imitates. In a setup it can be another: see
    /// [`World::machine`].
    pub machine: Machine,
    /// The seed of the world's random numbers; `None` if it uses none.
    pub seed: Option<u64>,
}

/// The reason why a world could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WorldError {
    /// The world lacks this capability: the case is skipped.
    #[error("this world lacks the capability {_0}: not every world {what}{}", .0.advice(), what = .0.description())]
    Lacks(Capability),
    /// The world can't do what was asked, for this reason, which is no missing capability: the case
    /// is skipped.
    #[error("not supported here: {0}")]
    Unsupported(String),
    /// The step or setup makes no sense, for this reason: for example its socket is not open, or
    /// its device does not exist. The case itself is wrong, so it is broken.
    #[error("{0}")]
    Misuse(String),
    /// The test environment or the world itself failed, for this reason. This says nothing about
    /// the implementation under test: the case is broken.
    #[error("the laboratory failed: {0}")]
    Broken(String),
}
