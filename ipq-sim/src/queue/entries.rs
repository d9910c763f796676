//! The entries that hold the queued packets of a queue of `ip_queue` or `ip6_queue`. A packet is
//! found by its id in constant time, and the entries keep the packets' order of arrival. As in the
//! kernel, the id of an entry that was freed is given to a later packet, unless [`IdReuse::Never`]
//! is set (PKT-9).

use super::records::{Record, Records};
use ipq_core::wire::WordSize;
use ipq_core::{Family, PacketId};

/// Whether a new packet in `ip_queue` can get a packet id that an earlier one had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdReuse {
    /// A new packet gets the id that was freed last, as in most kernels, or a new id if none is
    /// free (PKT-9). In Linux 2.4 other things take freed ids, too (ERA-17). A seeded fault of the
    /// kernel turns the order around.
    #[default]
    LastFreedFirst,
    /// No packet gets an id that an earlier one had. So a second verdict with the same id fails
    /// with ENOENT, and can't hit another packet.
    Never,
}

/// The index of an entry, valid from its allocation to its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(Record);

/// The entries of one queue. An entry is allocated, and has a packet id, when a packet is offered
/// to the queue. [`link`](Self::link) puts the packet's item into it when the packet is queued.
/// [`unlink`](Self::unlink) takes the item out when the verdict comes. [`release`](Self::release)
/// frees the entry after a verdict, and is called only after the verdict was carried out. So a
/// packet that its verdict queues again gets a new id before its old one is free.
pub(super) struct Entries<T> {
    nodes: Vec<Node<T>>,
    /// The number of times that each entry was freed, by the entry's index. Empty with
    /// [`IdReuse::LastFreedFirst`].
    generations: Vec<u64>,
    linked: usize,
    /// The number of calls of [`link`](Self::link) up to now, with which the next item is numbered.
    arrivals: u64,
    ids: Ids,
}

/// The storage of an entry. It is aligned to 128 bytes, so that it begins with a cache line: a
/// verdict then touches as few cache lines as the size allows.
#[repr(align(128))]
struct Node<T> {
    item: Option<T>,
    /// The number of items that were linked before this one was, into any entry of the queue. The
    /// order of arrival is the order of these numbers, so a verdict touches no other entry.
    arrival: u64,
}

impl<T> Entries<T> {
    pub(super) fn new(ids: Ids) -> Self {
        Self {
            nodes: Vec::new(),
            generations: Vec::new(),
            linked: 0,
            arrivals: 0,
            ids,
        }
    }

    /// Returns the number of queued packets: the entries that have an item.
    pub(super) const fn len(&self) -> usize {
        self.linked
    }

    /// Allocates an entry for a packet. Returns the entry and its packet id.
    pub(super) fn allocate(&mut self, records: &mut Records) -> (Slot, PacketId) {
        let index = records.take(self.ids.family);
        while self.nodes.len() <= index as usize {
            self.nodes.push(Node { item: None, arrival: 0 });
            if self.ids.reuse == IdReuse::Never {
                self.generations.push(0);
            }
        }
        (Slot(index), self.ids.id(index, self.generation(index)))
    }

    /// Puts a packet's `item` into its allocated entry, at the end of the queue.
    #[inline]
    pub(super) fn link(&mut self, Slot(index): Slot, item: T) {
        let node = &mut self.nodes[index as usize];
        node.item = Some(item);
        node.arrival = self.arrivals;
        self.arrivals += 1;
        self.linked += 1;
    }

    /// Returns the entry that has this packet id and an item. Returns `None` if there is none, as
    /// for an id that is allocated but not linked.
    pub(super) fn find(&self, id: PacketId) -> Option<Slot> {
        let (index, generation) = self.ids.place(id)?;
        let node = self.nodes.get(index as usize)?;
        (node.item.is_some() && self.generation(index) == generation).then_some(Slot(index))
    }

    /// Returns the item in an entry. Returns `None` if the entry has no item.
    pub(super) fn get(&self, Slot(index): Slot) -> Option<&T> {
        self.nodes.get(index as usize)?.item.as_ref()
    }

    /// Takes the item out of an entry, so that its packet is no longer queued. Returns the item, or
    /// `None` if the entry had none. The entry stays allocated.
    #[inline]
    pub(super) fn unlink(&mut self, Slot(index): Slot) -> Option<T> {
        let item = self.nodes.get_mut(index as usize)?.item.take();
        self.linked -= usize::from(item.is_some());
        item
    }

    /// Frees an entry after its packet's verdict was carried out. The record of the hook's note on
    /// the packet, if the kernel has one, is freed before the entry's.
    pub(super) fn release(&mut self, slot: Slot, records: &mut Records) {
        let reusable = self.retire(slot);
        records.free(self.ids.family, slot.0, reusable);
    }

    /// Frees an entry whose packet was not queued. The record of the hook's note on the packet, if
    /// the kernel has one, is freed after the entry's.
    pub(super) fn release_refused(&mut self, slot: Slot, records: &mut Records) {
        let reusable = self.retire(slot);
        records.free_refused(self.ids.family, slot.0, reusable);
    }

    /// Counts that an entry is freed, if ids are never reused. Returns `true` if the entry may be
    /// allocated again, and `false` if all ids that it can have are used up.
    fn retire(&mut self, Slot(index): Slot) -> bool {
        if let Some(generation) = self.generations.get_mut(index as usize) {
            *generation += 1;
        }
        self.ids.can_hold(self.generation(index))
    }

    /// Returns the number of times that the entry with this index was freed; always 0 with
    /// [`IdReuse::LastFreedFirst`].
    fn generation(&self, index: u32) -> u64 {
        self.generations.get(index as usize).copied().unwrap_or_default()
    }

    /// Returns `true` if the entry has a queued packet, and all other queued packets arrived later.
    pub(super) fn is_oldest(&self, slot: Slot) -> bool {
        self.in_order().next() == Some(slot)
    }

    /// Takes every item that meets the condition out of its entry, and frees the entry. Returns
    /// these items, oldest first.
    pub(super) fn take_if(&mut self, records: &mut Records, condition: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for slot in self.in_order() {
            if self.nodes[slot.0 as usize].item.as_ref().is_some_and(&condition) {
                taken.extend(self.unlink(slot));
                let reusable = self.retire(slot);
                records.free_flushed(self.ids.family, slot.0, reusable);
            }
        }
        taken
    }

    /// Returns the entries that have an item, in the order in which the items were linked.
    fn in_order(&self) -> impl Iterator<Item = Slot> + use<T> {
        let queued = (0..).zip(&self.nodes).filter(|(_, node)| node.item.is_some());
        let arrivals = queued.map(|(index, node)| (node.arrival, index));
        let mut arrivals: Vec<(u64, u32)> = arrivals.take(self.linked).collect();
        arrivals.sort_unstable();
        arrivals.into_iter().map(|(_, index)| Slot(index))
    }
}

/// The conversion between the index of an entry and a packet id. With [`IdReuse::LastFreedFirst`]
/// an id is an address: `first` plus the index times `stride`. With [`IdReuse::Never`] an id
/// consists of the number of times that the entry was freed (the high bits), the family (one bit),
/// and the index plus 1 (the low bits).
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    pub(crate) family: Family,
    pub(crate) first: u64,
    pub(crate) stride: u64,
    pub(crate) word: WordSize,
    pub(crate) reuse: IdReuse,
}

impl Ids {
    /// Returns the number of low bits that hold the family and the index in an id that is never
    /// reused. The bits above them hold the number of times that the entry was freed.
    const fn generation_shift(self) -> u32 {
        match self.word {
            WordSize::Four => 24,
            WordSize::Eight => 32,
        }
    }

    /// Returns `true` if `generation`, the number of times that an entry was freed, fits into the
    /// bits that an id has for it. If it does not, the entry is never allocated again.
    const fn can_hold(self, generation: u64) -> bool {
        let bits = match self.word {
            WordSize::Four => 8,
            WordSize::Eight => 32,
        };
        generation < 1 << bits
    }

    fn id(self, index: u32, generation: u64) -> PacketId {
        PacketId(match self.reuse {
            IdReuse::LastFreedFirst => self.first.wrapping_add(u64::from(index) * self.stride),
            IdReuse::Never => {
                let shift = self.generation_shift();
                let family = (self.family as u64) << (shift - 1);
                generation << shift | family | (u64::from(index) + 1)
            }
        })
    }

    fn place(self, PacketId(id): PacketId) -> Option<(u32, u64)> {
        match self.reuse {
            IdReuse::LastFreedFirst => {
                let distance = id.checked_sub(self.first)?;
                (distance % self.stride == 0)
                    .then(|| u32::try_from(distance / self.stride).ok().map(|index| (index, 0)))?
            }
            IdReuse::Never => {
                let shift = self.generation_shift();
                let family = (self.family as u64) << (shift - 1);
                let place = (id & ((1 << shift) - 1)).checked_sub(family + 1)?;
                Some((u32::try_from(place).ok()?, id >> shift))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    /// A queue's entries, and the allocator that their indexes come from.
    struct Queue {
        entries: Entries<u32>,
        records: Records,
    }

    fn entries(reuse: IdReuse, word: WordSize) -> Queue {
        let ids = Ids {
            family: Family::Ipv6,
            first: 0xce00_0000,
            stride: 64,
            word,
            reuse,
        };
        Queue {
            entries: Entries::new(ids),
            records: Records::new(&Profile::LINUX_3_4_10_X86_64.behaviour.queueing),
        }
    }

    fn queue(Queue { entries, records }: &mut Queue, item: u32) -> PacketId {
        let (slot, id) = entries.allocate(records);
        entries.link(slot, item);
        id
    }

    fn answer(Queue { entries, records }: &mut Queue, id: PacketId) -> Option<u32> {
        let slot = entries.find(id)?;
        let item = entries.unlink(slot);
        entries.release(slot, records);
        item
    }

    fn take_if(Queue { entries, records }: &mut Queue, condition: impl Fn(&u32) -> bool) -> Vec<u32> {
        entries.take_if(records, condition)
    }

    #[test]
    fn the_id_that_was_freed_last_is_handed_out_first() {
        let mut entries = entries(IdReuse::LastFreedFirst, WordSize::Eight);
        let [a, b, c] = [1, 2, 3].map(|item| queue(&mut entries, item));
        assert_eq!(answer(&mut entries, a), Some(1));
        assert_eq!(answer(&mut entries, c), Some(3));
        assert_eq!([queue(&mut entries, 4), queue(&mut entries, 5)], [c, a]);
        assert_eq!(answer(&mut entries, b), Some(2));
    }

    #[rstest]
    fn an_id_is_never_used_again_where_that_is_asked_for(#[values(WordSize::Four, WordSize::Eight)] word: WordSize) {
        let mut entries = entries(IdReuse::Never, word);
        let mut seen = std::collections::HashSet::new();
        for item in 0..1000 {
            let id = queue(&mut entries, item);
            assert!(seen.insert(id), "{id} came twice");
            assert!(word == WordSize::Eight || u32::try_from(id.0).is_ok());
            assert_eq!(answer(&mut entries, id), Some(item));
            assert_eq!(answer(&mut entries, id), None);
        }
        let newest = queue(&mut entries, 1000);
        assert!(
            seen.iter().all(|id| entries.entries.find(*id).is_none()),
            "{newest} has the entry of one of them"
        );
    }

    #[test]
    fn taking_some_out_keeps_the_order_of_the_others() {
        let mut entries = entries(IdReuse::LastFreedFirst, WordSize::Eight);
        for item in 0..6 {
            queue(&mut entries, item);
        }
        assert_eq!(take_if(&mut entries, |item| item % 2 == 0), [0, 2, 4]);
        assert_eq!(take_if(&mut entries, |_| true), [1, 3, 5]);
        assert_eq!(entries.entries.len(), 0);
    }

    #[test]
    fn the_order_is_that_of_arrival_and_not_of_places() {
        let mut entries = entries(IdReuse::LastFreedFirst, WordSize::Eight);
        let [a, b, _] = [1, 2, 3].map(|item| queue(&mut entries, item));
        answer(&mut entries, b);
        answer(&mut entries, a);
        assert_eq!([4, 5].map(|item| queue(&mut entries, item)), [a, b]);
        let oldest = [a, b].map(|id| entries.entries.is_oldest(entries.entries.find(id).unwrap()));
        assert_eq!(oldest, [false, false]);
        assert_eq!(take_if(&mut entries, |item| *item != 4), [3, 5]);
        assert!(entries.entries.is_oldest(entries.entries.find(a).unwrap()));
    }

    #[test]
    fn an_entry_gives_its_item_once() {
        let mut entries = entries(IdReuse::LastFreedFirst, WordSize::Eight);
        let [id, _] = [1, 2].map(|item| queue(&mut entries, item));
        let slot = entries.entries.find(id).unwrap();
        assert_eq!((entries.entries.unlink(slot), entries.entries.len()), (Some(1), 1));
        assert_eq!((entries.entries.unlink(slot), entries.entries.len()), (None, 1));
    }

    #[test]
    fn an_id_between_two_entries_or_before_the_first_is_nobodys() {
        let mut entries = entries(IdReuse::LastFreedFirst, WordSize::Four);
        let id = queue(&mut entries, 1);
        for wrong in [id.0 + 1, id.0 - 64, 0, u64::MAX] {
            assert_eq!(entries.entries.find(PacketId(wrong)), None);
        }
    }
}
