//! The owner of an emulated kernel, and the meaning of waiting there.

use crate::kernel::Kernel;
use crate::netlink::{Received, SocketId};
use ipq_core::{Errno, TransportError, Wait};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// The access of handles to their kernel. It is implemented by [`Owned`] and
/// [`Shared`](super::Shared), and by nothing else.
pub trait Access: Clone + fmt::Debug + private::Sealed {
    /// Makes the access to `kernel`.
    fn new(kernel: Kernel) -> Self;

    /// Calls `action` with the kernel.
    fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R;

    /// Calls `attempt` until it gives anything but EAGAIN. In between, waits as `wait` says.
    fn attempt<R>(&self, wait: Wait, attempt: impl FnMut(&mut Kernel) -> Result<R, Errno>)
    -> Result<R, TransportError>;

    /// Takes the next datagram for a socket, and waits for it as `wait` says.
    fn receive(&self, socket: SocketId, buffer: &mut [u8], wait: Wait) -> Result<Received, TransportError> {
        self.attempt(wait, |kernel| kernel.receive(socket, buffer))
    }

    /// Tells the kernel that its last [`Simulation`](super::Simulation) is gone.
    fn shut_down(&self);
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Owned {}
    impl Sealed for super::super::Shared {}
}

/// A kernel on virtual time, owned by one thread. Waiting advances its clock.
#[derive(Clone, Debug)]
pub struct Owned {
    kernel: UseSharedSimAcrossThreads,
}

/// A kernel of one thread. The compiler names this type to whoever moves a `Sim` to another thread.
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

    /// Calls `attempt` until it gives anything but EAGAIN. Nothing else runs while this thread
    /// waits, so only frames that [arrive later](Kernel::inject_later) can come. A wait for ever
    /// without any is a deadlock, and an error.
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

    /// Does nothing: the kernel's handles go on, and one that waits for ever gets the deadlock
    /// error.
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
