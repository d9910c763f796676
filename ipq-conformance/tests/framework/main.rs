//! The suite's framework, tried on worlds whose answers are known.

mod recording_format;
mod replay;
mod support;
