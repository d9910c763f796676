//! The matrix in Markdown, with tables as GitHub and GitLab have them, for a pull request or a
//! wiki.

use super::{Cell, Matrix, State};
use crate::report::VERSION;
use std::io::{self, Write};

impl Matrix {
    /// Writes the matrix in Markdown to `output`, with its texts escaped.
    pub fn write_markdown(&self, output: &mut impl Write) -> io::Result<()> {
        writeln!(output, "# ip_queue conformance: {}\n", self.title())?;
        writeln!(output, "Made by ipq-conformance {VERSION}.\n")?;
        writeln!(
            output,
            "| world | implementation | machine | run | suite | seed | outcomes |"
        )?;
        writeln!(output, "|---|---|---|---|---|---|---|")?;
        for column in &self.columns {
            let about = &column.environment;
            let row = [
                &column.name,
                &about.implementation,
                &column.machine(),
                &about.date.clone().unwrap_or_else(|| "undated".to_owned()),
                &about.suite,
                &about.seed.to_string(),
                &column.tally(),
            ];
            writeln!(output, "{}", table_row(row.map(|text| escaped(text))))?;
        }
        let out_of_date = self.columns.iter().flat_map(|column| {
            let sentences = column.out_of_date.iter();
            sentences.map(|sentence| format!("{} is out of date: {sentence}", column.name))
        });
        let notes: Vec<_> = out_of_date.chain(self.notes.iter().cloned()).collect();
        if !notes.is_empty() {
            writeln!(output, "\n## Notes\n")?;
        }
        for note in notes {
            writeln!(output, "- {}", escaped(&note))?;
        }
        self.write_recordings(output)?;
        self.write_cases(output)?;
        let reasons = self.reasons();
        if !reasons.list.is_empty() {
            writeln!(output, "\n## Reasons\n")?;
        }
        for (index, reason) in reasons.list.iter().enumerate() {
            writeln!(output, "{}. {}", index + 1, escaped(reason))?;
        }
        Ok(())
    }

    fn write_recordings(&self, output: &mut impl Write) -> io::Result<()> {
        if self.recordings.is_empty() {
            return Ok(());
        }
        writeln!(output, "\n## Recordings of real kernels, replayed on the emulator\n")?;
        writeln!(
            output,
            "| kernel | recording | scenarios | frames | equal | a known difference | different |"
        )?;
        writeln!(output, "|---|---|---|---|---|---|---|")?;
        for replays in &self.recordings {
            let counts = [
                replays.scenarios(),
                replays.frames,
                replays.equal,
                replays.expected,
                replays.different,
            ];
            let names = [&replays.kernel, &replays.file].map(|name| escaped(name));
            let counts = counts.map(|count| count.to_string());
            writeln!(output, "{}", table_row(names.into_iter().chain(counts)))?;
        }
        Ok(())
    }

    fn write_cases(&self, output: &mut impl Write) -> io::Result<()> {
        writeln!(output, "\n## Cases\n")?;
        let signs = State::ALL.map(|state| format!("{} {}: {}", state.symbol(), state.words(), state.meaning()));
        writeln!(
            output,
            "{}. A number in parentheses is that of the reason below.\n",
            signs.map(|sign| escaped(&sign)).join("; ")
        )?;
        let names = self.columns.iter().map(|column| escaped(&column.name));
        let heads = ["case".to_owned(), "level".to_owned()].into_iter().chain(names);
        writeln!(output, "{}", table_row(heads.chain(["requirements".to_owned()])))?;
        writeln!(output, "{}", table_row(vec!["---".to_owned(); self.columns.len() + 3]))?;
        let reasons = self.reasons();
        let cell = |cell: &Cell| {
            let number = reasons
                .number(cell)
                .map_or_else(String::new, |number| format!(" ({number})"));
            escaped(&format!("{} {}{number}", cell.state.symbol(), cell.state.words()))
        };
        for row in &self.rows {
            let begin = [escaped(&row.id), row.level.to_string()].into_iter();
            let cells = begin.chain(row.cells.iter().map(cell));
            writeln!(
                output,
                "{}",
                table_row(cells.chain([escaped(&row.requirements.join(", "))]))
            )?;
        }
        Ok(())
    }
}

fn table_row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<_> = cells.into_iter().collect();
    format!("| {} |", cells.join(" | "))
}

/// Returns `text` with each line feed replaced by a space, and with characters escaped that mean
/// something in Markdown, such as `|`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '#' | '!' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}
