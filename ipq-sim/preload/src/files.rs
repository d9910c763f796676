//! `/proc/net/ip_queue` and `/proc/net/ip6_queue`, which programs search for their own process id,
//! of the emulated kernel (PROC-1).
//!
//! The functions here stand in for those that open files. Every other path is passed on unchanged.
//! The emulated text is written to a file in memory, as it is when the program opens it.

use super::{failed, next};
use ipq_core::Errno;
use ipq_core::transport::unix;
use ipq_core::transport::unix::calls::{self, ProcFile};
use libc::{FILE, c_char, c_int, mode_t};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use std::ffi::CStr;
use std::os::fd::{IntoRawFd, OwnedFd};

/// Stands in for `open(2)`. The mode is passed on whether the caller gave one or not: it is looked
/// at only if there should be one.
#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments, unchanged.
    emulated(path).map_or_else(|| unsafe { next::open()(path, flags, mode) }, descriptor)
}

/// Opens a file that may be large, as `open` does.
#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open(path, flags | libc::O_LARGEFILE, mode)
}

/// Stands in for `openat(2)`.
#[unsafe(no_mangle)]
extern "C" fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments, unchanged.
    emulated(path).map_or_else(|| unsafe { next::openat()(directory, path, flags, mode) }, descriptor)
}

/// Opens a file that may be large, as `openat` does.
#[unsafe(no_mangle)]
extern "C" fn openat64(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    openat(directory, path, flags | libc::O_LARGEFILE, mode)
}

/// Stands in for `open` where a program was compiled with `_FORTIFY_SOURCE`.
#[unsafe(no_mangle)]
extern "C" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
    open(path, flags, 0)
}

/// Stands in for `open64` where a program was compiled with `_FORTIFY_SOURCE`.
#[unsafe(no_mangle)]
extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    open64(path, flags, 0)
}

/// Stands in for `openat` where a program was compiled with `_FORTIFY_SOURCE`.
#[unsafe(no_mangle)]
extern "C" fn __openat_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    openat(directory, path, flags, 0)
}

/// Stands in for `openat64` where a program was compiled with `_FORTIFY_SOURCE`.
#[unsafe(no_mangle)]
extern "C" fn __openat64_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    openat64(directory, path, flags, 0)
}

/// Stands in for `fopen(3)`.
#[unsafe(no_mangle)]
extern "C" fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE {
    let Some(opened) = emulated(path) else {
        // SAFETY: the caller's arguments, unchanged.
        return unsafe { next::fopen()(path, mode) };
    };
    match opened {
        // SAFETY: an open descriptor, which is given away, and the caller's mode.
        Ok(file) => unsafe { libc::fdopen(file.into_raw_fd(), mode) },
        Err(errno) => {
            failed(errno);
            std::ptr::null_mut()
        }
    }
}

/// Opens a file that may be large, as `fopen` does.
#[unsafe(no_mangle)]
extern "C" fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE {
    fopen(path, mode)
}

/// Stands in for `access(2)`.
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

/// Returns the emulated file at that path. Returns `None` if the path names another file, or if
/// there is no emulator.
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
