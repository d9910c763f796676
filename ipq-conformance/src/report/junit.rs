//! The report for continuous integration: JUnit's XML, a test suite for each topic.

use super::{Head, Reporter, VERSION};
use crate::suite::Outcome;
use crate::suite::runner::{CaseReport, Summary};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::io::{self, Write};

/// A reporter that writes JUnit's XML when the run is over. An expected difference counts as
/// skipped, an unexpected pass as a failure, and a broken case as an error. The patterns in the
/// list of known differences that match no case are failures in a test suite of their own.
#[derive(Debug)]
pub struct Junit<W> {
    output: W,
    head: Option<Head>,
    suites: Vec<TestSuite>,
}

impl<W: Write> Junit<W> {
    /// Returns a reporter that writes to `output`.
    pub const fn new(output: W) -> Self {
        Self {
            output,
            head: None,
            suites: Vec::new(),
        }
    }
}

impl<W: Write> Reporter for Junit<W> {
    fn begin(&mut self, head: &Head) -> io::Result<()> {
        self.head = Some(head.clone());
        Ok(())
    }

    fn case(&mut self, report: &CaseReport) -> io::Result<()> {
        let topic = report.case.topic().map_or("?", crate::suite::Topic::name);
        if self.suites.last().is_none_or(|suite| suite.name.as_str() != topic) {
            let mut suite = TestSuite::new(topic);
            if let Some(head) = &self.head {
                let machine = head.description.machine.to_string();
                let about = [
                    ("suite", VERSION.to_owned()),
                    ("world", head.world.clone()),
                    ("implementation", head.description.implementation.clone()),
                    ("machine", machine),
                    ("seed", head.seed.to_string()),
                ];
                suite.add_properties(about.map(|(name, value)| Property::new(name, value)));
            }
            self.suites.push(suite);
        }
        let mut status = match report.outcome {
            Outcome::Passed => TestCaseStatus::success(),
            Outcome::Failed | Outcome::UnexpectedPass => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Outcome::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
            Outcome::Skipped | Outcome::ExpectedDifference => TestCaseStatus::skipped(),
        };
        if let Some(reason) = &report.reason {
            status.set_message(format!("{}: {reason}", report.outcome));
        }
        if let Some(details) = &report.details {
            status.set_description(details.as_str());
        }
        let mut case = TestCase::new(report.case.id, status);
        case.set_time(report.elapsed);
        case.set_classname(report.case.requirements.join(" "));
        if let Some(suite) = self.suites.last_mut() {
            suite.add_test_case(case);
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        if !summary.stale.is_empty() {
            let mut suite = TestSuite::new("known-differences");
            for stale in &summary.stale {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(stale.as_str());
                suite.add_test_case(TestCase::new("out-of-date", status));
            }
            self.suites.push(suite);
        }
        let mut report = Report::new("ipq-conformance");
        report.set_time(summary.elapsed);
        report.add_test_suites(std::mem::take(&mut self.suites));
        report.serialize(&mut self.output).map_err(io::Error::other)?;
        writeln!(self.output)
    }
}
