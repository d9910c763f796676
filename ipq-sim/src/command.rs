//! The command line.

mod output;
mod serve;

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use ipq_core::Hook;
use ipq_sim::Profile;
use ipq_sim::programs::run::{Launcher, NotFed, Rate, Report, Run, RunError};
use output::Outputs;
use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What an exit status says, at the end of every help.
const EXIT_STATUS: &str =
    "Exit status: 0 all went well; 1 the run ended early, or the program failed; 2 it could not be done.";

/// Runs programs written for libipq against an emulated kernel: no privilege, no network.
#[derive(Parser)]
#[command(name = "ipq-sim", version, after_help = EXIT_STATUS)]
struct CommandLine {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Runs a program on the packets of a capture, and prints what became of them.
    #[command(after_help = EXIT_STATUS)]
    Run(RunArguments),
    /// Serves an emulated kernel to programs that are started elsewhere, with `IPQ_TRANSPORT=unix:PATH`.
    #[command(after_help = EXIT_STATUS)]
    Serve(serve::ServeArguments),
}

/// The emulated kernel.
#[derive(Args)]
struct KernelArguments {
    /// The hook that packets enter at, and where all are queued.
    #[arg(long, value_enum, default_value = "input")]
    hook: HookName,
    /// How many packets the queue holds.
    #[arg(long, value_name = "N")]
    queue_len: Option<u32>,
    /// The receive buffer of the program's sockets, in bytes as getsockopt reads them.
    #[arg(long, value_name = "BYTES")]
    rcvbuf: Option<u32>,
    /// Which kernel is emulated.
    #[arg(long, value_name = "PROFILE", default_value = Profile::LINUX_3_4_10_X86_64.name, value_parser = profile)]
    kernel: Profile,
}

impl KernelArguments {
    fn profile(&self) -> Profile {
        let mut profile = self.kernel;
        profile.queue_length = self.queue_len.unwrap_or(profile.queue_length);
        profile.receive_buffer = self.rcvbuf.unwrap_or(profile.receive_buffer);
        profile
    }
}

/// What is fed, how, and what is kept of it.
#[derive(Args)]
struct FeedArguments {
    /// Where the packets that got through are written, as raw IP, with the capture's times.
    #[arg(long, value_name = "OUT.pcap", requires = "pcap")]
    out: Option<PathBuf>,
    /// Where what became of each packet is written, one JSON object a line.
    #[arg(long, value_name = "VERDICTS.jsonl", requires = "pcap")]
    log: Option<PathBuf>,
    /// How many packets a second are fed, or `max`; unless said, as many as there is room for.
    #[arg(long, value_name = "PPS|max", value_parser = rate, requires = "pcap")]
    rate: Option<Rate>,
    /// How many packets may be fed that the program has not read; unless said, as many as there is room for.
    #[arg(long, value_name = "N", requires = "pcap", conflicts_with = "rate")]
    in_flight: Option<NonZeroUsize>,
    /// Feeds as soon as the program listens; unless said, when it waits for packets.
    #[arg(long, requires = "pcap")]
    at_once: bool,
    /// How many seconds nothing may happen before the run is ended.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "pcap")]
    patience: u64,
}

#[derive(Args)]
struct RunArguments {
    /// The capture whose packets are fed: pcap or pcapng, raw IP, Ethernet or Linux cooked.
    #[arg(long, value_name = "IN.pcap")]
    pcap: PathBuf,
    /// In which directory the program finds libipq.so.0; unless said, that of this command or the `lib` beside it, if it is there.
    #[arg(long, value_name = "DIR")]
    library: Option<PathBuf>,
    /// The object of package ipq-preload, for the launcher preload, which is then meant; unless said, `libipq_preload.so` beside
    /// this command.
    #[arg(long, value_name = "OBJECT")]
    preload: Option<PathBuf>,
    /// By which means the program gets its emulated sockets; unless said, seccomp where the system has it.
    #[arg(long, value_name = "MEANS", value_parser = launcher)]
    launcher: Option<Launcher>,
    #[command(flatten)]
    feed: FeedArguments,
    #[command(flatten)]
    kernel: KernelArguments,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// A hook, as the command line names it.
#[derive(Clone, Copy, ValueEnum)]
enum HookName {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl From<HookName> for Hook {
    fn from(name: HookName) -> Self {
        match name {
            HookName::Prerouting => Self::Prerouting,
            HookName::Input => Self::Input,
            HookName::Forward => Self::Forward,
            HookName::Output => Self::Output,
            HookName::Postrouting => Self::Postrouting,
        }
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name).collect();
        format!("there are {}", names.join(" and "))
    })
}

fn launcher(name: &str) -> Result<Launcher, String> {
    let known = Launcher::ALL.into_iter().find(|launcher| launcher.name() == name);
    known.ok_or_else(|| format!("there are {}", Launcher::ALL.map(Launcher::name).join(", ")))
}

fn rate(text: &str) -> Result<Rate, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Rate::Max),
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Rate::PerSecond(rate)),
        _ => Err("a number of packets a second above 0, or max".to_owned()),
    }
}

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Run(#[from] RunError),
    /// What the packets went through is not lost: the summary is printed before.
    #[error("{} can't be written: {source}", .path.display())]
    Output { path: PathBuf, source: io::Error },
    #[error("a capture is not written to a terminal: redirect standard output, or name a file")]
    Terminal,
    #[error("signals can't be waited for: {0}")]
    Signals(io::Error),
}

pub(crate) fn main() -> ExitCode {
    let result = match CommandLine::parse().action {
        Action::Run(arguments) => run(&arguments),
        Action::Serve(arguments) => serve::serve(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("ipq-sim: {error}");
        ExitCode::from(2)
    })
}

/// Set by SIGINT and SIGTERM.
fn interruption() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(Failure::Signals)?;
    }
    Ok(interrupted)
}

fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let [program, rest @ ..] = &arguments.program[..] else {
        return Ok(ExitCode::from(2));
    };
    let mut run = Run::new(&arguments.pcap, program);
    for argument in rest {
        run = run.argument(argument);
    }
    if let Some(directory) = arguments.library.clone().or_else(library) {
        run = run.library(directory);
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|command| command.with_file_name("libipq_preload.so"));
    if let Some(object) = arguments.preload.clone().or(beside.filter(|object| object.is_file())) {
        run = run.preload(object);
    }
    let preload = arguments.preload.as_ref().map(|_| Launcher::Preload);
    if let Some(launcher) = arguments.launcher.or(preload) {
        run = run.launcher(launcher);
    }
    eprintln!("launcher: {}", run.choice()?);
    feed(run, &arguments.feed, &arguments.kernel, &mut || {})
}

/// Where this project's libipq is, if it was installed with this command or built where this is.
fn library() -> Option<PathBuf> {
    let command = std::env::current_exe().ok()?;
    let directory = command.parent()?;
    let beside = directory.parent().map(|prefix| prefix.join("lib"));
    let mut candidates = [Some(directory.to_owned()), beside].into_iter().flatten();
    candidates.find(|directory| directory.join("libipq.so.0").is_file())
}

/// Runs with what the command line says, calling `listening` when programs can come, prints the summary, and writes the files that
/// it asks for.
fn feed(
    run: Run,
    arguments: &FeedArguments,
    kernel: &KernelArguments,
    listening: &mut dyn FnMut(),
) -> Result<ExitCode, Failure> {
    let mut run = run
        .profile(kernel.profile())
        .hook(kernel.hook.into())
        .rate(arguments.rate.unwrap_or_default())
        .patience(Duration::from_secs(arguments.patience))
        .stop_when(interruption()?);
    if let Some(most) = arguments.in_flight {
        run = run.in_flight(most);
    }
    if arguments.at_once {
        run = run.at_once();
    }
    // Drawn on a terminal only.
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{wide_bar} {msg} packets, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut outputs = Outputs::open(
        arguments.out.as_deref(),
        arguments.log.as_deref(),
        bar.clone(),
        listening,
    )?;
    let report = run.go_watched(&mut outputs)?;
    bar.finish_and_clear();
    eprint!("{}", report.summary);
    for remark in &report.remarks {
        eprintln!("{remark}");
    }
    outputs.finish().map_err(RunError::Watch)?;
    Ok(if went_wrong(&report) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Says what went wrong, if anything did.
fn went_wrong(report: &Report) -> bool {
    let failed = report.exit.filter(|status| !status.success());
    let open = report.summary.still_queued > 0 || report.summary.not_fed.contains_key(&NotFed::RunEnded);
    if report.stopped {
        eprintln!("interrupted");
    } else if report.gave_up {
        eprintln!(
            "nothing happened any more: does the program have this project's libipq or run under --preload, does it set a mode, and \
             give every packet a verdict?"
        );
    } else if let (Some(status), true) = (report.exit, open) {
        eprintln!("the program ended before the capture was through: {status}");
    } else if let Some(status) = failed {
        eprintln!("the program failed: {status}");
    }
    report.stopped || report.gave_up || open || failed.is_some()
}
