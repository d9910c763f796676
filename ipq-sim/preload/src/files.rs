//! Gives programs the emulated kernel's `/proc/net/ip_queue` and `/proc/net/ip6_queue`, in which
//! they search for their own process id (PROC-1).
//!
//! The functions of this module stand in for `access`, and for `open`, `openat`, `fopen` and their
//! variants. For the two /proc files, if `IPQ_TRANSPORT` names an emulator, they open a file in
//! memory, which holds the emulated text as of that moment. Their calls for other files are passed
//! on to the C library.

use super::{failed, next};
use ipq_core::Errno;
use ipq_core::transport::unix;
use ipq_core::transport::unix::calls::{self, ProcFile};
use libc::{FILE, c_char, c_int, mode_t};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

/// Stands in for `open(2)`. For an emulated /proc file, `flags` and `mode` are ignored. For another
/// file the mode is passed on even if the caller gave none: the C library reads it only where the
/// flags ask for one.
#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments, unchanged.
    emulated(path).map_or_else(|| unsafe { next::open()(path, flags, mode) }, descriptor)
}

/// Stands in for `open64`: opens a file as `open` does, with `O_LARGEFILE`.
#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open(path, flags | libc::O_LARGEFILE, mode)
}

/// Stands in for `openat(2)`. For an emulated /proc file, `directory`, `flags` and `mode` are
/// ignored.
#[unsafe(no_mangle)]
extern "C" fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments, unchanged.
    emulated(path).map_or_else(|| unsafe { next::openat()(directory, path, flags, mode) }, descriptor)
}

/// Stands in for `openat64`: opens a file as `openat` does, with `O_LARGEFILE`.
#[unsafe(no_mangle)]
extern "C" fn openat64(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    openat(directory, path, flags | libc::O_LARGEFILE, mode)
}

/// Stands in for `__open_2`, which a program that was compiled with `_FORTIFY_SOURCE` calls for
/// `open` without a mode.
#[unsafe(no_mangle)]
extern "C" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
    open(path, flags, 0)
}

/// Stands in for `__open64_2`, which a program that was compiled with `_FORTIFY_SOURCE` calls for
/// `open64` without a mode.
#[unsafe(no_mangle)]
extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    open64(path, flags, 0)
}

/// Stands in for `__openat_2`, which a program that was compiled with `_FORTIFY_SOURCE` calls for
/// `openat` without a mode.
#[unsafe(no_mangle)]
extern "C" fn __openat_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    openat(directory, path, flags, 0)
}

/// Stands in for `__openat64_2`, which a program that was compiled with `_FORTIFY_SOURCE` calls for
/// `openat64` without a mode.
#[unsafe(no_mangle)]
extern "C" fn __openat64_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    openat64(directory, path, flags, 0)
}

/// Stands in for `fopen(3)`. For an emulated /proc file, opens the file in memory with the caller's
/// `mode`.
#[unsafe(no_mangle)]
extern "C" fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE {
    let Some(opened) = emulated(path) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::fopen()(path, mode) };
    };
    match opened {
        Ok(file) => {
            // SAFETY: an open descriptor, and the caller's mode.
            let stream = unsafe { libc::fdopen(file.as_raw_fd(), mode) };
            if !stream.is_null() {
                // The descriptor is the stream's now.
                let _ = file.into_raw_fd();
            }
            stream
        }
        Err(errno) => {
            failed(errno);
            std::ptr::null_mut()
        }
    }
}

/// Stands in for `fopen64`: does what `fopen` does.
#[unsafe(no_mangle)]
extern "C" fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE {
    fopen(path, mode)
}

/// Stands in for `access(2)`. For an emulated /proc file it returns 0 for any `mode`, or fails if
/// the text can't be had.
#[unsafe(no_mangle)]
extern "C" fn access(path: *const c_char, mode: c_int) -> c_int {
    // SAFETY: the caller's arguments, unchanged.
    emulated(path).map_or_else(
        || unsafe { next::access()(path, mode) },
        |file| file.map_or_else(failed, |_| 0),
    )
}

fn descriptor(file: Result<OwnedFd, Errno>) -> c_int {
    file.map_or_else(failed, IntoRawFd::into_raw_fd)
}

/// Returns a new file in memory with the emulated text, if the path is that of `ip_queue` or
/// `ip6_queue` in /proc. Returns `None` for any other path, and if `IPQ_TRANSPORT` names no
/// emulator. The inner error says why the text or the new file could not be had.
fn emulated(path: *const c_char) -> Option<Result<OwnedFd, Errno>> {
    if path.is_null() {
        return None;
    }
    // SAFETY: the caller passes a C string.
    let ProcFile::IpQueue(family) = calls::proc_file(unsafe { CStr::from_ptr(path) }.to_bytes())? else {
        return None;
    };
    let emulator = super::emulator()?;
    let file = || {
        let text = unix::proc_text(&emulator, family)?;
        let system = |error: rustix::io::Errno| Errno(error.raw_os_error());
        let file = memfd_create(c"ip_queue", MemfdFlags::CLOEXEC).map_err(system)?;
        rustix::io::write(&file, &text).map_err(system)?;
        seek(&file, SeekFrom::Start(0)).map_err(system)?;
        Ok(file)
    };
    Some(file())
}
