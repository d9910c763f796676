//! Bytes of packets that are gone, until they are freed.

use arrayvec::ArrayVec;
use bytes::Bytes;
use std::hint::black_box;

/// How many packets' bytes are freed at a time.
const AT_ONCE: usize = 32;

/// The bytes of packets that verdicts let go of, 32 at most: they are freed many at a time.
///
/// What frees memory reads and writes just before and behind it, and in a long queue no cache holds that any more. To free one
/// packet's bytes takes as long as memory does to answer; of many, a processor fetches all before it waits for one.
#[derive(Default)]
pub(crate) struct Spent(ArrayVec<Bytes, AT_ONCE>);

impl Spent {
    /// Frees these bytes with the next ones; of a packet that has left there are none.
    pub(crate) fn add(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if self.0.is_full() {
            for bytes in &self.0 {
                black_box((bytes.first().copied(), bytes.last().copied()));
            }
            self.0.clear();
        }
        self.0.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_held_than_are_freed_at_a_time() {
        let mut spent = Spent::default();
        let packets: Vec<_> = (0..100).map(|number| Bytes::from(vec![number; 100])).collect();
        for (count, packet) in packets.iter().enumerate() {
            spent.add(packet.clone());
            let held = packets.iter().filter(|packet| !packet.is_unique()).count();
            assert_eq!(held, count % AT_ONCE + 1);
        }
    }
}
