//! The command line.

mod coverage;
mod diff;
mod explain;
mod list;
mod matrix;
mod progress;
mod record;
mod replay;
mod run;
#[cfg(target_os = "linux")]
mod vm;

use crate::suite::Level;
use crate::world::{Setup, WorldError, WorldFactory};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

/// What a command comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// 0: all is well.
    Good,
    /// 1: something that was tried is not as it has to be.
    Bad,
    /// 2: the command could not be carried out.
    Unable,
    /// 3: there was nothing to try, or nothing could be tried here.
    Nothing,
}

const AFTER_HELP: &str = "\
Examples:
  ipq-conformance                          run every case on the emulator
  ipq-conformance verdicts replacement     the cases of two topics
  ipq-conformance '*/*timeout*' LIB-3      cases by a part of their id, or by requirement
  ipq-conformance --strict --format junit  quirks too, for continuous integration
  ipq-conformance --world nfqueue          the kernel that this runs on, without root where it allows that
  ipq-conformance --client dlopen:PATH     a libipq.so for C, on the emulator
  ipq-conformance vm --kernel bzImage      another kernel, in a virtual machine
  ipq-conformance matrix --world all       worlds side by side; also from files, as Markdown or HTML
  ipq-conformance explain VER-3            what a requirement asks, and what checks it
  ipq-conformance replay new.jsonl         does the emulator do what a kernel did?
  ipq-conformance diff                     do the emulator and this kernel agree on what nobody wrote down?

Exit status: 0 all well; 1 something failed; 2 wrong usage, or the command could not be carried out;
3 nothing ran. With IPQ_REQUIRE_REAL=1 in the environment a real kernel that could not be tried is a failure.";

const DIFF_AFTER_HELP: &str = "\
Examples:
  ipq-conformance diff                                    100 sequences, on the emulator and on this kernel
  ipq-conformance diff --cases 2000 --seed 5000           other ones, and more
  ipq-conformance diff --seed 5017 --cases 1              one of them again
  ipq-conformance diff --cases 2000 | tail -1 > new.jsonl keep the recording of a difference, and then
  ipq-conformance replay --world nfqueue new.jsonl        see it again

Known differences are excepted, each with its reason. Exit status: 0 no others; 1 there is one; 2 wrong usage, or a world went
wrong; 3 a world can't be tried here.";

const ABOUT: &str = "Tries an implementation of ip_queue, case by case, and tells what it finds";

#[derive(Debug, Parser)]
#[command(name = "ipq-conformance", version, about = ABOUT, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run cases; this is what happens without a command, too.
    Run(RunArguments),
    /// List cases without running them.
    List(ListArguments),
    /// Explain a case or a requirement.
    Explain {
        /// The id of a case, such as verdicts/accept, or of a requirement, such as VER-4.
        id: String,
    },
    /// Show which requirements which cases check, and which seeded faults they have found.
    Coverage,
    /// Put worlds side by side: what came of each case in each, with the reasons.
    Matrix(MatrixArguments),
    /// Do what recordings of a kernel say, and compare byte for byte what comes back.
    Replay(ReplayArguments),
    /// Try two worlds with the same generated sequences of steps, and show where they part.
    ///
    /// Each seed leads to one sequence: rules, sockets, mode messages, packets that arrive, verdicts with and without replacements,
    /// messages that make no sense, and devices that go down. It is carried out in the first world; the second has to answer each
    /// step alike, byte for byte, but for what a replay exempts. At the first sequence where it does not, all that is not
    /// needed for the difference is taken out, and what is left is printed as a recording.
    #[command(after_help = DIFF_AFTER_HELP)]
    Diff(DiffArguments),
    /// Do what recordings say, and write what comes back to standard output, as recordings of this world.
    Record(RecordArguments),
    /// Boot a kernel in a virtual machine, and run the suite on it.
    #[cfg(target_os = "linux")]
    Vm(VmArguments),
}

#[derive(Debug, Args)]
struct Choice {
    /// Which cases: the beginning of an id (verdicts, verdicts/acc), a pattern (*/*timeout*), or a requirement
    /// (VER-3, VER). All without one.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Only cases of this level; may be given more than once.
    #[arg(long, value_name = "LEVEL")]
    level: Vec<LevelArgument>,
}

#[derive(Debug, Args)]
struct RunArguments {
    #[command(flatten)]
    choice: Choice,
    /// Known oddities too (level quirk).
    #[arg(long)]
    strict: bool,
    /// Where to run: sim, the emulator; a world of the kernel that this runs on; or all, one after the other.
    #[arg(long, default_value = "sim")]
    world: String,
    /// Try a libipq, on the emulator, instead of a kernel: rust, this project's own; or dlopen:PATH, a libipq.so for C. The cases
    /// are those of the library, and what only C sees of it.
    #[arg(long, value_name = "CLIENT", conflicts_with = "world")]
    client: Option<ClientArgument>,
    /// The object of package ipq-preload, for a library that does not know the emulator; unless said, `libipq_preload.so` beside
    /// this command, if it is there.
    #[arg(long, value_name = "OBJECT", requires = "client")]
    preload: Option<PathBuf>,
    /// How to report.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// What cases that leave something to chance begin with.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A folder for the transcript (.txt) and the packets (.pcap) of each case that fails or is broken.
    #[arg(long, value_name = "DIR")]
    transcripts: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    choice: Choice,
    /// An object a line, in JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = MATRIX_HELP)]
struct MatrixArguments {
    /// Files of results, as `run --format json` writes them; a column for each world in them.
    #[arg(value_name = "RESULTS", required_unless_present = "world")]
    results: Vec<PathBuf>,
    /// A world to run every case in, quirks too, for one more column; or all of them. May be given more than once.
    #[arg(long, value_name = "WORLD")]
    world: Vec<String>,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = MatrixFormat::Text)]
    format: MatrixFormat,
    /// The file to write to, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What cases that leave something to chance begin with.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

const MATRIX_HELP: &str = "\
Examples:
  ipq-conformance matrix --world sim --world nfqueue
  ipq-conformance run --strict --format json >sim.json
  ipq-conformance matrix sim.json 3.4.json --format html --output matrix.html

Exit status: that of a `run` of all columns: 1 if a cell failed, broke or passed unexpectedly,
3 if no case was tried; 2 if a file is no results, or damaged. With 0, 1 and 3 the matrix is written.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MatrixFormat {
    /// A table for a terminal, the reasons below.
    Text,
    /// A table in Markdown, the reasons below.
    Markdown,
    /// One page that needs nothing else, to be filtered.
    Html,
}

#[derive(Debug, Args)]
struct ReplayArguments {
    /// Files of recordings, one scenario in JSON a line; the recordings that come with the suite without one.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to replay.
    #[arg(long, default_value = "sim")]
    world: String,
    /// How to report.
    #[arg(long, value_enum, default_value_t = ReplayFormat::Human)]
    format: ReplayFormat,
}

#[derive(Debug, Args)]
struct DiffArguments {
    /// The two worlds: the first is recorded, the second compared with it.
    #[arg(
        long,
        value_name = "FIRST,SECOND",
        value_delimiter = ',',
        default_value = "sim,nfqueue"
    )]
    worlds: Vec<String>,
    /// How many sequences to try.
    #[arg(long, value_name = "N", default_value_t = 100)]
    cases: u64,
    /// The seed of the first sequence; the others have those that follow.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Args)]
struct RecordArguments {
    /// Files of recordings, whose steps are done; the recordings that come with the suite without one.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to record.
    #[arg(long)]
    world: String,
}

#[cfg(target_os = "linux")]
#[derive(Debug, Args)]
struct VmArguments {
    /// The kernel: a bzImage for x86-64. Up to 3.4 with its queue built in, or one of today's.
    #[arg(long, value_name = "BZIMAGE")]
    kernel: PathBuf,
    /// The folder of the kernel's modules, lib/modules/VERSION, where it does not have everything built in.
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// What executes the machine.
    #[arg(long, value_enum, default_value_t = AccelArgument::Tcg)]
    accel: AccelArgument,
    /// How long the machine may run, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    time_limit: u32,
    /// What the suite is told in the machine, such as `run --world ip_queue`.
    #[arg(last = true, value_name = "COMMAND", default_values_t = ["run", "--world", "all"].map(String::from))]
    arguments: Vec<String>,
}

#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AccelArgument {
    /// The emulator alone, which is possible everywhere.
    Tcg,
    /// The processor, with the help of this machine's kernel: faster, if /dev/kvm is there and works.
    Kvm,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// A JSON object a line for each case, and one with the summary.
    Json,
    /// JUnit's XML.
    Junit,
    /// The Test Anything Protocol.
    Tap,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReplayFormat {
    /// For people.
    Human,
    /// A JSON object a line for each scenario, and one with the summary.
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelArgument {
    /// The documented contract.
    Must,
    /// What kernels did without saying so.
    Kernel,
    /// Known oddities.
    Quirk,
}

/// Whose libipq is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ClientArgument {
    /// This project's, in Rust.
    Rust,
    /// That of a library for C, by its name.
    Library(OsString),
}

impl FromStr for ClientArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "rust" => Ok(Self::Rust),
            Some(("dlopen", name)) if !name.is_empty() => Ok(Self::Library(name.into())),
            _ => Err("it can be rust, or dlopen: and the path of a libipq.so".into()),
        }
    }
}

impl Choice {
    fn levels(&self) -> Vec<Level> {
        let level = |argument: &LevelArgument| match argument {
            LevelArgument::Must => Level::Must,
            LevelArgument::Kernel => Level::Kernel,
            LevelArgument::Quirk => Level::Quirk,
        };
        self.level.iter().map(level).collect()
    }
}

/// Reads the command line, does what it says in one of `worlds`, and returns the exit status.
///
/// This is the whole of the program `ipq-conformance`. Whoever has a world of their own gives it here, beside or instead of
/// [`worlds::all`](crate::worlds::all), and has a program that tries it.
#[must_use]
pub fn main(worlds: &[Arc<dyn WorldFactory>]) -> ExitCode {
    let command = Command::parse();
    let done = match command.action {
        None => run::run(worlds, &command.run),
        Some(Action::Run(arguments)) => run::run(worlds, &arguments),
        Some(Action::List(arguments)) => list::list(&arguments),
        Some(Action::Explain { id }) => explain::explain(&id),
        Some(Action::Coverage) => coverage::coverage(),
        Some(Action::Matrix(arguments)) => matrix::matrix(worlds, &arguments),
        Some(Action::Replay(arguments)) => replay::replay(worlds, &arguments),
        Some(Action::Diff(arguments)) => diff::diff(worlds, &arguments, &mut standard_output()),
        Some(Action::Record(arguments)) => record::record(worlds, &arguments),
        #[cfg(target_os = "linux")]
        Some(Action::Vm(arguments)) => vm::vm(&arguments),
    };
    let end = done.unwrap_or_else(|error| {
        // Whoever reads no further needs no message.
        if !matches!(&error, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            eprintln!("ipq-conformance: {error}");
        }
        End::Unable
    });
    ExitCode::from(end as u8)
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the report can't be written: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Unable(String),
}

fn unable(what: impl fmt::Display) -> Failure {
    Failure::Unable(what.to_string())
}

/// The kind of world that is called `name`.
fn find_world(worlds: &[Arc<dyn WorldFactory>], name: &str) -> Result<Arc<dyn WorldFactory>, Failure> {
    let found = worlds.iter().find(|factory| factory.name() == name).map(Arc::clone);
    found.ok_or_else(|| {
        let known: Vec<_> = worlds.iter().map(|factory| factory.name()).collect();
        unable(format_args!(
            "there is no world {name:?}; the worlds are: {}",
            known.join(", ")
        ))
    })
}

/// What makes it a failure that a real kernel could not be tried.
const REQUIRE_REAL: &str = "IPQ_REQUIRE_REAL";

/// What becomes of the command if the world can't be tried here, which is then said once.
fn unless_possible(factory: &dyn WorldFactory) -> Option<End> {
    let tried = factory.create().and_then(|mut world| world.begin(&Setup::default()));
    match tried {
        Err(error @ (WorldError::Unsupported(_) | WorldError::Lacks(_))) => {
            eprintln!("ipq-conformance: {error}");
            Some(nothing_ran(factory.name()))
        }
        _ => None,
    }
}

/// What it comes to that nothing could be tried in a world.
fn nothing_ran(world: &str) -> End {
    let required = std::env::var_os(REQUIRE_REAL).is_some_and(|value| value == "1");
    if required {
        eprintln!("ipq-conformance: {REQUIRE_REAL} is set, and world {world} could not be tried here");
        return End::Bad;
    }
    End::Nothing
}

/// Standard output, without colours where they are not wanted: in a file, and with `NO_COLOR` set.
fn standard_output() -> impl io::Write {
    io::LineWriter::new(anstream::stdout())
}

#[cfg(test)]
mod tests;
