//! Assertions about packets, for tests.

use super::{Access, Simulation};
use crate::{DropReason, Fate, PacketSerial};
use std::fmt;

impl<A: Access> Simulation<A> {
    /// Asserts that a packet was delivered: that it left by a device, or passed INPUT.
    ///
    /// # Panics
    ///
    /// If it was not. The message says what became of it instead, and on which way.
    #[track_caller]
    pub fn assert_delivered(&self, packet: PacketSerial) {
        let delivered = matches!(self.fate(packet), Some(Fate::Sent { .. } | Fate::DeliveredHere(_)));
        assert!(delivered, "{}", self.report(packet, "delivered"));
    }

    /// Asserts that a packet was dropped for `reason`.
    ///
    /// # Panics
    ///
    /// If it was not. The message says what became of it instead, and on which way.
    #[track_caller]
    pub fn assert_dropped(&self, packet: PacketSerial, reason: DropReason) {
        let dropped = self.fate(packet) == Some(Fate::Dropped(reason));
        assert!(dropped, "{}", self.report(packet, &format!("dropped ({reason})")));
    }

    /// Asserts that a packet waits for a verdict.
    ///
    /// # Panics
    ///
    /// If it does not. The message says what became of it instead, and on which way.
    #[track_caller]
    pub fn assert_queued(&self, packet: PacketSerial) {
        let queued = self.fate(packet) == Some(Fate::Queued);
        assert!(queued, "{}", self.report(packet, "queued"));
    }

    /// Says what became of a packet that was expected to have another fate.
    fn report(&self, packet: PacketSerial, expected: &str) -> String {
        match self.fate(packet) {
            Some(fate) => format!("the packet was to be {expected}, and was {fate}"),
            None => format!("the packet was to be {expected}, and its fate is kept no longer"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued => f.write_str("queued"),
            Self::DeliveredHere(bytes) => write!(f, "delivered to this host ({} bytes)", bytes.len()),
            Self::Sent { device, frames } => {
                let bytes = frames.iter().map(|frame| frame.packet().len().to_string());
                write!(f, "sent by {device} (packets of {} bytes)", bytes.collect::<Vec<_>>().join(", "))
            }
            Self::Dropped(reason) => write!(f, "dropped ({reason})"),
        }
    }
}
