//! The report for people: capabilities, a line for each topic, details of bad cases, the reasons of
//! skipped cases and expected differences, known differences that are out of date, and a summary.

use super::{Head, Reporter, VERSION};
use crate::suite::runner::{CaseReport, Summary};
use crate::suite::{Outcome, Topic};
use crate::world::Capability;
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::io::{self, Write};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// A reporter that writes text for people, with the escape sequences that colour it on a terminal.
/// Where colours are not wanted, `output` must remove these.
#[derive(Debug)]
pub struct Human<W> {
    output: W,
    head: Option<Head>,
    topic: Option<Topic>,
    counts: BTreeMap<Outcome, usize>,
    troubles: Vec<CaseReport>,
    excuses: BTreeMap<(Outcome, String), Vec<&'static str>>,
}

impl<W: Write> Human<W> {
    /// Returns a reporter that writes to `output`.
    pub const fn new(output: W) -> Self {
        Self {
            output,
            head: None,
            topic: None,
            counts: BTreeMap::new(),
            troubles: Vec::new(),
            excuses: BTreeMap::new(),
        }
    }

    fn end_topic(&mut self) -> io::Result<()> {
        let counts = std::mem::take(&mut self.counts);
        let Some(topic) = self.topic.take() else {
            return Ok(());
        };
        writeln!(self.output, "  {:<12} {}", topic.name(), tally(&counts))
    }

    fn trouble(&mut self, report: &CaseReport) -> io::Result<()> {
        let (case, output) = (&report.case, &mut self.output);
        writeln!(output, "\n{BAD}{}{BAD:#}  {HEAD}{}{HEAD:#}", report.outcome, case.id)?;
        writeln!(
            output,
            "  {} ({}; {})",
            case.title,
            case.level,
            case.requirements.join(", ")
        )?;
        writeln!(output, "  {}", report.reason.as_deref().unwrap_or_default())?;
        for line in report.details.iter().flat_map(|details| details.lines()) {
            let style = match line.as_bytes().first() {
                Some(b'-') => BAD,
                Some(b'+') => GOOD,
                _ => Style::new(),
            };
            writeln!(output, "    {style}{line}{style:#}")?;
        }
        let transcript = report.transcript.as_ref();
        if let Some(transcript) = transcript.filter(|transcript| !transcript.events().is_empty()) {
            writeln!(output, "  what was done and seen:")?;
            for line in transcript.render().lines() {
                writeln!(output, "    {FAINT}{line}{FAINT:#}")?;
            }
        }
        let command = self.head.as_ref().map(|head| head.command(case.id));
        writeln!(output, "  run it again: {}", command.unwrap_or_default())
    }
}

impl<W: Write> Reporter for Human<W> {
    fn begin(&mut self, head: &Head) -> io::Result<()> {
        self.head = Some(head.clone());
        let output = &mut self.output;
        let about = &head.description;
        writeln!(
            output,
            "{HEAD}ipq-conformance {VERSION}{HEAD:#}, world {}: {}",
            head.world, about.implementation
        )?;
        let chance = about
            .seed
            .map_or_else(String::new, |seed| format!(" (the world's own: {seed})"));
        writeln!(output, "{}, seed {}{chance}", about.machine, head.seed)?;
        let (has, lacks): (Vec<Capability>, Vec<_>) = Capability::ALL
            .iter()
            .partition(|capability| head.capabilities.has(**capability));
        let names: Vec<_> = has.iter().map(|capability| capability.name()).collect();
        for (index, names) in names.chunks(6).enumerate() {
            writeln!(
                output,
                "  {:<6} {}",
                if index == 0 { "has" } else { "" },
                names.join(", ")
            )?;
        }
        for (index, capability) in lacks.iter().enumerate() {
            let label = if index == 0 { "lacks" } else { "" };
            writeln!(
                output,
                "  {label:<6} {capability:<16} (a world with it {})",
                capability.description()
            )?;
        }
        writeln!(output)
    }

    fn case(&mut self, report: &CaseReport) -> io::Result<()> {
        let topic = report.case.topic();
        if topic != self.topic {
            self.end_topic()?;
            self.topic = topic;
        }
        *self.counts.entry(report.outcome).or_default() += 1;
        if report.outcome.is_bad() {
            self.troubles.push(report.clone());
        } else if let Some(reason) = &report.reason {
            let excused = self.excuses.entry((report.outcome, reason.clone()));
            excused.or_default().push(report.case.id);
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.end_topic()?;
        for report in std::mem::take(&mut self.troubles) {
            self.trouble(&report)?;
        }
        for ((outcome, reason), cases) in std::mem::take(&mut self.excuses) {
            writeln!(self.output, "\n{NOTE}{outcome}{NOTE:#}: {reason}")?;
            writeln!(self.output, "  {}", cases.join(", "))?;
        }
        for stale in &summary.stale {
            writeln!(self.output, "\n{BAD}out of date{BAD:#}: {stale}")?;
        }
        let counts = Outcome::ALL.map(|outcome| (outcome, summary.count(outcome)));
        let counts = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let (cases, seconds) = (summary.cases(), summary.elapsed.as_secs_f64());
        let plural = if cases == 1 { "" } else { "s" };
        writeln!(
            self.output,
            "\n{HEAD}{cases} case{plural}{HEAD:#}: {} in {seconds:.2} s",
            tally(&counts)
        )
    }
}

fn tally(counts: &BTreeMap<Outcome, usize>) -> String {
    let parts = counts.iter().map(|(outcome, count)| {
        let style = match outcome {
            Outcome::Passed => GOOD,
            Outcome::Skipped | Outcome::ExpectedDifference => NOTE,
            _ => BAD,
        };
        format!("{style}{count} {outcome}{style:#}")
    });
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}
