//! The matrix for a terminal: a line for each case, and the numbered reasons below.

use super::{Cell, Matrix, State};
use crate::report::VERSION;
use crate::suite::Outcome;
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use std::iter;
use unicode_width::UnicodeWidthStr;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// The number of blanks between two columns of the table.
const GAP: usize = 2;

impl Matrix {
    /// Writes the matrix for a terminal, with colours; `output` must remove them where they are not
    /// wanted. If the table is wider than `width` characters of the terminal, it is written in a
    /// short form: worlds by their numbers, outcomes by their signs, and neither levels nor
    /// requirements. Below the table come the reasons, the recordings, the notes, and the known
    /// differences that are out of date.
    pub fn write_text(&self, output: &mut impl Write, width: usize) -> io::Result<()> {
        writeln!(output, "{HEAD}ipq-conformance {VERSION}{HEAD:#}: {}\n", self.title())?;
        let whole = self.table(false);
        if whole.width() <= width {
            self.write_columns(output, false)?;
            self.write_table(&whole, output)?;
        } else {
            self.write_columns(output, true)?;
            self.write_table(&self.table(true), output)?;
            let states = State::ALL.iter().filter(|state| self.has(**state));
            let signs: Vec<_> = states
                .map(|state| format!("{} {}", state.symbol(), state.words()))
                .collect();
            writeln!(output, "\n{FAINT}{}{FAINT:#}", signs.join("  "))?;
        }
        for (index, reason) in self.reasons().list.iter().enumerate() {
            let number = format!("[{}]", index + 1);
            let indented = reason.replace('\n', "\n        ");
            writeln!(output, "{}{number:>6}  {indented}", if index == 0 { "\n" } else { "" })?;
        }
        for (index, replays) in self.recordings.iter().enumerate() {
            let (gap, scenarios) = (if index == 0 { "\n" } else { "" }, replays.scenarios());
            let (equal, expected, different) = (replays.equal, replays.expected, replays.different);
            writeln!(
                output,
                "{gap}recorded on {}, {}: {equal} of {scenarios} scenarios equal, {expected} known differences, {different} others",
                replays.kernel, replays.file
            )?;
        }
        for note in &self.notes {
            writeln!(output, "\n{NOTE}note{NOTE:#}: {note}")?;
        }
        for column in &self.columns {
            for sentence in &column.out_of_date {
                writeln!(output, "\n{BAD}out of date{BAD:#} ({}): {sentence}", column.name)?;
            }
        }
        Ok(())
    }

    fn has(&self, state: State) -> bool {
        self.columns.iter().any(|column| column.counts.contains_key(&state))
    }

    fn write_columns(&self, output: &mut impl Write, numbered: bool) -> io::Result<()> {
        let names = self.columns.iter().enumerate().map(|(index, column)| {
            if numbered {
                format!("{} {}", index + 1, column.name)
            } else {
                column.name.clone()
            }
        });
        let names: Vec<_> = names.collect();
        let width = widest(names.iter().map(String::as_str));
        for (column, name) in self.columns.iter().zip(&names) {
            let about = &column.environment;
            let name = padded(name, width);
            writeln!(
                output,
                "  {HEAD}{name}{HEAD:#}  {}, {}, suite {}, seed {}",
                about.implementation,
                column.machine(),
                about.suite,
                about.seed
            )?;
            writeln!(output, "  {}  {}", padded("", width), column.tally())?;
        }
        writeln!(output)
    }

    fn table(&self, short: bool) -> Table {
        let reasons = self.reasons();
        let cell = |cell: &Cell| {
            let number = reasons.number(cell).map(|number| format!("[{number}]"));
            let words = (!short).then(|| cell.state.words());
            let parts = [Some(cell.state.symbol().to_owned()), words, number];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        let cells = self.rows.iter().map(|row| {
            let of_worlds = row.cells.iter().map(cell);
            if short {
                iter::once(row.id.clone()).chain(of_worlds).collect()
            } else {
                let first = [row.id.clone(), row.level.to_string()];
                let last = [row.requirements.join(", ")];
                first.into_iter().chain(of_worlds).chain(last).collect()
            }
        });
        let heads = if short {
            let numbers = (1..=self.columns.len()).map(|number| number.to_string());
            iter::once("case".to_owned()).chain(numbers).collect()
        } else {
            let names = self.columns.iter().map(|column| column.name.clone());
            let first = ["case", "level"].map(str::to_owned);
            first
                .into_iter()
                .chain(names)
                .chain(["requirements".to_owned()])
                .collect()
        };
        Table {
            heads,
            rows: cells.collect(),
            before_worlds: if short { 1 } else { 2 },
        }
    }

    fn write_table(&self, table: &Table, output: &mut impl Write) -> io::Result<()> {
        let widths = table.widths();
        let heads: Vec<_> = table
            .heads
            .iter()
            .zip(&widths)
            .map(|(head, width)| padded(head, *width))
            .collect();
        writeln!(output, "{HEAD}{}{HEAD:#}", heads.join("  ").trim_end())?;
        for (row, cells) in self.rows.iter().zip(&table.rows) {
            for (index, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let style = match index.checked_sub(table.before_worlds) {
                    None => Style::new(),
                    Some(world) => row.cells.get(world).map_or(FAINT, |cell| style(cell.state)),
                };
                let gap = if index == 0 { "" } else { "  " };
                let is_last = index + 1 == cells.len();
                let text = padded(cell, if is_last { 0 } else { *width });
                write!(output, "{gap}{style}{text}{style:#}")?;
            }
            writeln!(output)?;
        }
        Ok(())
    }
}

/// The texts of the table, before they are padded to the widths of their columns.
struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    /// The number of columns before the first world's column.
    before_worlds: usize,
}

impl Table {
    fn widths(&self) -> Vec<usize> {
        let column = |index: usize| {
            let rows = self.rows.iter().chain([&self.heads]);
            widest(rows.filter_map(|row| row.get(index)).map(String::as_str))
        };
        (0..self.heads.len()).map(column).collect()
    }

    fn width(&self) -> usize {
        let gaps = self.heads.len().saturating_sub(1) * GAP;
        self.widths().iter().sum::<usize>() + gaps
    }
}

const fn style(state: State) -> Style {
    match state {
        State::Run(outcome) if outcome.is_bad() => BAD,
        State::Run(Outcome::Passed) => GOOD,
        State::Run(_) => NOTE,
        State::NotRun => FAINT,
    }
}

fn widest<'t>(texts: impl Iterator<Item = &'t str>) -> usize {
    texts.map(UnicodeWidthStr::width).max().unwrap_or_default()
}

/// Returns the text with each line feed replaced by a space, and with spaces added up to `width`
/// characters of the terminal. A longer text is not cut.
fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.width());
    format!("{}{}", text.replace('\n', " "), " ".repeat(blanks))
}
