//! Which packets the program has read and not decided about, so that one verdict may stand for several.
//!
//! nfnetlink's batch verdict is for *every* packet of the queue up to an id: a packet that the program holds back would go
//! with it. So a run of equal verdicts becomes a batch only if it is for exactly the oldest packets that are outstanding, one
//! after the other. Two things make the list true. Ids count up, and packets are received and put on the list under one lock,
//! so whatever is not on it yet has a greater id than all that are. And a packet leaves the list when its verdict was sent,
//! not before, so nobody takes it for decided while it is not.

use std::collections::VecDeque;

/// Packets that have been read, in the order of their ids. The first has never been decided about.
#[derive(Debug)]
pub(super) struct Outstanding {
    packets: VecDeque<Packet>,
    decided: usize,
    /// How many there may be: none any more once track was lost of one.
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    id: u32,
    decided: bool,
}

impl Outstanding {
    /// A program that leaves more packets than these undecided gets no batches any more.
    const MOST: usize = 1 << 20;

    /// Takes note of a packet that was received.
    #[inline]
    pub(super) fn arrived(&mut self, id: u32) {
        if self.packets.len() < self.most {
            self.packets.push_back(Packet { id, decided: false });
        } else {
            self.lose_track();
        }
    }

    /// Says that there may be a packet that is not on the list: from now on there are no batches.
    #[cold]
    pub(super) fn lose_track(&mut self) {
        self.most = 0;
        self.packets = VecDeque::new();
    }

    /// Takes note of verdicts that were sent.
    pub(super) fn all_decided(&mut self, ids: &[u32]) {
        // Nearly always they are the oldest, and no other has been decided about.
        let oldest = if self.decided == 0 {
            let pairs = self.packets.iter().zip(ids);
            pairs.take_while(|(packet, id)| packet.id == **id).count()
        } else {
            0
        };
        self.packets.drain(..oldest);
        for id in &ids[oldest..] {
            self.decided(*id);
        }
    }

    /// Takes note of a verdict that was sent.
    pub(super) fn decided(&mut self, id: u32) {
        let Some(first) = self.packets.front().map(|packet| packet.id) else {
            return;
        };
        if id == first {
            self.packets.pop_front();
        } else {
            // Ids wrap around after 2^32 packets, so they are compared by how far they are from the oldest.
            let distance = |id: u32| id.wrapping_sub(first);
            let Ok(index) = self
                .packets
                .binary_search_by_key(&distance(id), |packet| distance(packet.id))
            else {
                return;
            };
            let packet = &mut self.packets[index];
            self.decided += usize::from(!packet.decided);
            packet.decided = true;
        }
        while self.packets.front().is_some_and(|packet| packet.decided) {
            self.packets.pop_front();
            self.decided -= 1;
        }
        // A packet that is held for long must not make the list grow with all that come after it.
        if self.decided > self.packets.len() / 2 {
            self.packets.retain(|packet| !packet.decided);
            self.decided = 0;
        }
    }

    /// Goes through the outstanding packets from the oldest on.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = u32> {
        self.packets
            .iter()
            .filter(|packet| !packet.decided)
            .map(|packet| packet.id)
    }
}

impl Default for Outstanding {
    fn default() -> Self {
        Self {
            packets: VecDeque::new(),
            decided: 0,
            most: Self::MOST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    fn ids(outstanding: &Outstanding) -> Vec<u32> {
        outstanding.oldest_first().collect()
    }

    fn with(arrived: impl IntoIterator<Item = u32>) -> Outstanding {
        let mut outstanding = Outstanding::default();
        arrived.into_iter().for_each(|id| outstanding.arrived(id));
        outstanding
    }

    #[test]
    fn packets_leave_in_any_order_also_where_ids_wrap_around() {
        let mut outstanding = with([u32::MAX - 1, u32::MAX, 0, 2]);
        for (decided, left) in [
            (0, &[u32::MAX - 1, u32::MAX, 2][..]),
            (7, &[u32::MAX - 1, u32::MAX, 2]),
            (u32::MAX - 1, &[u32::MAX, 2]),
            (u32::MAX, &[2]),
            (2, &[]),
            (2, &[]),
        ] {
            outstanding.decided(decided);
            assert_eq!(ids(&outstanding), left, "after {decided}");
        }
    }

    #[test]
    fn a_packet_that_is_held_does_not_keep_those_after_it_in_memory() {
        let mut outstanding = with([1]);
        for id in 2..10_000 {
            outstanding.arrived(id);
            outstanding.decided(id);
        }
        assert_eq!(ids(&outstanding), [1]);
        assert!(outstanding.packets.len() < 4, "{}", outstanding.packets.len());
    }

    #[test]
    fn who_has_lost_track_has_no_list_any_more() {
        let mut outstanding = with([1, 2]);
        outstanding.lose_track();
        outstanding.arrived(3);
        outstanding.decided(2);
        assert_eq!(ids(&outstanding), []);
        let many = with(0..=Outstanding::MOST as u32);
        assert_eq!(ids(&many), []);
    }
}
