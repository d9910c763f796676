//! Locks, waits and time between threads, from the standard library. Built with `--cfg shuttle`,
//! they come from a scheduler that a test controls: the scheduler decides which thread runs next
//! and when a time-out is over.

#[cfg(shuttle)]
mod scheduled;
#[cfg(not(shuttle))]
mod system;

#[cfg(all(shuttle, test))]
pub(crate) use scheduled::{Flaw, restart};
#[cfg(shuttle)]
pub(crate) use scheduled::{Guard, Instant, Monitor, since_1970};
#[cfg(not(shuttle))]
pub(crate) use system::{Guard, Instant, Monitor, since_1970};
