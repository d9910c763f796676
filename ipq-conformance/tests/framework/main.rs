//! The suite's framework, tried on worlds whose answers are known.

mod faults;
mod recording_format;
mod replay;
mod support;
