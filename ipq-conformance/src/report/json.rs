//! For programs: a JSON object a line for each case, and a last one with the summary.

use super::{Head, Reporter, VERSION};
use crate::case::{Level, Topic};
use crate::outcome::Outcome;
use crate::runner::{CaseReport, Summary};
use ipq_core::wire::ByteOrder;
use serde::{Serialize, Serializer};
use std::io::{self, Write};

/// Writes JSON lines.
///
/// The line of a case has `id`, `title`, `topic`, `level`, `requirements`, `outcome` and `reason`, which is null for a case
/// that passed, and `details` if there are any. The last line has `summary`, with the number of each outcome;
/// `environment`, which says what ran where; and `out_of_date`, if something is wrong with the known differences.
#[derive(Debug)]
pub struct JsonLines<W> {
    output: W,
    environment: Option<Environment>,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `output`.
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

#[derive(Serialize)]
struct CaseLine<'a> {
    id: &'a str,
    title: &'a str,
    topic: Option<&'a str>,
    level: &'a str,
    requirements: &'a [&'a str],
    outcome: &'a str,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
}

#[derive(Serialize)]
struct LastLine<'a> {
    #[serde(serialize_with = "counts")]
    summary: &'a Summary,
    environment: &'a Option<Environment>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    out_of_date: &'a [String],
}

/// What ran where.
#[derive(Debug, Serialize)]
struct Environment {
    suite: &'static str,
    world: String,
    implementation: String,
    kernel: String,
    arch: String,
    word_bytes: usize,
    byte_order: &'static str,
    capabilities: Vec<&'static str>,
    seed: u64,
    world_seed: Option<u64>,
}

impl Environment {
    fn of(head: &Head) -> Self {
        let machine = &head.description.machine;
        Self {
            suite: VERSION,
            world: head.world.clone(),
            implementation: head.description.implementation.clone(),
            kernel: machine.kernel.clone(),
            arch: machine.arch.clone(),
            word_bytes: machine.abi.word_bytes(),
            byte_order: match machine.abi.order {
                ByteOrder::Little => "little",
                ByteOrder::Big => "big",
            },
            capabilities: head.capabilities.iter().map(crate::Capability::name).collect(),
            seed: head.seed,
            world_seed: head.description.seed,
        }
    }
}

fn counts<S: Serializer>(summary: &Summary, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Outcome::ALL.map(|outcome| (outcome.name(), summary.count(outcome))))
}

impl<W: Write> Reporter for JsonLines<W> {
    fn begin(&mut self, head: &Head) -> io::Result<()> {
        self.environment = Some(Environment::of(head));
        Ok(())
    }

    fn case(&mut self, report: &CaseReport) -> io::Result<()> {
        let case = &report.case;
        self.line(&CaseLine {
            id: case.id,
            title: case.title,
            topic: case.topic().map(Topic::name),
            level: Level::name(case.level),
            requirements: case.requirements,
            outcome: report.outcome.name(),
            reason: report.reason.as_deref(),
            details: report.details.as_deref(),
        })
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let environment = self.environment.take();
        self.line(&LastLine {
            summary,
            environment: &environment,
            out_of_date: &summary.stale,
        })
    }
}
