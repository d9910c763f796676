//! Carries out `recvfrom` for a program that asks for the sender's address.
//!
//! The address that a Unix socket gives has the length and the port id of the kernel's, but not its
//! family. Programs such as those on libpcap look at the family. So the server carries out their
//! call, on a copy of the descriptor, and writes the address as a netlink socket does. If no
//! datagram is there, a call that would wait stays stopped until one comes, its time is over, or a
//! signal interrupts it.

use super::{EFAULT, SENDER, put_address, read};
use crate::programs::server::LONGEST;
use ipq_core::transport::unix::calls;
use ipq_core::{Errno, PortId};
use ipq_launcher::{Call, Listener, no_new_process};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{self, RecvFlags, sockopt};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The longest wait of a turn while a receive call is stopped: its signals and its time-out are
/// checked about this often.
pub(in crate::programs::server) const LOOK: Duration = Duration::from_millis(20);

/// A `recvfrom` call that is stopped until a datagram comes.
#[derive(Debug)]
pub(super) struct Receiving {
    call: Call,
    /// The time from which on the call fails with EAGAIN, by `SO_RCVTIMEO`. `None` if the call
    /// waits for ever.
    deadline: Option<Instant>,
}

/// Answers a call with the next datagram or an error. If no datagram is there and the call would
/// wait, leaves it stopped, and returns it. Returns `None` if the call was answered. If the
/// caller's descriptor can't be copied, lets this machine's kernel carry out the call.
pub(super) fn answer(listener: &Listener, call: &Call) -> io::Result<Option<Receiving>> {
    let _none = no_new_process();
    let Ok(descriptor) = listener.copy_of(call, call.int(0)) else {
        // The caller's descriptor can't be copied: the call then returns a datagram with a sender
        // of family AF_UNIX.
        return listener.proceed(call).map(|()| None);
    };
    match receive(listener, call, &descriptor) {
        Err(Errno::EAGAIN) if waits(call, &descriptor) => Ok(Some(Receiving {
            call: *call,
            deadline: sockopt::socket_timeout(&descriptor, sockopt::Timeout::Recv)
                .ok()
                .flatten()
                .and_then(|time| Instant::now().checked_add(time)),
        })),
        received => give(listener, call, received).map(|()| None),
    }
}

impl Receiving {
    /// Answers the call if a datagram has come, the call's time is over, a signal interrupts the
    /// call, or its descriptor can no longer be copied. Returns the call if it stays stopped.
    /// Returns `None` if it was answered, or if its thread is no longer stopped in it.
    pub(super) fn again(self, listener: &Listener) -> io::Result<Option<Self>> {
        let call = &self.call;
        if !listener.is_stopped(call) {
            return Ok(None);
        }
        let _none = no_new_process();
        let received = match listener.copy_of(call, call.int(0)) {
            Ok(descriptor) => receive(listener, call, &descriptor),
            Err(error) => Err(Errno(error.raw_os_error().unwrap_or(Errno::EBADF.0))),
        };
        let is_late = || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        match received {
            Err(Errno::EAGAIN) if !is_late() => Ok((!listener.interrupt(call)?).then_some(self)),
            received => give(listener, call, received).map(|()| None),
        }
    }
}

/// Makes a call return the length, or fail with the error.
fn give(listener: &Listener, call: &Call, received: Result<i64, Errno>) -> io::Result<()> {
    match received {
        Ok(length) => listener.answer(call, length),
        Err(Errno(errno)) => listener.refuse(call, errno),
    }
}

/// Receives a datagram from `descriptor` by the call's flags, without waiting, and writes the
/// datagram and the kernel's netlink address into the caller's memory. Returns what the call is to
/// return: the number of bytes written, or the whole length if the caller's flags have `MSG_TRUNC`.
/// Fails, among others, with EAGAIN if no datagram is there, and with EFAULT if the caller's memory
/// can't be read or written.
fn receive(listener: &Listener, call: &Call, descriptor: &OwnedFd) -> Result<i64, Errno> {
    // If the room for the address has no readable length, the call fails before a datagram is
    // taken.
    read(listener, call, SENDER + 1, &mut [0; 4])?;
    let room = usize::try_from(call.address(2)).unwrap_or(LONGEST).min(LONGEST);
    let mut bytes = vec![0; room];
    let flags = RecvFlags::from_bits_retain(call.int(3).cast_unsigned());
    // With these flags the system writes no more than there is room for, and returns the whole
    // length.
    let asked = flags | RecvFlags::DONTWAIT | RecvFlags::TRUNC;
    let (_, length) = net::recv(descriptor, &mut bytes[..], asked).map_err(super::errno)?;
    let received = &bytes[..length.min(room)];
    if !received.is_empty() && !listener.write(call, call.address(1), received) {
        return Err(Errno(EFAULT));
    }
    put_address(listener, call, SENDER, &calls::address(PortId::KERNEL))?;
    let told = if flags.contains(RecvFlags::TRUNC) {
        length
    } else {
        received.len()
    };
    i64::try_from(told).map_err(|_| Errno::EINVAL)
}

/// Returns `true` if the call would wait if no datagram is there: neither its flags nor the
/// descriptor forbid that.
fn waits(call: &Call, descriptor: &OwnedFd) -> bool {
    let flags = RecvFlags::from_bits_retain(call.int(3).cast_unsigned());
    let is_blocking = fcntl_getfl(descriptor).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK));
    is_blocking && !flags.contains(RecvFlags::DONTWAIT)
}
