//! The packets that wait in a queue: found by id, and kept in the order of arrival.
//!
//! Ids count up, so those of the packets that wait are mostly close together. A *window* has 4 bytes
//! for each id from the oldest packet's on, also for those of packets that have left. A packet that
//! waits very long would make the window grow. It becomes a *straggler*: it moves to a map.
//!
//! A verdict touches one place of the window, and the packet's own entry. Packets have no links to
//! each other, and the window of a long queue is far smaller than its entries. So little of what a
//! verdict touches is in no cache.

use super::items::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::iter;

/// The window is at most this many times as long as there are packets. With 4, verdicts in random
/// order make one packet of 50 a straggler.
const SPARSE: usize = 4;
/// The window may have this many ids more.
const SHORT: usize = 64;

/// The number of ids that a queue had used when it used this one, itself included. Its low 32 bits
/// are the id.
type Arrival = u64;

/// The entries of the packets that wait, and the ids that were used.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The arrival of the next packet.
    next: Arrival,
    /// The entries of the last arrivals, up to `next`. `None` stands for a packet that has left, and
    /// for an id that was used for none.
    window: VecDeque<Option<Entry>>,
    /// The entries of packets that arrived before those in the window.
    stragglers: BTreeMap<Arrival, Entry>,
    /// The number of packets.
    count: usize,
}

impl Waiting {
    pub(super) const fn new() -> Self {
        Self {
            next: 1,
            window: VecDeque::new(),
            stragglers: BTreeMap::new(),
            count: 0,
        }
    }

    /// Returns the number of packets that wait.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Returns the id that was used last. Returns 0 if none was.
    pub(super) const fn last_id(&self) -> u32 {
        (self.next - 1) as u32
    }

    /// Uses the next id, for a packet that may be [kept](Self::keep) later. Returns `None` if
    /// another packet waits under it.
    pub(super) fn use_id(&mut self) -> Option<u32> {
        self.trim();
        if self.window.len() > SPARSE * self.count + SHORT {
            let arrival = self.first();
            let oldest = self.window.pop_front().flatten();
            self.stragglers.extend(oldest.map(|entry| (arrival, entry)));
            self.trim();
        }
        let arrival = self.next;
        self.window.push_back(None);
        self.next += 1;
        let is_taken = self.find_straggler(arrival).is_some();
        (!is_taken).then_some(arrival as u32)
    }

    /// Keeps the entry of a packet, under an id that was used for it. Returns the entry that was
    /// kept under the same id before.
    #[inline]
    pub(super) fn keep(&mut self, id: u32, entry: Entry) -> Option<Entry> {
        let arrival = self.arrival(id);
        let replaced = match self.in_window(arrival) {
            Some(place) => self.window[place].replace(entry),
            None => self.stragglers.insert(arrival, entry),
        };
        self.count += usize::from(replaced.is_none());
        replaced
    }

    /// Returns the entry of the packet with this id. Returns `None` if no such packet waits.
    pub(super) fn get(&self, id: u32) -> Option<Entry> {
        let arrival = self.arrival(id);
        let in_window = self.in_window(arrival).and_then(|place| self.window[place]);
        in_window.or_else(|| self.stragglers.get(&self.find_straggler(arrival)?).copied())
    }

    /// Takes out the packet with this id. Returns `None` if no such packet waits.
    #[inline]
    pub(super) fn take(&mut self, id: u32) -> Option<Entry> {
        let arrival = self.arrival(id);
        let entry = match self.in_window(arrival).and_then(|place| self.window[place].take()) {
            Some(entry) => entry,
            None => self.take_straggler(arrival)?,
        };
        self.trim();
        self.count -= 1;
        Some(entry)
    }

    /// Returns the id of the packet that has waited longest. Returns `None` if no packet waits.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.in_order().next().map(|(id, _)| id)
    }

    /// Returns the ids and entries of the packets, oldest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (u32, Entry)> {
        let stragglers = self.stragglers.iter();
        let stragglers = stragglers.map(|(arrival, entry)| (*arrival as u32, *entry));
        let window = (self.first()..).zip(&self.window);
        let window = window.filter_map(|(arrival, entry)| Some((arrival as u32, (*entry)?)));
        stragglers.chain(window)
    }

    /// Returns the arrival that the window begins with.
    fn first(&self) -> Arrival {
        self.next - self.window.len() as u64
    }

    /// Makes the window begin with a packet that waits.
    #[inline]
    fn trim(&mut self) {
        while let Some(None) = self.window.front() {
            self.window.pop_front();
        }
    }

    /// Returns the last arrival for which this id was used.
    fn arrival(&self, id: u32) -> Arrival {
        (self.next - 1).saturating_sub(self.last_id().wrapping_sub(id).into())
    }

    /// Returns the place in the window of an arrival before `next`. Returns `None` if the window
    /// begins later.
    fn in_window(&self, arrival: Arrival) -> Option<usize> {
        self.window
            .len()
            .checked_sub(usize::try_from(self.next - arrival).ok()?)
    }

    #[cold]
    fn take_straggler(&mut self, last: Arrival) -> Option<Entry> {
        let arrival = self.find_straggler(last)?;
        self.stragglers.remove(&arrival)
    }

    /// Returns the straggler that arrived as `last`, or earlier with the same id.
    #[inline]
    fn find_straggler(&self, last: Arrival) -> Option<Arrival> {
        const ROUND: Arrival = 1 << 32;
        // Most queues have none.
        let (oldest, _) = self.stragglers.first_key_value()?;
        let arrivals = iter::successors(Some(last), |arrival| arrival.checked_sub(ROUND));
        let mut arrivals = arrivals.take_while(|arrival| arrival >= oldest);
        arrivals.find(|arrival| self.stragglers.contains_key(arrival))
    }
}

#[cfg(test)]
mod tests;
