//! A program written for libipq, run on the packets of a capture: no privilege, no network, no
//! kernel.
//!
//! ```no_run
//! use ipq_sim::programs::run::Run;
//!
//! let report = Run::new("traffic.pcap", "./filter").argument("--strict").go()?;
//! assert_eq!(report.summary.accepted, 120);
//! # Ok::<(), ipq_sim::programs::run::RunError>(())
//! ```
//!
//! The program runs as it stands. Where the system has seccomp's user notification (Linux 5.14),
//! the program's calls for a queue's socket are answered with an emulated one, however the program
//! is linked and whatever it does to its environment. Elsewhere the program must have this
//! project's libipq, which finds the emulator by `IPQ_TRANSPORT`, or have the object of package
//! ipq-preload loaded first. [`Run::choice`] returns the [`Launcher`] of a run. By none of them can
//! the program reach a queue of this machine.
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

/// The devices that packets arrive and leave by. They know every neighbour, and fragment nothing.
const DEVICES: [&str; 2] = ["eth0", "eth1"];

/// The rate at which packets are fed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rate {
    /// As the program reads: a packet is fed when the queue and the receive buffer have room for
    /// it, so that no packet is lost.
    #[default]
    AsRead,
    /// This many packets in a second, whether the program reads them or not.
    PerSecond(f64),
    /// All packets at once, whether the program reads them or not.
    Max,
}

/// The time for which the program has the capability `CAP_NET_ADMIN`, which the kernel asks for at
/// each message (MSG-5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetAdmin {
    /// The program always has `CAP_NET_ADMIN`.
    #[default]
    Held,
    /// The program has `CAP_NET_ADMIN` until it has opened a queue and set a copy mode, like a
    /// program that then drops its privileges. Its verdicts are refused.
    UntilOpened,
    /// The program never has `CAP_NET_ADMIN`.
    Missing,
}

/// A program that is to be run on a capture. See the [module](self).
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
    quiet: bool,
    profile: Profile,
    /// The kernel for a program that opens a socket of nfnetlink; `None` if every program gets
    /// `profile`.
    numbered: Option<Profile>,
    /// The number of the queue that packets are sent to; `None` if they go to the queues that the
    /// program listens to.
    queue_number: Option<u16>,
    /// The rules at the hook. If there are none, all packets are queued.
    rules: Vec<Rule>,
    patience: Duration,
    stop: Option<Arc<AtomicBool>>,
}

/// The programs that give the verdicts.
#[derive(Clone, Debug)]
enum Client {
    /// A program that the run starts.
    Program(OsString),
    /// Programs that connect to the emulator's socket at this path.
    Anybody(PathBuf),
}

/// The reason why a program could not be run on a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The capture can't be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The program can't be started.
    #[error("{} can't be started: {source}", .program.display())]
    Program {
        /// The program that can't be started.
        program: OsString,
        /// The system's error.
        source: std::io::Error,
    },
    /// An object was to be loaded into a program that has no dynamic loader.
    #[error(
        "{} is linked statically as a whole, so {} can't be loaded into it: link it with the C library as a shared object, or \
         with this project's libipq",
        .program.display(), .object.display()
    )]
    Static {
        /// The program that is linked statically.
        program: OsString,
        /// The object that was to be loaded.
        object: PathBuf,
    },
    /// The system does not allow seccomp to give the program its sockets.
    #[error(
        "seccomp's user notification can't be had here: {reason}; it takes Linux 5.14, and a container that allows it: use the \
         launcher preload for a program with a libipq of its own, or transport for one with this project's"
    )]
    NoSeccomp {
        /// The system's error, as text.
        reason: String,
    },
    /// The launcher preload was asked for without its object.
    #[error("the launcher preload needs the object of package ipq-preload: say where libipq_preload.so is")]
    NoObject,
    /// The emulated kernel has another byte order than this machine, so no program of this machine
    /// can talk to it.
    #[error(
        "the profile {profile} is of another architecture than this machine: choose one of the same order of bytes"
    )]
    OtherArchitecture {
        /// The profile's name.
        profile: &'static str,
    },
    /// The emulated kernel has another word size than this machine, and the launcher that was asked
    /// for knows this machine's only.
    #[error(
        "the profile {profile} has words of another size than this machine's: a program of that size is run by the launcher \
         seccomp alone; leave --launcher and --preload out, or choose a profile of this machine's word size"
    )]
    OtherWordSize {
        /// The profile's name.
        profile: &'static str,
    },
    /// No packet passes the hook, or the kernel lacks the queue that packets are to be sent to.
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
    /// The watcher of the run returned an error, and the run ended.
    #[error(transparent)]
    Watch(std::io::Error),
    /// The socket of the emulator failed.
    #[error("the emulator's socket failed: {0}")]
    Socket(#[from] std::io::Error),
}

impl Run {
    /// Prepares a run of `program` on the packets of `capture`, a pcap or pcapng file.
    #[must_use]
    pub fn new(capture: impl Into<PathBuf>, program: impl Into<OsString>) -> Self {
        Self::with(capture.into(), Client::Program(program.into()))
    }

    /// Prepares a run for programs that are started elsewhere, with `IPQ_TRANSPORT` set to `unix:`
    /// and `socket`.
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
            quiet: false,
            profile: Profile::default(),
            numbered: Some(Profile::LINUX_6_18_X86_64),
            queue_number: None,
            rules: Vec::new(),
            patience: Duration::from_secs(10),
            stop: None,
        }
    }

    /// Adds an argument for the program.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets the directory in which the program finds libipq.so.0, if the system does not know it.
    #[must_use]
    pub fn library(mut self, directory: impl Into<PathBuf>) -> Self {
        self.library = Some(directory.into());
        self
    }

    /// Sets a shared object to be loaded into the program first: that of the package ipq-preload. A
    /// program needs it if it has a libipq of its own, linked in or written on a raw socket. The
    /// program must use the C library's functions, so it can't be wholly static.
    #[must_use]
    pub fn preload(mut self, object: impl Into<PathBuf>) -> Self {
        self.preload = Some(object.into());
        self
    }

    /// Sets the means by which the program gets its sockets. Unless set, [one is
    /// chosen](Self::choice).
    #[must_use]
    pub fn launcher(self, launcher: Launcher) -> Self {
        Self {
            launcher: Some(launcher),
            ..self
        }
    }

    /// Returns the means by which the program will get its sockets: [`Launcher::Seccomp`] where the
    /// system has it. Returns an error if the means that was asked for can't be had.
    pub fn choice(&self) -> Result<Choice, RunError> {
        launcher::choose(self)
    }

    /// Returns whether the program is linked statically as a whole, so that nothing can be loaded
    /// into it.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.linkage().is_static
    }

    /// Returns whether the program loads a `libipq.so`, or has this project's libipq linked in.
    /// Such a program connects to the emulator that `IPQ_TRANSPORT` names, without an object that
    /// is loaded into it. Any other program connects in this way only if it starts such a program.
    #[must_use]
    pub fn has_libipq(&self) -> bool {
        self.linkage().has_libipq
    }

    /// Returns the size of the program's words; `None` if it is unknown, as that of a script. A
    /// kernel's frames have the program's word size, so the [profile](Self::profile) must have this
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

    /// Sets the rate at which packets enter.
    #[must_use]
    pub fn rate(self, rate: Rate) -> Self {
        Self { rate, ..self }
    }

    /// Sets the number of packets that may be fed and not yet read by the program. Unless set, it
    /// is as many as the queue and the receive buffer have room for. With a rate it is no bound.
    #[must_use]
    pub fn in_flight(self, most: NonZeroUsize) -> Self {
        Self {
            in_flight: Some(most),
            ..self
        }
    }

    /// Feeds the first packet as soon as the program listens, as a kernel does under traffic. This
    /// finds programs that lose packets while they configure their queue. Unless set, the first
    /// packet enters once the program waits for packets.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Sets the number of packets that a queue of `ip_queue` holds: 1024 unless set (PKT-2).
    #[must_use]
    pub fn queue_length(mut self, packets: u32) -> Self {
        self.profile.queue_length = packets;
        self
    }

    /// Sets the queue that packets are sent to, if the program listens to queues with numbers.
    /// Unless set, packets go to the queue that the program listens to. If it listens to several,
    /// they go to as many of these as are consecutive, spread by the packets' addresses (NFQ-16).
    #[must_use]
    pub fn queue_number(self, number: u16) -> Self {
        Self {
            queue_number: Some(number),
            ..self
        }
    }

    /// Adds a rule at the end of those that packets meet, in place of the one that queues every
    /// packet. Its chain is that of the [hook](Self::hook). If it names a queue by its number, the
    /// emulated kernel has queues with numbers whatever socket the program opens.
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
    /// (SOCK-4).
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.profile.receive_buffer = bytes;
        if let Some(numbered) = &mut self.numbered {
            numbered.receive_buffer = bytes;
        }
        self
    }

    /// Sets the time for which the program has `CAP_NET_ADMIN`: always unless set.
    #[must_use]
    pub fn net_admin(self, net_admin: NetAdmin) -> Self {
        Self { net_admin, ..self }
    }

    /// Sends the program's standard output to standard error, for a caller who needs standard
    /// output.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Sets the kernel that is emulated, whatever socket the program opens. Unless set, it is Linux
    /// 3.4.10 for a program that opens a socket of `ip_queue`, and Linux 6.18 for one that opens a
    /// socket of nfnetlink. Call this method before those that change the kernel's figures. A
    /// program of 32 bits with a queue of `ip_queue` needs a profile of 32 bits, and runs on a
    /// machine of 64 bits by [`Launcher::Seccomp`] alone.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        Self {
            profile,
            numbered: None,
            ..self
        }
    }

    /// Sets the kernel that is emulated for a program that opens a socket of `ip_queue`.
    #[must_use]
    pub fn ip_queue_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Sets the time without any event after which the run is ended: 10 s unless set.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Ends the run, with its report, as soon as `stop` is set.
    #[must_use]
    pub fn stop_when(self, stop: Arc<AtomicBool>) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// Runs the program until the capture is through and every packet has a fate, or the program
    /// ends, or nothing happens any more.
    pub fn go(&self) -> Result<Report, RunError> {
        self.go_watched(&mut ())
    }

    /// Runs the program, and reports the fate of each packet to `watch`. A `Vec<PacketReport>` is a
    /// watch that keeps the reports.
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

    /// Checks that a program on this machine can have frames with the profile's byte order and word
    /// size.
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

    /// Returns `true` if a rule names a queue by its number.
    fn names_numbers(&self) -> bool {
        let mut targets = self.rules.iter().map(|rule| rule.target);
        targets.any(|target| matches!(target, Target::NumberedQueue(_)))
    }

    /// Returns the hook and the devices by which packets enter.
    fn entry(&self) -> EntryPoint<'static> {
        EntryPoint {
            hook: self.hook,
            incoming: DEVICES[0],
            outgoing: DEVICES[1],
            link_header: None,
        }
    }

    /// Returns the kernel of a run, with its rules.
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

    /// Replaces the rules of a kernel. The new ones send every packet to the queues from the first
    /// to the last.
    fn send_to(&self, kernel: &mut Kernel, (first, last): (u16, u16)) -> Result<(), RuleError> {
        kernel.clear_rules();
        for family in Family::ALL {
            kernel.add_rule(Rule::numbered_queues(family, self.hook, first..=last))?;
        }
        Ok(())
    }
}

/// Returns a server that listens for programs at a path.
pub fn listen(path: &Path) -> Result<Server, RunError> {
    Server::listen(path).map_err(|source| RunError::Listen {
        path: path.to_owned(),
        source,
    })
}

/// Reads a capture and runs nothing: for the fuzz targets alone.
#[cfg(fuzzing)]
pub fn read_capture(source: Box<dyn std::io::Read + Send>) -> Result<(Vec<Record>, CaptureEnd), String> {
    capture::read_all(source)
}

/// Builds a host with two devices, whose rules queue every packet at `hook`.
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
            // The journal keeps the fates.
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
