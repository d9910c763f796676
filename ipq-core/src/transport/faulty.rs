//! Faults on the way: a transport around any other that loses, cuts, repeats, delays and forges what passes, and fails as
//! systems do.
//!
//! What happens is a plan: an iterator for each direction, whose n-th item is what happens to the n-th datagram. A script
//! is a list of [`Arrival`]s or [`Departure`]s; [`Seeded`] draws them by chance, the same for the same seed. When a plan is
//! exhausted, datagrams pass unharmed. [`Faulty::arrivals`] and [`Faulty::departures`] tell afterwards what hit which.
//!
//! ```
//! use ipq_core::transport::faulty::{Arrival, Departure, Faulty, Seeded};
//! use ipq_core::{Handle, PortId, Transport, TransportError};
//!
//! fn in_bad_weather<T: Transport>(transport: T, seed: u64) -> Handle<Faulty<T>> {
//!     // The first two datagrams from the kernel come in the other order, and a signal interrupts the wait for the third.
//!     let script = [Arrival::Delay(1), Arrival::Pass, Arrival::Fail(TransportError::Interrupted)];
//!     // One verdict in a hundred is lost, until a thousand were given.
//!     let chance = Seeded::new(seed, [(1, Departure::Lose), (99, Departure::Pass)]).take(1000);
//!     Handle::new(Faulty::new(transport).with_arrivals(script).with_departures(chance))
//! }
//! ```
//!
//! No clock is involved: a delay is counted in datagrams. And no plan makes a program hang: what is held back goes on its
//! way as soon as a receive would find nothing else. At most [`HELD`] datagrams are held in each direction; one that would
//! be more passes unharmed. No lock is held while the transport inside sends or receives.

mod line;
mod plan;

pub use line::{HELD, Record};
pub use plan::{Arrival, Departure, Seeded};

use super::{Datagram, PollTransport, Transport, TransportError, Wait};
use crate::errno::Errno;
use crate::wire::{Abi, PortId};
use line::{Held, Line};
use std::borrow::Cow;
use std::io::IoSlice;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A transport with faults on the way. See the [module](self).
#[derive(Debug)]
pub struct Faulty<T> {
    transport: T,
    arrivals: Mutex<Line<Arrival>>,
    departures: Mutex<Line<Departure>>,
}

impl<T> Faulty<T> {
    /// Nothing happens yet to what passes to and from `transport`.
    #[must_use]
    pub fn new(transport: T) -> Self {
        Self {
            transport,
            arrivals: Mutex::default(),
            departures: Mutex::default(),
        }
    }

    /// What is to happen to the datagrams that are received, in their order.
    #[must_use]
    pub fn with_arrivals(self, plan: impl IntoIterator<Item = Arrival, IntoIter: Send + 'static>) -> Self {
        let arrivals = Mutex::new(Line::new(plan.into_iter()));
        Self { arrivals, ..self }
    }

    /// What is to happen to the datagrams that are sent, in their order.
    #[must_use]
    pub fn with_departures(self, plan: impl IntoIterator<Item = Departure, IntoIter: Send + 'static>) -> Self {
        let departures = Mutex::new(Line::new(plan.into_iter()));
        Self { departures, ..self }
    }

    /// What has happened to the datagrams that were received.
    #[must_use]
    pub fn arrivals(&self) -> Record<Arrival> {
        lock(&self.arrivals).record()
    }

    /// What has happened to the datagrams that were sent.
    #[must_use]
    pub fn departures(&self) -> Record<Departure> {
        lock(&self.departures).record()
    }

    /// The transport inside.
    #[must_use]
    pub const fn transport(&self) -> &T {
        &self.transport
    }
}

impl<T: Transport> Faulty<T> {
    /// What comes without asking the transport: a copy, a late datagram, a failure of the call.
    fn due(&self, buffer: &mut [u8]) -> Option<Result<Datagram, TransportError>> {
        let mut line = lock(&self.arrivals);
        if let Some(held) = line.take_due() {
            return Some(Ok(held.put_into(buffer)));
        }
        match line.take_if(|arrival| matches!(arrival, Arrival::Fail(_))) {
            Some(Arrival::Fail(error)) => Some(Err(error)),
            _ => None,
        }
    }

    /// Lets happen to a datagram that has come what is to happen to it; `None` if it does not reach the program now.
    fn arrive(&self, buffer: &mut [u8], mut datagram: Datagram) -> Option<Result<Datagram, TransportError>> {
        let mut line = lock(&self.arrivals);
        let copy = || Held::received(buffer, datagram);
        match line.meet(Arrival::holds) {
            Arrival::Lose => return None,
            Arrival::Cut(length) if length < datagram.copied => {
                // A cut datagram leaves no trace of its end.
                buffer
                    .iter_mut()
                    .take(datagram.copied)
                    .skip(length)
                    .for_each(|byte| *byte = 0);
                datagram.copied = length;
            }
            Arrival::Pass | Arrival::Cut(_) | Arrival::Delay(0) => {}
            Arrival::Repeat => line.hold(0, copy()),
            Arrival::Delay(datagrams) => {
                line.hold(datagrams, copy());
                return None;
            }
            Arrival::Forge(sender) => {
                line.hold(0, copy());
                datagram.sender = sender;
            }
            Arrival::Fail(error) => {
                line.hold(0, copy());
                return Some(Err(error));
            }
        }
        Some(Ok(datagram))
    }

    /// Says what happens to a datagram that is to go, and holds it back if that is it.
    fn depart(&self, parts: &[IoSlice<'_>]) -> Departure {
        let mut line = lock(&self.departures);
        let departure = line.meet(Departure::holds);
        if let Departure::Delay(datagrams @ 1..) = departure {
            line.hold(datagrams, Held::sent(parts));
        }
        departure
    }

    /// Whether anything is held back, in either direction.
    fn holds_something(&self) -> bool {
        lock(&self.arrivals).holds_something() || lock(&self.departures).holds_something()
    }

    /// Lets something that is held back go on its way, since nothing else moves; `false` if there is nothing.
    fn release(&self) -> bool {
        if lock(&self.arrivals).release() {
            return true;
        }
        let released = lock(&self.departures).release();
        self.send_due();
        released
    }

    /// Sends what was held back long enough. The program was told long ago that it went, so nobody hears of a failure.
    fn send_due(&self) {
        while let Some(held) = self.take_due_departure() {
            let _ = self.transport.send(&[IoSlice::new(held.bytes())]);
        }
    }

    /// A function of its own, so that the lock is gone when the datagram is sent.
    fn take_due_departure(&self) -> Option<Held> {
        lock(&self.departures).take_due()
    }
}

impl<T: Transport> Transport for Faulty<T> {
    fn abi(&self) -> Abi {
        self.transport.abi()
    }

    fn port_id(&self) -> PortId {
        self.transport.port_id()
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let result = match self.depart(parts) {
            Departure::Pass | Departure::Delay(0) => self.transport.send(parts),
            Departure::Lose | Departure::Delay(_) => Ok(parts.iter().map(|part| part.len()).sum()),
            Departure::Cut(length) => self.transport.send(&first(parts, length)),
            Departure::Repeat => {
                let result = self.transport.send(parts);
                let _ = self.transport.send(parts);
                result
            }
            Departure::Fail(error) => Err(error),
        };
        self.send_due();
        result
    }

    /// Waits as `wait` says for a datagram that reaches the program: one that is lost on the way starts the wait anew.
    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        loop {
            if let Some(result) = self.due(buffer) {
                return result;
            }
            let asked = if self.holds_something() { Wait::Never } else { wait };
            match self.transport.receive(buffer, asked) {
                Ok(datagram) => {
                    if let Some(result) = self.arrive(buffer, datagram) {
                        return result;
                    }
                }
                Err(TransportError::TimedOut | TransportError::Closed) if self.release() => {}
                Err(TransportError::TimedOut) if asked != wait => {}
                Err(error) => return Err(error),
            }
        }
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

impl<T: PollTransport> PollTransport for Faulty<T> {
    /// [`Arrival::Fail`] with [`TransportError::TimedOut`] is a task that is woken for nothing here.
    fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<Datagram, TransportError>> {
        let result = loop {
            if let Some(result) = self.due(buffer) {
                break result;
            }
            match self.transport.poll_receive(context, buffer) {
                Poll::Ready(Ok(datagram)) => {
                    if let Some(result) = self.arrive(buffer, datagram) {
                        break result;
                    }
                }
                Poll::Pending | Poll::Ready(Err(TransportError::Closed)) if self.release() => {}
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => break Err(error),
            }
        };
        if result == Err(TransportError::TimedOut) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(result)
    }
}

/// The first `length` bytes of a datagram in parts.
fn first<'a>(parts: &'a [IoSlice<'_>], length: usize) -> Vec<IoSlice<'a>> {
    let mut left = length;
    let mut cut = |part: &'a [u8]| {
        let kept = part.get(..left).unwrap_or(part);
        left -= kept.len();
        IoSlice::new(kept)
    };
    parts.iter().map(|part| cut(part)).collect()
}

/// No code of ours panics with the lock held, and what is behind it is whole between any two calls.
fn lock<F>(line: &Mutex<Line<F>>) -> MutexGuard<'_, Line<F>> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}
