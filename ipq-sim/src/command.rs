//! The command line `ipq-sim`: its arguments, its subcommands and its exit statuses.

mod documentation;
mod output;
mod serve;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use ipq_core::Hook;
use ipq_core::wire::{Abi, WordSize};
use ipq_sim::programs::installed;
use ipq_sim::programs::run::{Launcher, NetAdmin, Outcome, Rate, Run, RunError};
use ipq_sim::{Nearest, Nearness, NoProfile, Profile, Rule, RuleTextError};
use output::{OutputArguments, Outputs};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The meanings of the exit statuses, shown at the end of the help of the command and of `run` and
/// `serve`.
const EXIT_STATUS: &str = "\
Exit status:
  0  the program gave a verdict on every packet that reached it, and did not fail
  1  the program failed, ended early, was too slow, or closed its queue with packets that had no
     verdict; the run was interrupted; or the capture is damaged
  2  wrong usage, or the command could not be carried out
  3  nothing was tried: no packet could be fed, or none reached the program

Packets that do not reach the program leave status 0 as it is, as long as another packet does: no
rule queues them, nobody listens to their queue (such as IPv6's), or the queue or receive buffer is
full, as with --rate. So does a capture that ends within a record. The summary counts them.";

/// Examples of commands, and the formats and link layers that captures may have. Shown at the end
/// of the help of `run`, before the exit statuses.
const EXAMPLES: &str = "\
Examples:
  ipq-sim run --pcap in.pcap -- ./filter -v            what becomes of each packet, in numbers
  ipq-sim run --pcap in.pcap --out out.pcapng --log log.jsonl -- ./filter
  zcat big.pcap.gz | ipq-sim run --pcap - -- ./filter  compressed files are read as they are, too
  ipq-sim run --pcap in.pcap --trace trace.pcap -- ./filter && tshark -r trace.pcap
  ipq-sim run --pcap in.pcap --drop-net-admin after-open -- ./filter
  ipq-sim run --pcap in.pcap --raw-sockets --out out.pcapng -- ./rejecter
  ipq-sim run --pcap in.pcap --rule '-p udp -j NFQUEUE --queue-num 2' --rule '-j NFQUEUE' -- ./filter

Captures are pcap or pcapng, plain or compressed by gzip or zstd. Their link layers: Ethernet with
VLAN tags, PPPoE, MPLS and SNAP; Linux cooked; raw IP; PPP and HDLC; BSD loopback; NFLOG; Wi-Fi,
also with radiotap. The summary counts the packets that could not be fed, by reason.";

/// Runs programs for Linux's packet queues (libipq and NFQUEUE) on an emulated kernel, without root
/// and without a network.
#[derive(Parser)]
#[command(name = "ipq-sim", version, after_help = EXIT_STATUS)]
struct CommandLine {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run a program on the packets of a capture, and print what became of them.
    ///
    /// When every packet has its fate, or nothing has happened for --patience, SIGTERM is sent to
    /// all processes of the program, and SIGKILL three seconds later to those that are left.
    #[command(
        override_usage = "ipq-sim run [OPTIONS] --pcap <IN.pcap> -- <PROGRAM>...",
        after_help = format!("{EXAMPLES}\n\n{EXIT_STATUS}")
    )]
    Run(RunArguments),
    /// Serve an emulated kernel to programs that are started elsewhere, with
    /// `IPQ_TRANSPORT=unix:PATH`.
    ///
    /// Only programs of `ip_queue` that have this project's libipq or ipq-core, or the object of
    /// ipq-preload loaded into them, know that variable. Any other program ignores it and asks this
    /// machine's kernel for a queue, as every NFQUEUE program does: use `ipq-sim run` for those.
    #[command(after_help = EXIT_STATUS)]
    Serve(serve::ServeArguments),
    /// Write the manual pages, for section 1.
    Manual(documentation::ManualArguments),
    /// Print the completions of a shell.
    Completions(documentation::CompletionsArguments),
}

/// The emulated kernel.
#[derive(Args)]
struct KernelArguments {
    /// The hook at which packets enter and are queued.
    #[arg(long, value_enum, default_value = "input")]
    hook: HookName,
    /// The maximum length of the queue of an `ip_queue` program, in packets.
    #[arg(long, value_name = "N")]
    queue_len: Option<u32>,
    /// The receive buffer of the program's sockets, in bytes as getsockopt reads them.
    #[arg(long, value_name = "BYTES")]
    rcvbuf: Option<u32>,
    /// The kernel to emulate: a version, such as 2.4.16 or 2.4, whose frames have the word size of
    /// the program; or a profile, such as linux-2.4.16-i386, for programs of that word size
    /// [default: 3.4.10 for a program that opens a socket of `ip_queue`, linux-6.18-x86_64 for one
    /// that opens a socket of nfnetlink].
    #[arg(long, value_name = "KERNEL", value_parser = KernelName::checked)]
    kernel: Option<KernelName>,
}

impl KernelArguments {
    /// Returns the profile [nearest](KernelName::nearest) to the kernel that `--kernel` names, or
    /// else to Linux 3.4.10. Puts the queue length and receive buffer of the command line, if
    /// given, in place of the profile's own. If the profile stands in for a kernel without one of
    /// its own, tells so on standard error. Fails if no profile stands for the kernel.
    fn profile(&self, word: WordSize) -> Result<Profile, NoProfile> {
        let kernel = self.kernel.clone().unwrap_or_default();
        let nearest = kernel.nearest(word)?;
        if nearest.nearness != Nearness::Own {
            tell(format_args!("ipq-sim: emulating {nearest}\n"));
        }
        let mut profile = nearest.profile;
        profile.queue_length = self.queue_len.unwrap_or(profile.queue_length);
        profile.receive_buffer = self.rcvbuf.unwrap_or(profile.receive_buffer);
        Ok(profile)
    }
}

/// The kernel that is emulated by default for a program that opens a socket of `ip_queue`.
const DEFAULT_KERNEL: &str = "3.4.10";

/// The name of a kernel to emulate, as `--kernel` takes it: a version such as 2.4.16, or a whole
/// profile's name such as linux-2.4.16-i386.
#[derive(Clone)]
struct KernelName(String);

impl Default for KernelName {
    fn default() -> Self {
        Self(DEFAULT_KERNEL.to_owned())
    }
}

impl KernelName {
    fn checked(name: &str) -> Result<Self, NoProfile> {
        let name = Self(name.to_owned());
        name.nearest(Abi::NATIVE.word)?;
        Ok(name)
    }

    /// Returns the profile nearest to the kernel, for programs with words of this size in this
    /// machine's byte order. If the name is a whole profile's, returns that profile, whatever
    /// `word` is. Fails if no profile stands for the kernel.
    fn nearest(&self, word: WordSize) -> Result<Nearest, NoProfile> {
        if Profile::by_name(&self.0).is_some() {
            return Profile::of_kernel(&self.0);
        }
        // Kernels were measured on these architectures. Other architectures with words of that size
        // have frames of the same layout.
        let architecture = match word {
            WordSize::Four => "i386",
            WordSize::Eight => "x86_64",
        };
        Profile::nearest(&self.0, architecture, Abi { word, ..Abi::NATIVE })
    }
}

/// The arguments that say what is fed, how, and what is kept of it.
#[derive(Args)]
struct FeedArguments {
    #[command(flatten)]
    output: OutputArguments,
    /// The number of packets to feed a second, or `max` [default: as many as there is room for]. A
    /// packet that comes when the queue or the receive buffer is full is dropped, as on a kernel.
    #[arg(long, value_name = "PPS|max", value_parser = rate, requires = "pcap")]
    rate: Option<Rate>,
    /// The number of packets that may wait for the program to read them [default: as many as there
    /// is room for]. It does not go with --rate, which feeds packets whether the program reads them
    /// or not.
    #[arg(long, value_name = "N", requires = "pcap", conflicts_with = "rate")]
    in_flight: Option<NonZeroUsize>,
    /// Feed as soon as the program listens, not only when it waits for packets.
    #[arg(long, requires = "pcap")]
    at_once: bool,
    /// Take `CAP_NET_ADMIN` away from the program: always, or after it has opened a queue and set a
    /// copy mode, when some programs drop their privileges. The kernel then refuses every message
    /// of the program (EPERM).
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, default_missing_value = "always", requires = "pcap")]
    drop_net_admin: Option<Drop>,
    /// The number of seconds without any event after which the run and the program are ended.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "pcap")]
    patience: u64,
}

#[derive(Args)]
struct RunArguments {
    /// The capture whose packets are fed; `-` is standard input.
    #[arg(long, value_name = "IN.pcap")]
    pcap: PathBuf,
    /// The directory of the `libipq.so.0` that the program loads [default: where `make install` put
    /// it with this command, if it did].
    #[arg(long, value_name = "DIR")]
    library: Option<PathBuf>,
    /// The object of the package ipq-preload. This option chooses the launcher `preload` [default:
    /// the `libipq_preload.so` that `make install` put with this command, if it did].
    #[arg(long, value_name = "OBJECT", value_parser = readable_file)]
    preload: Option<PathBuf>,
    /// The means by which the program gets its emulated sockets [default: seccomp, where the
    /// system has it]. Only seccomp serves programs of `nfnetlink_queue` (NFQUEUE): preload and
    /// transport serve `ip_queue` alone.
    #[arg(long, value_name = "MEANS", value_parser = launcher())]
    launcher: Option<Launcher>,
    /// The number of the nfnetlink queue that packets are put in [default: the one that the program
    /// listens to, or all of them if their numbers follow one another]. A queue that the program
    /// binds later gets none of the packets that were fed before, which may be all of them.
    #[arg(long, value_name = "N", conflicts_with = "rules")]
    queue_num: Option<u16>,
    /// A rule for the packets, in the syntax of iptables: '-p udp --dport 53 -j NFQUEUE --queue-num
    /// 2 --queue-bypass' [default: every packet is queued]. A rule may have -A with the name of
    /// --hook, -4, -6, -t, -p, -s, -d, -i, -o, --sport, --dport, -m multiport with --sports and
    /// --dports, -m mark with --mark, `!`, and the targets NFQUEUE with --queue-num,
    /// --queue-balance, --queue-cpu-fanout and --queue-bypass, QUEUE, and MARK with --set-mark. The
    /// option can be given several times. A packet that no rule queues passes, and is not counted
    /// as accepted. Packets come by eth0 and leave by eth1.
    #[arg(long = "rule", value_name = "RULE", allow_hyphen_values = true)]
    rules: Vec<String>,
    /// Give the program emulated raw sockets and packet sockets. What it sends by them is in OUT
    /// and LOG.jsonl, each packet before those that had no verdict yet, and nothing of it reaches
    /// this machine's network. It takes the launcher `seccomp`.
    #[arg(long)]
    raw_sockets: bool,
    #[command(flatten)]
    feed: FeedArguments,
    #[command(flatten)]
    kernel: KernelArguments,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// When a program loses `CAP_NET_ADMIN`.
#[derive(Clone, Copy, ValueEnum)]
enum Drop {
    Always,
    AfterOpen,
}

/// A hook, by its name on the command line.
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

/// Returns the parser of `--launcher`, which turns the name of a launcher into that launcher and
/// refuses other names.
fn launcher() -> impl TypedValueParser<Value = Launcher> {
    PossibleValuesParser::new(Launcher::ALL.map(Launcher::name)).try_map(|name| {
        let mut known = Launcher::ALL.into_iter();
        known.find(|launcher| launcher.name() == name).ok_or("no launcher")
    })
}

/// Returns the path `name` if a file is there that can be opened for reading. Otherwise, and for a
/// directory, returns the error.
fn readable_file(name: &str) -> io::Result<PathBuf> {
    let path = PathBuf::from(name);
    if File::open(&path)?.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(path)
}

fn rate(text: &str) -> Result<Rate, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Rate::Max),
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Rate::PerSecond(rate)),
        _ => Err("a number of packets a second above 0, or max".to_owned()),
    }
}

/// The reason why a command could not be carried out. Its text is printed on standard error, and
/// the exit status is 2.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Kernel(#[from] NoProfile),
    /// The text of a rule, the first field, can't be understood. The second field is the error in
    /// it.
    #[error("the rule '{0}': {1}")]
    Rule(String, RuleTextError),
    /// An output file, the directory of the manual pages, or standard output could not be created,
    /// opened or written.
    #[error("{} can't be written: {source}", .path.display())]
    Output { path: PathBuf, source: io::Error },
    #[error("a capture is not written to a terminal: redirect standard output, or name a file")]
    Terminal,
    #[error("{} is the capture that is read: write to another file", .0.display())]
    OverCapture(PathBuf),
    #[error("{} can't hold two outputs: give each a file of its own", .0.display())]
    Twice(PathBuf),
    #[error("signals can't be waited for: {0}")]
    Signals(io::Error),
    #[error("no thread can be started for the outputs: {0}")]
    Thread(io::Error),
}

/// Writes a text to standard error. Ignores errors, since standard error may be closed.
fn tell(text: fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(text);
}

pub(crate) fn main() -> ExitCode {
    let result = match command_line().action {
        Action::Run(arguments) => run(&arguments),
        Action::Serve(arguments) => serve::serve(&arguments),
        Action::Manual(arguments) => documentation::write_manual(&arguments),
        Action::Completions(arguments) => documentation::print_completions(&arguments),
    };
    result.unwrap_or_else(|error| {
        tell(format_args!("ipq-sim: {error}\n"));
        ExitCode::from(2)
    })
}

/// Returns the parsed command line. If it is wrong, prints why and ends the process with status 2.
/// If it asks for the help or the version, prints that and ends the process with status 0.
fn command_line() -> CommandLine {
    CommandLine::try_parse().unwrap_or_else(|error| {
        let is_run = std::env::args_os().nth(1).is_some_and(|action| action == "run");
        let has_separator = std::env::args_os().any(|word| word == "--");
        if error.kind() == ErrorKind::UnknownArgument && is_run && !has_separator {
            tell(format_args!(
                "{error}\nput -- before the program, as in: ipq-sim run --pcap in.pcap -- ./filter\n"
            ));
            std::process::exit(2);
        }
        error.exit()
    })
}

/// Returns a flag that becomes `true` when the process gets SIGINT or SIGTERM. From now on these
/// signals do not end the process.
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
    let library = || Some(installed("libipq.so.0")?.parent()?.to_owned());
    if let Some(directory) = arguments.library.clone().or_else(library) {
        run = run.library(directory);
    }
    if let Some(object) = arguments.preload.clone().or_else(|| installed("libipq_preload.so")) {
        run = run.preload(object);
    }
    let preload = arguments.preload.as_ref().map(|_| Launcher::Preload);
    if let Some(launcher) = arguments.launcher.or(preload) {
        run = run.launcher(launcher);
    }
    if arguments.raw_sockets {
        run = run.raw_sockets();
    }
    if let Some(number) = arguments.queue_num {
        run = run.queue_number(number);
    }
    for text in &arguments.rules {
        let error = |source| Failure::Rule(text.clone(), source);
        for rule in Rule::parse(arguments.kernel.hook.into(), text).map_err(error)? {
            run = run.rule(rule);
        }
    }
    tell(format_args!("launcher: {}\n", run.choice()?));
    feed(run, &arguments.pcap, &arguments.feed, &arguments.kernel, &mut || {})
}

/// Applies these arguments to `run`, and carries it out: it feeds the packets of the capture to
/// programs. Writes the output files, and prints the kernel, the summary, remarks and findings on
/// standard error. Calls `listening` again and again from the moment when programs can connect.
/// Returns the exit status: 0 for success, 1 for a failure, or 3 if nothing was tried. Fails if the
/// run can't be carried out or an output can't be written.
fn feed(
    run: Run,
    capture: &Path,
    arguments: &FeedArguments,
    kernel: &KernelArguments,
    listening: &mut dyn FnMut(),
) -> Result<ExitCode, Failure> {
    let profile = kernel.profile(run.word_size().unwrap_or(Abi::NATIVE.word))?;
    let run = if kernel.kernel.is_some() {
        run.profile(profile)
    } else {
        run.ip_queue_profile(profile)
    };
    let mut run = run
        .hook(kernel.hook.into())
        .rate(arguments.rate.unwrap_or_default())
        .patience(Duration::from_secs(arguments.patience))
        .stop_when(interruption()?);
    if let Some(bytes) = kernel.rcvbuf {
        run = run.receive_buffer(bytes);
    }
    if let Some(most) = arguments.in_flight {
        run = run.in_flight(most);
    }
    match arguments.drop_net_admin {
        Some(Drop::Always) => run = run.net_admin(NetAdmin::Missing),
        Some(Drop::AfterOpen) => run = run.net_admin(NetAdmin::UntilOpened),
        None => {}
    }
    if arguments.at_once {
        run = run.at_once();
    }
    // The progress bar is drawn on a terminal only.
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{wide_bar} {msg} packets, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    if arguments.output.use_standard_output() {
        run = run.quiet();
    }
    let mut outputs = Outputs::open(&arguments.output, Some(capture), bar.clone(), listening)?;
    let report = run.go_watched(&mut outputs)?;
    bar.finish_and_clear();
    tell(format_args!("kernel: {}\n", report.kernel));
    tell(format_args!("{}", report.summary));
    for remark in &report.remarks {
        tell(format_args!("{remark}\n"));
    }
    outputs.finish().map_err(RunError::Watch)?;
    for finding in &report.findings {
        tell(format_args!("{finding}\n"));
    }
    Ok(match report.outcome() {
        Outcome::Success => ExitCode::SUCCESS,
        Outcome::Failure => ExitCode::FAILURE,
        Outcome::NothingTried => ExitCode::from(3),
    })
}
