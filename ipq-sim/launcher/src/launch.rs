//! Installs the filter, and starts the program under it.

use crate::call::Name;
use crate::listener::Listener;
use crate::table::{Interface, Purpose};
use crate::{filter, sys, table};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use std::thread;

/// A lock that is held for writing while this package makes a process, and for reading while this
/// process has descriptors that a child must not inherit. A child's copy of a socket, even a
/// short-lived one, would keep the socket open.
static MAKING_A_PROCESS: RwLock<()> = RwLock::new(());

/// Makes [`launch`] and [`launch_guarded`] wait, before they make a process, as long as the
/// returned guard exists. First waits for the end of a launch that is under way.
pub fn no_new_process() -> RwLockReadGuard<'static, ()> {
    MAKING_A_PROCESS.read().unwrap_or_else(PoisonError::into_inner)
}

fn making_a_process() -> RwLockWriteGuard<'static, ()> {
    MAKING_A_PROCESS.write().unwrap_or_else(PoisonError::into_inner)
}

/// The calls of a program that are to be watched, beside those that always are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The netlink protocols whose `socket` calls are reported. These calls never reach the kernel.
    pub protocols: Vec<u32>,
    /// `true` if receive calls, `read` and `readv` on any descriptor are reported, too. Each such
    /// call then costs some microseconds.
    pub receives: bool,
    /// `true` if `socket` for raw sockets and packet sockets is reported, too, and never reaches
    /// the kernel. Then also reported are the calls of [`Name::Send`], on descriptors from
    /// [`FIRST_RAW`](crate::FIRST_RAW) on or by i386's `socketcall`, and each call that reads or
    /// sets an option of any socket.
    pub raw_sockets: bool,
}

impl Watch {
    /// Returns `true` if `socket(domain, kind, _)` opens a raw socket or a packet socket, and those
    /// are watched.
    #[must_use]
    pub fn is_watched_raw(&self, domain: i32, kind: i32) -> bool {
        self.raw_sockets && table::is_raw(domain, kind)
    }

    fn interfaces(&self) -> io::Result<Vec<Interface>> {
        let purpose = Purpose::Watch {
            receives: self.receives,
            raw_sockets: self.raw_sockets,
        };
        known(table::interfaces(&self.protocols, purpose))
    }
}

/// Returns `interfaces` unchanged. Fails with `Unsupported` if the list is empty, which says that
/// the launcher does not know this architecture's system calls.
fn known(interfaces: Vec<Interface>) -> io::Result<Vec<Interface>> {
    if interfaces.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the system calls of this architecture are not known to the launcher",
        ));
    }
    Ok(interfaces)
}

/// A program that was started under the filter.
#[derive(Debug)]
pub struct Launched {
    /// The program's first process.
    pub child: Child,
    /// The listener to which the program's calls are reported.
    pub listener: Listener,
}

/// The reason why a program could not be started.
#[derive(Debug)]
pub enum LaunchError {
    /// The filter and its listener could not be installed, for example because the kernel is too
    /// old, a container forbids it, the architecture is not known to the launcher, or this process
    /// has no descriptor left for the listener.
    NoListener(io::Error),
    /// The filter without a listener could not be installed, or the architecture is not known to
    /// the launcher.
    NoFilter(io::Error),
    /// The program could not be started. This is the error, too, if the thread that starts it could
    /// not be started, if there were no descriptors for the pipe that tells of the start, or if the
    /// listener failed before the program was there.
    Program(io::Error),
}

/// Checks that [`launch`] can work here: installs the filter and its listener on a thread that ends
/// at once. Starts no program. Fails, among others, if the kernel refuses the filter, or if the
/// architecture is not known to the launcher.
pub fn can_launch(watch: &Watch) -> io::Result<()> {
    let interfaces = watch.interfaces()?;
    let filter = filter::assemble(&interfaces);
    let probe = thread::Builder::new().spawn(move || {
        rustix::thread::set_no_new_privs(true)?;
        // The descriptor outlives the thread, so that closing it is not a call under the filter.
        sys::install_with_listener(&filter)
    })?;
    probe.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
    Ok(())
}

/// Starts a program under the filter of `watch`. From then on each watched call waits until it is
/// answered through the returned listener. Fails if the filter can't be installed or the program
/// can't be started.
///
/// A thread of this process installs the filter on itself alone and starts the program, so that the
/// child inherits the filter. Then the thread ends.
pub fn launch(mut command: Command, watch: &Watch) -> Result<Launched, LaunchError> {
    let interfaces = watch.interfaces().map_err(LaunchError::NoListener)?;
    let filter = filter::assemble(&interfaces);
    let _making = making_a_process();
    let (installed, listener) = mpsc::channel();
    let (started, child) = mpsc::channel();
    let (ended, ending) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| LaunchError::Program(error.into()))?;
    let starting = move || {
        // This end of a pipe is closed when the child is there, at the latest by the end of this
        // thread. That wakes the poll in `start`.
        let _ending: OwnedFd = ending;
        let listener = rustix::thread::set_no_new_privs(true)
            .map_err(io::Error::from)
            .and_then(|()| sys::install_with_listener(&filter));
        let is_installed = listener.is_ok();
        let _ = installed.send(listener);
        if is_installed {
            let _ = started.send(command.spawn());
        }
    };
    thread::Builder::new().spawn(starting).map_err(LaunchError::Program)?;
    let listener = listener
        .recv()
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        .map_err(LaunchError::NoListener)?;
    let mut listener = Listener::new(listener, interfaces, watch.clone());
    let child = start(&mut listener, &child, &ended).map_err(LaunchError::Program)?;
    Ok(Launched { child, listener })
}

/// Starts a program under a filter that has no listener. Sockets of the netlink `protocols` fail
/// with EPROTONOSUPPORT, and `io_uring` and the x32 interface with ENOSYS. All other calls go on to
/// the kernel, with one exception: unless `protocols` is empty, i386's `socketcall` can make no
/// socket at all, since the filter can't see the protocol.
pub fn launch_guarded(mut command: Command, protocols: &[u32]) -> Result<Child, LaunchError> {
    let interfaces = known(table::interfaces(protocols, Purpose::Guard)).map_err(LaunchError::NoFilter)?;
    let filter = filter::assemble(&interfaces);
    let _making = making_a_process();
    let starting = move || {
        rustix::thread::set_no_new_privs(true)
            .map_err(io::Error::from)
            .and_then(|()| sys::install(&filter))
            .map_err(LaunchError::NoFilter)?;
        command.spawn().map_err(LaunchError::Program)
    };
    let starting = thread::Builder::new().spawn(starting).map_err(LaunchError::Program)?;
    starting
        .join()
        .unwrap_or_else(|_| Err(LaunchError::Program(io::ErrorKind::Other.into())))
}

/// Waits until the starting thread reports the child, and returns the child. Meanwhile lets the
/// calls proceed that close descriptors or send, and keeps all other watched calls for
/// [`Listener::next_call`]. Fails if the program can't be started, or if the listener fails.
fn start(listener: &mut Listener, child: &mpsc::Receiver<io::Result<Child>>, ended: &OwnedFd) -> io::Result<Child> {
    let mut waiting = std::collections::VecDeque::new();
    let started = loop {
        while let Some(call) = listener.next_call()? {
            // The program has no socket yet: the starting thread tells how the start went.
            if matches!(call.name, Name::Closing | Name::Send(_)) {
                listener.proceed(&call)?;
            } else {
                waiting.push_back(call);
            }
        }
        match child.try_recv() {
            Ok(child) => break child,
            Err(mpsc::TryRecvError::Disconnected) => return Err(io::ErrorKind::Other.into()),
            Err(mpsc::TryRecvError::Empty) => {}
        }
        let listener = listener.as_fd();
        let mut ready = [
            PollFd::from_borrowed_fd(listener, PollFlags::IN),
            PollFd::new(ended, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    listener.early = waiting;
    started
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Action;

    #[test]
    fn without_a_protocol_no_socket_call_is_reported_or_refused_for_its_arguments() {
        let actions = |interfaces: Vec<Interface>| -> Vec<Action> {
            let rules = interfaces.into_iter().flat_map(|interface| interface.rules);
            rules.map(|rule| rule.action).collect()
        };
        let watched = actions(Watch::default().interfaces().unwrap_or_default());
        assert!(!watched.contains(&Action::Notify(Name::Socket)));
        let guarded = actions(table::interfaces(&[], Purpose::Guard));
        assert!(!guarded.contains(&Action::Refuse(libc::EPROTONOSUPPORT)));
    }

    /// Runs itself again as a process that may have four descriptors. Three are open, so that there
    /// are too few for a pipe.
    #[test]
    fn without_descriptors_the_program_can_not_be_started() {
        const NAME: &str = "launch::tests::without_descriptors_the_program_can_not_be_started";
        const FEW: &str = "IPQ_LAUNCHER_FEW_DESCRIPTORS";
        if std::env::var_os(FEW).is_none() {
            let again = Command::new("sh")
                .args(["-c", "ulimit -n 4; exec \"$0\" --exact \"$1\""])
                .arg(std::env::current_exe().unwrap())
                .arg(NAME)
                .env(FEW, "1")
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&again.stdout);
            assert!(again.status.success() && told.contains("1 passed"), "{told}");
        } else if !Watch::default().interfaces().unwrap_or_default().is_empty() {
            match launch(Command::new("true"), &Watch::default()) {
                Err(LaunchError::Program(error)) => assert_eq!(error.raw_os_error(), Some(libc::EMFILE)),
                other => panic!("{other:?}"),
            }
        }
    }
}
