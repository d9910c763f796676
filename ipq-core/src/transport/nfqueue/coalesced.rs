//! Sending many messages in few datagrams.
//!
//! The kernel obeys the messages of a datagram one after the other and answers each by itself, so for a program it makes no
//! difference whether they came together; but for one thing: who lacks the capability is told so once a datagram.

#[cfg(test)]
mod tests;

use super::message::{ATTRIBUTE_ROOM, Writer};
use super::options::Options;
use super::outstanding::Outstanding;
use super::pieces::{self, beginning, in_two, length_of, within};
use super::request::{self, Action, Request, START};
use super::{Decided, NfQueue};
use crate::transport::{Transport, TransportError};
use crate::wire::{PortId, Verdict};
use std::io::IoSlice;
use std::sync::MutexGuard;

/// How many messages go into one datagram at the most.
const MESSAGES: usize = 32;

/// How many bytes are written for them, of which only the last may bind the queue. What follows them is not copied.
const WRITTEN: usize = MESSAGES * 80 + Writer::ROOM;

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
    let mut bytes = [0; WRITTEN];
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
    for (parts, result) in messages.iter().zip(results).take(count) {
        *result = match sent {
            Ok(()) => Ok(length_of(parts)),
            Err(error) if count == 1 => Err(error),
            Err(_) => queue.send(parts),
        };
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
    following: [(usize, &'m [u8]); MESSAGES],
    following_count: usize,
    following_bytes: usize,
    /// Equal verdicts on the oldest packets that are outstanding, of which nothing is written yet.
    run: Option<Run<'m>>,
    /// The packets that this decides about.
    packets: [u32; MESSAGES],
    packet_count: usize,
}

/// Equal verdicts, and the last message that asks for one of them.
struct Run<'m> {
    verdict: Verdict,
    id: u32,
    count: usize,
    request: Request,
    parts: &'m [IoSlice<'m>],
}

impl<'m, 'b> Gathered<'m, 'b> {
    fn new(options: &'m Options, bytes: &'b mut [u8; WRITTEN]) -> Self {
        Self {
            options,
            writer: Writer::new(bytes),
            following: [(0, &[]); MESSAGES],
            following_count: 0,
            following_bytes: 0,
            run: None,
            packets: [0; MESSAGES],
            packet_count: 0,
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
        for parts in messages.iter().take(MESSAGES) {
            if let Some((start, following)) = in_two(parts)
                && let Some((request, action)) = usual(start, following.len())
            {
                if !self.has_room_for(following) {
                    break;
                }
                self.add(request, start, action, following, parts, &mut oldest);
                count += 1;
                continue;
            }
            let mut start = [0; START];
            let start = beginning(parts, &mut start);
            let Some(decided) = any(start, length_of(parts)) else {
                count += 1;
                continue;
            };
            let Decided {
                request,
                action,
                attaching,
            } = decided;
            let mut following = within(parts, START, request.following());
            let (following, in_pieces) = (following.next().unwrap_or_default(), following.next().is_some());
            if in_pieces || !self.has_room_for(following) {
                break;
            }
            count += 1;
            if let Some(attaching) = attaching {
                self.add_alone(&request, start, &action, true, following);
                let attaching = Some((request.header.port_id, attaching));
                return Taken { count, attaching };
            }
            self.add(request, start, action, following, parts, &mut oldest);
        }
        let attaching = None;
        Taken { count, attaching }
    }

    /// Whether a message that these bytes follow can go with the others.
    fn has_room_for(&self, following: &[u8]) -> bool {
        self.following_bytes + following.len() <= ATTRIBUTE_ROOM
    }

    /// Adds a message that does not attach, to the run if it can be.
    #[inline(always)]
    fn add(
        &mut self,
        request: Request,
        start: &[u8],
        action: Action,
        following: &'m [u8],
        parts: &'m [IoSlice<'m>],
        oldest: &mut Oldest<impl Iterator<Item = u32>>,
    ) {
        match action.plain_verdict(&request) {
            Some((verdict, id)) if oldest.next_if_eq(id) => self.add_to_run(verdict, id, request, parts),
            _ => self.add_alone(&request, start, &action, false, following),
        }
    }

    /// Adds a message that stands for itself.
    fn add_alone(&mut self, request: &Request, start: &[u8], action: &Action, attaches: bool, following: &'m [u8]) {
        self.end_run();
        if let Action::Verdict { id, .. } = *action {
            self.note(id);
        }
        self.write(request, start, action, attaches, following);
    }

    /// Adds a verdict on the oldest packet that is outstanding and has none in this datagram.
    #[inline(always)]
    fn add_to_run(&mut self, verdict: Verdict, id: u32, request: Request, parts: &'m [IoSlice<'m>]) {
        let count = match &self.run {
            Some(run) if run.verdict == verdict => run.count + 1,
            _ => {
                self.end_run();
                1
            }
        };
        self.note(id);
        self.run = Some(Run {
            verdict,
            id,
            count,
            request,
            parts,
        });
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
        let mut start = [0; START];
        let start = beginning(run.parts, &mut start);
        self.write(&run.request, start, &action, false, &[]);
    }

    fn note(&mut self, id: u32) {
        self.packets[self.packet_count] = id;
        self.packet_count += 1;
    }

    fn write(&mut self, request: &Request, start: &[u8], action: &Action, attaches: bool, following: &'m [u8]) {
        // The message before this one ended with bytes of the program's, at any length.
        if let Some((at, bytes)) = self.following[..self.following_count].last()
            && *at == self.writer.length()
        {
            self.writer.pad_after(bytes.len());
        }
        let Some(at) = request::write(&mut self.writer, request, start, *action, attaches, self.options) else {
            return;
        };
        if !following.is_empty() {
            self.following[self.following_count] = (at, following);
            self.following_count += 1;
            self.following_bytes += following.len();
        }
    }

    /// The whole datagram, in pieces.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let following = &self.following[..self.following_count];
        pieces::interleaved(self.writer.written(), following.iter().copied())
    }

    fn send(&mut self, queue: &NfQueue) -> Result<(), TransportError> {
        self.end_run();
        if self.writer.length() == 0 {
            return Ok(());
        }
        pieces::send::<{ 2 * MESSAGES + 1 }>(&queue.socket, self.pieces())?;
        Ok(())
    }

    /// Takes note of the packets that were decided about.
    fn note_decided(&self, queue: &NfQueue) {
        if let Some(mut outstanding) = queue.outstanding() {
            outstanding.all_decided(&self.packets[..self.packet_count]);
        }
    }
}
