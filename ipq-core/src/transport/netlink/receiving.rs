//! Taking datagrams, one or several, with all the ways to wait.

use super::{Netlink, sys};
use crate::errno::Errno;
use crate::transport::{Datagram, Slot, TransportError, Wait};
use crate::wire::PortId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

pub(in crate::transport) use sys::Place;

impl<'a> Place<'a> {
    /// An empty place over `parts`.
    pub(in crate::transport) fn new(parts: [IoSliceMut<'a>; 2]) -> Self {
        Self {
            parts,
            length: 0,
            sender: 0,
        }
    }

    /// What came.
    pub(in crate::transport) fn datagram(&self) -> Datagram {
        let room = self.parts.iter().map(|part| part.len()).sum();
        Datagram {
            copied: self.length.min(room),
            length: self.length,
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

/// Takes datagrams into `places`, with one system call unless it has to wait.
pub(super) fn several(socket: &Netlink, places: &mut [Place<'_>], wait: Wait) -> Result<usize, TransportError> {
    if places.is_empty() {
        return Ok(0);
    }
    waiting(socket.as_fd(), wait, |attempt| {
        let flags = match attempt {
            Attempt::AtOnce => libc::MSG_DONTWAIT,
            Attempt::Blocking => libc::MSG_WAITFORONE,
        };
        sys::receive(socket, places, flags | libc::MSG_TRUNC)
    })
}

/// Takes datagrams into `slots`, in as few system calls as there are batches.
pub(super) fn slots(socket: &Netlink, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
    let mut filled = 0;
    for batch in slots.chunks_mut(sys::BATCH) {
        let (count, mut buffers) = (batch.len(), batch.iter_mut());
        let mut places: [Place<'_>; sys::BATCH] = std::array::from_fn(|_| {
            let buffer: &mut [u8] = buffers.next().map(|slot| &mut *slot.buffer).unwrap_or_default();
            Place::new([IoSliceMut::new(buffer), IoSliceMut::new(&mut [])])
        });
        let wait = if filled == 0 { wait } else { Wait::Never };
        let received = match several(socket, &mut places[..count], wait) {
            Ok(received) => received,
            Err(error) if filled == 0 => return Err(error),
            Err(TransportError::TimedOut) => break,
            Err(error) => {
                batch[0].result = Err(error);
                return Ok(filled + 1);
            }
        };
        let datagrams = places.map(|place| place.datagram());
        for (slot, datagram) in batch.iter_mut().zip(datagrams).take(received) {
            slot.result = Ok(datagram);
        }
        filled += received;
        if received < count {
            break;
        }
    }
    Ok(filled)
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
