//! The packets that wait in a queue: found by id, and kept in the order of arrival.
//!
//! Ids count up. So a packet's place in a *table* follows from its id, and the table goes round: an
//! id and a later one have the same place if they are as far apart as the table is long. A packet
//! that still waits where a later one has its place becomes a *straggler*: it moves to a map.
//!
//! A verdict touches its packet's place and nothing else. Packets have no links to each other, and
//! no index leads to their places. In a long queue each of these would be in no cache, and a
//! verdict would wait for one after the other.

use std::collections::BTreeMap;
use std::iter;

/// The number of places of the shortest table.
const SHORTEST: usize = 64;
/// The table grows before a packet becomes a straggler, until it has this many places for each
/// packet. With 2, verdicts in random order make about one packet of 7 a straggler.
const SPARSE: usize = 2;

/// The number of ids that a queue had used when it used this one, itself included. Its low 32 bits
/// are the id.
type Arrival = u64;

/// The packets that wait, each as an item `T`, and the ids that were used.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    /// The arrival of the next packet.
    next: Arrival,
    /// The places: a power of two of them, or none.
    table: Vec<Place<T>>,
    /// The packets that lost their place to a later one.
    stragglers: BTreeMap<Arrival, T>,
    /// An arrival that no packet in the table came before.
    oldest: Arrival,
    /// The number of packets.
    count: usize,
}

/// A place of the table. It is aligned to two cache lines, which a packet fills: in a long queue
/// each line is a cache miss, and without the alignment there would be a third.
#[derive(Debug)]
#[repr(align(128))]
struct Place<T> {
    item: Option<T>,
    /// The arrival of the packet that is here, or was here last.
    arrival: Arrival,
}

impl<T> Waiting<T> {
    pub(super) const fn new() -> Self {
        Self {
            next: 1,
            table: Vec::new(),
            stragglers: BTreeMap::new(),
            oldest: 1,
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
        self.next += 1;
        let id = self.last_id();
        self.get(id).is_none().then_some(id)
    }

    /// Keeps the item of a packet, under an id that was used for it and that has no item yet.
    #[inline]
    pub(super) fn keep(&mut self, id: u32, item: T) {
        let arrival = self.arrival(id);
        self.make_place(arrival);
        if let Some(place) = place_mut(&mut self.table, arrival) {
            *place = Place {
                item: Some(item),
                arrival,
            };
        }
        self.oldest = self.oldest.min(arrival);
        self.count += 1;
    }

    /// Makes an arrival's place free.
    #[inline]
    fn make_place(&mut self, arrival: Arrival) {
        loop {
            let is_long = self.table.len() >= SPARSE * self.count;
            match place_mut(&mut self.table, arrival) {
                Some(Place { item: None, .. }) => return,
                Some(Place { item, arrival }) if is_long => {
                    self.stragglers.extend(item.take().map(|item| (*arrival, item)));
                    return;
                }
                _ => self.grow(),
            }
        }
    }

    /// Returns the item of the packet with this id. Returns `None` if no such packet waits.
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        let arrival = self.arrival(id);
        let place = self.table.get(index(&self.table, arrival));
        match place.filter(|place| place.arrival as u32 == id) {
            Some(Place { item: Some(item), .. }) => Some(item),
            _ => self.stragglers.get(&self.find_straggler(arrival)?),
        }
    }

    /// Takes out the packet with this id. Returns its item, or `None` if no such packet waits.
    #[inline]
    pub(super) fn take(&mut self, id: u32) -> Option<T> {
        let arrival = self.arrival(id);
        let place = place_mut(&mut self.table, arrival);
        let place = place.filter(|place| place.arrival as u32 == id);
        let item = match place.and_then(|place| place.item.take()) {
            Some(item) => item,
            None => self.take_straggler(arrival)?,
        };
        self.count -= 1;
        Some(item)
    }

    /// Returns the id of the packet that has waited longest. Returns `None` if no packet waits.
    pub(super) fn oldest(&mut self) -> Option<u32> {
        let in_table = self.oldest_in_table();
        let straggler = self.stragglers.first_key_value().map(|(arrival, _)| *arrival);
        let oldest = in_table.into_iter().chain(straggler).min();
        oldest.map(|arrival| arrival as u32)
    }

    /// Returns the first arrival of those in the table. Returns `None` if the table has no packet.
    fn oldest_in_table(&mut self) -> Option<Arrival> {
        if self.next - self.oldest > self.table.len() as u64 {
            let waiting = self.table.iter().filter(|place| place.item.is_some());
            self.oldest = waiting.map(|place| place.arrival).min().unwrap_or(self.next);
        }
        while self.oldest < self.next {
            match self.table.get(index(&self.table, self.oldest)) {
                Some(Place { item: Some(_), arrival }) if *arrival == self.oldest => return Some(self.oldest),
                _ => self.oldest += 1,
            }
        }
        None
    }

    /// Returns the ids and items of the packets, oldest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (u32, &T)> {
        let table = self.table.iter();
        let table = table.filter_map(|place| Some((place.arrival, place.item.as_ref()?)));
        let stragglers = self.stragglers.iter().map(|(arrival, item)| (*arrival, item));
        let mut packets: Vec<_> = stragglers.chain(table).collect();
        packets.sort_unstable_by_key(|(arrival, _)| *arrival);
        packets.into_iter().map(|(arrival, item)| (arrival as u32, item))
    }

    /// Doubles the table. Packets that had places of their own still have.
    #[cold]
    fn grow(&mut self) {
        let longer = (2 * self.table.len()).max(SHORTEST);
        let empty = || Place { item: None, arrival: 0 };
        let mut table: Vec<_> = iter::repeat_with(empty).take(longer).collect();
        for place in self.table.drain(..).filter(|place| place.item.is_some()) {
            let index = index(&table, place.arrival);
            table[index] = place;
        }
        self.table = table;
    }

    /// Returns the last arrival for which this id was used.
    fn arrival(&self, id: u32) -> Arrival {
        (self.next - 1).saturating_sub(self.last_id().wrapping_sub(id).into())
    }

    #[cold]
    fn take_straggler(&mut self, last: Arrival) -> Option<T> {
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

/// Returns the index of an arrival's place in a table.
fn index<T>(table: &[Place<T>], arrival: Arrival) -> usize {
    arrival as usize & table.len().wrapping_sub(1)
}

/// Returns an arrival's place in a table. Returns `None` if the table has none.
fn place_mut<T>(table: &mut [Place<T>], arrival: Arrival) -> Option<&mut Place<T>> {
    let index = index(table, arrival);
    table.get_mut(index)
}

#[cfg(test)]
mod tests;
