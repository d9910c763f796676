//! Starts the program that is run, with a server for it, and ends it when the run is over.

use super::conclusion::ProgramEnd;
use super::launcher::{Choice, Launcher, protocols, watch};
use super::{Run, RunError, listen};
use crate::kernel::Kernel;
use crate::programs::server::{Observer, Server};
use ipq_launcher::{LaunchError, Launched, launch, launch_guarded};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The time that a program has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);

/// A program that was started. Dropping it kills the program's first process, and waits for its
/// end.
pub(super) struct Program {
    child: Child,
    /// `true` if the launcher seccomp started the program, so that the end of all its processes is
    /// noticed, and not only of the first.
    launched: bool,
    /// The directory of the emulator's socket, which is removed with this. `None` with the launcher
    /// seccomp, which needs no path.
    _directory: Option<TempDir>,
}

impl Program {
    /// Starts a program by the launcher that was chosen. Returns the program, and the server that
    /// serves it.
    pub(super) fn start(run: &Run, name: &OsStr, choice: &Choice) -> Result<(Self, Server), RunError> {
        match choice.launcher {
            Launcher::Seccomp => Self::launch(run, name),
            Launcher::Preload | Launcher::Transport => Self::start_at_a_path(run, name, choice.object.as_deref()),
        }
    }

    /// Starts a program by the launcher seccomp. Removes `IPQ_TRANSPORT` from its environment, by
    /// which this project's libipq would connect elsewhere.
    fn launch(run: &Run, name: &OsStr) -> Result<(Self, Server), RunError> {
        let mut command = command(run, name);
        command.env_remove("IPQ_TRANSPORT");
        let mut server = Server::new()?;
        let Launched { child, listener } = launch(command, &watch(run)).map_err(|error| not_started(name, error))?;
        let program = Self {
            child,
            launched: true,
            _directory: None,
        };
        server.launch(listener)?;
        Ok((program, server))
    }

    fn start_at_a_path(run: &Run, name: &OsStr, object: Option<&Path>) -> Result<(Self, Server), RunError> {
        let directory = tempfile::Builder::new().prefix("ipq-sim-").tempdir()?;
        let path = directory.path().join("socket");
        let server = listen(&path)?;
        let object = object.map(|object| loadable(object, &path)).transpose()?;
        let command = || {
            let mut transport = OsString::from("unix:");
            transport.push(&path);
            let mut command = command(run, name);
            command.env("IPQ_TRANSPORT", transport);
            if let Some(object) = &object {
                command.env("LD_PRELOAD", before_others(object, "LD_PRELOAD"));
            }
            command
        };
        let child = match launch_guarded(command(), &protocols()) {
            // Where the system takes no filter, the program starts without the guard.
            Err(LaunchError::NoFilter(_)) => command().spawn().map_err(LaunchError::Program),
            started => started,
        };
        let program = Self {
            child: child.map_err(|error| not_started(name, error))?,
            launched: false,
            _directory: Some(directory),
        };
        Ok((program, server))
    }

    /// Returns `true` if no process of the program is left, and no emulated socket is open. Without
    /// the launcher seccomp only the program's first process is known.
    pub(super) fn has_ended(&mut self, server: &Server) -> bool {
        // The sockets close with the program, unless a child has inherited them. Looking for
        // sockets first saves a system call.
        !server.has_programs() && self.processes_have_ended(server)
    }

    fn processes_have_ended(&mut self, server: &Server) -> bool {
        self.first_has_ended() && (!self.launched || server.launched_has_ended())
    }

    fn first_has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the program, and returns how its first process ended: by itself, after SIGTERM, or
    /// killed. First waits up to the time `ending`, if given, for the program to end by itself. If
    /// any known process is left, sends SIGTERM to all that are, and waits up to [`GRACE`] for
    /// their end. With the launcher seccomp then kills the known processes that are left; otherwise
    /// the first process is killed when this is dropped.
    pub(super) fn end(
        &mut self,
        server: &mut Server,
        kernel: &mut Kernel,
        ending: Option<Duration>,
        observer: &mut dyn Observer,
    ) -> ProgramEnd {
        if let Some(time) = ending {
            self.wait(server, kernel, time, observer);
        }
        let by_itself = self.child.try_wait().ok().flatten().map(ProgramEnd::ByItself);
        if let Some(end) = by_itself
            && self.processes_have_ended(server)
        {
            return end;
        }
        let mut others = server.launched_processes();
        others.remove(&self.child.id());
        if by_itself.is_none() {
            signal(self.child.id(), Signal::TERM);
        }
        for process in &others {
            signal(*process, Signal::TERM);
        }
        self.wait(server, kernel, GRACE, observer);
        if self.launched && !server.launched_has_ended() {
            for process in server.launched_processes() {
                signal(process, Signal::KILL);
            }
        }
        let on_term = self.child.try_wait().ok().flatten().map(ProgramEnd::OnTerm);
        by_itself.or(on_term).unwrap_or(ProgramEnd::Killed)
    }

    /// Waits until all known processes of the program have ended, at most for `time`. Meanwhile
    /// serves the program, since its calls may wait for an answer. Returns early if serving fails.
    fn wait(&mut self, server: &mut Server, kernel: &mut Kernel, time: Duration, observer: &mut dyn Observer) {
        let began = Instant::now();
        while !self.processes_have_ended(server) && began.elapsed() < time {
            let turned = server.observed_turn(kernel, Some(Duration::from_millis(2)), observer);
            if turned.is_err() {
                return;
            }
        }
    }
}

fn signal(process: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // The process may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Returns the command that starts the program, with the run's arguments and library directory. If
/// the run reads the capture from standard input, the program gets an empty standard input instead.
/// If the run is quiet, the program's standard output goes to standard error.
fn command(run: &Run, name: &OsStr) -> Command {
    let mut command = Command::new(name);
    command.args(&run.arguments);
    // The file is opened by this thread. The thread that starts the program is under the filter,
    // and its call would wait for an answer.
    if run.reads_standard_input()
        && let Ok(nothing) = File::open("/dev/null")
    {
        command.stdin(nothing);
    }
    if run.quiet {
        command.stdout(io::stderr());
    }
    if let Some(library) = &run.library {
        command.env("LD_LIBRARY_PATH", before_others(library, "LD_LIBRARY_PATH"));
    }
    command
}

fn not_started(name: &OsStr, error: LaunchError) -> RunError {
    match error {
        LaunchError::NoListener(error) | LaunchError::NoFilter(error) => RunError::NoSeccomp {
            reason: error.to_string(),
        },
        LaunchError::Program(source) => RunError::Program {
            program: name.to_owned(),
            source,
        },
    }
}

/// Returns an absolute path to `object` for `LD_PRELOAD`, since the loader searches its own
/// directories for a path without a slash. The loader splits the variable at spaces and colons: if
/// the path has any, or a tab or newline, makes a symbolic link to it in the directory of `socket`,
/// and returns the link's path.
fn loadable(object: &Path, socket: &Path) -> io::Result<PathBuf> {
    let object = std::path::absolute(object)?;
    if !object
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(|byte| b" :\t\n".contains(byte))
    {
        return Ok(object);
    }
    let link = socket.with_file_name("preload.so");
    std::os::unix::fs::symlink(object, &link)?;
    Ok(link)
}

/// Returns a value for an environment variable that is a list: `value`, and, if the variable is set
/// and not empty, a colon and what the variable holds now.
fn before_others(value: &Path, variable: &str) -> OsString {
    let mut list = value.as_os_str().to_owned();
    if let Some(others) = std::env::var_os(variable).filter(|others| !others.is_empty()) {
        list.push(":");
        list.push(others);
    }
    list
}

impl Drop for Program {
    fn drop(&mut self) {
        // A program that has ended can't be killed, which does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
