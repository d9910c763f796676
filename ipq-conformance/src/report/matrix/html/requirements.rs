//! The summary by requirement: a row for each rule of the protocol that a case checks. The cell of
//! each world has the worst outcome of the cases that check the rule and that ran there.

use super::{anchor, marked};
use crate::report::matrix::{Matrix, State};
use crate::suite::Outcome;
use crate::suite::requirements::{Requirement, page};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// All states in the order in which they count: the worst outcome first, and those of cases that
/// did not run last. A requirement's cell shows the first state in this list that one of its cases
/// has.
const WORST_FIRST: [State; 7] = [
    State::Run(Outcome::Failed),
    State::Run(Outcome::Broken),
    State::Run(Outcome::UnexpectedPass),
    State::Run(Outcome::ExpectedDifference),
    State::Run(Outcome::Passed),
    State::Run(Outcome::Skipped),
    State::NotRun,
];

impl Matrix {
    pub(super) fn requirements_table(&self) -> Markup {
        let (all, unchecked) = self.requirements();
        let groups = all.chunk_by(|one, next| group(one.0) == group(next.0));
        html! {
            h2 id="requirements" { "Requirements" }
            p { "Each rule, and what came of the cases that check it: the worst outcome, and of how many cases." }
            div.wide.region role="region" aria-labelledby="requirements" tabindex="0" {
                table.grid {
                    thead {
                        tr {
                            th scope="col" { "requirement" }
                            @for column in &self.columns { th scope="col" { (column.name) } }
                        }
                    }
                    @for rows in groups {
                        tbody {
                            tr.topic { th scope="rowgroup" colspan=(self.columns.len() + 1) { (group(rows[0].0)) } }
                            @for (id, sentence) in rows { (self.requirement_row(id, sentence)) }
                        }
                    }
                }
            }
            @if !unchecked.is_empty() { p { "No case of these results checks " (unchecked.join(", ")) "." } }
        }
    }

    /// Returns the requirements that some case of the matrix checks, with their sentences, and the
    /// ids of the suite's requirements that none checks. Requirements that the suite does not know
    /// have an empty sentence and come last.
    fn requirements(&self) -> (Vec<(&str, &str)>, Vec<&str>) {
        let cited = self.rows.iter().flat_map(|row| &row.requirements);
        let mut cited: BTreeSet<_> = cited.map(String::as_str).collect();
        let (checked, unchecked): (Vec<_>, Vec<_>) =
            Requirement::all().into_iter().partition(|known| cited.remove(known.id));
        let checked = checked
            .into_iter()
            .map(|requirement| (requirement.id, requirement.text));
        (
            checked.chain(cited.into_iter().map(|id| (id, ""))).collect(),
            unchecked.into_iter().map(|requirement| requirement.id).collect(),
        )
    }

    fn requirement_row(&self, id: &str, sentence: &str) -> Markup {
        let rows = self
            .rows
            .iter()
            .filter(|row| row.requirements.iter().any(|cited| cited == id));
        let name = anchor("rule", id);
        html! {
            tr id=(name) {
                th scope="row" {
                    a href={ "#" (name) } { (id) }
                    " " (sentence) " "
                    @if !sentence.is_empty() { a href=(page(id)) { "source" } " " }
                    a.to-cases href={ "?find=" (id) "#cases" } { "cases" }
                }
                @for index in 0..self.columns.len() {
                    (standing(rows.clone().map(|row| row.cells[index].state)))
                }
            }
        }
    }
}

/// Returns the cell of a requirement whose cases have these states. Of [`WORST_FIRST`], takes the
/// first state that one of them has. The cell gives the number of cases in that state, then "of"
/// and the number of all if that is greater, then the state, unless it is passed.
fn standing(states: impl Iterator<Item = State>) -> Markup {
    let mut counts = BTreeMap::<State, usize>::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    let worst = WORST_FIRST.into_iter().find(|state| counts.contains_key(state));
    let worst = worst.unwrap_or(State::NotRun);
    let count = counts.get(&worst).copied().unwrap_or_default();
    let all: usize = counts.values().sum();
    html! {
        td class=[marked(worst)] {
            @if count != all { (count) " of " }
            (all)
            @if worst != State::Run(Outcome::Passed) { " " (worst.words()) }
        }
    }
}

/// Returns the part of a requirement's id before its last hyphen; the whole id if it has none.
fn group(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(group, _)| group)
}
