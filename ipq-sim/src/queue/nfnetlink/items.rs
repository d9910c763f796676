//! The items of all queues. An item stays in its place until its packet goes on.

use std::num::NonZeroU32;

/// The items that are kept for packets.
#[derive(Debug)]
pub(super) struct Items<T> {
    places: Vec<Place<T>>,
    /// The entries whose places are empty.
    free: Vec<Entry>,
}

/// The name of an item's place. It is used again after the item was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(NonZeroU32);

/// The place of an item. It is aligned to two cache lines, which a packet fills: in a long queue
/// each line is a cache miss, and without the alignment there would be a third.
#[derive(Debug)]
#[repr(align(128))]
struct Place<T>(Option<T>);

impl<T> Items<T> {
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Keeps an item, and returns the name of its place.
    #[inline]
    pub(super) fn keep(&mut self, item: T) -> Entry {
        if let Some(entry) = self.free.pop() {
            self.places[entry.index()].0 = Some(item);
            entry
        } else {
            self.places.push(Place(Some(item)));
            Entry::last_of(self.places.len())
        }
    }

    pub(super) fn get(&self, entry: Entry) -> Option<&T> {
        self.places.get(entry.index())?.0.as_ref()
    }

    /// Takes an item out. Returns `None` if the place is empty.
    #[inline]
    pub(super) fn take(&mut self, entry: Entry) -> Option<T> {
        let item = self.places.get_mut(entry.index())?.0.take();
        if item.is_some() {
            self.free.push(entry);
        }
        item
    }
}

impl Entry {
    /// Returns the last of `count` entries.
    pub(super) const fn last_of(count: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add((count as u32).saturating_sub(1)))
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_place_is_used_again_when_its_item_was_taken() {
        let mut items = Items::new();
        let [first, second] = ["first", "second"].map(|item| items.keep(item));
        assert_eq!((items.take(first), items.take(first)), (Some("first"), None));
        assert_eq!((items.keep("third"), items.keep("fourth")), (first, Entry::last_of(3)));
        let left = [first, second, Entry::last_of(3), Entry::last_of(4)].map(|entry| items.get(entry).copied());
        assert_eq!(left, [Some("third"), Some("second"), Some("fourth"), None]);
    }
}
