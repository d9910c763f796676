//! Who owns an emulated kernel, and what waiting means there.

use crate::kernel::Kernel;
use crate::sockets::{Received, SocketId};
use ipq_core::{Errno, TransportError, Wait};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How handles reach their kernel. Implemented by [`Owned`] and [`Shared`], and by nothing else.
pub trait Access: Clone + private::Sealed {
    /// A kernel, and the first way to it.
    fn new(kernel: Kernel) -> Self;

    /// Does something with the kernel.
    fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R;

    /// Takes the next datagram for a socket, waiting as `wait` says.
    fn receive(&self, socket: SocketId, buffer: &mut [u8], wait: Wait) -> Result<Received, TransportError>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Owned {}
    impl Sealed for super::Shared {}
}

/// A kernel on virtual time, owned by one thread. Waiting sets its clock forward.
#[derive(Clone, Debug)]
pub struct Owned {
    kernel: Rc<RefCell<Kernel>>,
}

impl Access for Owned {
    fn new(kernel: Kernel) -> Self {
        Self {
            kernel: Rc::new(RefCell::new(kernel)),
        }
    }

    fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R {
        action(&mut self.kernel.borrow_mut())
    }

    /// Nothing else runs while this thread waits. So what comes meanwhile is what was [put off](Kernel::inject_later), or
    /// nothing; and a wait for ever for nothing is a deadlock, which is said instead of waited out.
    fn receive(&self, socket: SocketId, buffer: &mut [u8], wait: Wait) -> Result<Received, TransportError> {
        let mut kernel = self.kernel.borrow_mut();
        let end = match wait {
            Wait::Never => kernel.now(),
            Wait::Forever => Duration::MAX,
            Wait::For(duration) => kernel.now().saturating_add(duration),
        };
        loop {
            match kernel.receive(socket, buffer) {
                Err(Errno::EAGAIN) if kernel.advance_to_next(end) => {}
                Err(Errno::EAGAIN) if wait == Wait::Never => return Err(TransportError::TimedOut),
                Err(Errno::EAGAIN) if wait == Wait::Forever => return Err(TransportError::Deadlock),
                Err(Errno::EAGAIN) => {
                    let rest = end.saturating_sub(kernel.now());
                    kernel.advance(rest);
                    return Err(TransportError::TimedOut);
                }
                result => return result.map_err(transport_error),
            }
        }
    }
}

/// A kernel on real time, shared by threads. Waiting is real.
#[derive(Clone, Debug)]
pub struct Shared {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kernel: Mutex<Kernel>,
    /// Told whenever something was done with the kernel.
    changed: Condvar,
}

impl Shared {
    /// The kernel, after everything that was due.
    fn lock(&self) -> MutexGuard<'_, Kernel> {
        let mut kernel = self.inner.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        kernel.advance(Duration::ZERO);
        kernel
    }
}

impl Access for Shared {
    fn new(kernel: Kernel) -> Self {
        Self {
            inner: Arc::new(Inner {
                kernel: Mutex::new(kernel),
                changed: Condvar::new(),
            }),
        }
    }

    fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R {
        let result = action(&mut self.lock());
        self.inner.changed.notify_all();
        result
    }

    fn receive(&self, socket: SocketId, buffer: &mut [u8], wait: Wait) -> Result<Received, TransportError> {
        let began = Instant::now();
        let mut kernel = self.lock();
        loop {
            match kernel.receive(socket, buffer) {
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
            kernel = match [left, kernel.until_next()].into_iter().flatten().min() {
                Some(pause) => self
                    .inner
                    .changed
                    .wait_timeout(kernel, pause)
                    .map_or_else(|error| error.into_inner().0, |woken| woken.0),
                None => self.inner.changed.wait(kernel).unwrap_or_else(PoisonError::into_inner),
            };
            kernel.advance(Duration::ZERO);
        }
    }
}

/// What a handle makes of an error number of the emulated socket.
pub(super) fn transport_error(errno: Errno) -> TransportError {
    match errno {
        Errno::EAGAIN => TransportError::TimedOut,
        Errno::EINTR => TransportError::Interrupted,
        Errno::ENOBUFS => TransportError::Overrun,
        Errno::EBADF => TransportError::Closed,
        other => TransportError::System(other),
    }
}
