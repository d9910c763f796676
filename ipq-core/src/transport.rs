//! The interface between libipq's logic and the other side of a queue: a kernel's netlink socket,
//! an nfnetlink queue, or an emulator.
//!
//! A transport moves whole datagrams. [`Handle`](crate::Handle), above it, decides for all
//! transports whether a datagram's sender is the kernel, whether its length is right, and what a
//! signal during a wait means.
//!
//! Every method takes `&self`, as [`UdpSocket`](std::net::UdpSocket)'s methods do, so one thread
//! may read while another gives verdicts. An implementation must hold no lock while it waits for a
//! datagram. [`Transport`] is object-safe: `Handle<Box<dyn Transport>>` is a handle on a side that
//! is chosen at run time. The trait requires neither `Send` nor `Sync`, since an emulator on
//! virtual time is owned by one thread.
//!
//! Wrappers are transports around any other transport: see [`faulty`] and [`traced`].

#[cfg(target_os = "linux")]
mod arrivals;
pub mod faulty;
#[cfg(target_os = "linux")]
pub mod netlink;
#[cfg(target_os = "linux")]
pub mod nfqueue;
#[cfg(all(feature = "tokio", unix))]
pub mod tokio;
pub mod traced;
#[cfg(target_os = "linux")]
pub mod unix;
#[cfg(target_os = "linux")]
mod waiting;

use crate::errno::Errno;
use crate::wire::{Abi, PortId};
use std::borrow::Cow;
use std::io::IoSlice;
use std::task::{Context, Poll};
use std::time::Duration;

/// Moves whole datagrams between a program and a queue of a kernel or an emulator.
pub trait Transport {
    /// Returns the ABI of the kernel or emulator: the layout of its frames. Unless implemented
    /// otherwise, that is the ABI that this crate is compiled for.
    fn abi(&self) -> Abi {
        Abi::NATIVE
    }

    /// Returns the port id that this transport's requests carry.
    fn port_id(&self) -> PortId;

    /// Sends the concatenation of `parts` as one datagram to the kernel or emulator, and returns
    /// the number of bytes sent. The call waits at most until the system has room for the datagram.
    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError>;

    /// Receives one datagram into `buffer`, and waits for it as `wait` says. A datagram that is
    /// longer than the buffer is cut, and the rest is lost (SOCK-3): compare [`Datagram::length`]
    /// with [`Datagram::copied`].
    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError>;

    /// Sends each of `messages` as [`send`](Self::send) does, in order, and puts the n-th result
    /// into the n-th of `results`. A transport may put several messages into one datagram, if the
    /// other side obeys each as if it had come alone. A message that fails does not keep the next
    /// from being sent. Messages and results beyond the shorter of the two slices are left alone.
    fn send_many(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) {
        for (message, result) in messages.iter().zip(results) {
            *result = self.send(message);
        }
    }

    /// Receives as many datagrams as there are and `slots` has room for. Waits as `wait` says for
    /// the first datagram only. Returns the number of slots that were filled, which are the first
    /// ones: at least one, unless `slots` is empty. If receiving fails before the first datagram,
    /// the error is returned. If it fails later, the error is put into the last of the filled
    /// slots, or the next call returns it. If no further datagram is there, the call ends without
    /// an error. A transport that translates may put the error of a datagram into that datagram's
    /// slot, and fill others after it.
    fn receive_many(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        let mut filled = 0;
        for slot in slots {
            let wait = if filled == 0 { wait } else { Wait::Never };
            match self.receive(slot.buffer, wait) {
                Err(error) if filled == 0 => return Err(error),
                Err(TransportError::TimedOut) => break,
                result => {
                    let failed = result.is_err();
                    slot.result = result;
                    filled += 1;
                    if failed {
                        break;
                    }
                }
            }
        }
        Ok(filled)
    }

    /// Asks for a receive buffer of `bytes`, and returns the size that the kernel or emulator
    /// states. Linux doubles what it is asked for, within limits.
    #[doc(alias = "SO_RCVBUF")]
    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError>;

    /// Turns reports of overruns off (`true`) or on (`false`). Without reports, datagrams that do
    /// not fit the receive buffer are lost in silence: [`TransportError::Overrun`] does not come
    /// any more, but for one that already waits. Later datagrams that fit are taken at once, not
    /// only after the buffer has been emptied (SOCK-4).
    #[doc(alias = "NETLINK_NO_ENOBUFS")]
    fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError>;

    /// Returns advice on an error number that the queue answered with. Returns `None` if there is
    /// none. The advice continues a sentence that begins with the number's own text.
    fn explain(&self, errno: Errno) -> Option<Cow<'static, str>> {
        let advice = match errno {
            Errno::EPERM => "a queue needs the capability CAP_NET_ADMIN; run as root",
            Errno::EBUSY => "another program listens to this queue; end it first",
            Errno::ENOENT => "no such packet is queued; it was decided about before, or a device went down",
            Errno::EINVAL => "the queue does not take this message; STOLEN, for example, is no verdict for it",
            _ => return None,
        };
        Some(advice.into())
    }
}

/// The most messages in one system call. Their headers and addresses lie on the stack. A greater
/// number would not shorten the time that passes for a packet (see
/// `ipq-conformance/bench/BENCHMARKS.md`).
pub(crate) const AT_ONCE: usize = 64;

/// A transport that an asynchronous task can wait for, too.
pub trait PollTransport: Transport {
    /// Receives one datagram into `buffer`. If none is there, returns [`Poll::Pending`], and the
    /// task is woken when there may be one. Errors are those of [`Transport::receive`], but never
    /// [`TransportError::TimedOut`]: deadlines are the task's own.
    fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<Datagram, TransportError>>;
}

/// How long a receive waits for a datagram. The transport owns the clock, so this is a duration and
/// no point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Do not wait: receive a datagram if one is there, and fail with [`TransportError::TimedOut`]
    /// if none is.
    Never,
    /// Wait until there is a datagram.
    Forever,
    /// Wait at most for this time, by the transport's clock, and then fail with
    /// [`TransportError::TimedOut`].
    For(Duration),
}

/// The length and the sender of a datagram that was received. Its bytes are in the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The number of bytes that were put into the buffer.
    pub copied: usize,
    /// The number of bytes that the datagram had: more than `copied` if the buffer was too short.
    pub length: usize,
    /// The sender's port id: [`PortId::KERNEL`], unless another program sent it (SOCK-6, SOCK-8).
    pub sender: PortId,
}

/// Room for one datagram in [`Transport::receive_many`].
#[derive(Debug)]
pub struct Slot<'a> {
    /// The room for the datagram's bytes.
    pub buffer: &'a mut [u8],
    /// The datagram, or an error. It has a meaning only in the slots that the call states as
    /// filled.
    pub result: Result<Datagram, TransportError>,
}

impl<'a> Slot<'a> {
    /// Makes an empty slot over `buffer`.
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            result: Err(TransportError::TimedOut),
        }
    }
}

/// An error of a transport's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No datagram came in time, or, with [`Wait::Never`], none was there.
    #[error("no datagram came in the time allowed")]
    TimedOut,
    /// A signal interrupted the call. Nothing is lost: call again.
    #[error("a signal interrupted the wait: call again")]
    Interrupted,
    /// The receive buffer was full, and the kernel lost datagrams for this socket (ENOBUFS,
    /// SOCK-4). Those that are in the buffer can still be read. Linux adds none before the buffer
    /// is empty.
    #[error(
        "the receive buffer overran and datagrams were lost: read until it is empty; \
         a larger receive buffer or a smaller copy range makes this rarer"
    )]
    Overrun,
    /// The wait would never end: nothing else runs on the emulator's virtual time, and no datagram
    /// is to come.
    #[error(
        "this wait would never end: nothing else runs on virtual time, so let a packet in first or wait for a time"
    )]
    Deadlock,
    /// The connection is closed: no datagram will come, and none can be sent.
    #[error("the other side of the queue is gone")]
    Closed,
    /// The system refused the call with this error number.
    #[error("{0}")]
    System(Errno),
    /// The kernel's nfnetlink queue sent a datagram that can't be translated into a message of
    /// `ip_queue`. It was taken from the queue's socket: call again for the next datagram.
    #[cfg(target_os = "linux")]
    #[error("what the kernel sent can't be translated: {0}")]
    Untranslatable(#[source] nfqueue::ParseError),
}

/// Implements the transport traits for pointers to a transport, by passing on every call.
macro_rules! forward {
    ($($pointer:ty),*) => {
        $(
            impl<T: Transport + ?Sized> Transport for $pointer {
                fn abi(&self) -> Abi {
                    (**self).abi()
                }
                fn port_id(&self) -> PortId {
                    (**self).port_id()
                }
                fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
                    (**self).send(parts)
                }
                fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
                    (**self).receive(buffer, wait)
                }
                fn send_many(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) {
                    (**self).send_many(messages, results);
                }
                fn receive_many(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
                    (**self).receive_many(slots, wait)
                }
                fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
                    (**self).set_receive_buffer(bytes)
                }
                fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
                    (**self).set_no_enobufs(on)
                }
                fn explain(&self, errno: Errno) -> Option<Cow<'static, str>> {
                    (**self).explain(errno)
                }
            }

            impl<T: PollTransport + ?Sized> PollTransport for $pointer {
                fn poll_receive(
                    &self,
                    context: &mut Context<'_>,
                    buffer: &mut [u8],
                ) -> Poll<Result<Datagram, TransportError>> {
                    (**self).poll_receive(context, buffer)
                }
            }
        )*
    };
}

forward!(&T, Box<T>, std::rc::Rc<T>, std::sync::Arc<T>);
