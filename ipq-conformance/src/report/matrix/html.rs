//! One page of HTML that needs nothing else: it can be kept, sent, and read without a network, a
//! server, or JavaScript, which only filters. Every text is escaped by the template, and the page
//! forbids itself to load anything.

use super::{Cell, Column, Matrix, Row, State};
use crate::report::VERSION;
use crate::suite::requirements::{Requirement, page};
use crate::suite::{Level, Outcome};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// The content security policy: the page loads nothing, and only its own script and style apply.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

impl Matrix {
    /// Returns the whole page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    title { "ip_queue conformance: " (self.title()) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { "ip_queue conformance: " (self.title()) }
                        p { "Made by ipq-conformance " (VERSION) "." }
                    }
                    main {
                        (self.worlds())
                        (self.notes_list())
                        (self.cases())
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }

    fn worlds(&self) -> Markup {
        html! {
            h2 id="worlds" { "Worlds" }
            div.wide role="region" aria-labelledby="worlds" tabindex="0" {
                table.worlds {
                    thead {
                        tr {
                            @for head in ["world", "implementation", "machine", "suite", "seed", "results", "outcomes"] {
                                th scope="col" { (head) }
                            }
                        }
                    }
                    tbody {
                        @for column in &self.columns { (world(column)) }
                    }
                }
            }
        }
    }

    fn notes_list(&self) -> Markup {
        let out_of_date = self.columns.iter().any(|column| !column.out_of_date.is_empty());
        html! {
            @if out_of_date || !self.notes.is_empty() {
                h2 { "Notes" }
                ul {
                    @for column in &self.columns {
                        @for sentence in &column.out_of_date {
                            li { strong { "out of date" } " (" (column.name) "): " (sentence) }
                        }
                    }
                    @for note in &self.notes { li { (note) } }
                }
            }
        }
    }

    fn cases(&self) -> Markup {
        html! {
            h2 id="cases" { "Cases" }
            dl.legend {
                @for state in State::ALL {
                    div { dt { (mark(state)) } dd { (state.meaning()) } }
                }
            }
            (filter())
            div.wide.cases-region role="region" aria-labelledby="cases" tabindex="0" {
                table.cases {
                    thead {
                        tr {
                            th scope="col" { "case" }
                            th scope="col" { "level" }
                            th scope="col" { "requirements" }
                            @for column in &self.columns { th scope="col" { (column.name) } }
                        }
                    }
                    @for rows in self.topics() {
                        tbody {
                            tr.topic { th scope="rowgroup" colspan=(self.columns.len() + 3) { (rows[0].topic) } }
                            @for row in rows { (case(row, &self.columns)) }
                        }
                    }
                }
            }
        }
    }
}

fn world(column: &Column) -> Markup {
    let about = &column.environment;
    html! {
        tr {
            th scope="row" { (column.name) }
            td { (about.implementation) }
            td { (column.machine()) ", " (about.word_bytes) "-byte words, " (about.byte_order) "-endian" }
            td { (about.suite) }
            td { (about.seed) }
            td { (column.source.as_deref().unwrap_or("of this run")) }
            td { (column.tally()) }
        }
    }
}

/// Returns the form that filters the table. The script shows it, since it does nothing without one.
fn filter() -> Markup {
    html! {
        form #filter hidden {
            label { "Find " input #words type="search" placeholder="verdicts, VER-3, capability"; }
            label {
                "Level "
                select #level {
                    option value="" { "all" }
                    @for level in Level::ALL { option value=(level) { (level) } }
                }
            }
            label {
                "Outcome "
                select #state {
                    option value="" { "all" }
                    option value="trouble" { "anything but passed" }
                    option value="different" { "not the same in all worlds" }
                    @for state in State::ALL { option value=(class(state)) { (state.words()) " somewhere" } }
                }
            }
            output #count aria-live="polite" {}
        }
    }
}

fn case(row: &Row, columns: &[Column]) -> Markup {
    let states: Vec<_> = row.cells.iter().map(|cell| class(cell.state)).collect();
    html! {
        tr data-level=(row.level) data-states=(states.join(" ")) {
            th scope="row" { code { (row.id) } span.title { (row.title) } }
            td data-head="level" { (row.level) }
            td data-head="requirements" {
                @for (index, id) in row.requirements.iter().enumerate() {
                    @if index > 0 { ", " }
                    (rule(id))
                }
            }
            @for (cell, column) in row.cells.iter().zip(columns) { (outcome(cell, &column.name)) }
        }
    }
}

/// Returns the id of a requirement as a link to its page, if it is one of the suite's.
fn rule(id: &str) -> Markup {
    html! {
        @if let Some(requirement) = Requirement::named(id) {
            a href=(page(requirement.id)) title=(requirement.text) { (id) }
        } @else { (id) }
    }
}

/// Renders a cell. `world` is its label where the page is too narrow for a table.
fn outcome(cell: &Cell, world: &str) -> Markup {
    html! {
        td class=(class(cell.state)) data-head=(world) {
            @match (&cell.reason, cell.state) {
                // Many reasons in one row are alike, and say no more than the row: shown in full,
                // they would hide the others.
                (Some(reason), State::Run(Outcome::Skipped) | State::NotRun) => {
                    details { summary { (mark(cell.state)) } p.reason { (reason) } }
                }
                (Some(reason), _) => { (mark(cell.state)) p.reason { (reason) } }
                (None, _) => (mark(cell.state)),
            }
            @if let Some(details) = &cell.details {
                details { summary { "details" } pre { (details) } }
            }
        }
    }
}

fn mark(state: State) -> Markup {
    html! { span.mark { span.symbol aria-hidden="true" { (state.symbol()) } " " (state.words()) } }
}

/// Returns a state as one word.
fn class(state: State) -> String {
    state.words().replace(' ', "-")
}
