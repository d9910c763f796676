//! The table of the descriptors that are sockets of the emulator. It has no lock, since a program
//! may fork, or jump out of a signal handler, while a lock is held.

use ipq_core::Errno;
use ipq_core::transport::unix::Unix;
use libc::c_int;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

/// The size of the table. An emulator's socket needs a descriptor below this number. (Programs with
/// an `fd_set` use only descriptors below 1024 anyway.)
const MOST: usize = 4096;

static SOCKETS: [AtomicPtr<Unix>; MOST] = [const { AtomicPtr::new(std::ptr::null_mut()) }; MOST];
static RECEIVE_BUFFERS: [AtomicI32; MOST] = [const { AtomicI32::new(0) }; MOST];
static NO_ENOBUFS: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];

/// Puts a socket into the table, and returns its descriptor. Sets `SOCK_CLOEXEC` and
/// `SOCK_NONBLOCK` on the descriptor as `kind`, the second argument of `socket(2)`, asks. Fails
/// with EMFILE if the descriptor is 4096 or higher.
pub(super) fn insert(unix: Unix, kind: c_int) -> Result<c_int, Errno> {
    let descriptor = super::descriptor_of(&unix);
    let place = place(&SOCKETS, descriptor).ok_or(Errno(libc::EMFILE))?;
    // SAFETY: commands of fcntl on a descriptor that `unix` owns, with integers for arguments.
    unsafe {
        if kind & libc::SOCK_CLOEXEC == 0 {
            libc::fcntl(descriptor, libc::F_SETFD, 0);
        }
        if kind & libc::SOCK_NONBLOCK != 0 {
            libc::fcntl(descriptor, libc::F_SETFL, libc::O_NONBLOCK);
        }
    }
    set_receive_buffer(descriptor, 0);
    set_no_enobufs(descriptor, false);
    place.store(Box::into_raw(Box::new(unix)), Ordering::Release);
    Ok(descriptor)
}

/// Returns the emulator's socket at `descriptor`. Returns `None` if the descriptor is not in the
/// table.
pub(super) fn find<'a>(descriptor: c_int) -> Option<&'a Unix> {
    let socket = place(&SOCKETS, descriptor)?.load(Ordering::Acquire);
    // SAFETY: null, or made from a box by `insert`. It lives until the program closes the
    // descriptor, which it must not do while another of its threads uses it.
    unsafe { socket.as_ref() }
}

/// Closes the emulator's socket at `descriptor`, and takes it out of the table. Returns `false` if
/// the descriptor is not in the table.
pub(super) fn remove(descriptor: c_int) -> bool {
    let Some(place) = place(&SOCKETS, descriptor) else {
        return false;
    };
    let socket = place.swap(std::ptr::null_mut(), Ordering::AcqRel);
    if socket.is_null() {
        return false;
    }
    // SAFETY: made from a box by `insert`. Of all calls that take a socket out of the table, just
    // one gets it.
    drop(unsafe { Box::from_raw(socket) });
    true
}

/// Returns the size in bytes of the receive buffer that the emulator granted when the program last
/// set one for the socket at `descriptor`. Returns `None` if the program has set none.
pub(super) fn receive_buffer(descriptor: c_int) -> Option<c_int> {
    let granted = place(&RECEIVE_BUFFERS, descriptor)?.load(Ordering::Relaxed);
    (granted != 0).then_some(granted)
}

/// Remembers the size in bytes of the receive buffer that the emulator granted to the socket at
/// `descriptor`. 0 means that the program has set none.
pub(super) fn set_receive_buffer(descriptor: c_int, granted: usize) {
    if let Some(place) = place(&RECEIVE_BUFFERS, descriptor) {
        place.store(c_int::try_from(granted).unwrap_or(c_int::MAX), Ordering::Relaxed);
    }
}

/// Returns `true` if the program has turned on `NETLINK_NO_ENOBUFS` for the socket at `descriptor`.
pub(super) fn no_enobufs(descriptor: c_int) -> bool {
    place(&NO_ENOBUFS, descriptor).is_some_and(|on| on.load(Ordering::Relaxed))
}

/// Remembers whether `NETLINK_NO_ENOBUFS` is on for the socket at `descriptor`.
pub(super) fn set_no_enobufs(descriptor: c_int, on: bool) {
    if let Some(place) = place(&NO_ENOBUFS, descriptor) {
        place.store(on, Ordering::Relaxed);
    }
}

fn place<T>(table: &[T; MOST], descriptor: c_int) -> Option<&T> {
    table.get(usize::try_from(descriptor).ok()?)
}
