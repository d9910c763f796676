//! The books of the emulator: they count every packet that entered the emulated host, and know what
//! became of the last ones.
//!
//! A packet counts as queued from its entry on, also on its way, until it is delivered or dropped
//! for a [`DropReason`]. So `entered = delivered + dropped + queued` holds at every step.

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
