//! The suite: the cases, the types that they are written with, and the runner.
//!
//! - [`cases`] holds every case, by topic, and says how to write one;
//! - [`Subject`] is the implementation under test, as a case sees it; [`Packet`], [`Request`] and
//!   [`QueueRequest`] build the packets and messages that are sent to it;
//! - [`Filter`] chooses cases, [`runner`] runs them, and [`Outcome`] is the result of one;
//! - [`kernels`] says which kernels a case holds for;
//! - [`KnownDifferences`] lists the cases that a world is known to fail;
//! - [`requirements`] lists the rules of the protocol, and the cases and faults that cover them.

mod case;
pub mod cases;
mod client;
pub(crate) mod filter;
pub(crate) mod isolation;
pub mod kernels;
mod known;
mod outcome;
mod packet;
mod queue_request;
mod request;
pub mod requirements;
pub mod runner;
mod subject;

pub use case::{Case, Level, Topic};
pub use client::Client;
pub use filter::Filter;
pub use known::{KnownDifference, KnownDifferences, KnownDifferencesError};
pub use outcome::{Outcome, Stopped};
pub use packet::{Packet, frame_to_neighbour};
pub use queue_request::QueueRequest;
pub use request::Request;
pub use subject::{
    AnswerForm, CaseResult, Drained, PORT_IDS, ProcText, Program, QueuedMessage, ReceivedPacket, Socket, Subject,
    WorldTransport,
};
