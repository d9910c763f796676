//! `replay`: does the steps of recordings, and compares the answers.

use super::{End, Failure, ReplayArguments, ReplayFormat, find_world, standard_output, unable, unless_possible};
use crate::partition::Partition;
use crate::recording::{Embedded, Reader, Recording, RecordingError};
use crate::replay::{ReplayError, Replayed, known_order, replay as replay_on};
use crate::world::{Setup, WorldError, WorldFactory};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

pub(super) fn replay(worlds: &[Arc<dyn WorldFactory>], arguments: &ReplayArguments) -> Result<End, Failure> {
    let factory = find_world(worlds, &arguments.world)?;
    if let Some(end) = unless_possible(factory.as_ref(), &Setup::default()) {
        return Ok(end);
    }
    let mut replayer = Replayer {
        factory: factory.as_ref(),
        format: arguments.format,
        partition: arguments.partition,
        output: standard_output(),
        counts: Counts::default(),
    };
    if arguments.files.is_empty() {
        for file in Embedded::ALL {
            replayer.file(file.reader())?;
        }
    }
    for path in &arguments.files {
        match Reader::open(path) {
            Ok(reader) => replayer.file(reader)?,
            Err(error) => replayer.error(&error)?,
        }
    }
    replayer.end()
}

/// The numbers of scenarios by outcome, of errors (scenarios that could not be replayed, and lines
/// and files that could not be read), and of frames compared.
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
pub(super) struct Counts {
    pub(super) different: usize,
    pub(super) equal: usize,
    pub(super) errors: usize,
    pub(super) expected: usize,
    pub(super) frames: usize,
}

impl Counts {
    /// Returns how the command ends: unable after an error, otherwise bad after an unexpected
    /// difference, otherwise good.
    pub(super) const fn end(self) -> End {
        match (self.errors, self.different) {
            (0, 0) => End::Good,
            (0, _) => End::Bad,
            _ => End::Unable,
        }
    }
}

/// The last line of a replay's report in JSON.
#[derive(Deserialize, Serialize)]
pub(super) struct Summary {
    pub(super) summary: Counts,
    /// The part of the scenarios that was replayed; `None` if all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) partition: Option<Partition>,
}

struct Replayer<'w, W> {
    factory: &'w dyn WorldFactory,
    format: ReplayFormat,
    /// The part of the scenarios to replay; `None` replays all.
    partition: Option<Partition>,
    output: W,
    counts: Counts,
}

impl<W: Write> Replayer<'_, W> {
    /// Replays those scenarios of one file that are in this part, counts them by outcome, and
    /// reports them; the report for people leaves out equal ones. Stops at the first line that
    /// can't be read, since nothing after it can be trusted.
    fn file<R: BufRead>(&mut self, mut reader: Reader<R>) -> io::Result<()> {
        while let Some(read) = reader.next() {
            let elsewhere = |recording: &Recording| self.partition.is_some_and(|part| !part.has(&recording.name));
            if read.as_ref().is_ok_and(elsewhere) {
                continue;
            }
            let done = read.and_then(|recording| {
                let replayed = self.scenario(&recording);
                replayed
                    .map_err(|error| reader.error(error.into()))
                    .map(|replayed| (recording, replayed))
            });
            match done {
                Ok((recording, replayed)) => self.report(&reader, &recording, &replayed)?,
                Err(error) => self.error(&error)?,
            }
        }
        Ok(())
    }

    fn scenario(&self, recording: &Recording) -> Result<Replayed, ReplayError> {
        let unable = |error: WorldError| ReplayError::World { step: None, error };
        let mut world = self.factory.create().map_err(unable)?;
        replay_on(recording, world.as_mut())
    }

    fn report<R: BufRead>(&mut self, reader: &Reader<R>, recording: &Recording, replayed: &Replayed) -> io::Result<()> {
        self.counts.frames += replayed.frames;
        let (file, line) = (reader.source(), reader.line());
        let difference = replayed.difference.as_ref();
        let known = difference
            .filter(|_| self.factory.name() == "sim")
            .and_then(|difference| known_order(recording, difference));
        let (count, outcome) = match (difference, known) {
            (None, _) => (&mut self.counts.equal, "equal"),
            (Some(_), Some(_)) => (&mut self.counts.expected, "expected"),
            (Some(_), None) => (&mut self.counts.different, "different"),
        };
        *count += 1;
        match (self.format, difference, known) {
            (ReplayFormat::Human, None, _) => Ok(()),
            (ReplayFormat::Human, Some(difference), Some(reason)) => {
                let step = difference.step;
                writeln!(
                    self.output,
                    "expected   {file}:{line}: {}, step {step}: {reason}",
                    recording.name
                )
            }
            (ReplayFormat::Human, Some(difference), None) => {
                writeln!(self.output, "different  {file}:{line}: {difference}")
            }
            (ReplayFormat::Json, difference, known) => {
                let mut entry = json!({
                    "file": file,
                    "line": line,
                    "scenario": recording.name,
                    "outcome": outcome,
                    "frames": replayed.frames,
                });
                if let (Some(difference), Some(entry)) = (difference, entry.as_object_mut()) {
                    entry.insert("step".into(), difference.step.into());
                    entry.insert("reason".into(), known.unwrap_or(&difference.what).into());
                    entry.insert("details".into(), difference.to_string().into());
                }
                writeln!(self.output, "{entry}")
            }
        }
    }

    fn error(&mut self, error: &RecordingError) -> io::Result<()> {
        self.counts.errors += 1;
        eprintln!("ipq-conformance: {error}");
        match self.format {
            ReplayFormat::Human => Ok(()),
            ReplayFormat::Json => {
                let entry = json!({
                    "file": error.source_name,
                    "line": error.line,
                    "step": error.problem.step,
                    "error": error.problem.what,
                });
                writeln!(self.output, "{entry}")
            }
        }
    }

    fn end(mut self) -> Result<End, Failure> {
        let Counts {
            equal,
            expected,
            different,
            frames,
            errors,
        } = self.counts;
        match self.format {
            ReplayFormat::Human => {
                let scenarios = equal + expected + different;
                let listed = match expected {
                    0 => String::new(),
                    _ => format!("{expected} as expected, "),
                };
                writeln!(
                    self.output,
                    "{scenarios} scenarios and {frames} frames compared: {equal} equal, {listed}{different} different"
                )?;
                if errors > 0 {
                    writeln!(self.output, "{errors} could not be replayed")?;
                }
            }
            ReplayFormat::Json => {
                let summary = Summary {
                    summary: self.counts,
                    partition: self.partition,
                };
                let line = serde_json::to_string(&summary).map_err(unable)?;
                writeln!(self.output, "{line}")?;
            }
        }
        Ok(self.counts.end())
    }
}
