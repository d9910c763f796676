//! What happened to packets, in order, for whoever wants to follow along and not ask about each.

use super::fate::Fate;
use super::serial::PacketSerial;
use ipq_core::{PacketId, Verdict};

/// Something that happened to a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketEvent {
    /// A verdict took it out of the queue.
    Verdict {
        /// Which packet.
        packet: PacketSerial,
        /// By which id the program named it.
        packet_id: PacketId,
        /// What was decided.
        verdict: Verdict,
        /// Whether the verdict brought bytes that count as a replacement (VER-5).
        replaced: bool,
    },
    /// It left. Its last event.
    Left {
        /// Which packet.
        packet: PacketSerial,
        /// What became of it.
        fate: Fate,
    },
}

/// Keeps events until they are taken, if it was asked to.
#[derive(Default)]
pub(crate) struct Journal(Option<Vec<PacketEvent>>);

impl Journal {
    /// Keeps events from now on.
    pub(crate) fn open(&mut self) {
        self.0.get_or_insert_default();
    }

    /// Notes an event; it is made only if somebody wants it.
    pub(crate) fn note(&mut self, event: impl FnOnce() -> PacketEvent) {
        if let Some(events) = &mut self.0 {
            events.push(event());
        }
    }

    /// Whether it was.
    pub(crate) const fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Takes what has been noted.
    pub(crate) fn take(&mut self) -> Vec<PacketEvent> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
