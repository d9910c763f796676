//! The kernel's side of `nfnetlink_queue`, as a state machine without I/O.
//!
//! Messages, packets and closings of sockets go in. Datagrams for port ids, and packets that a
//! verdict released, come out. One [`Queues`] holds all queues of a network namespace.
//!
//! Each rule has an id, such as NFQ-4, and is on the page [`ipq_core::protocol::nfnetlink_queue`].
//! The rules that differ between kernels are fields of [`Rules`].
//!
//! # A datagram from a program
//!
//! A datagram can hold several messages. [`Messages`] goes through them as netlink does, and says
//! of each whether it is to be carried out or only answered. [`Queues::request`] carries one out:
//! it changes a queue, or takes packets out of it. The caller lets those packets go on *before* it
//! delivers the answer, since the message about a packet that is queued again comes first (NFQ-70).
//!
//! # A packet
//!
//! [`Queues::offer`] sends the owner of a queue a message about a packet. If the message is taken,
//! the caller gives what it keeps of the packet to [`Queues::keep`], and gets that back with the
//! verdict.

mod answer;
mod attributes;
mod config;
mod flaws;
mod instance;
mod messages;
mod packet;
mod proc_text;
mod rules;
mod verdict;
mod waiting;

pub use answer::Answer;
pub(crate) use flaws::Flaw;
pub use instance::{Offer, Refusal};
pub use messages::{Messages, Request, Step};
pub use packet::QueuedPacket;
pub use rules::Rules;
pub use verdict::{Decision, Packets, Released};

use arrayvec::ArrayVec;
use attributes::Note;
use bytes::Bytes;
use instance::Instance;
use ipq_core::wire::nfnetlink::message_type;
use ipq_core::{Errno, PortId};
use std::collections::BTreeMap;

/// The queues of one network namespace. Each keeps an item `T` of the caller's for each packet that
/// waits in it, and does not look at the item.
#[derive(Debug)]
pub struct Queues<T> {
    rules: Rules,
    instances: BTreeMap<u16, Instance<T>>,
    /// The number of times that a queue was bound. Each queue notes the number at its binding, so
    /// that the /proc text can show the latest first.
    bound: u64,
}

/// The facts about the sender of a datagram that count for its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The port id that the socket is bound to.
    pub port_id: PortId,
    /// `true` if the program has `CAP_NET_ADMIN`, and its socket was opened with it where that
    /// counts (NFQ-53).
    pub net_admin: bool,
    /// `true` if the socket has the option `NETLINK_CAP_ACK`: answers quote only the message's
    /// header.
    pub caps_answers: bool,
    /// `true` if the socket has the option `NETLINK_EXT_ACK`: answers may carry attributes that
    /// explain them.
    pub extends_answers: bool,
}

/// The first bytes of a datagram from the kernel.
pub type Head = ArrayVec<u8, { Datagram::HEAD_BYTES }>;

/// A datagram from the kernel in two parts, so that a packet's bytes need not be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The first bytes, or all bytes if there is no payload.
    pub head: Head,
    /// The bytes after the head: a packet's, or those of the message that an answer quotes and the
    /// answer's attributes.
    pub payload: Bytes,
    /// The number of bytes that the kernel allocates for the datagram, from which its weight in a
    /// receive buffer follows (NFQ-101).
    pub allocated: usize,
}

impl Datagram {
    /// The most bytes that [`head`](Self::head) has room for.
    pub const HEAD_BYTES: usize = 168;

    /// Returns the length of the datagram in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Returns `true` if the datagram has no bytes. The kernel sends no such datagram.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the datagram's bytes in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        [&self.head[..], &self.payload].concat()
    }
}

/// The outcome of a request that was carried out.
#[derive(Clone, Debug)]
pub struct Outcome<'m> {
    /// The verdict that the request gave, and the packets that it is on. `None` if it gave none:
    /// packets that it took out of a queue are dropped.
    pub released: Option<Released<'m>>,
    /// The answer to the sender, if there is one. It must be delivered after the released packets
    /// went on.
    pub answer: Option<Answer<'m>>,
}

impl<T> Queues<T> {
    /// Returns the queues of a kernel with these rules, of which none is bound yet.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            instances: BTreeMap::new(),
            bound: 0,
        }
    }

    /// Returns the rules of the kernel.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Offers a packet to queue `number`. If the queue can take it, calls `deliver` with the
    /// owner's port id and the message about the packet. `deliver` returns `true` if the owner's
    /// receive buffer took the message. Returns whether the packet is queued, and if not why, and
    /// whether it goes on.
    pub fn offer(
        &mut self,
        number: u16,
        packet: &QueuedPacket<'_>,
        deliver: impl FnOnce(PortId, Datagram) -> bool,
    ) -> Offer {
        if let Some(flaw) = self.rules.flaw() {
            return self.offer_with(flaw, number, packet, deliver);
        }
        match self.instances.get_mut(&number) {
            Some(instance) => instance.offer(number, packet, &self.rules, deliver),
            None => Offer::Refused(Refusal::NoListener),
        }
    }

    /// Keeps the caller's item for a packet that was [offered](Self::offer) and queued under `id`.
    /// Drops the item if nobody has bound the queue.
    pub fn keep(&mut self, number: u16, id: u32, item: T) {
        if let Some(instance) = self.instances.get_mut(&number) {
            instance.packets.keep(id, item);
        }
    }

    /// Carries out a request. Adds the packets that it takes out of a queue to `taken`, in the
    /// order in which they go on or are dropped: each with its packet id, or with 0 if UNBIND took
    /// it out. The packet of a verdict on one packet stays in its queue, for the caller to
    /// [take](Self::take).
    pub fn request<'m>(&mut self, request: &Request<'m>, sender: Sender, taken: &mut Vec<(u32, T)>) -> Outcome<'m> {
        if let Some(flaw) = self.rules.flaw() {
            return self.request_with(flaw, request, sender, taken);
        }
        let (result, note, released) = self.carry_out(request.kind(), request, sender, taken);
        Outcome {
            released,
            answer: request.answer(result, note),
        }
    }

    /// Carries out a request as if it were of type `kind`. Returns its result, the note for its
    /// answer, and the verdict that it gave.
    fn carry_out<'m>(
        &mut self,
        kind: u16,
        request: &Request<'m>,
        sender: Sender,
        taken: &mut Vec<(u32, T)>,
    ) -> (Result<(), Errno>, Note, Option<Released<'m>>) {
        let mut released = None;
        let (result, note) = match kind {
            message_type::CONFIG => self.configure(request, sender, taken),
            message_type::VERDICT => self.decide(request, sender, &mut released),
            message_type::VERDICT_BATCH => self.decide_batch(request, sender, taken, &mut released),
            message_type::PACKET => packet::refuse(request),
            _ => (Err(Errno::EINVAL), Note::None),
        };
        (result, note, released)
    }

    /// Takes out the packet that waits in a queue under an id. Returns its item, or `None` if there
    /// is no such packet.
    #[inline]
    pub fn take(&mut self, number: u16, id: u32) -> Option<T> {
        self.instances.get_mut(&number)?.packets.take(id)
    }

    /// Returns the number of packets that wait in a queue. Returns `None` if nobody has bound the
    /// queue.
    #[must_use]
    pub fn length(&self, number: u16) -> Option<usize> {
        self.instances.get(&number).map(|instance| instance.packets.len())
    }

    /// Returns `true` if any queue is bound.
    #[must_use]
    pub fn has_bound(&self) -> bool {
        !self.instances.is_empty()
    }

    /// Returns the port id of the owner, which gets the messages about a queue's packets. Returns
    /// `None` if nobody has bound the queue, or if its copy mode is NONE (NFQ-10).
    #[must_use]
    pub fn listener(&self, number: u16) -> Option<PortId> {
        self.instances.get(&number)?.listener()
    }

    /// Returns the numbers of the queues that are bound and whose copy mode is not NONE, in
    /// ascending order.
    pub fn listened(&self) -> impl Iterator<Item = u16> {
        let listened = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.listener().is_some());
        listened.map(|(number, _)| *number)
    }

    /// Returns `true` if a queue is bound and has room for one more packet: neither its maximum
    /// length nor the table's limit is reached. The copy mode, which may be NONE, makes no
    /// difference.
    #[must_use]
    pub fn has_room(&self, number: u16) -> bool {
        self.instances
            .get(&number)
            .is_some_and(|instance| instance.has_room(&self.rules))
    }

    /// Returns the number of bytes that the kernel allocates for the message about a packet of
    /// `length` bytes, in the queue's present mode (NFQ-101). Returns 0 if nobody has bound the
    /// queue.
    #[must_use]
    pub fn allocated(&self, number: u16, length: usize) -> usize {
        self.instances
            .get(&number)
            .map_or(0, |instance| instance.allocated(length, &self.rules))
    }

    /// Returns the item of the packet that is queued in queue `number` under `id`. Returns `None`
    /// if there is none.
    #[must_use]
    pub fn queued(&self, number: u16, id: u32) -> Option<&T> {
        self.instances.get(&number)?.packets.get(id)
    }

    /// Unbinds the queues that a closed socket's port id owned. Returns the items of the packets in
    /// them, which are dropped even if a queue fails open (NFQ-7): queue by queue in the order of
    /// the /proc text, and oldest first in each.
    pub fn socket_closed(&mut self, port_id: PortId) -> Vec<T> {
        let owned = |(number, instance): (&u16, &Instance<T>)| (instance.owner() == port_id).then_some(*number);
        let mut numbers: Vec<u16> = self.instances.iter().filter_map(owned).collect();
        numbers.sort_by_key(|number| self.place_in_text(*number));
        let instances = numbers.into_iter().filter_map(|number| self.instances.remove(&number));
        instances.flat_map(|mut instance| instance.take_if(|_| true)).collect()
    }

    /// Takes the packets whose items meet the condition out of all queues, without telling the
    /// owners, as when a device goes down (NFQ-9). Returns the items, by the queues' numbers, and
    /// oldest first in each queue.
    pub fn take_if(&mut self, condition: impl Fn(&T) -> bool) -> Vec<T> {
        let instances = self.instances.values_mut();
        instances.flat_map(|instance| instance.take_if(&condition)).collect()
    }
}

#[cfg(test)]
mod tests;
