//! The fuzzed parts, and what must hold for each whatever the bytes are: a module for each target,
//! with a function `check`.
//!
//! Each target says more than "no crash". An input for which `check` panics is a finding. It is
//! tried again as a call of `check`, and becomes a test.

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
