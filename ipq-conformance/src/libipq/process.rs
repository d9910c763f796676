//! The process that a library is loaded into: this program once more. It gets a call a line by its standard input, and says
//! what came of it a line by its standard output.

use super::loaded::Loaded;
use crate::world::{Call, Called, Returned};
use bytes::Bytes;
use ipq_sim::Kernel;
use ipq_sim::programs::server::{Passed, Server};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// The argument that makes a program serve a library; the library's name follows.
const SERVE: &str = "--serve-client";
/// How long a call may take. None is told to wait for longer than a part of this.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of what it prints is kept, in bytes.
const MOST_PRINTED: usize = 1 << 14;

/// Serves a library, and ends the process, if that is what this program was started for.
pub(crate) fn serve_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|argument| argument != SERVE) {
        return;
    }
    let name = arguments.next().unwrap_or_default();
    let served = match Loaded::open(&name) {
        Ok(loaded) => answer(&Ok::<(), String>(())).and_then(|()| serve(&loaded)),
        Err(error) => answer(&Err::<(), _>(in_full(&error))),
    };
    match served {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

/// What is wrong, and why: the dynamic loader's own words are the second.
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
            // The first thread is this one: it has no other, unless a call asks for one.
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

fn answer(answer: &impl serde::Serialize) -> io::Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, answer)?;
    output.write_all(b"\n")?;
    output.flush()
}

/// The library to load, and how.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    /// As `dlopen` takes it.
    pub(crate) name: OsString,
    /// The object to load first, if there is one.
    pub(crate) preload: Option<PathBuf>,
}

/// The emulator that is the library's kernel.
#[derive(Debug)]
pub(crate) struct Emulator<'e> {
    pub(crate) server: &'e mut Server,
    pub(crate) kernel: &'e mut Kernel,
}

impl Emulator<'_> {
    /// Does what is to be done now, and keeps the datagrams that the library sent.
    pub(crate) fn turn(&mut self, sent: &mut Vec<Bytes>) -> io::Result<()> {
        self.server.turn(self.kernel, Some(Duration::ZERO), &mut |passed| {
            if let Passed::FromProgram(datagram) = passed {
                sent.push(Bytes::copy_from_slice(datagram));
            }
        })
    }
}

/// The process, from the outside.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    calls: ChildStdin,
    answers: ChildStdout,
    /// Until its end.
    errors: Option<ChildStderr>,
    unread: Vec<u8>,
    printed: Vec<u8>,
    patience: Duration,
}

/// Why there is no process with a library to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The system gives no process, or no place for its socket.
    #[error("the library's process can't be started: {0}")]
    Process(#[from] io::Error),
    /// There is no such library, or it is none for this machine.
    #[error("the library can't be loaded: {0}; name a libipq.so that a program of this machine could load")]
    Library(String),
}

impl Process {
    /// Starts one whose kernel is the emulator at `socket`.
    pub(crate) fn start(library: &Library, socket: &Path) -> Result<Self, LoadError> {
        let mut transport = OsString::from("unix:");
        transport.push(socket);
        let mut command = Command::new("/proc/self/exe");
        command.arg(SERVE).arg(&library.name).env("IPQ_TRANSPORT", transport);
        if let Some(object) = &library.preload {
            command.env("LD_PRELOAD", object);
        }
        let mut process = Self::spawn(&mut command)?;
        match process.read_line(None, &mut Vec::new())? {
            Line::Read(line) => {
                let loaded: Result<(), String> = serde_json::from_slice(&line).map_err(io::Error::other)?;
                loaded.map_err(LoadError::Library)?;
                Ok(process)
            }
            other => Err(LoadError::Library(process.end(&other)?)),
        }
    }

    fn spawn(command: &mut Command) -> io::Result<Self> {
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(calls), Some(answers), Some(errors)) = pipes else {
            return Err(io::Error::other("it has no pipes"));
        };
        Ok(Self {
            child,
            calls,
            answers,
            errors: Some(errors),
            unread: Vec::new(),
            printed: Vec::new(),
            patience: PATIENCE,
        })
    }

    /// Makes a call, and serves the emulator until it is back.
    pub(crate) fn call(&mut self, call: &Call, mut emulator: Emulator<'_>) -> io::Result<Called> {
        let mut line = serde_json::to_vec(call)?;
        line.push(b'\n');
        self.printed.clear();
        // A process that is gone shows below.
        let _ = self.calls.write_all(&line);
        let mut sent = Vec::new();
        let line = match self.read_line(Some(&mut emulator), &mut sent)? {
            Line::Read(line) => line,
            Line::None => return Ok(Called::Ended(self.end(&Line::None)?)),
            Line::Late => return Ok(Called::Hung(self.end(&Line::Late)?)),
        };
        // What was sent and printed before the answer is there by now.
        emulator.turn(&mut sent)?;
        self.read_errors()?;
        let called = serde_json::from_slice(&line)?;
        Ok(match called {
            Called::Returned(returned) => Called::Returned(Returned {
                sent,
                printed: String::from_utf8_lossy(&self.printed).into_owned(),
                ..returned
            }),
            other => other,
        })
    }

    fn read_line(&mut self, mut emulator: Option<&mut Emulator<'_>>, sent: &mut Vec<Bytes>) -> io::Result<Line> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let rest = self.unread.split_off(end + 1);
                return Ok(Line::Read(std::mem::replace(&mut self.unread, rest)));
            }
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Ok(Line::Late);
            }
            let errors = self.errors.as_ref().map(|errors| errors.as_fd());
            let server = emulator.as_ref().map(|emulator| emulator.server.as_fd());
            wait([Some(self.answers.as_fd()), errors, server], remaining)?;
            if let Some(emulator) = &mut emulator {
                emulator.turn(sent)?;
            }
            self.read_errors()?;
            if wait([Some(self.answers.as_fd())], Duration::ZERO)? {
                let mut piece = [0; 8192];
                match self.answers.read(&mut piece)? {
                    0 => return Ok(Line::None),
                    length => self.unread.extend_from_slice(&piece[..length]),
                }
            }
        }
    }

    /// Reads what is printed by now, without waiting for more.
    fn read_errors(&mut self) -> io::Result<()> {
        while let Some(errors) = &mut self.errors
            && wait([Some(errors.as_fd())], Duration::ZERO)?
        {
            let mut piece = [0; 4096];
            match errors.read(&mut piece)? {
                0 => self.errors = None,
                length if self.printed.len() < MOST_PRINTED => self.printed.extend_from_slice(&piece[..length]),
                _ => {}
            }
        }
        Ok(())
    }

    /// What became of a process that gave this instead of an answer. It is over afterwards.
    fn end(&mut self, line: &Line) -> io::Result<String> {
        if *line == Line::Late {
            // It may be over already.
            let _ = self.child.kill();
        }
        let status = self.child.wait()?;
        self.read_errors()?;
        let how = match (line, status.signal()) {
            (Line::Late, _) => format!("it did not come back in {:?}", self.patience),
            (_, Some(_)) => format!("it crashed: {status}"),
            (_, None) => format!("it ended the process: {status}"),
        };
        let words = String::from_utf8_lossy(&self.printed);
        let words = words.trim_end();
        Ok(if words.is_empty() {
            how
        } else {
            format!("{how}, and said: {words}")
        })
    }
}

/// What a process gives when it is to give a line.
#[derive(PartialEq, Eq)]
enum Line {
    Read(Vec<u8>),
    /// There are no more: the process is at its end.
    None,
    /// Nothing came in time.
    Late,
}

/// Waits until one of the descriptors has something to read, or is at its end.
fn wait<const N: usize>(descriptors: [Option<BorrowedFd<'_>>; N], at_most: Duration) -> io::Result<bool> {
    let polled = |descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN);
    let mut awaited: Vec<_> = descriptors.into_iter().flatten().map(polled).collect();
    let timeout = Timespec::try_from(at_most).map_err(io::Error::other)?;
    Ok(poll(&mut awaited, Some(&timeout))? > 0)
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Function;
    use rstest::rstest;

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
        let mut process = Process::spawn(&mut Command::new(program)).expect("it can be started");
        process.patience = patience;
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
        let status = process.child.try_wait().expect("it is a child");
        assert!(status.is_some(), "it is over");
    }
}
