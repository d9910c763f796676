//! The system's locks, waits and time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub(crate) use std::time::Instant;

/// Returns the system's time, since 1970-01-01 00:00 UTC.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// A value that one thread uses at a time, and for whose changes others wait. A panic does not
/// poison the monitor.
#[derive(Debug)]
pub(crate) struct Monitor<T> {
    value: Mutex<T>,
    changed: Condvar,
}

/// Exclusive use of a monitor's value.
pub(crate) type Guard<'a, T> = MutexGuard<'a, T>;

impl<T> Monitor<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the value, and waits for [`wake_all`](Self::wake_all), at most for `pause`, or
    /// without an end if it is `None`. Then takes the value again. May return without either.
    pub(crate) fn wait<'a>(&'a self, guard: Guard<'a, T>, pause: Option<Duration>) -> Guard<'a, T> {
        match pause {
            Some(pause) => self
                .changed
                .wait_timeout(guard, pause)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard),
            None => self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Wakes all threads that wait.
    pub(crate) fn wake_all(&self) {
        self.changed.notify_all();
    }
}
