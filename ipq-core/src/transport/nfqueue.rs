//! The `ip_queue` protocol on today's kernels, which have nfnetlink queues in its place.
//!
//! ```no_run
//! use ipq_core::{CopyMode, Family, Handle, transport::nfqueue::NfQueue};
//!
//! let handle = Handle::new(NfQueue::open(Family::Ipv4)?);
//! handle.set_mode(CopyMode::Packet, 0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A handle on [`NfQueue`] behaves as one on [`Netlink`] did on a kernel up to 3.4: the messages that
//! it sends and reads are the same. Between it and the kernel stands a translation, which knows who has attached, how packets were told
//! of lately, and, where one verdict may stand for several, which are outstanding.
//!
//! # How it stays true
//!
//! [`send`](Transport::send) never reads from the queue's socket, and [`receive`](Transport::receive) never makes up a frame.
//! Each message that gets an answer goes to the kernel as one nfnetlink message that gets an answer, also where the
//! translation knows already that it must be refused: the kernel refuses it for it, and quotes it. So whether the descriptor
//! is readable, in which order answers and packets come, and what is lost when the receive buffer overruns are the kernel's
//! doing, as they were.
//!
//! A datagram is received into the caller's buffer, which costs least if that has 512 bytes more than the copy range, as
//! [`Handle::buffer_for`](crate::Handle::buffer_for) makes it on a machine of 64 bits; else its first 512 bytes are received
//! beside it. Nothing is allocated, and a packet's bytes are copied once at the most, and mostly not at all. Of packets that are read many
//! at a time and told of alike, only the first one's attributes are gone through. A verdict's replacement is not copied at all. Names of
//! devices come from a table that device events keep true, not from a call per packet.
//!
//! # Several queues
//!
//! A rule with `--queue-balance FIRST:LAST` spreads packets over several queues, each with an [`NfQueue`] and a thread of its own:
//! the example `several_queues` does that. Packets of one flow come to one queue, and so keep their order; those of different flows
//! need not.
//!
//! # What becomes of each rule
//!
//! | rule | on an nfnetlink queue |
//! |---|---|
//! | ATT-1 to ATT-3 | The first message that passes its header's checks binds the queue; other port ids get EBUSY, and so does who finds the queue bound by another socket. |
//! | ATT-4 | The kernel unbinds the queue, and drops what is in it, when the last copy of the socket closes. |
//! | ATT-5 | The kernel checks. Where it says EPERM and that can mean either, a second socket is asked whether the capability is there; if so the queue is another's: EBUSY. |
//! | ATT-6 | A queue that nobody has bound has its packets dropped. |
//! | MSG-1 to MSG-11 | Kept by the translation. MODE becomes one CONFIG message: bind, if need be, and parameters. |
//! | ERR-1 to ERR-4 | The kernel's answers, with the message that was sent quoted byte for byte. |
//! | PKT-1 to PKT-5 | The kernel does the same. A packet of the other family is answered with DROP at once, and counted. |
//! | PKT-6, PKT-7 | Put back to what `ip_queue` said: no incoming device or link-layer address at POSTROUTING, and no protocol of what the host sends itself before the kernel of that time knew it. In mode META, neighbour discovery at OUTPUT can't be told from other IPv6. |
//! | PKT-8 | The socket asks for time stamps when it is opened, and the kernel begins a moment later. |
//! | PKT-9 | Ids count up from 1 for each bind, and are not reused. |
//! | VER-1, VER-2 | Kept by the translation, and the kernel. QUEUE goes back to the same queue number. |
//! | VER-3, VER-4, VER-7 to VER-10 | The kernel does the same. |
//! | VER-5, VER-6 | Kept by the translation: a replacement that does not count stays behind. |
//! | EVT-1 to EVT-3 | The kernel does the same; but two families that share a queue number can't both be listened to. |
//! | PROC-1 | [`NfQueue::statistics`]. |
//! | SOCK-3 to SOCK-6, SOCK-9 | The kernel's, on the nfnetlink datagrams, which are some bytes longer or shorter. |
//!
//! # What differs
//!
//! This list is complete, as far as is known:
//!
//! 1. `-j QUEUE` of both families goes to queue 0. Two handles of different family need two queue numbers, and the rules of at
//!    least one of them NFQUEUE with a number.
//! 2. The copy range ends at 65,531, and so does a replacement: a verdict whose message is longer than 40 + 65,531 bytes is not
//!    sent, and fails with EMSGSIZE (as for SOCK-9).
//! 3. Packets go to the socket that attached, whatever port id its messages carry (ATT-1).
//! 4. Packet ids are not reused (PKT-9), so a doubled verdict hits nothing.
//! 5. What a datagram weighs in the receive buffer is today's kernel's matter (SOCK-5).
//! 6. There is no `/proc/net/ip_queue`, no sysctl for the queue's length (see [`Options::max_length`]), and no module to be
//!    unloaded under a listener.
//! 7. A second handle in one process opens, and gets EBUSY with its first message, not EADDRINUSE (SOCK-2); and no other program
//!    can send to the handle once it is open: the port id in the options is no address, and the kernel refuses what is sent to the
//!    socket's own (SOCK-6, SOCK-8).
//! 8. Queues, and the capability, are those of the network namespace that the handle was opened in, which need not be the first
//!    (SOCK-7). The capability must have been there when the handle was opened, too.
//! 9. A device without link-layer source addresses of its own has type 0 in its packets (PKT-7).
//! 10. A device that is gone by the time its packet is read has no name in it.
//! 11. Of messages that are sent many at once without the capability, the first of each 64 or fewer gets EPERM, and the others no
//!     answer.
//! 12. A packet that REPEAT changes at OUTPUT, and that a rule queues once more, is not routed again (VER-10).

#![expect(
    clippy::inline_always,
    reason = "no function returns after a system call, and what is known of a usual verdict is folded away: see what a call \
              costs in `transport::netlink`"
)]

mod alike;
mod answer;
mod coalesced;
mod devices;
mod error;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod many;
mod message;
mod options;
mod outstanding;
mod packet;
mod permission;
mod pieces;
mod receiving;
mod request;
mod scattered;
mod statistics;
#[cfg(test)]
mod tests;
mod translation;

pub use error::{OpenError, Refusal};
pub use message::ParseError;
pub use options::{InvalidQueueNumbers, Options, QueueNumbers};
pub use statistics::Statistics;

use super::netlink::{Netlink, SocketError};
use super::{Datagram, Slot, Transport, TransportError, Wait};
use crate::errno::Errno;
use crate::family::Family;
use crate::wire::PortId;
use alike::Alike;
use devices::Devices;
use message::{PROTOCOL, Room, Writer};
use outstanding::Outstanding;
use permission::{Questions, Standing};
use pieces::{beginning, in_two, length_of, within};
use request::{Action, Request, START};
use scattered::BESIDE;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An nfnetlink queue that speaks the `ip_queue` protocol.
#[derive(Debug)]
pub struct NfQueue {
    socket: Netlink,
    questions: Questions,
    devices: Devices,
    options: Options,
    /// The port id that has attached, or 0.
    peer: AtomicU32,
    /// Held by whoever attaches.
    attaching: Mutex<()>,
    other_family_dropped: AtomicU64,
    /// How long a datagram can be: what is said about a packet, and the most of one that was asked for or sent.
    longest: AtomicUsize,
    /// How far from the beginning of a buffer a datagram is received: so far that a packet's bytes need not be moved if as much is said
    /// of it as of the one before.
    ahead: AtomicUsize,
    /// What is known of packets that are told of alike, for one thread at a time.
    alike: Mutex<Alike>,
    /// Kept where a verdict may stand for several.
    outstanding: Option<Mutex<Outstanding>>,
}

impl NfQueue {
    /// Opens queue 0, which is where a rule with `-j QUEUE` puts packets, for `family`. Nothing is bound yet: the first
    /// message attaches (ATT-2), and needs the capability (ATT-5).
    pub fn open(family: Family) -> Result<Self, OpenError> {
        Self::open_with(Options::new(family))
    }

    /// Opens a queue as `options` say.
    pub fn open_with(options: Options) -> Result<Self, OpenError> {
        if !options.port_id.can_attach() {
            return Err(OpenError::PortId {
                port_id: options.port_id,
            });
        }
        let socket = Netlink::connected(PROTOCOL).map_err(|error| match error {
            SocketError::Socket(Errno::EPROTONOSUPPORT) => OpenError::NoNfnetlink,
            SocketError::Socket(errno) | SocketError::Bind(errno, _) => OpenError::Socket { errno },
        })?;
        let questions = Questions::open().map_err(|errno| OpenError::Socket { errno })?;
        if questions.bind_family(&options) == Err(Errno::EINVAL) {
            return Err(OpenError::NoNfnetlinkQueue);
        }
        socket.stamp_arrivals().map_err(|errno| OpenError::Socket { errno })?;
        Ok(Self {
            socket,
            questions,
            devices: Devices::open().map_err(|errno| OpenError::Devices { errno })?,
            options,
            peer: AtomicU32::new(PortId::KERNEL.0),
            attaching: Mutex::new(()),
            other_family_dropped: AtomicU64::new(0),
            longest: AtomicUsize::new(BESIDE),
            ahead: AtomicUsize::new(0),
            alike: Mutex::default(),
            outstanding: options.batch_verdicts.then(Mutex::default),
        })
    }

    /// What the queue was opened with.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The queue's counters, or `None` if it is not bound. The kernel shows them to the user that owns the system, in the
    /// network namespace of the calling thread.
    pub fn statistics(&self) -> io::Result<Option<Statistics>> {
        let kernel = statistics::read(self.options.queue_number)?;
        Ok(kernel.map(|kernel| Statistics {
            other_family_dropped: self.other_family_dropped.load(Ordering::Relaxed),
            ..kernel
        }))
    }

    /// What to do about an error number that the queue answered with, if it is one that means more here than it says.
    #[must_use]
    pub fn explain(&self, errno: Errno) -> Option<Refusal> {
        match errno {
            Errno::EBUSY => Some(Refusal::Taken {
                queue_number: self.options.queue_number,
            }),
            Errno::EPERM => Some(Refusal::NotPermitted),
            _ => None,
        }
    }

    /// Whether a message of the peer's or of nobody's, and if the latter, whether it may attach.
    fn admit(&self, request: &Request, start: &[u8]) -> (Action, Option<MutexGuard<'_, ()>>) {
        let port_id = request.header.port_id;
        if self.peer() == PortId::KERNEL {
            let attaching = self.attaching.lock().unwrap_or_else(PoisonError::into_inner);
            if self.peer() == PortId::KERNEL {
                return match self.questions.standing(&self.options) {
                    Standing::Free => (request.action(start, &self.options), Some(attaching)),
                    Standing::Taken => (Action::refuse(Errno::EBUSY), None),
                    Standing::NotPermitted => (Action::refuse(Errno::EPERM), None),
                };
            }
        }
        let action = if self.peer() == port_id {
            request.action(start, &self.options)
        } else {
            Action::refuse(Errno::EBUSY)
        };
        (action, None)
    }

    /// The packets that are outstanding, if they matter.
    fn outstanding(&self) -> Option<MutexGuard<'_, Outstanding>> {
        let outstanding = self.outstanding.as_ref()?;
        Some(outstanding.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes note of a message that was sent, if it is a verdict.
    fn note_decided(&self, action: Action) {
        if let Action::Verdict { id, .. } = action
            && let Some(mut outstanding) = self.outstanding()
        {
            outstanding.decided(id);
        }
    }

    fn peer(&self) -> PortId {
        PortId(self.peer.load(Ordering::Acquire))
    }

    fn attached(&self, port_id: PortId) {
        self.peer.store(port_id.0, Ordering::Release);
    }

    /// What is to be asked of the kernel for a verdict that is as nearly all are; none for anything else.
    #[inline(always)]
    fn decide_usual(&self, start: &[u8; START], following: usize) -> Option<(Request, Action)> {
        let (request, action) = request::usual(start, following, self.peer(), &self.options)?;
        self.expect(&request, action);
        Some((request, action))
    }

    /// What is to be asked of the kernel for a message of `length` bytes that begins with `start`: nothing, if the queue takes no
    /// notice of it.
    #[inline(never)]
    fn decide_any(&self, start: &[u8], length: usize) -> Option<Decided<'_>> {
        let (request, refused) = Request::screen(start, length)?;
        let (action, attaching) = match refused {
            Some(errno) => (Action::refuse_first(errno), None),
            None => self.admit(&request, start),
        };
        self.expect(&request, action);
        Some(Decided {
            request,
            action,
            attaching,
        })
    }

    /// Takes note of how long a datagram may come of a message that is about to be sent.
    fn expect(&self, request: &Request, action: Action) {
        if let Some(bytes) = request.calls_for(action) {
            self.longest.fetch_max(BESIDE + bytes, Ordering::Relaxed);
        }
    }

    /// Sends what stands for any message.
    #[inline(never)]
    fn send_any(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let length = length_of(parts);
        let mut start = [0; START];
        let start = beginning(parts, &mut start);
        let Some(decided) = self.decide_any(start, length) else {
            return Ok(length);
        };
        let Decided {
            request,
            action,
            attaching,
        } = decided;
        let mut bytes = Room::new();
        let mut writer = Writer::new(&mut bytes);
        let attaches = attaching.is_some();
        let at = request::write(&mut writer, &request, start, action, attaches, &self.options)
            .ok_or(TransportError::System(Errno::EMSGSIZE))?;
        if request.following() == 0 {
            self.socket.send(&[IoSlice::new(writer.written())])?;
        } else {
            let following = within(parts, START, request.following()).map(|piece| (at, piece));
            pieces::send::<16>(&self.socket, pieces::interleaved(writer.written(), following))?;
        }
        if attaches {
            self.attached(request.header.port_id);
        }
        // Never waits for the other lock with this one held: who sends many takes them the other way round.
        drop(attaching);
        self.note_decided(action);
        Ok(length)
    }
}

impl AsFd for NfQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transport for NfQueue {
    fn port_id(&self) -> PortId {
        self.options.port_id
    }

    #[inline(always)]
    fn send(&self, parts: &[IoSlice<'_>]) -> Result<usize, TransportError> {
        let Some((start, following)) = in_two(parts) else {
            return self.send_any(parts);
        };
        let Some((request, action)) = self.decide_usual(start, following.len()) else {
            return self.send_any(parts);
        };
        let mut bytes = Room::new();
        let mut writer = Writer::new(&mut bytes);
        if request::write(&mut writer, &request, start, action, false, &self.options).is_none() {
            return self.send_any(parts);
        }
        let head = IoSlice::new(writer.written());
        if following.is_empty() {
            self.socket.send(&[head])?;
        } else {
            self.socket.send(&[head, IoSlice::new(following)])?;
        }
        if self.outstanding.is_some() {
            self.note_decided(action);
        }
        Ok(START + following.len())
    }

    #[inline(always)]
    fn receive(&self, buffer: &mut [u8], wait: Wait) -> Result<Datagram, TransportError> {
        if self.may_be_cut(buffer.len()) {
            return self.receive_scattered(buffer, wait);
        }
        match self.take(None, buffer, Wait::Never) {
            Ok(Some(taken)) => Ok(taken),
            looked => self.until_some(wait, looked, |wait| self.take(None, buffer, wait)),
        }
    }

    /// Messages go to the kernel up to 64 in a datagram. It obeys and answers each by itself; but where the sender lacks the
    /// capability, a datagram gets one answer, to its first message.
    fn send_many(&self, messages: &[&[IoSlice<'_>]], results: &mut [Result<usize, TransportError>]) {
        coalesced::send(self, messages, results);
    }

    /// Where a datagram was not for the program, later ones are copied to the slots before theirs, so that the first are filled.
    fn receive_many(&self, slots: &mut [Slot<'_>], wait: Wait) -> Result<usize, TransportError> {
        many::receive(self, slots, wait)
    }

    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, TransportError> {
        self.socket.set_receive_buffer(bytes)
    }

    fn set_no_enobufs(&self, on: bool) -> Result<(), TransportError> {
        self.socket.set_no_enobufs(on)
    }
}

/// What is to be asked of the kernel for a message.
struct Decided<'q> {
    request: Request,
    action: Action,
    /// Held if the message attaches, until it has been sent.
    attaching: Option<MutexGuard<'q, ()>>,
}
