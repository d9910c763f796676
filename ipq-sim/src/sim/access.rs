//! How a simulation and its handles reach the emulated kernel, and wait for it to change: by
//! [`Owned`] in one thread, or by [`Shared`](super::Shared) in several.

use crate::kernel::Kernel;
use crate::netlink::{Received, SocketId};
use ipq_core::{Errno, TransportError, Wait};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// How a simulation and its handles reach their kernel, and wait for it to change. Only [`Owned`]
/// and [`Shared`](super::Shared) implement it.
pub trait Access: Clone + fmt::Debug + private::Sealed {
    /// Returns an access that owns `kernel`.
    fn new(kernel: Kernel) -> Self;

    /// Calls `action` with the kernel, which nobody else may use meanwhile.
    fn with<R>(&self, action: impl FnOnce(&mut Kernel) -> R) -> R;

    /// Calls `attempt` until it returns anything but EAGAIN, and returns that result, with an error
    /// number as a transport error. After each EAGAIN, waits for a change of the kernel. Fails with
    /// `TimedOut` when it has waited as long as `wait` allows. On an [`Owned`] kernel, where
    /// nothing else runs, fails with `Deadlock` instead of waiting for ever.
    fn attempt<R>(&self, wait: Wait, attempt: impl FnMut(&mut Kernel) -> Result<R, Errno>)
    -> Result<R, TransportError>;

    /// Takes a socket's next datagram into `buffer`, and waits for one as `wait` allows. If the
    /// socket has a pending error, fails with that error instead, and takes no datagram.
    fn receive(&self, socket: SocketId, buffer: &mut [u8], wait: Wait) -> Result<Received, TransportError> {
        self.attempt(wait, |kernel| kernel.receive(socket, buffer))
    }

    /// Called when the last [`Simulation`](super::Simulation) of the kernel is dropped. Ends a
    /// [`Shared`](super::Shared) kernel. An [`Owned`] kernel goes on as long as there is a handle
    /// on it.
    fn shut_down(&self);
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Owned {}
    impl Sealed for super::super::Shared {}
}

/// The [`Access`] to a kernel on virtual time that one thread owns. A call that would wait returns
/// at once: it advances the kernel's clock, or fails with `Deadlock` if it would wait for ever.
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

    /// Calls `attempt` until it returns anything but EAGAIN. After each EAGAIN, advances virtual
    /// time to the next frame that [arrives later](Kernel::inject_later), since nothing else can
    /// change the kernel. Fails with `TimedOut` when virtual time has advanced as far as `wait`
    /// allows, and with `Deadlock` if `wait` is for ever and no frame is to come.
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

    /// Does nothing. The kernel's handles go on working.
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
