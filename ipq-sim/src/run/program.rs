//! The program that is run: started where it finds the emulator, and ended when there is nothing more for it.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(3);

/// A program that runs. It does not outlive this.
pub(super) struct Program {
    child: Child,
}

impl Program {
    pub(super) fn start(
        program: &OsStr,
        arguments: &[OsString],
        socket: &Path,
        library: Option<&Path>,
    ) -> io::Result<Self> {
        let mut transport = OsString::from("unix:");
        transport.push(socket);
        let mut command = Command::new(program);
        command.args(arguments).env("IPQ_TRANSPORT", transport);
        if let Some(library) = library {
            let mut path = library.as_os_str().to_owned();
            if let Some(others) = std::env::var_os("LD_LIBRARY_PATH").filter(|others| !others.is_empty()) {
                path.push(":");
                path.push(others);
            }
            command.env("LD_LIBRARY_PATH", path);
        }
        Ok(Self {
            child: command.spawn()?,
        })
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Its exit status if it ends by itself, for which it is given time if it is `ending`; otherwise it is ended.
    pub(super) fn end(&mut self, ending: bool) -> Option<ExitStatus> {
        if ending {
            self.wait(GRACE);
        }
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::TERM);
        }
        self.wait(GRACE);
        None
    }

    fn wait(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Of no consequence to one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
