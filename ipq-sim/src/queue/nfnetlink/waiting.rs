//! The packets that wait in a queue: found by id, and kept in the order of arrival.
//!
//! Ids count up, and the packets are in a *table*, as in a ring: the id of a packet, modulo the
//! length of the table, is its place. If another packet gets the place of one that still waits, the
//! latter becomes a *straggler*: it moves to a map. While the table is short for the number of
//! packets, its length is doubled instead.
//!
//! A verdict on one packet reads and writes no place but the packet's own. There are no links from
//! packet to packet, and no index of places: in a long queue each of these would be one more cache
//! miss.

use std::collections::BTreeMap;
use std::iter;

/// The number of places of the shortest table.
const SHORTEST: usize = 64;
/// The number of places for each waiting packet from which the table is no longer doubled. In a
/// table of that length a packet whose place another one gets becomes a straggler. With 2, and
/// verdicts in random order, about one packet of 7 does.
const SPARSE: usize = 2;

/// The number of a use of an id in one queue: 1 for the first id that the queue uses, 2 for the
/// next, and so on. Its low 32 bits are the id.
type Arrival = u64;

/// The waiting packets of a queue, each as an item `T`, and the number of ids that the queue has
/// used.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    /// The arrival of the id that is used next.
    next: Arrival,
    /// The places of the packets. Their number is a power of two, or 0 before the first packet.
    table: Vec<Place<T>>,
    /// The waiting packets whose place in the table another packet got.
    stragglers: BTreeMap<Arrival, T>,
    /// A lower bound: each packet in the table has this arrival or a greater one.
    oldest: Arrival,
    /// The number of packets that wait, in the table and as stragglers.
    count: usize,
}

/// A place of the table, for one packet. It is aligned to 128 bytes, so that it starts where a cache
/// line starts: a verdict then touches as few cache lines as the size allows.
#[derive(Debug)]
#[repr(align(128))]
struct Place<T> {
    item: Option<T>,
    /// The arrival of the packet that is here. If there is none, the number means nothing.
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

    /// Returns the id that was used last, or 0 if none was.
    pub(super) const fn last_id(&self) -> u32 {
        (self.next - 1) as u32
    }

    /// Uses up the next id, and returns it for a packet that is to be [kept](Self::keep). Returns
    /// `None` if another packet still waits under this id. The id is then used up all the same.
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

    /// Makes the place of an arrival free. While another packet has the place, doubles the table,
    /// or makes that packet a straggler if the table is long enough.
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

    /// Returns the least arrival of the packets in the table. Returns `None` if the table has no
    /// packet.
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

    /// Returns the id and the item of each waiting packet, oldest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (u32, &T)> {
        let table = self.table.iter();
        let table = table.filter_map(|place| Some((place.arrival, place.item.as_ref()?)));
        let stragglers = self.stragglers.iter().map(|(arrival, item)| (*arrival, item));
        let mut packets: Vec<_> = stragglers.chain(table).collect();
        packets.sort_unstable_by_key(|(arrival, _)| *arrival);
        packets.into_iter().map(|(arrival, item)| (arrival as u32, item))
    }

    /// Doubles the length of the table, and moves each packet in it to its new place. Stragglers
    /// stay in their map.
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

    /// Returns the arrival of this id when it was used last, or 0 if it was never used.
    fn arrival(&self, id: u32) -> Arrival {
        (self.next - 1).saturating_sub(self.last_id().wrapping_sub(id).into())
    }

    #[cold]
    fn take_straggler(&mut self, last: Arrival) -> Option<T> {
        let arrival = self.find_straggler(last)?;
        self.stragglers.remove(&arrival)
    }

    /// Returns the arrival of a straggler with the same id as `last`: `last` itself, or else the
    /// latest before it. Returns `None` if there is no such straggler.
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

/// Returns the index in the table of the place for an arrival. If the table is empty, returns some
/// number, at which `get` finds no place.
fn index<T>(table: &[Place<T>], arrival: Arrival) -> usize {
    arrival as usize & table.len().wrapping_sub(1)
}

/// Returns the place for an arrival in a table. Returns `None` if the table is empty.
fn place_mut<T>(table: &mut [Place<T>], arrival: Arrival) -> Option<&mut Place<T>> {
    let index = index(table, arrival);
    table.get_mut(index)
}

#[cfg(test)]
mod tests;
