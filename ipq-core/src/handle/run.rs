//! A loop that asks a program about each packet, and handles everything else that comes from a
//! queue.

use super::{Error, Handle, Refusal};
use crate::errno::Errno;
use crate::transport::{AT_ONCE, Transport, TransportError, Wait};
use crate::wire::{Message, MessageMut, MessageType, PacketId, PacketMessage, PacketMut, Verdict};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The time that [`Handle::run_until`] waits for a packet before it looks at `stop` again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// An error that ended a loop over a queue's packets.
///
/// Its `Debug` output is the same sentence as its `Display` output, so that a `main` which returns
/// it prints that.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The queue refused a message, for example because the program lacks a capability.
    #[error("{0}")]
    Refused(Refusal),
    /// Reading a message or giving a verdict failed.
    #[error(transparent)]
    Handle(#[from] Error),
    /// A message came of a type that no queue sends.
    #[error("the queue sent a message of type {0}, which only programs send")]
    Unexpected(MessageType),
}

impl<T: Transport> Handle<T> {
    /// Asks `decide` about each packet, and gives the verdict that it returns.
    ///
    /// Call [`set_mode`](Self::set_mode) first. Return `None` to hold a packet, and give its
    /// verdict later with [`set_verdict`](Self::set_verdict).
    ///
    /// ```no_run
    /// use ipq_core::transport::nfqueue::NfQueue;
    /// use ipq_core::{CopyMode, Family, Handle, Verdict};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let handle = Handle::new(NfQueue::open(Family::Ipv4)?);
    ///     handle.set_mode(CopyMode::Packet, 1500)?;
    ///     handle.run(|packet| {
    ///         println!("{} bytes by {}", packet.payload().len(), packet.message().indev_name());
    ///         Verdict::Accept
    ///     })?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The loop goes on after a signal, after an overrun ([`overruns`](Self::overruns) counts
    /// them), after a datagram of another program, and after ENOENT: then a verdict found no such
    /// packet, for example because a device went down before (EVT-1). It ends with an error if the
    /// queue refuses a message for any other reason, if a message comes that no queue sends, or if
    /// reading or sending fails.
    ///
    /// The loop ends with `Ok` when it finds on reading that no packet can come any more: the
    /// transport is closed, or it is an emulator on virtual time and nothing else moves. So a test
    /// on an emulator lets packets in, and calls the function that runs for ever on a kernel.
    pub fn run<D: Into<Option<Verdict>>>(
        &self,
        mut decide: impl FnMut(&mut QueuedPacket<'_>) -> D,
    ) -> Result<(), RunError> {
        let mut buffer = vec![0; self.buffer_for(0)];
        loop {
            match self.run_once(&mut buffer, Wait::Forever, &mut decide) {
                Ok(_) => {}
                Err(error) if error.is_end() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs as [`run`](Self::run) does, and returns `Ok` soon after `stop` has become true: after
    /// the current round of at most 64 messages, or after at most 100 ms if none comes.
    ///
    /// The flag may be set by a signal handler, by another thread or by `decide`. Packets that are
    /// still queued then wait until the handle is dropped, which drops them (ATT-4). On an
    /// emulator's virtual time the loop does not end when packets run out: let `decide` set the
    /// flag.
    pub fn run_until<D: Into<Option<Verdict>>>(
        &self,
        stop: &AtomicBool,
        mut decide: impl FnMut(&mut QueuedPacket<'_>) -> D,
    ) -> Result<(), RunError> {
        let mut buffer = vec![0; self.buffer_for(0)];
        while !stop.load(Ordering::Acquire) {
            match self.run_once(&mut buffer, Wait::For(LOOK_AGAIN), &mut decide) {
                Ok(_) => {}
                Err(error) if error.is_end() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for a message as `wait` says, and handles those that are there, at most 64: asks
    /// `decide` about each packet, and gives the verdict that it returns. Returns the number of
    /// packets, held ones included, which is 0 if none came in time.
    ///
    /// This is one round of [`run`](Self::run), for a program with a loop of its own. Such a
    /// program may hold packets, and wait no longer than until it must decide about the first of
    /// them. The `buffer` should have the length that [`buffer_for`](Self::buffer_for) says. The
    /// round ends early, with `Ok`, when a signal comes. It returns the errors that end
    /// [`run`](Self::run), and also an error where [`run`](Self::run) returns `Ok`: when no packet
    /// can come any more.
    pub fn run_once<D: Into<Option<Verdict>>>(
        &self,
        buffer: &mut [u8],
        mut wait: Wait,
        mut decide: impl FnMut(&mut QueuedPacket<'_>) -> D,
    ) -> Result<usize, RunError> {
        let mut packets = 0;
        for _ in 0..AT_ONCE {
            match self.read_mut(buffer, wait) {
                Ok(MessageMut::Packet(packet)) => {
                    let mut packet = QueuedPacket::new(packet);
                    if let Some(verdict) = decide(&mut packet).into() {
                        self.give(packet.packet_id(), verdict, packet.replacement())?;
                    }
                    packets += 1;
                }
                Ok(MessageMut::Other(Message::Error(answer))) => match answer.errno() {
                    Errno(0) | Errno::ENOENT => {}
                    errno => return Err(RunError::Refused(self.explain(errno))),
                },
                Ok(MessageMut::Other(other)) => return Err(RunError::Unexpected(other.message_type())),
                Err(Error::TimedOut | Error::Interrupted { .. }) => break,
                Err(Error::Overrun | Error::ForeignSender { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            wait = Wait::Never;
        }
        Ok(packets)
    }

    /// Gives a verdict. If a signal comes before the verdict is sent, tries again.
    fn give(&self, packet_id: PacketId, verdict: Verdict, replacement: Option<&[u8]>) -> Result<(), Error> {
        loop {
            match self.set_verdict(packet_id, verdict, replacement) {
                Err(Error::Send(TransportError::Interrupted)) => {}
                given => return given.map(drop),
            }
        }
    }
}

impl RunError {
    /// Returns `true` if no packet can come any more: the transport is closed, or a wait would
    /// never end.
    const fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Handle(Error::Receive(TransportError::Closed | TransportError::Deadlock))
        )
    }
}

impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A packet that waits for its verdict, as [`Handle::run`] passes it to the program.
pub struct QueuedPacket<'a> {
    packet: PacketMut<'a>,
    changed: Changed,
}

/// Whether and how a program has changed a packet's bytes: not at all, in the buffer that the
/// packet was read into, or by giving other bytes.
enum Changed {
    Not,
    InPlace,
    Replaced(Vec<u8>),
}

impl<'a> QueuedPacket<'a> {
    const fn new(packet: PacketMut<'a>) -> Self {
        Self {
            packet,
            changed: Changed::Not,
        }
    }

    /// Returns the packet's id, which names the packet in a later verdict.
    #[must_use]
    pub fn packet_id(&self) -> PacketId {
        self.packet.packet_id()
    }

    /// Returns all that the queue said about the packet, such as its hook, devices and mark.
    /// The payload in it has the changes made by [`payload_mut`](Self::payload_mut), but not those
    /// after [`set_payload`](Self::set_payload).
    #[must_use]
    pub fn message(&self) -> PacketMessage<'_> {
        self.packet.message()
    }

    /// Returns the packet's bytes from its IP header on, up to the copy range: none in mode META.
    /// If the program has changed or replaced them, returns the new bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match &self.changed {
            Changed::Replaced(bytes) => bytes,
            Changed::Not | Changed::InPlace => self.packet.payload(),
        }
    }

    /// Returns the packet's bytes, for the program to change. From this call on they replace the
    /// packet when the verdict is given, changed or not. So the copy range must be as long as
    /// packets are: a packet that the copy range cut stays cut (VER-7). Checksums are not mended
    /// (VER-8): with the feature `etherparse` the method `repair_checksums` mends them.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        match &mut self.changed {
            Changed::Replaced(bytes) => bytes,
            changed => {
                *changed = Changed::InPlace;
                self.packet.payload_mut()
            }
        }
    }

    /// Replaces the packet's bytes by `bytes` when the verdict is given. `bytes` may be shorter or
    /// longer than the packet. Fewer bytes than a fixed IP header has (20 or 40) replace nothing
    /// (VER-6). At most, 65,535 are possible with `ip_queue` (VER-7), and 65,531 with an nfnetlink
    /// queue. Checksums are not mended (VER-8): with the feature `etherparse` the method
    /// `repair_checksums` mends them.
    pub fn set_payload(&mut self, bytes: impl Into<Vec<u8>>) {
        self.changed = Changed::Replaced(bytes.into());
    }

    /// Returns the bytes that are to be sent with the verdict. Returns `None` if the program called
    /// neither [`payload_mut`](Self::payload_mut) nor [`set_payload`](Self::set_payload).
    fn replacement(&self) -> Option<&[u8]> {
        match self.changed {
            Changed::Not => None,
            Changed::InPlace | Changed::Replaced(_) => Some(self.payload()),
        }
    }
}
