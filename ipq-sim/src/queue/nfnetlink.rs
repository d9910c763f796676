//! The kernel's side of `nfnetlink_queue`, as a state machine without I/O.
//!
//! The caller passes in messages from programs, packets, and the closing of sockets. It gets back
//! datagrams for port ids, and the packets that leave a queue. One [`Queues`] holds all queues of a
//! network namespace.
//!
//! Each rule has an id, such as NFQ-4, and is on the page [`ipq_core::protocol::nfnetlink_queue`].
//! The rules that differ between kernels are fields of [`Rules`].
//!
//! # A datagram from a program
//!
//! A datagram can hold several messages. [`Messages`] goes through them as netlink does, and
//! returns those that are to be carried out, or only answered. [`Queues::request`] carries one out:
//! it changes a queue, or returns a verdict on packets in it. The caller lets those packets go on
//! *before* it delivers the answer. So if a packet is queued again, the message about it comes
//! before the answer (NFQ-70).
//!
//! # A packet
//!
//! [`Queues::offer`] makes a message about a packet, and the caller delivers it to the owner of the
//! queue. If the owner's receive buffer takes the message, the packet is queued: the caller passes
//! an item that stands for the packet to [`Queues::keep`], and gets it back when the packet leaves
//! the queue.

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

/// The queues of one network namespace. They keep an item of type `T` from the caller for each
/// queued packet, and never look into it.
#[derive(Debug)]
pub struct Queues<T> {
    rules: Rules,
    instances: BTreeMap<u16, Instance<T>>,
    /// The number of times that a queue was bound, counted over all queues. A queue notes this
    /// number when it is bound. It decides the order of the queues in one hash list, in the /proc
    /// text.
    bound: u64,
}

/// The sender of a datagram: its port id, its privilege, and the options of its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The port id that the socket is bound to.
    pub port_id: PortId,
    /// `true` if the sender's program has `CAP_NET_ADMIN`, and also had it when it opened the
    /// socket, if the rule asks for that (NFQ-53). The caller finds that out.
    pub net_admin: bool,
    /// `true` if the socket has the option `NETLINK_CAP_ACK`: answers, errors included, quote only
    /// the message's header.
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
    /// The bytes after the head. In a packet message they are the packet's. In an answer they are
    /// the quote of a message, or of its header alone, and after it the answer's attributes.
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

/// What [`Queues::request`] returns: the verdict that a request gave, and the answer to it.
#[derive(Clone, Debug)]
pub struct Outcome<'m> {
    /// The verdict that the request gave, and which packets it is on. `None` if the request gave no
    /// verdict. Packets that it took out of a queue are then dropped.
    pub released: Option<Released<'m>>,
    /// The answer to the sender, an error or an acknowledgement. `None` if the request gets no
    /// answer. The caller delivers it after the packets of the verdict went on.
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

    /// Offers a packet to queue `number`. Calls `deliver` with the owner's port id and the message
    /// about the packet, unless the packet is refused before that. `deliver` returns `true` if the
    /// owner's receive buffer took the message, and only then is the packet queued. Returns the
    /// packet's id if it is queued, and otherwise the reason and whether the packet goes on.
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

    /// Stores the caller's item for a packet that [`offer`](Self::offer) queued under `id`. Drops
    /// the item if the queue is not bound.
    pub fn keep(&mut self, number: u16, id: u32, item: T) {
        if let Some(instance) = self.instances.get_mut(&number) {
            instance.packets.keep(id, item);
        }
    }

    /// Carries out a request, and returns its verdict and its answer. A verdict on one packet
    /// leaves the packet in its queue, and the caller must [take](Self::take) it. The packets of a
    /// batch verdict, and those that UNBIND drops, are taken out and added to `taken`, in the order
    /// in which they go on or are dropped. Each is a pair of a packet id, which is 0 after UNBIND,
    /// and an item.
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

    /// Carries out a request as if its message type were `kind`. Returns its result, the note for
    /// its answer, and the verdict that it gave, or `None` if it gave none.
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

    /// Returns `true` if a queue is bound, has fewer packets than its maximum length, and fewer
    /// than the kernel's limit for every queue (NFQ-5). The copy mode makes no difference, not even
    /// NONE.
    #[must_use]
    pub fn has_room(&self, number: u16) -> bool {
        self.instances
            .get(&number)
            .is_some_and(|instance| instance.has_room(&self.rules))
    }

    /// Returns the number of bytes that the kernel allocates for the message about a packet of
    /// `length` bytes, with the queue's present settings (NFQ-101). Returns 0 if nobody has bound
    /// the queue.
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
