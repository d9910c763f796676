//! The system calls that the launcher makes with unsafe code.

#![allow(
    unsafe_code,
    reason = "seccomp, its notifications, the memory of another process and recvmmsg have no safe wrapper"
)]

use crate::call::StatusForm;
use libc::{seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp, sock_filter, sock_fprog};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Installs a filter on the calling thread, which must have `no_new_privs` or `CAP_SYS_ADMIN`, and
/// returns the filter's listener. From Linux 5.19 on, only a fatal signal interrupts a call that
/// the listener has taken. On older kernels others do, too.
pub(crate) fn install_with_listener(filter: &[sock_filter]) -> io::Result<OwnedFd> {
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let patient = listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let descriptor = match set_filter(filter, patient) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => set_filter(filter, listener)?,
        installed => installed?,
    };
    // SAFETY: the call returns a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}

/// Installs a filter on the calling thread, which must have `no_new_privs` or `CAP_SYS_ADMIN`.
pub(crate) fn install(filter: &[sock_filter]) -> io::Result<()> {
    set_filter(filter, 0).map(|_| ())
}

fn set_filter(filter: &[sock_filter], flags: libc::c_ulong) -> io::Result<libc::c_long> {
    let program = sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads the program, which has as many instructions as its header says, and
    // keeps no pointer to it. It copies; the pointer is mutable only in C's type.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    })
}

/// Waits for the notification of a stopped call, and takes it. Fails with ENOENT if the call is
/// over before that, since its process was killed or got a signal.
pub(crate) fn notification(listener: BorrowedFd<'_>) -> io::Result<seccomp_notif> {
    // SAFETY: a structure of integers, for which all zeros is a value, and what the kernel asks
    // for.
    let mut notification: seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one such structure, whose size is part of the request's number.
    check(unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV as _,
            &raw mut notification,
        )
    })?;
    Ok(notification)
}

/// Answers a notification, so that the stopped call returns or goes on.
pub(crate) fn respond(listener: BorrowedFd<'_>, response: &seccomp_notif_resp) -> io::Result<()> {
    // SAFETY: the kernel reads one such structure.
    check(unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND as _,
            std::ptr::from_ref(response),
        )
    })?;
    Ok(())
}

/// Gives the stopped process a copy of `descriptor`, and returns the copy's number in that process.
/// The copy gets `number`, in place of what is open there, or the lowest free number if `number` is
/// `None`. The stopped call is not answered by this; [`respond`] has to answer it.
pub(crate) fn give(
    listener: BorrowedFd<'_>,
    id: u64,
    descriptor: BorrowedFd<'_>,
    number: Option<i32>,
    close_on_exec: bool,
) -> io::Result<i32> {
    let addition = seccomp_notif_addfd {
        id,
        flags: if number.is_some() {
            libc::SECCOMP_ADDFD_FLAG_SETFD as u32
        } else {
            0
        },
        srcfd: descriptor.as_raw_fd().cast_unsigned(),
        newfd: number.unwrap_or_default().cast_unsigned(),
        newfd_flags: if close_on_exec {
            libc::O_CLOEXEC.cast_unsigned()
        } else {
            0
        },
    };
    // SAFETY: the kernel reads one such structure.
    check(unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ADDFD as _,
            &raw const addition,
        )
    })
}

/// Returns `true` if the call of the notification `id` is still stopped. `false` means that the
/// call was answered, that its process is gone, or that a signal has ended the call.
pub(crate) fn is_valid(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the kernel reads one number.
    check(unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _,
            &raw const id,
        )
    })
    .is_ok()
}

/// Asks the kernel to let the launcher run on the program's processor when a call of the program is
/// reported, and the program on the launcher's when the call is answered. Has no effect before
/// Linux 6.6.
pub(crate) fn switch_at_once(listener: BorrowedFd<'_>) {
    // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
    let flags: libc::c_ulong = 1;
    // SAFETY: the argument is a number, not a pointer.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, flags) };
}

/// Reads another process's memory from `address` on into `buffer`. Returns the number of bytes that
/// were read, which may be fewer than `buffer` has.
pub(crate) fn read_memory(process: u32, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let remote = libc::iovec {
        iov_base: address as usize as *mut libc::c_void,
        iov_len: buffer.len(),
    };
    // SAFETY: the kernel writes at most `buffer.len()` bytes to the buffer; the remote address is
    // the other process's, and is not looked at here.
    let read = unsafe { libc::process_vm_readv(process.cast_signed(), &raw const local, 1, &raw const remote, 1, 0) };
    Ok(check(read)?.cast_unsigned())
}

/// Writes to another process's memory from `address` on. Returns the number of bytes that were
/// written, which may be fewer than `bytes` has.
pub(crate) fn write_memory(process: u32, address: u64, bytes: &[u8]) -> io::Result<usize> {
    let local = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let remote = libc::iovec {
        iov_base: address as usize as *mut libc::c_void,
        iov_len: bytes.len(),
    };
    // SAFETY: the kernel reads `bytes.len()` bytes here; the remote address is the other process's.
    let written =
        unsafe { libc::process_vm_writev(process.cast_signed(), &raw const local, 1, &raw const remote, 1, 0) };
    Ok(check(written)?.cast_unsigned())
}

/// Returns the status of the file at `path`: the bytes of the C structure that `form` names.
pub(crate) fn status(path: &CStr, form: StatusForm) -> io::Result<Vec<u8>> {
    match form {
        StatusForm::Plain => {
            // SAFETY: a structure of integers, for which all zeros is a value.
            let mut status: libc::stat = unsafe { std::mem::zeroed() };
            // SAFETY: the path ends with a zero, and the kernel writes one such structure.
            check(unsafe { libc::stat(path.as_ptr(), &raw mut status) })?;
            let start = (&raw const status).cast::<u8>();
            // SAFETY: these are the structure's own bytes. All of them were written above, with
            // zeros at least.
            Ok(unsafe { std::slice::from_raw_parts(start, size_of_val(&status)) }.to_vec())
        }
        StatusForm::Extended => {
            /// The size of `struct statx` in words of 64 bits.
            const WORDS: usize = 32;
            /// `STATX_BASIC_STATS`: asks for the fields that `struct stat` has, too.
            const BASIC: libc::c_uint = 0x7ff;
            let mut status = [0_u64; WORDS];
            // SAFETY: the path ends with a zero, and the kernel writes 256 bytes, which is
            // what there is.
            check(unsafe {
                libc::syscall(
                    libc::SYS_statx,
                    libc::AT_FDCWD,
                    path.as_ptr(),
                    0,
                    BASIC,
                    status.as_mut_ptr(),
                )
            })?;
            Ok(status.iter().flat_map(|word| word.to_ne_bytes()).collect())
        }
    }
}

/// Makes a socket by `socket(2)`, with the arguments that a program gave. Adds `SOCK_CLOEXEC`, so
/// that the launcher's descriptor is always closed on exec.
pub(crate) fn socket(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: three numbers.
    let descriptor = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the call returns a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Returns the number of bytes that were sent on a Unix socket and not read yet. Each datagram
/// counts with the memory that the kernel allocated for it.
pub(crate) fn unread(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes one int.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ as _, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or_default())
}

/// The most datagrams that [`receive_many`] takes.
pub(crate) const AT_ONCE: usize = 32;

/// Takes the datagrams that wait, with `recvmmsg(2)`: at most one for each of `places`, and at most
/// [`AT_ONCE`]. Puts their lengths into `lengths`, in full even for datagrams that were cut, and
/// returns their number. Fails with EAGAIN if none waits.
pub(crate) fn receive_many(
    socket: BorrowedFd<'_>,
    places: &mut [io::IoSliceMut<'_>],
    lengths: &mut [usize; AT_ONCE],
) -> io::Result<usize> {
    // SAFETY: structures of integers and pointers, for which all zeros is a value.
    let mut headers: [libc::mmsghdr; AT_ONCE] = unsafe { std::mem::zeroed() };
    let count = places.len().min(AT_ONCE);
    for (place, header) in places.iter_mut().zip(headers.iter_mut()) {
        header.msg_hdr.msg_iov = std::ptr::from_mut(place).cast();
        header.msg_hdr.msg_iovlen = 1 as _;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: the first `count` headers are filled in; each points to its own place, which is
    // borrowed mutably during the call (an `IoSliceMut` is an `iovec`, which its documentation
    // promises). Their other pointers are null, with length 0. The kernel writes within the lengths
    // that are given.
    let received = check(unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count as _,
            flags as _,
            std::ptr::null_mut(),
        )
    })?;
    for (length, header) in lengths.iter_mut().zip(&headers) {
        *length = header.msg_len as usize;
    }
    Ok(received.cast_unsigned() as usize)
}

/// Returns the result of a C call as `Ok`. If it is negative, returns the error that errno has as
/// `Err`.
fn check<T: Copy + Default + PartialOrd>(result: T) -> io::Result<T> {
    if result < T::default() {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
