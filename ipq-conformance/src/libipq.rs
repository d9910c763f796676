//! A libipq for C under test, in a process of its own.
//!
//! The process is this program once more. It loads the library and makes the calls that it is told
//! to make. The library's kernel is the emulator, which the parent serves. A library that knows
//! `IPQ_TRANSPORT` finds the emulator by this variable; for any other library the process loads the
//! object of `ipq-preload` first.

mod loaded;
mod process;

pub use process::LoadError;
pub(crate) use process::{Emulator, Library, Process, serve_if_asked};
