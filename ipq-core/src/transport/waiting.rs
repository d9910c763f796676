//! Waiting for a descriptor, for the transports that have one.

#![expect(
    clippy::inline_always,
    reason = "no function returns after a system call: see what a call costs in `transport::netlink`"
)]

use super::{TransportError, Wait};
use crate::errno::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// The behaviour of a receive system call when there is nothing to receive.
#[derive(Clone, Copy)]
pub(super) enum Attempt {
    /// The call fails with EAGAIN if there is nothing to receive.
    AtOnce,
    /// The call waits until there is something to receive.
    Blocking,
}

/// Calls `receive` until it returns something else than EAGAIN, and between two calls waits until
/// `socket` is readable. Lets `receive` block only with `Wait::Forever`. Returns what `receive`
/// returned last, with an error number as [`receive_error`] translates it. Returns
/// [`TransportError::TimedOut`] when the time in `wait` is over, with `Wait::Never` after one call,
/// and [`TransportError::Interrupted`] if a signal ends a wait.
#[inline(always)]
pub(super) fn waiting<T>(
    socket: BorrowedFd<'_>,
    wait: Wait,
    mut receive: impl FnMut(Attempt) -> Result<T, Errno>,
) -> Result<T, TransportError> {
    let deadline = match wait {
        Wait::Never => return receive(Attempt::AtOnce).map_err(receive_error),
        Wait::Forever => None,
        // A deadline that the clock can't express counts as no deadline.
        Wait::For(time) => Instant::now().checked_add(time),
    };
    let attempt = if wait == Wait::Forever {
        Attempt::Blocking
    } else {
        Attempt::AtOnce
    };
    loop {
        match receive(attempt) {
            // A blocking call may fail like that, too: another owner of the descriptor may have
            // made it non-blocking.
            Err(Errno::EAGAIN) => until_readable(socket, deadline)?,
            Err(errno) => return Err(receive_error(errno)),
            Ok(received) => return Ok(received),
        }
    }
}

/// Waits until `socket` has a datagram or an error. Returns [`TransportError::TimedOut`] if neither
/// came by `deadline`, and [`TransportError::Interrupted`] if a signal did. Without a deadline,
/// waits for ever.
#[cold]
pub(super) fn until_readable(socket: BorrowedFd<'_>, deadline: Option<Instant>) -> Result<(), TransportError> {
    let remaining = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    if remaining == Some(Duration::ZERO) {
        return Err(TransportError::TimedOut);
    }
    let timeout = remaining.and_then(|remaining| Timespec::try_from(remaining).ok());
    match poll(&mut [PollFd::from_borrowed_fd(socket, PollFlags::IN)], timeout.as_ref()) {
        Ok(0) => Err(TransportError::TimedOut),
        Ok(_) => Ok(()),
        Err(error) => Err(receive_error(Errno(error.raw_os_error()))),
    }
}

/// Returns the transport's error for the error number of a call that receives: EAGAIN is a
/// time-out, EINTR a signal, ENOBUFS an overrun, and any other number stays itself.
pub(super) fn receive_error(errno: Errno) -> TransportError {
    match errno {
        Errno::EAGAIN => TransportError::TimedOut,
        Errno::EINTR => TransportError::Interrupted,
        Errno::ENOBUFS => TransportError::Overrun,
        other => TransportError::System(other),
    }
}

/// Returns the transport's error for the error number of a call that sends: EINTR is a signal, and
/// any other number stays itself. That holds for EAGAIN and ENOBUFS, too. For a send they mean that
/// there is no room for the message, and say nothing about what can be received.
pub(super) fn send_error(errno: Errno) -> TransportError {
    match errno {
        Errno::EINTR => TransportError::Interrupted,
        other => TransportError::System(other),
    }
}
