//! Runs a program for packet queues (libipq or NFQUEUE) on the packets of a capture. A run takes no
//! privilege, and its packets touch neither this machine's network nor its kernel's packet queues.
//!
//! ```no_run
//! use ipq_sim::programs::run::Run;
//!
//! let report = Run::new("traffic.pcap", "./filter").argument("--strict").go()?;
//! assert_eq!(report.summary.accepted, 120);
//! # Ok::<(), ipq_sim::programs::run::RunError>(())
//! ```
//!
//! The program runs unchanged. Where the system has seccomp's user notification (Linux 5.14), and
//! unless another launcher is set, the program's calls for a queue's socket are answered with an
//! emulated socket, however the program is linked and whatever it does to its environment.
//! Elsewhere the program must have this project's libipq, which finds the emulator by
//! `IPQ_TRANSPORT`, or the run must load the object of package ipq-preload into it. [`Run::choice`]
//! returns which [`Launcher`] a run uses. A filter keeps a program that the run starts from the
//! queues of this machine, unless the system takes no seccomp filter at all.
//!
//! Packets enter at the hook directly, without a routing decision, between two devices `eth0` and
//! `eth1` that carry packets of any length. The [`Report`] says what was fed, what became of it and
//! how long the verdicts took.

mod capture;
mod conclusion;
mod feeding;
mod launcher;
mod linkage;
mod outcome;
mod own;
mod program;
mod refusal;
mod running;
mod summary;
mod watch;
mod window;

pub use capture::{CaptureClock, CaptureEnd, CaptureError, CaptureTime, Frame, Frames, NotFed, Packet, Record};
pub use conclusion::{Finding, Outcome, ProgramEnd};
pub use launcher::{Choice, Launcher};
pub use outcome::{PacketReport, Unqueued, VerdictReport};
pub use own::OwnPacket;
pub use refusal::{Refusal, Request, Requirement, Setting};
pub use summary::{ChosenKernel, KernelReason, Report, Summary};
pub use watch::{Progress, TracedMessage, Watch};

use crate::host::network::{Device, DeviceError};
use crate::host::rules::{Rule, RuleError, Target};
use crate::kernel::{EntryPoint, Kernel, KernelBuilder};
use crate::profile::Profile;
use crate::programs::server::Server;
use crate::time::clock::Clock;
use capture::Capture;
use ipq_core::wire::{Abi, WordSize};
use ipq_core::{Family, Hook};
use linkage::Linkage;
use program::Program;
use running::Running;
use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The devices by which packets arrive and leave. They have a hardware address for every next hop,
/// and their MTU is so large that no packet is fragmented.
const DEVICES: [&str; 2] = ["eth0", "eth1"];

/// The rate at which packets are fed to the emulated kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rate {
    /// A packet is fed once its queue, and the receive buffer of the socket that listens to the
    /// queue, have room for it. So it is not lost for want of room when it enters.
    #[default]
    AsRead,
    /// This number of the capture's records is fed a second, counted from the time of the first
    /// packet, whether the program reads them or not. Only packets for a queue with a listener wait
    /// for their time.
    PerSecond(f64),
    /// Packets are fed as fast as they can be, whether the program reads them or not.
    Max,
}

/// The time for which the program has the capability `CAP_NET_ADMIN`. The kernel refuses messages
/// that come without it (MSG-5, NFQ-53).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetAdmin {
    /// The program always has `CAP_NET_ADMIN`.
    #[default]
    Held,
    /// The program has `CAP_NET_ADMIN` until it has set a copy mode other than NONE on a queue.
    /// From then on its messages, such as verdicts, are refused, as happens to a program that drops
    /// its privileges too early.
    UntilOpened,
    /// The program never has `CAP_NET_ADMIN`.
    Missing,
}

/// The settings of a run: a capture, the program that is to decide about its packets, and the
/// emulated kernel. See the [module](self).
#[derive(Clone, Debug)]
pub struct Run {
    capture: PathBuf,
    client: Client,
    arguments: Vec<OsString>,
    library: Option<PathBuf>,
    preload: Option<PathBuf>,
    launcher: Option<Launcher>,
    hook: Hook,
    rate: Rate,
    in_flight: Option<NonZeroUsize>,
    at_once: bool,
    net_admin: NetAdmin,
    raw_sockets: bool,
    quiet: bool,
    profile: Profile,
    /// The kernel that takes the place of `profile` if the program opens a socket of nfnetlink or a
    /// rule names a queue by its number. `None` if every program gets `profile`.
    numbered: Option<Profile>,
    /// The reason for the kernel if it was asked for, or a rule names a queue by its number. `None`
    /// if the socket that the program opens is the reason.
    kernel_reason: Option<KernelReason>,
    /// The number of the nfnetlink queue that packets are sent to. `None` to send them to the queue
    /// with the lowest number that the program listens to, and to the queues whose numbers follow
    /// without a gap. Without effect if `rules` holds a rule.
    queue_number: Option<u16>,
    /// The rules that were added. If there are none, every packet is sent to a queue.
    rules: Vec<Rule>,
    patience: Duration,
    stop: Option<Arc<AtomicBool>>,
}

/// Who gives the verdicts in a run.
#[derive(Clone, Debug)]
enum Client {
    /// The program of this name or path, which the run starts.
    Program(OsString),
    /// Programs that connect to the emulator's socket at this path.
    Anybody(PathBuf),
}

/// The reason why a program could not be run on a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The capture can't be opened, or the file is no capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The program can't be started.
    #[error("{} can't be started: {source}", .program.display())]
    Program {
        /// The name or path of the program that can't be started.
        program: OsString,
        /// The system's error.
        source: std::io::Error,
    },
    /// The launcher preload was to load an object into a program that is linked statically, which
    /// has no dynamic loader to load it.
    #[error(
        "{} is linked statically as a whole, so {} can't be loaded into it: link it with the C library as a shared object, or \
         with this project's libipq",
        .program.display(), .object.display()
    )]
    Static {
        /// The name or path of the program that is linked statically.
        program: OsString,
        /// The object that was to be loaded.
        object: PathBuf,
    },
    /// The launcher seccomp was asked for and the system does not allow it, or seccomp's filter
    /// could not be installed when the program was to be started.
    #[error(
        "seccomp's user notification can't be had here: {reason}; it takes Linux 5.14, and a container that allows it: use the \
         launcher preload for a program with a libipq of its own, or transport for one with this project's"
    )]
    NoSeccomp {
        /// The system's error, as text.
        reason: String,
    },
    /// Emulated raw sockets were asked for, and the run's launcher is not seccomp, which alone has
    /// them.
    #[error(
        "the launcher {launcher} has no emulated raw sockets, since it does not see the calls by which a program sends: they \
         take the launcher seccomp (Linux 5.14){reason}"
    )]
    RawSockets {
        /// The launcher's name on the command line.
        launcher: &'static str,
        /// The reason why seccomp can't be had, as the end of the sentence; empty if another
        /// launcher was asked for.
        reason: String,
    },
    /// The launcher preload was asked for without the object of package ipq-preload.
    #[error("the launcher preload needs the object of package ipq-preload: say where libipq_preload.so is")]
    NoObject,
    /// The emulated kernel has another byte order than this machine, so no program of this machine
    /// can talk to it.
    #[error(
        "the profile {profile} is of another architecture than this machine: choose one of the same order of bytes"
    )]
    OtherArchitecture {
        /// The name of the emulated kernel's profile.
        profile: &'static str,
    },
    /// The emulated kernel has another word size than this machine. Only the launcher seccomp can
    /// run a program of that size, and the run has another launcher, or starts no program.
    #[error(
        "the profile {profile} has words of another size than this machine's: a program of that size is run by the launcher \
         seccomp alone; leave --launcher and --preload out, or choose a profile of this machine's word size"
    )]
    OtherWordSize {
        /// The name of the emulated kernel's profile.
        profile: &'static str,
    },
    /// A rule can't be added: its table has no chain at its hook, its hook is none of the five, or
    /// it names a numbered queue and the emulated kernel has none.
    #[error(transparent)]
    Hook(#[from] RuleError),
    /// The emulated host's devices can't be set up.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The emulator can't listen for programs at the path of its socket.
    #[error("programs can't be waited for at {}: {source}; choose a path of its own for each emulator", .path.display())]
    Listen {
        /// The path of the emulator's socket.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The run's [`Watch`] returned this error, which ended the run.
    #[error(transparent)]
    Watch(std::io::Error),
    /// A system call failed that sets up or serves the emulator's sockets. That includes making a
    /// temporary directory for them, and in it a link to the object of package ipq-preload.
    #[error("the emulator's socket failed: {0}")]
    Socket(#[from] std::io::Error),
}

impl Run {
    /// Prepares a run that starts `program` and feeds it the packets of `capture`, a pcap or pcapng
    /// file, or `-` for standard input.
    #[must_use]
    pub fn new(capture: impl Into<PathBuf>, program: impl Into<OsString>) -> Self {
        Self::with(capture.into(), Client::Program(program.into()))
    }

    /// Prepares a run that starts no program and waits at the path `socket`. Programs that are
    /// started elsewhere, with `IPQ_TRANSPORT` set to `unix:` and this path, decide about the
    /// packets of `capture`.
    #[must_use]
    pub fn serving(capture: impl Into<PathBuf>, socket: impl Into<PathBuf>) -> Self {
        Self::with(capture.into(), Client::Anybody(socket.into()))
    }

    fn with(capture: PathBuf, client: Client) -> Self {
        Self {
            capture,
            client,
            arguments: Vec::new(),
            library: None,
            preload: None,
            launcher: None,
            hook: Hook::Input,
            rate: Rate::default(),
            in_flight: None,
            at_once: false,
            net_admin: NetAdmin::default(),
            raw_sockets: false,
            quiet: false,
            profile: Profile::default(),
            numbered: Some(Profile::LINUX_6_18_X86_64),
            kernel_reason: None,
            queue_number: None,
            rules: Vec::new(),
            patience: Duration::from_secs(10),
            stop: None,
        }
    }

    /// Adds an argument to those with which the program is started.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Puts a directory first in the program's `LD_LIBRARY_PATH`, the directories that the dynamic
    /// loader searches, for a system whose loader does not find `libipq.so.0` by itself.
    #[must_use]
    pub fn library(mut self, directory: impl Into<PathBuf>) -> Self {
        self.library = Some(directory.into());
        self
    }

    /// Sets the shared object of the package ipq-preload, which the launcher preload loads into the
    /// program. Where seccomp can't be had, a program needs the object if it does not use this
    /// project's libipq: another libipq is linked into it, or it opens its netlink sockets itself.
    /// The program must use the C library's functions, and be linked dynamically. Where seccomp can
    /// be had, the object is not used unless [`Launcher::Preload`] is set.
    #[must_use]
    pub fn preload(mut self, object: impl Into<PathBuf>) -> Self {
        self.preload = Some(object.into());
        self
    }

    /// Sets the means by which the program gets its sockets. Unless it is set, the run chooses one,
    /// which [`choice`](Self::choice) returns.
    #[must_use]
    pub fn launcher(self, launcher: Launcher) -> Self {
        Self {
            launcher: Some(launcher),
            ..self
        }
    }

    /// Returns the means by which the program will get its sockets: the [launcher](Self::launcher)
    /// that was set, otherwise [`Launcher::Seccomp`] where the system has it. Without seccomp it is
    /// [`Launcher::Preload`] if the object is set and [`has_libipq`](Self::has_libipq) returns
    /// `false`, and otherwise [`Launcher::Transport`]. Fails if the launcher that was set can't be
    /// had, if the preload's object can't be loaded because the program is linked statically, or if
    /// [raw sockets](Self::raw_sockets) were asked for and the launcher is not seccomp.
    pub fn choice(&self) -> Result<Choice, RunError> {
        launcher::choose(self)
    }

    /// Returns `true` if only programs of `ip_queue` can get emulated sockets in this run: it
    /// starts no program, or has another launcher than [`Launcher::Seccomp`].
    fn serves_ip_queue_alone(&self) -> bool {
        match &self.client {
            Client::Anybody(_) => true,
            Client::Program(_) => self.choice().is_ok_and(|choice| choice.launcher != Launcher::Seccomp),
        }
    }

    /// Returns `true` if the program is linked statically as a whole, so that nothing can be loaded
    /// into it. Returns `false` if its file can't be read or is no ELF file, such as a script, and
    /// for a run that starts no program.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.linkage().is_static
    }

    /// Returns `true` if the program's file names a `libipq.so` to load, or seems to have this
    /// project's libipq linked in, since it contains `IPQ_TRANSPORT`. With this project's libipq
    /// the program connects to the emulator that `IPQ_TRANSPORT` names, and needs no object loaded
    /// into it. Returns `false` if the file can't be read or is no ELF file, such as a script, and
    /// for a run that starts no program.
    #[must_use]
    pub fn has_libipq(&self) -> bool {
        self.linkage().has_libipq
    }

    /// Returns the size of the program's words. Returns `None` if it is unknown, as for a script,
    /// and for a run that starts no program. The layout of the messages of `ip_queue` depends on
    /// this size, so for a program on `ip_queue` the [profile](Self::profile) must have it, too.
    #[must_use]
    pub fn word_size(&self) -> Option<WordSize> {
        self.linkage().word
    }

    fn reads_standard_input(&self) -> bool {
        self.capture.as_os_str() == capture::STANDARD_INPUT
    }

    fn program_name(&self) -> OsString {
        match &self.client {
            Client::Program(name) => name.clone(),
            Client::Anybody(socket) => socket.clone().into(),
        }
    }

    fn linkage(&self) -> Linkage {
        match &self.client {
            Client::Program(name) => Linkage::of(name),
            Client::Anybody(_) => Linkage::default(),
        }
    }

    /// Sets the hook at which the packets enter: INPUT unless set.
    #[must_use]
    pub fn hook(self, hook: Hook) -> Self {
        Self { hook, ..self }
    }

    /// Sets the rate at which packets are fed: [`Rate::AsRead`] unless set.
    #[must_use]
    pub fn rate(self, rate: Rate) -> Self {
        Self { rate, ..self }
    }

    /// Sets the greatest number of packets that may be fed and not known to be read. A packet is
    /// known to be read once it or a later packet of its socket has a verdict, once it has its
    /// fate, or once the program has read all its messages and waits for more, or has run on for
    /// half a second. Unless set, only the queue and the receive buffer limit the number. The
    /// number has no effect with a rate of [`Rate::PerSecond`] or [`Rate::Max`].
    #[must_use]
    pub fn in_flight(self, most: NonZeroUsize) -> Self {
        Self {
            in_flight: Some(most),
            ..self
        }
    }

    /// Feeds the first packet as soon as the program has set a copy mode other than NONE, as a
    /// kernel does under traffic. This finds programs that lose packets while they configure their
    /// queue. Without this call, the first packet is fed once the program has read all its
    /// messages, and waits for more or has run on for half a second.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Sets the maximum length of each queue of `ip_queue`, in packets (PKT-2). Unless set, it is
    /// the profile's; the default profile has 1024.
    #[must_use]
    pub fn queue_length(mut self, packets: u32) -> Self {
        self.profile.queue_length = packets;
        self
    }

    /// Sets the number of the queue that packets are sent to on a kernel for nfnetlink. Unless set,
    /// packets go to the queue that the program listens to. If it listens to several, they go to
    /// the one with the lowest number and to those whose numbers follow it without a gap, spread by
    /// the packets' addresses (NFQ-16). The number has no effect with a [rule](Self::rule).
    #[must_use]
    pub fn queue_number(self, number: u16) -> Self {
        Self {
            queue_number: Some(number),
            ..self
        }
    }

    /// Adds a rule at the end of its chain; it should be of the [hook](Self::hook) at which packets
    /// enter. With at least one rule, the packets that no rule queues go on without the program;
    /// without any, the run makes rules that queue every packet. If a rule names a queue by its
    /// number and no [profile](Self::profile) was set, the emulated kernel is the one for
    /// nfnetlink, whatever socket the program opens.
    ///
    /// ```
    /// # use ipq_core::Hook;
    /// # use ipq_sim::{Rule, RuleTextError, programs::run::Run};
    /// let mut run = Run::new("traffic.pcap", "./filter");
    /// for rule in Rule::parse(Hook::Input, "-p udp --dport 53 -j NFQUEUE --queue-num 2 --queue-bypass")? {
    ///     run = run.rule(rule);
    /// }
    /// # Ok::<(), RuleTextError>(())
    /// ```
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the receive buffer (SOCK-4) of the program's sockets, in bytes as `getsockopt` returns
    /// them. Unless set, it is the profile's.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.profile.receive_buffer = bytes;
        if let Some(numbered) = &mut self.numbered {
            numbered.receive_buffer = bytes;
        }
        self
    }

    /// Sets the time for which the program has `CAP_NET_ADMIN`: [`NetAdmin::Held`] unless set.
    #[must_use]
    pub fn net_admin(self, net_admin: NetAdmin) -> Self {
        Self { net_admin, ..self }
    }

    /// Gives the program emulated raw sockets: `SOCK_RAW` of `AF_INET` and `AF_INET6`, and packet
    /// sockets (`AF_PACKET`). What it sends by them does not reach this machine's network, and is
    /// [reported](Watch::own_packet); a packet that was lost is only noted in the report's
    /// [remarks](Report::remarks). Without this call, this machine's kernel answers the program's
    /// calls for such sockets. The run fails with another launcher than [`Launcher::Seccomp`].
    #[must_use]
    pub fn raw_sockets(self) -> Self {
        Self {
            raw_sockets: true,
            ..self
        }
    }

    /// Sends what the program writes to its standard output to this process's standard error
    /// instead, for a caller who writes to standard output itself.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Sets the kernel that is emulated, whatever socket the program opens. Unless another method
    /// or a [rule](Self::rule) says otherwise, it is Linux 3.4.10 for a program that opens a socket
    /// of `ip_queue`, and Linux 6.18 for one that opens a socket of nfnetlink. Call this method
    /// before [`queue_length`](Self::queue_length) and [`receive_buffer`](Self::receive_buffer),
    /// which change the profile. A program of 32 bits that uses `ip_queue` needs a profile of 32
    /// bits, and on a machine of 64 bits [`Launcher::Seccomp`], too.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        self.only(&profile, KernelReason::Asked)
    }

    /// Sets the kernel that is emulated, whatever socket the program opens, and the reason for it.
    fn only(mut self, profile: &Profile, reason: KernelReason) -> Self {
        self.profile = *profile;
        self.numbered = None;
        self.kernel_reason = Some(reason);
        self
    }

    /// Sets the kernel that is emulated for a program that opens a socket of `ip_queue`. Unlike
    /// [`profile`](Self::profile), leaves the kernel for a program that opens a socket of nfnetlink
    /// as it is.
    #[must_use]
    pub fn ip_queue_profile(self, profile: Profile) -> Self {
        Self {
            numbered: self.numbered.or(Some(self.profile)),
            profile,
            ..self
        }
    }

    /// Sets the time after which the run ends if in that time no packet got a verdict, was
    /// delivered or dropped, was queued again, or was sent by the program itself: 10 s unless set.
    /// The time does not run while the next record of the capture is awaited, or, in a run that
    /// starts no program, before the first record is fed.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Ends the run soon after `stop` has become `true`. The run's report is returned as usual.
    #[must_use]
    pub fn stop_when(self, stop: Arc<AtomicBool>) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// Runs the program on the capture, ends the program, and returns the report. The run is over
    /// when every packet that could be fed was delivered or dropped and the program has nothing
    /// more to do, when the program ends, when the flag of [`stop_when`](Self::stop_when) is
    /// `true`, or when the [patience](Self::patience) is at its end. If no packet was fed, only the
    /// last three end it.
    pub fn go(&self) -> Result<Report, RunError> {
        self.go_watched(&mut ())
    }

    /// Runs the program as [`go`](Self::go) does, and reports to `watch` each record of the capture
    /// that is read, each packet that the program sends itself, the progress, and each message if
    /// [`watch.traces()`](Watch::traces) returns `true`. An error of `watch` ends the run. A
    /// `Vec<PacketReport>` is a watch that keeps the reports on the records.
    pub fn go_watched(&self, watch: &mut dyn Watch) -> Result<Report, RunError> {
        if let Some(numbered) = self.numbered.filter(|_| self.names_numbers()) {
            return self.clone().only(&numbered, KernelReason::Rule).go_watched(watch);
        }
        self.check_layout()?;
        let capture = Capture::open(&self.capture)?;
        let kernel = self.kernel(&self.profile)?;
        let (server, program) = match &self.client {
            Client::Anybody(socket) => (listen(socket)?, None),
            Client::Program(name) => {
                let (program, server) = Program::start(self, name, &self.choice()?)?;
                (server, Some(program))
            }
        };
        let mut running = Running::new(self, kernel, server, program, capture);
        running.turns(watch)?;
        running.end(watch)
    }

    /// Checks that a program on this machine can use the profile's byte order and word size. Fails
    /// if the byte order is not this machine's. Fails, too, if the word size is not, unless the run
    /// starts a program by the launcher seccomp.
    fn check_layout(&self) -> Result<(), RunError> {
        let profile = self.profile.name;
        let abi = self.profile.abi;
        if abi.order != Abi::NATIVE.order {
            return Err(RunError::OtherArchitecture { profile });
        }
        if abi.word == Abi::NATIVE.word {
            return Ok(());
        }
        let by_seccomp = matches!(self.client, Client::Program(_)) && self.choice()?.launcher == Launcher::Seccomp;
        if by_seccomp {
            Ok(())
        } else {
            Err(RunError::OtherWordSize { profile })
        }
    }

    /// Returns `true` if any of the run's rules names a queue by its number.
    fn names_numbers(&self) -> bool {
        let mut targets = self.rules.iter().map(|rule| rule.target);
        targets.any(|target| matches!(target, Target::NumberedQueue(_)))
    }

    /// Returns the point at which packets enter the host: the hook, `eth0` as incoming and `eth1`
    /// as outgoing device, and no link-layer header.
    fn entry(&self) -> EntryPoint<'static> {
        EntryPoint {
            hook: self.hook,
            incoming: DEVICES[0],
            outgoing: DEVICES[1],
            link_header: None,
        }
    }

    /// Builds the run's emulated kernel, with the run's own rules if it has any. Otherwise every
    /// packet is queued: to the run's queue number if it has one and the kernel has numbered
    /// queues. Takes `CAP_NET_ADMIN` from all programs with [`NetAdmin::Missing`]. Fails if a rule
    /// can't be added.
    fn kernel(&self, profile: &Profile) -> Result<Kernel, RunError> {
        let mut kernel = kernel(*profile, self.hook)?;
        if let Some(number) = self.queue_number.filter(|_| kernel.has_numbered_queues()) {
            self.send_to(&mut kernel, (number, number))?;
        }
        if !self.rules.is_empty() {
            kernel.clear_rules();
        }
        for rule in &self.rules {
            kernel.add_rule(*rule)?;
        }
        if self.net_admin == NetAdmin::Missing {
            kernel.drop_net_admin();
        }
        Ok(kernel)
    }

    /// Replaces the kernel's rules by one for each family, which spreads all packets at the run's
    /// hook over the queues from `first` to `last`.
    fn send_to(&self, kernel: &mut Kernel, (first, last): (u16, u16)) -> Result<(), RuleError> {
        kernel.clear_rules();
        for family in Family::ALL {
            kernel.add_rule(Rule::numbered_queues(family, self.hook, first..=last))?;
        }
        Ok(())
    }
}

/// Returns a server of emulated sockets that listens for programs at `path`. Fails with
/// [`RunError::Listen`].
pub fn listen(path: &Path) -> Result<Server, RunError> {
    Server::listen(path).map_err(|source| RunError::Listen {
        path: path.to_owned(),
        source,
    })
}

/// Reads a whole capture from `source` without running anything: for the fuzz targets alone.
/// Returns its records and how it ended, or why it is no capture.
#[cfg(fuzzing)]
pub fn read_capture(source: Box<dyn std::io::Read + Send>) -> Result<(Vec<Record>, CaptureEnd), String> {
    capture::read_all(source)
}

/// Builds a kernel with the devices `eth0` and `eth1` and the machine's clock. Its rules queue
/// every packet of both families at `hook`, on a kernel with numbered queues to queue 0. It keeps
/// the events of packets for [`Kernel::take_events`], and no fates for [`Kernel::fate`]. Fails if
/// such a rule can't be added at this hook.
pub fn kernel(profile: Profile, hook: Hook) -> Result<Kernel, RunError> {
    let device = |name, number: u8| {
        Device::ethernet(name, [2, 0, 0, 0, 0, number])
            .address(Ipv4Addr::new(192, 0, 2, number), 0)
            .address(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()), 0)
            .gateway([2, 0, 0, 0, 1, number])
            .mtu(usize::from(u16::MAX) + Family::Ipv6.header_length())
    };
    let builder = KernelBuilder {
        clock: Clock::Real,
        ..Kernel::builder()
            .profile(profile)
            // The journal records the fates.
            .keep_fates(0)
            .devices([device(DEVICES[0], 1), device(DEVICES[1], 2)])
    };
    let mut kernel = builder.build()?;
    for family in Family::ALL {
        kernel.add_rule(Rule::queue(family, hook))?;
    }
    kernel.keep_journal();
    Ok(kernel)
}
