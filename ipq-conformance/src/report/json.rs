//! The report for programs, in lines of JSON: one line for each case, and a last line with the
//! summary.

use super::{Head, Reporter, VERSION};
use crate::partition::Partition;
use crate::suite::runner::{CaseReport, Summary};
use crate::suite::{Level, Outcome, Topic};
use crate::world::order_word;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// A reporter that writes JSON lines: one for each case, and one for the whole run.
///
/// The line of a case has `id`, `title`, `topic`, `level`, `requirements`, `outcome` and `reason`,
/// which is null if the case passed. It has `details` and `transcript` if there are any; of a long
/// transcript it has the end. The last line has `summary`, the number of cases by outcome, and
/// `environment`, which has the world, its machine, the seeds and the date, among others. It has
/// `out_of_date` if the list of known differences has patterns that match no case, and `partition`
/// if only a part of the chosen cases was run.
///
/// [`Results`](super::matrix::Results) reads these lines again.
#[derive(Debug)]
pub struct JsonLines<W> {
    output: W,
    environment: Option<Environment>,
}

impl<W: Write> JsonLines<W> {
    /// Returns a reporter that writes to `output`.
    pub const fn new(output: W) -> Self {
        Self {
            output,
            environment: None,
        }
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, line)?;
        writeln!(self.output)
    }
}

/// The line of a case in a report of JSON lines.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct CaseLine {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) topic: Option<String>,
    pub(crate) level: String,
    pub(crate) requirements: Vec<String>,
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transcript: Option<String>,
}

/// The most bytes of a transcript that a line has. Of a longer transcript the line has the end,
/// where a case fails.
const MOST_TRANSCRIPT_BYTES: usize = 16 << 10;

/// Returns a transcript of up to [`MOST_TRANSCRIPT_BYTES`] whole. Of a longer one, returns the last
/// whole lines within so many bytes, after a line that says that the beginning is left out.
fn end_of(transcript: String) -> String {
    let excess @ 1.. = transcript.len().saturating_sub(MOST_TRANSCRIPT_BYTES) else {
        return transcript;
    };
    let bytes = transcript.as_bytes();
    let line = bytes[excess..].iter().position(|byte| *byte == b'\n');
    let kept = line.map_or("", |line| &transcript[excess + line + 1..]);
    format!("(the beginning is left out: `run --transcripts DIR` keeps all)\n{kept}")
}

impl From<&CaseReport> for CaseLine {
    fn from(report: &CaseReport) -> Self {
        let case = &report.case;
        Self {
            id: case.id.into(),
            title: case.title.into(),
            topic: case.topic().map(|topic| Topic::name(topic).into()),
            level: Level::name(case.level).into(),
            requirements: case.requirements.iter().map(ToString::to_string).collect(),
            outcome: report.outcome.name().into(),
            reason: report.reason.clone(),
            details: report.details.clone(),
            transcript: report
                .transcript
                .as_ref()
                .filter(|transcript| !transcript.events().is_empty())
                .map(|transcript| end_of(transcript.render())),
        }
    }
}

/// The last line of a report of JSON lines, with the summary of the run.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct LastLine {
    pub(crate) summary: Counts,
    pub(crate) environment: Environment,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) out_of_date: Vec<String>,
    /// The part of the chosen cases that was run; `None` if all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partition: Option<Partition>,
}

/// The number of cases with each outcome.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    broken: usize,
    expected_difference: usize,
    unexpected_pass: usize,
}

impl Counts {
    /// Returns the counts, with the number that `count` returns for each outcome.
    pub(crate) fn of(count: impl Fn(Outcome) -> usize) -> Self {
        Self {
            passed: count(Outcome::Passed),
            failed: count(Outcome::Failed),
            skipped: count(Outcome::Skipped),
            broken: count(Outcome::Broken),
            expected_difference: count(Outcome::ExpectedDifference),
            unexpected_pass: count(Outcome::UnexpectedPass),
        }
    }
}

/// The suite's version, the world of a run and its machine, and how the run was started.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) suite: String,
    pub(crate) world: String,
    pub(crate) implementation: String,
    pub(crate) kernel: String,
    pub(crate) arch: String,
    pub(crate) word_bytes: usize,
    pub(crate) byte_order: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) world_seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<String>,
    /// The command-line options that select the world or the libipq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) choice: Option<String>,
}

impl From<&Head> for Environment {
    fn from(head: &Head) -> Self {
        let machine = &head.description.machine;
        Self {
            suite: VERSION.into(),
            world: head.world.clone(),
            implementation: head.description.implementation.clone(),
            kernel: machine.kernel.clone(),
            arch: machine.arch.clone(),
            word_bytes: machine.abi.word_bytes(),
            byte_order: order_word(machine.abi.order).into(),
            capabilities: head
                .capabilities
                .iter()
                .map(|capability| capability.name().into())
                .collect(),
            seed: head.seed,
            world_seed: head.description.seed,
            date: head.date.clone(),
            choice: Some(head.choice.clone()),
        }
    }
}

impl<W: Write> Reporter for JsonLines<W> {
    fn begin(&mut self, head: &Head) -> io::Result<()> {
        self.environment = Some(Environment::from(head));
        Ok(())
    }

    fn case(&mut self, report: &CaseReport) -> io::Result<()> {
        self.line(&CaseLine::from(report))
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let environment = self.environment.take();
        self.line(&LastLine {
            summary: Counts::of(|outcome| summary.count(outcome)),
            environment: environment.ok_or_else(|| io::Error::other("a run ends that has not begun"))?,
            out_of_date: summary.stale.clone(),
            partition: summary.partition,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_transcript_the_last_lines_are_kept() {
        let whole: String = (0..5000).map(|line: u32| line.to_string() + " é\n").collect();
        let kept = end_of(whole.clone());
        let (notice, lines) = kept.split_once('\n').expect("there are lines");
        assert!(notice.contains("run --transcripts DIR"), "{notice}");
        assert!(lines.len() <= MOST_TRANSCRIPT_BYTES && lines.starts_with(|letter: char| letter.is_ascii_digit()));
        assert!(whole.ends_with(lines));
        assert_eq!(end_of("short\n".into()), "short\n");
        let as_long_as_may_be = "x\n".repeat(MOST_TRANSCRIPT_BYTES / 2);
        assert_eq!(end_of(as_long_as_may_be.clone()), as_long_as_may_be);
        let no_line = "x".repeat(MOST_TRANSCRIPT_BYTES + 1);
        assert!(end_of(no_line).ends_with("keeps all)\n"));
    }
}
