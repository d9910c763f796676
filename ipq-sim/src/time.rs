//! Time in the emulated kernel, and time and locks between threads.

pub(crate) mod clock;
pub(crate) mod monitor;
