//! The bench's system calls for which there is no safe crate: receiving many datagrams in one call,
//! and setting an option of a socket of which only the number is known.

#![allow(unsafe_code, reason = "recvmmsg, and setsockopt on a number, have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// The most datagrams that one call receives.
pub(crate) const MOST: usize = 64;

/// Calls `setsockopt(2)` with `SO_RCVBUF` on the descriptor `number`. The kernel refuses one that
/// is no socket.
pub(crate) fn set_receive_buffer(number: RawFd, bytes: usize) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes at the pointer, which are those of `value`, and keeps
    // neither.
    let set = unsafe {
        libc::setsockopt(
            number,
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const value).cast(),
            length,
        )
    };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Calls `recvmmsg(2)`: waits for a datagram, and takes those that are there, one into each of
/// `buffers` as long as there are buffers (64 at most). Puts the datagrams' lengths into `lengths`,
/// and returns their number.
pub(crate) fn receive_many(
    socket: BorrowedFd<'_>,
    buffers: &mut [Vec<u8>],
    lengths: &mut [usize],
) -> io::Result<usize> {
    // SAFETY: structures of integers and pointers, for which all zeros is a value.
    let (mut headers, mut parts): ([libc::mmsghdr; MOST], [libc::iovec; MOST]) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let mut count = 0;
    for ((buffer, header), part) in buffers.iter_mut().zip(&mut headers).zip(&mut parts) {
        part.iov_base = buffer.as_mut_ptr().cast();
        part.iov_len = buffer.len();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: the first `count` headers are filled in, and each points to a part in this frame that
    // points to a buffer, borrowed mutably for the call. The kernel writes within the lengths that
    // are given.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            libc::MSG_WAITFORONE as _,
            std::ptr::null_mut(),
        )
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (length, header) in lengths.iter_mut().zip(&headers).take(received) {
        *length = header.msg_len as usize;
    }
    Ok(received)
}
