//! `recvfrom` for a program that asks who sent the datagram.
//!
//! The address that a Unix socket gives has the length and the port id of the kernel's, and a
//! family of its own. Programs such as those on libpcap look at the family. So their call is carried
//! out here, on a copy of their descriptor, and the address is written as a netlink socket gives it.
//! A call for which no datagram is there waits at the server until one is.

use super::{EFAULT, SENDER, put, read};
use crate::programs::server::LONGEST;
use ipq_core::transport::unix::calls;
use ipq_core::{Errno, PortId};
use ipq_launcher::{Call, Listener, no_new_process};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{self, RecvFlags, sockopt};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The longest time between two looks at a call that waits: at its signals and its time-out.
pub(in crate::programs::server) const LOOK: Duration = Duration::from_millis(20);

/// A `recvfrom` call that waits for a datagram.
#[derive(Debug)]
pub(super) struct Receiving {
    call: Call,
    /// The time from which on the call fails with EAGAIN, by `SO_RCVTIMEO`; `None` if it waits for
    /// ever.
    deadline: Option<Instant>,
}

/// Answers a call with the next datagram. Returns the call if no datagram is there and the call
/// waits for one; `None` if the call was answered.
pub(super) fn answer(listener: &Listener, call: &Call) -> io::Result<Option<Receiving>> {
    let _none = no_new_process();
    let Ok(descriptor) = listener.copy_of(call, call.int(0)) else {
        // Better with another family than not at all.
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
    /// Answers the call if a datagram has come, its time is over, or a signal interrupts it. Returns
    /// the call if it goes on waiting; `None` if it was answered or its thread is gone.
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

/// Answers a call with its result.
fn give(listener: &Listener, call: &Call, received: Result<i64, Errno>) -> io::Result<()> {
    match received {
        Ok(length) => listener.answer(call, length),
        Err(Errno(errno)) => listener.refuse(call, errno),
    }
}

/// Receives a datagram and writes it and its sender into the caller's memory. Returns the number
/// that the call returns.
fn receive(listener: &Listener, call: &Call, descriptor: &OwnedFd) -> Result<i64, Errno> {
    // A call without room for the sender fails before a datagram is lost.
    read(listener, call, SENDER + 1, &mut [0; 4])?;
    let room = usize::try_from(call.address(2)).unwrap_or(LONGEST).min(LONGEST);
    let mut bytes = vec![0; room];
    let flags = RecvFlags::from_bits_retain(call.int(3).cast_unsigned());
    // The system writes no more than there is room for, and tells the whole length.
    let asked = flags | RecvFlags::DONTWAIT | RecvFlags::TRUNC;
    let (_, length) = net::recv(descriptor, &mut bytes[..], asked).map_err(super::errno)?;
    let received = &bytes[..length.min(room)];
    if !received.is_empty() && !listener.write(call, call.address(1), received) {
        return Err(Errno(EFAULT));
    }
    put(listener, call, SENDER, &calls::address(PortId::KERNEL))?;
    let told = if flags.contains(RecvFlags::TRUNC) {
        length
    } else {
        received.len()
    };
    i64::try_from(told).map_err(|_| Errno::EINVAL)
}

/// Returns `true` if the call waits for a datagram where none is there.
fn waits(call: &Call, descriptor: &OwnedFd) -> bool {
    let flags = RecvFlags::from_bits_retain(call.int(3).cast_unsigned());
    let is_blocking = fcntl_getfl(descriptor).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK));
    is_blocking && !flags.contains(RecvFlags::DONTWAIT)
}
