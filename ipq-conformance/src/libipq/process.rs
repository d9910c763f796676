//! The process that a library is loaded into: this program once more, which makes the calls that it
//! is told to make.

use super::loaded::Loaded;
use super::{Caller, Emulator, Libipq, show_emulator};
use crate::child::{self, Child, Line, answer};
use crate::world::{Call, Called, Returned, WorldError};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, BufRead};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

/// The argument that makes this program serve a library. The library's name is the next argument.
const SERVE: &str = "--serve-client";
/// The time limit of a call. The suite's calls all wait for less.
const PATIENCE: Duration = Duration::from_secs(5);

/// If this program was started to serve a library, loads it, serves it until standard input ends,
/// and ends the process. If the library can't be loaded or is no libipq, tells the parent why, and
/// ends the process. Does nothing in a program that was started otherwise.
pub(crate) fn serve_if_asked() {
    let Some(name) = child::asked_for(SERVE) else { return };
    let served = match Loaded::open(&name) {
        Ok(loaded) => match loaded.lacks() {
            Some(name) => answer(&Err::<(), _>(format!(
                "it is no libipq, since it has no function {name}"
            ))),
            None => answer(&Ok::<(), String>(())).and_then(|()| serve(&loaded)),
        },
        Err(error) => answer(&Err::<(), _>(in_full(&error))),
    };
    child::exit(served)
}

/// Returns the text of an error and of its cause, which has the dynamic loader's own words.
fn in_full(error: &libloading::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn serve(loaded: &Loaded) -> io::Result<()> {
    thread::scope(|scope| {
        let mut threads: HashMap<u8, (Sender<Call>, Receiver<Called>)> = HashMap::new();
        for line in io::stdin().lock().lines() {
            let call: Call = serde_json::from_str(&line?)?;
            // Calls on thread 0 are made by this thread. Other threads exist only if a call asks
            // for them.
            if call.thread == 0 {
                answer(&loaded.call(&call))?;
                continue;
            }
            let (calls, results) = threads.entry(call.thread).or_insert_with(|| {
                let (calls, to_do) = mpsc::channel::<Call>();
                let (done, results) = mpsc::channel();
                scope.spawn(move || to_do.iter().all(|call| done.send(loaded.call(&call)).is_ok()));
                (calls, results)
            });
            calls.send(call).map_err(io::Error::other)?;
            answer(&results.recv().map_err(io::Error::other)?)?;
        }
        Ok(())
    })
}

/// The libipq of a library for C, to be loaded by a process of its own.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    /// The library's name or path, as `dlopen` takes it.
    pub(crate) name: OsString,
    /// The object to load before the library; `None` loads none.
    pub(crate) preload: Option<PathBuf>,
}

impl Libipq for Library {
    fn name(&self) -> String {
        self.name.display().to_string()
    }

    fn is_for_c(&self) -> bool {
        true
    }

    fn start(&self, socket: &Path) -> Result<Box<dyn Caller>, WorldError> {
        Ok(Box::new(self.load(socket).map_err(broken)?))
    }
}

impl Library {
    /// Starts a process that loads the library, and whose kernel is the emulator at `socket`. An
    /// error if that fails, or if the library can't be loaded or is no libipq.
    pub(crate) fn load(&self, socket: &Path) -> Result<Process, LoadError> {
        let mut command = child::this_program(SERVE, &self.name);
        show_emulator(&mut command, socket, self.preload.as_deref());
        let mut process = Process {
            child: Child::spawn(&mut command)?,
            patience: PATIENCE,
        };
        match process.child.read_line(PATIENCE)? {
            Line::Read(line) => {
                let loaded: Result<(), String> = serde_json::from_slice(&line).map_err(io::Error::other)?;
                loaded.map_err(LoadError::Library)?;
                Ok(process)
            }
            other => Err(LoadError::Library(process.end_after(&other)?)),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn broken(error: impl ToString) -> WorldError {
    WorldError::Broken(error.to_string())
}

/// The process that has loaded a library, as its parent sees it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    patience: Duration,
}

/// The reason why there is no process with a loaded library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The process or its socket could not be created, or its pipes failed.
    #[error("the library's process can't be started: {0}")]
    Process(#[from] io::Error),
    /// The library is not there, does not fit this machine, is no libipq, or crashed or hung while
    /// it was loaded.
    #[error("the library can't be loaded: {0}; name a libipq.so that a program of this machine could load")]
    Library(String),
    /// The library's `ipq_create_handle` did not open a socket of the emulator.
    #[error(
        "the library's ipq_create_handle did not come to the emulator: it opens a socket of this machine's kernel, or none; \
         to run it on the emulator as it is, name the object of ipq-preload with --preload (`make install` puts it where this \
         command finds it, `cargo build -p ipq-preload` into target/debug)"
    )]
    OtherKernel,
}

impl Caller for Process {
    fn call(&mut self, call: &Call, emulator: Emulator<'_>) -> Result<Called, WorldError> {
        self.try_call(call, emulator).map_err(broken)
    }

    /// Does nothing: the process is killed when it is dropped.
    fn end(&mut self) -> Result<(), WorldError> {
        Ok(())
    }
}

impl Process {
    fn try_call(&mut self, call: &Call, emulator: Emulator<'_>) -> io::Result<Called> {
        self.child.take_printed();
        let mut serving = emulator.beside_a_call();
        let line = match self.child.ask(call, self.patience, Some(&mut serving))? {
            Line::Read(line) => line,
            Line::Ended => return Ok(Called::Ended(self.end_after(&Line::Ended)?)),
            other => return Ok(Called::Hung(self.end_after(&other)?)),
        };
        let sent = serving.sent()?;
        let called = serde_json::from_slice(&line)?;
        Ok(match called {
            Called::Returned(returned) => Called::Returned(Returned {
                sent,
                printed: self.child.take_printed(),
                ..returned
            }),
            other => other,
        })
    }

    /// Ends the process, which gave `line` instead of an answer. Returns in words how it ended, and
    /// what it printed.
    fn end_after(&mut self, line: &Line) -> io::Result<String> {
        let status = self.child.end(line)?;
        let how = match (line, status.signal()) {
            (Line::Late, _) => format!("it did not come back in {:?}", self.patience),
            (Line::TooLong, _) => "it answered without end".to_owned(),
            (_, Some(_)) => format!("it crashed: {status}"),
            (_, None) => format!("it ended the process: {status}"),
        };
        let printed = self.child.take_printed();
        let printed = printed.trim_end();
        Ok(if printed.is_empty() {
            how
        } else {
            format!("{how}, and said: {printed}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Function;
    use ipq_sim::Kernel;
    use ipq_sim::programs::server::Server;
    use rstest::rstest;
    use std::process::Command;

    #[rstest]
    #[case::hung("cat", Duration::ZERO, Called::Hung("it did not come back in 0ns".into()))]
    #[case::ended("true", PATIENCE, Called::Ended("it ended the process: exit status: 0".into()))]
    fn a_process_that_hangs_is_told_from_one_that_ends(
        #[case] program: &str,
        #[case] patience: Duration,
        #[case] expected: Called,
    ) {
        let folder = tempfile::tempdir().expect("there is room");
        let mut server = Server::listen(&folder.path().join("emulator")).expect("nobody else is there");
        let child = Child::spawn(&mut Command::new(program)).expect("it can be started");
        let mut process = Process { child, patience };
        let call = Call {
            thread: 0,
            errno: 0,
            signals: false,
            function: Function::ErrorText,
        };
        let emulator = Emulator {
            server: &mut server,
            kernel: &mut Kernel::builder().build().expect("it has no device"),
        };
        assert_eq!(process.call(&call, emulator).expect("the pipes are there"), expected);
    }
}
