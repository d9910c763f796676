//! A program for packet queues (libipq or NFQUEUE), run on the packets of a capture: no privilege,
//! no network, no queue of this machine's kernel.
//!
//! ```no_run
//! use ipq_sim::programs::run::Run;
//!
//! let report = Run::new("traffic.pcap", "./filter").argument("--strict").go()?;
//! assert_eq!(report.summary.accepted, 120);
//! # Ok::<(), ipq_sim::programs::run::RunError>(())
//! ```
//!
//! The program runs unchanged. Where the system has seccomp's user notification (Linux 5.14), the
//! program's calls for a queue's socket are answered with an emulated socket, however the program
//! is linked and whatever it does to its environment. Elsewhere the program must have this
//! project's libipq, which finds the emulator by `IPQ_TRANSPORT`, or the run must load the object
//! of package ipq-preload into it. [`Run::choice`] returns which [`Launcher`] a run uses. With none
//! of them can the program reach a queue of this machine.
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
pub use outcome::{PacketReport, VerdictReport};
pub use own::OwnPacket;
pub use refusal::{Refusal, Request, Requirement, Setting};
pub use summary::{ChosenKernel, Report, Summary};
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

/// The devices by which packets arrive and leave. They know the hardware address of every
/// neighbour, and their MTU is so large that no packet is fragmented.
const DEVICES: [&str; 2] = ["eth0", "eth1"];

/// The rate at which packets are fed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rate {
    /// A packet is fed when the queue and the receive buffer have room for it, so that no packet is
    /// lost.
    #[default]
    AsRead,
    /// This number of packets a second, whether the program reads them or not.
    PerSecond(f64),
    /// All packets as fast as they can be fed, whether the program reads them or not.
    Max,
}

/// The time for which the program has the capability `CAP_NET_ADMIN`. The kernel refuses each
/// message that comes without it (MSG-5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetAdmin {
    /// The program always has `CAP_NET_ADMIN`.
    #[default]
    Held,
    /// The program has `CAP_NET_ADMIN` until it has opened a queue and set a copy mode. From then
    /// on its messages, such as verdicts, are refused, as happens to a program that drops its
    /// privileges too early.
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
    /// The kernel that replaces `profile` if the program opens a socket of nfnetlink or a rule
    /// names a queue by its number. `None` if every program gets `profile`.
    numbered: Option<Profile>,
    /// The number of the nfnetlink queue that packets are sent to. `None` if they go to the queues
    /// that the program listens to.
    queue_number: Option<u16>,
    /// The rules at the hook. If there are none, every packet is queued.
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
    /// An object was to be loaded into a program that is linked statically, so that no dynamic
    /// loader could load it.
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
    /// The system does not allow the launcher seccomp, which was asked for, or refused the filter
    /// when the program was to be started.
    #[error(
        "seccomp's user notification can't be had here: {reason}; it takes Linux 5.14, and a container that allows it: use the \
         launcher preload for a program with a libipq of its own, or transport for one with this project's"
    )]
    NoSeccomp {
        /// The system's error, as text.
        reason: String,
    },
    /// Emulated raw sockets were asked for with a launcher that has none.
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
    /// run a program of that size, and another one was asked for.
    #[error(
        "the profile {profile} has words of another size than this machine's: a program of that size is run by the launcher \
         seccomp alone; leave --launcher and --preload out, or choose a profile of this machine's word size"
    )]
    OtherWordSize {
        /// The name of the emulated kernel's profile.
        profile: &'static str,
    },
    /// No packet passes the hook, or a rule is for a queue that the emulated kernel does not have.
    #[error(transparent)]
    Hook(#[from] RuleError),
    /// The emulated host's devices can't be set up.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The emulator can't listen for programs at this path.
    #[error("programs can't be waited for at {}: {source}; choose a path of its own for each emulator", .path.display())]
    Listen {
        /// The path of the emulator's socket.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The run's [`Watch`] returned an error, which ended the run.
    #[error(transparent)]
    Watch(std::io::Error),
    /// The emulator's socket failed during the run.
    #[error("the emulator's socket failed: {0}")]
    Socket(#[from] std::io::Error),
}

impl Run {
    /// Prepares a run that starts `program` and feeds it the packets of `capture`, a pcap or pcapng
    /// file.
    #[must_use]
    pub fn new(capture: impl Into<PathBuf>, program: impl Into<OsString>) -> Self {
        Self::with(capture.into(), Client::Program(program.into()))
    }

    /// Prepares a run that starts no program: programs that are started elsewhere, with
    /// `IPQ_TRANSPORT` set to `unix:` and the path `socket`, decide about the packets of `capture`.
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

    /// Sets the directory of the `libipq.so.0` that the program loads, for a system whose loader
    /// does not find it.
    #[must_use]
    pub fn library(mut self, directory: impl Into<PathBuf>) -> Self {
        self.library = Some(directory.into());
        self
    }

    /// Sets the shared object of the package ipq-preload, which is loaded into the program by the
    /// launcher preload. A program needs it if it has a libipq of its own, linked in or written on
    /// a raw socket, and seccomp can't be had. The program must use the C library's functions, so
    /// it can't be linked statically as a whole.
    #[must_use]
    pub fn preload(mut self, object: impl Into<PathBuf>) -> Self {
        self.preload = Some(object.into());
        self
    }

    /// Sets the means by which the program gets its sockets. Unless set, [`choice`](Self::choice)
    /// says which is used.
    #[must_use]
    pub fn launcher(self, launcher: Launcher) -> Self {
        Self {
            launcher: Some(launcher),
            ..self
        }
    }

    /// Returns the means by which the program will get its sockets: the [launcher](Self::launcher)
    /// that was set, otherwise [`Launcher::Seccomp`] where the system has it. Returns an error if
    /// the means that was set can't be had.
    pub fn choice(&self) -> Result<Choice, RunError> {
        launcher::choose(self)
    }

    /// Returns `true` if the program is linked statically as a whole, so that nothing can be loaded
    /// into it.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.linkage().is_static
    }

    /// Returns `true` if the program loads a `libipq.so`, or has this project's libipq linked in.
    /// Such a program connects to the emulator that `IPQ_TRANSPORT` names, with no object loaded
    /// into it. Any other program does so only through a program with libipq that it starts.
    #[must_use]
    pub fn has_libipq(&self) -> bool {
        self.linkage().has_libipq
    }

    /// Returns the size of the program's words; `None` if it is unknown, as for a script. A
    /// kernel's frames have the program's word size, so the [profile](Self::profile) must have that
    /// size.
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

    /// Sets the number of packets that may be fed and not yet read by the program. Unless set, only
    /// the queue and the receive buffer limit it. The number has no effect with a rate of
    /// [`Rate::PerSecond`] or [`Rate::Max`].
    #[must_use]
    pub fn in_flight(self, most: NonZeroUsize) -> Self {
        Self {
            in_flight: Some(most),
            ..self
        }
    }

    /// Feeds the first packet as soon as the program listens, as a kernel does under traffic. This
    /// finds programs that lose packets while they configure their queue. Without this call, the
    /// first packet is fed once the program waits for packets.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Sets the maximum length of the queue of `ip_queue`, in packets (PKT-2). Unless set, it is
    /// the profile's; the default profile has 1024.
    #[must_use]
    pub fn queue_length(mut self, packets: u32) -> Self {
        self.profile.queue_length = packets;
        self
    }

    /// Sets the queue that packets are sent to, for a program that opens a socket of nfnetlink.
    /// Unless set, packets go to the queue that the program listens to. If it listens to several,
    /// they go to as many of these as have consecutive numbers, spread by the packets' addresses
    /// (NFQ-16).
    #[must_use]
    pub fn queue_number(self, number: u16) -> Self {
        Self {
            queue_number: Some(number),
            ..self
        }
    }

    /// Adds a rule at the end of the rules at the [hook](Self::hook). With at least one rule, the
    /// packets that no rule queues are let through; without any, every packet is queued. If a rule
    /// names a queue by its number, the emulated kernel is the one for nfnetlink, whatever socket
    /// the program opens.
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

    /// Sets the receive buffer of the program's sockets, in bytes as `getsockopt` returns them
    /// (SOCK-4). Unless set, it is the profile's.
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
    /// sockets (`AF_PACKET`). What it sends by them is [reported](Watch::own_packet), and does not
    /// reach this machine's network. Unless set, this machine's kernel answers the program's calls
    /// for such sockets. It takes [`Launcher::Seccomp`].
    #[must_use]
    pub fn raw_sockets(self) -> Self {
        Self {
            raw_sockets: true,
            ..self
        }
    }

    /// Sends what the program writes to its standard output to standard error, for a caller who
    /// writes to standard output itself.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Sets the kernel that is emulated, whatever socket the program opens. Unless set, it is Linux
    /// 3.4.10 for a program that opens a socket of `ip_queue`, and Linux 6.18 for one that opens a
    /// socket of nfnetlink. Call this method before [`queue_length`](Self::queue_length) and
    /// [`receive_buffer`](Self::receive_buffer), which change the profile. For a program of 32 bits
    /// with a queue of `ip_queue`, the profile must be of 32 bits, and on a machine of 64 bits the
    /// launcher [`Launcher::Seccomp`].
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        Self {
            profile,
            numbered: None,
            ..self
        }
    }

    /// Sets the kernel that is emulated for a program that opens a socket of `ip_queue`. The kernel
    /// for nfnetlink stays.
    #[must_use]
    pub fn ip_queue_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Sets the time after which the run ends if nothing has happened: 10 s unless set.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Ends the run, with its report, as soon as `stop` becomes `true`.
    #[must_use]
    pub fn stop_when(self, stop: Arc<AtomicBool>) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// Runs the program on the capture, and returns the report. The run ends when the capture is
    /// through and every packet has a fate, when the program ends, or when nothing has happened for
    /// as long as the [patience](Self::patience).
    pub fn go(&self) -> Result<Report, RunError> {
        self.go_watched(&mut ())
    }

    /// Runs the program as [`go`](Self::go) does, and reports each packet, each message and the
    /// progress to `watch`. A `Vec<PacketReport>` is a watch that keeps the packets' reports.
    pub fn go_watched(&self, watch: &mut dyn Watch) -> Result<Report, RunError> {
        if let Some(numbered) = self.numbered.filter(|_| self.names_numbers()) {
            return self.clone().profile(numbered).go_watched(watch);
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

    /// Checks that the program can have frames in the profile's byte order and word size. The byte
    /// order must be this machine's. Another word size than this machine's takes the launcher
    /// seccomp.
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

    /// Returns `true` if a rule queues to a queue by its number.
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

    /// Builds the emulated kernel of a run, with the run's rules, queue number and privileges.
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

    /// Replaces the kernel's rules by one for each family, which sends every packet to the queues
    /// from `first` to `last`.
    fn send_to(&self, kernel: &mut Kernel, (first, last): (u16, u16)) -> Result<(), RuleError> {
        kernel.clear_rules();
        for family in Family::ALL {
            kernel.add_rule(Rule::numbered_queues(family, self.hook, first..=last))?;
        }
        Ok(())
    }
}

/// Returns a server of emulated sockets that listens for programs at `path`.
pub fn listen(path: &Path) -> Result<Server, RunError> {
    Server::listen(path).map_err(|source| RunError::Listen {
        path: path.to_owned(),
        source,
    })
}

/// Reads a whole capture from `source` without running anything: for the fuzz targets alone.
#[cfg(fuzzing)]
pub fn read_capture(source: Box<dyn std::io::Read + Send>) -> Result<(Vec<Record>, CaptureEnd), String> {
    capture::read_all(source)
}

/// Builds a kernel with the devices `eth0` and `eth1` and the machine's clock. Its rules queue
/// every packet of both families at `hook`. It keeps a journal, and no other record of the packets'
/// fates.
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
