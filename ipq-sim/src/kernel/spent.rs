//! The bytes of packets that are gone, until they are freed.

use arrayvec::ArrayVec;
use bytes::Bytes;
use std::hint::black_box;

/// The number of packets whose bytes are freed together.
const TOGETHER: usize = 16;

/// The bytes that the last packets left behind when they were delivered, sent or dropped after a
/// verdict, waiting to be freed.
///
/// In a long queue a packet's bytes are in no cache when it goes. Those of several packets are
/// fetched together and then freed, so that the processor waits for memory once and not for each.
#[derive(Default)]
pub(super) struct Spent(ArrayVec<Bytes, TOGETHER>);

impl Spent {
    /// Takes a packet's bytes. Frees those taken before, if there are `TOGETHER` of them.
    #[inline]
    pub(super) fn add(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if self.0.is_full() {
            self.free();
        }
        self.0.push(bytes);
    }

    #[inline(never)]
    fn free(&mut self) {
        let first_bytes = self.0.iter().filter_map(|bytes| bytes.first());
        // No read waits for another, and freeing finds the bytes in the cache.
        black_box(first_bytes.fold(0, |all, byte| all ^ byte));
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn few_packets_bytes_are_held_and_none_of_those_that_have_none() {
        let mut spent = Spent::default();
        let all: Vec<Bytes> = (0..TOGETHER as u8 + 2).map(|number| vec![number].into()).collect();
        for bytes in &all {
            spent.add(bytes.clone());
            spent.add(Bytes::new());
        }
        let held: Vec<bool> = all.iter().map(|bytes| !bytes.is_unique()).collect();
        let freed = (0..all.len()).map(|index| index >= TOGETHER);
        assert_eq!(held, freed.collect::<Vec<_>>());
    }
}
