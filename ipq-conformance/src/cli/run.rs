//! `run`: runs cases and reports.

use super::progress::Progress;
use super::{
    ClientArgument, End, Failure, Format, RunArguments, find_world, nothing_ran, standard_output, suggest, unable,
};
use crate::partition::Partition;
use crate::report::{Head, Human, JsonLines, Junit, Reporter, Tap};
use crate::suite::runner::{CaseReport, Runner, Summary};
use crate::suite::{Case, Filter, KnownDifferences, cases};
use crate::world::WorldFactory;
#[cfg(target_os = "linux")]
use crate::worlds::ClientFactory;
use crate::worlds::SimFactory;
use ipq_sim::{Nearness, Profile};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The world name that stands for every world, one after the other.
const ALL: &str = "all";

pub(super) fn run(worlds: &[Arc<dyn WorldFactory>], arguments: &RunArguments) -> Result<End, Failure> {
    suggest::refuse_unknown(&arguments.choice.filters, &[])?;
    if let Some(client) = &arguments.client {
        return run_client(client, arguments);
    }
    let worlds = match &arguments.kernel {
        Some(kernel) if arguments.world == "sim" => vec![emulated_kernel(kernel)?],
        Some(_) => {
            return Err(unable(
                "only the emulator can be told which kernel it is: leave out --world",
            ));
        }
        None => worlds_named(worlds, &arguments.world)?,
    };
    if worlds.len() > 1 && matches!(arguments.format, Format::Junit | Format::Tap) {
        return Err(unable(
            "one report in this format has one world: choose it with --world",
        ));
    }
    let ends = worlds.iter().map(|factory| run_in(factory, arguments));
    let ends = ends.collect::<Result<Vec<_>, _>>()?;
    Ok(if ends.contains(&End::Bad) {
        End::Bad
    } else if ends.contains(&End::Good) {
        End::Good
    } else {
        End::Nothing
    })
}

/// Returns the emulator of the kernel with this version or profile. If that kernel has no profile
/// of its own, takes the nearest, and prints a line that says so. Fails if no profile is near
/// enough.
pub(super) fn emulated_kernel(kernel: &str) -> Result<Arc<dyn WorldFactory>, Failure> {
    let nearest = Profile::of_kernel(kernel).map_err(unable)?;
    if nearest.nearness != Nearness::Own {
        eprintln!("ipq-conformance: {kernel} is taken as {nearest}");
    }
    Ok(Arc::new(SimFactory::of(nearest.profile)))
}

/// Returns the worlds that `name` stands for on the command line: all of `worlds` for `all`,
/// otherwise the one with this name. Fails if there is none.
pub(super) fn worlds_named(
    worlds: &[Arc<dyn WorldFactory>],
    name: &str,
) -> Result<Vec<Arc<dyn WorldFactory>>, Failure> {
    if name == ALL {
        return Ok(worlds.to_vec());
    }
    Ok(vec![find_world(worlds, name)?])
}

fn run_in(factory: &Arc<dyn WorldFactory>, arguments: &RunArguments) -> Result<End, Failure> {
    let choice = format!("--world {}", quoted(factory.name()));
    run_chosen(factory, &choice, &cases::all(), arguments)
}

/// Quotes a word for a shell, if it needs quotes.
pub(super) fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

/// Runs the cases for a libipq on the emulator, with the libipq `client` under test.
fn run_client(client: &ClientArgument, arguments: &RunArguments) -> Result<End, Failure> {
    let preload = arguments.preload.as_deref();
    let (factory, client): (Arc<dyn WorldFactory>, _) = match client {
        ClientArgument::Rust => (Arc::new(SimFactory::default()), "rust".to_owned()),
        ClientArgument::Library(name) => (library(name, preload)?, format!("dlopen:{}", name.display())),
        ClientArgument::Program(command) => (program(command, preload)?, format!("exec:{command}")),
    };
    let preload = preload.map(|object| format!(" --preload {}", quoted(&object.display().to_string())));
    let choice = format!("--client {}{}", quoted(&client), preload.unwrap_or_default());
    run_chosen(&factory, &choice, &cases::of_clients(), arguments)
}

#[cfg(target_os = "linux")]
fn library(name: &OsStr, preload: Option<&Path>) -> Result<Arc<dyn WorldFactory>, Failure> {
    use crate::libipq::LoadError;
    use ipq_sim::programs::installed;

    let preload = preload.map(Path::to_owned).or_else(|| installed("libipq_preload.so"));
    let load = |name: &OsStr| ClientFactory::library(name.to_owned(), preload.clone());
    let factory = load(name).or_else(|error| {
        // A name without a folder may be that of a library which the system's loader does not know.
        let beside = name.to_str().filter(|name| !name.contains('/')).and_then(installed);
        let Some(path) = beside.filter(|_| matches!(error, LoadError::Library(_))) else {
            return Err(error);
        };
        let loaded = load(path.as_os_str())?;
        eprintln!(
            "ipq-conformance: {} is tested, since the system's loader has no such library",
            path.display()
        );
        Ok(loaded)
    });
    Ok(Arc::new(factory.map_err(unable)?))
}

#[cfg(target_os = "linux")]
fn program(command: &str, preload: Option<&Path>) -> Result<Arc<dyn WorldFactory>, Failure> {
    let factory = ClientFactory::program(command, preload.map(Path::to_owned)).map_err(unable)?;
    Ok(Arc::new(factory))
}

#[cfg(not(target_os = "linux"))]
fn library(_: &OsStr, _: Option<&Path>) -> Result<Arc<dyn WorldFactory>, Failure> {
    Err(unable("a library for C can be tried on Linux alone"))
}

#[cfg(not(target_os = "linux"))]
fn program(_: &str, _: Option<&Path>) -> Result<Arc<dyn WorldFactory>, Failure> {
    Err(unable("a program can be tried as a client on Linux alone"))
}

fn run_chosen(
    factory: &Arc<dyn WorldFactory>,
    how: &str,
    all: &[Case],
    arguments: &RunArguments,
) -> Result<End, Failure> {
    let choice = &arguments.choice;
    let filter = Filter::new(&choice.filters, &choice.levels(), arguments.strict);
    let mut chosen: Vec<_> = all.iter().filter(|case| filter.chooses(case)).copied().collect();
    if chosen.is_empty() {
        eprintln!(
            "ipq-conformance: none of the chosen cases can be run so: --strict adds quirks, --client the cases of a library"
        );
        return Ok(End::Nothing);
    }
    if let Some(partition) = arguments.partition {
        chosen.retain(|case| partition.has(case.id));
    }
    let transcripts = arguments.transcripts.as_deref();
    let mut reporter = reporter(arguments.format);
    let (seed, partition) = (arguments.seed, arguments.partition);
    let summary = run_part(factory, how, &chosen, partition, seed, transcripts, reporter.as_mut())?;
    if chosen.is_empty() {
        // With no case in this part nothing is to be run, which says nothing about the world.
        eprintln!("ipq-conformance: none of the chosen cases is in this part");
        return Ok(End::Nothing);
    }
    Ok(end_of(factory.name(), &summary))
}

/// Runs the cases `chosen` in worlds of `factory`, reports to `reporter`, and returns the summary.
/// `how` is the option that selects the world, for the report. The transcripts of cases that
/// failed, are broken or differ as expected go to the folder `transcripts`. A long run shows a bar
/// on a terminal.
pub(super) fn run_cases(
    factory: &Arc<dyn WorldFactory>,
    how: &str,
    chosen: &[Case],
    seed: u64,
    transcripts: Option<&Path>,
    reporter: &mut dyn Reporter,
) -> Result<Summary, Failure> {
    run_part(factory, how, chosen, None, seed, transcripts, reporter)
}

/// Like [`run_cases`], for the part `partition` of a run; `None` if the run is not divided.
/// `chosen` must already be this part's cases alone; a report in JSON names the part.
fn run_part(
    factory: &Arc<dyn WorldFactory>,
    how: &str,
    chosen: &[Case],
    partition: Option<Partition>,
    seed: u64,
    transcripts: Option<&Path>,
    reporter: &mut dyn Reporter,
) -> Result<Summary, Failure> {
    let known = KnownDifferences::built_in().map_err(unable)?;
    let runner = Runner::new(Arc::clone(factory), known, seed);
    reporter.begin(&head(factory.as_ref(), how, seed, chosen.len()))?;
    let progress = Progress::new(chosen.len() as u64, "cases");
    let mut written = Ok(());
    let mut summary = runner.run(chosen, &mut |report| {
        if written.is_ok() {
            written = progress
                .suspend(|| reporter.case(report))
                .and_then(|()| keep_transcript(transcripts, report));
        }
        progress.step();
    });
    progress.end();
    written?;
    summary.stale = runner.stale(&cases::all());
    summary.partition = partition;
    reporter.end(&summary)?;
    Ok(summary)
}

/// Returns how a run ends: bad if a case failed, is broken or passed unexpectedly, or if a known
/// difference is out of date; as [`nothing_ran`] says if no case was run or all were skipped;
/// otherwise good.
pub(super) fn end_of(world: &str, summary: &Summary) -> End {
    if !summary.is_good() {
        End::Bad
    } else if summary.nothing_ran() {
        nothing_ran(world)
    } else {
        End::Good
    }
}

/// Returns the head of a report, with the world's description. If the world can't be created here,
/// the error stands in place of the implementation's name.
fn head(factory: &dyn WorldFactory, how: &str, seed: u64, cases: usize) -> Head {
    let world = factory.create();
    let description = match &world {
        Ok(world) => world.describe(),
        Err(error) => crate::world::Description {
            implementation: error.to_string(),
            machine: crate::world::Machine {
                kernel: "unknown".into(),
                arch: std::env::consts::ARCH.into(),
                abi: ipq_core::wire::Abi::NATIVE,
            },
            seed: None,
        },
    };
    Head {
        world: factory.name().to_owned(),
        choice: how.to_owned(),
        description,
        capabilities: world.map(|world| world.capabilities()).unwrap_or_default(),
        seed,
        cases,
        date: Some(chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
    }
}

fn reporter(format: Format) -> Box<dyn Reporter> {
    let output = standard_output();
    match format {
        Format::Human => Box::new(Human::new(output)),
        Format::Json => Box::new(JsonLines::new(output)),
        Format::Junit => Box::new(Junit::new(output)),
        Format::Tap => Box::new(Tap::new(output)),
    }
}

/// Writes the transcript of a case as text and as a capture (pcapng), to files in `folder` that are
/// named after the case. Does nothing without a folder or a transcript.
fn keep_transcript(folder: Option<&Path>, report: &CaseReport) -> io::Result<()> {
    let (Some(folder), Some(transcript)) = (folder, &report.transcript) else {
        return Ok(());
    };
    fs::create_dir_all(folder)?;
    let name = report.case.id.replace('/', "-");
    fs::write(folder.join(format!("{name}.txt")), transcript.render())?;
    fs::write(folder.join(format!("{name}.pcapng")), transcript.pcapng())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Packet;

    #[test]
    fn a_case_that_fails_leaves_a_transcript_and_a_capture() {
        let case = Case::must("verdicts/fails", "It fails", &["VER-1"], |subject| {
            subject.inject(&Packet::udp4())?;
            Err(subject.fail("on purpose"))
        });
        let runner = Runner::new(Arc::new(SimFactory::default()), KnownDifferences::default(), 0);
        let folder = tempfile::tempdir().expect("there is room for a folder");
        keep_transcript(Some(folder.path()), &runner.run_case(&case)).expect("it can be written");
        let text = fs::read_to_string(folder.path().join("verdicts-fails.txt")).expect("the transcript");
        assert!(text.starts_with("   1  1 × 50 bytes arrive on tap0"), "{text}");
        let capture = fs::read(folder.path().join("verdicts-fails.pcapng")).expect("the capture");
        let frame = Packet::udp4().frame();
        assert!(capture.windows(frame.len()).any(|bytes| bytes == frame));
    }
}
