//! A transport in memory. A test puts datagrams in for the program to receive, and looks at those
//! that the program sent.

use super::PROGRAM;
use bytes::Bytes;
use ipq_core::transport::{Datagram, PollTransport};
use ipq_core::wire::Abi;
use ipq_core::{PortId, Transport, TransportError, Wait};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// The result of one later receive.
#[derive(Clone, Debug)]
pub(crate) enum Incoming {
    /// A datagram, and the port id of its sender.
    Datagram(Bytes, PortId),
    /// Bytes to put into the buffer, and the lengths and sender that the transport states, right or
    /// wrong.
    Claim(Bytes, Datagram),
    /// An error that the receive returns.
    Failure(TransportError),
}

/// A transport in memory, without a clock. A receive that finds nothing in an open pipe fails at
/// once with a time-out, unless it waits for ever: then it blocks until another thread puts
/// something in or closes the pipe.
#[derive(Debug)]
pub(crate) struct Pipe {
    abi: Abi,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    incoming: VecDeque<Incoming>,
    sent: Vec<Bytes>,
    parts: Vec<Vec<(usize, usize)>>,
    send_results: VecDeque<Result<usize, TransportError>>,
    waits: Vec<Wait>,
    wakers: Vec<Waker>,
    waiting: usize,
    closed: bool,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        Self::with_abi(Abi::NATIVE)
    }

    pub(crate) fn with_abi(abi: Abi) -> Self {
        Self {
            abi,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Appends the result of a receive, after those that were put in before. Wakes waiting threads
    /// and tasks.
    pub(crate) fn put(&self, incoming: Incoming) {
        let mut state = self.state();
        state.incoming.push_back(incoming);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Puts in a datagram from the kernel, for a later receive.
    pub(crate) fn put_datagram(&self, bytes: impl Into<Bytes>) {
        self.put(Incoming::Datagram(bytes.into(), PortId::KERNEL));
    }

    /// Sets the result of the next send that has none yet. The send records its datagram all the
    /// same.
    pub(crate) fn answer_send(&self, result: Result<usize, TransportError>) {
        self.state().send_results.push_back(result);
    }

    /// Closes the pipe: once nothing is left to receive, each receive returns
    /// [`TransportError::Closed`].
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Returns the datagrams that were sent, oldest first.
    pub(crate) fn sent(&self) -> Vec<Bytes> {
        self.state().sent.clone()
    }

    /// Returns the address and length of each part of each datagram that was sent.
    pub(crate) fn sent_parts(&self) -> Vec<Vec<(usize, usize)>> {
        self.state().parts.clone()
    }

    /// Returns the wait of each call of `receive` so far.
    pub(crate) fn waits(&self) -> Vec<Wait> {
        self.state().waits.clone()
    }

    /// Returns the number of results that no receive has taken yet.
    pub(crate) fn left(&self) -> usize {
        self.state().incoming.len()
    }

    /// Waits until a thread is blocked in a receive.
    pub(crate) fn until_somebody_waits(&self) {
        let state = self.state();
        drop(self.changed.wait_while(state, |state| state.waiting == 0).unwrap());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn next(&mut self, buffer: &mut [u8]) -> Option<Result<Datagram, TransportError>> {
        let (bytes, claim) = match self.incoming.pop_front() {
            Some(Incoming::Datagram(bytes, sender)) => (bytes, Err(sender)),
            Some(Incoming::Claim(bytes, datagram)) => (bytes, Ok(datagram)),
            Some(Incoming::Failure(error)) => return Some(Err(error)),
            None => return self.closed.then_some(Err(TransportError::Closed)),
        };
        let copied = bytes.len().min(buffer.len());
        buffer[..copied].copy_from_slice(&bytes[..copied]);
        Some(Ok(claim.unwrap_or_else(|sender| Datagram {
            copied,
            length: bytes.len(),
            sender,
        })))
    }
}

impl Transport for Pipe {
    fn abi(&self) -> Abi {
        self.abi
    }

    fn port_id(&self) -> PortId {
        PROGRAM
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let mut state = self.state();
        let bytes = parts.iter().flat_map(|part| part.iter().copied()).collect::<Bytes>();
        let length = bytes.len();
        state.sent.push(bytes);
        let places = parts.iter().map(|part| (part.as_ptr().addr(), part.len()));
        state.parts.push(places.collect());
        state.send_results.pop_front().unwrap_or(Ok(length))
    }

    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        let mut state = self.state();
        state.waits.push(wait);
        loop {
            if let Some(result) = state.next(buffer) {
                return result;
            }
            if wait != Wait::Forever {
                return Err(TransportError::TimedOut);
            }
            state.waiting += 1;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
            state.waiting -= 1;
        }
    }

    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        Ok(2 * bytes)
    }

    fn set_no_enobufs(&self, _: bool) -> Result<(), TransportError> {
        Ok(())
    }
}

impl PollTransport for Pipe {
    fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<Datagram, TransportError>> {
        let mut state = self.state();
        if let Some(result) = state.next(buffer) {
            return Poll::Ready(result);
        }
        state.wakers.push(context.waker().clone());
        Poll::Pending
    }
}
