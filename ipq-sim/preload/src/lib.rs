//! For `LD_PRELOAD`: turns a program's `ip_queue` netlink sockets into an emulator's.
//!
//! Most programs for `ip_queue` have libipq linked in statically, or open the netlink socket with
//! code of their own, so the only functions to stand in for are the C library's. With this object
//! loaded, a program's `socket(AF_NETLINK, SOCK_RAW, 3)`, or 13 for IPv6, returns a socket of the
//! emulator at the path that `IPQ_TRANSPORT=unix:PATH` names. With that descriptor the program can
//! bind, send, receive, set and get options, ask for addresses and close, nearly as with a netlink
//! socket. The descriptor is a real one, so select, poll, dup and fork work. But this object does
//! not know the copies that dup makes, and has no part in some calls, such as read, write, sendmmsg
//! and recvmmsg. All calls on a copy, and those calls, act on the Unix socket to the emulator as it
//! is. Every other socket is left alone.
//!
//! `/proc/net/ip_queue` and `/proc/net/ip6_queue`, where a program opens them, are the emulated
//! kernel's, too.
//!
//! No other program can be reached: a datagram for another port id than the kernel's is refused
//! with ECONNREFUSED, as if nobody had that port id (SOCK-8).

#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "it stands in for functions of the C library")]

mod files;
mod next;
mod sockets;

use ipq_core::transport::unix::Unix;
use ipq_core::transport::unix::calls::{self, SocketOption};
use ipq_core::{Errno, Family, PortId, Transport, TransportError};
use libc::{c_int, c_void, msghdr, size_t, sockaddr, socklen_t, ssize_t};
use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Stands in for `socket(2)`. Opens an unbound socket of the emulator for netlink protocol 3 or 13
/// if `IPQ_TRANSPORT` names an emulator. Any other socket is opened by the C library.
#[unsafe(no_mangle)]
extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    match emulated(domain, protocol) {
        Some((path, family)) => match Unix::open_unbound(&path, family) {
            Ok(unix) => sockets::insert(unix, kind).unwrap_or_else(failed),
            Err(error) => failed(error.errno()),
        },
        // SAFETY: the caller's arguments, unchanged.
        None => unsafe { next::socket()(domain, kind, protocol) },
    }
}

/// Returns the emulator's path and the queue's family for a socket that is to be emulated. Returns
/// `None` if the socket is not netlink's protocol 3 or 13, or if `IPQ_TRANSPORT` names no emulator.
fn emulated(domain: c_int, protocol: c_int) -> Option<(PathBuf, Family)> {
    let family = calls::queue_of(domain, protocol)?;
    Some((emulator()?, family))
}

/// Returns the path in `IPQ_TRANSPORT=unix:PATH`, on which the emulator listens. Returns `None` if
/// the variable has no such value.
fn emulator() -> Option<PathBuf> {
    let transport = std::env::var_os("IPQ_TRANSPORT")?.into_vec();
    let path = transport.strip_prefix(b"unix:")?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// Stands in for `bind(2)`. Binds an emulator's socket to the port id in the address, or to one
/// that the emulator chooses if that is 0. An address that is not netlink's fails with EINVAL.
/// Calls on other descriptors are passed on.
#[unsafe(no_mangle)]
extern "C" fn bind(descriptor: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    let Some(unix) = sockets::find(descriptor) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::bind()(descriptor, address, length) };
    };
    match netlink_port(address, length) {
        None => failed(Errno::EINVAL),
        Some(port_id) => unix.bind(port_id).map_or_else(failed, |_| 0),
    }
}

/// Stands in for `connect(2)`. An emulator's socket can be connected to the kernel only, which
/// changes nothing; another port id fails with ECONNREFUSED, an address that is not netlink's with
/// EINVAL. Calls on other descriptors are passed on.
#[unsafe(no_mangle)]
extern "C" fn connect(descriptor: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    if sockets::find(descriptor).is_none() {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::connect()(descriptor, address, length) };
    }
    match netlink_port(address, length) {
        Some(PortId::KERNEL) => 0,
        Some(_) => failed(Errno::ECONNREFUSED),
        None => failed(Errno::EINVAL),
    }
}

/// Stands in for `getsockname(2)`. An emulator's socket has a netlink address with its port id, 0
/// while it is unbound. Calls on other descriptors are passed on.
#[unsafe(no_mangle)]
extern "C" fn getsockname(descriptor: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int {
    match sockets::find(descriptor) {
        // SAFETY: the caller's arguments, unchanged.
        None => unsafe { next::getsockname()(descriptor, address, length) },
        Some(unix) => {
            put_address(unix.port_id(), address, length);
            0
        }
    }
}

/// Stands in for `getpeername(2)`. The peer of an emulator's socket is the kernel, even if the
/// socket is not connected. Calls on other descriptors are passed on.
#[unsafe(no_mangle)]
extern "C" fn getpeername(descriptor: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int {
    if sockets::find(descriptor).is_none() {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::getpeername()(descriptor, address, length) };
    }
    put_address(PortId::KERNEL, address, length);
    0
}

/// Stands in for `send(2)`: calls `sendto` without an address.
#[unsafe(no_mangle)]
extern "C" fn send(descriptor: c_int, bytes: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    sendto(descriptor, bytes, length, flags, std::ptr::null(), 0)
}

/// Stands in for `sendto(2)`. On an emulator's socket, sends to the emulator, or fails as
/// `may_send` says. Returns 0 for an empty datagram, which is not sent. Calls on other descriptors
/// are passed on.
#[unsafe(no_mangle)]
extern "C" fn sendto(
    descriptor: c_int,
    bytes: *const c_void,
    length: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_length: socklen_t,
) -> ssize_t {
    let Some(unix) = sockets::find(descriptor) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::sendto()(descriptor, bytes, length, flags, address, address_length) };
    };
    match may_send(unix, length, address, address_length) {
        Err(errno) => failed(errno) as ssize_t,
        Ok(false) => 0,
        // SAFETY: the caller's bytes; without an address, they go to the emulator.
        Ok(true) => unsafe { next::sendto()(descriptor, bytes, length, flags, std::ptr::null(), 0) },
    }
}

/// Stands in for `sendmsg(2)`. On an emulator's socket, sends to the emulator, or fails as
/// `may_send` says. Returns 0 for an empty datagram, which is not sent. Calls on other descriptors
/// are passed on.
#[unsafe(no_mangle)]
extern "C" fn sendmsg(descriptor: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let (Some(unix), false) = (sockets::find(descriptor), message.is_null()) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::sendmsg()(descriptor, message, flags) };
    };
    // SAFETY: the caller passes a message header, of which a copy is changed.
    let mut copy = unsafe { message.read() };
    let length = (0..copy.msg_iovlen)
        // SAFETY: the header says that there are so many parts.
        .map(|index| unsafe { (*copy.msg_iov.add(index)).iov_len })
        .fold(0, usize::saturating_add);
    match may_send(unix, length, copy.msg_name.cast(), copy.msg_namelen) {
        Err(errno) => return failed(errno) as ssize_t,
        Ok(false) => return 0,
        Ok(true) => {}
    }
    (copy.msg_name, copy.msg_namelen) = (std::ptr::null_mut(), 0);
    // SAFETY: the caller's message, without its address.
    unsafe { next::sendmsg()(descriptor, &raw const copy, flags) }
}

/// Checks a send (SOCK-2, SOCK-8, SOCK-9). Fails with EINVAL for an address that is not netlink's,
/// and with ECONNREFUSED for another port id than the kernel's. Then binds the socket if it is
/// unbound, and fails if that does. Fails with EMSGSIZE if the datagram is too long. Returns `true`
/// if the datagram is to be sent, and `false` if it is empty and must not be: the kernel would
/// ignore it (MSG-1), but the emulator would take it for the end of the connection.
fn may_send(unix: &Unix, length: usize, address: *const sockaddr, address_length: socklen_t) -> Result<bool, Errno> {
    if !address.is_null() && netlink_port(address, address_length).ok_or(Errno::EINVAL)? != PortId::KERNEL {
        return Err(Errno::ECONNREFUSED);
    }
    if unix.port_id() == PortId::KERNEL {
        unix.bind(PortId::KERNEL)?;
    }
    if length > unix.longest() {
        return Err(Errno::EMSGSIZE);
    }
    Ok(length > 0)
}

/// Stands in for `recv(2)`: calls `recvfrom` without an address.
#[unsafe(no_mangle)]
extern "C" fn recv(descriptor: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
    recvfrom(
        descriptor,
        buffer,
        length,
        flags,
        std::ptr::null_mut(),
        std::ptr::null_mut(),
    )
}

/// Stands in for `recvfrom(2)`. On an emulator's socket, the sender's address is a netlink address,
/// and a pending overrun fails the call with ENOBUFS, ahead of the datagrams. Calls on other
/// descriptors are passed on.
#[unsafe(no_mangle)]
extern "C" fn recvfrom(
    descriptor: c_int,
    buffer: *mut c_void,
    length: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_length: *mut socklen_t,
) -> ssize_t {
    let Some(unix) = sockets::find(descriptor) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::recvfrom()(descriptor, buffer, length, flags, address, address_length) };
    };
    let sender = match wait_and_tell(unix, flags) {
        Ok(sender) => sender,
        Err(failed) => return failed,
    };
    let none = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the caller's buffer; nobody asks for the address of the Unix socket.
    let received = unsafe { next::recvfrom()(descriptor, buffer, length, flags, none.0, none.1) };
    if received >= 0 {
        put_address(sender, address, address_length);
    }
    received
}

/// Stands in for `recvmsg(2)`. On an emulator's socket, the sender's address is a netlink address,
/// and a pending overrun fails the call with ENOBUFS, ahead of the datagrams. Calls on other
/// descriptors are passed on.
#[unsafe(no_mangle)]
extern "C" fn recvmsg(descriptor: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    let (Some(unix), false) = (sockets::find(descriptor), message.is_null()) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::recvmsg()(descriptor, message, flags) };
    };
    let sender = match wait_and_tell(unix, flags) {
        Ok(sender) => sender,
        Err(failed) => return failed,
    };
    // SAFETY: the caller passes a message header, which is its own during the call: its address is
    // taken out and put back.
    unsafe {
        let (name, room) = ((*message).msg_name, (*message).msg_namelen);
        ((*message).msg_name, (*message).msg_namelen) = (std::ptr::null_mut(), 0);
        let received = next::recvmsg()(descriptor, message, flags);
        ((*message).msg_name, (*message).msg_namelen) = (name, room);
        if received >= 0 {
            put_address(sender, name.cast(), &raw mut (*message).msg_namelen);
        }
        received
    }
}

/// Waits for a datagram and returns its sender, without taking the datagram. Does not wait if
/// `flags` has `MSG_DONTWAIT` or the socket is nonblocking. If an overrun is pending before or
/// after the wait, fails with ENOBUFS, even if a datagram is there (SOCK-4). Otherwise fails with
/// the error of the wait, such as EAGAIN. To fail is to set errno and return `Err(-1)`: the receive
/// call has to return the -1.
fn wait_and_tell(unix: &Unix, flags: c_int) -> Result<PortId, ssize_t> {
    let overrun = || {
        if unix.take_overrun() {
            Err(failed(Errno::ENOBUFS) as ssize_t)
        } else {
            Ok(())
        }
    };
    overrun()?;
    let none = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: nothing is written to a buffer of no bytes.
    let waited = unsafe {
        next::recvfrom()(
            descriptor_of(unix),
            [0_u8; 0].as_mut_ptr().cast(),
            0,
            libc::MSG_PEEK | libc::MSG_TRUNC | flags & libc::MSG_DONTWAIT,
            none.0,
            none.1,
        )
    };
    overrun()?;
    usize::try_from(waited)
        .map(|length| unix.sender(length))
        .map_err(|_| waited)
}

/// Stands in for `__recv_chk`, which a program that was compiled with `_FORTIFY_SOURCE` calls for
/// `recv`. Reads no more than `room` bytes.
#[unsafe(no_mangle)]
extern "C" fn __recv_chk(
    descriptor: c_int,
    buffer: *mut c_void,
    length: size_t,
    room: size_t,
    flags: c_int,
) -> ssize_t {
    recv(descriptor, buffer, length.min(room), flags)
}

/// Stands in for `__recvfrom_chk`, which a program that was compiled with `_FORTIFY_SOURCE` calls
/// for `recvfrom`. Reads no more than `room` bytes.
#[unsafe(no_mangle)]
extern "C" fn __recvfrom_chk(
    descriptor: c_int,
    buffer: *mut c_void,
    length: size_t,
    room: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_length: *mut socklen_t,
) -> ssize_t {
    recvfrom(descriptor, buffer, length.min(room), flags, address, address_length)
}

/// Stands in for `setsockopt(2)`. On an emulator's socket, `SO_RCVBUF`, `SO_RCVBUFFORCE` and
/// `NETLINK_NO_ENOBUFS` are set in the emulator. `SO_SNDBUF`, `SO_SNDBUFFORCE` and the options of
/// `SOL_SOCKET` that a Unix socket treats as a netlink socket does are set on the Unix socket. All
/// others fail: with EINVAL if the value is shorter than an `int`, else with ENOPROTOOPT. Calls on
/// other descriptors are passed on.
#[unsafe(no_mangle)]
extern "C" fn setsockopt(
    descriptor: c_int,
    level: c_int,
    option: c_int,
    value: *const c_void,
    length: socklen_t,
) -> c_int {
    let Some(unix) = sockets::find(descriptor) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::setsockopt()(descriptor, level, option, value, length) };
    };
    let Some(named) = SocketOption::named(level, option) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::setsockopt()(descriptor, level, option, value, length) };
    };
    let bytes = if value.is_null() {
        &[][..]
    } else {
        // SAFETY: there are as many bytes, says the caller.
        unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length as usize) }
    };
    let number = match calls::option_value(bytes) {
        Ok(number) => number,
        Err(errno) => return failed(errno),
    };
    let done = match named {
        SocketOption::ReceiveBuffer | SocketOption::ForcedReceiveBuffer => unix
            .set_receive_buffer(calls::buffer_bytes(number) as usize)
            .map(|granted| sockets::set_receive_buffer(descriptor, granted)),
        SocketOption::NoEnobufs => unix
            .set_no_enobufs(number != 0)
            .map(|()| sockets::set_no_enobufs(descriptor, number != 0)),
        // SAFETY: the caller's arguments, unchanged.
        SocketOption::SendBuffer => return unsafe { next::setsockopt()(descriptor, level, option, value, length) },
        _ => return failed(Errno(libc::ENOPROTOOPT)),
    };
    match done {
        Ok(()) => 0,
        Err(TransportError::System(errno)) => failed(errno),
        Err(_) => failed(Errno::ENOBUFS),
    }
}

/// Stands in for `getsockopt(2)`. On an emulator's socket, `SO_ERROR` takes the pending overrun
/// (SOCK-4), `SO_RCVBUF` is the size that the emulator granted when the program last set it,
/// `NETLINK_NO_ENOBUFS` is what the program last set, and type, domain and protocol are netlink's.
/// Other options of other levels than `SOL_SOCKET` fail. The rest, such as `SO_RCVBUF` that was
/// never set, are read from the Unix socket. Calls on other descriptors are passed on.
#[unsafe(no_mangle)]
extern "C" fn getsockopt(
    descriptor: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    length: *mut socklen_t,
) -> c_int {
    let known = sockets::find(descriptor).filter(|_| !value.is_null() && !length.is_null());
    let number = match known.and_then(|unix| Some((unix, SocketOption::named(level, option)?))) {
        Some((unix, SocketOption::Error)) => Some(if unix.take_overrun() { libc::ENOBUFS } else { 0 }),
        Some((_, SocketOption::ReceiveBuffer)) => sockets::receive_buffer(descriptor),
        Some((_, SocketOption::NoEnobufs)) => Some(sockets::no_enobufs(descriptor).into()),
        Some((_, SocketOption::Type)) => Some(libc::SOCK_RAW),
        Some((_, SocketOption::Domain)) => Some(libc::AF_NETLINK),
        Some((unix, SocketOption::Protocol)) => Some(unix.family().netlink_protocol().into()),
        Some((
            _,
            SocketOption::CapAck | SocketOption::ExtAck | SocketOption::Indifferent | SocketOption::UnknownOfNetlink,
        )) => return failed(Errno(libc::ENOPROTOOPT)),
        _ => None,
    };
    let Some(number) = number else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::getsockopt()(descriptor, level, option, value, length) };
    };
    // SAFETY: the caller says how many bytes there are for the value, and no more are written.
    unsafe {
        let room = (*length as usize).min(size_of::<c_int>());
        std::ptr::copy_nonoverlapping((&raw const number).cast::<u8>(), value.cast(), room);
        *length = room as socklen_t;
    }
    0
}

/// Stands in for `dup2(2)`. If the call is going to replace an emulator's socket at the descriptor
/// `new`, closes that socket first.
#[unsafe(no_mangle)]
extern "C" fn dup2(descriptor: c_int, new: c_int) -> c_int {
    close_for_copy(descriptor, new, 0);
    // SAFETY: the caller's arguments, unchanged.
    unsafe { next::dup2()(descriptor, new) }
}

/// Stands in for `dup3(2)`. If the call is going to replace an emulator's socket at the descriptor
/// `new`, closes that socket first.
#[unsafe(no_mangle)]
extern "C" fn dup3(descriptor: c_int, new: c_int, flags: c_int) -> c_int {
    close_for_copy(descriptor, new, flags);
    // SAFETY: the caller's arguments, unchanged.
    unsafe { next::dup3()(descriptor, new, flags) }
}

/// Closes the emulator's socket at `new`, if there is one and the copy of `descriptor` is going to
/// replace it. No copy is made if `descriptor` is `new` or is not open, or if there are other
/// `flags` than `O_CLOEXEC`.
fn close_for_copy(descriptor: c_int, new: c_int, flags: c_int) {
    // SAFETY: a command of fcntl that takes no argument and changes nothing.
    let is_open = || unsafe { libc::fcntl(descriptor, libc::F_GETFD) } >= 0;
    if descriptor != new && flags & !libc::O_CLOEXEC == 0 && is_open() {
        sockets::remove(new);
    }
}

/// Stands in for `close(2)`. Closes an emulator's socket and forgets it. Calls on other descriptors
/// are passed on.
#[unsafe(no_mangle)]
extern "C" fn close(descriptor: c_int) -> c_int {
    if sockets::remove(descriptor) {
        return 0;
    }
    // SAFETY: the caller's descriptor.
    unsafe { next::close()(descriptor) }
}

/// Returns the port id in an address that a program passes. Returns `None` if the address is null,
/// shorter than a netlink address, or of another family.
fn netlink_port(address: *const sockaddr, length: socklen_t) -> Option<PortId> {
    if address.is_null() {
        return None;
    }
    // SAFETY: there are as many bytes, says the caller.
    let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), length as usize) };
    calls::port_id(bytes).ok()
}

/// Writes the netlink address of `port_id` into the program's `address`, cut to its room, and the
/// full length into `length`. Writes nothing if one of the two pointers is null.
fn put_address(port_id: PortId, address: *mut sockaddr, length: *mut socklen_t) {
    if address.is_null() || length.is_null() {
        return;
    }
    let netlink = calls::address(port_id);
    // SAFETY: the caller says how many bytes there are for it, and no more are written.
    unsafe {
        let room = (*length as usize).min(netlink.len());
        std::ptr::copy_nonoverlapping(netlink.as_ptr(), address.cast(), room);
        *length = netlink.len() as socklen_t;
    }
}

/// Sets errno, and returns -1.
fn failed(Errno(errno): Errno) -> c_int {
    // SAFETY: the pointer is to this thread's errno.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// Returns the descriptor of the socket's connection for datagrams, which is the program's.
fn descriptor_of(unix: &Unix) -> c_int {
    std::os::fd::AsFd::as_fd(unix).as_raw_fd()
}
