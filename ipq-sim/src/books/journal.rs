//! The journal of events, for callers who do not want to ask for each packet's fate: verdicts,
//! packets that are queued again, and packets that leave, in order.

use super::fate::Fate;
use super::serial::PacketSerial;
use crate::queue::QueueId;
use ipq_core::{PacketId, Verdict};

/// An event in the life of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketEvent {
    /// A verdict took the packet out of the queue.
    Verdict {
        /// The serial of the packet.
        packet: PacketSerial,
        /// The packet id by which the program named the packet.
        packet_id: PacketId,
        /// The verdict that the program gave.
        verdict: Verdict,
        /// `true` if the verdict's payload replaced the packet (VER-5). `false` if the verdict has
        /// no payload, or one that the kernel ignores or drops the packet for, such as one that is
        /// too short (VER-6, NFQ-69).
        replaced: bool,
        /// The mark that the verdict set, if it set one (NFQ-67).
        mark: Option<u32>,
    },
    /// After a verdict, the packet was queued once more.
    QueuedAgain {
        /// The serial of the packet.
        packet: PacketSerial,
        /// The queue that the packet waits in now.
        queue: QueueId,
    },
    /// The packet was delivered to this host, left by a device, or was dropped. This is its last
    /// event.
    Left {
        /// The serial of the packet.
        packet: PacketSerial,
        /// The packet's fate.
        fate: Fate,
    },
}

/// The journal of events. It keeps none until it is opened, and then all until they are taken.
#[derive(Default)]
pub(crate) struct Journal(Option<Vec<PacketEvent>>);

impl Journal {
    /// Opens the journal, which keeps events from now on. Does nothing if it is open already.
    pub(crate) fn open(&mut self) {
        self.0.get_or_insert_default();
    }

    /// Keeps an event. If the journal is not open, `event` is not called.
    pub(crate) fn note(&mut self, event: impl FnOnce() -> PacketEvent) {
        if let Some(events) = &mut self.0 {
            events.push(event());
        }
    }

    /// Returns `true` if the journal is open.
    pub(crate) const fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the events that the journal holds, in order. The journal stays open. Returns an empty
    /// list if it is not open.
    pub(crate) fn take(&mut self) -> Vec<PacketEvent> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Replaces the content of `events` by the events that the journal holds, in order, and leaves
    /// the journal empty and open. If the journal is not open, only empties `events`. The two lists
    /// are swapped, so that the memory of both is used again.
    #[cfg(feature = "run")]
    pub(crate) fn swap(&mut self, events: &mut Vec<PacketEvent>) {
        events.clear();
        if let Some(held) = &mut self.0 {
            std::mem::swap(held, events);
        }
    }
}
