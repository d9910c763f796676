//! `record`: does the steps of recordings, of cases or of generated sequences, and writes down the
//! answers.

use super::suggest::refuse_unknown;
use super::{End, Failure, Part, RecordArguments, find_world, unable, unless_possible};
use crate::diff;
use crate::partition::Partition;
use crate::recording::{Embedded, Reader, Recording, write_all};
use crate::replay::{ReplayError, record as record_on};
use crate::suite::runner::Runner;
use crate::suite::{Case, Filter, KnownDifferences, Outcome, cases};
use crate::world::{Rule, Spread, Step, Target, World, WorldFactory};
use std::fmt::Display;
use std::io::{self, BufRead};
use std::sync::Arc;

pub(super) fn record(worlds: &[Arc<dyn WorldFactory>], arguments: &RecordArguments) -> Result<End, Failure> {
    let factory = find_world(worlds, &arguments.world)?;
    refuse_unknown(&arguments.cases, &[])?;
    // Each case tells for itself what it needs of the world.
    if arguments.cases.is_empty()
        && let Some(end) = unless_possible(factory.as_ref(), &arguments.part.setup())
    {
        return Ok(end);
    }
    let mut recorder = Recorder {
        factory,
        partition: arguments.partition,
        recorded: 0,
        left_out: 0,
        failed: 0,
    };
    if !arguments.cases.is_empty() {
        recorder.cases(&arguments.cases)?;
    } else if let Some(count) = arguments.generated {
        recorder.generated(arguments.part, arguments.seed, count)?;
    } else if arguments.files.is_empty() {
        for file in Embedded::ALL {
            recorder.file(file.reader())?;
        }
    }
    for path in &arguments.files {
        match Reader::open(path) {
            Ok(reader) => recorder.file(reader)?,
            Err(error) => recorder.error(&error),
        }
    }
    Ok(recorder.end())
}

struct Recorder {
    factory: Arc<dyn WorldFactory>,
    /// The part of the scenarios to record; `None` records all.
    partition: Option<Partition>,
    recorded: usize,
    /// The number of cases that were left out, though nothing went wrong.
    left_out: usize,
    failed: usize,
}

impl Recorder {
    /// Does the scenarios of one file that are in this part, each in a world of its own, up to the
    /// first line that can't be read. Writes each to standard output as soon as it is recorded.
    /// Reports those that can't be recorded, and leaves them out.
    fn file<R: BufRead>(&mut self, mut reader: Reader<R>) -> io::Result<()> {
        while let Some(read) = reader.next() {
            if read.as_ref().is_ok_and(|recording| self.is_elsewhere(&recording.name)) {
                continue;
            }
            let recorded = read.and_then(|recording| {
                let recorded = self
                    .create()
                    .and_then(|mut world| record_on(&recording, world.as_mut()));
                recorded.map_err(|error| reader.error(error.into()))
            });
            match recorded {
                Ok(recorded) => self.write(&recorded)?,
                Err(error) => self.error(&error),
            }
        }
        Ok(())
    }

    /// Runs the cases that `filters` choose and that are in this part, and writes the steps of each
    /// that passed and that a recording can hold. Says why another was left out.
    fn cases(&mut self, filters: &[String]) -> Result<(), Failure> {
        let filter = Filter::new(filters, &[], true);
        let known = KnownDifferences::built_in().map_err(unable)?;
        let runner = Runner::new(Arc::clone(&self.factory), known, 0);
        for case in cases::all() {
            if !filter.chooses(&case) || self.is_elsewhere(case.id) {
                continue;
            }
            match runner.record_case(&case) {
                Ok(recorded) => self.case(&case, &recorded)?,
                Err(report) if matches!(report.outcome, Outcome::Failed | Outcome::Broken) => {
                    self.error(&format!("{}: {}", case.id, report.reason.unwrap_or_default()));
                }
                Err(report) => {
                    let reason = report
                        .reason
                        .unwrap_or_else(|| "it has too many steps, or a setup that recordings do not state".into());
                    self.leave_out(&case, &reason);
                }
            }
        }
        Ok(())
    }

    fn case(&mut self, case: &Case, recorded: &Recording) -> io::Result<()> {
        if let Some(reason) = irreproducible(recorded) {
            self.leave_out(case, reason);
        } else if recorded.to_line().is_none() {
            self.leave_out(case, "it has a step that recordings have no word for");
        } else {
            self.write(recorded)?;
        }
        Ok(())
    }

    /// Records the sequences of this part that `count` seeds from `first` on generate.
    fn generated(&mut self, part: Part, first: u64, count: u64) -> Result<(), Failure> {
        let after = first.checked_add(count);
        let seeds = first..after.ok_or_else(|| unable("there are not so many seeds: give a smaller --seed"))?;
        for seed in seeds {
            let (plan, name) = part.scenario(seed);
            if self.is_elsewhere(&name) {
                continue;
            }
            let recorded = self
                .create()
                .and_then(|mut world| diff::record(&plan, &name, world.as_mut()));
            match recorded {
                Ok(recorded) => self.write(&recorded)?,
                Err(error) => self.error(&format!("{name}: {error}")),
            }
        }
        Ok(())
    }

    fn create(&self) -> Result<Box<dyn World>, ReplayError> {
        let created = self.factory.create();
        created.map_err(|error| ReplayError::World { step: None, error })
    }

    /// Returns whether the scenario with this name is in another part.
    fn is_elsewhere(&self, name: &str) -> bool {
        self.partition.is_some_and(|part| !part.has(name))
    }

    fn write(&mut self, recorded: &Recording) -> io::Result<()> {
        self.recorded += 1;
        write_all(&mut io::stdout().lock(), [recorded])
    }

    fn leave_out(&mut self, case: &Case, reason: &str) {
        self.left_out += 1;
        eprintln!("ipq-conformance: left out {}: {reason}", case.id);
    }

    fn error(&mut self, error: &impl Display) {
        self.failed += 1;
        eprintln!("ipq-conformance: {error}");
    }

    /// Says how many scenarios were recorded, and returns how the command ends.
    fn end(&self) -> End {
        let left_out = match self.left_out {
            0 => String::new(),
            count => format!(", {count} left out"),
        };
        eprintln!(
            "ipq-conformance: {} scenarios recorded, {} not{left_out}",
            self.recorded, self.failed
        );
        match (self.recorded, self.failed) {
            (0, 0) => End::Nothing,
            (_, 0) => End::Good,
            _ => End::Unable,
        }
    }
}

/// Returns why another world may answer the steps otherwise, even if it does all that it must;
/// `None` if there is no such reason.
fn irreproducible(recorded: &Recording) -> Option<&'static str> {
    let steps = || recorded.steps.iter().map(|recorded| &recorded.step);
    let added = steps().filter_map(|step| match step {
        Step::AddRule { rule } => Some(rule),
        _ => None,
    });
    let mut rules = recorded.setup.rules.iter().chain(added);
    if steps().any(|step| matches!(step, Step::Poll { .. } | Step::Advance { .. } | Step::Clock)) {
        Some("the time of a step can't be compared")
    } else if rules.any(balances) {
        Some("each machine spreads packets over queues by a hash of its own")
    } else {
        None
    }
}

/// Returns whether the rule sends packets to one of several queues by a hash (NFQ-16).
fn balances(rule: &Rule) -> bool {
    match rule.target {
        Target::NumberedQueue(queue) => queue.first != queue.last && queue.spread == Spread::Balance,
        _ => false,
    }
}
