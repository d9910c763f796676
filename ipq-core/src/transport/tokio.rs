//! A transport with a descriptor, for tasks on tokio.
//!
//! ```no_run
//! use ipq_core::transport::{nfqueue::NfQueue, tokio::Watched};
//! use ipq_core::{CopyMode, Family, Handle, Verdict, wire::Message};
//!
//! # async fn filter() -> Result<(), Box<dyn std::error::Error>> {
//! let handle = Handle::new(Watched::new(NfQueue::open(Family::Ipv4)?)?);
//! handle.set_mode(CopyMode::Packet, 1500)?;
//! let mut buffer = vec![0; handle.buffer_for(1500)];
//! while let Message::Packet(packet) = handle.read_async(&mut buffer).await? {
//!     handle.set_verdict(packet.packet_id(), Verdict::Accept, None)?;
//! }
//! # Ok(())
//! # }
//! ```

use super::{Datagram, PollTransport, Slot, Transport, TransportError, Wait};
use crate::errno::Errno;
use crate::wire::{Abi, PortId};
use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A transport whose descriptor tokio watches. It passes every call on to the transport inside,
/// except [`poll_receive`](PollTransport::poll_receive). That receives without waiting; if nothing
/// is there, tokio wakes the task once the descriptor is readable. A
/// [`receive`](Transport::receive) that waits blocks its thread.
///
/// One task should read. Of several tasks that wait, only the last to begin is woken.
#[derive(Debug)]
pub struct Watched<T> {
    transport: T,
    /// A duplicate of the transport's descriptor. tokio watches this one, and not the transport's
    /// own, since it must stay the same for as long as tokio watches it.
    readable: AsyncFd<OwnedFd>,
}

impl<T: AsFd> Watched<T> {
    /// Makes the current runtime watch the transport's descriptor. Fails if the system can't copy
    /// or watch it.
    ///
    /// # Panics
    ///
    /// Panics outside a runtime, or in a runtime without I/O, as tokio's own types do.
    pub fn new(transport: T) -> io::Result<Self> {
        let descriptor = transport.as_fd().try_clone_to_owned()?;
        #[allow(
            deprecated,
            reason = "the other constructors are unsafe, for descriptors that change; an OwnedFd does not"
        )]
        let readable = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
        Ok(Self { transport, readable })
    }
}

impl<T: AsFd> AsFd for Watched<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

impl<T: Transport + AsFd> Transport for Watched<T> {
    fn abi(&self) -> Abi {
        self.transport.abi()
    }

    fn port_id(&self) -> PortId {
        self.transport.port_id()
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        self.transport.send(parts)
    }

    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        self.transport.receive(buffer, wait)
    }

    fn send_many(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) {
        self.transport.send_many(messages, results);
    }

    fn receive_many(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        self.transport.receive_many(slots, wait)
    }

    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        self.transport.set_receive_buffer(bytes)
    }

    fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
        self.transport.set_no_enobufs(on)
    }

    fn explain(&self, errno: Errno) -> Option<Cow<'static, str>> {
        self.transport.explain(errno)
    }
}

impl<T: Transport + AsFd> PollTransport for Watched<T> {
    fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<Datagram, TransportError>> {
        loop {
            let mut ready = match ready!(self.readable.poll_read_ready(context)) {
                Ok(ready) => ready,
                // The runtime is shutting down.
                Err(error) => {
                    let errno = error.raw_os_error().map(|number| TransportError::System(Errno(number)));
                    return Poll::Ready(Err(errno.unwrap_or(TransportError::Closed)));
                }
            };
            match self.transport.receive(buffer, Wait::Never) {
                Err(TransportError::TimedOut) => ready.clear_ready(),
                received => return Poll::Ready(received),
            }
        }
    }
}
