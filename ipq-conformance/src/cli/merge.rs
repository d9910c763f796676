//! `merge`: puts the reports of the parts of a run together.

mod replays;
mod runs;
mod soaks;

use super::{End, Failure, MergeArguments, standard_output, unable};
use crate::partition::Partition;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// The most bytes that a report may have: 256 MiB.
const MOST_BYTES: u64 = 1 << 28;

/// The report of a part of a run, as text.
struct Part {
    /// The name of the report's file.
    source: String,
    text: String,
}

/// A whole report, and how the run ended.
struct Whole {
    lines: Vec<String>,
    end: End,
}

/// The command that wrote a report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Run,
    Replay,
    Diff,
}

pub(super) fn merge(arguments: &MergeArguments) -> Result<End, Failure> {
    let parts = arguments.reports.iter().map(|path| Part::open(path));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let kinds = parts.iter().map(Part::kind).collect::<Result<Vec<_>, _>>()?;
    let (first, kind) = match (parts.first(), kinds.first()) {
        (Some(first), Some(kind)) => (first, *kind),
        _ => return Err(unable("name the reports of the parts")),
    };
    if let Some(other) = kinds.iter().position(|other| *other != kind) {
        return Err(unable(format_args!(
            "{} and {} are reports of two commands: merge those of one",
            first.source, parts[other].source
        )));
    }
    let Whole { lines, end } = match kind {
        Kind::Run => runs::merged(&parts)?,
        Kind::Replay => replays::merged(&parts)?,
        Kind::Diff => soaks::merged(&parts)?,
    };
    let text = lines.into_iter().map(|line| line + "\n").collect::<String>();
    write(&text, arguments.output.as_deref())?;
    Ok(end)
}

fn write(text: &str, path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else {
        return Ok(std::io::Write::write_all(&mut standard_output(), text.as_bytes())?);
    };
    fs::write(path, text).map_err(|error| {
        unable(format_args!(
            "{} can't be written: {error}; name another file with --output, or none for standard output",
            path.display()
        ))
    })
}

impl Part {
    fn open(path: &Path) -> Result<Self, Failure> {
        let source = path.display().to_string();
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
        if let Err(error) = read {
            return Err(unable(format_args!(
                "{source} can't be read: {error}; name reports that `--format json` has written"
            )));
        }
        if text.len() as u64 > MOST_BYTES {
            return Err(unable(format_args!(
                "{source} has more than {MOST_BYTES} bytes, and no report is so long"
            )));
        }
        Ok(Self { source, text })
    }

    /// Returns each line with its number, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Returns which command wrote the report, which the keys of its last line tell. An error if
    /// the last line is neither a summary nor a checkpoint.
    fn kind(&self) -> Result<Kind, Failure> {
        let (number, last) = self.lines().last().unwrap_or((1, ""));
        let last: Value = self.parse(number, last)?;
        let summary = &last["summary"];
        if summary.get("passed").is_some() {
            Ok(Kind::Run)
        } else if summary.get("equal").is_some() {
            Ok(Kind::Replay)
        } else if last.get("diff").is_some() {
            Ok(Kind::Diff)
        } else {
            Err(self.wrong(
                number,
                "the report ends without its summary: the run was ended before its time, or the file was cut; run it again",
            ))
        }
    }

    fn parse<T: DeserializeOwned>(&self, number: usize, line: &str) -> Result<T, Failure> {
        serde_json::from_str(line).map_err(|error| {
            let problem = crate::recording::without_line(&error);
            self.wrong(
                number,
                format_args!("{problem}; name reports that `--format json` has written"),
            )
        })
    }

    fn wrong(&self, number: usize, problem: impl Display) -> Failure {
        unable(format_args!("{}:{number}: {problem}", self.source))
    }
}

/// Fails unless the partitions are all the parts of one division, each of them once. Reports of
/// which none has a partition are also accepted. `parts` are the names of the reports, each with
/// its partition.
fn expect_all_parts<'s>(parts: impl Iterator<Item = (&'s str, Option<Partition>)>) -> Result<(), Failure> {
    let mut whole = None;
    let mut seen: BTreeMap<Partition, &str> = BTreeMap::new();
    for (source, partition) in parts {
        let Some(partition) = partition else {
            whole = Some(source);
            continue;
        };
        if let Some(other) = seen.insert(partition, source) {
            return Err(unable(format_args!("{other} and {source} are both part {partition}")));
        }
    }
    let Some((first, source)) = seen.first_key_value() else {
        return Ok(());
    };
    if let Some(whole) = whole {
        return Err(unable(format_args!(
            "{source} is part {first} of a run, and {whole} is no part: merge the parts of one run"
        )));
    }
    if let Some((other, of_other)) = seen.iter().find(|(other, _)| !first.all().any(|part| part == **other)) {
        return Err(unable(format_args!(
            "{source} is part {first} and {of_other} is part {other}: merge the parts of one run"
        )));
    }
    match first.all().find(|part| !seen.contains_key(part)) {
        Some(missing) => Err(unable(format_args!(
            "part {missing} is missing: run it with --partition {missing}, and name its report, too"
        ))),
        None => Ok(()),
    }
}
