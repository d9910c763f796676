//! The implementation under test, as a case sees it: a world that has begun, with methods that act
//! on the world and methods that expect results.
//!
//! If the world does not do what is expected, a method fails with [`Stopped`]. This error usually
//! has the line of the case. If datagrams or packets differ, it shows both field by field. A case
//! passes the error on with `?`.

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

/// The result of a case, or of a part of one. The error says why the case stopped.
pub type CaseResult = Result<(), Stopped>;

/// The port ids to which [`Subject::open`], and other methods that take no port id, bind sockets.
/// The first socket that a case opens is bound to the first id, the second to the second, and so
/// on. Sockets that the case opens unbound or with a port id of its own choice are counted, too.
/// From the fifth socket on these methods fail.
pub const PORT_IDS: [PortId; 4] = [PortId(4242), PortId(4343), PortId(5151), PortId(6060)];

/// An implementation under test: a world that has begun.
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
    /// Begins `world` with `setup`, and returns it as a subject. `seed` is for random numbers.
    /// After `deadline` each step fails, as the case is over its time limit; `None` sets no limit.
    /// Fails if the world can't begin, or panics.
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

    /// Returns the word size and byte order of netlink messages on the world's machine.
    pub fn abi(&self) -> Abi {
        self.machine.abi
    }

    /// Returns the version, architecture and word size of the kernel that the world is, or is an
    /// emulation of.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Returns whether the world has this capability.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.has(capability)
    }

    /// Returns whether the world has a libipq of its own, for C or another language.
    pub(crate) const fn has_libipq(&self) -> bool {
        self.has_libipq
    }

    /// Returns the seed for random numbers, which the report states.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the transcript so far.
    pub fn transcript(&self) -> Transcript {
        self.transcript.borrow().clone()
    }

    /// Returns the last datagram that a [`Socket`] or a handle sent, or tried to send; `None` if
    /// there is none. Datagrams that the world's own libipq sends do not count.
    pub fn last_sent(&self) -> Option<Bytes> {
        self.transcript.borrow().last_sent()
    }

    /// Does a step, adds it to the transcript with its observation, and returns the observation.
    /// Fails if the world can't do the step or panics, or if the case is over its time limit.
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

    /// Ends the world after the last step. Fails if the world goes wrong at its end, or panics.
    pub(crate) fn end(&self) -> CaseResult {
        let ended = isolate(|| self.world.borrow_mut().end());
        match ended {
            Ok(ended) => ended.map_err(|error| Stopped::from_world(&error)),
            Err(panic) => Err(Stopped::broken(format!("the world panicked at its end, at {panic}"))),
        }
    }

    /// Does a step, and fails unless the observation is [`Observation::Done`].
    #[track_caller]
    pub fn act(&self, step: &Step) -> CaseResult {
        match self.step(step)? {
            Observation::Done => Ok(()),
            other => Err(wrong_answer(step, &other)),
        }
    }

    // Sockets.

    /// Opens a socket for `family`'s queue, bound to the next of [`PORT_IDS`]. Fails if the socket
    /// can't be opened or bound, or if no port id is left.
    #[track_caller]
    pub fn open(&self, family: Family) -> Result<Socket<'_>, Stopped> {
        self.open_protocol(family.netlink_protocol())
    }

    /// Opens a socket of this netlink protocol, bound to the next of [`PORT_IDS`]. Fails if the
    /// socket can't be opened or bound, or if no port id is left.
    #[track_caller]
    fn open_protocol(&self, protocol: u8) -> Result<Socket<'_>, Stopped> {
        let port_id = PORT_IDS.get(self.sockets.get()).copied();
        let port_id =
            port_id.ok_or_else(|| Stopped::broken("a case that needs so many sockets chooses their port ids"))?;
        let socket = self.open_or_refused(i32::from(protocol), Some(port_id))?;
        socket.map_err(|refused| Stopped::failed(format!("the socket could not be opened: {refused:?}")))
    }

    /// Opens a socket for `family`'s queue, bound to `port_id`; for [`PortId::KERNEL`] to one that
    /// the kernel chooses. Fails if the socket can't be opened or bound.
    #[track_caller]
    pub fn open_bound(&self, family: Family, port_id: PortId) -> Result<Socket<'_>, Stopped> {
        let socket = self.open_or_refused(i32::from(family.netlink_protocol()), Some(port_id))?;
        socket.map_err(|refused| Stopped::failed(format!("the socket could not be opened: {refused:?}")))
    }

    /// Opens a socket for `family`'s queue without binding it. Fails if the socket can't be opened.
    #[track_caller]
    pub fn open_unbound(&self, family: Family) -> Result<Socket<'_>, Stopped> {
        let socket = self.open_or_refused(i32::from(family.netlink_protocol()), None)?;
        socket.map_err(|refused| Stopped::failed(format!("the socket could not be opened: {refused:?}")))
    }

    /// Opens a socket of any netlink protocol, and binds it to `bind`, 0 for a port id that the
    /// kernel chooses; `None` leaves it unbound. If the system refuses, returns the call that
    /// failed and its errno as the inner error. After a failed bind the world keeps the socket,
    /// unbound.
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

    /// Opens a socket for `family`'s queue, and attaches it in copy mode PACKET with range 0, for
    /// whole packets.
    #[track_caller]
    pub fn attach(&self, family: Family) -> Result<Socket<'_>, Stopped> {
        self.attach_with(family, CopyMode::Packet, 0)
    }

    /// Opens a socket for `family`'s queue, and attaches it by a MODE message with this copy mode
    /// and range. Asks for no acknowledgement.
    #[track_caller]
    pub fn attach_with(&self, family: Family, mode: CopyMode, range: u64) -> Result<Socket<'_>, Stopped> {
        let socket = self.open(family)?;
        socket.set_mode(mode, range)?;
        Ok(socket)
    }

    /// Attaches to the queue of the packet's family in copy mode PACKET, and makes the packet
    /// arrive. Returns the socket, and the packet as the queue handed it over.
    #[track_caller]
    pub fn queued(&self, packet: &Packet) -> Result<(Socket<'_>, ReceivedPacket), Stopped> {
        let socket = self.attach(packet.family())?;
        self.inject(packet)?;
        let received = socket.expect_packet()?;
        Ok((socket, received))
    }

    /// Returns a handle for `family`'s queue, over a new socket that is bound to the next of
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

    /// Fails unless `expected` and `seen` are equal. The failure shows both; `what` says what they
    /// are.
    #[track_caller]
    pub fn equal<T: PartialEq + Debug + ?Sized>(&self, what: &str, expected: &T, seen: &T) -> CaseResult {
        if expected == seen {
            return Ok(());
        }
        Err(self.fail(&format!("{what}: expected {expected:?}, saw {seen:?}")))
    }

    /// Fails unless both packets, from their network headers on, are equal. The failure shows both
    /// field by field; `what` says what they are.
    #[track_caller]
    pub fn equal_packets(&self, what: &str, expected: &[u8], seen: &[u8]) -> CaseResult {
        expect_bytes(what, expected, seen, Kind::Ip)
    }

    /// Returns a failure at the caller's line, with the reason `what`.
    #[track_caller]
    #[must_use]
    pub fn fail(&self, what: &str) -> Stopped {
        Stopped::failed(what)
    }

    /// Returns an error that skips the case if the machine's words have another size than `word`.
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

    /// Returns the value of a handle's `result`. If that is an error, fails with the reason that
    /// the handle's transport kept; if it kept none, with `what` and the error itself.
    #[track_caller]
    pub fn no_error<T>(&self, what: &str, result: Result<T, ipq_core::Error>) -> Result<T, Stopped> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self
                .take_stopped()
                .unwrap_or_else(|| self.fail(&format!("{what}: {error}")))),
        }
    }

    /// Takes and returns the reason to end the case that a handle's transport kept; `None` if it
    /// kept none. A transport can only return a `TransportError`, so it keeps the reason in the
    /// subject.
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

/// Converts an errno of an observation. A number that 32 bits do not hold becomes `i32::MAX`.
fn errno_of(errno: i64) -> Errno {
    Errno(i32::try_from(errno).unwrap_or(i32::MAX))
}
