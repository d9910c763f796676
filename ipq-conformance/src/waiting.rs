//! Waits for input up to a deadline, whatever signals come.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// Waits until there is something to read, an error or the end at a descriptor. Returns `false` if
/// there is none of these at `deadline`. A signal does not end the wait.
pub(crate) fn is_readable_by(descriptor: BorrowedFd<'_>, deadline: Instant) -> io::Result<bool> {
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(remaining).map_err(io::Error::other)?;
        let mut awaited = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
        match poll(&mut awaited, Some(&timeout)) {
            Err(Errno::INTR) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::io::Write;
    use std::os::fd::{AsFd, OwnedFd};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// Returns a pidfd of this thread: a signal that is sent to the descriptor goes to this thread
    /// alone. Fails on kernels before 6.9.
    fn this_thread() -> rustix::io::Result<OwnedFd> {
        const PIDFD_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(0o200);
        let thread = rustix::thread::gettid();
        pidfd_open(
            Pid::from_raw(thread.as_raw_nonzero().get()).expect("a thread"),
            PIDFD_THREAD,
        )
    }

    #[test]
    fn a_signal_does_not_end_a_wait() {
        let Ok(waiting) = this_thread() else {
            eprintln!("skipped: this kernel sends no signals to a thread's descriptor");
            return;
        };
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::USR2.as_raw(), Arc::clone(&came)).expect("a handler");
        let (output, mut input) = io::pipe().expect("there are pipes");
        let deadline = Instant::now() + Duration::from_mins(1);
        let ready = std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..20 {
                    pidfd_send_signal(&waiting, Signal::USR2).expect("a signal");
                    std::thread::sleep(Duration::from_millis(1));
                }
                input.write_all(b"!").expect("it is written");
            });
            is_readable_by(output.as_fd(), deadline)
        });
        assert!(ready.expect("no error") && came.load(Ordering::Relaxed));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let (output, _input) = io::pipe().expect("there are pipes");
        let waited = is_readable_by(output.as_fd(), Instant::now());
        assert!(!waited.expect("no error"));
    }
}
