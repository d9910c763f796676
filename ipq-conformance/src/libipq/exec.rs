//! A program in any language that calls a libipq. A pipe tells it which calls to make.
//!
//! A program that breaks the protocol of the pipe makes a case *broken*. One that hangs or ends
//! during a call makes the case *failed*, as a library for C does: the fault is its libipq's.

mod messages;

use super::{Caller, Emulator, Libipq, show_emulator};
use crate::pipe::{self, ExecError, Fault, PATIENCE, Program, VERSION};
use crate::world::{Call, Called, Function, WorldError};
use messages::{About, Answer, CallRequest, ErrorKind, Request};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The file that describes the protocol, in the folder of this package.
const PAGE: &str = "docs/client-protocol.md";

/// A program that calls a libipq, as a libipq under test.
#[derive(Clone, Debug)]
pub(crate) struct ExecLibipq {
    words: Vec<String>,
    preload: Option<PathBuf>,
    /// The description that the program gave at its first start. Each later start must give the
    /// same.
    about: About,
}

impl ExecLibipq {
    /// Starts the program of the command line `command` once, to read its description of itself.
    /// `socket` is the emulator's path that the program is told; no emulator needs to be there.
    pub(crate) fn new(command: &str, preload: Option<PathBuf>, socket: &Path) -> Result<Self, ExecError> {
        let words = pipe::words(command)?;
        let mut process = Process::start(&words, preload.as_deref(), socket)?;
        process.end()?;
        Ok(Self {
            words,
            preload,
            about: process.about,
        })
    }
}

impl Libipq for ExecLibipq {
    fn name(&self) -> String {
        self.about.implementation.clone()
    }

    fn is_for_c(&self) -> bool {
        self.about.c_library
    }

    fn start(&self, socket: &Path) -> Result<Box<dyn Caller>, WorldError> {
        let process = Process::start(&self.words, self.preload.as_deref(), socket)?;
        if process.about != self.about {
            return Err(WorldError::Broken(format!(
                "{} contradicts itself: at its first start it described another libipq; the description \
                 must be the same at each start",
                self.words[0]
            )));
        }
        Ok(Box::new(process))
    }
}

/// A started program that has described itself.
#[derive(Debug)]
struct Process {
    program: Program,
    about: About,
}

impl Process {
    fn start(words: &[String], preload: Option<&Path>, socket: &Path) -> Result<Self, WorldError> {
        let mut command = Command::new(&words[0]);
        show_emulator(command.args(&words[1..]), socket, preload);
        let mut program = Program::start(&mut command, PAGE)?;
        match program.ask(&Request::Describe { protocol: VERSION }, PATIENCE, None)? {
            Answer::Description(answer) => {
                let about = answer.read().map_err(|what| program.breach(&what))?;
                Ok(Self { program, about })
            }
            other => Err(program.wrong_kind(&other).into()),
        }
    }
}

impl Caller for Process {
    fn call(&mut self, call: &Call, emulator: Emulator<'_>) -> Result<Called, WorldError> {
        // Text that was printed before is not this call's.
        self.program.take_printed();
        let request = Request::Call(CallRequest::new(call, self.about.c_library));
        let mut serving = emulator.beside_a_call();
        let answer = match self.program.ask(&request, patience(call), Some(&mut serving)) {
            Ok(answer) => answer,
            Err(Fault::Hang(how)) => return Ok(Called::Hung(how)),
            Err(Fault::End(how)) => return Ok(Called::Ended(how)),
            Err(breach) => return Err(breach.into()),
        };
        match answer {
            Answer::Returned(answer) => {
                let mut returned = answer.read(call).map_err(|what| self.program.breach(&what))?;
                let sent = serving.sent();
                returned.sent = sent.map_err(|error| WorldError::Broken(error.to_string()))?;
                returned.printed = self.program.take_printed();
                Ok(Called::Returned(returned))
            }
            Answer::Error(error) => match error.error {
                ErrorKind::Missing => Ok(Called::Missing(error.what)),
                ErrorKind::Unsupported => Ok(Called::Unable(error.what)),
                ErrorKind::Broken => Err(WorldError::Broken(error.what)),
            },
            other => Err(self.program.wrong_kind(&other).into()),
        }
    }

    fn end(&mut self) -> Result<(), WorldError> {
        match self.program.ask(&Request::End, PATIENCE, None)? {
            Answer::Ended => Ok(self.program.expect_exit()?),
            other => Err(self.program.wrong_kind(&other).into()),
        }
    }
}

/// Returns the time limit of a call: 5 seconds, and for a read its timeout in addition.
fn patience(call: &Call) -> Duration {
    match call.function {
        Function::Read { timeout, .. } => PATIENCE + Duration::from_micros(timeout.max(0).unsigned_abs().into()),
        _ => PATIENCE,
    }
}
