//! A bound queue: its settings, its counters, and its packets.

use super::packet::{self, QueuedPacket};
use super::waiting::Waiting;
use super::{Datagram, Rules};
use ipq_core::PortId;
use ipq_core::wire::nfnetlink::flag;

/// The largest copy range, in bytes of a packet.
const LONGEST_RANGE: u32 = 65_531;
/// The maximum length of a new queue, in packets.
const MAXIMUM_LENGTH: u32 = 1024;

/// The numbers of the copy modes. In NONE no packet is queued, in META a message has only the facts
/// about its packet, and in PACKET it has the packet's bytes, too.
pub(super) mod mode {
    pub(in super::super) const NONE: u8 = 0;
    pub(in super::super) const META: u8 = 1;
    pub(in super::super) const PACKET: u8 = 2;
}

/// What becomes of a packet that was [offered](super::Queues::offer) to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The packet is queued, since the owner's receive buffer took the message about it. The caller
    /// must [keep](super::Queues::keep) the packet's item.
    Queued {
        /// The packet id, which the verdict will name.
        id: u32,
    },
    /// The packet was not queued for this reason, and goes on, since the queue has the flag
    /// fail-open.
    Passed(Refusal),
    /// The packet was not queued for this reason, and is dropped. Only with [`Refusal::NoListener`]
    /// it goes on instead, if the rule or the verdict that sent it to the queue has bypass.
    Refused(Refusal),
}

/// The reason why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has bound the queue.
    NoListener,
    /// The queue's copy mode is NONE, as after a BIND that sets no mode. No counter of the queue
    /// counts the packet (NFQ-10).
    NoMode,
    /// The queue has at least as many packets as its maximum length allows.
    Full,
    /// The queue has as many packets as the kernel's limit for every queue allows (NFQ-5), or the
    /// id that comes next is that of a packet which still waits.
    TableFull,
    /// The owner's receive buffer did not take the message.
    Undeliverable,
}

/// A queue that a socket has bound and owns.
#[derive(Debug)]
pub(super) struct Instance<T> {
    owner: PortId,
    /// The number of times that a queue had been bound, counted over all queues, when this one was.
    /// This binding is counted. In the /proc text, of the queues in one hash list the one with the
    /// greatest number comes first.
    pub(super) bound: u64,
    mode: u8,
    pub(super) range: u32,
    pub(super) maximum_length: u32,
    pub(super) flags: u32,
    dropped: u32,
    undelivered: u32,
    pub(super) packets: Waiting<T>,
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
            packets: Waiting::new(),
        }
    }

    pub(super) const fn owner(&self) -> PortId {
        self.owner
    }

    /// Returns the owner's port id. Returns `None` in copy mode NONE, in which the owner gets no
    /// messages.
    pub(super) fn listener(&self) -> Option<PortId> {
        (self.mode != mode::NONE).then_some(self.owner)
    }

    /// Returns `true` if the queue has fewer packets than its maximum length, and fewer than the
    /// kernel's limit for every queue.
    pub(super) fn has_room(&self, rules: &Rules) -> bool {
        !self.is_full() && !self.table_is_full(rules)
    }

    /// Returns `true` if the queue has at least as many packets as its maximum length allows
    /// (NFQ-4).
    fn is_full(&self) -> bool {
        self.packets.len() >= self.maximum_length as usize
    }

    /// Returns `true` if the queue has at least as many packets as the kernel's limit for every
    /// queue (NFQ-5). Always `false` on a kernel without such a limit.
    fn table_is_full(&self, rules: &Rules) -> bool {
        rules.table_limit.is_some_and(|limit| self.packets.len() >= limit)
    }

    /// Returns the copy range in mode PACKET. Returns `None` in the other copy modes, which copy
    /// nothing.
    fn copied_range(&self) -> Option<u32> {
        (self.mode == mode::PACKET).then_some(self.range)
    }

    fn gives_owner(&self) -> bool {
        self.flags & flag::OWNER != 0
    }

    /// Returns the number of bytes that the kernel allocates for the message about a packet of
    /// `length` bytes, with the present settings.
    pub(super) fn allocated(&self, length: usize, rules: &Rules) -> usize {
        let copied = self.copied_range().map_or(0, |range| length.min(range as usize));
        packet::allocated(copied, self.gives_owner(), rules)
    }

    /// Sets the copy mode and the range. In the modes NONE and META the range becomes 0. In mode
    /// PACKET it is cut to 65,531, and 0 stands for that (NFQ-29). An unknown mode changes nothing
    /// (NFQ-30).
    pub(super) fn set_mode(&mut self, mode: u8, range: u32) {
        match mode {
            mode::NONE | mode::META => (self.mode, self.range) = (mode, 0),
            mode::PACKET if range == 0 => (self.mode, self.range) = (mode, LONGEST_RANGE),
            mode::PACKET => (self.mode, self.range) = (mode, range.min(LONGEST_RANGE)),
            _ => {}
        }
    }

    /// Offers a packet to the owner. Refuses it in mode NONE, if the queue has its maximum length,
    /// if the kernel's limit is reached or the next id is still in use, or if `deliver` returns
    /// `false`. They are checked in this order. A packet that the last two checks refuse uses up a
    /// packet id, as a queued one does.
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
        let Some(id) = self.packets.use_id().filter(|_| !self.table_is_full(rules)) else {
            return self.refuse(Refusal::TableFull);
        };
        let datagram = packet.datagram(number, id, self.copied_range(), self.gives_owner(), rules);
        if !deliver(self.owner, datagram) {
            return self.refuse(Refusal::Undeliverable);
        }
        Offer::Queued { id }
    }

    /// Refuses a packet. If the queue has the flag fail-open, the packet passes and is not counted.
    /// Otherwise it is dropped and counted: as undelivered if the owner's receive buffer did not
    /// take the message, and else as dropped (NFQ-12).
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

    /// Takes out the packet with this id. Returns its item, or `None` if no packet waits under the
    /// id.
    pub(super) fn take(&mut self, id: u32) -> Option<T> {
        self.packets.take(id)
    }

    /// Takes out packets, oldest first, until the next one's id is later than `last`, and adds them
    /// to `taken` with their ids. An id is later if the difference, the id less `last`, is positive
    /// as a signed number of 32 bits (NFQ-65).
    pub(super) fn take_up_to(&mut self, last: u32, taken: &mut Vec<(u32, T)>) {
        let is_later = |id: u32| id.wrapping_sub(last).cast_signed() > 0;
        while let Some(oldest) = self.packets.oldest()
            && !is_later(oldest)
        {
            taken.extend(self.take(oldest).map(|item| (oldest, item)));
        }
    }

    /// Takes out the packets whose items meet the condition. Returns these items, oldest first.
    pub(super) fn take_if(&mut self, condition: impl Fn(&T) -> bool) -> Vec<T> {
        let matching = self.packets.in_order().filter(|(_, item)| condition(item));
        let ids: Vec<u32> = matching.map(|(id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Returns the queue's line of the /proc text, as queue `number` (NFQ-13).
    pub(super) fn line(&self, number: u16) -> String {
        let Self {
            owner: PortId(owner),
            mode,
            range,
            dropped,
            undelivered,
            ref packets,
            ..
        } = *self;
        let (total, last_id) = (packets.len(), packets.last_id());
        format!(
            "{number:5} {owner:6} {total:5} {mode:1} {range:5} {dropped:5} {undelivered:5} {last_id:8} {:2}\n",
            1
        )
    }
}
