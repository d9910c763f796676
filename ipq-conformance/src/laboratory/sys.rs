//! The laboratory's system calls for which there is no safe crate, such as those for namespaces,
//! for tables of rules, for TAP devices and for time stamps.

#![allow(
    unsafe_code,
    reason = "unshare, options of the xtables, TUNSETIFF, SIOCETHTOOL and sockaddr_ll have no safe wrapper"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The kinds of namespace that [`unshare`] makes.
pub(super) use libc::{CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER};

/// Calls `unshare(2)`: moves the calling thread into new namespaces of these kinds. Other flags are
/// ignored, so descriptors and memory stay as they are.
pub(super) fn unshare(namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: none of the flags unshares memory or descriptors, on which safe code elsewhere could
    // rely.
    check(unsafe { libc::unshare(namespaces & (CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUSER)) })
}

/// Reads a socket option into `value`, by `getsockopt(2)`. Returns the number of bytes that were
/// filled.
pub(super) fn read_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes at the pointer, which are those of `value`,
    // and keeps neither.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    Ok((length as usize).min(value.len()))
}

/// Sets a socket option to `value`, which holds no pointers, by `setsockopt(2)`.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as `value` has, and keeps none. No option that this is
    // used with has a pointer.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    })
}

/// Replaces a table of rules by `setsockopt(2)`. Writes the address of `counters` into `table` at
/// `pointer_offset`; the kernel puts the old table's counters there. The header of `table` must
/// announce `counters.len()` of them.
pub(super) fn replace_table(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    table: &mut [u8],
    pointer_offset: usize,
    counters: &mut [[u64; 2]],
) -> io::Result<()> {
    let pointer = counters.as_mut_ptr().expose_provenance().to_ne_bytes();
    table[pointer_offset..pointer_offset + pointer.len()].copy_from_slice(&pointer);
    // SAFETY: the kernel reads `table`, and writes one pair of u64 for each counter that the header
    // announces to the pointer in it, which is that of `counters`, borrowed mutably for the call.
    // The one caller announces `counters.len()`.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            table.as_ptr().cast(),
            table.len() as libc::socklen_t,
        )
    })
}

/// Turns an open `/dev/net/tun` into the TAP device `name`, by `TUNSETIFF`. The device's frames
/// have no extra header.
pub(super) fn make_tap(tun: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = request_for(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes an `ifreq`, which this is.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) })
}

/// Turns one offload of the device `name` off, by `SIOCETHTOOL`. `command` is the `ETHTOOL` command
/// that sets the offload.
pub(super) fn switch_offload_off(socket: BorrowedFd<'_>, name: &str, command: u32) -> io::Result<()> {
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    // A `struct ethtool_value`: the command and its value.
    let mut value = [command, 0];
    let mut request = request_for(name)?;
    request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
    // SAFETY: SIOCETHTOOL reads the `ifreq`, and at its pointer, for the commands that set a value,
    // the two numbers of `value`, which outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) })
}

/// Binds a packet socket to the device with this index, for frames of `ether_type`, by `bind(2)`.
pub(super) fn bind_to_device(socket: BorrowedFd<'_>, index: u32, ether_type: u16) -> io::Result<()> {
    // SAFETY: a structure of integers, for which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ether_type.to_be();
    address.sll_ifindex = index.cast_signed();
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes at the pointer, which are those of `address`, and
    // keeps neither.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })
}

/// Takes the next datagram from a socket with `SO_TIMESTAMPING`, by `recvmsg(2)`, without waiting.
/// Returns whether the kernel stamped it on arrival.
pub(super) fn take_stamped(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut bytes = [0_u8; 64];
    let mut control = [0_u64; 16];
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: a structure of integers and pointers, for which all zeros is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: `message` points to one part and one control buffer, both of which live as long as
    // this frame, with their lengths.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    if received < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has filled the control buffer, which is aligned for headers, and set its
    // length.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    let Some(header) = first.filter(|header| header.cmsg_type == libc::SCM_TIMESTAMPING) else {
        return Ok(false);
    };
    // SAFETY: the data of this kind of message are three `timespec`, of which the first is the
    // kernel's own stamp; they need no alignment to be read so.
    let stamp: libc::timespec = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
    Ok(stamp.tv_sec != 0)
}

/// Returns an `ifreq` with the name of a device. Fails with `InvalidInput` if the name has more
/// than 15 bytes, since no device has such a name.
fn request_for(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: a structure of integers and a union of such and of pointers, for which all zeros is a
    // value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        let why = format!("the device's name {name:?} has more than {room} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    Ok(request)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_device_can_have_is_refused_and_not_cut() {
        let longest = "fifteen-letters";
        let request = request_for(longest).expect("a device may have it");
        let written = request.ifr_name.map(i8::cast_unsigned);
        assert_eq!(written.strip_suffix(&[0]), Some(longest.as_bytes()));
        let error = request_for("sixteen--letters").expect_err("no device has it");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(
            error
                .to_string()
                .contains("\"sixteen--letters\" has more than 15 bytes"),
            "{error}"
        );
    }
}
