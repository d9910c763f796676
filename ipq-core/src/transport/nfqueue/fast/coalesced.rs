//! Many messages in one datagram.
//!
//! The kernel obeys the messages of a datagram one after the other and answers each by itself. So
//! for a program it makes no difference whether they came together, with one exception: a sender
//! without the capability gets one answer for each datagram.
//!
//! The slow twin is to send each message by itself.

#[cfg(test)]
mod tests;

use super::outstanding::Outstanding;
use super::plain;
use crate::transport::AT_ONCE;
use crate::transport::nfqueue::options::Options;
use crate::transport::nfqueue::translate::request::{self, Action, Decided, HEAD_BYTES, Request, Room, Writer};
use crate::transport::nfqueue::translate::slices;
use crate::wire::nfnetlink::LONGEST_CONTENT;
use crate::wire::{PortId, Verdict};
use arrayvec::ArrayVec;
use std::io::IoSlice;

/// A datagram that is being filled with messages.
pub(crate) struct Batch<'m, 'b> {
    options: &'m Options,
    writer: Writer<'b>,
    /// Bytes of the program's messages, each with the offset among the written bytes at which they
    /// belong.
    tails: ArrayVec<(usize, &'m [u8]), AT_ONCE>,
    tail_bytes: usize,
    /// Equal plain verdicts that are not written yet.
    run: Option<Run<'m>>,
    /// The ids of the packets that the datagram decides about.
    packets: ArrayVec<u32, AT_ONCE>,
}

/// The messages that went into a datagram.
pub(crate) struct Filled<G> {
    /// The number of messages.
    pub(crate) count: usize,
    /// The port id that attaches with the last message, and the guard that is held until the
    /// datagram is sent.
    pub(crate) attaching: Option<(PortId, G)>,
}

/// The outcome of adding a message.
enum Added<G> {
    /// The message is in the datagram, or is ignored.
    Done,
    /// The message is in the datagram, and attaches. No message may follow it.
    Attaches(PortId, G),
    /// The message does not fit into the datagram.
    NoRoom,
}

/// Equal plain verdicts, on the oldest outstanding packets in order.
struct Run<'m> {
    verdict: Verdict,
    /// The id of the last packet.
    id: u32,
    count: usize,
    /// The message of the first verdict.
    request: Request,
    head: &'m [u8; HEAD_BYTES],
}

/// The outstanding packets that have no verdict in this datagram, the oldest first.
struct Oldest<I> {
    later: Option<I>,
    next: Option<u32>,
}

impl<I: Iterator<Item = u32>> Oldest<I> {
    fn new(mut packets: Option<I>) -> Self {
        let next = packets.as_mut().and_then(Iterator::next);
        Self { later: packets, next }
    }

    /// Takes the oldest packet if it is the one with that id. Returns `false` if it is not.
    #[inline(always)]
    fn take(&mut self, id: u32) -> bool {
        let is_next = self.next == Some(id);
        if is_next {
            self.next = self.later.as_mut().and_then(Iterator::next);
        }
        is_next
    }
}

impl<'m, 'b> Batch<'m, 'b> {
    pub(crate) fn new(options: &'m Options, room: &'b mut Room) -> Self {
        Self {
            options,
            writer: Writer::new(room),
            tails: ArrayVec::new(),
            tail_bytes: 0,
            run: None,
            packets: ArrayVec::new(),
        }
    }

    /// Adds the first of `messages`, as many as fit. `plain` recognises a plain verdict by its head
    /// and the number of bytes that follow; `slow` decides about any other message, by its head and
    /// its length. With a list of `outstanding` packets one verdict may stand for several.
    pub(crate) fn fill<G>(
        &mut self,
        messages: &'m [&'m [IoSlice<'m>]],
        outstanding: Option<&Outstanding>,
        mut plain: impl FnMut(&[u8; HEAD_BYTES], usize) -> Option<(Request, Action)>,
        mut slow: impl FnMut(&[u8], usize) -> Option<Decided<G>>,
    ) -> Filled<G> {
        let mut oldest = Oldest::new(outstanding.map(Outstanding::oldest_first));
        let mut count = 0;
        for parts in messages.iter().take(AT_ONCE) {
            let added = match self.add_plain(parts, &mut oldest, &mut plain) {
                Some(added) => added,
                None => self.add_slow(parts, &mut slow),
            };
            match added {
                Added::Done => count += 1,
                Added::NoRoom => break,
                Added::Attaches(port_id, guard) => {
                    return Filled {
                        count: count + 1,
                        attaching: Some((port_id, guard)),
                    };
                }
            }
        }
        Filled { count, attaching: None }
    }

    /// Adds a plain verdict. Returns `None`, and adds nothing, if the message is something else.
    #[inline(always)]
    fn add_plain<G>(
        &mut self,
        parts: &'m [IoSlice<'m>],
        oldest: &mut Oldest<impl Iterator<Item = u32>>,
        plain: &mut impl FnMut(&[u8; HEAD_BYTES], usize) -> Option<(Request, Action)>,
    ) -> Option<Added<G>> {
        let (head, tail) = slices::split_head(parts)?;
        if tail.is_empty() && self.extend_run(head, oldest) {
            return Some(Added::Done);
        }
        let (request, action) = plain(head, tail.len())?;
        if !self.has_room_for(tail) {
            return Some(Added::NoRoom);
        }
        match action {
            Action::Verdict {
                verdict,
                id,
                replaces: false,
            } if oldest.take(id) => self.add_to_run(verdict, id, request, head),
            _ => self.add(&request, head, &action, false, tail),
        }
        Some(Added::Done)
    }

    /// Adds any message, as `slow` decides about it.
    fn add_slow<G>(
        &mut self,
        parts: &'m [IoSlice<'m>],
        slow: &mut impl FnMut(&[u8], usize) -> Option<Decided<G>>,
    ) -> Added<G> {
        let mut head = [0; HEAD_BYTES];
        let head = slices::head(parts, &mut head);
        let Some(Decided {
            request,
            action,
            attaching,
        }) = slow(head, slices::total_length(parts))
        else {
            return Added::Done;
        };
        let mut tails = slices::tail_slices(parts, request.following());
        let (tail, is_cut) = (tails.next().unwrap_or_default(), tails.next().is_some());
        if is_cut || !self.has_room_for(tail) {
            return Added::NoRoom;
        }
        self.add(&request, head, &action, attaching.is_some(), tail);
        match attaching {
            Some(guard) => Added::Attaches(request.header.port_id, guard),
            None => Added::Done,
        }
    }

    /// Returns `true` if a message with these bytes after its head fits into the datagram.
    fn has_room_for(&self, tail: &[u8]) -> bool {
        self.tail_bytes + tail.len() <= LONGEST_CONTENT
    }

    /// Adds the verdict with this `head` to the run, if it is the run's verdict on the oldest
    /// packet. Returns `false` if it is not.
    #[inline(always)]
    fn extend_run(&mut self, head: &[u8; HEAD_BYTES], oldest: &mut Oldest<impl Iterator<Item = u32>>) -> bool {
        let Some(run) = &mut self.run else { return false };
        let Some(id) = plain::repeats(head, run.head).filter(|id| oldest.take(*id)) else {
            return false;
        };
        run.id = id;
        run.count += 1;
        self.packets.push(id);
        true
    }

    /// Adds a plain verdict on the oldest packet to the run, or starts a new run with it.
    fn add_to_run(&mut self, verdict: Verdict, id: u32, request: Request, head: &'m [u8; HEAD_BYTES]) {
        match &mut self.run {
            Some(run) if run.verdict == verdict => {
                run.id = id;
                run.count += 1;
            }
            _ => {
                self.end_run();
                self.run = Some(Run {
                    verdict,
                    id,
                    count: 1,
                    request,
                    head,
                });
            }
        }
        self.packets.push(id);
    }

    /// Ends the run, and adds a message that is no part of a run.
    fn add(&mut self, request: &Request, head: &[u8], action: &Action, attaches: bool, tail: &'m [u8]) {
        self.end_run();
        if let Action::Verdict { id, .. } = *action {
            self.packets.push(id);
        }
        self.write(request, head, action, attaches, tail);
    }

    /// Writes the run, if there is one: one verdict for all its packets, if there are several.
    fn end_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let Run { verdict, id, .. } = run;
        let action = if run.count > 1 {
            Action::VerdictUpTo { verdict, id }
        } else {
            let replaces = false;
            Action::Verdict { verdict, id, replaces }
        };
        self.write(&run.request, run.head, &action, false, &[]);
    }

    fn write(&mut self, request: &Request, head: &[u8], action: &Action, attaches: bool, tail: &'m [u8]) {
        // The message before this one may end with bytes of the program's, at any length.
        if let Some((at, bytes)) = self.tails.last()
            && *at == self.writer.length()
        {
            self.writer.pad(bytes.len());
        }
        let Some(at) = request::write(&mut self.writer, request, head, *action, attaches, self.options) else {
            return;
        };
        if !tail.is_empty() {
            self.tails.push((at, tail));
            self.tail_bytes += tail.len();
        }
    }

    /// Ends the datagram: writes the run that is not written yet.
    pub(crate) fn finish(&mut self) {
        self.end_run();
    }

    /// Returns the bytes that were written. Returns `None` if some did not fit.
    pub(crate) fn written(&self) -> Option<&[u8]> {
        self.writer.written()
    }

    /// Returns the bytes of the program's messages that belong in the datagram, each with the
    /// offset among the written bytes at which they belong.
    pub(crate) fn tails(&self) -> &[(usize, &'m [u8])] {
        &self.tails
    }

    /// Returns the ids of the packets that the datagram decides about.
    pub(crate) fn packets(&self) -> &[u32] {
        &self.packets
    }
}
