//! The books of the emulator: what became of every packet.
//!
//! Every packet that enters leaves exactly once, delivered or dropped with a reason from a closed
//! list, or is still queued: `entered = delivered + dropped + queued`, at every step.

mod fate;
mod journal;
mod ledger;
mod serial;
mod trail;

pub use fate::{DropReason, Fate};
pub use journal::PacketEvent;
pub use ledger::Accounting;
pub(crate) use ledger::Ledger;
pub use serial::PacketSerial;
pub(crate) use trail::Step;
