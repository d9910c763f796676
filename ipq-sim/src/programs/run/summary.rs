//! The report on a run: its findings, and the run in numbers.

use super::capture::NotFed;
use super::conclusion::{Finding, Listed, Outcome, ProgramEnd};
use super::outcome::{PacketReport, Unqueued};
use super::own::OwnPacket;
use super::refusal::Refusal;
use crate::books::{DropReason, Fate};
use crate::programs::server::Remarks;
use crate::queue::QueueId;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// The report on a run: what happened to its packets, and how the program behaved.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run in numbers.
    pub summary: Summary,
    /// The kernel that was emulated at the end, and the queues that packets went to.
    pub kernel: ChosenKernel,
    /// What went wrong in the run or is worth knowing about it, each cause before its effects.
    /// Empty if all went well.
    pub findings: Vec<Finding>,
    /// The way in which the program ended.
    pub program: ProgramEnd,
    /// Remarks on calls of the program that did something else than the program may expect.
    pub remarks: Remarks,
}

impl Report {
    /// Returns the outcome of the run: the worst that a finding stands for, and success without any
    /// finding.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let outcomes = self.findings.iter().map(Finding::outcome);
        outcomes.max().unwrap_or(Outcome::Success)
    }
}

/// The reason for which a kernel was emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelReason {
    /// The run asked for this kernel.
    Asked,
    /// A rule of the run names a queue by its number.
    Rule,
    /// The program opened a socket of nfnetlink.
    Nfnetlink,
    /// The program opened no socket of nfnetlink, or another of its sockets chose the kernel.
    NoNfnetlink,
}

impl fmt::Display for KernelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "as was asked for",
            Self::Rule => "since a rule names a queue by its number (--kernel names another)",
            Self::Nfnetlink => "since the program opened an nfnetlink socket (--kernel names another)",
            Self::NoNfnetlink => "since the program opened no nfnetlink socket (--kernel names another)",
        })
    }
}

/// The kernel that was emulated, and the queues that packets went to. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenKernel {
    /// The name of the kernel's profile.
    pub profile: &'static str,
    /// The reason for which this kernel was emulated.
    pub reason: KernelReason,
    /// The queues to which packets that were fed went, whether anybody listened to them or not.
    pub used: BTreeSet<QueueId>,
    /// The numbers of the first and the last queue that packets were sent to at the end, if the run
    /// followed the queues that the program listened to. `None` if the run had a queue number or
    /// rules of its own, or if the program listened to no numbered queue.
    pub queues: Option<(u16, u16)>,
}

impl fmt::Display for ChosenKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.profile, self.reason)?;
        match self.queues {
            Some((first, last)) if first == last => write!(f, "; packets went to queue {first}, which it listened to"),
            Some((first, last)) => write!(
                f,
                "; packets went to the queues {first} to {last}, which it listened to"
            ),
            None => write!(f, "; packets went to {}", Listed(&self.used)),
        }
    }
}

/// A run in numbers. The sum of all `not_fed`, `accepted`, all `passed`, all `dropped` and
/// `still_queued` is `records`.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The number of records of the capture that were read, whether their packets were fed or not.
    pub records: u64,
    /// `true` if the capture was not read up to its end, or up to damage in it. The records that
    /// were not read are counted nowhere.
    pub is_read_in_part: bool,
    /// The number of records that were not fed, by reason.
    pub not_fed: BTreeMap<NotFed, u64>,
    /// The number of packets that got through by a verdict: delivered here or sent on.
    pub accepted: u64,
    /// The number of packets that got through without having been queued, by reason.
    pub passed: BTreeMap<Unqueued, u64>,
    /// The number of packets whose bytes a verdict replaced, whatever their fate.
    pub replaced: u64,
    /// The number of packets that were dropped, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// The number of packets that were fed and had no fate when the run ended.
    pub still_queued: u64,
    /// The number of the program's messages that the kernel refused, as far as the answers were
    /// sent to the program.
    pub refused: u64,
    /// The first refusal that was counted in `refused`. `None` if there was none.
    pub first_refusal: Option<Refusal>,
    /// The number of overruns of a receive buffer that the program was told of (ENOBUFS).
    pub overruns: u64,
    /// The number of IP packets that the program sent by raw sockets of its own.
    pub own: u64,
    /// The number of times that the program sent something by a raw socket of its own that was no
    /// IP packet.
    pub own_not_ip: u64,
    /// For each accepted verdict, the time between the packet's entry and the verdict.
    pub(super) times: Times,
}

impl Summary {
    /// Counts a record by its packet's fate or the reason why it was not fed. Adds the times of the
    /// packet's accepted verdicts.
    pub(super) fn count(&mut self, packet: &PacketReport) {
        self.records += 1;
        match (&packet.fate, &packet.record.packet) {
            (Some(Fate::Queued), _) => self.still_queued += 1,
            (Some(Fate::Dropped(reason)), _) => *self.dropped.entry(*reason).or_default() += 1,
            (Some(Fate::DeliveredHere(_) | Fate::Sent { .. }), _) => match packet.unqueued {
                Some(reason) => *self.passed.entry(reason).or_default() += 1,
                None => self.accepted += 1,
            },
            (None, Err(reason)) => *self.not_fed.entry(*reason).or_default() += 1,
            (None, Ok(_)) => {}
        }
        self.replaced += u64::from(packet.verdicts.iter().any(|verdict| verdict.replaced));
        for verdict in &packet.verdicts {
            self.times.add(verdict.after);
        }
    }

    /// Counts a packet that the program sent itself.
    pub(super) const fn count_own(&mut self, packet: &OwnPacket) {
        match packet.packet {
            Ok(_) => self.own += 1,
            Err(_) => self.own_not_ip += 1,
        }
    }

    /// Returns the number of packets that the program sent itself, IP or not.
    pub(super) const fn own_packets(&self) -> u64 {
        self.own + self.own_not_ip
    }

    /// Returns the number of packets that were fed: the sum of `accepted`, all `passed`, all
    /// `dropped` and `still_queued`.
    #[must_use]
    pub fn fed(&self) -> u64 {
        let passed: u64 = self.passed.values().sum();
        self.accepted + passed + self.still_queued + self.dropped.values().sum::<u64>()
    }

    /// Returns the number of packets that had no fate when the run ended: those still in a queue,
    /// and those that were not fed because the run had ended.
    #[must_use]
    pub fn undecided(&self) -> u64 {
        self.still_queued + self.not_fed.get(&NotFed::RunEnded).copied().unwrap_or(0)
    }

    /// Returns the number of verdicts that the kernel accepted. There may be several on one packet.
    #[must_use]
    pub fn verdicts(&self) -> u64 {
        self.times.0.as_ref().map_or(0, Histogram::len)
    }

    /// Returns the time between a packet's entry and its verdict that `percent` % of the accepted
    /// verdicts did not exceed, to three significant digits. Returns `None` if there was no
    /// verdict. A time of more than an hour counts as an hour.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        self.times.percentile(percent)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &dyn fmt::Display, count: u64| writeln!(f, "{count:>10}  {what}");
        let records = if self.is_read_in_part {
            "packets of the capture were read before the run ended"
        } else {
            "packets in the capture"
        };
        line(&records, self.records)?;
        for (reason, count) in &self.not_fed {
            line(&format_args!("not fed: {reason}"), *count)?;
        }
        line(&"accepted", self.accepted)?;
        for (reason, count) in &self.passed {
            line(&format_args!("passed: {reason}"), *count)?;
        }
        for (reason, count) in &self.dropped {
            line(&format_args!("dropped: {reason}"), *count)?;
        }
        line(&"still queued", self.still_queued)?;
        line(&"replaced", self.replaced)?;
        line(&"messages refused", self.refused)?;
        line(&"overruns told (ENOBUFS)", self.overruns)?;
        if self.own_packets() > 0 {
            line(&"sent by the program itself, by raw sockets", self.own)?;
        }
        if self.own_not_ip > 0 {
            line(&"sent by the program itself, and not IP", self.own_not_ip)?;
        }
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

/// A histogram of the times of verdicts in nanoseconds, to three significant digits. A time of more
/// than an hour counts as an hour. It takes no more memory for many verdicts than for few.
#[derive(Clone)]
pub(super) struct Times(Option<Histogram<u64>>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        if let Some(times) = &mut self.0 {
            times.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn percentile(&self, percent: u8) -> Option<Duration> {
        let times = self.0.as_ref().filter(|times| !times.is_empty())?;
        Some(Duration::from_nanos(
            times.value_at_quantile(f64::from(percent) / 100.0),
        ))
    }
}

impl Default for Times {
    fn default() -> Self {
        const AN_HOUR: u64 = 3_600_000_000_000;
        // The histogram accepts these bounds, so this does not fail.
        Self(Histogram::new_with_bounds(1, AN_HOUR, 3).ok())
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} times", self.0.as_ref().map_or(0, Histogram::len))
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
    #[case(200, 200)]
    fn a_percentile_is_a_time_that_so_many_did_not_exceed(#[case] percent: u8, #[case] milliseconds: u64) {
        let mut summary = Summary::default();
        assert_eq!(summary.percentile(percent), None);
        for time in 1..=200 {
            summary.times.add(Duration::from_millis(time));
        }
        let found = summary.percentile(percent).unwrap().as_micros();
        let expected = u128::from(milliseconds) * 1000;
        assert!(found.abs_diff(expected) <= expected / 1000, "{found}");
    }
}
