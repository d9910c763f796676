//! The table of cases, the form that filters the table, and the reasons behind its cells.

use super::{anchor, class, marked};
use crate::report::command;
use crate::report::matrix::{Cell, Column, Matrix, Reasons, Row, State};
use crate::suite::requirements::{Requirement, page};
use crate::suite::{Level, Outcome};
use maud::{Markup, html};

impl Matrix {
    pub(super) fn cases(&self) -> Markup {
        let reasons = self.reasons();
        html! {
            h2 id="cases" { "Cases" }
            (filter(&self.columns))
            div.wide.region role="region" aria-labelledby="cases" tabindex="0" {
                table.grid.cases {
                    thead {
                        tr {
                            th scope="col" { "case" }
                            @for column in &self.columns { th scope="col" { (column.name) } }
                        }
                    }
                    @for rows in self.topics() {
                        tbody {
                            @let skipped = skipped_whole(rows, self.columns.len());
                            (topic(&rows[0], &skipped, &reasons))
                            @for row in rows { (case(row, &self.columns, &reasons, &skipped)) }
                        }
                    }
                }
            }
            (shared_reasons(&reasons))
        }
    }
}

/// Returns the form that filters the table. The form is hidden until the page's script shows it,
/// since the script does the filtering.
fn filter(columns: &[Column]) -> Markup {
    html! {
        form #filter hidden {
            label { "Find " input #find type="search" placeholder="verdicts, VER-3, sysctl"; }
            label {
                "Level "
                select #level {
                    option value="" { "all" }
                    @for level in Level::ALL { option value=(level) { (level) } }
                }
            }
            label {
                "Outcome "
                select #outcome {
                    option value="" { "all" }
                    option value="trouble" { "anything but passed" }
                    option value="different" { "not the same in all worlds" }
                    @for state in State::ALL { option value=(class(state)) { (state.words()) } }
                }
            }
            label {
                "in "
                select #world {
                    option value="" { "any world" }
                    @for column in columns { option value=(column.name) { (column.name) } }
                }
            }
            button type="reset" { "All cases" }
            output #count aria-live="polite" {}
        }
    }
}

/// Returns the heading of a topic, whose first row is `first`: the topic's name, and for each world
/// with `true` in `skipped`, a cell "all skipped" with a button that shows the reason.
fn topic(first: &Row, skipped: &[bool], reasons: &Reasons<'_>) -> Markup {
    html! {
        tr.topic {
            th scope="rowgroup" colspan=[(!skipped.contains(&true)).then_some(skipped.len() + 1)] { (first.topic) }
            @if skipped.contains(&true) {
                @for (cell, skipped) in first.cells.iter().zip(skipped) {
                    @match reasons.number(cell).filter(|_| *skipped) {
                        Some(number) => td.skipped { button popovertarget={ "r" (number) } { "all skipped" } },
                        None => td.nothing {},
                    }
                }
            }
        }
    }
}

/// Returns for each column whether it skips all cases of a topic for the same reason. `false` for a
/// topic with only one case.
fn skipped_whole(rows: &[Row], columns: usize) -> Vec<bool> {
    let whole = |column: usize| {
        let mut cells = rows.iter().map(|row| &row.cells[column]);
        let first = &rows[0].cells[column];
        rows.len() > 1 && first.state == State::Run(Outcome::Skipped) && cells.all(|cell| cell == first)
    };
    (0..columns).map(whole).collect()
}

fn case(row: &Row, columns: &[Column], reasons: &Reasons<'_>, skipped_whole: &[bool]) -> Markup {
    let id = anchor("case", &row.id);
    let explained = row.cells.iter().zip(columns).filter(|(cell, _)| is_explained(cell));
    html! {
        tr id=(id) {
            th scope="row" {
                a href={ "#" (id) } { (row.id) }
                small { (row.level) }
                br;
                (row.title)
                details {
                    summary { (row.requirements.join(", ")) }
                    @for id in &row.requirements { (requirement(id)) }
                }
            }
            @for ((cell, column), skipped_whole) in row.cells.iter().zip(columns).zip(skipped_whole) {
                td class=[marked(cell.state)] {
                    @if is_explained(cell) {
                        a href={ "#" (of_world(&id, column)) } { (cell.state.words()) }
                    } @else if let Some(number) = reasons.number(cell).filter(|_| !skipped_whole) {
                        button popovertarget={ "r" (number) } { (cell.state.words()) }
                    } @else { (cell.state.words()) }
                }
            }
        }
        @if explained.clone().next().is_some() {
            tr.explained {
                td colspan=(columns.len() + 1) {
                    @for (cell, column) in explained { (explanation(&id, row, cell, column)) }
                }
            }
        }
    }
}

/// Returns whether a cell has an explanation below its row. A case that passed, was skipped or was
/// not run has none.
fn is_explained(cell: &Cell) -> bool {
    !matches!(
        cell.state,
        State::Run(Outcome::Passed | Outcome::Skipped) | State::NotRun
    )
}

fn of_world(case: &str, column: &Column) -> String {
    anchor(case, &column.name)
}

fn explanation(id: &str, row: &Row, cell: &Cell, column: &Column) -> Markup {
    html! {
        div class=(class(cell.state)) id=(of_world(id, column)) {
            p {
                strong.mark { (column.name) ": " (cell.state.words()) }
                @if let Some(reason) = &cell.reason { " " span.reason { (reason) } }
            }
            @if let Some(details) = &cell.details {
                details { summary { "what was compared" } pre { (details) } }
            }
            @if let Some(transcript) = &cell.transcript {
                details { summary { "transcript: each step, and what was seen" } pre { (transcript) } }
            }
            @if let Some(choice) = &column.environment.choice {
                p.again { "Run it again: " code { (command(choice, column.environment.seed, &row.id)) } }
            }
        }
    }
}

/// Returns a paragraph with a requirement's id. If the suite has the requirement, its sentence
/// follows, and the id is a link to its page.
fn requirement(id: &str) -> Markup {
    html! {
        p {
            @if let Some(requirement) = Requirement::named(id) {
                a href=(page(requirement.id)) { (id) } " " (requirement.text)
            } @else { (id) }
        }
    }
}

/// Returns a hidden paragraph for each reason. The buttons in the cells show these paragraphs.
fn shared_reasons(reasons: &Reasons<'_>) -> Markup {
    html! {
        @for (index, reason) in reasons.list.iter().enumerate() {
            p.reason popover id={ "r" (index + 1) } { (reason) }
        }
    }
}
