//! The ways to own an emulated kernel, and what waiting means there.

use crate::kernel::Kernel;
use crate::netlink::{Received, SocketId};
use ipq_core::{Errno, TransportError, Wait};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// The access that handles have to their kernel. Only [`Owned`] and [`Shared`](super::Shared)
/// implement it.
pub trait Access: Clone + fmt::Debug + private::Sealed {
    /// Returns an access that owns `kernel`.
    fn new(kernel: Kernel) -> Self;

    /// Calls `action` with the kernel, which nobody else may use meanwhile.
    fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R;

    /// Calls `attempt` until it returns anything but EAGAIN, and returns that, an error number as a
    /// transport error. In between, waits for changes of the kernel, as long as `wait` allows, and
    /// then fails with `TimedOut`. On an [`Owned`] kernel, where nothing else runs, fails with
    /// `Deadlock` instead of waiting for ever.
    fn attempt<R>(&self, wait: Wait, attempt: impl FnMut(&mut Kernel) -> Result<R, Errno>)
    -> Result<R, TransportError>;

    /// Takes a socket's next datagram into `buffer`, and waits for one as `wait` allows. Fails with
    /// the socket's pending error, if there is one, and leaves the datagram.
    fn receive(&self, socket: SocketId, buffer: &mut [u8], wait: Wait) -> Result<Received, TransportError> {
        self.attempt(wait, |kernel| kernel.receive(socket, buffer))
    }

    /// Ends the kernel, when its last [`Simulation`](super::Simulation) is gone. An [`Owned`]
    /// kernel goes on as long as a handle has it.
    fn shut_down(&self);
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Owned {}
    impl Sealed for super::super::Shared {}
}

/// A kernel on virtual time, owned by one thread. Waiting advances its clock at once.
#[derive(Clone, Debug)]
pub struct Owned {
    kernel: UseSharedSimAcrossThreads,
}

/// The kernel behind an [`Owned`]. The compiler names this type in its error when a `Sim` is moved
/// to another thread.
#[derive(Clone, Debug)]
struct UseSharedSimAcrossThreads(Rc<RefCell<Kernel>>);

impl Access for Owned {
    fn new(kernel: Kernel) -> Self {
        Self {
            kernel: UseSharedSimAcrossThreads(Rc::new(RefCell::new(kernel))),
        }
    }

    fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R {
        action(&mut self.kernel.0.borrow_mut())
    }

    /// Calls `attempt` until it returns anything but EAGAIN. Nothing else runs while this thread
    /// waits, so only frames that [arrive later](Kernel::inject_later) can change anything. Fails
    /// with `TimedOut` when virtual time has advanced as far as `wait` allows, and with `Deadlock`
    /// where it would wait for ever.
    fn attempt<R>(
        &self,
        wait: Wait,
        mut attempt: impl FnMut(&mut Kernel) -> Result<R, Errno>,
    ) -> Result<R, TransportError> {
        let mut kernel = self.kernel.0.borrow_mut();
        let end = match wait {
            Wait::Never => kernel.now(),
            Wait::Forever => Duration::MAX,
            Wait::For(duration) => kernel.now().saturating_add(duration),
        };
        loop {
            match attempt(&mut kernel) {
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

    /// Does nothing: the kernel's handles still work. One that waits for ever gets `Deadlock`.
    fn shut_down(&self) {}
}

/// Returns the transport error for an error number of the emulated socket.
pub(super) fn transport_error(errno: Errno) -> TransportError {
    match errno {
        Errno::EAGAIN => TransportError::TimedOut,
        Errno::EINTR => TransportError::Interrupted,
        Errno::ENOBUFS => TransportError::Overrun,
        Errno::EBADF => TransportError::Closed,
        other => TransportError::System(other),
    }
}
