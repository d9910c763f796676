//! Which pointers are handles: so that NULL, a destroyed handle or any other pointer is an error and not a crash.
//!
//! A fixed table without a lock, since programs fork, and jump out of signal handlers, whenever they like.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many handles a process can have. The kernel allows it one for each family.
const MOST: usize = 1024;

static LIVE: [AtomicUsize; MOST] = [const { AtomicUsize::new(0) }; MOST];

/// Notes that there is a handle at `address`; `false` if there are too many.
pub(super) fn insert(address: usize) -> bool {
    LIVE.iter().any(|place| {
        place
            .compare_exchange(0, address, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    })
}

/// Whether there is a handle at `address`.
pub(super) fn contains(address: usize) -> bool {
    address != 0 && LIVE.iter().any(|place| place.load(Ordering::Acquire) == address)
}

/// Notes that the handle at `address` is no more; `false` if there was none, so that of two who destroy it one does.
pub(super) fn remove(address: usize) -> bool {
    address != 0
        && LIVE.iter().any(|place| {
            place
                .compare_exchange(address, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        })
}
