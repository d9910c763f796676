//! The implementation under test, as a case sees it: a world that has begun, with methods to act on
//! it and to expect things of it.
//!
//! A method returns [`Stopped`] if the world does not do what is expected, with the line of the
//! case and both byte strings field by field. A case passes it on with `?`.

mod host;
mod packets;
mod proc_text;
mod program;
mod queues;
mod socket;
mod transport;

pub use proc_text::ProcText;
pub use program::Program;
pub use queues::{AnswerForm, QueuedMessage};
pub use socket::{Drained, ReceivedPacket, Socket};
pub use transport::WorldTransport;

use crate::decode::{self, Kind};
use crate::suite::isolation::isolate;
use crate::suite::{Outcome, Packet, Stopped};
use crate::transcript::Transcript;
use crate::world::{Capabilities, Capability, Machine, Observation, OpenStage, Setup, Step, World};
use bytes::Bytes;
use ipq_core::wire::{Abi, PortId, WordSize};
use ipq_core::{CopyMode, Errno, Family, Handle};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::time::Instant;

/// The result of a case.
pub type CaseResult = Result<(), Stopped>;

/// The port ids of sockets that a case opens without choosing one, in the order in which they are
/// opened.
pub const PORT_IDS: [PortId; 4] = [PortId(4242), PortId(4343), PortId(5151), PortId(6060)];

/// An implementation under test.
pub struct Subject {
    world: RefCell<Box<dyn World>>,
    machine: Machine,
    capabilities: Capabilities,
    has_libipq: bool,
    transcript: RefCell<Transcript>,
    stopped: RefCell<Option<Stopped>>,
    sockets: Cell<usize>,
    fences: Cell<u16>,
    seed: u64,
    deadline: Option<Instant>,
}

impl Subject {
    /// Begins a case in `world`, in the state of `setup`.
    pub fn begin(
        mut world: Box<dyn World>,
        setup: &Setup,
        seed: u64,
        deadline: Option<Instant>,
    ) -> Result<Self, Stopped> {
        let machine = world.machine(setup);
        let capabilities = world.capabilities();
        let has_libipq = world.has_libipq();
        match isolate(|| world.begin(setup)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Stopped::from_world(&error)),
            Err(panic) => {
                return Err(Stopped::broken(format!(
                    "the world panicked before the first step, at {panic}"
                )));
            }
        }
        Ok(Self {
            world: RefCell::new(world),
            transcript: RefCell::new(Transcript::new(machine.abi)),
            machine,
            capabilities,
            has_libipq,
            stopped: RefCell::new(None),
            sockets: Cell::new(0),
            fences: Cell::new(0),
            seed,
            deadline,
        })
    }

    /// Returns the layout of the frames on the world's machine.
    pub fn abi(&self) -> Abi {
        self.machine.abi
    }

    /// Returns the machine that the world is, or stands for.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Returns whether the world has this capability: for parts of a case that need more
    /// capabilities than the case.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.has(capability)
    }

    /// Returns whether the world has a libipq of its own.
    pub(crate) const fn has_libipq(&self) -> bool {
        self.has_libipq
    }

    /// Returns the seed for random numbers. The report states it.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the transcript so far.
    pub fn transcript(&self) -> Transcript {
        self.transcript.borrow().clone()
    }

    /// Returns the last datagram that a [`Socket`] or a handle sent; `None` if none was sent.
    pub fn last_sent(&self) -> Option<Bytes> {
        self.transcript.borrow().last_sent()
    }

    /// Does a step, and returns the observation. All other methods use this one.
    #[track_caller]
    pub fn step(&self, step: &Step) -> Result<Observation, Stopped> {
        if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            let reason = "the case is over its time limit";
            return Err(Stopped::without_place(Outcome::Failed, reason));
        }
        let Ok(mut world) = self.world.try_borrow_mut() else {
            return Err(Stopped::broken("a world does one step at a time"));
        };
        let seen = match isolate(|| world.step(step)) {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => return Err(Stopped::from_world(&error)),
            Err(panic) => {
                let reason = format!("the world panicked at {panic}, when asked for {step:?}");
                return Err(Stopped::without_place(Outcome::Failed, reason));
            }
        };
        let printed = world.take_printed();
        self.transcript.borrow_mut().push(step.clone(), seen.clone(), printed);
        Ok(seen)
    }

    /// Ends the world after the last step.
    pub(crate) fn end(&self) -> CaseResult {
        let ended = isolate(|| self.world.borrow_mut().end());
        match ended {
            Ok(ended) => ended.map_err(|error| Stopped::from_world(&error)),
            Err(panic) => Err(Stopped::broken(format!("the world panicked at its end, at {panic}"))),
        }
    }

    /// Does a step that has nothing to observe.
    #[track_caller]
    pub fn act(&self, step: &Step) -> CaseResult {
        match self.step(step)? {
            Observation::Done => Ok(()),
            other => Err(wrong_answer(step, &other)),
        }
    }

    // Sockets.

    /// Opens a socket for `family`'s queue, bound to the next of [`PORT_IDS`].
    #[track_caller]
    pub fn open(&self, family: Family) -> Result<Socket<'_>, Stopped> {
        self.open_protocol(family.netlink_protocol())
    }

    /// Opens a socket of this netlink protocol, bound to the next of [`PORT_IDS`].
    #[track_caller]
    fn open_protocol(&self, protocol: u8) -> Result<Socket<'_>, Stopped> {
        let port_id = PORT_IDS.get(self.sockets.get()).copied();
        let port_id =
            port_id.ok_or_else(|| Stopped::broken("a case that needs so many sockets chooses their port ids"))?;
        let socket = self.open_or_refused(i32::from(protocol), Some(port_id))?;
        socket.map_err(|refused| Stopped::failed(format!("the socket could not be opened: {refused:?}")))
    }

    /// Opens a socket for `family`'s queue, bound to `port_id`. If that is [`PortId::KERNEL`], the
    /// kernel chooses the port id.
    #[track_caller]
    pub fn open_bound(&self, family: Family, port_id: PortId) -> Result<Socket<'_>, Stopped> {
        let socket = self.open_or_refused(i32::from(family.netlink_protocol()), Some(port_id))?;
        socket.map_err(|refused| Stopped::failed(format!("the socket could not be opened: {refused:?}")))
    }

    /// Opens a socket for `family`'s queue without binding it.
    #[track_caller]
    pub fn open_unbound(&self, family: Family) -> Result<Socket<'_>, Stopped> {
        let socket = self.open_or_refused(i32::from(family.netlink_protocol()), None)?;
        socket.map_err(|refused| Stopped::failed(format!("the socket could not be opened: {refused:?}")))
    }

    /// Opens a socket for any netlink protocol. Returns the call that failed and its error, if one
    /// did. After a failed bind the world keeps the socket, unbound.
    #[track_caller]
    pub fn open_or_refused(
        &self,
        protocol: i32,
        bind: Option<PortId>,
    ) -> Result<Result<Socket<'_>, (OpenStage, Errno)>, Stopped> {
        let number = self.sockets.replace(self.sockets.get() + 1);
        let name = u8::try_from(number).ok().filter(|number| *number < 26);
        let name = name.map_or_else(
            || format!("socket {number}"),
            |number| char::from(b'a' + number).to_string(),
        );
        let step = Step::Open {
            socket: name.clone(),
            protocol,
            bind: bind.map(|port_id| port_id.0),
        };
        match self.step(&step)? {
            Observation::Open {
                failed_at: Some(stage),
                errno,
                port_id: None,
            } => Ok(Err((stage, errno_of(errno)))),
            Observation::Open {
                failed_at: None,
                errno: 0,
                port_id,
            } => {
                let port_id = u32::try_from(port_id.unwrap_or_default()).map(PortId);
                let port_id = port_id.map_err(|_| Stopped::failed("the port id has more than 32 bits"))?;
                Ok(Ok(Socket::new(self, name, protocol, port_id)))
            }
            other => Err(wrong_answer(&step, &other)),
        }
    }

    /// Opens a socket for `family`'s queue, and attaches it in copy mode PACKET, for whole packets.
    #[track_caller]
    pub fn attach(&self, family: Family) -> Result<Socket<'_>, Stopped> {
        self.attach_with(family, CopyMode::Packet, 0)
    }

    /// Opens a socket for `family`'s queue, and attaches it with this copy mode and range.
    #[track_caller]
    pub fn attach_with(&self, family: Family, mode: CopyMode, range: u64) -> Result<Socket<'_>, Stopped> {
        let socket = self.open(family)?;
        socket.set_mode(mode, range)?;
        Ok(socket)
    }

    /// Attaches to the queue of the packet's family in copy mode PACKET, and makes the packet
    /// arrive there. Returns the socket and the packet's message. Most cases begin with this.
    #[track_caller]
    pub fn queued(&self, packet: &Packet) -> Result<(Socket<'_>, ReceivedPacket), Stopped> {
        let socket = self.attach(packet.family())?;
        self.inject(packet)?;
        let received = socket.expect_packet()?;
        Ok((socket, received))
    }

    /// Returns a handle for `family`'s queue, over a socket that is bound to the next of
    /// [`PORT_IDS`]. [`last_sent`](Subject::last_sent) returns what the handle sends.
    #[track_caller]
    pub fn handle(&self, family: Family) -> Result<Handle<WorldTransport<'_>>, Stopped> {
        Ok(Handle::new(WorldTransport::new(self.open(family)?)))
    }

    // Judging.

    /// Fails with the message `what` unless `holds`.
    #[track_caller]
    pub fn check(&self, what: &str, holds: bool) -> CaseResult {
        if holds { Ok(()) } else { Err(self.fail(what)) }
    }

    /// Fails unless both are equal; `what` names them.
    #[track_caller]
    pub fn equal<T: PartialEq + Debug + ?Sized>(&self, what: &str, expected: &T, seen: &T) -> CaseResult {
        if expected == seen {
            return Ok(());
        }
        Err(self.fail(&format!("{what}: expected {expected:?}, saw {seen:?}")))
    }

    /// Fails unless both packets, from their network headers on, are equal; `what` names them.
    #[track_caller]
    pub fn equal_packets(&self, what: &str, expected: &[u8], seen: &[u8]) -> CaseResult {
        expect_bytes(what, expected, seen, Kind::Ip)
    }

    /// Returns a failure with the message `what`, for a wrong observation.
    #[track_caller]
    #[must_use]
    pub fn fail(&self, what: &str) -> Stopped {
        Stopped::failed(what)
    }

    /// Skips the case on a machine with words of another size.
    pub fn needs_words_of(&self, word: WordSize) -> CaseResult {
        if self.machine.abi.word == word {
            return Ok(());
        }
        let bytes = match word {
            WordSize::Four => 4,
            WordSize::Eight => 8,
        };
        let reason = format!("it is about words of {bytes} bytes, and this machine has others");
        Err(Stopped::without_place(Outcome::Skipped, reason))
    }

    /// Returns the value of a handle's `result`, or the failure for its error.
    #[track_caller]
    pub fn no_error<T>(&self, what: &str, result: Result<T, ipq_core::Error>) -> Result<T, Stopped> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self
                .take_stopped()
                .unwrap_or_else(|| self.fail(&format!("{what}: {error}")))),
        }
    }

    /// Takes the problem of a handle's transport, which can't return it itself.
    pub(crate) fn take_stopped(&self) -> Option<Stopped> {
        self.stopped.borrow_mut().take()
    }

    fn keep_stopped(&self, stopped: Stopped) {
        self.stopped.borrow_mut().get_or_insert(stopped);
    }

    #[track_caller]
    fn text(&self, step: &Step) -> Result<String, Stopped> {
        match self.step(step)? {
            Observation::Text(text) => Ok(text),
            other => Err(wrong_answer(step, &other)),
        }
    }
}

impl Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

#[track_caller]
fn expect_bytes(what: &str, expected: &[u8], seen: &[u8], kind: Kind) -> CaseResult {
    match decode::first_difference(expected, seen) {
        None => Ok(()),
        Some(offset) => Err(
            Stopped::failed(format!("{what} differs from byte {offset} on")).details(decode::compare(
                expected,
                seen,
                kind,
                &[],
            )),
        ),
    }
}

#[track_caller]
fn wrong_answer(step: &Step, seen: &Observation) -> Stopped {
    Stopped::failed(format!("{step:?} was answered with {seen:?}, which makes no sense"))
}

/// Converts an errno of an observation into an [`Errno`].
fn errno_of(errno: i64) -> Errno {
    Errno(i32::try_from(errno).unwrap_or(i32::MAX))
}
