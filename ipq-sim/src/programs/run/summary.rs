//! What came of a run: packet by packet, and in numbers.

use super::capture::{CaptureEnd, NotFed, Record};
use crate::ledger::{DropReason, Fate};
use ipq_core::Verdict;
use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every packet of the capture, in its order.
    pub packets: Vec<PacketReport>,
    /// The indices of those that got through, in the order that they left.
    pub left: Vec<usize>,
    /// In numbers.
    pub summary: Summary,
    /// How the program ended; none if it was ended because there was nothing more for it.
    pub exit: Option<ExitStatus>,
    /// Whether the run was ended because nothing happened any more.
    pub gave_up: bool,
    /// Whether the run was ended because it was told to.
    pub stopped: bool,
    /// How the capture ended; none if the run ended before.
    pub capture_end: Option<CaptureEnd>,
    /// By family: whether packets were fed though nobody listened.
    pub(super) deaf: [bool; 2],
}

/// What became of one packet.
#[derive(Clone, Debug)]
pub struct PacketReport {
    /// What the capture says.
    pub record: Record,
    /// The verdicts on it, in order: more than one if it was queued again.
    pub verdicts: Vec<VerdictReport>,
    /// What became of it; none if it was not fed.
    pub fate: Option<Fate>,
}

/// A verdict.
#[derive(Clone, Copy, Debug)]
pub struct VerdictReport {
    /// What was decided.
    pub verdict: Verdict,
    /// Whether it brought a replacement.
    pub replaced: bool,
    /// How long after the packet had entered.
    pub after: Duration,
}

/// A run in numbers: `records = not fed + fed`, and `fed = accepted + dropped + still queued`.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Records of the capture.
    pub records: u64,
    /// Those that were not fed, by reason.
    pub not_fed: BTreeMap<NotFed, u64>,
    /// Packets that got through.
    pub accepted: u64,
    /// Packets that were replaced, whatever became of them.
    pub replaced: u64,
    /// Packets that were dropped, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Packets that had no verdict when the run ended.
    pub still_queued: u64,
    /// Messages of the program that the kernel refused, as far as the program was told.
    pub refused: u64,
    /// Overruns that the program was told of (ENOBUFS).
    pub overruns: u64,
    /// How long verdicts took, from a packet's entry on, shortest first.
    pub times: Vec<Duration>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            packets: Vec::new(),
            left: Vec::new(),
            summary: Summary::default(),
            exit: None,
            gave_up: false,
            stopped: false,
            capture_end: None,
            deaf: [false; 2],
        }
    }

    /// Adds a record, about which nothing is known yet.
    pub(super) fn add(&mut self, record: Record) -> &mut PacketReport {
        self.packets.push_mut(PacketReport {
            record,
            verdicts: Vec::new(),
            fate: None,
        })
    }

    pub(super) fn leave(&mut self, index: usize, fate: Fate) {
        if !matches!(fate, Fate::Dropped(_)) {
            self.left.push(index);
        }
        self.packets[index].fate = Some(fate);
    }

    /// Counts.
    pub(super) fn sum_up(&mut self) {
        let summary = &mut self.summary;
        summary.records = self.packets.len() as u64;
        for packet in &self.packets {
            match (&packet.fate, &packet.record.packet) {
                (Some(Fate::Queued), _) => summary.still_queued += 1,
                (Some(Fate::Dropped(reason)), _) => *summary.dropped.entry(*reason).or_default() += 1,
                (Some(Fate::DeliveredHere(_) | Fate::Sent { .. }), _) => summary.accepted += 1,
                (None, Err(reason)) => *summary.not_fed.entry(*reason).or_default() += 1,
                (None, Ok(_)) => {}
            }
            summary.replaced += u64::from(packet.verdicts.iter().any(|verdict| verdict.replaced));
            summary
                .times
                .extend(packet.verdicts.iter().map(|verdict| verdict.after));
        }
        summary.times.sort_unstable();
    }

    /// The packets that got through, in the order that they left: the index of each and its bytes, more than one if it was
    /// fragmented.
    pub fn delivered(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.left.iter().flat_map(|index| {
            let packets: Vec<&[u8]> = match &self.packets[*index].fate {
                Some(Fate::DeliveredHere(packet)) => vec![&packet[..]],
                Some(Fate::Sent { frames, .. }) => frames.iter().map(|frame| &frame.packet()[..]).collect(),
                _ => Vec::new(),
            };
            packets.into_iter().map(|packet| (*index, packet))
        })
    }
}

impl Summary {
    /// The time that `percent` of a hundred verdicts took at most; none if there was no verdict.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let last = self.times.len().checked_sub(1)?;
        self.times.get(last * percent.min(100) / 100).copied()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &dyn fmt::Display, count: u64| writeln!(f, "{count:>10}  {what}");
        line(&"packets in the capture", self.records)?;
        for (reason, count) in &self.not_fed {
            line(&format_args!("not fed: {reason}"), *count)?;
        }
        line(&"accepted", self.accepted)?;
        for (reason, count) in &self.dropped {
            line(&format_args!("dropped: {reason}"), *count)?;
        }
        line(&"still queued", self.still_queued)?;
        line(&"replaced", self.replaced)?;
        line(&"messages refused", self.refused)?;
        line(&"overruns told (ENOBUFS)", self.overruns)?;
        if let [Some(half), Some(most), Some(nearly_all), Some(all)] =
            [50, 90, 99, 100].map(|part| self.percentile(part))
        {
            writeln!(
                f,
                "time per verdict: half within {half:?}, 90 % within {most:?}, 99 % within {nearly_all:?}, all within {all:?}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, 1)]
    #[case(50, 100)]
    #[case(99, 198)]
    #[case(100, 200)]
    #[case(1000, 200)]
    fn a_percentile_is_a_time_that_so_many_did_not_exceed(#[case] percent: usize, #[case] milliseconds: u64) {
        let summary = Summary {
            times: (1..=200).map(Duration::from_millis).collect(),
            ..Summary::default()
        };
        assert_eq!(summary.percentile(percent), Some(Duration::from_millis(milliseconds)));
        assert_eq!(Summary::default().percentile(percent), None);
    }
}
