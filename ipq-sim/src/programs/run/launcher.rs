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
    /// The launcher stops the program's calls for sockets by seccomp's user notification (Linux
    /// 5.14) and gives it emulated ones. The program may be linked in any way.
    Seccomp,
    /// An object that is loaded into the program makes the sockets. The program must use the C
    /// library's functions, and be linked dynamically.
    Preload,
    /// The program has this project's libipq, which connects to the emulator that `IPQ_TRANSPORT`
    /// names.
    Transport,
}

impl Launcher {
    /// All launchers. If none was asked for, seccomp is preferred.
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

/// The launcher that was chosen for a run, and why. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The launcher that was chosen.
    pub launcher: Launcher,
    /// The reason why the system does not allow seccomp. `None` if seccomp was chosen, or if a
    /// launcher was asked for.
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

/// Returns the netlink protocols whose sockets a program never gets from this machine's kernel:
/// those of `ip_queue` for IPv4 and for IPv6, and nfnetlink.
pub(super) fn protocols() -> Vec<u32> {
    let queues = Family::ALL.map(|family| u32::from(family.netlink_protocol()));
    queues.into_iter().chain([NFNETLINK.unsigned_abs()]).collect()
}

/// Returns the calls to watch in a run. With a rate other than [`Rate::AsRead`], packets can be
/// lost: receive calls are then watched, too, to tell the program of an overrun (SOCK-4).
pub(super) fn watch(run: &Run) -> Watch {
    Watch {
        protocols: protocols(),
        receives: run.rate != Rate::AsRead,
        raw_sockets: run.raw_sockets,
    }
}

/// Chooses the launcher of a run: the one that was asked for, otherwise seccomp where the system
/// allows it. Without seccomp, chooses the preload if its object is known and the program does not
/// have libipq, and otherwise the transport. Fails if the launcher that was asked for can't be had.
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
