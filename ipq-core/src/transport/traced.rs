//! A transport around any other transport that shows each datagram that is sent or received to a
//! listener, and changes nothing.
//!
//! The listener is a function. It is called when a call that sends or receives has returned, on the
//! thread that made the call, and is shown failures too. It may print, record or count, and keeps
//! what it remembers behind a lock or a cell of its own.
//!
//! ```
//! use ipq_core::transport::traced::{Event, Traced};
//! use ipq_core::{Handle, Transport};
//!
//! fn talkative<T: Transport>(transport: T) -> Handle<impl Transport> {
//!     Handle::new(Traced::new(transport, |event: Event<'_>| match event {
//!         Event::Sent { parts, result } => eprintln!("> {parts:02x?} {result:?}"),
//!         Event::Received { bytes, result } => eprintln!("< {bytes:02x?} {result:?}"),
//!     }))
//! }
//! ```

use super::{Datagram, PollTransport, Slot, Transport, TransportError, Wait};
use crate::errno::Errno;
use crate::wire::{Abi, PortId};
use std::borrow::Cow;
use std::fmt;
use std::io::IoSlice;
use std::task::{Context, Poll, ready};

/// One datagram that the inner transport sent or received, or a call of it that failed. A call with
/// many datagrams makes an event for each.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A datagram was sent, or could not be sent.
    Sent {
        /// The datagram, in the parts that it was sent in.
        parts: &'a [IoSlice<'a>],
        /// The number of bytes sent, or the error.
        result: Result<usize, TransportError>,
    },
    /// A receive returned, with a datagram or with an error.
    Received {
        /// The bytes of the datagram in the receiver's buffer, cut where the buffer ends; empty if
        /// none came.
        bytes: &'a [u8],
        /// The datagram's true length and its sender, or the error, which may be a time-out.
        result: Result<Datagram, TransportError>,
    },
}

/// A transport that shows `listener` every datagram that is sent or received. See the
/// [module](self).
pub struct Traced<T, F> {
    transport: T,
    listener: F,
}

impl<T, F: Fn(Event<'_>)> Traced<T, F> {
    /// Wraps `transport`, and shows `listener` the result of every send and receive, also of those
    /// that fail.
    pub const fn new(transport: T, listener: F) -> Self {
        Self { transport, listener }
    }

    /// Returns the transport inside. The listener is not shown the calls that are made on it
    /// directly.
    #[must_use]
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    fn received(&self, buffer: &[u8], result: Result<Datagram, TransportError>) {
        let copied = result.map_or(0, |datagram| datagram.copied);
        let bytes = buffer.get(..copied).unwrap_or(buffer);
        (self.listener)(Event::Received { bytes, result });
    }
}

impl<T: Transport, F: Fn(Event<'_>)> Transport for Traced<T, F> {
    fn abi(&self) -> Abi {
        self.transport.abi()
    }

    fn port_id(&self) -> PortId {
        self.transport.port_id()
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let result = self.transport.send(parts);
        (self.listener)(Event::Sent { parts, result });
        result
    }

    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        let result = self.transport.receive(buffer, wait);
        self.received(buffer, result);
        result
    }

    fn send_many(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) {
        self.transport.send_many(messages, results);
        for (parts, result) in messages.iter().zip(results) {
            (self.listener)(Event::Sent { parts, result: *result });
        }
    }

    fn receive_many(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        let filled = self.transport.receive_many(slots, wait);
        match filled {
            Ok(filled) => slots
                .iter()
                .take(filled)
                .for_each(|slot| self.received(slot.buffer, slot.result)),
            Err(error) => self.received(&[], Err(error)),
        }
        filled
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

impl<T: PollTransport, F: Fn(Event<'_>)> PollTransport for Traced<T, F> {
    fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<Datagram, TransportError>> {
        let result = ready!(self.transport.poll_receive(context, buffer));
        self.received(buffer, result);
        Poll::Ready(result)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Traced<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced")
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
