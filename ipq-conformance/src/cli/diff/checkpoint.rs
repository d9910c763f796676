//! The figures of a diff, kept in a file: the checkpoint from which an interrupted run goes on, and
//! the report of a run that is over.

use super::super::{Failure, unable};
use crate::partition::Partition;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The least time between two writes of the checkpoint while a diff runs. The end of the run always
/// writes it.
const BETWEEN: Duration = Duration::from_secs(5);

/// The most bytes of a checkpoint that are read: 64 MiB. The recording of a difference is its
/// longest part.
const MOST_BYTES: u64 = 1 << 26;

/// The whole checkpoint: an object whose one key `diff` tells it from other reports.
#[derive(Deserialize, Serialize)]
pub(in crate::cli) struct Checkpoint {
    pub(in crate::cli) diff: Figures,
}

/// The settings of a diff, and its results so far.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::cli) struct Figures {
    /// The worlds, the part of the suite and the first seed.
    #[serde(flatten)]
    pub(in crate::cli) choice: Choice,
    /// The number of sequences of the whole diff, not only of this `partition`.
    pub(in crate::cli) cases: u64,
    /// The partition of the sequences that this run compares; `None` compares all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) partition: Option<Partition>,
    /// The seed at which the diff goes on. Every lower seed of this `partition` was compared
    /// already.
    pub(in crate::cli) next: u64,
    /// The number of sequences that both worlds answered alike.
    pub(in crate::cli) equal: u64,
    /// The number of sequences with a known difference, by the reason for it.
    pub(in crate::cli) known: BTreeMap<String, u64>,
    /// The unknown difference with the lowest seed; `None` if there is none so far.
    pub(in crate::cli) difference: Option<Found>,
    /// The time that the run took, over all its starts and merged parts, in seconds.
    pub(in crate::cli) seconds: f64,
}

/// The settings that stay the same in all starts and partitions of a diff.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(in crate::cli) struct Choice {
    /// The names of the first and the second world.
    pub(in crate::cli) worlds: [String; 2],
    /// The part of the suite: `ip_queue` or `nfqueue`.
    pub(in crate::cli) part: String,
    /// The seed of the first sequence.
    pub(in crate::cli) seed: u64,
}

/// A sequence in which the worlds differ in an unknown way.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::cli) struct Found {
    /// The seed of the sequence.
    pub(in crate::cli) seed: u64,
    /// The description of the difference, over several lines.
    pub(in crate::cli) text: String,
    /// The steps that the difference needs, as a recording of the first world.
    pub(in crate::cli) recording: Box<RawValue>,
}

impl Figures {
    /// Returns the figures of a diff before its first sequence.
    pub(super) const fn new(choice: Choice, cases: u64, partition: Option<Partition>) -> Self {
        Self {
            next: choice.seed,
            choice,
            cases,
            partition,
            equal: 0,
            known: BTreeMap::new(),
            difference: None,
            seconds: 0.0,
        }
    }

    /// Returns the range of seeds from `next` to the end of the whole diff, not only those of this
    /// `partition`; `None` if the range's end is too large for a `u64`.
    pub(in crate::cli) fn left(&self) -> Option<Range<u64>> {
        Some(self.next..self.choice.seed.checked_add(self.cases)?)
    }

    /// Returns the number of sequences with a known difference.
    pub(in crate::cli) fn known(&self) -> u64 {
        self.known.values().sum()
    }

    /// Writes the counts as lines of text: one line for each reason of known differences, then one
    /// with the totals.
    pub(super) fn report(&self, output: &mut impl Write) -> io::Result<()> {
        for (reason, count) in &self.known {
            writeln!(output, "known       {count} × {reason}")?;
        }
        let (equal, known) = (self.equal, self.known());
        let part = self.partition.map(|part| format!(", part {part}")).unwrap_or_default();
        writeln!(
            output,
            "{} sequences from seed {} on{part}: {equal} equal, {known} different as is known",
            equal + known,
            self.choice.seed
        )
    }
}

/// The writer of the checkpoint's file, which also measures the time of the run. Without a path it
/// writes nothing.
pub(super) struct Keeper {
    path: Option<PathBuf>,
    begun: Instant,
    /// The seconds that earlier starts of the run took.
    before: f64,
    written: Instant,
}

impl Keeper {
    /// Returns a keeper for the checkpoint `path`, and the figures to go on from: those in the file
    /// if it is there, else `fresh`. An error if the file can't be read, is no checkpoint, is of
    /// another diff or partition, or goes on outside the sequences of `fresh`. The number of
    /// sequences may have changed.
    pub(super) fn open(path: Option<&Path>, fresh: Figures) -> Result<(Self, Figures), Failure> {
        let figures = match path {
            Some(path) => resumed(path, fresh).map_err(|problem| {
                let path = path.display();
                unable(format_args!(
                    "{path} {problem}; name another file, or remove it to begin anew"
                ))
            })?,
            None => fresh,
        };
        let keeper = Self {
            path: path.map(Path::to_owned),
            begun: Instant::now(),
            before: figures.seconds,
            written: Instant::now(),
        };
        Ok((keeper, figures))
    }

    /// Writes the figures if five seconds have passed since they were last written, or since
    /// [`open`](Self::open).
    pub(super) fn keep(&mut self, figures: &mut Figures) -> Result<(), Failure> {
        if self.written.elapsed() < BETWEEN {
            return Ok(());
        }
        self.write(figures)
    }

    /// Sets the time in `figures`, and writes them to the file, if the keeper has a path.
    pub(super) fn write(&mut self, figures: &mut Figures) -> Result<(), Failure> {
        figures.seconds = self.before + self.begun.elapsed().as_secs_f64();
        self.written = Instant::now();
        let Some(path) = &self.path else { return Ok(()) };
        let checkpoint = Checkpoint { diff: figures.clone() };
        let line = serde_json::to_string(&checkpoint).map_err(unable)?;
        write_at_once(path, &(line + "\n")).map_err(|error| {
            unable(format_args!(
                "{} can't be written: {error}; name a file in a folder that may be written to",
                path.display()
            ))
        })
    }
}

/// Returns the figures in a checkpoint, but with the number of sequences from `fresh`; `fresh`
/// itself if there is no file. An error if the file can't be read, is no checkpoint, is of another
/// diff or partition, or has a `next` that is neither a sequence of `fresh` nor the one right after
/// the last.
fn resumed(path: &Path, fresh: Figures) -> Result<Figures, String> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(fresh),
        read => read.map_err(|error| format!("can't be read: {error}"))?,
    };
    let checkpoint: Checkpoint =
        serde_json::from_str(&text).map_err(|error| format!("is no checkpoint of a diff: {error}"))?;
    let figures = checkpoint.diff;
    if figures.choice != fresh.choice || figures.partition != fresh.partition {
        return Err("is the checkpoint of another diff: it has other worlds, another seed or another part".to_owned());
    }
    let cases = fresh.cases;
    let range = fresh.left().unwrap_or_default();
    if !(range.start..=range.end).contains(&figures.next) {
        return Err(format!(
            "is at seed {}, which is none of the {cases} sequences",
            figures.next
        ));
    }
    Ok(Figures { cases, ..figures })
}

/// Replaces a file as a whole, so that it has the old text or the new one at each moment.
fn write_at_once(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
