//! `matrix`: cases down, worlds across.

use super::run::{emulated_kernel, end_of, run_cases, worlds_named};
use super::{End, Failure, MatrixArguments, MatrixFormat, standard_output, unable};
use crate::report::matrix::{Collector, Matrix, Results};
use crate::suite::cases;
use crate::world::WorldFactory;
use std::fs;
use std::io::Write;
use std::sync::Arc;

pub(super) fn matrix(worlds: &[Arc<dyn WorldFactory>], arguments: &MatrixArguments) -> Result<End, Failure> {
    let mut columns = Vec::new();
    for path in &arguments.results {
        columns.extend(Results::open(path).map_err(unable)?);
    }
    let cases = cases::all();
    let mut ends = Vec::new();
    let mut chosen = Vec::new();
    for name in &arguments.world {
        chosen.extend(worlds_named(worlds, name)?);
    }
    for kernel in &arguments.kernel {
        chosen.push(emulated_kernel(kernel)?);
    }
    for factory in chosen {
        let how = format!("--world {}", factory.name());
        let mut collector = Collector::default();
        let summary = run_cases(&factory, &how, &cases, arguments.seed, None, &mut collector)?;
        ends.push(end_of(factory.name(), &summary));
        columns.extend(collector.results());
    }
    let matrix = Matrix::new(columns, &cases::every());
    write(&matrix, arguments)?;
    // A world that had to be tested and could not be ends badly, although each of its cells is a
    // skip.
    Ok(if !matrix.is_good() || ends.contains(&End::Bad) {
        End::Bad
    } else if matrix.nothing_ran() {
        End::Nothing
    } else {
        End::Good
    })
}

fn write(matrix: &Matrix, arguments: &MatrixArguments) -> Result<(), Failure> {
    let Some(path) = &arguments.output else {
        return Ok(write_to(matrix, arguments.format, &mut standard_output())?);
    };
    let mut bytes = Vec::new();
    write_to(matrix, arguments.format, &mut anstream::StripStream::new(&mut bytes))?;
    fs::write(path, bytes).map_err(|error| {
        unable(format_args!(
            "{} can't be written: {error}; name another file with --output, or none for standard output",
            path.display()
        ))
    })
}

/// Returns the number of columns of the terminal that standard output is. A file has no limit.
fn terminal_width() -> usize {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(usize::MAX, |(width, _)| width.0.into())
}

fn write_to(matrix: &Matrix, format: MatrixFormat, output: &mut impl Write) -> std::io::Result<()> {
    match format {
        MatrixFormat::Text => matrix.write_text(output, terminal_width()),
        MatrixFormat::Markdown => matrix.write_markdown(output),
        MatrixFormat::Html => output.write_all(matrix.to_html().as_bytes()),
    }
}
