//! Taking datagrams, one or several, with all the ways to wait.

use super::{Netlink, sys};
use crate::errno::Errno;
use crate::transport::{AT_ONCE, Datagram, Slot, TransportError, Wait};
use crate::wire::PortId;
use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

pub(in crate::transport) use sys::{Arrival, Arrivals};

impl Arrival {
    /// The datagram, where there were `room` bytes for it.
    pub(in crate::transport) fn datagram(self, room: usize) -> Datagram {
        let length = self.length as usize;
        Datagram {
            copied: length.min(room),
            length,
            sender: PortId(self.sender),
        }
    }
}

/// Takes one datagram into `parts`.
#[inline(always)]
pub(super) fn one(socket: &Netlink, parts: &mut [IoSliceMut<'_>], wait: Wait) -> Result<Datagram, TransportError> {
    let room = parts.iter().map(|part| part.len()).sum();
    // With MSG_TRUNC the call returns the datagram's whole length, however much of it there is room for.
    let (length, sender) = match wait {
        Wait::Never => {
            sys::receive_one(socket, parts, libc::MSG_DONTWAIT | libc::MSG_TRUNC).map_err(transport_error)?
        }
        wait => waiting(socket.as_fd(), wait, |attempt| {
            let flags = match attempt {
                Attempt::AtOnce => libc::MSG_DONTWAIT,
                Attempt::Blocking => 0,
            };
            sys::receive_one(socket, parts, flags | libc::MSG_TRUNC)
        })?,
    };
    Ok(Datagram {
        copied: length.min(room),
        length,
        sender: PortId(sender),
    })
}

/// Takes datagrams, each into one of `places`, with one system call unless it has to wait, and puts what is known of them into
/// `arrivals`, which is empty.
pub(super) fn several<const PARTS: usize>(
    socket: &Netlink,
    places: &mut [[IoSliceMut<'_>; PARTS]],
    arrivals: &mut Arrivals,
    wait: Wait,
) -> Result<(), TransportError> {
    if places.is_empty() {
        return Ok(());
    }
    waiting(socket.as_fd(), wait, |attempt| {
        let flags = match attempt {
            Attempt::AtOnce => libc::MSG_DONTWAIT,
            Attempt::Blocking => libc::MSG_WAITFORONE,
        };
        sys::receive(socket, places, arrivals, flags | libc::MSG_TRUNC)
    })
}

/// Takes datagrams into `slots`, in as few system calls as can be.
pub(super) fn slots(socket: &Netlink, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
    let mut filled = 0;
    for batch in slots.chunks_mut(AT_ONCE) {
        let wait = if filled == 0 { wait } else { Wait::Never };
        let mut arrivals = Arrivals::new();
        match into_slots(socket, batch, &mut arrivals, wait) {
            Ok(()) => {}
            Err(error) if filled == 0 => return Err(error),
            Err(TransportError::TimedOut) => break,
            Err(error) => {
                batch[0].result = Err(error);
                return Ok(filled + 1);
            }
        }
        for (slot, arrival) in batch.iter_mut().zip(&arrivals) {
            slot.result = Ok(arrival.datagram(slot.buffer.len()));
        }
        filled += arrivals.len();
        if arrivals.len() < batch.len() {
            break;
        }
    }
    Ok(filled)
}

/// Takes datagrams into the buffers of `slots`, which are at most [`AT_ONCE`].
fn into_slots(
    socket: &Netlink,
    slots: &mut [Slot<'_>],
    arrivals: &mut Arrivals,
    wait: Wait,
) -> Result<(), TransportError> {
    let mut places = ArrayVec::<_, AT_ONCE>::new();
    places.extend(slots.iter_mut().map(|slot| [IoSliceMut::new(slot.buffer)]));
    several(socket, &mut places, arrivals, wait)
}

/// What a receive system call is to do when there is nothing.
#[derive(Clone, Copy)]
pub(in crate::transport) enum Attempt {
    /// Fail with EAGAIN.
    AtOnce,
    /// Wait.
    Blocking,
}

/// Calls `receive` until it gives something else than EAGAIN, or the time is over.
#[inline(always)]
pub(in crate::transport) fn waiting<T>(
    socket: BorrowedFd<'_>,
    wait: Wait,
    mut receive: impl FnMut(Attempt) -> Result<T, Errno>,
) -> Result<T, TransportError> {
    let deadline = match wait {
        Wait::Never => return receive(Attempt::AtOnce).map_err(transport_error),
        Wait::Forever => None,
        // An end that the clock can't express is none.
        Wait::For(time) => Instant::now().checked_add(time),
    };
    let attempt = if wait == Wait::Forever {
        Attempt::Blocking
    } else {
        Attempt::AtOnce
    };
    loop {
        match receive(attempt) {
            // In the blocking form too: whoever has the descriptor may have made it non-blocking.
            Err(Errno::EAGAIN) => until_readable(socket, deadline)?,
            Err(errno) => return Err(transport_error(errno)),
            Ok(received) => return Ok(received),
        }
    }
}

/// Waits until `socket` has a datagram or an error, but not beyond `deadline`.
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
        Err(error) => Err(super::transport_error(error)),
    }
}

/// What a system call's error means for a transport.
pub(in crate::transport) fn transport_error(errno: Errno) -> TransportError {
    match errno {
        Errno::EAGAIN => TransportError::TimedOut,
        Errno::EINTR => TransportError::Interrupted,
        Errno::ENOBUFS => TransportError::Overrun,
        other => TransportError::System(other),
    }
}
