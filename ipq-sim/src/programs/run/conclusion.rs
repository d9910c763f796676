//! The conclusion about a run as a whole. It depends on what happened, and never on the order in
//! which the emulator noticed it.

use super::capture::CaptureEnd;
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

/// The exit status of a program that the dynamic loader could not load, and of a shell that found no
/// command.
const NOT_LOADED: i32 = 127;

/// The way in which the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramEnd {
    /// The program was started elsewhere, and may go on.
    Elsewhere,
    /// The program ended by itself, with this status.
    ByItself(ExitStatus),
    /// The program got SIGTERM, since there was nothing more for it to do, and ended with this
    /// status.
    OnTerm(ExitStatus),
    /// The program did not end after SIGTERM, and was killed.
    Killed,
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Every packet that was fed has a fate, and the program did not fail.
    Success,
    /// Nothing went wrong, but the program got no packet to decide on.
    NothingTried,
    /// The program failed, or the run went wrong.
    Failure,
}

/// The program's conduct: its use of the queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Conduct {
    /// `true` if the program opened a socket.
    pub(super) has_opened: bool,
    /// The queues that the program was seen to listen to.
    pub(super) has_listened: BTreeSet<QueueId>,
    /// The queues that packets were fed to though nobody listened.
    pub(super) deaf: BTreeSet<QueueId>,
    /// The kind of queues that the program used.
    pub(super) queues: Queues,
    /// The number of messages that set a copy mode, less those that were refused.
    pub(super) modes: u64,
    /// The number of packets that were handed to the program.
    pub(super) handed: u64,
    /// `true` if the program left packets in its receive buffer at the end.
    pub(super) has_unread: bool,
}

/// A kind of queues, and the use that a program made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Queues {
    /// The queues of `ip_queue`, one for each family.
    #[default]
    ByFamily,
    /// The queues with numbers. The program bound none of them.
    Unbound,
    /// The queues with numbers. The program bound at least one of them.
    Bound,
}

impl Conduct {
    /// Notes that the kernel refused a message.
    pub(super) fn refused(&mut self, request: Request) {
        let is_mode = matches!(request, Request::Mode(_) | Request::Other(MessageType::Mode));
        self.modes -= u64::from(is_mode && self.modes > 0);
    }
}

/// The reason why a run was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Every packet has a fate, or the program ended.
    Done,
    /// Nothing happened for this time.
    Patience(Duration),
    /// The run was told to stop.
    Stopped,
}

/// A finding about a run, written as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The run was interrupted.
    Interrupted,
    /// The program never opened a queue.
    NeverOpened,
    /// The program opened a socket for queues with numbers, and bound none.
    NeverBound,
    /// The program opened a queue, and set no copy mode.
    NeverSetMode {
        /// `true` if the program's queues have numbers.
        numbered: bool,
    },
    /// The kernel refused messages of the program: their number, and the first refusal.
    Refused(u64, Refusal),
    /// The program got packets, and gave no verdict.
    NoVerdict {
        /// The number of packets that the program got.
        given: u64,
        /// The time for which the run waited in vain for a verdict; `None` if the program ended.
        waited: Option<Duration>,
    },
    /// The program stopped reading, and left packets in its receive buffer.
    StoppedReading,
    /// The program gave some verdicts, and then none for some time.
    Slow {
        /// The number of packets that had a verdict.
        decided: u64,
        /// The number of packets that had no verdict.
        waiting: u64,
        /// The time for which nothing happened.
        waited: Duration,
    },
    /// The program ended before every packet had a verdict.
    EndedEarly(ProgramEnd),
    /// The program ended with a status that means failure, after every packet had its fate.
    Failed(ProgramEnd),
    /// The program did not end when it was told to, and was killed.
    Killed,
    /// No record of the capture was fed. The capture has this number of records.
    NothingFed(u64),
    /// Nobody listened to any packet. The queue is one that the program never listened to; `None`
    /// if the program listened to each.
    Nobody(Option<QueueId>),
    /// The capture did not end after its last record, but in this way.
    Capture(CaptureEnd),
}

impl Finding {
    /// Returns the outcome of a run that this finding is about.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Killed | Self::Capture(CaptureEnd::Whole | CaptureEnd::WithinRecord) | Self::Refused(..) => {
                Outcome::Success
            }
            Self::NothingFed(_) | Self::Nobody(_) => Outcome::NothingTried,
            _ => Outcome::Failure,
        }
    }
}

/// Returns the findings about a run, each cause before its effects.
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
    let listened = !conduct.has_listened.is_empty();
    let lost = summary.dropped.get(&DropReason::NoListener).copied().unwrap_or(0);
    if is_complete && summary.fed() == 0 {
        findings.push(Finding::NothingFed(summary.records));
    } else if is_complete && lost == summary.fed() && listened {
        let deaf = conduct.deaf.difference(&conduct.has_listened).last();
        findings.push(Finding::Nobody(deaf.copied()));
    }
    findings.extend(
        capture
            .filter(|end| **end != CaptureEnd::Whole)
            .cloned()
            .map(Finding::Capture),
    );
    findings
}

/// Returns the reason why not every packet was decided on; `None` if there is none, or if the first
/// refusal explains it.
fn cause(summary: &Summary, conduct: &Conduct, over: Over, is_complete: bool) -> Option<Finding> {
    let waited = match over {
        Over::Patience(patience) => Some(patience),
        _ => None,
    };
    if !conduct.has_opened {
        Some(Finding::NeverOpened)
    } else if conduct.modes == 0 {
        // A refused message explains it, if there is one.
        let never = match conduct.queues {
            Queues::Unbound => Finding::NeverBound,
            queues => Finding::NeverSetMode {
                numbered: queues == Queues::Bound,
            },
        };
        summary.first_refusal.is_none().then_some(never)
    } else if is_complete {
        None
    } else if summary.verdicts() == 0 && conduct.handed > 0 {
        Some(Finding::NoVerdict {
            given: conduct.handed,
            waited,
        })
    } else if conduct.has_unread && waited.is_some() {
        Some(Finding::StoppedReading)
    } else {
        waited.map(|waited| Finding::Slow {
            decided: summary.fed() - summary.still_queued,
            waiting: summary.undecided(),
            waited,
        })
    }
}

impl ProgramEnd {
    /// Returns the program's exit status; `None` if it has none.
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
            Self::NeverOpened => f.write_str(
                "the program never opened a queue: is it written for ip_queue or nfnetlink_queue, and was it told to begin? \
                 (--launcher says how it gets its sockets)",
            ),
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
                waited.map_or(Ok(()), |waited| write!(f, " for {waited:?}"))
            }
            Self::StoppedReading => f.write_str("the program stopped reading, and left packets in its receive buffer"),
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
            Self::Nobody(Some(queue)) => write!(
                f,
                "nobody listened to any packet: the program does not listen to {queue}"
            ),
            Self::Nobody(None) => f.write_str("nobody listened to any packet: the program had closed its queue"),
            Self::Capture(end) => end.fmt(f),
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
