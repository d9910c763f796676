//! Chooses the means by which a program gets its emulated sockets.

use super::{Rate, Run, RunError};
use ipq_core::Family;
use ipq_core::transport::unix::calls::NFNETLINK;
use ipq_launcher::{Watch, can_launch};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A means by which a program gets its emulated sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launcher {
    /// The launcher intercepts the program's calls for sockets by seccomp's user notification
    /// (Linux 5.14), and answers those for queues with emulated sockets. The program may be linked
    /// in any way.
    Seccomp,
    /// An object that is loaded into the program (`LD_PRELOAD`) makes the sockets, of `ip_queue`
    /// alone. The program must use the C library's functions, and be linked dynamically.
    Preload,
    /// The program has this project's libipq, which connects to the emulator that `IPQ_TRANSPORT`
    /// names. It serves `ip_queue` alone.
    Transport,
}

impl Launcher {
    /// All launchers: seccomp, preload and transport.
    pub const ALL: [Self; 3] = [Self::Seccomp, Self::Preload, Self::Transport];

    /// Returns the launcher's name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seccomp => "seccomp",
            Self::Preload => "preload",
            Self::Transport => "transport",
        }
    }
}

/// The launcher that was chosen for a run, and why it is not seccomp. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The launcher that was chosen.
    pub launcher: Launcher,
    /// The reason why the system does not allow the launcher seccomp. `None` if seccomp was chosen,
    /// or if the run asked for a launcher.
    pub instead: Option<String>,
    /// The object that [`Launcher::Preload`] loads into the program; `None` for another launcher.
    pub(super) object: Option<PathBuf>,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.launcher.name())?;
        f.write_str(match self.launcher {
            Launcher::Seccomp => ", the system gives the program its emulated sockets",
            Launcher::Preload => ", an object loaded into the program makes its emulated sockets",
            Launcher::Transport => ", the program's libipq goes where IPQ_TRANSPORT says",
        })?;
        match &self.instead {
            Some(reason) => write!(f, " (seccomp can't be had here: {reason})"),
            None => Ok(()),
        }
    }
}

/// Returns the netlink protocols whose sockets a launcher's filter keeps a program from getting
/// from this machine's kernel: those of `ip_queue` for IPv4 and for IPv6, and nfnetlink.
pub(super) fn protocols() -> Vec<u32> {
    let queues = Family::ALL.map(|family| u32::from(family.netlink_protocol()));
    queues.into_iter().chain([NFNETLINK.unsigned_abs()]).collect()
}

/// Returns the run's settings for the launcher seccomp, which watches the calls for sockets of the
/// [`protocols`], those for raw sockets if the run emulates them, and some other calls in any case.
/// With a rate other than [`Rate::AsRead`], receive calls are watched, too, since packets can be
/// lost then, and the program is told of an overrun (SOCK-4).
pub(super) fn watch(run: &Run) -> Watch {
    Watch {
        protocols: protocols(),
        receives: run.rate != Rate::AsRead,
        raw_sockets: run.raw_sockets,
    }
}

/// Chooses the launcher of a run: the one that was asked for, otherwise seccomp where the system
/// allows it. Without seccomp, chooses the preload if its object was set and
/// [`has_libipq`](Run::has_libipq) returns `false`, and otherwise the transport. Fails if seccomp
/// was asked for and the system does not allow it, if the preload was asked for without its object,
/// if the preload's program is linked statically, or if raw sockets were asked for and the launcher
/// is not seccomp.
pub(super) fn choose(run: &Run) -> Result<Choice, RunError> {
    let seccomp = match run.launcher {
        None | Some(Launcher::Seccomp) => can_launch(&watch(run)),
        Some(_) => Err(io::ErrorKind::Unsupported.into()),
    };
    let linkage = run.linkage();
    let launcher = match (run.launcher, &seccomp) {
        (Some(Launcher::Seccomp), Err(error)) => {
            return Err(RunError::NoSeccomp {
                reason: error.to_string(),
            });
        }
        (Some(launcher), _) => launcher,
        (None, Ok(())) => Launcher::Seccomp,
        (None, Err(_)) if linkage.has_libipq || run.preload.is_none() => Launcher::Transport,
        (None, Err(_)) => Launcher::Preload,
    };
    if run.raw_sockets && launcher != Launcher::Seccomp {
        let reason = seccomp.err().filter(|_| run.launcher.is_none());
        return Err(RunError::RawSockets {
            launcher: launcher.name(),
            reason: reason.map_or(String::new(), |reason| format!(", which can't be had here: {reason}")),
        });
    }
    let object = match (launcher, &run.preload) {
        (Launcher::Preload, None) => return Err(RunError::NoObject),
        (Launcher::Preload, Some(object)) if linkage.is_static => {
            return Err(RunError::Static {
                program: run.program_name(),
                object: object.clone(),
            });
        }
        (Launcher::Preload, Some(object)) => Some(object.clone()),
        _ => None,
    };
    Ok(Choice {
        launcher,
        instead: seccomp
            .err()
            .filter(|_| run.launcher.is_none())
            .map(|error| error.to_string()),
        object,
    })
}
