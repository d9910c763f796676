//! Faults on the way: a transport around any other transport. It loses, cuts, repeats, delays and
//! forges datagrams, and fails as systems do.
//!
//! Each direction has a plan: an iterator with one item for each datagram, in order, which is the
//! fault of that datagram. (Only [`Arrival::Fail`] takes up no datagram.) A plan can be a list of
//! [`Arrival`]s or [`Departure`]s; [`Seeded`] draws them at random, the same for the same seed.
//! After the end of a plan, datagrams pass unharmed. [`Faulty::arrivals`] and
//! [`Faulty::departures`] tell afterwards which fault hit which datagram.
//!
//! ```
//! use ipq_core::transport::faulty::{Arrival, Departure, Faulty, Seeded};
//! use ipq_core::{Handle, PortId, Transport, TransportError};
//!
//! fn in_bad_weather<T: Transport>(transport: T, seed: u64) -> Handle<Faulty<T>> {
//!     // The first two datagrams from the kernel are swapped, and a signal interrupts the wait
//!     // for the third.
//!     let script = [Arrival::Delay(1), Arrival::Pass, Arrival::Fail(TransportError::Interrupted)];
//!     // Of the first thousand datagrams to the kernel, about one in a hundred is lost.
//!     let chance = Seeded::new(seed, [(1, Departure::Lose), (99, Departure::Pass)]).take(1000);
//!     Handle::new(Faulty::new(transport).with_arrivals(script).with_departures(chance))
//! }
//! ```
//!
//! No clock is involved: a delay is counted in datagrams. No delay makes a program hang: a datagram
//! that is held back goes on as soon as a receive would find nothing else. At most [`HELD`]
//! datagrams are held in each direction; one more passes unharmed. No lock is held while the
//! transport inside sends or receives.

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

/// A transport around another one, which loses, cuts, repeats, delays and forges datagrams as its
/// plans say. See the [module](self).
#[derive(Debug)]
pub struct Faulty<T> {
    transport: T,
    arrivals: Mutex<Line<Arrival>>,
    departures: Mutex<Line<Departure>>,
}

impl<T> Faulty<T> {
    /// Wraps `transport`. Until a plan is set, every datagram passes unharmed.
    #[must_use]
    pub fn new(transport: T) -> Self {
        Self {
            transport,
            arrivals: Mutex::default(),
            departures: Mutex::default(),
        }
    }

    /// Sets the plan for datagrams that are received: its items are the faults of the datagrams, in
    /// order. An [`Arrival::Fail`] takes up no datagram: the item after it is the fault of the next
    /// datagram. Replaces an earlier plan and its record.
    #[must_use]
    pub fn with_arrivals(self, plan: impl IntoIterator<Item = Arrival, IntoIter: Send + 'static>) -> Self {
        let arrivals = Mutex::new(Line::new(plan.into_iter()));
        Self { arrivals, ..self }
    }

    /// Sets the plan for datagrams that are sent: the n-th item is the fault of the n-th datagram.
    /// Replaces an earlier plan and its record.
    #[must_use]
    pub fn with_departures(self, plan: impl IntoIterator<Item = Departure, IntoIter: Send + 'static>) -> Self {
        let departures = Mutex::new(Line::new(plan.into_iter()));
        Self { departures, ..self }
    }

    /// Returns a record of the faults that have hit received datagrams so far.
    #[must_use]
    pub fn arrivals(&self) -> Record<Arrival> {
        lock(&self.arrivals).record()
    }

    /// Returns a record of the faults that have hit sent datagrams so far.
    #[must_use]
    pub fn departures(&self) -> Record<Departure> {
        lock(&self.departures).record()
    }

    /// Returns the transport inside.
    #[must_use]
    pub const fn transport(&self) -> &T {
        &self.transport
    }
}

impl<T: Transport> Faulty<T> {
    /// Returns a result that comes without a call of the transport inside: a held datagram, put
    /// into `buffer`, or a failure that the plan has next. Returns `None` if none is due.
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

    /// Applies the plan's next fault to a datagram that was received into `buffer`. Returns what
    /// the program is to get, or `None` if the datagram is lost or held back.
    fn arrive(&self, buffer: &mut [u8], mut datagram: Datagram) -> Option<Result<Datagram, TransportError>> {
        let mut line = lock(&self.arrivals);
        let copy = || Held::received(buffer, datagram);
        match line.meet(Arrival::holds) {
            Arrival::Lose => return None,
            Arrival::Cut(length) if length < datagram.copied => {
                // The bytes that are cut off must not stay in the buffer.
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

    /// Takes from the plan the fault of the datagram in `parts`, which the program sends, and
    /// returns the fault. For a delay by 1 or more datagrams, holds a copy of the datagram back; if
    /// [`HELD`] are held back already, returns [`Departure::Pass`] instead. Sends nothing.
    fn depart(&self, parts: &[IoSlice<'_>]) -> Departure {
        let mut line = lock(&self.departures);
        let departure = line.meet(Departure::holds);
        if let Departure::Delay(datagrams @ 1..) = departure {
            line.hold(datagrams, Held::sent(parts));
        }
        departure
    }

    /// Returns `true` if a datagram is held back, in either direction, whether its delay is over or
    /// not.
    fn holds_something(&self) -> bool {
        lock(&self.arrivals).holds_something() || lock(&self.departures).holds_something()
    }

    /// Lets one held datagram go on early, for a receive that finds nothing else. Makes the
    /// received one with the shortest delay due. If no received datagram is held back, sends the
    /// one with the shortest delay of those to be sent. Returns `false` if no datagram is held back
    /// in either direction.
    fn release(&self) -> bool {
        if lock(&self.arrivals).release() {
            return true;
        }
        let released = lock(&self.departures).release();
        self.send_due();
        released
    }

    /// Sends the datagrams whose delay is over. The program was told before that they were sent, so
    /// a failure is not reported.
    fn send_due(&self) {
        while let Some(held) = self.take_due_departure() {
            let _ = self.transport.send(&[IoSlice::new(held.bytes())]);
        }
    }

    /// Takes a datagram to send whose delay is over, or `None` if there is none. This is a function
    /// of its own, so that the lock is released before the datagram is sent.
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

    /// Receives the next datagram that is not lost, or fails as the plan says. Waits as `wait`
    /// says, anew after each datagram that is lost or held back. While a datagram is held back in
    /// either direction, the call does not wait: if no other is there, it lets a held one go on.
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
    /// Receives the next datagram that is not lost, or fails as the plan says. If none is there,
    /// lets one go on that is held back, in either direction, and returns [`Poll::Pending`] only if
    /// that yields none either. [`Arrival::Fail`] with [`TransportError::TimedOut`] returns
    /// [`Poll::Pending`] and wakes the task at once.
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

/// Returns the first `length` bytes of a datagram that is given in parts, again in parts.
fn first<'a>(parts: &'a [IoSlice<'_>], length: usize) -> Vec<IoSlice<'a>> {
    let mut left = length;
    let mut cut = |part: &'a [u8]| {
        let kept = part.get(..left).unwrap_or(part);
        left -= kept.len();
        IoSlice::new(kept)
    };
    parts.iter().map(|part| cut(part)).collect()
}

/// Locks the state of one direction. A poisoned lock is taken all the same: no code of ours panics
/// with the lock held, and the state is whole between any two calls.
fn lock<F>(line: &Mutex<Line<F>>) -> MutexGuard<'_, Line<F>> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}
