//! Locks, waits and time under a scheduler that a test controls.
//!
//! Time is virtual. A wait with a time-out starts a task that ends the wait, and the scheduler runs
//! that task when it likes. So a time-out may come before, between or after everything else, and no
//! test really waits.

use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    // All tasks of an execution run on one thread of the system.
    static NOW: Cell<Duration> = const { Cell::new(BEGINNING) };
    static FLAW: Cell<Option<Flaw>> = const { Cell::new(None) };
}

/// The beginning of time. It is not 0, so that a time before it can be computed.
const BEGINNING: Duration = Duration::from_secs(1_000_000);

/// Begins an execution: sets the time to the beginning, and gives the locks `flaw` if there is one.
#[cfg(test)]
pub(crate) fn restart(flaw: Option<Flaw>) {
    NOW.set(BEGINNING);
    FLAW.set(flaw);
}

/// A defect that a test gives the locks, to show that the schedules find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "only tests want locks that are wrong"))]
pub(crate) enum Flaw {
    /// A thread releases the lock before it waits, so that a change in between does not wake it.
    WaitsLate,
    /// A change wakes only one of the threads that wait.
    WakesOne,
    /// A change wakes no thread.
    WakesNone,
    /// Time-outs are never over.
    NeverTimesOut,
}

/// Returns the scheduler's time, since 1970-01-01 00:00 UTC.
pub(crate) fn since_1970() -> Duration {
    NOW.get()
}

/// A moment in the scheduler's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(NOW.get())
    }

    pub(crate) fn elapsed(self) -> Duration {
        NOW.get().saturating_sub(self.0)
    }
}

/// A value that one thread uses at a time, and for whose changes others wait, under the scheduler's
/// control.
#[derive(Debug)]
pub(crate) struct Monitor<T> {
    shared: Arc<(Mutex<T>, Condvar)>,
}

pub(crate) type Guard<'a, T> = MutexGuard<'a, T>;

impl<T: Send + 'static> Monitor<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            shared: Arc::new((Mutex::new(value), Condvar::new())),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        lock(&self.shared.0)
    }

    pub(crate) fn wait<'a>(&'a self, guard: Guard<'a, T>, pause: Option<Duration>) -> Guard<'a, T> {
        let guard = match FLAW.get() {
            Some(Flaw::WaitsLate) => {
                drop(guard);
                self.lock()
            }
            _ => guard,
        };
        if let Some(pause) = pause.filter(|_| FLAW.get() != Some(Flaw::NeverTimesOut)) {
            let shared = Arc::clone(&self.shared);
            let end = NOW.get() + pause;
            shuttle::thread::spawn(move || {
                // The thread that waits holds the lock until its wait has begun.
                let guard = lock(&shared.0);
                NOW.set(NOW.get().max(end));
                drop(guard);
                shared.1.notify_all();
            });
        }
        self.shared.1.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wake_all(&self) {
        match FLAW.get() {
            Some(Flaw::WakesOne) => self.shared.1.notify_one(),
            Some(Flaw::WakesNone) => {}
            _ => self.shared.1.notify_all(),
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> Guard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
