//! What is fuzzed, and what must hold whatever the bytes are: a module for each target, with a
//! function `check`.
//!
//! Each says more than "no crash". A finding is an input for which `check` panics; so is it tried
//! again, and becomes a test.

pub mod c_interface;
pub mod capture;
mod input;
pub mod nfnetlink;
pub mod numbered;
pub mod queue;
pub mod recording;
pub mod seeds;
pub mod server;
pub mod wire;
