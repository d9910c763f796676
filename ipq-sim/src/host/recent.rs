//! A memory of what was found last. Packets of one flow follow each other, so that mostly the same
//! is looked up for the next packet.

use std::cell::Cell;

/// The value that was found last, with the key that it was found for. It holds until it is
/// forgotten.
pub(super) struct Recent<K, V>(Cell<Option<(K, V)>>);

impl<K: Copy + PartialEq, V: Copy> Recent<K, V> {
    /// Returns the value for `key`. If the last value was for another key, calls `find` and
    /// remembers what it returns.
    #[inline]
    pub(super) fn or_find(&self, key: K, find: impl FnOnce() -> V) -> V {
        match self.0.get() {
            Some((known, value)) if known == key => value,
            _ => {
                let value = find();
                self.0.set(Some((key, value)));
                value
            }
        }
    }

    /// Forgets the remembered value.
    pub(super) fn forget(&self) {
        self.0.set(None);
    }
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Cell::new(None))
    }
}
