//! A libipq under test, in a process of its own whose kernel is the emulator.
//!
//! The process is one of two:
//!
//! - this program once more, which loads a library for C and makes the calls that it is told to;
//! - a program in any language that makes them, told over a pipe: `docs/client-protocol.md` of this
//!   package describes it completely.
//!
//! The parent serves the emulator at a path. A libipq that knows `IPQ_TRANSPORT` finds the
//! emulator by this variable. For one that opens a netlink socket the process loads the object of
//! `ipq-preload` first.

mod emulator;
#[cfg(feature = "exec")]
mod exec;
mod loaded;
mod process;

pub(crate) use emulator::Emulator;
#[cfg(feature = "exec")]
pub(crate) use exec::ExecLibipq;
pub use process::LoadError;
pub(crate) use process::{Library, serve_if_asked};

use crate::world::{Call, Called, WorldError};
use std::ffi::OsString;
use std::fmt::Debug;
use std::path::Path;
use std::process::Command;

/// A libipq that processes can be started with.
pub(crate) trait Libipq: Debug + Send + Sync {
    /// Returns its name for reports.
    fn name(&self) -> String;

    /// Returns whether a caller sees what a program in C sees: errno, NULL, threads, signals,
    /// descriptors and the handle's structure.
    fn is_for_c(&self) -> bool;

    /// Starts a process whose kernel is the emulator at `socket`.
    fn start(&self, socket: &Path) -> Result<Box<dyn Caller>, WorldError>;
}

/// A process that calls its libipq when it is told to.
pub(crate) trait Caller: Debug {
    /// Makes a call, and serves the emulator until it returns.
    fn call(&mut self, call: &Call, emulator: Emulator<'_>) -> Result<Called, WorldError>;

    /// Ends the process in order.
    fn end(&mut self) -> Result<(), WorldError>;
}

/// Tells the process of `command` where the emulator is.
fn show_emulator(command: &mut Command, socket: &Path, preload: Option<&Path>) {
    let mut transport = OsString::from("unix:");
    transport.push(socket);
    command.env("IPQ_TRANSPORT", transport);
    if let Some(object) = preload {
        command.env("LD_PRELOAD", object);
    }
}
