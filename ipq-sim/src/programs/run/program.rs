//! The program that is run: started where it finds the emulator, and ended when there is nothing more for it.

use super::Run;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(3);

/// A program that runs. It does not outlive this.
pub(super) struct Program {
    child: Child,
}

impl Program {
    pub(super) fn start(run: &Run, program: &OsStr, socket: &Path) -> io::Result<Self> {
        let mut transport = OsString::from("unix:");
        transport.push(socket);
        let object = run
            .preload
            .as_ref()
            .map(|object| loadable(object, socket))
            .transpose()?;
        let mut command = Command::new(program);
        command.args(&run.arguments).env("IPQ_TRANSPORT", transport);
        for (variable, value) in [("LD_LIBRARY_PATH", &run.library), ("LD_PRELOAD", &object)] {
            if let Some(value) = value {
                command.env(variable, before_others(value, variable));
            }
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

/// A path by which the dynamic loader finds the object: of those in `LD_PRELOAD` it looks for none without a slash where the
/// program is, and takes none with a space or a colon for one path. For these there is a link beside the socket.
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

/// What a variable is when `value` comes first in its list.
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
        // Of no consequence to one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
