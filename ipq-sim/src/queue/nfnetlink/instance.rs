//! One queue: its settings, its counters, and the packets in it.

use super::packet::{self, QueuedPacket};
use super::{Datagram, Rules};
use hashlink::LinkedHashMap;
use ipq_core::PortId;
use ipq_core::wire::nfnetlink::flag;

/// The most bytes of a packet that an owner can ask for.
const LONGEST_RANGE: u32 = 65_531;
/// The maximum length of a queue that nobody has set another for.
const MAXIMUM_LENGTH: u32 = 1024;

/// The copy mode of a queue: nothing, what is known of a packet, or its bytes too.
pub(super) mod mode {
    pub(in super::super) const NONE: u8 = 0;
    pub(in super::super) const META: u8 = 1;
    pub(in super::super) const PACKET: u8 = 2;
}

/// The outcome for a packet that was [offered](super::Queues::offer) to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The owner was told of the packet, which is to be [kept](super::Queues::keep).
    Queued {
        /// The id that the packet's verdict will name.
        id: u32,
    },
    /// The packet was not queued, and goes on as if it had been accepted, since the queue fails
    /// open.
    Passed(Refusal),
    /// The packet was not queued, and is dropped. A packet without a listener goes on if the rule
    /// bypasses.
    Refused(Refusal),
}

/// The reason why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has bound the queue.
    NoListener,
    /// The copy mode is NONE, as it is after a bind. No counter moves (NFQ-10).
    NoMode,
    /// The queue has its maximum length.
    Full,
    /// The table of packet ids is full (NFQ-5).
    TableFull,
    /// The owner's receive buffer is full.
    Undeliverable,
}

/// A queue that is bound.
#[derive(Debug)]
pub(super) struct Instance<T> {
    owner: PortId,
    /// The number of queues that had ever been bound when this one was, itself included.
    pub(super) bound: u64,
    mode: u8,
    pub(super) range: u32,
    pub(super) maximum_length: u32,
    pub(super) flags: u32,
    dropped: u32,
    undelivered: u32,
    pub(super) last_id: u32,
    /// The queued packets, by id, in the order of arrival.
    packets: LinkedHashMap<u32, T>,
}

impl<T> Instance<T> {
    pub(super) fn new(owner: PortId, bound: u64) -> Self {
        Self {
            owner,
            bound,
            mode: mode::NONE,
            range: LONGEST_RANGE,
            maximum_length: MAXIMUM_LENGTH,
            flags: 0,
            dropped: 0,
            undelivered: 0,
            last_id: 0,
            packets: LinkedHashMap::new(),
        }
    }

    pub(super) const fn owner(&self) -> PortId {
        self.owner
    }

    /// Returns the owner. Returns `None` if the owner is not told of packets, since the copy mode
    /// is NONE.
    pub(super) fn listener(&self) -> Option<PortId> {
        (self.mode != mode::NONE).then_some(self.owner)
    }

    /// Returns `true` if one more packet is queued, provided that the owner's receive buffer has
    /// room.
    pub(super) fn has_room(&self, rules: &Rules) -> bool {
        !self.is_full() && !self.table_is_full(rules)
    }

    /// Returns `true` if the queue is at its maximum length (NFQ-12).
    fn is_full(&self) -> bool {
        self.packets.len() >= self.maximum_length as usize
    }

    /// Returns `true` if the kernel's table takes no more packets of this queue (NFQ-5).
    fn table_is_full(&self, rules: &Rules) -> bool {
        rules.table_limit.is_some_and(|limit| self.packets.len() >= limit)
    }

    /// Returns the most bytes of a packet that the owner is given. Returns `None` in another copy
    /// mode than PACKET.
    fn copied_range(&self) -> Option<u32> {
        (self.mode == mode::PACKET).then_some(self.range)
    }

    fn gives_owner(&self) -> bool {
        self.flags & flag::OWNER != 0
    }

    /// Returns the number of bytes that the kernel allocates for the message about a packet of
    /// `length` bytes.
    pub(super) fn allocated(&self, length: usize) -> usize {
        let copied = self.copied_range().map_or(0, |range| length.min(range as usize));
        packet::allocated(copied, self.gives_owner())
    }

    pub(super) fn queued(&self, id: u32) -> Option<&T> {
        self.packets.get(&id)
    }

    pub(super) fn length(&self) -> usize {
        self.packets.len()
    }

    /// Sets the copy mode and range. An unknown mode changes nothing (NFQ-30).
    pub(super) fn set_mode(&mut self, mode: u8, range: u32) {
        match mode {
            mode::NONE | mode::META => (self.mode, self.range) = (mode, 0),
            mode::PACKET if range == 0 => (self.mode, self.range) = (mode, LONGEST_RANGE),
            mode::PACKET => (self.mode, self.range) = (mode, range.min(LONGEST_RANGE)),
            _ => {}
        }
    }

    /// Offers a packet to the owner, with the kernel's checks in the kernel's order.
    pub(super) fn offer(
        &mut self,
        number: u16,
        packet: &QueuedPacket<'_>,
        rules: &Rules,
        deliver: impl FnOnce(PortId, Datagram) -> bool,
    ) -> Offer {
        if self.mode == mode::NONE {
            return Offer::Refused(Refusal::NoMode);
        }
        if self.is_full() {
            return self.refuse(Refusal::Full);
        }
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        if self.table_is_full(rules) || self.packets.contains_key(&id) {
            return self.refuse(Refusal::TableFull);
        }
        let datagram = packet.datagram(number, id, self.copied_range(), self.gives_owner());
        if !deliver(self.owner, datagram) {
            return self.refuse(Refusal::Undeliverable);
        }
        Offer::Queued { id }
    }

    /// Counts a packet as dropped, or lets it pass if the queue fails open (NFQ-12).
    fn refuse(&mut self, refusal: Refusal) -> Offer {
        if self.flags & flag::FAIL_OPEN != 0 {
            return Offer::Passed(refusal);
        }
        let counter = match refusal {
            Refusal::Undeliverable => &mut self.undelivered,
            _ => &mut self.dropped,
        };
        *counter = counter.wrapping_add(1);
        Offer::Refused(refusal)
    }

    pub(super) fn keep(&mut self, id: u32, item: T) {
        self.packets.insert(id, item);
    }

    /// Takes out the packet with this id. Returns `None` if there is none.
    pub(super) fn take(&mut self, id: u32) -> Option<T> {
        self.packets.remove(&id)
    }

    /// Takes out the packets up to `last`, oldest first, and adds them to `taken`. Stops at the
    /// first that is later. Ids are compared with their wrap-around in mind (NFQ-65).
    pub(super) fn take_up_to(&mut self, last: u32, taken: &mut Vec<(u32, T)>) {
        let is_later = |id: u32| id.wrapping_sub(last).cast_signed() > 0;
        while let Some((id, _)) = self.packets.front()
            && !is_later(*id)
        {
            taken.extend(self.packets.pop_front());
        }
    }

    /// Takes out the packets for which `condition` holds, oldest first, and adds their items to
    /// `taken`.
    pub(super) fn take_if(&mut self, condition: impl Fn(&T) -> bool, taken: &mut Vec<T>) {
        let matching = self.packets.iter().filter(|(_, item)| condition(item));
        let ids: Vec<u32> = matching.map(|(id, _)| *id).collect();
        taken.extend(ids.into_iter().filter_map(|id| self.packets.remove(&id)));
    }

    /// Returns the items in the queue, oldest first.
    pub(super) fn into_items(self) -> impl Iterator<Item = T> {
        self.packets.into_iter().map(|(_, item)| item)
    }

    /// Returns the queue's line of the /proc text.
    pub(super) fn line(&self, number: u16) -> String {
        let Self {
            owner: PortId(owner),
            mode,
            range,
            dropped,
            undelivered,
            last_id,
            ..
        } = self;
        let total = self.packets.len();
        format!(
            "{number:5} {owner:6} {total:5} {mode:1} {range:5} {dropped:5} {undelivered:5} {last_id:8} {:2}\n",
            1
        )
    }
}
