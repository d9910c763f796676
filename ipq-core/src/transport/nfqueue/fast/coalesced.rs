//! Many messages in one datagram.
//!
//! The kernel obeys the messages of a datagram one after the other and answers each by itself. So
//! for a program it makes no difference if its messages came together, with two exceptions: a
//! sender without the capability gets one answer for each datagram, and one batch verdict may stand
//! for several of the program's verdicts, if the program has asked for that.
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

/// A datagram that is being filled with the nfnetlink messages for many messages of a program.
pub(crate) struct Batch<'m, 'b> {
    options: &'m Options,
    writer: Writer<'b>,
    /// The bytes that follow the fixed part of each of the program's messages, such as replacement
    /// packets. They are not copied; each slice comes with the offset among the written bytes at
    /// which it belongs.
    tails: ArrayVec<(usize, &'m [u8]), AT_ONCE>,
    tail_bytes: usize,
    /// Equal verdicts on the oldest undecided packets, which are not written yet.
    run: Option<Run<'m>>,
    /// The ids of the packets that the datagram decides about.
    packets: ArrayVec<u32, AT_ONCE>,
}

/// The result of filling a datagram with messages of a program.
pub(crate) struct Filled<G> {
    /// The number of messages that went into the datagram, with those that the queue ignores.
    pub(crate) count: usize,
    /// The port id that attaches with the last message, and the guard that is held until the
    /// datagram is sent; `None` if no message attaches.
    pub(crate) attaching: Option<(PortId, G)>,
}

/// The outcome of adding a message to a datagram.
enum Added<G> {
    /// The message is in the datagram or in the run of verdicts that is still to be written, or is
    /// one that the queue ignores.
    Done,
    /// The message is in the datagram, and attaches. No message may follow it.
    Attaches(PortId, G),
    /// The message does not fit into the datagram, or the bytes after its fixed part are in several
    /// slices.
    NoRoom,
}

/// Equal verdicts without a replacement, on the oldest undecided packets in order. If there are
/// several, one batch verdict stands for all of them.
struct Run<'m> {
    verdict: Verdict,
    /// The id of the last packet that has this verdict.
    id: u32,
    count: usize,
    /// The program's message with the first of the verdicts.
    request: Request,
    head: &'m [u8; HEAD_BYTES],
}

/// The packets that the program has read and that no earlier datagram decided about, the oldest
/// first, without those that were taken.
struct Oldest<I> {
    later: Option<I>,
    next: Option<u32>,
}

impl<I: Iterator<Item = u32>> Oldest<I> {
    fn new(mut packets: Option<I>) -> Self {
        let next = packets.as_mut().and_then(Iterator::next);
        Self { later: packets, next }
    }

    /// Takes the oldest packet if its id is `id`. Returns `false` if it is not, or if there is no
    /// packet.
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

    /// Adds the first of `messages`: as many as fit, at most 64, and none after a message that
    /// attaches. Returns how many were added. `plain` gets a message's fixed part, the head, and
    /// the number of bytes after it, and returns `None` if the message is no plain verdict. Then
    /// `slow` gets the head and the length of the whole message, and returns what is to be asked of
    /// the kernel, or `None` if the queue ignores the message, which counts as added. With a list
    /// of `outstanding` packets, one verdict may stand for several.
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

    /// Adds the message in `parts` if it is a plain verdict. If that does not fit, adds nothing and
    /// returns [`Added::NoRoom`]. If it is another message, or does not come as its head and at
    /// most one more slice, adds nothing and returns `None`.
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

    /// Adds the message in `parts`, of any kind, as `slow` decides about it: not at all if the
    /// queue ignores it. If the bytes after its head are in several slices or do not fit, adds
    /// nothing and returns [`Added::NoRoom`].
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

    /// Returns `true` if the datagram has room for `tail`, the bytes after a message's fixed part:
    /// together with the tails before it, at most 65,531 bytes. The fixed parts need no check,
    /// since there is room for those of 64 messages.
    fn has_room_for(&self, tail: &[u8]) -> bool {
        self.tail_bytes + tail.len() <= LONGEST_CONTENT
    }

    /// Adds the verdict with this `head` to the run of equal verdicts, if it differs from the run's
    /// first in the packet id alone, and is on the oldest undecided packet. Otherwise, or if there
    /// is no run, returns `false`.
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

    /// Adds a verdict on the oldest undecided packet to the run of equal verdicts. If the verdict
    /// is another than the run's, ends that run and starts a new one.
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

    /// Ends the run of equal verdicts, and adds a message that is no part of a run.
    fn add(&mut self, request: &Request, head: &[u8], action: &Action, attaches: bool, tail: &'m [u8]) {
        self.end_run();
        if let Action::Verdict { id, .. } = *action {
            self.packets.push(id);
        }
        self.write(request, head, action, attaches, tail);
    }

    /// Ends the run of equal verdicts, if there is one, and writes it: as one batch verdict up to
    /// the last packet, or as a verdict of its own if it has only one.
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
        // The message before this one may end with uncopied bytes of any length, which need
        // padding.
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

    /// Ends the datagram: writes the run of equal verdicts that is not written yet.
    pub(crate) fn finish(&mut self) {
        self.end_run();
    }

    /// Returns the bytes that were written. Returns `None` if some did not fit into the room.
    pub(crate) fn written(&self) -> Option<&[u8]> {
        self.writer.written()
    }

    /// Returns the bytes that follow the fixed parts of the program's messages, which were not
    /// copied. Each slice comes with the offset among the written bytes at which it belongs in the
    /// datagram.
    pub(crate) fn tails(&self) -> &[(usize, &'m [u8])] {
        &self.tails
    }

    /// Returns the ids of the packets that the datagram decides about.
    pub(crate) fn packets(&self) -> &[u32] {
        &self.packets
    }
}
