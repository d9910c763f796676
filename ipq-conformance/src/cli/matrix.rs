//! `matrix`: a table of results with a row for each case and a column for each world.

use super::run::{emulated_kernel, end_of, quoted, run_cases, worlds_named};
use super::{End, Failure, MatrixArguments, MatrixFormat, standard_output, unable};
use crate::recording::{Embedded, Recording};
use crate::replay::{known_order, replay};
use crate::report::matrix::{Collector, Matrix, Replays, Results};
use crate::suite::{Filter, cases};
use crate::world::WorldFactory;
use crate::worlds::SimFactory;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

pub(super) fn matrix(worlds: &[Arc<dyn WorldFactory>], arguments: &MatrixArguments) -> Result<End, Failure> {
    if arguments.results.is_empty() && arguments.world.is_empty() && arguments.kernel.is_empty() {
        return Err(unable(
            "there is nothing to put side by side: name worlds, such as --world all, kernels with --kernel, or files that \
             `ipq-conformance run --format json` has written",
        ));
    }
    let mut columns = Vec::new();
    for path in &arguments.results {
        refuse_filter(path)?;
        columns.extend(Results::open(path).map_err(unable)?);
    }
    let cases = cases::all();
    let mut ends = Vec::new();
    let mut chosen = Vec::new();
    for name in &arguments.world {
        let named = worlds_named(worlds, name)?.into_iter();
        chosen.extend(named.map(|factory| (format!("--world {}", quoted(factory.name())), factory)));
    }
    for kernel in &arguments.kernel {
        chosen.push((format!("--kernel {}", quoted(kernel)), emulated_kernel(kernel)?));
    }
    for (how, factory) in chosen {
        let mut collector = Collector::default();
        let summary = run_cases(&factory, &how, &cases, arguments.seed, None, &mut collector)?;
        ends.push(end_of(factory.name(), &summary));
        columns.extend(collector.results());
    }
    let mut matrix = Matrix::new(columns, &cases::every());
    if arguments.recordings {
        let files = Embedded::ALL.into_iter().map(replayed);
        matrix = matrix.with_recordings(files.collect::<Result<_, _>>()?);
    }
    write(&matrix, arguments)?;
    if let Some(path) = &arguments.output {
        eprintln!("{}: {}", path.display(), matrix.summary());
    }
    // If a world had to be tested and could not be, the end is bad, although each cell is a skip.
    Ok(if !matrix.is_good() || ends.contains(&End::Bad) {
        End::Bad
    } else if matrix.nothing_ran() {
        End::Nothing
    } else {
        End::Good
    })
}

/// Fails if `path` is no file, but a word that chooses cases for `run`. The error says how to
/// choose cases for a matrix.
fn refuse_filter(path: &Path) -> Result<(), Failure> {
    let Some(word) = path.to_str().filter(|_| !path.exists()) else {
        return Ok(());
    };
    let filter = Filter::new(&[word.to_owned()], &[], true);
    if !cases::every().iter().any(|case| filter.chooses(case)) {
        return Ok(());
    }
    Err(unable(format_args!(
        "{word} is no file: a matrix has every case, unless it is made from files of results; write one for each world with \
         `ipq-conformance run {word} --strict --world WORLD --format json`"
    )))
}

/// Replays a file of recordings on the emulator, and counts the scenarios by outcome.
fn replayed(file: Embedded) -> Result<Replays, Failure> {
    let factory = SimFactory::default();
    let mut replays = Replays {
        file: file.name.to_owned(),
        ..Replays::default()
    };
    for recording in file.reader() {
        let recording: Recording = recording.map_err(unable)?;
        let mut world = factory.create().map_err(unable)?;
        if let Some(machine) = &recording.setup.machine {
            replays.kernel = machine.to_string();
        }
        let replayed = replay(&recording, world.as_mut()).map_err(unable)?;
        replays.frames += replayed.frames;
        let count = match &replayed.difference {
            None => &mut replays.equal,
            Some(difference) if known_order(&recording, difference).is_some() => &mut replays.expected,
            Some(_) => &mut replays.different,
        };
        *count += 1;
    }
    Ok(replays)
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

/// Returns the width of the terminal at standard output, in columns; `usize::MAX` if standard
/// output is no terminal.
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
