//! `merge` for reports of `run`.

use super::{Part, Whole, expect_all_parts};
use crate::cli::{End, Failure, unable};
use crate::partition::Partition;
use crate::report::matrix::Results;
use crate::report::{CaseLine, Counts, Environment, LastLine};
use crate::suite::{Outcome, cases};
use serde_json::Value;
use std::collections::HashMap;

/// The cases that one report has for one world, and the report's last line for that world.
struct Run<'p> {
    source: &'p str,
    cases: Vec<Tried<'p>>,
    environment: Environment,
    out_of_date: Vec<String>,
    partition: Option<Partition>,
}

/// A case in a report: its id, its outcome and the whole line.
struct Tried<'p> {
    id: String,
    outcome: Outcome,
    line: &'p str,
}

/// Returns the report of the whole run, world by world: the cases of all parts in the order of the
/// suite, and a summary for the world. Worlds come in the order in which the parts first have them.
pub(super) fn merged(parts: &[Part]) -> Result<Whole, Failure> {
    let mut runs = Vec::new();
    for part in parts {
        runs.extend(runs_of(part)?);
    }
    let mut lines = Vec::new();
    let mut ends = Vec::new();
    while let Some(first) = runs.first() {
        let world = first.environment.world.clone();
        let (of_world, others) = runs.into_iter().partition(|run| run.environment.world == world);
        runs = others;
        ends.push(merge_world(of_world, &mut lines)?);
    }
    let end = [End::Bad, End::Good].into_iter().find(|end| ends.contains(end));
    Ok(Whole {
        lines,
        end: end.unwrap_or(End::Nothing),
    })
}

fn runs_of(part: &Part) -> Result<Vec<Run<'_>>, Failure> {
    // Reading the results checks the report as `matrix` does.
    Results::read(&part.source, part.text.as_bytes()).map_err(unable)?;
    let mut runs = Vec::new();
    let mut cases = Vec::new();
    for (number, line) in part.lines() {
        let value: Value = part.parse(number, line)?;
        if value.get("summary").is_none() {
            let case: CaseLine = part.parse(number, line)?;
            let outcome = Outcome::ALL.into_iter().find(|known| known.name() == case.outcome);
            cases.push(Tried {
                outcome: outcome.ok_or_else(|| part.wrong(number, "there is no such outcome"))?,
                id: case.id,
                line,
            });
            continue;
        }
        let last: LastLine = part.parse(number, line)?;
        runs.push(Run {
            source: &part.source,
            cases: std::mem::take(&mut cases),
            environment: last.environment,
            out_of_date: last.out_of_date,
            partition: last.partition,
        });
    }
    Ok(runs)
}

/// Appends the cases of `runs`, which were all in one world, to `lines`, and one summary for all.
/// Returns how the whole run ends. An error if a case is there twice, or if [`expect_all_parts`] or
/// [`expect_same`] finds something wrong.
fn merge_world(runs: Vec<Run<'_>>, lines: &mut Vec<String>) -> Result<End, Failure> {
    expect_all_parts(runs.iter().map(|run| (run.source, run.partition)))?;
    let mut merged: Option<(Environment, &str)> = None;
    let mut out_of_date = Vec::new();
    let mut sources = HashMap::new();
    let mut tried = Vec::new();
    for run in runs {
        match &merged {
            None => merged = Some((run.environment, run.source)),
            Some((first, source)) => expect_same(first, source, &run.environment, run.source)?,
        }
        for case in run.cases {
            if let Some(other) = sources.insert(case.id.clone(), run.source) {
                return Err(unable(format_args!(
                    "{} was run in {other} and in {}: merge the parts of one run",
                    case.id, run.source
                )));
            }
            tried.push(case);
        }
        let news = run.out_of_date.into_iter();
        let news: Vec<_> = news.filter(|stale| !out_of_date.contains(stale)).collect();
        out_of_date.extend(news);
    }
    let Some((environment, _)) = merged else {
        return Ok(End::Nothing);
    };
    let known = cases::every();
    let places: HashMap<_, _> = known.iter().enumerate().map(|(place, case)| (case.id, place)).collect();
    // Cases of another version of the suite come last.
    tried.sort_by_key(|case| places.get(case.id.as_str()).copied().unwrap_or(usize::MAX));
    let bad = !out_of_date.is_empty() || tried.iter().any(|case| case.outcome.is_bad());
    let nothing = tried.iter().all(|case| case.outcome == Outcome::Skipped);
    let last = LastLine {
        summary: Counts::of(|outcome| tried.iter().filter(|case| case.outcome == outcome).count()),
        environment,
        out_of_date,
        partition: None,
    };
    lines.extend(tried.into_iter().map(|case| case.line.to_owned()));
    lines.push(serde_json::to_string(&last).map_err(unable)?);
    Ok(match (bad, nothing) {
        (true, _) => End::Bad,
        (false, true) => End::Nothing,
        (false, false) => End::Good,
    })
}

/// Fails if two parts were not run on the same implementation in the same way: if their
/// environments differ in anything but the date. `source` and `of_other` are the names of their
/// reports.
fn expect_same(first: &Environment, source: &str, other: &Environment, of_other: &str) -> Result<(), Failure> {
    let fields = |environment| serde_json::to_value(environment).map_err(unable);
    let (first, other) = (fields(first)?, fields(other)?);
    let keys = first.as_object().into_iter().flatten().map(|(key, _)| key);
    match keys.filter(|key| *key != "date").find(|key| first[*key] != other[*key]) {
        Some(key) => Err(unable(format_args!(
            "{source} and {of_other} were not run alike: {key} is {} in one and {} in the other",
            first[key], other[key]
        ))),
        None => Ok(()),
    }
}
