//! Recordings: what was done to a real kernel, and what it answered, one scenario a line.
//!
//! The format is described in the README beside the recordings, so that they can be used from any language. A [`Reader`]
//! takes one line at a time, however long the file, and is strict: what it does not know it refuses, with the place and the
//! reason, since a scenario that is read wrongly proves nothing.
//!
//! Beside the steps of real kernels, which that README describes, it reads and writes those that only an emulator can answer
//! alike at each time, so that a generated sequence can be replayed. Times are in nanoseconds.
//!
//! | `op` | what was done | what was seen |
//! |---|---|---|
//! | `bind` | an open socket is bound to `port_id` | `errno`; `bound`: to what it is bound now, 0 if it is not |
//! | `port_id` | | `bound` |
//! | `poll` | waiting for input, `timeout_ns` at most | `readable`, `error`, `waited_ns` |
//! | `socket_error` | SO_ERROR read | `errno` |
//! | `advance` | `ns` pass | |
//! | `clock` | | `since_begin_ns` |
//! | `module` | that of `family` is `loaded`, or unloaded | then `text` or `value` of what is read of it is null |
//! | `account` | | `entered`, `delivered`, `queued`, and `dropped` by reason |
//!
//! | what | at most |
//! |---|---|
//! | a line | [`MOST_LINE_BYTES`] |
//! | `count` of an `inject` | [`MOST_INJECTED`](crate::world::MOST_INJECTED) |

mod embedded;
mod format;
mod usage;

use crate::world::{Observation, Setup, Step};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

pub use embedded::Embedded;
pub use usage::Misuse;

/// The longest line that is read, in bytes. The longest recording that there is has 18,000.
pub const MOST_LINE_BYTES: usize = 16 << 20;

/// One scenario: what was done, and what was seen each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its name, unique in its file.
    pub name: String,
    /// The machine that it was recorded on, the rules in force, and the process id where a step depends on it.
    pub setup: Setup,
    /// In order; between two steps the kernel had come to rest.
    pub steps: Vec<RecordedStep>,
}

/// A step, and what was seen when it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStep {
    /// What was done.
    pub step: Step,
    /// What was seen.
    pub seen: Observation,
}

impl Recording {
    /// Reads the scenario in one line of JSON.
    pub fn parse(line: &str) -> Result<Self, Problem> {
        let recording = format::parse(line)?;
        usage::check_names(&recording)?;
        Ok(recording)
    }

    /// Writes it as one line of JSON, without the line's end. `None` if a step is none of the recordings' vocabulary, or if
    /// it names no machine.
    #[must_use]
    pub fn to_line(&self) -> Option<String> {
        format::write(self)
    }

    /// The first step that can't be done because a call that it stands on had failed when the scenario was recorded: the
    /// scenario is malformed from there on.
    #[must_use]
    pub fn misuse(&self) -> Option<Misuse> {
        usage::first_misuse(self)
    }
}

/// Reads recordings one line at a time.
#[derive(Debug)]
pub struct Reader<R> {
    source: String,
    input: R,
    line: usize,
    ended: bool,
}

impl Reader<BufReader<File>> {
    /// Opens a file of recordings.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let source = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Self::new(source, BufReader::new(file))),
            Err(error) => Err(RecordingError {
                source_name: source,
                line: None,
                problem: Problem::in_scenario(format!("can't be opened: {error}")),
            }),
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`, which error messages call `source`.
    pub fn new(source: impl Into<String>, input: R) -> Self {
        Self {
            source: source.into(),
            input,
            line: 0,
            ended: false,
        }
    }

    /// What error messages call the input.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The number of the line that was read last, from 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The error that `problem` is in the line that was read last.
    #[must_use]
    pub fn error(&self, problem: Problem) -> RecordingError {
        RecordingError {
            source_name: self.source.clone(),
            line: Some(self.line),
            problem,
        }
    }

    fn read_line(&mut self) -> Result<Option<String>, Problem> {
        let mut bytes = Vec::new();
        let limit = MOST_LINE_BYTES as u64 + 1;
        let read = (&mut self.input).take(limit).read_until(b'\n', &mut bytes);
        match read {
            Err(error) => Err(Problem::in_scenario(format!("can't be read: {error}"))),
            Ok(0) => Ok(None),
            Ok(_) if bytes.len() > MOST_LINE_BYTES => Err(Problem::in_scenario(format!(
                "the line has more than {MOST_LINE_BYTES} bytes: no recording is so long"
            ))),
            Ok(_) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|error| Problem::in_scenario(format!("the line is no UTF-8 text: {}", error.utf8_error()))),
        }
    }
}

/// Ends after the first error: what follows a line that can't be read can't be trusted to be what it seems.
impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Recording, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.line += 1;
        let parsed = match self.read_line() {
            Ok(None) if self.line == 1 => Err(Problem::in_scenario("there is no scenario in it")),
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Ok(Some(line)) => Recording::parse(&line),
            Err(problem) => Err(problem),
        };
        self.ended = parsed.is_err();
        Some(parsed.map_err(|problem| self.error(problem)))
    }
}

/// Writes recordings, one line each.
pub fn write_all<'r>(
    output: &mut impl Write,
    recordings: impl IntoIterator<Item = &'r Recording>,
) -> std::io::Result<()> {
    for recording in recordings {
        let line = recording.to_line().ok_or_else(|| {
            std::io::Error::other(format!(
                "{} has a step that recordings have no word for",
                recording.name
            ))
        })?;
        writeln!(output, "{line}")?;
    }
    Ok(())
}

/// A file of recordings that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct RecordingError {
    /// The file.
    pub source_name: String,
    /// The line, from 1; `None` if the file could not be opened.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a line, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", .step.map(|step| format!("step {step}: ")).unwrap_or_default())]
pub struct Problem {
    /// The step, from 1, if it is in one.
    pub step: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl Problem {
    pub(crate) fn in_scenario(what: impl Into<String>) -> Self {
        Self {
            step: None,
            what: what.into(),
        }
    }

    pub(crate) fn in_step(step: usize, what: impl Into<String>) -> Self {
        Self {
            step: Some(step),
            what: what.into(),
        }
    }
}
