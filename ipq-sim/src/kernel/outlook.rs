//! Answers for a caller who feeds packets, such as what waits for a program, and how much room
//! there is for more.

use super::hooks::BEHIND_THE_LAST;
use super::packets::family_of;
use super::{EntryPoint, Kernel};
use crate::behaviour::Full;
use crate::books::PacketSerial;
use crate::host::ether_type;
use crate::host::hook::HookPoint;
use crate::host::packet::Packet;
use crate::netlink::{ReceiveBuffer, SocketId};
use crate::queue::{NFNETLINK, QueueId, nfnetlink};
use crate::time::clock::ArrivalTime;
use bytes::Bytes;
use ipq_core::{Family, PacketId, PortId};

impl Kernel {
    /// Returns the datagram at `index` of those that wait for a socket's program, where 0 is the
    /// next to be received: its sender, and its bytes in parts. Returns `None` if no datagram waits
    /// there, or the socket is closed.
    #[must_use]
    pub fn waiting(&self, socket: SocketId, index: usize) -> Option<(PortId, [&[u8]; 3])> {
        let datagram = self.sockets.waiting(socket, index)?;
        Some((datagram.sender, datagram.parts()))
    }

    /// Returns the netlink protocol of a socket. Returns 0 if the socket is closed.
    #[must_use]
    pub fn netlink_protocol(&self, socket: SocketId) -> i32 {
        self.sockets.protocol(socket).unwrap_or(0)
    }

    /// Returns `true` if the kernel has numbered queues, those of `nfnetlink_queue`, and `false` if
    /// it has `ip_queue`.
    #[must_use]
    pub const fn has_numbered_queues(&self) -> bool {
        self.queues.numbered.is_some()
    }

    /// Returns `true` if any queue with a number is bound.
    #[must_use]
    pub fn has_bound_queues(&self) -> bool {
        self.queues.numbered.as_ref().is_some_and(nfnetlink::Queues::has_bound)
    }

    /// Returns the queues that have a listener: a peer or an owner, and a copy mode other than
    /// NONE. The families' queues come first, IPv4 before IPv6, and numbered queues in ascending
    /// order.
    pub fn listened_queues(&self) -> impl Iterator<Item = QueueId> {
        let families = Family::ALL.map(QueueId::IpQueue).into_iter();
        let families = families.filter(|queue| self.is_listened_to(*queue));
        let numbered = self.queues.numbered.iter().flat_map(nfnetlink::Queues::listened);
        families.chain(numbered.map(QueueId::Numbered))
    }

    /// Returns `true` if a queue has a peer (`ip_queue`) or an owner (numbered queues), and a copy
    /// mode other than NONE. A closed peer counts until the kernel notices that it is gone (ERA-3).
    #[must_use]
    pub fn is_listened_to(&self, queue: QueueId) -> bool {
        match queue {
            QueueId::IpQueue(family) => self.has_listener(family),
            QueueId::Numbered(number) => {
                let queues = self.queues.numbered.as_ref();
                queues.is_some_and(|queues| queues.listener(number).is_some())
            }
        }
    }

    /// Returns the socket bound to the port id of a queue's peer or owner. Returns `None` if the
    /// queue has neither, if its copy mode is NONE, or if no socket is bound to the port id.
    #[must_use]
    pub fn listener(&self, queue: QueueId) -> Option<SocketId> {
        let port_id = match queue {
            QueueId::IpQueue(family) => {
                let queue = self.ip_queue(family).filter(|queue| queue.has_listener())?;
                queue.status().peer
            }
            QueueId::Numbered(number) => self.queues.numbered.as_ref()?.listener(number)?,
        };
        self.sockets
            .at_port(queue.protocol(&self.profile.behaviour.modules), port_id)
    }

    /// Returns `true` if a program has a socket of the netlink protocol of a queue of this kernel,
    /// or of nfnetlink, and no queue has a listener, as when no program has attached yet, or all
    /// chose copy mode NONE.
    pub(crate) fn has_idle_sockets_only(&self) -> bool {
        let numbered = self.queues.numbered.as_ref();
        let is_listened_to = numbered.is_some_and(|queues| queues.listened().next().is_some())
            || [Family::Ipv4, Family::Ipv6]
                .into_iter()
                .any(|family| self.has_listener(family));
        let modules = &self.profile.behaviour.modules;
        let is_for_queues = |protocol| protocol == NFNETLINK || QueueId::of_protocol(protocol, modules).is_some();
        !is_listened_to && self.sockets.protocols().any(is_for_queues)
    }

    /// Returns the queue to which the rules at the entry's hook would send a packet without a mark,
    /// even if no program has attached to the queue or bound it. Sends nothing. Returns `None` if
    /// the rules there do not queue the packet or can't read its headers, if the hook is none of
    /// the five, or if the bytes are no IP packet.
    #[must_use]
    pub fn destination(&self, entry: EntryPoint<'_>, packet: &Bytes) -> Option<QueueId> {
        let family = family_of(packet).ok()?;
        let mut packet = Packet {
            serial: PacketSerial::FIRST,
            family,
            data: packet.clone(),
            mark: 0,
            priority: 0,
            arrival_time: ArrivalTime::default(),
            protocol: ether_type(family),
            link: None,
        };
        let fragments = self.profile.behaviour.queueing.fragments;
        let all = 0..=BEHIND_THE_LAST;
        let hook = HookPoint::named(entry.hook)?;
        let name = |name: &str, is_there: bool| name.parse().ok().filter(|_| is_there).unwrap_or_default();
        let devices = || {
            let arrives = matches!(hook, HookPoint::Prerouting | HookPoint::Input | HookPoint::Forward);
            let leaves = !matches!(hook, HookPoint::Prerouting | HookPoint::Input);
            [name(entry.incoming, arrives), name(entry.outgoing, leaves)]
        };
        let judged = self.rules.judge(hook, all, &mut packet, devices, fragments);
        let (_, target) = judged.ok()??;
        QueueId::of_target(target, &packet, &self.profile.behaviour.modules)
    }

    /// Returns how full a socket's receive buffer is. Returns `None` if the socket is closed.
    #[must_use]
    pub fn receive_buffer(&self, socket: SocketId) -> Option<ReceiveBuffer> {
        self.sockets.receive_buffer(socket)
    }

    /// Returns the `deciding_weight` to give to `ReceiveBuffer::takes` for the message about a
    /// packet of `length` bytes. A kernel with numbered queues counts the new datagram when it asks
    /// if the buffer is full: returns the weight of the message in the queue's present copy mode
    /// (NFQ-100). A kernel with `ip_queue` does not count it: returns 0 (SOCK-4).
    #[must_use]
    pub fn deciding_weight(&self, queue: QueueId, length: usize) -> usize {
        match (queue, &self.queues.numbered, self.profile.behaviour.netlink.full) {
            (QueueId::Numbered(number), Some(queues), Full::WithNext) => {
                self.profile.weight.of(queues.allocated(number, length))
            }
            _ => 0,
        }
    }

    /// Returns `true` if a queue has room for one more packet: it holds fewer packets than its
    /// maximum length allows. A numbered queue must also hold fewer than the kernel's own limit for
    /// each such queue, if the kernel has one (NFQ-5). Returns `false` if the queue's module is not
    /// loaded, or if nobody has bound the numbered queue.
    #[must_use]
    pub fn has_room(&self, queue: QueueId) -> bool {
        match queue {
            QueueId::IpQueue(family) => {
                let rules = &self.profile.behaviour.queueing;
                self.ip_queue(family).is_some_and(|queue| queue.has_room(rules))
            }
            QueueId::Numbered(number) => {
                let queues = self.queues.numbered.as_ref();
                queues.is_some_and(|queues| queues.has_room(number))
            }
        }
    }

    /// Returns the packet that is queued in `queue` under `packet_id`. Returns `None` if there is
    /// none.
    #[must_use]
    pub fn queued_in(&self, queue: QueueId, packet_id: PacketId) -> Option<PacketSerial> {
        let traversal = match queue {
            QueueId::IpQueue(_) => self.queues.get(queue).and_then(|queue| queue.queued(packet_id)),
            QueueId::Numbered(number) => {
                let id = u32::try_from(packet_id.0).ok()?;
                self.queues.numbered.as_ref()?.queued(number, id)
            }
        };
        Some(traversal?.packet.serial)
    }
}
