//! Assertions about packets, for tests.

use super::{Access, Simulation};
use crate::{DropReason, Fate, PacketSerial};

impl<A: Access> Simulation<A> {
    /// Asserts that a packet was delivered: that it left by a device, or was for the emulated host
    /// itself and passed INPUT.
    ///
    /// # Panics
    ///
    /// If the packet has another fate. The message says which, and tells the packet's way through
    /// the hooks, as far as it is still kept. Also if the packet's fate is not kept.
    #[track_caller]
    pub fn assert_delivered(&self, packet: PacketSerial) {
        let delivered = matches!(self.fate(packet), Some(Fate::Sent { .. } | Fate::DeliveredHere(_)));
        assert!(delivered, "{}", self.report(packet, "delivered"));
    }

    /// Asserts that a packet was dropped for `reason`.
    ///
    /// # Panics
    ///
    /// If the packet has another fate. The message says which, and tells the packet's way through
    /// the hooks, as far as it is still kept. Also if the packet's fate is not kept.
    #[track_caller]
    pub fn assert_dropped(&self, packet: PacketSerial, reason: DropReason) {
        let dropped = self.fate(packet) == Some(Fate::Dropped(reason));
        assert!(dropped, "{}", self.report(packet, &format!("dropped ({reason})")));
    }

    /// Asserts that a packet waits for a verdict.
    ///
    /// # Panics
    ///
    /// If the packet has another fate. The message says which, and tells the packet's way through
    /// the hooks, as far as it is still kept. Also if the packet's fate is not kept.
    #[track_caller]
    pub fn assert_queued(&self, packet: PacketSerial) {
        let queued = self.fate(packet) == Some(Fate::Queued);
        assert!(queued, "{}", self.report(packet, "queued"));
    }

    /// Returns the text of a failed assertion: the fate that a packet was expected to have, the
    /// fate that it has, its way through the hooks as far as it is kept, and the simulation as
    /// text. Adds advice if the packet was dropped because no handle had set a copy mode. If the
    /// packet's fate is not kept, the text says that after the expected fate, and no more.
    fn report(&self, packet: PacketSerial, expected: &str) -> String {
        let Some(fate) = self.fate(packet) else {
            return format!("the packet was to be {expected}, and its fate is kept no longer");
        };
        let steps = self.with(|kernel| kernel.steps(packet));
        let way: Vec<_> = steps.iter().map(ToString::to_string).collect();
        let way = way.join(", ");
        let cure =
            if fate == Fate::Dropped(DropReason::NoListener) && self.with(|kernel| kernel.has_idle_sockets_only()) {
                "; a handle is open in copy mode NONE, as each is at first: call set_mode with META or PACKET"
            } else {
                ""
            };
        format!("the packet was to be {expected}, and is {fate}{cure}\nits way: {way}\n\n{self}")
    }
}
