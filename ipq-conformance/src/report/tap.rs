//! The report for test harnesses: the Test Anything Protocol, version 14.

use super::{Head, Reporter, VERSION};
use crate::suite::Outcome;
use crate::suite::runner::{CaseReport, Summary};
use std::io::{self, Write};

/// A reporter that writes TAP. A skipped case is `ok` with SKIP. An expected difference is `not ok`
/// with TODO, which TAP does not count as a failure. A failed case, a broken one and an unexpected
/// pass are `not ok`, and so is each pattern in the list of known differences that matches no case.
#[derive(Debug)]
pub struct Tap<W> {
    output: W,
    number: usize,
}

impl<W: Write> Tap<W> {
    /// Returns a reporter that writes to `output`.
    pub const fn new(output: W) -> Self {
        Self { output, number: 0 }
    }
}

impl<W: Write> Reporter for Tap<W> {
    fn begin(&mut self, head: &Head) -> io::Result<()> {
        writeln!(self.output, "TAP version 14")?;
        let about = &head.description;
        let (world, implementation, machine) = (&head.world, &about.implementation, &about.machine);
        writeln!(
            self.output,
            "# ipq-conformance {VERSION}, world {world}: {implementation}, {machine}, seed {}",
            head.seed
        )
    }

    fn case(&mut self, report: &CaseReport) -> io::Result<()> {
        self.number += 1;
        let (ok, directive) = match report.outcome {
            Outcome::Passed => ("ok", None),
            Outcome::Skipped => ("ok", Some("SKIP")),
            Outcome::ExpectedDifference => ("not ok", Some("TODO")),
            Outcome::Failed | Outcome::Broken | Outcome::UnexpectedPass => ("not ok", None),
        };
        let reason = report.reason.as_deref().unwrap_or_default();
        let (number, id) = (self.number, report.case.id);
        let output = &mut self.output;
        match directive {
            Some(directive) => writeln!(output, "{ok} {number} - {id} # {directive} {}", escaped(reason)),
            None => writeln!(output, "{ok} {number} - {id}"),
        }?;
        if report.outcome.is_bad() {
            writeln!(output, "  ---\n  outcome: {}\n  message: |", report.outcome.name())?;
            for line in reason
                .lines()
                .chain(report.details.iter().flat_map(|details| details.lines()))
            {
                writeln!(output, "    {line}")?;
            }
            writeln!(output, "  ...")?;
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        for stale in &summary.stale {
            self.number += 1;
            writeln!(self.output, "not ok {} - {}", self.number, escaped(stale))?;
        }
        writeln!(self.output, "1..{}", self.number)
    }
}

/// Returns a text with `#` and `\` escaped, and with each line feed replaced by a space.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace('\n', " ")
}
