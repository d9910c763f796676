//! Sending: one message, or many in few datagrams.

use super::fast::coalesced::{Batch, Filled};
use super::fast::plain;
use super::translate::request::{self, Action, Decided, HEAD_BYTES, Request, Room, Writer};
use super::translate::slices::{self, interleave, split_head, tail_slices, total_length};
use super::{NfQueue, QueueSocket};
use crate::errno::Errno;
use crate::transport::{AT_ONCE, Transport, TransportError};
use crate::wire::PortId;
use arrayvec::ArrayVec;
use std::io::IoSlice;
use std::sync::{MutexGuard, PoisonError};

/// The error for a message that is longer than nfnetlink can carry.
const TOO_LONG: TransportError = TransportError::System(Errno::EMSGSIZE);

/// The longest replacement, in bytes, that is copied behind the message's other bytes, so that the
/// kernel gets one slice. A second slice costs the kernel more time than copying this many bytes:
/// `sendmsg` fetches a list of slices.
const COPIED_BYTES: usize = 4096;

impl<S: QueueSocket> NfQueue<S> {
    /// Sends the nfnetlink message that stands for the program's message in `parts`. Returns the
    /// length of the program's message in bytes, also if the queue ignores that message and nothing
    /// is sent.
    #[inline(always)]
    pub(super) fn send_one(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let Some((head, tail)) = split_head(parts) else {
            return self.send_slow(parts);
        };
        let Some((request, action)) = self.decide_plain(head, tail.len()) else {
            return self.send_slow(parts);
        };
        let mut room = Room::new();
        let mut writer = Writer::new(&mut room);
        if request::write(&mut writer, &request, head, action, false, &self.options).is_none() {
            return self.send_slow(parts);
        }
        if tail.len() <= COPIED_BYTES {
            writer.content(tail);
            self.socket.send(&[IoSlice::new(writer.written().ok_or(TOO_LONG)?)])?;
        } else {
            let written = writer.written().ok_or(TOO_LONG)?;
            self.socket.send(&[IoSlice::new(written), IoSlice::new(tail)])?;
        }
        if self.outstanding.is_some() {
            self.note_decided(action);
        }
        Ok(HEAD_BYTES + tail.len())
    }

    /// Sends the nfnetlink message that stands for the program's message in `parts`, of any kind.
    /// Returns the length of the program's message, also if the queue ignores it and nothing is
    /// sent. Notes the sender as the peer if the message attaches. This is the slow path.
    #[inline(never)]
    fn send_slow(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let length = total_length(parts);
        let mut head = [0; HEAD_BYTES];
        let head = slices::head(parts, &mut head);
        let Some(decided) = self.decide_slow(head, length) else {
            return Ok(length);
        };
        let Decided {
            request,
            action,
            attaching,
        } = decided;
        let mut room = Room::new();
        let mut writer = Writer::new(&mut room);
        let attaches = attaching.is_some();
        let at = request::write(&mut writer, &request, head, action, attaches, &self.options).ok_or(TOO_LONG)?;
        let written = writer.written().ok_or(TOO_LONG)?;
        if request.following() == 0 {
            self.socket.send(&[IoSlice::new(written)])?;
        } else {
            let tails = tail_slices(parts, request.following()).map(|slice| (at, slice));
            send_slices::<16>(&self.socket, interleave(written, tails))?;
        }
        if attaches {
            self.attached(request.header.port_id);
        }
        // The lock of attaching is never held while the list's lock is waited for: `send_datagram`
        // takes them in the other order.
        drop(attaching);
        self.note_decided(action);
        Ok(length)
    }

    /// Sends many messages, as [`Transport::send_many`] does.
    pub(super) fn send_coalesced(
        &self,
        mut messages: &[&[IoSlice<'_>]],
        mut results: &mut [Result<usize, TransportError>],
    ) {
        messages = &messages[..messages.len().min(results.len())];
        while !messages.is_empty() {
            let sent = self.send_datagram(messages, results);
            messages = &messages[sent..];
            results = &mut results[sent..];
        }
    }

    /// Sends the first of `messages`, as many as go into one datagram, and fills in their results.
    /// If the very first one is too long for that, or in too many slices, sends it alone. If a
    /// datagram of several messages can't be sent, sends each of them by itself. Returns the number
    /// of messages that have a result now, which is at least 1.
    fn send_datagram(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) -> usize {
        let mut room = Room::new();
        let mut batch = Batch::new(&self.options, &mut room);
        let Filled { count, attaching } = batch.fill(
            messages,
            self.outstanding().as_deref(),
            |head, following| self.decide_plain(head, following),
            |head, length| self.decide_slow(head, length),
        );
        if count == 0 {
            // The first message is too long, or its bytes after the head are in several slices.
            results[0] = self.send(messages[0]);
            return 1;
        }
        let sent = self.send_batch(&mut batch);
        if let (Ok(()), Some((port_id, _))) = (sent, &attaching) {
            self.attached(*port_id);
        }
        // The lock of attaching is released before the list of packets is locked: it is never held
        // while the list's lock is waited for.
        drop(attaching);
        if sent.is_ok()
            && let Some(mut outstanding) = self.outstanding()
        {
            outstanding.all_decided(batch.packets());
        }
        let results = messages.iter().zip(results).take(count);
        match sent {
            Ok(()) => results.for_each(|(parts, result)| *result = Ok(total_length(parts))),
            Err(error) if count == 1 => results.for_each(|(_, result)| *result = Err(error)),
            Err(_) => results.for_each(|(parts, result)| *result = self.send(parts)),
        }
        count
    }

    fn send_batch(&self, batch: &mut Batch<'_, '_>) -> Result<(), TransportError> {
        batch.finish();
        let (written, tails) = (batch.written().ok_or(TOO_LONG)?, batch.tails());
        if written.is_empty() {
            return Ok(());
        }
        if tails.is_empty() {
            // Nearly always no message has bytes that were not copied. Looking for slices costs 5
            // ns for each of 64 packets.
            return self.socket.send(&[IoSlice::new(written)]).map(drop);
        }
        send_slices::<{ 2 * AT_ONCE + 1 }>(&self.socket, interleave(written, tails.iter().copied()))
    }

    /// Gives packet `id` the verdict DROP, and counts it as a packet of the other family:
    /// `ip_queue` would not have had it in this queue.
    #[cold]
    pub(super) fn drop_of_other_family(&self, id: u32) -> Result<(), TransportError> {
        self.count_other_family();
        let mut room = Room::new();
        let mut writer = Writer::new(&mut room);
        request::drop_packet(&mut writer, id, &self.options);
        let written = writer.written().ok_or(TOO_LONG)?;
        self.socket.send(&[IoSlice::new(written)]).map(drop)
    }

    /// Recognises a plain verdict, as [`plain`] defines it, and returns the request with the action
    /// for the kernel. Returns `None` for any other message. This is the fast path.
    #[inline(always)]
    fn decide_plain(&self, head: &[u8; HEAD_BYTES], following: usize) -> Option<(Request, Action)> {
        let (request, action) = plain::plain(head, following, self.peer(), &self.options)?;
        self.note_bytes_to_come(&request, action);
        Some((request, action))
    }

    /// Decides what the kernel is asked for a message of `length` bytes that begins with `head`, of
    /// any kind. If the message attaches, the result holds the lock of attaching. Returns `None` if
    /// the queue ignores the message.
    #[inline(never)]
    fn decide_slow(&self, head: &[u8], length: usize) -> Option<Decided<MutexGuard<'_, ()>>> {
        let (request, refused) = Request::screen(head, length)?;
        let (action, attaching) = match refused {
            Some(errno) => (Action::refuse_first(errno), None),
            None => self.admit(&request, head),
        };
        self.note_bytes_to_come(&request, action);
        Some(Decided {
            request,
            action,
            attaching,
        })
    }

    /// Decides about a message by its sender: the peer may use the queue, and anybody may attach if
    /// there is no peer and the kernel allows it (ATT-2, ATT-3, ATT-5). Others are refused. Returns
    /// what the kernel is to be asked, which can be a refusal, and, if the sender attaches, the
    /// held lock of attaching.
    fn admit(&self, request: &Request, head: &[u8]) -> (Action, Option<MutexGuard<'_, ()>>) {
        if self.peer() == PortId::KERNEL {
            let attaching = self.attaching.lock().unwrap_or_else(PoisonError::into_inner);
            if self.peer() == PortId::KERNEL {
                return match self.questions.refusal(&self.options) {
                    None => (request.action(head, &self.options), Some(attaching)),
                    Some(errno) => (Action::refuse(errno), None),
                };
            }
        }
        let action = if self.peer() == request.header.port_id {
            request.action(head, &self.options)
        } else {
            Action::refuse(Errno::EBUSY)
        };
        (action, None)
    }
}

/// Sends the datagram that `slices` make up. More than `MOST` slices are first copied into one.
fn send_slices<'a, const MOST: usize>(
    socket: &impl Transport,
    slices: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<(), TransportError> {
    if slices.clone().nth(MOST).is_some() {
        let glued: Vec<u8> = slices.flatten().copied().collect();
        return socket.send(&[IoSlice::new(&glued)]).map(drop);
    }
    let mut vectors = ArrayVec::<_, MOST>::new();
    vectors.extend(slices.map(IoSlice::new));
    socket.send(&vectors).map(drop)
}
