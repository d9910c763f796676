//! The system calls for which there is no safe crate: receiving many datagrams with one call, and
//! socket options that are a number. Also the receiving of one datagram, without a destructor, so
//! that a C program's signal handler may `longjmp` out of it.

#![allow(
    unsafe_code,
    reason = "recvmmsg, and options of the netlink level, have no safe wrapper"
)]

use crate::errno::Errno;
use crate::transport::AT_ONCE;
use crate::transport::arrivals::{Arrival, Arrivals};
use crate::transport::unix::calls::is_kernel_name;
use crate::wire::PortId;
use arrayvec::ArrayVec;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{self, RecvAncillaryBuffer, RecvFlags, SocketAddrAny, SocketAddrUnix};
use std::io::IoSliceMut;
use std::iter::repeat_n;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The possible senders of a socket's datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Senders {
    /// The kernel and any program. Each receive asks for the sender.
    Anybody,
    /// The kernel alone, to which the socket is connected. The sender is asked for only where one
    /// datagram is received into several parts.
    Kernel,
}

/// Sets a socket option that is an `int`, with `setsockopt(2)`.
pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> Result<(), Errno> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes at the pointer, which are those of `value`, and keeps
    // neither.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// Receives one datagram into `parts`. Returns its whole length (with `MSG_TRUNC` in `flags`) and
/// the port id of its sender. A sender that is neither a netlink socket nor an emulator is
/// EAFNOSUPPORT.
///
/// The system call is the cheapest that serves. For several parts it is `recvmsg(2)`. For one part
/// it is `recvfrom(2)` if anybody may have sent the datagram, and else `recv(2)`, with 0, the
/// kernel, as the sender. No destructor runs here, so that a C program's signal handler may
/// `longjmp` away while this waits.
#[inline(always)]
pub(super) fn receive_one(
    socket: BorrowedFd<'_>,
    senders: Senders,
    parts: &mut [IoSliceMut<'_>],
    flags: libc::c_int,
) -> Result<(usize, u32), Errno> {
    let errno = |error: rustix::io::Errno| Errno(error.raw_os_error());
    let flags = RecvFlags::from_bits_retain(flags.cast_unsigned());
    let (length, address) = if let [whole] = parts {
        if senders == Senders::Kernel {
            let (_, length) = net::recv(socket, &mut whole[..], flags).map_err(errno)?;
            return Ok((length, 0));
        }
        let (_, length, address) = net::recvfrom(socket, &mut whole[..], flags).map_err(errno)?;
        (length, address)
    } else {
        // The buffer has no room, so there is nothing in it to be dropped.
        let mut control = ManuallyDrop::new(RecvAncillaryBuffer::default());
        let received = net::recvmsg(socket, parts, &mut control, flags).map_err(errno)?;
        (received.bytes, received.address)
    };
    let sender = address.and_then(sender).ok_or(Errno::EAFNOSUPPORT)?;
    Ok((length, sender))
}

/// Returns the port id of the sender with this address. An emulator that stands in for the kernel
/// has a name instead of a port id, and counts as the kernel. Returns `None` for any other address.
#[inline(always)]
fn sender(address: SocketAddrAny) -> Option<u32> {
    match SocketAddrNetlink::try_from(address.clone()) {
        Ok(netlink) => Some(netlink.pid()),
        Err(_) => emulated_sender(address),
    }
}

#[cold]
fn emulated_sender(address: SocketAddrAny) -> Option<u32> {
    let name = SocketAddrUnix::try_from(address).ok()?;
    is_kernel_name(name.abstract_name()?).then_some(PortId::KERNEL.0)
}

/// Receives datagrams with `recvmmsg(2)`, each into one of `places`, which are at most 64, and
/// fills the empty `arrivals`. If `senders` is [`Senders::Kernel`], each sender is stated as 0, the
/// kernel. A part of a place takes the bytes that the parts before it have no room for; one part
/// costs the kernel less than two.
pub(super) fn receive<const PARTS: usize>(
    socket: BorrowedFd<'_>,
    senders: Senders,
    places: &mut [[IoSliceMut<'_>; PARTS]],
    arrivals: &mut Arrivals,
    flags: libc::c_int,
) -> Result<(), Errno> {
    // SAFETY: both are structures of integers and pointers, for which all zeros is a value.
    let (header, address): (libc::mmsghdr, libc::sockaddr_nl) = unsafe { std::mem::zeroed() };
    let (mut headers, mut addresses) = (ArrayVec::<_, AT_ONCE>::new(), ArrayVec::<_, AT_ONCE>::new());
    headers.extend(repeat_n(header, places.len()));
    for (place, header) in places.iter_mut().zip(&mut headers) {
        header.msg_hdr.msg_iov = place.as_mut_ptr().cast();
        header.msg_hdr.msg_iovlen = PARTS as _;
    }
    // Asking for the sender costs time, too. Where nobody but the kernel can send, the sender is
    // not asked for.
    let asked = if senders == Senders::Anybody { places.len() } else { 0 };
    addresses.extend(repeat_n(address, asked));
    for (address, header) in addresses.iter_mut().zip(&mut headers) {
        header.msg_hdr.msg_name = (&raw mut *address).cast();
        header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    }
    let count = headers.len();
    // SAFETY: the `count` headers are filled in, as many as there are places. Each points to the
    // parts of its own place, which are borrowed mutably and for longer (the documentation of
    // `IoSliceMut` promises the layout of an `iovec`), and, if at all, to a sender's address that
    // lives as long as this frame. The other pointers are null, with length 0. The kernel writes
    // within the given lengths.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count as _,
            flags as _,
            std::ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| last_error())?;
    arrivals.extend(
        headers
            .iter()
            .take(received)
            .enumerate()
            .map(|(index, header)| Arrival {
                length: header.msg_len,
                sender: PortId(addresses.get(index).map_or(0, |address| address.nl_pid)),
            }),
    );
    Ok(())
}

fn last_error() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or_default())
}
