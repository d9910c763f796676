//! The historical `ip_queue` and `ip6_queue` of kernels up to 3.4: libipq's frames over a netlink
//! socket, which has a protocol of its own for each family.
//!
//! ```no_run
//! use ipq_core::{CopyMode, Family, Handle, transport::netlink::Netlink};
//!
//! let handle = Handle::new(Netlink::open(Family::Ipv4)?);
//! handle.set_mode(CopyMode::Packet, 0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Opening needs no privilege; each message does (ATT-5). Kernels since 3.5 have no `ip_queue`, and
//! there [`Netlink::open`] says so (SOCK-1).
//!
//! # What a call costs
//!
//! Sending is one system call. So is [`receive`](Transport::receive) with [`Wait::Forever`].
//! [`send_many`](Transport::send_many) and [`receive_many`](Transport::receive_many) move up to 64
//! messages with a system call. A wait for a duration first receives without waiting, and polls
//! only if nothing is there. Nothing is allocated for a datagram.
//!
//! On some machines the first return from a function that made a system call costs another half a
//! microsecond, whether the function is the C library's or one of ours. So the functions that
//! receive or send one datagram are inlined, from [`Handle`](crate::Handle) down to the system
//! call. A filter that counts nanoseconds reads and decides in one loop, without functions of its
//! own that return in between.
//!
//! A wait for a duration belongs to one call, and uses the monotonic clock. A signal ends the call
//! with [`TransportError::Interrupted`]; the next call waits for its whole duration again.

#![expect(
    clippy::inline_always,
    reason = "no function returns after a system call: see \"what a call costs\""
)]

mod receiving;
mod sys;
#[cfg(test)]
mod tests;

use super::waiting::{self, until_readable};
use super::{AT_ONCE, Datagram, Slot, Transport, TransportError, Wait};
use crate::errno::Errno;
use crate::error_number::ErrorNumber;
use crate::family::Family;
use crate::wire::PortId;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{self, AddressFamily, MMsgHdr, Protocol, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType};
use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use sys::Senders;

/// A netlink socket that is bound to a port id: the transport to the kernel's `ip_queue` or
/// `ip6_queue`, and the socket of an [`NfQueue`](super::nfqueue::NfQueue).
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    port_id: PortId,
    senders: Senders,
}

/// The port id to bind a socket to (SOCK-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bind {
    /// The process id, as with libipq. A second socket of the process on this protocol can't have
    /// it.
    #[default]
    ProcessId,
    /// A port id that the kernel chooses: the process id if it is free, else a negative number. A
    /// negative port id can't attach to an `ip_queue` (MSG-2).
    KernelChoice,
    /// This port id. For a second handle, choose one above 0 that is no process's id.
    Port(PortId),
}

impl Netlink {
    /// Opens a socket for the queue of `family`, with the process id as its port id (LIB-1). Sends
    /// nothing, so the queue is not attached yet.
    #[doc(alias = "ipq_create_handle")]
    pub fn open(family: Family) -> Result<Self, OpenError> {
        Self::open_bound(family, Bind::ProcessId)
    }

    /// Opens a socket for the queue of `family`, with the port id that `bind` says. Sends nothing,
    /// so the queue is not attached yet.
    pub fn open_bound(family: Family, bind: Bind) -> Result<Self, OpenError> {
        Self::on_protocol(family.netlink_protocol(), bind).map_err(|error| match error {
            SocketError::Socket(Errno::EPROTONOSUPPORT) => OpenError::NoIpQueue { family },
            SocketError::Socket(errno) => OpenError::Socket { family, errno },
            SocketError::Bind(Errno::EADDRINUSE, port_id) => OpenError::PortTaken { family, port_id },
            SocketError::Bind(errno, port_id) => OpenError::Bind { family, port_id, errno },
        })
    }

    /// Opens a socket of the netlink protocol `protocol`, with the port id that `bind` says.
    pub(super) fn on_protocol(protocol: u8, bind: Bind) -> Result<Self, SocketError> {
        Self::with_groups(protocol, bind, 0)
    }

    /// Opens a socket of the netlink protocol `protocol`, with the port id that `bind` says. The
    /// socket is a member of the multicast groups whose bits are set in `groups`.
    pub(super) fn with_groups(protocol: u8, bind: Bind, groups: u32) -> Result<Self, SocketError> {
        let socket = socket_of(protocol)?;
        let asked = match bind {
            Bind::ProcessId => PortId(std::process::id()),
            Bind::KernelChoice => PortId::KERNEL,
            Bind::Port(port_id) => port_id,
        };
        net::bind(&socket, &SocketAddrNetlink::new(asked.0, groups))
            .map_err(|error| SocketError::Bind(errno(error), asked))?;
        Self::bound(socket, asked, Senders::Anybody)
    }

    /// Opens a socket that is connected to the kernel. The kernel chooses the socket's port id, and
    /// from then on refuses datagrams to it from programs. Datagrams that came earlier are thrown
    /// away. A datagram that a program with `CAP_NET_ADMIN` is sending during this call can still
    /// come after it.
    pub(super) fn connected(protocol: u8) -> Result<Self, SocketError> {
        let socket = socket_of(protocol)?;
        net::connect(&socket, &SocketAddrNetlink::new(PortId::KERNEL.0, 0))
            .map_err(|error| SocketError::Bind(errno(error), PortId::KERNEL))?;
        let connected = Self::bound(socket, PortId::KERNEL, Senders::Kernel)?;
        // The kernel has not been asked anything yet, so a datagram that is there is from somebody
        // else.
        loop {
            match connected.receive(&mut [], Wait::Never) {
                Err(TransportError::TimedOut) => return Ok(connected),
                Err(TransportError::System(errno)) => return Err(SocketError::Socket(errno)),
                _ => {}
            }
        }
    }

    /// Wraps a bound socket as a transport, and asks the system for the socket's port id. `asked`
    /// is the port id that the caller asked for, 0 if the kernel was to choose; an error names it.
    /// `senders` says who can send to the socket.
    fn bound(socket: OwnedFd, asked: PortId, senders: Senders) -> Result<Self, SocketError> {
        let bound = net::getsockname(&socket)
            .and_then(SocketAddrNetlink::try_from)
            .map_err(|error| SocketError::Bind(errno(error), asked))?;
        Ok(Self {
            socket,
            port_id: PortId(bound.pid()),
            senders,
        })
    }

    /// Waits until the socket has a datagram or an error to receive. Returns
    /// [`TransportError::TimedOut`] if neither came by `deadline`, and
    /// [`TransportError::Interrupted`] if a signal did. `None` waits for ever.
    pub(super) fn until_readable(&self, deadline: Option<Instant>) -> Result<(), TransportError> {
        until_readable(self.as_fd(), deadline)
    }

    /// Makes the kernel stamp the packets that arrive at this machine with the time, for as long as
    /// this socket is open. The socket option `SO_TIMESTAMP` has that effect on all packets.
    pub(super) fn stamp_arrivals(&self) -> Result<(), Errno> {
        sys::set_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1)
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transport for Netlink {
    fn port_id(&self) -> PortId {
        self.port_id
    }

    #[inline(always)]
    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        // Without an address a netlink datagram goes to port id 0, the kernel. So a datagram that
        // another program has sent (SOCK-8) can't divert it.
        let sent = match parts {
            [whole] => net::send(self, whole, SendFlags::empty()),
            parts => net::sendmsg(self, parts, &mut SendAncillaryBuffer::default(), SendFlags::empty()),
        };
        sent.map_err(send_error)
    }

    #[inline(always)]
    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        self.receive_parts(&mut [IoSliceMut::new(buffer)], wait)
    }

    fn send_many(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) {
        for (messages, results) in messages.chunks(AT_ONCE).zip(results.chunks_mut(AT_ONCE)) {
            let count = messages.len().min(results.len());
            let mut controls: [SendAncillaryBuffer<'_, '_, '_>; AT_ONCE] =
                std::array::from_fn(|_| SendAncillaryBuffer::default());
            let mut remaining = messages.iter();
            let mut headers = controls
                .each_mut()
                .map(|control| MMsgHdr::new(remaining.next().copied().unwrap_or_default(), control));
            let mut done = 0;
            while done < count {
                match net::sendmmsg(self, &mut headers[done..count], SendFlags::empty()) {
                    Ok(sent) => {
                        for (result, header) in results.iter_mut().zip(&headers).skip(done).take(sent) {
                            *result = Ok(header.bytes_sent());
                        }
                        done += sent.max(1);
                    }
                    Err(error) => {
                        results[done] = Err(send_error(error));
                        done += 1;
                    }
                }
            }
        }
    }

    fn receive_many(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        self.receive_slots(slots, wait)
    }

    /// Sets the receive buffer with `SO_RCVBUFFORCE`, which `net.core.rmem_max` does not limit, if
    /// the caller has `CAP_NET_ADMIN`, and else with `SO_RCVBUF`. Returns the size that the kernel
    /// then states.
    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        net::sockopt::set_socket_recv_buffer_size_force(self, bytes)
            .or_else(|_| net::sockopt::set_socket_recv_buffer_size(self, bytes))
            .and_then(|()| net::sockopt::socket_recv_buffer_size(self))
            .map_err(|error| TransportError::System(errno(error)))
    }

    fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
        sys::set_option(self.as_fd(), libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS, i32::from(on))
            .map_err(TransportError::System)
    }
}

/// Opens a netlink socket, without binding it.
fn socket_of(protocol: u8) -> Result<OwnedFd, SocketError> {
    let protocol = std::num::NonZeroU32::new(u32::from(protocol)).map(Protocol::from_raw);
    net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
        .map_err(|error| SocketError::Socket(errno(error)))
}

/// An error from opening a netlink socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketError {
    /// The system gave no socket, or the new socket could not be emptied of early datagrams.
    Socket(Errno),
    /// The socket could not be bound to the port id or connected, or the system did not tell its
    /// address. The port id is the one that was asked for, 0 if the kernel was to choose.
    Bind(Errno, PortId),
}

impl SocketError {
    /// Returns the system's error number.
    pub(super) const fn errno(self) -> Errno {
        match self {
            Self::Socket(errno) | Self::Bind(errno, _) => errno,
        }
    }
}

/// An error from opening a [`Netlink`].
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The kernel does not know the netlink protocol of the queue (SOCK-1).
    #[error(
        "this kernel has no ip_queue for {family} (netlink protocol {}): kernels since 3.5 have none, so use the nfqueue \
         transport there; on an older one load the module ip_queue or ip6_queue",
        .family.netlink_protocol()
    )]
    NoIpQueue {
        /// The family that was asked for.
        family: Family,
    },
    /// The system gave no socket, with another error number than EPROTONOSUPPORT.
    #[error("no netlink socket for {family} could be made: {errno}")]
    Socket {
        /// The family that was asked for.
        family: Family,
        /// The system's error number.
        errno: Errno,
    },
    /// Another socket has the port id on this protocol (SOCK-2).
    #[error(
        "port id {port_id} is taken on the netlink protocol of {family}: this process has such a handle already, or another \
         has taken its id; close that one, or bind a port id of your own choice"
    )]
    PortTaken {
        /// The family that was asked for.
        family: Family,
        /// The port id that was asked for.
        port_id: PortId,
    },
    /// The socket could not be bound, with another error number than EADDRINUSE, or the system did
    /// not tell its address.
    #[error("the netlink socket for {family} could not be bound to port id {port_id}: {errno}")]
    Bind {
        /// The family that was asked for.
        family: Family,
        /// The port id that was asked for; 0 where the kernel was to choose.
        port_id: PortId,
        /// The system's error number.
        errno: Errno,
    },
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl OpenError {
    /// Returns libipq's number for the error: 3 if there is no socket, 4 if it could not be bound.
    #[must_use]
    pub const fn number(&self) -> ErrorNumber {
        match self {
            Self::NoIpQueue { .. } | Self::Socket { .. } => ErrorNumber::CreateSocket,
            Self::PortTaken { .. } | Self::Bind { .. } => ErrorNumber::BindSocket,
        }
    }
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno(error.raw_os_error())
}

fn send_error(error: rustix::io::Errno) -> TransportError {
    waiting::send_error(errno(error))
}
