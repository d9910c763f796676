//! Finds out how a run went as a whole: its findings and its outcome. They are found when the run
//! is over, from what happened in it.

use super::capture::CaptureEnd;
use super::outcome::Unqueued;
use super::refusal::{Refusal, Request};
use super::summary::Summary;
use crate::books::DropReason;
use crate::queue::QueueId;
use ipq_core::wire::MessageType;
use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

/// The exit status of a program that the dynamic loader could not load, and of a shell that did not
/// find its command.
const NOT_LOADED: i32 = 127;

/// The way in which the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramEnd {
    /// The run did not start the program, which may still be running.
    Elsewhere,
    /// The program ended by itself, with this status.
    ByItself(ExitStatus),
    /// The program ended with this status after the run, which was over, had sent it SIGTERM.
    OnTerm(ExitStatus),
    /// The program did not end within some seconds after SIGTERM, and was killed.
    Killed,
}

/// The outcome of a run. Variants are ordered from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Every packet that could be fed was fed and has a fate, the program did not fail, and not all
    /// packets went past it, as for want of a listener or of a rule. Refused messages, a program
    /// that had to be killed, and a capture that ends within a record count as success, too.
    Success,
    /// No packet could be fed, or none was queued to the program, as when nobody listened to the
    /// packets' queues, a full queue let them pass, or no rule queued them. Nothing happened that counts as a failure.
    NothingTried,
    /// The program failed, did not use a queue, did not decide on every packet, or closed its queue
    /// with packets that had no verdict; the caller stopped the run; or the capture is damaged.
    Failure,
}

/// What a program did with its queues.
#[derive(Clone, Debug, Default)]
pub(super) struct Conduct {
    /// `true` if the program opened an emulated socket.
    pub(super) has_opened: bool,
    /// The queues that had a listener at some time: an owner or a peer, and a copy mode other than
    /// NONE.
    pub(super) has_listened: BTreeSet<QueueId>,
    /// The queues to which the rules sent packets that were fed, with or without a listener.
    pub(super) used: BTreeSet<QueueId>,
    /// The kind of queues that the emulated kernel has, and whether the program bound one.
    pub(super) queues: Queues,
    /// With `ip_queue`, the number of messages that asked for a copy mode, without those that were
    /// refused. With nfnetlink, the number of times at which a queue was found to have a copy mode
    /// other than NONE. 0 means that no such mode was set.
    pub(super) modes: u64,
    /// The number of packet messages that were put on the program's connections, read or not.
    pub(super) handed: u64,
    /// `true` if the program had messages unread in a receive buffer when the run was over.
    pub(super) has_unread: bool,
    /// `true` if the program opened no emulated socket, and the run has them for programs of
    /// `ip_queue` alone.
    pub(super) ip_queue_alone: bool,
}

/// The kind of queues that a kernel has, and whether the program bound one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Queues {
    /// The queues of `ip_queue`, one for each family.
    #[default]
    ByFamily,
    /// The queues of nfnetlink, which have numbers. The program bound none of them.
    Unbound,
    /// The queues of nfnetlink, which have numbers. The program bound at least one of them.
    Bound,
}

impl Conduct {
    /// Notes that the kernel refused a message. If the message was to set a copy mode of
    /// `ip_queue`, it no longer counts in `modes`.
    pub(super) fn refused(&mut self, request: Request) {
        let is_mode = matches!(request, Request::Mode(_) | Request::Other(MessageType::Mode));
        self.modes -= u64::from(is_mode && self.modes > 0);
    }
}

/// The reason why a run was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Every packet that could be fed has a fate, or the program ended.
    Done,
    /// No packet got a verdict or its fate for this time, the run's patience.
    Patience(Duration),
    /// The caller stopped the run, by the flag of [`Run::stop_when`](super::Run::stop_when).
    Stopped,
}

/// A finding about a run. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The caller stopped the run before its end.
    Interrupted,
    /// The program opened no emulated socket, and packets were left undecided or none was fed.
    NeverOpened {
        /// `true` if the run has sockets for programs of `ip_queue` alone: with the launchers
        /// preload and transport, or if it starts no program.
        ip_queue_alone: bool,
        /// The time for which the run waited in vain: its patience. `None` if the program ended.
        waited: Option<Duration>,
    },
    /// The program opened a socket of nfnetlink, and bound no queue.
    NeverBound,
    /// The program opened a socket of `ip_queue` and set no copy mode, or bound a queue of
    /// nfnetlink and set no mode other than NONE.
    NeverSetMode {
        /// `true` if the queue is one of nfnetlink, which has a number.
        numbered: bool,
    },
    /// The kernel refused messages of the program. The inner values are the number of refused
    /// messages, and the first refusal.
    Refused(u64, Refusal),
    /// The program got packets, and gave no verdict that the kernel accepted.
    NoVerdict {
        /// The number of packet messages that were put on the program's connections, read or not.
        given: u64,
        /// The time for which the run waited in vain for a verdict. `None` if the run ended for
        /// another reason.
        waited: Option<Duration>,
    },
    /// The program stopped reading, and had messages unread in its receive buffer when the run's
    /// patience ended. The inner value is the patience.
    StoppedReading(Duration),
    /// Packets were left without a fate when the run's patience ended. The program had read all its
    /// messages, and either had given a verdict or had got no packet.
    Slow {
        /// The number of packets that were fed and have a fate.
        decided: u64,
        /// The number of packets that were left: fed and still queued, or not fed because the run
        /// had ended.
        waiting: u64,
        /// The time for which no packet got a verdict or its fate: the run's patience.
        waited: Duration,
    },
    /// The program ended by itself before every packet had its fate. The inner value is how it
    /// ended.
    EndedEarly(ProgramEnd),
    /// The program ended with a status that means failure, and [`EndedEarly`](Self::EndedEarly)
    /// does not apply. An end by SIGTERM that the run sent means no failure.
    Failed(ProgramEnd),
    /// The program did not end after the run had sent SIGTERM, and was killed.
    Killed,
    /// The capture was read to its end, and none of its records was fed. The inner value is the
    /// number of records.
    NothingFed(u64),
    /// Every packet that was fed was dropped because its queue had no listener at that time, or got
    /// through without having been queued. A rule sent at least one of them to a queue.
    Nobody {
        /// The queues to which the rules sent packets.
        used: BTreeSet<QueueId>,
        /// The queues to which the program listened at some time.
        listened: BTreeSet<QueueId>,
    },
    /// No packet that was fed was queued, and at least one of them got through because its queue
    /// was full and lets packets through then. The inner value is the number of those that did.
    FailOpen(u64),
    /// No rule queued any packet, so all that were fed were let through. The inner value is their
    /// number.
    NoRule(u64),
    /// Packets were dropped because their listener closed its socket or unbound its queue before it
    /// gave a verdict on them. The inner value is their number.
    ClosedUnjudged(u64),
    /// The capture ends within a record, or is damaged.
    Capture(CaptureEnd),
}

impl Finding {
    /// Returns the outcome of a run in which this is the only finding.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Killed | Self::Capture(CaptureEnd::Whole | CaptureEnd::WithinRecord) | Self::Refused(..) => {
                Outcome::Success
            }
            Self::NothingFed(_) | Self::Nobody { .. } | Self::FailOpen(_) | Self::NoRule(_) => Outcome::NothingTried,
            _ => Outcome::Failure,
        }
    }
}

/// Returns the findings about a run, each cause before its effects; none if all went well.
/// `capture` is how the capture ended, and `None` if it was not read to its end.
pub(super) fn findings(
    summary: &Summary,
    conduct: &Conduct,
    over: Over,
    program: ProgramEnd,
    capture: Option<&CaptureEnd>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_complete = summary.undecided() == 0 && capture.is_some();
    if over == Over::Stopped {
        findings.push(Finding::Interrupted);
    } else if !is_complete || summary.fed() == 0 {
        findings.extend(cause(summary, conduct, over, is_complete));
    }
    if let Some(refusal) = summary.first_refusal {
        findings.push(Finding::Refused(summary.refused, refusal));
    }
    let by_itself = matches!(program, ProgramEnd::ByItself(_));
    if by_itself && !is_complete && over != Over::Stopped {
        findings.push(Finding::EndedEarly(program));
    } else if program.is_failure() {
        findings.push(Finding::Failed(program));
    } else if program == ProgramEnd::Killed {
        findings.push(Finding::Killed);
    }
    let dropped = |reason| summary.dropped.get(&reason).copied().unwrap_or(0);
    let unjudged = dropped(DropReason::PeerClosed);
    if unjudged > 0 {
        findings.push(Finding::ClosedUnjudged(unjudged));
    }
    let passed: u64 = summary.passed.values().sum();
    if is_complete && summary.fed() == 0 {
        findings.push(Finding::NothingFed(summary.records));
    } else if is_complete && dropped(DropReason::NoListener) + passed == summary.fed() {
        findings.push(if conduct.used.is_empty() {
            Finding::NoRule(passed)
        } else if let Some(count) = summary.passed.get(&Unqueued::FailOpen) {
            Finding::FailOpen(*count)
        } else {
            Finding::Nobody {
                used: conduct.used.clone(),
                listened: conduct.has_listened.clone(),
            }
        });
    }
    findings.extend(
        capture
            .filter(|end| **end != CaptureEnd::Whole)
            .cloned()
            .map(Finding::Capture),
    );
    findings
}

/// Returns the reason why packets were not fed or not decided on. `is_complete` is `true` if no
/// packet was left. Returns `None` if there is no such reason, or if the only reason is that the
/// program ended, by itself or after a refusal.
fn cause(summary: &Summary, conduct: &Conduct, over: Over, is_complete: bool) -> Option<Finding> {
    let waited = match over {
        Over::Patience(patience) => Some(patience),
        _ => None,
    };
    if !conduct.has_opened {
        Some(Finding::NeverOpened {
            ip_queue_alone: conduct.ip_queue_alone,
            waited,
        })
    } else if conduct.modes == 0 {
        // If a message was refused, that explains why the program ended.
        let never = match conduct.queues {
            Queues::Unbound => Finding::NeverBound,
            queues => Finding::NeverSetMode {
                numbered: queues == Queues::Bound,
            },
        };
        (summary.first_refusal.is_none() || waited.is_some()).then_some(never)
    } else if is_complete {
        None
    } else if summary.verdicts() == 0 && conduct.handed > 0 {
        Some(Finding::NoVerdict {
            given: conduct.handed,
            waited,
        })
    } else if let Some(waited) = waited.filter(|_| conduct.has_unread) {
        Some(Finding::StoppedReading(waited))
    } else {
        waited.map(|waited| Finding::Slow {
            decided: summary.fed() - summary.still_queued,
            waiting: summary.undecided(),
            waited,
        })
    }
}

impl ProgramEnd {
    /// Returns the program's exit status. Returns `None` if the run killed the program, or did not
    /// start it.
    #[must_use]
    pub const fn status(self) -> Option<ExitStatus> {
        match self {
            Self::ByItself(status) | Self::OnTerm(status) => Some(status),
            Self::Elsewhere | Self::Killed => None,
        }
    }

    fn is_failure(self) -> bool {
        const SIGTERM: i32 = 15;
        match self {
            Self::ByItself(status) => !status.success(),
            Self::OnTerm(status) => !status.success() && status.signal() != Some(SIGTERM),
            Self::Elsewhere | Self::Killed => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("the run was interrupted"),
            Self::NeverOpened { ip_queue_alone, waited } => {
                f.write_str("the program never opened a queue")?;
                waited.map_or(Ok(()), |waited| write!(f, " in {waited:?}"))?;
                f.write_str(if *ip_queue_alone {
                    ": was it told to begin, and is it written for ip_queue? The launchers preload and transport serve ip_queue \
                     alone: run a program of nfnetlink_queue by `ipq-sim run` with the launcher seccomp (Linux 5.14)"
                } else {
                    ": is it written for ip_queue or nfnetlink_queue, and was it told to begin? (--launcher says how it gets its \
                     sockets)"
                })
            }
            Self::NeverBound => f.write_str(
                "the program opened an nfnetlink socket and bound no queue; packets come only to a queue that is bound (NFQ-11)",
            ),
            Self::NeverSetMode { numbered: false } => f.write_str(
                "the program opened a queue and set no copy mode; packets come only after ipq_set_mode (ATT-6)",
            ),
            Self::NeverSetMode { numbered: true } => f.write_str(
                "the program bound a queue and set no copy mode; packets come only after a message with the mode META or PACKET \
                 (NFQ-10)",
            ),
            Self::Refused(count, refusal) => write!(
                f,
                "the kernel refused {count} of the program's messages; the first: {refusal}"
            ),
            Self::NoVerdict { given, waited } => {
                write!(f, "the program was given {} and gave no verdict", packets(*given))?;
                waited.map_or(Ok(()), |waited| write!(f, " for {waited:?} (--patience gives it longer)"))
            }
            Self::StoppedReading(waited) => write!(
                f,
                "the program stopped reading for {waited:?}, and left packets in its receive buffer (--patience gives it longer)"
            ),
            Self::Slow {
                decided,
                waiting,
                waited,
            } => write!(
                f,
                "the program is slow: it decided on {decided} packets, and then on none for {waited:?}, while {waiting} were left \
                 (--patience gives it longer)"
            ),
            Self::EndedEarly(end) => write!(f, "the program ended before every packet had a verdict: {end}"),
            Self::Failed(end) => write!(f, "the program failed: {end}"),
            Self::Killed => f.write_str("the program did not end on SIGTERM, and was killed"),
            Self::NothingFed(0) => f.write_str("nothing was fed: the capture has no packets"),
            Self::NothingFed(records) => write!(f, "nothing was fed: none of the capture's {records} packets could be"),
            Self::Nobody { used, listened } if used.is_subset(listened) => write!(
                f,
                "no packet reached the program: packets went to {}, which it had closed",
                Listed(used)
            ),
            Self::Nobody { used, listened } => write!(
                f,
                "no packet reached the program: packets went to {}, and the program listened to {}",
                Listed(used),
                Listed(listened)
            ),
            Self::FailOpen(count) => write!(
                f,
                "no packet reached the program: its queue was full each time, so {} passed without it (fail open)",
                packets(*count)
            ),
            Self::NoRule(count) => write!(
                f,
                "no packet reached the program: no rule queued any, so {} passed without it; check the conditions of --rule",
                packets(*count)
            ),
            Self::ClosedUnjudged(count) => write!(
                f,
                "the program closed its queue before it gave a verdict on {} that it had; the kernel dropped them",
                packets(*count)
            ),
            Self::Capture(end) => end.fmt(f),
        }
    }
}

/// Queues, as text: at most four of them, and the number of the others.
pub(super) struct Listed<'a>(pub(super) &'a BTreeSet<QueueId>);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        if self.0.is_empty() {
            return f.write_str("no queue");
        }
        for (number, queue) in self.0.iter().take(SHOWN).enumerate() {
            f.write_str(if number == 0 { "" } else { ", " })?;
            match queue {
                QueueId::IpQueue(family) => write!(f, "the queue of {family}")?,
                QueueId::Numbered(_) => queue.fmt(f)?,
            }
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            others => write!(f, " and {others} more"),
        }
    }
}

fn packets(count: u64) -> String {
    if count == 1 {
        "1 packet".to_owned()
    } else {
        format!("{count} packets")
    }
}

impl fmt::Display for ProgramEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere => f.write_str("it was started elsewhere"),
            Self::ByItself(status) if status.code() == Some(NOT_LOADED) => write!(
                f,
                "{status}, as of a program whose libraries were not found (--library names the directory of libipq.so.0)"
            ),
            Self::ByItself(status) => status.fmt(f),
            Self::OnTerm(status) => write!(f, "{status}, when it was told to end by SIGTERM"),
            Self::Killed => f.write_str("it was killed"),
        }
    }
}

#[cfg(test)]
mod tests;
