//! `merge` for reports of `replay`.

use super::{Part, Whole, expect_all_parts};
use crate::cli::replay::{Counts, Summary};
use crate::cli::{Failure, unable};
use serde::Deserialize;
use std::collections::HashMap;

/// The keys that a merge needs from the line of a scenario or of an error. An error has no outcome.
#[derive(Deserialize)]
struct Entry {
    file: String,
    line: Option<usize>,
    #[serde(default)]
    outcome: Option<String>,
    #[serde(default)]
    frames: usize,
}

/// Returns the report of the whole replay: the scenarios of all parts, file by file, in the order
/// of their lines, and a summary. An error that several parts report alike, such as a line that
/// can't be read, appears once. Fails, among others, if a scenario is in two reports, or if a part
/// is missing or there twice.
pub(super) fn merged(parts: &[Part]) -> Result<Whole, Failure> {
    let mut files: Vec<String> = Vec::new();
    let mut entries: HashMap<(usize, Option<usize>), (&str, Entry, &str)> = HashMap::new();
    let mut partitions = Vec::new();
    for part in parts {
        let (end, last) = part.lines().last().unwrap_or_default();
        let last: Summary = part.parse(end, last)?;
        partitions.push((part.source.as_str(), last.partition));
        for (number, line) in part.lines().take_while(|(number, _)| *number < end) {
            let entry: Entry = part.parse(number, line)?;
            let file = files.iter().position(|file| *file == entry.file).unwrap_or_else(|| {
                files.push(entry.file.clone());
                files.len() - 1
            });
            let (place, fails) = ((file, entry.line), entry.outcome.is_none());
            match entries.insert(place, (line, entry, part.source.as_str())) {
                Some((other, _, source)) if other != line || !fails => {
                    return Err(part.wrong(number, format_args!("{source} has the result of that scenario, too")));
                }
                _ => {}
            }
        }
    }
    expect_all_parts(partitions.into_iter())?;
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|(place, _)| *place);
    let mut counts = Counts::default();
    for (_, (_, entry, source)) in &entries {
        counts.frames += entry.frames;
        let count = match entry.outcome.as_deref() {
            Some("equal") => &mut counts.equal,
            Some("expected") => &mut counts.expected,
            Some("different") => &mut counts.different,
            Some(other) => return Err(unable(format_args!("{source}: there is no outcome {other:?}"))),
            None => &mut counts.errors,
        };
        *count += 1;
    }
    let end = counts.end();
    let summary = Summary {
        summary: counts,
        partition: None,
    };
    let mut lines: Vec<_> = entries.into_iter().map(|(_, (line, ..))| line.to_owned()).collect();
    lines.push(serde_json::to_string(&summary).map_err(unable)?);
    Ok(Whole { lines, end })
}
