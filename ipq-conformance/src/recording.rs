//! Recordings: the steps that were done to a kernel or another world, and its answers. Each line is
//! one scenario.
//!
//! The README beside the recordings describes the format, so that any language can use them. A
//! [`Reader`] takes one line at a time, however long the file is. It refuses keys, steps and
//! devices that it does not know, with the place and the reason, since a misread scenario proves
//! nothing.
//!
//! A reader also accepts the steps in this table, which the recordings of `ip_queue` do not have.
//! Times are in nanoseconds.
//!
//! | `op` | step | answer |
//! |---|---|---|
//! | `bind` | an open socket is bound to `port_id` | `errno`; `bound`: its port id now, or 0 |
//! | `port_id` | the port id of `socket` is read | `bound`: the port id, or 0 |
//! | `poll` | waits for input, `timeout_ns` at most | `readable`, `error`, `waited_ns` |
//! | `socket_error` | `SO_ERROR` is read | `errno` |
//! | `advance` | `ns` pass | |
//! | `clock` | the clock is read | `since_begin_ns` |
//! | `module` | the module of `family` is `loaded`, or not: then its files read as null | |
//! | `add_rule` | `rule` comes into force after the other rules | `added` |
//! | `account` | packets are counted | `entered`, `delivered`, `queued`, and `dropped` by reason |
//! | `sndbuf` | `SO_SNDBUF` = `value` | `actual` |
//! | `duplicate` | `socket` gets a second descriptor, the socket `duplicate` | |
//! | `cap_ack` | `NETLINK_CAP_ACK` is switched on | |
//! | `ext_ack` | `NETLINK_EXT_ACK` is switched on | |
//! | `queues_proc` | `/proc/net/netfilter/nfnetlink_queue` is read | `text` |
//! | `inject_bridged` | the frame `hex` arrives on `port` of `bridge` | `errno` |
//! | `inject_offloaded` | `hex` arrives on `device`, in segments of `segment_bytes` or null | `errno` |
//!
//! These limits hold for all recordings:
//!
//! | limit | at most |
//! |---|---|
//! | a line | [`MOST_LINE_BYTES`] |
//! | `count` of an `inject` | [`MOST_INJECTED`](crate::world::MOST_INJECTED) |

mod embedded;
mod format;
mod usage;

use crate::transcript::Event;
use crate::world::{Observation, Setup, Step};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

pub use embedded::Embedded;
#[cfg(all(target_os = "linux", feature = "exec"))]
pub(crate) use format::{QueuesJson, answer, observation, parse_rules, question, step, without_line, write_rules};
pub use usage::Misuse;

/// The length of the longest line that is read, in bytes, with its line end. The recordings that
/// come with the suite have lines of less than 60,000 bytes.
pub const MOST_LINE_BYTES: usize = 16 << 20;

/// One scenario: the steps, and what was seen after each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The scenario's name. Two scenarios of a file should not have the same name, but a reader
    /// does not check that.
    pub name: String,
    /// The machine of the recording, the rules in force, the protocol of the queues, and the
    /// process id if a step depends on it.
    pub setup: Setup,
    /// The steps in order, at least one if the recording was parsed. Before each step, the kernel
    /// had finished all work that the earlier steps caused.
    pub steps: Vec<RecordedStep>,
}

/// A step and its observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStep {
    /// The step that was done.
    pub step: Step,
    /// The observation after the step.
    pub seen: Observation,
}

impl RecordedStep {
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            step: event.step.clone(),
            seen: event.seen.clone(),
        }
    }
}

impl Recording {
    /// Parses a scenario from one line of JSON. Fails if the text is malformed, has an unknown key,
    /// or has no step, or if a step names an unknown device, a socket that no earlier step opened,
    /// or one that an earlier step closed. The names of bridges and their ports are not checked.
    /// The error has the number of the step, if it is in one that is JSON.
    pub fn parse(line: &str) -> Result<Self, Problem> {
        let recording = format::parse(line)?;
        usage::check_names(&recording)?;
        Ok(recording)
    }

    /// Returns the scenario as one line of JSON, without a line end. `None` if recordings can't
    /// express a step or a rule, if an observation is no answer to its step, or if the setup has no
    /// machine. The line does not state the setup's `never_reuse_ids` and `earlier_peer_died`.
    #[must_use]
    pub fn to_line(&self) -> Option<String> {
        format::write(self)
    }

    /// Returns the first step that uses a socket that is not open, or that opens a socket that is
    /// open already; `None` if there is no such step. The recorded answers decide which sockets are
    /// open: after a failed `socket()` the socket is not open, after a failed bind it is. The
    /// scenario is malformed from that step on.
    #[must_use]
    pub fn misuse(&self) -> Option<Misuse> {
        usage::first_misuse(self)
    }
}

/// A reader of recordings, one line at a time.
#[derive(Debug)]
pub struct Reader<R> {
    source: String,
    input: R,
    line: usize,
    ended: bool,
}

impl Reader<BufReader<File>> {
    /// Opens a file of recordings, and reads nothing yet. Fails if the file can't be opened; the
    /// error names the file.
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
    /// Returns a reader of `input`. Error messages call it `source`.
    pub fn new(source: impl Into<String>, input: R) -> Self {
        Self {
            source: source.into(),
            input,
            line: 0,
            ended: false,
        }
    }

    /// Returns the name that error messages give the input.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the number of the line that was read last, from 1; 0 before the first. Once the
    /// input has ended without an error, returns one more than the number of lines.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Returns the error for `problem` in the line that was read last.
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

/// Yields the recording of each line, and ends after the first error: the lines after it can't be
/// trusted. An empty line is an error, and so is an input without a line.
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

/// Writes recordings, one line each. Fails at the first recording for which [`Recording::to_line`]
/// returns `None` or that can't be written. The recordings before it are written by then.
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

/// The error for a file or other input of recordings that can't be read, or that has a malformed
/// line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct RecordingError {
    /// The name of the file or other input.
    pub source_name: String,
    /// The number of the line that has the problem, from 1; `None` if the file could not be opened.
    pub line: Option<usize>,
    /// The problem, with the number of its step if that is known.
    pub problem: Problem,
}

/// A problem in a scenario or its file, with the number of its step if that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", .step.map(|step| format!("step {step}: ")).unwrap_or_default())]
pub struct Problem {
    /// The number of the step, from 1; `None` if the problem is in no step, or if the scenario is
    /// not JSON.
    pub step: Option<usize>,
    /// The problem in words.
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
