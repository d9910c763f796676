//! The matrix as one page of HTML, which loads nothing else. It can be kept, sent, and read without
//! a network or a server. JavaScript is needed only for the filters. The template escapes every
//! text, and the page's content security policy forbids it to load anything.
//!
//! Each case and each requirement has an anchor, and the filters are in the address, so that links
//! can be shared. A page of ten worlds has thousands of cells, so cells are short: the style adds
//! the sign and the world's name to them. The reason why a case was skipped or not run is in the
//! page once, also if many cells share it.

mod cases;
mod requirements;

use super::recordings::Replays;
use super::{Column, Matrix, State};
use crate::report::VERSION;
use crate::suite::Outcome;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// The content security policy: the page loads nothing, and only the script and style that are
/// within the page apply.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

impl Matrix {
    /// Returns the matrix as a whole page of HTML.
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
                    style { (PreEscaped(STYLE)) (PreEscaped(heads(&self.columns))) }
                }
                body {
                    header {
                        h1 { "ip_queue conformance" }
                        p { (self.title()) @if let Some(days) = self.days() { ", run " (days) } ". Made by ipq-conformance " (VERSION) "." }
                        nav {
                            a href="#worlds" { "Worlds" }
                            @if !self.recordings.is_empty() { a href="#recordings" { "Recordings" } }
                            a href="#requirements" { "Requirements" }
                            a href="#cases" { "Cases" }
                        }
                    }
                    main {
                        (self.worlds())
                        (self.notes_list())
                        (recordings(&self.recordings))
                        (legend())
                        (self.requirements_table())
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
                            @for head in ["world", "implementation", "machine", "run", "suite", "seed", "outcomes"] {
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
}

fn world(column: &Column) -> Markup {
    let about = &column.environment;
    html! {
        tr {
            th scope="row" { (column.name) }
            td data-head="implementation" { (about.implementation) }
            td data-head="machine" { (column.machine()) ", " (about.word_bytes) "-byte words, " (about.byte_order) "-endian" }
            td data-head="run" {
                (about.date.as_deref().unwrap_or("undated"))
                @if let Some(source) = &column.source { ", from " (source) }
            }
            td data-head="suite" { (about.suite) }
            td data-head="seed" { (about.seed) }
            td data-head="outcomes" {
                @for (state, count) in &column.counts { span class=(class(*state)) { (count) " " (state.words()) } " " }
            }
        }
    }
}

fn recordings(recordings: &[Replays]) -> Markup {
    html! {
        @if !recordings.is_empty() {
            h2 id="recordings" { "Recordings of real kernels" }
            p {
                "These kernels were recorded, and are not run here. The steps of each recording are done on the emulator as that \
                 kernel, and its answers are compared byte for byte."
            }
            div.wide role="region" aria-labelledby="recordings" tabindex="0" {
                table {
                    thead {
                        tr {
                            @for head in ["kernel", "recording", "scenarios", "frames", "equal", "a known difference", "different"] {
                                th scope="col" { (head) }
                            }
                        }
                    }
                    tbody {
                        @for replays in recordings {
                            tr {
                                th scope="row" { (replays.kernel) }
                                td { (replays.file) }
                                @for count in [replays.scenarios(), replays.frames, replays.equal, replays.expected] { td { (count) } }
                                @if replays.different == 0 { td { "0" } } @else { td.failed { (replays.different) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        h2 id="legend" { "Signs" }
        dl.legend {
            @for state in State::ALL {
                div { dt class=(class(state)) { (state.words()) } dd { (state.meaning()) } }
            }
        }
    }
}

/// Returns CSS that gives the cells of each column the column's name. On a screen too narrow for a
/// table, each cell shows that name. So the cells themselves need not have it.
fn heads(columns: &[Column]) -> String {
    let mut style = String::from("@media (max-width: 42rem) {");
    for (index, column) in columns.iter().enumerate() {
        // Writing to a string can't fail.
        let _ = write!(
            style,
            " .grid td:nth-child({}) {{ --world: \"{}\"; }}",
            index + 2,
            style_text(&column.name)
        );
    }
    style + " }\n"
}

/// Returns `text` escaped for a string in quotation marks in CSS. Every character but ASCII
/// letters, digits, `.`, `_`, `-` and the space becomes `\` and its code point in six hexadecimal
/// digits. So no text can end the string.
fn style_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || "._- ".contains(letter) {
            escaped.push(letter);
        } else {
            let _ = write!(escaped, "\\{:06x}", u32::from(letter));
        }
    }
    escaped
}

/// Returns the CSS class of a state: its words, joined by `-`.
fn class(state: State) -> String {
    state.words().replace(' ', "-")
}

/// Returns the CSS class of a cell; `None` if the case passed, since most did.
fn marked(state: State) -> Option<String> {
    (state != State::Run(Outcome::Passed)).then(|| class(state))
}

/// Returns the name of an anchor: `kind`, a colon, and `text` with `-` for each character that is
/// not an ASCII letter, a digit or one of `._-/`.
fn anchor(kind: &str, text: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || "._-/".contains(letter) {
            letter
        } else {
            '-'
        }
    };
    format!("{kind}:{}", text.chars().map(plain).collect::<String>())
}
