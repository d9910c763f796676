//! The window: the packets whose frames went to one listening socket and that its program may not
//! have read.
//!
//! The window limits how many packets may be fed. A packet leaves the window when that packet or a
//! later one gets a verdict, since programs read in order, when the packet gets its fate, or when
//! the program has read everything and waits. All of these depend on what the program does, and not
//! on when the emulator looks, so that every run feeds packets at the same points. The one
//! exception is a program that has read everything and runs on: after half a second, its packets
//! leave the window, too.

use crate::books::PacketSerial;
use std::collections::VecDeque;

/// A packet's place in the order of one listening socket's packets. A packet gets a new place each
/// time it is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

/// The packets of one listening socket that may be unread, oldest first, with the weights of their
/// frames. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Window {
    unsettled: VecDeque<Entry>,
    /// The sum of the weights of the packets' frames in the receive buffer, in bytes.
    weight: usize,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    place: Place,
    packet: PacketSerial,
    weight: usize,
}

impl Window {
    /// Adds a packet that was queued, behind all others, with the weight of its frame in bytes.
    /// Returns the packet's place.
    pub(super) fn push(&mut self, packet: PacketSerial, weight: usize) -> Place {
        let place = Place(self.next);
        self.next += 1;
        self.weight += weight;
        self.unsettled.push_back(Entry { place, packet, weight });
        place
    }

    /// Removes the packet at `place`, if it is still in the window, and all packets before it: they
    /// were read.
    pub(super) fn settle(&mut self, place: Place) {
        while let Some(entry) = self.unsettled.front().filter(|entry| entry.place <= place) {
            self.weight -= entry.weight;
            self.unsettled.pop_front();
        }
    }

    /// Removes all packets, since the program has read them.
    pub(super) fn settle_all(&mut self) {
        self.unsettled.clear();
        self.weight = 0;
    }

    /// Removes the packet at `place`, if it is still in the window.
    pub(super) fn remove(&mut self, place: Place) {
        let found = self.unsettled.binary_search_by_key(&place, |entry| entry.place);
        if let Some(entry) = found.ok().and_then(|index| self.unsettled.remove(index)) {
            self.weight -= entry.weight;
        }
    }

    /// Returns the number of packets that may be unread.
    pub(super) fn len(&self) -> usize {
        self.unsettled.len()
    }

    /// Returns the sum of the weights of the frames of all packets in the window, in bytes.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    /// Returns the packets that may be unread, oldest first.
    pub(super) fn packets(&self) -> impl Iterator<Item = PacketSerial> {
        self.unsettled.iter().map(|entry| entry.packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Ledger;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_verdict_settles_what_came_before_and_what_is_gone_weighs_nothing() {
        let mut ledger = Ledger::new(0);
        let packets = [0; 5].map(|_| ledger.enter());
        let mut window = Window::default();
        let places = packets.map(|packet| window.push(packet, 10));
        window.settle(places[1]);
        assert_eq!((window.len(), window.weight()), (3, 30));
        window.settle(places[0]);
        window.remove(places[3]);
        window.remove(places[3]);
        assert_eq!(window.packets().collect::<Vec<_>>(), [packets[2], packets[4]]);
        let again = window.push(packets[0], 7);
        assert_eq!(window.weight(), 27);
        window.settle(again);
        assert_eq!((window.len(), window.weight()), (0, 0));
    }

    #[test]
    fn who_waits_with_everything_read_has_room_for_as_much_again() {
        let mut ledger = Ledger::new(0);
        let mut window = Window::default();
        let place = window.push(ledger.enter(), 10);
        window.settle_all();
        window.settle(place);
        window.remove(place);
        assert_eq!((window.len(), window.weight()), (0, 0));
    }
}
