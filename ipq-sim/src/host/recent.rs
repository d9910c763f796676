//! A cache of one value: the result of the last search. Packets of one flow follow each other, so
//! that the next packet mostly needs the same result.

use std::cell::Cell;

/// The value that was found last, with the key that it was found for. The value of another key
/// replaces it.
pub(super) struct Recent<K, V>(Cell<Option<(K, V)>>);

impl<K: Copy + PartialEq, V: Copy> Recent<K, V> {
    /// Returns the value for `key`: the remembered one, if it was found for an equal key. Otherwise
    /// calls `find`, and remembers and returns the value that it returns.
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
