//! Keeps the outcome of each record of a capture, and reports it, in the capture's order.
//!
//! The program may decide packets in any order. A record is reported once it and all records before
//! it have their outcomes: a fate, or the reason why the record was not fed. A report that has to
//! wait is held back. If too many are held back behind a packet without a fate, that packet is
//! passed over: they are reported first, and the packet once it has its fate.

use super::capture::{CaptureTime, NotFed, Packet, Record};
use super::own::{OwnPacket, ip_packet};
use super::refusal::Refusal;
use super::summary::Summary;
use super::watch::Watch;
use crate::books::{Fate, PacketSerial};
use crate::programs::server::RawPacket;
use foldhash::fast::FixedState;
use ipq_core::{PacketId, Verdict};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// The greatest number of reports on packets with a fate that are held back behind a packet without
/// one. If there are more, they are reported first, and that packet later.
const MOST_HELD: usize = 1 << 14;
/// The greatest number of reports on records that were not fed that are held back behind a packet
/// without a fate. If there are more, they are reported first, and that packet later.
const MOST_NOT_FED: usize = 1 << 16;

/// The greatest number of refused verdicts that the report on one packet has. Later ones are left
/// out.
const MOST_REFUSALS: usize = 16;

/// The greatest number of bytes of packets in the reports on packets with a fate that are held back
/// behind a packet without one. If there are more, they are reported first, and that packet later.
const MOST_BYTES: usize = 16 << 20;

/// The report on one record of a capture.
#[derive(Clone, Debug)]
pub struct PacketReport {
    /// The number of the record, counted from 0.
    pub index: u64,
    /// The record: its time, and its packet or the reason why none was fed.
    pub record: Record,
    /// The packet id in the program's last verdict on the packet, accepted or refused. `None` if no
    /// verdict on it is known.
    pub packet_id: Option<PacketId>,
    /// The accepted verdicts on the packet, in order. There are several if the packet was queued
    /// again.
    pub verdicts: Vec<VerdictReport>,
    /// The verdicts on the packet that the kernel refused, as far as the program got the answers
    /// while the packet was still in the queue: at most the first 16.
    pub refusals: Vec<Refusal>,
    /// The packet's fate. `None` if the record has no packet, or if its packet was not fed.
    pub fate: Option<Fate>,
    /// The reason why the packet got through without the program. `None` if it got through by a
    /// verdict, or did not get through.
    pub unqueued: Option<Unqueued>,
}

/// The reason why a packet got through without having been queued. Its text is to follow the word
/// "passed" and a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unqueued {
    /// No rule sent the packet to a queue.
    NoRule,
    /// The packet's queue had no listener, and its rule has `--queue-bypass`.
    Bypass,
    /// The packet's queue or its listener's receive buffer had no room, and the program had set the
    /// queue's flag to accept packets then (NFQ-12).
    FailOpen,
}

impl fmt::Display for Unqueued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRule => "no rule queued it",
            Self::Bypass => "no listener (--queue-bypass)",
            Self::FailOpen => "queue full (fail open)",
        })
    }
}

/// A verdict on a packet, which the kernel accepted.
#[derive(Clone, Copy, Debug)]
pub struct VerdictReport {
    /// The verdict's value, such as ACCEPT.
    pub verdict: Verdict,
    /// `true` if the verdict's payload replaced the packet.
    pub replaced: bool,
    /// The mark that the verdict set; `None` if it set none.
    pub mark: Option<u32>,
    /// The time between the packet's entry and the verdict.
    pub after: Duration,
}

impl PacketReport {
    /// Returns the bytes with which the packet got through: the packet that was delivered to this
    /// host, or each packet that was sent, of which there are several after fragmentation. Returns
    /// none if the packet did not get through.
    pub fn delivered(&self) -> impl Iterator<Item = &[u8]> {
        let (here, sent) = match &self.fate {
            Some(Fate::DeliveredHere(packet)) => (Some(&packet[..]), &[][..]),
            Some(Fate::Sent { frames, .. }) => (None, &frames[..]),
            _ => (None, &[][..]),
        };
        here.into_iter().chain(sent.iter().map(|frame| &frame.packet()[..]))
    }

    /// Returns the number of bytes of packets that the report holds: of the packet as it was in the
    /// capture, and as it got through.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let fed = self.record.packet.as_ref().map_or(0, |packet| packet.data.len());
        fed + self.delivered().map(<[u8]>::len).sum::<usize>()
    }

    /// Notes the packet's fate. `unqueued` is the reason why the packet got through, if it did so
    /// without a verdict.
    fn end(&mut self, fate: Fate, unqueued: Unqueued) {
        let got_through = matches!(fate, Fate::DeliveredHere(_) | Fate::Sent { .. });
        self.unqueued = (got_through && self.verdicts.is_empty()).then_some(unqueued);
        self.fate = Some(fate);
    }

    fn has_outcome(&self) -> bool {
        self.fate.is_some() || self.record.packet.is_err()
    }
}

/// What a verdict did: its value, whether it replaced the packet, and the mark that it set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) verdict: Verdict,
    pub(super) replaced: bool,
    pub(super) mark: Option<u32>,
}

/// A packet that was fed and has no fate yet: its record's number, when it entered, and why it got
/// through if it does so without a verdict.
struct Undecided {
    index: u64,
    entered: Instant,
    unqueued: Unqueued,
}

/// The outcomes of the packets so far, and the reports that are held back.
#[derive(Default)]
pub(super) struct Outcomes {
    /// The reports that are held back, in the records' order. The first is on record `first`, and
    /// no number is missing.
    waiting: VecDeque<PacketReport>,
    /// The number of the first record in `waiting`, or of the next record that is added if
    /// `waiting` is empty.
    first: u64,
    /// The reports on packets without a fate that were passed over, by the numbers of their
    /// records. Reports on later records do not wait for them.
    late: HashMap<u64, PacketReport>,
    undecided: HashMap<PacketSerial, Undecided, FixedState>,
    held: usize,
    held_bytes: usize,
    held_not_fed: usize,
    /// The time of the record that was reported last; `None` before the first.
    last_time: Option<CaptureTime>,
    pub(super) summary: Summary,
}

impl Outcomes {
    /// Returns the number of records that have been added so far.
    pub(super) fn records(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    /// Returns the number of packets that were fed and have no fate yet.
    pub(super) fn undecided(&self) -> u64 {
        self.undecided.len() as u64
    }

    /// Adds the capture's next record to those that are held back, and returns its number, counted
    /// from 0.
    pub(super) fn add(&mut self, record: Record) -> u64 {
        let index = self.records();
        self.held_not_fed += usize::from(record.packet.is_err());
        self.waiting.push_back(PacketReport {
            index,
            record,
            packet_id: None,
            verdicts: Vec::new(),
            refusals: Vec::new(),
            fate: None,
            unqueued: None,
        });
        index
    }

    /// Notes that the packet of the record `index` was fed at the time `entered`, and got the
    /// number `serial`. `unqueued` is the reason why it gets through, if it does so without a
    /// verdict.
    pub(super) fn entered(&mut self, index: u64, serial: PacketSerial, entered: Instant, unqueued: Unqueued) {
        let undecided = Undecided {
            index,
            entered,
            unqueued,
        };
        self.undecided.insert(serial, undecided);
    }

    /// Notes that the packet of the record `index` could not be fed, for this reason. Reports
    /// nothing.
    pub(super) fn not_fed(&mut self, index: u64, reason: NotFed) {
        self.held_not_fed += 1;
        if let Some(packet) = self.packet(index) {
            packet.record.packet = Err(reason);
        }
    }

    /// Notes a verdict that the kernel accepted in the report on its packet. Does nothing if the
    /// packet has its fate already.
    pub(super) fn verdict(&mut self, serial: PacketSerial, packet_id: PacketId, decided: Decided, now: Instant) {
        let Some(Undecided { index, entered, .. }) = self.undecided.get(&serial) else {
            return;
        };
        let (index, after) = (*index, now.saturating_duration_since(*entered));
        if let Some(packet) = self.packet(index) {
            packet.packet_id = Some(packet_id);
            let Decided {
                verdict,
                replaced,
                mark,
            } = decided;
            packet.verdicts.push(VerdictReport {
                verdict,
                replaced,
                mark,
                after,
            });
        }
    }

    /// Counts a refused message, and keeps the first one for the summary. If the message was a
    /// verdict on `packet`, notes it in the report on that packet, unless the packet has its fate
    /// already.
    pub(super) fn refused(&mut self, refusal: Refusal, packet: Option<(PacketSerial, PacketId)>) {
        self.summary.refused += 1;
        self.summary.first_refusal.get_or_insert(refusal);
        let Some((serial, packet_id)) = packet else { return };
        let index = self.undecided.get(&serial).map(|undecided| undecided.index);
        if let Some(packet) = index.and_then(|index| self.packet(index)) {
            packet.packet_id = Some(packet_id);
            if packet.refusals.len() < MOST_REFUSALS {
                packet.refusals.push(refusal);
            }
        }
    }

    /// Returns a copy of the packet of the record `index`. Returns `None` if the record has no
    /// packet to feed, or if it was reported.
    pub(super) fn fed_packet(&mut self, index: u64) -> Option<Packet> {
        self.packet(index)?.record.packet.as_ref().ok().cloned()
    }

    /// Returns `true` if a packet was fed and has neither a fate nor an accepted verdict.
    pub(super) fn is_unjudged(&mut self, serial: PacketSerial) -> bool {
        let index = self.undecided.get(&serial).map(|undecided| undecided.index);
        index
            .and_then(|index| self.packet(index))
            .is_some_and(|packet| packet.verdicts.is_empty())
    }

    /// Notes that a packet that was fed counts as not fed. Returns the number of its record, so
    /// that it can be fed again. Returns `None` if the packet has its fate already.
    pub(super) fn withdraw(&mut self, serial: PacketSerial) -> Option<u64> {
        self.undecided.remove(&serial).map(|undecided| undecided.index)
    }

    /// Notes that a record whose packet was withdrawn is not fed again, for this reason. Reports to
    /// `watch` all records that can be reported now.
    pub(super) fn never_fed(&mut self, index: u64, reason: NotFed, watch: &mut dyn Watch) -> io::Result<()> {
        if let Some(mut packet) = self.late.remove(&index) {
            packet.record.packet = Err(reason);
            return self.tell(packet, watch);
        }
        self.not_fed(index, reason);
        self.tell_all(watch)
    }

    /// Notes a packet's fate. Reports to `watch` all records that can be reported now. Does nothing
    /// if the packet has its fate already.
    pub(super) fn left(&mut self, serial: PacketSerial, fate: Fate, watch: &mut dyn Watch) -> io::Result<()> {
        let Some(Undecided { index, unqueued, .. }) = self.undecided.remove(&serial) else {
            return Ok(());
        };
        if let Some(mut packet) = self.late.remove(&index) {
            packet.end(fate, unqueued);
            return self.tell(packet, watch);
        }
        if let Some(packet) = self.packet(index) {
            packet.end(fate, unqueued);
            let bytes = packet.bytes();
            self.held += 1;
            self.held_bytes += bytes;
        }
        self.tell_all(watch)
    }

    /// Reports to `watch` all records that can be reported now, in the capture's order: up to the
    /// first packet without a fate. If too much is held back, sets such packets aside and goes on.
    pub(super) fn tell_all(&mut self, watch: &mut dyn Watch) -> io::Result<()> {
        while let Some(packet) = self.waiting.front() {
            let has_outcome = packet.has_outcome();
            let is_too_much = self.held > MOST_HELD || self.held_bytes > MOST_BYTES || self.held_not_fed > MOST_NOT_FED;
            if !has_outcome && !is_too_much {
                break;
            }
            let Some(packet) = self.waiting.pop_front() else { break };
            self.first += 1;
            if has_outcome {
                if packet.fate.is_some() {
                    self.held -= 1;
                    self.held_bytes -= packet.bytes();
                } else {
                    self.held_not_fed -= 1;
                }
                self.tell(packet, watch)?;
            } else {
                self.late.insert(packet.index, packet);
            }
        }
        Ok(())
    }

    /// Reports a packet that the program sent itself. Its time is that of the first record that is
    /// held back; if there is none, of the record that was reported last; and if none was, `next`.
    pub(super) fn sent_itself(
        &mut self,
        sent: &RawPacket,
        next: Option<CaptureTime>,
        watch: &mut dyn Watch,
    ) -> io::Result<()> {
        let first = self.waiting.front().map(|packet| packet.record.time);
        let packet = OwnPacket {
            number: self.summary.own_packets(),
            time: first.or(self.last_time).or(next).unwrap_or_default(),
            packet: ip_packet(sent),
            mark: sent.mark,
        };
        self.summary.count_own(&packet);
        watch.own_packet(packet)
    }

    /// Reports to `watch` all records that are left. Packets that were fed and have no fate count
    /// as still queued.
    pub(super) fn end(&mut self, watch: &mut dyn Watch) -> io::Result<()> {
        let mut undecided: Vec<PacketSerial> = self.undecided.keys().copied().collect();
        undecided.sort_unstable();
        for serial in undecided {
            self.left(serial, Fate::Queued, watch)?;
        }
        self.tell_all(watch)
    }

    fn tell(&mut self, packet: PacketReport, watch: &mut dyn Watch) -> io::Result<()> {
        self.summary.count(&packet);
        self.last_time = Some(packet.record.time);
        watch.packet(packet)
    }

    fn packet(&mut self, index: u64) -> Option<&mut PacketReport> {
        match index.checked_sub(self.first) {
            Some(offset) => self.waiting.get_mut(usize::try_from(offset).ok()?),
            None => self.late.get_mut(&index),
        }
    }
}

#[cfg(test)]
mod tests;
