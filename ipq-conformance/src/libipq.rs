//! A libipq under test, in a process of its own whose kernel is the emulator.
//!
//! The process is one of two:
//!
//! - this program once more, which loads a library for C and makes the calls that it is told to;
//! - a program in any language that makes the calls it is told over a pipe:
//!   `docs/client-protocol.md` of this package describes the protocol.
//!
//! The parent serves the emulator at a path. A libipq that knows `IPQ_TRANSPORT` finds the emulator
//! by this variable. A libipq that opens a netlink socket instead needs the object of
//! `ipq-preload`, which the process loads first.

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

/// A libipq under test, which processes can be started with.
pub(crate) trait Libipq: Debug + Send + Sync {
    /// Returns the libipq's name for reports.
    fn name(&self) -> String;

    /// Returns whether a caller sees what a program in C sees: errno, NULL, threads, signals,
    /// descriptors and the handle's structure.
    fn is_for_c(&self) -> bool;

    /// Starts a process that calls this libipq, and whose kernel is the emulator at `socket`.
    fn start(&self, socket: &Path) -> Result<Box<dyn Caller>, WorldError>;
}

/// A process that makes the calls to its libipq that it is told to.
pub(crate) trait Caller: Debug {
    /// Makes a call, and serves the emulator until the call is over. A crash or a hang is a result,
    /// not an error.
    fn call(&mut self, call: &Call, emulator: Emulator<'_>) -> Result<Called, WorldError>;

    /// Ends the process after its last call, or leaves that to its drop. An error says that it did
    /// not end as it should.
    fn end(&mut self) -> Result<(), WorldError>;
}

/// Sets the environment variables by which the process of `command` finds the emulator at `socket`:
/// `IPQ_TRANSPORT`, and `LD_PRELOAD` if there is an object to preload.
fn show_emulator(command: &mut Command, socket: &Path, preload: Option<&Path>) {
    let mut transport = OsString::from("unix:");
    transport.push(socket);
    command.env("IPQ_TRANSPORT", transport);
    if let Some(object) = preload {
        command.env("LD_PRELOAD", object);
    }
}
