//! Sending many messages in few datagrams.
//!
//! The kernel obeys the messages of a datagram one after the other and answers each by itself, so for a program it makes no
//! difference whether they came together; but for one thing: who lacks the capability is told so once a datagram.

#[cfg(test)]
mod tests;

use super::message::{ATTRIBUTE_ROOM, Room, Writer};
use super::options::Options;
use super::outstanding::Outstanding;
use super::pieces::{self, beginning, in_two, length_of, within};
use super::request::{self, Action, Request, START};
use super::{Decided, NfQueue};
use crate::transport::{AT_ONCE, Transport, TransportError};
use crate::wire::{PortId, Verdict};
use arrayvec::ArrayVec;
use std::io::IoSlice;
use std::sync::MutexGuard;

/// Sends as [`Transport::send_many`] does.
pub(super) fn send(
    queue: &NfQueue,
    mut messages: &[&[IoSlice<'_>]],
    mut results: &mut [Result<usize, TransportError>],
) {
    messages = &messages[..messages.len().min(results.len())];
    while !messages.is_empty() {
        let taken = datagram(queue, messages, results);
        messages = &messages[taken..];
        results = &mut results[taken..];
    }
}

/// Sends as many messages as go into one datagram, and returns how many: at least one.
fn datagram(queue: &NfQueue, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) -> usize {
    let mut bytes = Room::new();
    let mut gathered = Gathered::new(&queue.options, &mut bytes);
    let Taken { count, attaching } = gathered.take(
        messages,
        queue.outstanding().as_deref(),
        |start, following| queue.decide_usual(start, following),
        |start, length| queue.decide_any(start, length),
    );
    if count == 0 {
        // Too long to be sent, or in many pieces: a matter for the single message.
        results[0] = queue.send(messages[0]);
        return 1;
    }
    let sent = gathered.send(queue);
    if let (Ok(()), Some((port_id, _))) = (sent, &attaching) {
        queue.attached(*port_id);
    }
    // Before the packets are noted: this lock is never held while the other is waited for.
    drop(attaching);
    if sent.is_ok() {
        gathered.note_decided(queue);
    }
    let results = messages.iter().zip(results).take(count);
    match sent {
        Ok(()) => results.for_each(|(parts, result)| *result = Ok(length_of(parts))),
        Err(error) if count == 1 => results.for_each(|(_, result)| *result = Err(error)),
        Err(_) => results.for_each(|(parts, result)| *result = queue.send(parts)),
    }
    count
}

/// What went into a datagram.
struct Taken<'q> {
    /// How many messages.
    count: usize,
    /// Who attaches with the last of them.
    attaching: Option<(PortId, MutexGuard<'q, ()>)>,
}

/// Packets that are outstanding, from the oldest on.
struct Oldest<I> {
    later: Option<I>,
    next: Option<u32>,
}

impl<I: Iterator<Item = u32>> Oldest<I> {
    fn new(mut packets: Option<I>) -> Self {
        let next = packets.as_mut().and_then(Iterator::next);
        Self { later: packets, next }
    }

    /// Goes on to the next packet if this is the one with that id.
    #[inline(always)]
    fn next_if_eq(&mut self, id: u32) -> bool {
        let is_next = self.next == Some(id);
        if is_next {
            self.next = self.later.as_mut().and_then(Iterator::next);
        }
        is_next
    }
}

/// A datagram in the making.
struct Gathered<'m, 'b> {
    options: &'m Options,
    writer: Writer<'b>,
    /// Bytes of the program's, and before which byte of the written they belong.
    following: ArrayVec<(usize, &'m [u8]), AT_ONCE>,
    following_bytes: usize,
    /// Equal verdicts on the oldest packets that are outstanding, of which nothing is written yet.
    run: Option<Run<'m>>,
    /// The packets that this decides about.
    packets: ArrayVec<u32, AT_ONCE>,
}

/// Equal verdicts, each as usual.
struct Run<'m> {
    verdict: Verdict,
    /// The last packet's.
    id: u32,
    count: usize,
    /// What any of them asks for, and how the first begins.
    request: Request,
    start: &'m [u8; START],
}

impl Run<'_> {
    /// Goes on with the same verdict on another packet.
    #[inline(always)]
    fn go_on(&mut self, id: u32) {
        self.id = id;
        self.count += 1;
    }
}

impl<'m, 'b> Gathered<'m, 'b> {
    fn new(options: &'m Options, bytes: &'b mut Room) -> Self {
        Self {
            options,
            writer: Writer::new(bytes),
            following: ArrayVec::new(),
            following_bytes: 0,
            run: None,
            packets: ArrayVec::new(),
        }
    }

    /// Takes the first of `messages`, as many as there is room for. `usual` decides about those that are as nearly all are, by their start
    /// and how many bytes follow it, and `any` about the others, by their start and their length. Where the packets that are outstanding
    /// are known, one verdict may stand for several.
    fn take<'q>(
        &mut self,
        messages: &'m [&'m [IoSlice<'m>]],
        outstanding: Option<&Outstanding>,
        mut usual: impl FnMut(&[u8; START], usize) -> Option<(Request, Action)>,
        mut any: impl FnMut(&[u8], usize) -> Option<Decided<'q>>,
    ) -> Taken<'q> {
        let mut oldest = Oldest::new(outstanding.map(Outstanding::oldest_first));
        let mut count = 0;
        for parts in messages.iter().take(AT_ONCE) {
            if let Some((start, following)) = in_two(parts) {
                if let Some(run) = &mut self.run
                    && following.is_empty()
                    && let Some(id) = request::repeated(start, run.start)
                    && oldest.next_if_eq(id)
                {
                    run.go_on(id);
                    self.packets.push(id);
                    count += 1;
                    continue;
                }
                if let Some((request, action)) = usual(start, following.len()) {
                    if !self.has_room_for(following) {
                        break;
                    }
                    match action {
                        Action::Verdict {
                            verdict,
                            id,
                            replaces: false,
                        } if oldest.next_if_eq(id) => self.add_to_run(verdict, id, request, start),
                        _ => self.add(&request, start, &action, false, following),
                    }
                    count += 1;
                    continue;
                }
            }
            let mut start = [0; START];
            let start = beginning(parts, &mut start);
            let Some(Decided {
                request,
                action,
                attaching,
            }) = any(start, length_of(parts))
            else {
                count += 1;
                continue;
            };
            let mut following = within(parts, START, request.following());
            let (following, in_pieces) = (following.next().unwrap_or_default(), following.next().is_some());
            if in_pieces || !self.has_room_for(following) {
                break;
            }
            count += 1;
            self.add(&request, start, &action, attaching.is_some(), following);
            if let Some(attaching) = attaching {
                let attaching = Some((request.header.port_id, attaching));
                return Taken { count, attaching };
            }
        }
        let attaching = None;
        Taken { count, attaching }
    }

    /// Whether a message that these bytes follow can go with the others.
    fn has_room_for(&self, following: &[u8]) -> bool {
        self.following_bytes + following.len() <= ATTRIBUTE_ROOM
    }

    /// Adds a message that stands for itself.
    fn add(&mut self, request: &Request, start: &[u8], action: &Action, attaches: bool, following: &'m [u8]) {
        self.end_run();
        if let Action::Verdict { id, .. } = *action {
            self.packets.push(id);
        }
        self.write(request, start, action, attaches, following);
    }

    /// Adds a usual verdict on the oldest packet that is outstanding and has none in this datagram.
    fn add_to_run(&mut self, verdict: Verdict, id: u32, request: Request, start: &'m [u8; START]) {
        match &mut self.run {
            Some(run) if run.verdict == verdict => run.go_on(id),
            _ => {
                self.end_run();
                let count = 1;
                self.run = Some(Run {
                    verdict,
                    id,
                    count,
                    request,
                    start,
                });
            }
        }
        self.packets.push(id);
    }

    /// Writes the run: what stands for all of it, if there is more than one in it.
    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let Run { verdict, id, .. } = run;
        let action = if run.count > 1 {
            Action::VerdictUpTo { verdict, id }
        } else {
            let replaces = false;
            Action::Verdict { verdict, id, replaces }
        };
        self.write(&run.request, run.start, &action, false, &[]);
    }

    fn write(&mut self, request: &Request, start: &[u8], action: &Action, attaches: bool, following: &'m [u8]) {
        // The message before this one ended with bytes of the program's, at any length.
        if let Some((at, bytes)) = self.following.last()
            && *at == self.writer.length()
        {
            self.writer.pad_after(bytes.len());
        }
        let Some(at) = request::write(&mut self.writer, request, start, *action, attaches, self.options) else {
            return;
        };
        if !following.is_empty() {
            self.following.push((at, following));
            self.following_bytes += following.len();
        }
    }

    /// The whole datagram, in pieces.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> + Clone {
        pieces::interleaved(self.writer.written(), self.following.iter().copied())
    }

    fn send(&mut self, queue: &NfQueue) -> Result<(), TransportError> {
        self.end_run();
        if self.writer.length() == 0 {
            return Ok(());
        }
        if self.following.is_empty() {
            // As nearly all are. To look for its pieces costs 5 ns of each of 64 packets.
            return queue.socket.send(&[IoSlice::new(self.writer.written())]).map(drop);
        }
        pieces::send::<{ 2 * AT_ONCE + 1 }>(&queue.socket, self.pieces())
    }

    /// Takes note of the packets that were decided about.
    fn note_decided(&self, queue: &NfQueue) {
        if let Some(mut outstanding) = queue.outstanding() {
            outstanding.all_decided(&self.packets);
        }
    }
}
