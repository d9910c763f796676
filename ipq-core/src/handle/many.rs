//! Many messages in one call, which saves system calls on a kernel.
//!
//! ```
//! use ipq_core::handle::{Buffers, Decision, Handle};
//! use ipq_core::{Transport, Verdict, Wait, wire::Message};
//!
//! /// Lets the packets through that are there, and tells of everything else.
//! fn accept_all(handle: &Handle<impl Transport>, buffers: &mut Buffers) -> Result<(), ipq_core::Error> {
//!     let messages = handle.read_many(buffers, Wait::Forever)?;
//!     let decisions = messages.filter_map(|message| match message {
//!         Ok(Message::Packet(packet)) => Some(Decision::new(packet.packet_id(), Verdict::Accept)),
//!         other => {
//!             eprintln!("no packet: {other:?}");
//!             None
//!         }
//!     });
//!     handle.set_verdicts(decisions, |decision, error| eprintln!("{}: {error}", decision.packet_id));
//!     Ok(())
//! }
//! ```

use super::{Error, Handle};
use crate::transport::{AT_ONCE, Datagram, Slot, Transport, TransportError, Wait};
use crate::wire::{Message, MessageMut, PacketId, Verdict, VerdictRequest};
use arrayvec::ArrayVec;
use std::io::IoSlice;
use std::iter::repeat_n;

/// Room for the messages that one call of [`Handle::read_many`] reads. It can be used again for
/// each call.
#[derive(Debug)]
pub struct Buffers {
    bytes: Vec<u8>,
    each: usize,
    received: Vec<Result<Datagram, TransportError>>,
}

impl Buffers {
    /// Makes room for `messages` messages of up to `each` bytes; 0 messages count as 1.
    /// [`Handle::buffer_for`] says how many bytes a packet needs. Reading allocates no more memory.
    /// A kernel is asked for at most 64 messages with one system call, so room for more than 64
    /// makes a message no cheaper.
    #[must_use]
    pub fn new(messages: usize, each: usize) -> Self {
        let messages = messages.max(1);
        Self {
            bytes: vec![0; messages.saturating_mul(each)],
            each,
            received: vec![Err(TransportError::TimedOut); messages],
        }
    }
}

/// An iterator over the messages that one call of [`Handle::read_many`] read, in their order. An
/// item is a message, or the error of reading one.
///
/// While messages are left here ([`len`](ExactSizeIterator::len)), do not wait for the descriptor
/// to become readable: it says nothing about them. The program never sees the messages that it does
/// not take from here, and the kernel holds their packets until the handle is closed.
#[derive(Debug)]
pub struct Messages<'a, T> {
    handle: &'a Handle<T>,
    buffers: std::slice::ChunksExactMut<'a, u8>,
    received: std::slice::Iter<'a, Result<Datagram, TransportError>>,
}

impl<'a, T: Transport> Messages<'a, T> {
    /// Returns the next message, or `None` if none is left, as [`Iterator::next`] does. Lets the
    /// program change a packet in its buffer, as [`Handle::read_mut`] does:
    ///
    /// ```
    /// use ipq_core::handle::{Buffers, Decision, Handle};
    /// use ipq_core::{Transport, Verdict, Wait, wire::MessageMut};
    ///
    /// /// Lets the packets that are there go on, each with another last byte.
    /// fn change_all(handle: &Handle<impl Transport>, buffers: &mut Buffers) -> Result<(), ipq_core::Error> {
    ///     let mut messages = handle.read_many(buffers, Wait::Forever)?;
    ///     let decisions = std::iter::from_fn(|| messages.next_mut()).filter_map(|message| {
    ///         let Ok(MessageMut::Packet(packet)) = message else {
    ///             return None;
    ///         };
    ///         let (id, bytes) = (packet.packet_id(), packet.into_payload());
    ///         if let Some(last) = bytes.last_mut() {
    ///             *last ^= 0xff;
    ///         }
    ///         Some(Decision {
    ///             replacement: Some(bytes),
    ///             ..Decision::new(id, Verdict::Accept)
    ///         })
    ///     });
    ///     handle.set_verdicts(decisions, |decision, error| eprintln!("{}: {error}", decision.packet_id));
    ///     Ok(())
    /// }
    /// ```
    pub fn next_mut(&mut self) -> Option<Result<MessageMut<'a>, Error>> {
        let (buffer, read) = self.next_datagram()?;
        Some(read.and_then(|read| self.handle.parse_mut(&mut buffer[..read])))
    }

    /// Returns the next datagram's buffer, and its length or the error of reading or checking it.
    /// Returns `None` if no datagram is left.
    fn next_datagram(&mut self) -> Option<(&'a mut [u8], Result<usize, Error>)> {
        let received = *self.received.next()?;
        let buffer = self.buffers.next()?;
        let read = self.handle.received(buffer, received, Wait::Never);
        Some((buffer, read))
    }
}

impl<'a, T: Transport> Iterator for Messages<'a, T> {
    type Item = Result<Message<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (buffer, read) = self.next_datagram()?;
        Some(read.and_then(|read| self.handle.parse(&buffer[..read])))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.received.size_hint()
    }
}

impl<T: Transport> ExactSizeIterator for Messages<'_, T> {}

/// A verdict on a packet, and perhaps a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The id of the packet.
    pub packet_id: PacketId,
    /// The verdict on the packet.
    pub verdict: Verdict,
    /// The packet's new bytes, as for [`Handle::set_verdict`]. `None` or no bytes leave the packet
    /// as it is.
    pub replacement: Option<&'a [u8]>,
}

impl Decision<'_> {
    /// Makes a decision that leaves the packet's bytes as they are.
    #[must_use]
    pub const fn new(packet_id: PacketId, verdict: Verdict) -> Self {
        Self {
            packet_id,
            verdict,
            replacement: None,
        }
    }
}

impl<T: Transport> Handle<T> {
    /// Reads as many messages as there are and `buffers` has room for. Waits as `wait` says for the
    /// first message only. The iterator in `Ok` has at least one item.
    ///
    /// The errors are those of [`read`](Self::read). Buffers of less than 20 bytes, and a failure
    /// to receive before anything was received, are errors of this call. A later failure is the
    /// last item. A datagram that can be received but is no right message, even the first, is an
    /// error among the items, and others may follow it.
    pub fn read_many<'a>(&'a self, buffers: &'a mut Buffers, wait: Wait) -> Result<Messages<'a, T>, Error> {
        let each = buffers.each;
        self.has_room(each)?;
        let mut end = 0;
        let places = buffers.bytes.chunks_mut(each * AT_ONCE);
        for (places, received) in places.zip(buffers.received.chunks_mut(AT_ONCE)) {
            let mut slots = ArrayVec::<_, AT_ONCE>::new();
            slots.extend(places.chunks_exact_mut(each).map(Slot::new));
            let wait = if end == 0 { wait } else { Wait::Never };
            let filled = match self.transport.receive_many(&mut slots, wait) {
                Ok(filled) => filled.min(slots.len()),
                Err(error) if end == 0 => return Err(self.note(Error::from_receive(error, wait))),
                Err(TransportError::TimedOut) => break,
                Err(error) => {
                    slots[0].result = Err(error);
                    1
                }
            };
            for (received, slot) in received.iter_mut().zip(&*slots).take(filled) {
                *received = slot.result;
            }
            end += filled;
            if filled < slots.len() || received[filled - 1].is_err() {
                break;
            }
        }
        Ok(Messages {
            handle: self,
            buffers: buffers.bytes.chunks_exact_mut(each),
            received: buffers.received[..end].iter(),
        })
    }

    /// Sends many decisions, in their order, and returns how many were sent. A decision that can't
    /// be sent does not stop the others: `failed` is called with it and the reason.
    ///
    /// Decisions are sent whenever 64 have been taken from `decisions`, and at its end, so none is
    /// left unsent when this returns. A slow decision delays those that were taken before it; if
    /// `decisions` panics, those are not sent. The kernel's refusals come to later reads, as one
    /// error message each.
    pub fn set_verdicts<'d>(
        &self,
        decisions: impl IntoIterator<Item = Decision<'d>>,
        mut failed: impl FnMut(Decision<'d>, Error),
    ) -> usize {
        let mut decisions = decisions.into_iter().fuse();
        let mut sent = 0;
        loop {
            let mut taken = ArrayVec::<_, AT_ONCE>::new();
            taken.extend(decisions.by_ref().take(AT_ONCE));
            if taken.is_empty() {
                return sent;
            }
            self.send_verdicts(&taken, |decision, result| match result {
                Ok(_) => sent += 1,
                Err(error) => failed(decision, error),
            });
        }
    }

    /// Sends at most 64 decisions with one call of the transport, and then calls `done` with each
    /// decision and its result, in order.
    fn send_verdicts<'d>(&self, decisions: &[Decision<'d>], mut done: impl FnMut(Decision<'d>, Result<usize, Error>)) {
        let count = decisions.len();
        // The arrays are filled in place, since collecting would move them whole.
        let (mut heads, mut parts) = (ArrayVec::<_, AT_ONCE>::new(), ArrayVec::<_, AT_ONCE>::new());
        let (mut messages, mut results) = (ArrayVec::<_, AT_ONCE>::new(), ArrayVec::<_, AT_ONCE>::new());
        heads.extend(repeat_n([0; VerdictRequest::HEAD_BYTES], count));
        parts.extend(
            heads
                .iter_mut()
                .zip(decisions)
                .map(|(room, decision)| self.parts_of(decision, room).map(IoSlice::new)),
        );
        messages.extend(parts.iter().map(<[_; 2]>::as_slice));
        results.extend(repeat_n(Err(TransportError::TimedOut), count));
        self.transport.send_many(&messages, &mut results);
        for ((decision, [head, replacement]), result) in decisions.iter().zip(&parts).zip(&results) {
            done(*decision, self.sent(*result, head.len() + replacement.len()));
        }
    }

    /// Returns the two parts of a decision's message: the head, which is written in `room`, and the
    /// replacement.
    #[inline(always)]
    fn parts_of<'d>(&self, decision: &Decision<'d>, room: &'d mut [u8; VerdictRequest::HEAD_BYTES]) -> [&'d [u8]; 2] {
        let replacement = decision.replacement.unwrap_or_default();
        let request = VerdictRequest {
            verdict: decision.verdict,
            packet_id: decision.packet_id,
            data_len: replacement.len() as u64,
        };
        #[cfg(feature = "tracing")]
        super::events::gave(self.port_id(), request);
        let head = request.write_head(room, self.abi(), self.envelope(), replacement.len());
        [head, replacement]
    }
}
