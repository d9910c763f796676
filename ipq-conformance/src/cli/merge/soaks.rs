//! `merge` for checkpoints of `diff`.

use super::{Part, Whole, expect_all_parts};
use crate::cli::diff::checkpoint::{Checkpoint, Figures};
use crate::cli::{End, Failure, unable};

/// Returns the checkpoint of the whole diff: the sums of the parts' counts, and the difference with
/// the lowest seed. A part is over after its last sequence, or at an unknown difference. Fails if a
/// part is not over, or if the checkpoints are not all parts of one diff. A single checkpoint of a
/// whole diff is accepted, too.
pub(super) fn merged(parts: &[Part]) -> Result<Whole, Failure> {
    let mut read = Vec::new();
    for part in parts {
        let checkpoint: Checkpoint = part.parse(1, &part.text)?;
        let figures = checkpoint.diff;
        let left = figures.left().ok_or_else(|| part.wrong(1, "there are no such seeds"))?;
        if figures.difference.is_none() && !left.is_empty() {
            return Err(part.wrong(
                1,
                format_args!(
                    "the run is not over: it is at seed {}; start it again, and it goes on there",
                    figures.next
                ),
            ));
        }
        read.push((part, figures));
    }
    let of_parts = read
        .iter()
        .map(|(part, figures)| (part.source.as_str(), figures.partition));
    expect_all_parts(of_parts)?;
    let mut read = read.into_iter();
    let Some((first, mut whole)) = read.next() else {
        return Err(unable("name the checkpoints of the parts"));
    };
    if whole.partition.take().is_none() && read.len() > 0 {
        return Err(unable(format_args!(
            "{} is no part of a diff: give each run a --partition, or the whole to one",
            first.source
        )));
    }
    for (part, figures) in read {
        if (&whole.choice, whole.cases) != (&figures.choice, figures.cases) {
            return Err(unable(format_args!(
                "{} and {} have other worlds, another seed or another number of sequences: merge the parts of one run",
                first.source, part.source
            )));
        }
        add(&mut whole, figures);
    }
    let end = match &whole.difference {
        Some(_) => End::Bad,
        None if whole.equal + whole.known() == 0 => End::Nothing,
        None => End::Good,
    };
    let line = serde_json::to_string(&Checkpoint { diff: whole }).map_err(unable)?;
    Ok(Whole { lines: vec![line], end })
}

fn add(whole: &mut Figures, part: Figures) {
    whole.equal += part.equal;
    for (reason, count) in part.known {
        *whole.known.entry(reason).or_default() += count;
    }
    whole.seconds += part.seconds;
    let found = whole.difference.take().into_iter().chain(part.difference);
    whole.difference = found.min_by_key(|found| found.seed);
    // If there is a difference, the sequences up to its seed are all compared.
    whole.next = whole.difference.as_ref().map_or(whole.next, |found| found.seed + 1);
}
