//! The matrix for a terminal: a line for each case, and the numbered reasons below.

use super::{Matrix, Row, State};
use crate::report::VERSION;
use crate::suite::Outcome;
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

impl Matrix {
    /// Writes the matrix for a terminal. `output` must remove colours where they are not wanted.
    pub fn write_text(&self, output: &mut impl Write) -> io::Result<()> {
        writeln!(output, "{HEAD}ipq-conformance {VERSION}{HEAD:#}: {}\n", self.title())?;
        self.write_columns(output)?;
        self.write_rows(output)?;
        for (index, reason) in self.reasons().list.iter().enumerate() {
            let number = format!("[{}]", index + 1);
            let indented = reason.replace('\n', "\n        ");
            writeln!(output, "{}{number:>6}  {indented}", if index == 0 { "\n" } else { "" })?;
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

    fn write_columns(&self, output: &mut impl Write) -> io::Result<()> {
        let width = widest(self.columns.iter().map(|column| column.name.as_str()));
        for column in &self.columns {
            let about = &column.environment;
            let name = padded(&column.name, width);
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

    fn write_rows(&self, output: &mut impl Write) -> io::Result<()> {
        let reasons = self.reasons();
        let cell = |row: &Row, index: usize| {
            let cell = &row.cells[index];
            let number = reasons
                .number(cell)
                .map_or_else(String::new, |number| format!(" [{number}]"));
            format!("{} {}{number}", cell.state.symbol(), cell.state.words())
        };
        let ids = widest(self.rows.iter().map(|row| row.id.as_str()).chain(["case"]));
        let widths: Vec<_> = (self.columns.iter().enumerate())
            .map(|(index, column)| {
                let cells: Vec<_> = self.rows.iter().map(|row| cell(row, index)).collect();
                widest(cells.iter().map(String::as_str).chain([column.name.as_str()]))
            })
            .collect();
        let names = self.columns.iter().zip(&widths);
        let names: Vec<_> = names.map(|(column, width)| padded(&column.name, *width)).collect();
        writeln!(
            output,
            "{HEAD}{}  level   {}  requirements{HEAD:#}",
            padded("case", ids),
            names.join("  ")
        )?;
        for row in &self.rows {
            write!(output, "{}  {:<6}", padded(&row.id, ids), row.level)?;
            for (index, width) in widths.iter().enumerate() {
                let style = style(row.cells[index].state);
                write!(output, "  {style}{}{style:#}", padded(&cell(row, index), *width))?;
            }
            writeln!(output, "  {FAINT}{}{FAINT:#}", row.requirements.join(", "))?;
        }
        Ok(())
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

/// Returns the text on one line, filled with blanks up to `width` columns.
fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.width());
    format!("{}{}", text.replace('\n', " "), " ".repeat(blanks))
}
