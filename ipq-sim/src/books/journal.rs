//! The journal: what happens to packets, in order, for callers who do not want to ask for each
//! fate.

use super::fate::Fate;
use super::serial::PacketSerial;
use crate::queue::QueueId;
use ipq_core::{PacketId, Verdict};

/// An event in the life of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketEvent {
    /// A verdict took it out of the queue.
    Verdict {
        /// The packet.
        packet: PacketSerial,
        /// The id by which the program named it.
        packet_id: PacketId,
        /// The verdict.
        verdict: Verdict,
        /// `true` if the verdict's payload replaced the packet (VER-5).
        replaced: bool,
        /// The mark that the verdict set, if it set one (NFQ-67).
        mark: Option<u32>,
    },
    /// Its verdict had it queued once more.
    QueuedAgain {
        /// The packet.
        packet: PacketSerial,
        /// The queue that it waits in now.
        queue: QueueId,
    },
    /// It left. Its last event.
    Left {
        /// The packet.
        packet: PacketSerial,
        /// Its fate.
        fate: Fate,
    },
}

/// Keeps events until they are taken, once it is open.
#[derive(Default)]
pub(crate) struct Journal(Option<Vec<PacketEvent>>);

impl Journal {
    /// Keeps events from now on.
    pub(crate) fn open(&mut self) {
        self.0.get_or_insert_default();
    }

    /// Keeps an event. If the journal is not open, `event` is not called.
    pub(crate) fn note(&mut self, event: impl FnOnce() -> PacketEvent) {
        if let Some(events) = &mut self.0 {
            events.push(event());
        }
    }

    /// Returns whether it is open.
    pub(crate) const fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the events that it holds.
    pub(crate) fn take(&mut self) -> Vec<PacketEvent> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes the events that it holds, in exchange for an empty list with room.
    #[cfg(feature = "run")]
    pub(crate) fn swap(&mut self, events: &mut Vec<PacketEvent>) {
        events.clear();
        if let Some(held) = &mut self.0 {
            std::mem::swap(held, events);
        }
    }
}
