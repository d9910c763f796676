//! The table of the live handles' addresses. A pointer from C is looked up before it is used: so
//! NULL, a destroyed handle or any other pointer is an error and no crash.
//!
//! The table has a fixed size and no lock, since programs fork, and jump out of signal handlers, at
//! any moment.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most handles that a process can have at once. With the original libipq, a process had at
/// most one for each family.
const MOST: usize = 1024;

static LIVE: [AtomicUsize; MOST] = [const { AtomicUsize::new(0) }; MOST];

/// Adds the handle at `address`. Returns `false` if the table is full.
pub(super) fn insert(address: usize) -> bool {
    LIVE.iter().any(|place| {
        place
            .compare_exchange(0, address, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    })
}

/// Returns `true` if there is a live handle at `address`.
pub(super) fn contains(address: usize) -> bool {
    address != 0 && LIVE.iter().any(|place| place.load(Ordering::Acquire) == address)
}

/// Removes the handle at `address`. Returns `false` if there is none. If two threads remove one
/// handle at the same time, one of them gets `true`.
pub(super) fn remove(address: usize) -> bool {
    address != 0
        && LIVE.iter().any(|place| {
            place
                .compare_exchange(address, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        })
}
