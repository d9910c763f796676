//! The text of `/proc/net/netfilter/nfnetlink_queue`.

use super::{Flaw, Queues};
use std::cmp::Reverse;

/// The number of hash lists in which the kernel keeps its queues.
const BUCKETS: u16 = 16;

impl<T> Queues<T> {
    /// Returns the text of the file: a line for each bound queue (NFQ-13). The lines are ordered by
    /// the hash list that the kernel keeps the queue in. Within a list the queue that was bound
    /// last comes first (NFQ-14).
    #[must_use]
    pub fn proc_text(&self) -> String {
        let mut numbers: Vec<u16> = self.instances.keys().copied().collect();
        if self.rules.flaw() != Some(Flaw::ProcByNumber) {
            numbers.sort_by_key(|number| self.place_in_text(*number));
        }
        let lines = numbers
            .into_iter()
            .filter_map(|number| Some(self.instances.get(&number)?.line(number)));
        let text: String = lines.collect();
        match self.rules.flaw() {
            Some(Flaw::ProcEndsWithZero) => text.replace(" 1\n", " 0\n"),
            _ => text,
        }
    }

    /// Returns the key by which the queues of the text are sorted: the number of the hash list, and
    /// then the time of binding, latest first (NFQ-14).
    pub(super) fn place_in_text(&self, number: u16) -> (u16, Reverse<u64>) {
        let bound = self.instances.get(&number).map_or(0, |instance| instance.bound);
        ((number >> 8 ^ number) % BUCKETS, Reverse(bound))
    }
}
