//! The command line.

mod coverage;
#[cfg(target_os = "linux")]
mod decode;
mod diff;
mod documentation;
mod explain;
mod list;
mod matrix;
mod merge;
mod progress;
mod record;
mod replay;
mod run;
mod suggest;
mod vectors;
#[cfg(target_os = "linux")]
mod vm;
#[cfg(target_os = "linux")]
mod world;

use crate::diff::Plan;
use crate::partition::Partition;
use crate::suite::Level;
use crate::world::{Setup, WorldError, WorldFactory};
use crate::worlds::SimFactory;
#[cfg(target_os = "linux")]
use crate::worlds::exec;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

/// The way in which a command ended. Its number is the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Exit status 0: all is well.
    Good,
    /// Exit status 1: something is not as it has to be.
    Bad,
    /// Exit status 2: the command could not be carried out.
    Unable,
    /// Exit status 3: nothing was run, or nothing can be run here.
    Nothing,
}

const AFTER_HELP: &str = "\
Examples:
  ipq-conformance                          run every case on the emulator
  ipq-conformance verdicts replacement     the cases of two topics
  ipq-conformance '*/*timeout*' LIB-3      cases by a part of their id, or by requirement
  ipq-conformance --strict --format junit  quirks too, for continuous integration
  ipq-conformance nfq                      the second part: numbered queues (nfnetlink_queue)
  ipq-conformance --world nfqueue          this machine's kernel; needs no root where that allows it
  ipq-conformance --client dlopen:PATH     a libipq.so for C, on the emulator
  ipq-conformance --client exec:PROGRAM    a libipq in any language, on the emulator
  ipq-conformance vm --kernel bzImage      another kernel, in a virtual machine
  ipq-conformance matrix --world all       worlds side by side; also from files, as Markdown or HTML
  ipq-conformance explain VER-3            a requirement, and the cases that check it
  ipq-conformance replay new.jsonl         does the emulator do what a kernel did?
  ipq-conformance decode trace.pcap        netlink messages by field, and the rules they break
  ipq-conformance diff                     generated steps: do the emulator and this kernel agree?

Exit status: 0 all well; 1 something failed; 2 wrong usage, or the command could not be carried out;
3 nothing ran. With IPQ_REQUIRE_REAL=1 in the environment, a real kernel that could not be tested is
a failure.";

const DIFF_AFTER_HELP: &str = "\
Examples:
  ipq-conformance diff                                    the emulator and this machine's kernel
  ipq-conformance diff --cases 2000 --seed 5000           more sequences, and others
  ipq-conformance diff --seed 5017 --cases 1              one of them again
  ipq-conformance diff --part nfqueue --cases 2000        steps for numbered queues
  ipq-conformance diff --part nfqueue --worlds linux-6.1-x86_64,nfqueue
                                                          the emulator as Linux 6.1, on that kernel
  ipq-conformance diff --cases 1000000 --checkpoint soak.json
                                                          a long run, which goes on after an end
  ipq-conformance diff --cases 2000 | tail -1 >new.jsonl  keep the recording of a difference
  ipq-conformance replay --world nfqueue new.jsonl        do its steps again

Known differences are excepted, each with its reason. Exit status: 0 no other difference; 1 there is
one; 2 wrong usage, or a world went wrong; 3 a world can't be tried here.";

const ABOUT: &str = "Tests an implementation of ip_queue, case by case, and reports what it finds";

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
    /// Run cases (the default command)
    Run(RunArguments),
    /// List cases without running them
    List(ListArguments),
    /// Explain a case or a requirement, or list the requirements
    Explain {
        /// The id of a case, such as verdicts/accept, or of a requirement, such as VER-4; without
        /// it every requirement is listed
        id: Option<String>,
    },
    /// Show the requirements, the cases that check them, and the seeded faults that those found
    Coverage,
    /// Put worlds side by side: the outcome of each case in each world, with the reasons
    Matrix(MatrixArguments),
    /// Put the reports of the parts of a run, a replay or a diff together.
    ///
    /// The parts are those of `--partition`, or runs of different cases in the same world. The
    /// result is the report of the whole run.
    #[command(after_help = MERGE_HELP)]
    Merge(MergeArguments),
    /// Do the steps of recordings of a kernel, and compare the answers byte for byte
    Replay(ReplayArguments),
    /// Do the same generated steps in two worlds, and show the first difference.
    ///
    /// Each seed gives one sequence of steps: rules, sockets, mode messages, packets that arrive,
    /// verdicts with and without replacements, malformed messages, and devices that go down. The
    /// first world carries it out; the second must answer each step alike, byte for byte, except
    /// for what a replay exempts. A sequence that differs is reduced to the steps that the
    /// difference needs, and printed as a recording.
    #[command(after_help = DIFF_AFTER_HELP)]
    Diff(DiffArguments),
    /// Do steps in a world, and write them to standard output with the world's answers, as
    /// recordings.
    ///
    /// The steps are those of recordings, those that cases do, or generated ones. A recording needs
    /// none of the cases' code: `replay`, or a program in any language, does its steps again and
    /// compares the answers.
    #[command(after_help = RECORD_HELP)]
    Record(RecordArguments),
    /// Print frames of `ip_queue` with their meaning, to test parsers against.
    ///
    /// Each frame is a JSON object on a line. There are no frames of numbered queues
    /// (`nfnetlink_queue`).
    Vectors,
    /// Explain netlink messages frame by frame, and name the rules that a frame breaks
    ///
    /// Reads a capture (pcap or pcapng) of the link type NETLINK, as `ipq-sim run --trace`, `run
    /// --transcripts` and a capture on a device of type nlmon write it, or a hex dump: of xxd,
    /// hexdump, od, tcpdump -x, strace -xx, or plain pairs of digits. Messages of both parts are
    /// known: of `ip_queue`, and of numbered queues (`nfnetlink_queue`).
    #[cfg(target_os = "linux")]
    #[command(after_help = DECODE_HELP)]
    Decode(DecodeArguments),
    /// Serve a world on standard input and output, in the protocol of `--world exec:PROGRAM`.
    ///
    /// It is the reference for programs that speak this protocol: a run over the pipe has the same
    /// results as a run of the world itself.
    #[cfg(target_os = "linux")]
    #[command(after_help = WORLD_HELP)]
    World(WorldArguments),
    /// Boot a kernel in a virtual machine, and run the suite on it
    #[cfg(target_os = "linux")]
    Vm(VmArguments),
    /// Write the manual pages, for section 1
    Manual {
        /// The directory that the pages are written to, such as /usr/local/share/man/man1
        directory: PathBuf,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct Choice {
    /// The cases to run: the beginning of an id (verdicts, verdicts/acc), a pattern (*/*timeout*),
    /// or a requirement (VER-3, VER); all by default
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Only cases of this level; may be given more than once
    #[arg(long, value_name = "LEVEL")]
    level: Vec<LevelArgument>,
}

#[derive(Debug, Args)]
struct RunArguments {
    #[command(flatten)]
    choice: Choice,
    /// Also run known oddities (level quirk), as `matrix` always does
    #[arg(long)]
    strict: bool,
    /// The world to run in: sim, the emulator; a world of this machine's kernel; all, one after the
    /// other; or exec:PROGRAM, a program in any language (see docs/world-protocol.md)
    #[arg(long, default_value = "sim")]
    world: String,
    /// The kernel that the emulator is, by its version or the name of a profile: 2.4.16, or
    /// linux-2.4.16-i386
    #[arg(long, value_name = "KERNEL", conflicts_with = "client")]
    kernel: Option<String>,
    /// Test a libipq on the emulator instead of a kernel: rust, this project's own; dlopen:PATH, a
    /// libipq.so for C by its path, or by its name if the system or this command's installation has
    /// it; or exec:PROGRAM, a program in any language that calls one (see docs/client-protocol.md).
    /// Runs the cases of the library, including those that only C can see
    #[arg(long, value_name = "CLIENT", conflicts_with = "world")]
    client: Option<ClientArgument>,
    /// The object of the package ipq-preload, for a library that does not know the emulator
    /// [default: the `libipq_preload.so` that was installed with this command, if there is one]
    #[arg(long, value_name = "OBJECT", requires = "client", value_parser = readable_file)]
    preload: Option<PathBuf>,
    /// Only part K of N of the chosen cases, such as 1/3, so that several machines can share them;
    /// `merge` puts the reports together
    #[arg(long, value_name = "K/N")]
    partition: Option<Partition>,
    /// The format of the report
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The seed of cases that use random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A folder for the transcript (.txt) of each case that failed, broke or differs as expected,
    /// and the capture (.pcapng) of its netlink messages and packets, for Wireshark and `decode`
    #[arg(long, value_name = "DIR")]
    transcripts: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    choice: Choice,
    /// A JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = MATRIX_HELP)]
struct MatrixArguments {
    /// Files of results, as `run --format json` writes them; each world in them is a column
    #[arg(value_name = "RESULTS")]
    results: Vec<PathBuf>,
    /// A world to run every case in, including quirks, as one more column; or all of them. May be
    /// given more than once
    #[arg(long, value_name = "WORLD")]
    world: Vec<String>,
    /// A kernel that the emulator is, in one more column, by its version or the name of a profile.
    /// May be given more than once
    #[arg(long, value_name = "KERNEL")]
    kernel: Vec<String>,
    /// Also replay the recordings of real kernels that come with the suite, and say how many of
    /// their scenarios the emulator answers alike
    #[arg(long)]
    recordings: bool,
    /// The format of the matrix
    #[arg(long, value_enum, default_value_t = MatrixFormat::Text)]
    format: MatrixFormat,
    /// The file to write to, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The seed of cases that use random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

const MATRIX_HELP: &str = "\
Examples:
  ipq-conformance matrix --world sim --world nfqueue
  ipq-conformance run --strict --format json >sim.json
  ipq-conformance matrix sim.json 3.4.json --format html --output matrix.html
  ipq-conformance matrix --world sim --kernel 2.4.16 --recordings --format html >matrix.html

Exit status: that of a `run` of all columns: 1 if a cell failed, broke or passed unexpectedly,
3 if no case was tried; 2 if a file is no results, or damaged. With 0, 1 and 3 the matrix is written.";

#[derive(Debug, Args)]
struct MergeArguments {
    /// The reports of the parts, as `run` and `replay` with `--format json` write them, or as
    /// `diff` with `--checkpoint` does
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
    /// The file to write to, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const MERGE_HELP: &str = "\
Examples:
  ipq-conformance run --strict --partition 1/3 --format json >1.json
  ipq-conformance run --strict --partition 2/3 --format json >2.json
  ipq-conformance run --strict --partition 3/3 --format json >3.json
  ipq-conformance merge 1.json 2.json 3.json --output all.json
  ipq-conformance matrix all.json

Exit status: that of the whole run; 2 if a part is missing or there twice, if the parts were not run
alike, or if a file is no report.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MatrixFormat {
    /// A table for a terminal, with the reasons below
    Text,
    /// A table in Markdown, with the reasons below
    Markdown,
    /// One page of HTML that needs nothing else and can be filtered
    Html,
}

#[cfg(target_os = "linux")]
#[derive(Debug, Args)]
struct DecodeArguments {
    /// The capture or the hex dump; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The word size of the machine that the frames are of, in bytes: 4 or 8; by default the one
    /// that they fit best
    #[arg(long, value_name = "BYTES", value_parser = ["4", "8"])]
    word_bytes: Option<String>,
    /// The byte order of that machine; by default the one that they fit best
    #[arg(long, value_name = "ORDER", value_parser = ["little", "big"])]
    byte_order: Option<String>,
    /// The format of the explanation
    #[arg(long, value_enum, default_value_t = DecodeFormat::Human)]
    format: DecodeFormat,
}

#[cfg(target_os = "linux")]
const DECODE_HELP: &str = "\
Examples:
  ipq-sim run --pcap in.pcap --trace trace.pcap ./filter; ipq-conformance decode trace.pcap
  ipq-conformance run --transcripts failed; ipq-conformance decode failed/verdicts-accept.pcapng
  echo 24000000 13000000 00000000 00000000 | ipq-conformance decode -
  strace -xx -s 100000 -e trace=%net ./filter 2>&1 | grep '\\\\x' | ipq-conformance decode -

Exit status: 0 no frame breaks a rule; 1 one does; 2 the file can't be read, or is damaged; 3 it has no netlink message.";

#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DecodeFormat {
    /// A text for people
    Human,
    /// A JSON object a line for each frame, and one with the summary
    Json,
}

#[derive(Debug, Args)]
struct ReplayArguments {
    /// Files of recordings, one scenario in JSON a line; by default the recordings that come with
    /// the suite
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The world to replay in
    #[arg(long, default_value = "sim")]
    world: String,
    /// Only part K of N of the scenarios, such as 1/3, so that several machines can share them;
    /// `merge` puts the reports together
    #[arg(long, value_name = "K/N")]
    partition: Option<Partition>,
    /// The format of the report
    #[arg(long, value_enum, default_value_t = ReplayFormat::Human)]
    format: ReplayFormat,
}

#[derive(Debug, Args)]
struct DiffArguments {
    /// The two worlds: the first is recorded, the second compared with it
    #[arg(
        long,
        value_name = "FIRST,SECOND",
        value_delimiter = ',',
        default_value = "sim,nfqueue"
    )]
    worlds: Vec<String>,
    /// The queues that the steps are for
    #[arg(long, value_enum, default_value_t = Part::IpQueue)]
    part: Part,
    /// The number of sequences
    #[arg(long, value_name = "N", default_value_t = 100)]
    cases: u64,
    /// The seed of the first sequence; the others have the seeds that follow
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only part K of N of the sequences, such as 1/3, so that several machines can share them;
    /// `merge` puts the checkpoints together
    #[arg(long, value_name = "K/N")]
    partition: Option<Partition>,
    /// A file for the figures so far, in JSON, written every few seconds and at the end. If it is
    /// there, the run goes on from it, also with more --cases than before
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// A part of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The first part: a queue for each family
    #[value(name = "ip_queue")]
    IpQueue,
    /// The second part: queues with numbers
    Nfqueue,
}

impl Part {
    /// Returns the part's name on the command line.
    const fn name(self) -> &'static str {
        match self {
            Self::IpQueue => "ip_queue",
            Self::Nfqueue => "nfqueue",
        }
    }

    /// Returns a setup by which a world shows whether it has the part's queues.
    fn setup(self) -> Setup {
        match self {
            Self::IpQueue => Setup::default(),
            Self::Nfqueue => Setup::with_numbered_queues(Vec::new()),
        }
    }

    /// Returns the plan that `seed` generates for the part's queues, and the name of a recording of
    /// it.
    fn scenario(self, seed: u64) -> (Plan, String) {
        let plan = match self {
            Self::IpQueue => Plan::generate(seed),
            Self::Nfqueue => Plan::generate_numbered(seed),
        };
        (plan, format!("generated-{seed}"))
    }
}

#[derive(Debug, Args)]
struct RecordArguments {
    /// Files of recordings, whose steps are done; by default the recordings that come with the
    /// suite
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The world to record in
    #[arg(long)]
    world: String,
    /// Record the steps of cases that pass, chosen as for `run` (nfq, verdicts/acc, VER-3). Left
    /// out are cases with a step that takes time, and those that only an emulator can do
    #[arg(long, value_name = "FILTER", num_args = 1.., conflicts_with_all = ["files", "generated"])]
    cases: Vec<String>,
    /// Record this many generated sequences of steps, the same as `diff` compares
    #[arg(long, value_name = "N", conflicts_with = "files")]
    generated: Option<u64>,
    /// The queues that generated steps are for
    #[arg(long, default_value = "ip_queue", requires = "generated")]
    part: Part,
    /// The seed of the first generated sequence; the others have the seeds that follow
    #[arg(long, default_value_t = 0, requires = "generated")]
    seed: u64,
    /// Only part K of N of the scenarios, such as 1/3; put the outputs of all parts in one file
    #[arg(long, value_name = "K/N")]
    partition: Option<Partition>,
}

const RECORD_HELP: &str = "\
Examples:
  ipq-conformance record --world nfqueue                  the steps of the built-in recordings
  ipq-conformance record --world nfqueue --cases nfq      those of the cases of numbered queues
  ipq-conformance record --world nfqueue --part nfqueue --generated 100
                                                          100 generated sequences
  ipq-conformance record --world nfqueue --cases nfq >mine.jsonl
  ipq-conformance replay mine.jsonl                       does the emulator answer alike?

Exit status: 0 nothing went wrong; 2 a scenario could not be recorded, or wrong usage; 3 the world
can't be tried here, or no scenario was recorded.";

#[cfg(target_os = "linux")]
#[derive(Debug, Args)]
struct WorldArguments {
    /// The world to serve
    #[arg(default_value = "sim")]
    world: String,
    /// The kernel that the emulator is, by its version or the name of a profile
    #[arg(long, value_name = "KERNEL", conflicts_with = "world")]
    kernel: Option<String>,
}

#[cfg(target_os = "linux")]
const WORLD_HELP: &str = "\
Examples:
  ipq-conformance run --world 'exec:ipq-conformance world'    the emulator, over a pipe
  ipq-conformance run --world 'exec:ipq-conformance world --kernel 2.4.16'
  echo '{\"request\":\"describe\",\"protocol\":1}' | ipq-conformance world

docs/world-protocol.md describes the protocol. Exit status: 0 the world ended; 2 a request breaks
the protocol, or the world can't be created here.";

#[cfg(target_os = "linux")]
#[derive(Debug, Args)]
struct VmArguments {
    /// The kernel: a bzImage for x86-64, up to 3.4 with its queue built in, or one of today's
    #[arg(long, value_name = "BZIMAGE")]
    kernel: PathBuf,
    /// The folder of the kernel's modules, lib/modules/VERSION, if it does not have everything
    /// built in
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// The way to execute the machine
    #[arg(long, value_enum, default_value_t = AccelArgument::Tcg)]
    accel: AccelArgument,
    /// The time limit of the machine, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    time_limit: u32,
    /// The suite's arguments inside the machine, such as `run --world ip_queue`
    #[arg(last = true, value_name = "COMMAND", default_values_t = ["run", "--world", "all"].map(String::from))]
    arguments: Vec<String>,
}

#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AccelArgument {
    /// QEMU's interpreter, which works everywhere
    Tcg,
    /// The processor, through this machine's kernel: faster, if /dev/kvm is there and works
    Kvm,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A report for people
    Human,
    /// A JSON object a line for each case, and one with the summary
    Json,
    /// JUnit's XML
    Junit,
    /// The Test Anything Protocol
    Tap,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReplayFormat {
    /// A report for people
    Human,
    /// A JSON object a line for each scenario, and one with the summary
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelArgument {
    /// The documented contract
    Must,
    /// Undocumented kernel behaviour
    Kernel,
    /// Known oddities
    Quirk,
}

/// The libipq that `--client` names, to be tested.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ClientArgument {
    /// This project's libipq, in Rust.
    Rust,
    /// A `libipq.so` for C, by its name or path: `dlopen:PATH`.
    Library(OsString),
    /// A program in any language, by its command line: `exec:PROGRAM`.
    Program(String),
}

impl FromStr for ClientArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "rust" => Ok(Self::Rust),
            Some(("dlopen", name)) if !name.is_empty() => Ok(Self::Library(name.into())),
            Some(("exec", command)) if !command.is_empty() => Ok(Self::Program(command.to_owned())),
            _ => Err("it can be rust; dlopen: and the path of a libipq.so; or exec: and a program".into()),
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

/// Reads the command line, carries the command out, and returns the exit status. After `--help`, or
/// if the arguments can't be parsed, it ends the process itself. The command line can name
/// `worlds`, and beside them the emulated kernels and, on Linux, `exec:PROGRAM`.
///
/// To test a world of your own, write a program that passes the world's factory to this function,
/// beside [`worlds::all`](crate::worlds::all) or instead. On Linux the program is started once
/// more, as a child process, for each world of a real kernel and for `--client dlopen:`. If it has
/// these, it must call `worlds::serve_if_asked` before this function. If it has the command `vm`,
/// it must call `vm::run_if_first_process` before both. The program `ipq-conformance` does all
/// this.
#[must_use]
pub fn main(worlds: &[Arc<dyn WorldFactory>]) -> ExitCode {
    let command = Command::parse();
    let done = match command.action {
        None => run_by_default(worlds, &command.run),
        Some(Action::Run(arguments)) => run::run(worlds, &arguments),
        Some(Action::List(arguments)) => list::list(&arguments),
        Some(Action::Explain { id: Some(id) }) => explain::explain(&id),
        Some(Action::Explain { id: None }) => explain::list(),
        Some(Action::Coverage) => coverage::coverage(),
        Some(Action::Matrix(arguments)) => matrix::matrix(worlds, &arguments),
        Some(Action::Merge(arguments)) => merge::merge(&arguments),
        #[cfg(target_os = "linux")]
        Some(Action::Decode(arguments)) => decode::decode(&arguments),
        Some(Action::Replay(arguments)) => replay::replay(worlds, &arguments),
        Some(Action::Diff(arguments)) => diff::diff(worlds, &arguments, &mut standard_output()),
        Some(Action::Record(arguments)) => record::record(worlds, &arguments),
        Some(Action::Vectors) => vectors::vectors(),
        #[cfg(target_os = "linux")]
        Some(Action::World(arguments)) => world::serve(worlds, &arguments),
        #[cfg(target_os = "linux")]
        Some(Action::Vm(arguments)) => vm::vm(&arguments),
        Some(Action::Manual { directory }) => documentation::write_manual(&directory),
        Some(Action::Completions { shell }) => documentation::print_completions(shell),
    };
    let end = done.unwrap_or_else(|error| {
        // A reader that stopped reading needs no message.
        if !matches!(&error, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            eprintln!("ipq-conformance: {error}");
        }
        End::Unable
    });
    ExitCode::from(end as u8)
}

/// Runs cases when no command is named. A word that chooses no case is an error that also suggests
/// commands, since it may be a mistyped one.
fn run_by_default(worlds: &[Arc<dyn WorldFactory>], arguments: &RunArguments) -> Result<End, Failure> {
    let command = Command::command();
    let commands: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    suggest::refuse_unknown(&arguments.choice.filters, &commands)?;
    run::run(worlds, arguments)
}

/// Returns `name` as a path if that file can be opened for reading; otherwise the error.
fn readable_file(name: &str) -> io::Result<PathBuf> {
    let path = PathBuf::from(name);
    File::open(&path)?;
    Ok(path)
}

/// The reason why a command could not be carried out.
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

/// Returns the world with this name: one of `worlds`, a kernel that the emulator can be, by its
/// profile's name, or on Linux `exec:` and a program. Any other name is an error.
fn find_world(worlds: &[Arc<dyn WorldFactory>], name: &str) -> Result<Arc<dyn WorldFactory>, Failure> {
    #[cfg(target_os = "linux")]
    if let Some(command) = name.strip_prefix(exec::PREFIX) {
        return Ok(Arc::new(exec::ExecFactory::new(command).map_err(unable)?));
    }
    let found = worlds.iter().find(|factory| factory.name() == name).map(Arc::clone);
    // Every kernel that the emulator can be is a world, under its profile's name.
    let emulated = || Some(Arc::new(SimFactory::of(ipq_sim::Profile::by_name(name)?)) as Arc<dyn WorldFactory>);
    found.or_else(emulated).ok_or_else(|| {
        let known: Vec<_> = worlds.iter().map(|factory| factory.name()).collect();
        unable(format_args!(
            "there is no world {name:?}; the worlds are: {}, all, and exec:PROGRAM",
            known.join(", ")
        ))
    })
}

/// The environment variable that, if it is 1, makes commands fail with exit status 1 instead of 3
/// if the world can't be tried here, or if all cases were skipped.
const REQUIRE_REAL: &str = "IPQ_REQUIRE_REAL";

/// Tries to create the world and to begin it with `setup`. If the world is not supported here, or
/// lacks something, prints the reason and returns how the command ends. Returns `None` if it could
/// begin, and also after any other error.
fn unless_possible(factory: &dyn WorldFactory, setup: &Setup) -> Option<End> {
    let tried = factory.create().and_then(|mut world| world.begin(setup));
    match tried {
        Err(error @ (WorldError::Unsupported(_) | WorldError::Lacks(_))) => {
            eprintln!("ipq-conformance: {error}");
            Some(nothing_ran(factory.name()))
        }
        _ => None,
    }
}

/// Returns how a command ends that could run nothing in `world`. That is [`End::Nothing`]; if
/// [`REQUIRE_REAL`] is 1, it is [`End::Bad`], with a message on standard error.
fn nothing_ran(world: &str) -> End {
    let required = std::env::var_os(REQUIRE_REAL).is_some_and(|value| value == "1");
    if required {
        eprintln!("ipq-conformance: {REQUIRE_REAL} is set, and world {world} could not be tried here");
        return End::Bad;
    }
    End::Nothing
}

/// Returns standard output, line by line, without colours in a file or if `NO_COLOR` is set.
fn standard_output() -> impl io::Write {
    io::LineWriter::new(anstream::stdout())
}

#[cfg(test)]
mod tests;
