//! The packets that the program has read and not decided about.
//!
//! nfnetlink's batch verdict is for *every* packet of the queue up to an id: a packet that the
//! program holds back would go with it. So equal verdicts become one batch only if they are on
//! exactly the oldest outstanding packets, in order. Two things make the list true:
//!
//! - Ids count up, and packets are received and listed under one lock. So a packet that is not on
//!   the list yet has a greater id than all that are.
//! - A packet leaves the list after its verdict was sent, and not before. So no other thread takes
//!   it for decided while it is still in the queue.

use std::collections::VecDeque;

/// The packets that the program has read and not decided about, in the order of their ids. A
/// decided packet may stay listed, marked as decided, until those before it are decided.
#[derive(Debug)]
pub(crate) struct Outstanding {
    packets: VecDeque<Packet>,
    /// The number of listed packets that have a verdict.
    decided: usize,
    /// The most packets to list: 0 once a packet may be missing from the list.
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    id: u32,
    decided: bool,
}

impl Outstanding {
    /// The most packets that are listed. If one more comes, there are no more batch verdicts.
    const MOST: usize = 1 << 20;

    /// Adds a packet that was received to the list. If the list is full, empties it for good.
    #[inline]
    pub(crate) fn arrived(&mut self, id: u32) {
        if self.packets.len() < self.most {
            self.packets.push_back(Packet { id, decided: false });
        } else {
            self.lose_track();
        }
    }

    /// Empties the list and keeps it empty, since a packet may be missing from it. So there are no
    /// more batch verdicts.
    #[cold]
    pub(crate) fn lose_track(&mut self) {
        self.most = 0;
        self.packets = VecDeque::new();
    }

    /// Takes note that verdicts on the packets with these ids were sent: they are outstanding no
    /// longer. Ids that are not listed are ignored.
    pub(crate) fn all_decided(&mut self, ids: &[u32]) {
        // Nearly always these are the oldest packets, and no other has a verdict.
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

    /// Takes note that a verdict on the packet with this id was sent: it is outstanding no longer.
    /// An id that is not listed is ignored.
    pub(crate) fn decided(&mut self, id: u32) {
        let Some(first) = self.packets.front().map(|packet| packet.id) else {
            return;
        };
        if id == first {
            self.packets.pop_front();
        } else {
            // Ids wrap around after 2^32 packets, so their distances from the oldest are compared.
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

    /// Iterates over the ids of the outstanding packets, the oldest first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = u32> {
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
    fn once_track_is_lost_the_list_stays_empty() {
        let mut outstanding = with([1, 2]);
        outstanding.lose_track();
        outstanding.arrived(3);
        outstanding.decided(2);
        assert_eq!(ids(&outstanding), []);
        let many = with(0..=Outstanding::MOST as u32);
        assert_eq!(ids(&many), []);
    }
}
