//! A kernel on real time that threads share.

use super::access::{Access, transport_error};
use crate::kernel::Kernel;
use crate::time::monitor::{Guard, Instant, Monitor};
use ipq_core::{Errno, TransportError, Wait};
use std::sync::Arc;
use std::time::Duration;

/// The [`Access`] to a kernel on real time that threads share. A call that waits takes real time.
#[derive(Clone, Debug)]
pub struct Shared {
    kernel: Arc<Monitor<Kernel>>,
}

impl Access for Shared {
    fn new(kernel: Kernel) -> Self {
        Self {
            kernel: Arc::new(Monitor::new(kernel)),
        }
    }

    fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R {
        // The other threads are woken even if `action` panics: they may wait for something that it
        // did before.
        let _wake = WakeOnDrop(&self.kernel);
        action(&mut self.advance_to_now(self.kernel.lock()))
    }

    fn attempt<R>(
        &self,
        wait: Wait,
        mut attempt: impl FnMut(&mut Kernel) -> Result<R, Errno>,
    ) -> Result<R, TransportError> {
        let began = Instant::now();
        let mut kernel = self.advance_to_now(self.kernel.lock());
        loop {
            match attempt(&mut kernel) {
                Err(Errno::EAGAIN) => {}
                result => return result.map_err(transport_error),
            }
            let left = match wait {
                Wait::Never => Some(Duration::ZERO),
                Wait::Forever => None,
                Wait::For(duration) => Some(duration.saturating_sub(began.elapsed())),
            };
            if left == Some(Duration::ZERO) {
                return Err(TransportError::TimedOut);
            }
            let pause = [left, kernel.until_next()].into_iter().flatten().min();
            kernel = self.advance_to_now(self.kernel.wait(kernel, pause));
        }
    }

    fn shut_down(&self) {
        self.with(Kernel::shut_down);
    }
}

impl Shared {
    /// Lets the frames arrive that were put off and are due by now. If there are any, then wakes
    /// all waiting threads, which may wait for packets of these frames. Returns the guard that it
    /// was given.
    fn advance_to_now<'a>(&self, mut kernel: Guard<'a, Kernel>) -> Guard<'a, Kernel> {
        if kernel.until_next() == Some(Duration::ZERO) {
            kernel.advance(Duration::ZERO);
            self.kernel.wake_all();
        }
        kernel
    }
}

struct WakeOnDrop<'a>(&'a Monitor<Kernel>);

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        self.0.wake_all();
    }
}

#[cfg(all(shuttle, test))]
mod schedules;
