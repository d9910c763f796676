//! Queues with numbers: how the kernel's hooks and sockets use
//! [`nfnetlink`](crate::queue::nfnetlink).

use super::Kernel;
use super::hooks::{BEHIND_THE_LAST, End, Place};
use super::traversal::Traversal;
use crate::books::{self, DropReason};
use crate::host::hook::HookPoint;
use crate::host::packet::Packet;
use crate::host::{ether_type, ipv4};
use crate::netlink::{Answering, ClientId, SocketId};
use crate::queue::nfnetlink::{
    Answer, Decision, Flaw, Messages, Offer, Packets, QueuedPacket, Refusal, Released, Rules, Sender, Step,
};
use crate::queue::{NFNETLINK, QueueId};
use bytes::Bytes;
use ipq_core::transport::nfqueue::Device;
use ipq_core::wire::Timestamp;
use ipq_core::{Errno, Family, Hook, PacketId, PortId, Verdict};

/// The user id and group id of all programs on the emulated host: those of root.
const ROOT: (u32, u32) = (0, 0);
/// The checksum state that packet messages give for a packet that arrived by a device, `lo`
/// included: not verified.
const NOT_VERIFIED: u32 = 4;

impl Kernel {
    /// Returns the text of `/proc/net/netfilter/nfnetlink_queue` (NFQ-13); `None` on a kernel
    /// without numbered queues.
    #[must_use]
    pub fn numbered_queues_text(&self) -> Option<String> {
        Some(self.queues.numbered.as_ref()?.proc_text())
    }

    /// Sets or clears `NETLINK_CAP_ACK`. While it is set, answers to the socket's messages, errors
    /// included, quote only the header of the message (NFQ-43). Fails with EBADF if the socket is
    /// closed.
    pub fn set_cap_ack(&mut self, socket: SocketId, on: bool) -> Result<(), Errno> {
        self.sockets.answering_mut(socket)?.capped = on;
        Ok(())
    }

    /// Sets or clears `NETLINK_EXT_ACK`. While it is set, answers to the socket's messages may
    /// carry attributes that explain them (NFQ-44). Fails with EBADF if the socket is closed.
    pub fn set_ext_ack(&mut self, socket: SocketId, on: bool) -> Result<(), Errno> {
        self.sockets.answering_mut(socket)?.extended = on;
        Ok(())
    }

    /// Returns the name and hardware type of the device with that interface number. Returns `None`
    /// if there is no such device.
    pub(crate) fn device(&self, number: u32) -> Option<Device> {
        let device = self.network.numbered(number)?;
        Some(Device {
            name: self.network.name(Some(device)),
            hw_type: self.network.hw_type(device),
        })
    }

    /// Returns the sender of a message for numbered queues. It is privileged if its program has
    /// `CAP_NET_ADMIN` now. If `addressed` is `false`, the call did not name the kernel's address,
    /// and the socket must have been opened with the capability, too (NFQ-53).
    pub(super) fn numbered_sender(
        &self,
        owner: ClientId,
        port_id: PortId,
        answering: Answering,
        addressed: bool,
    ) -> Sender {
        Sender {
            port_id,
            net_admin: (addressed || answering.opened_with_capability) && self.has_net_admin(owner),
            caps_answers: answering.capped,
            extends_answers: answering.extended,
        }
    }

    /// Carries out a datagram's messages in turn, and sends the answer of each that gets one.
    /// Before the answer, the packets on which the message gives a verdict go on (NFQ-70). Packets
    /// that it takes out of a queue without a verdict are dropped (NFQ-8). Fails with ECONNREFUSED
    /// on a kernel without numbered queues.
    pub(super) fn obey_numbered(&mut self, datagram: &[u8], mut sender: Sender) -> Result<(), Errno> {
        let rules = self.profile.behaviour.modules.numbered.ok_or(Errno::ECONNREFUSED)?;
        let datagram = match rules.flaw() {
            Some(flaw) => flaw.spoil_input(datagram, &mut sender),
            None => datagram.into(),
        };
        let mut taken = Vec::new();
        for step in Messages::of(&datagram, sender, &rules) {
            let answer = match step {
                Step::Answer(answer) => Some(answer),
                Step::Perform(request) => {
                    let queues = self.queues.numbered.as_mut().ok_or(Errno::ECONNREFUSED)?;
                    let mut outcome = queues.request(&request, sender, &mut taken);
                    if rules.flaw() == Some(Flaw::AnswerFirst) {
                        self.answer_numbered(outcome.answer.take(), sender, &rules);
                    }
                    if let Some(released) = outcome.released
                        && let Packets::One(id) = released.packets
                        && let Some(traversal) = self.take_numbered(request.queue(), id)
                    {
                        self.go_on(traversal, id, released);
                    }
                    for (id, traversal) in taken.drain(..) {
                        match outcome.released {
                            Some(released) => self.go_on(traversal, id, released),
                            None => self.ledger.dropped(traversal.packet.serial, DropReason::PeerClosed),
                        }
                    }
                    outcome.answer
                }
            };
            self.answer_numbered(answer, sender, &rules);
        }
        Ok(())
    }

    /// Delivers the answer to a message, if there is one, to the sender's port id. An answer for
    /// which the receive buffer has no room is lost.
    fn answer_numbered(&mut self, answer: Option<Answer<'_>>, sender: Sender, rules: &Rules) {
        let Some(answer) = answer else { return };
        let mut datagram = answer.datagram(sender);
        if let Some(flaw) = rules.flaw() {
            flaw.spoil_answer(&mut datagram);
        }
        let sockets = &mut self.sockets;
        // An answer that does not fit into the receive buffer is lost, and the socket notes an
        // overrun (NFQ-102).
        let _ = sockets.deliver(
            NFNETLINK,
            sender.port_id,
            datagram.into(),
            &self.profile.behaviour.netlink,
        );
    }

    /// Unbinds the numbered queues that the port id of a closed socket owned, and drops their
    /// packets (NFQ-7). Does nothing on a kernel without numbered queues.
    pub(super) fn numbered_owner_closed(&mut self, port_id: PortId) {
        if self.profile.behaviour.modules.numbered_flaw() == Some(Flaw::CloseKeepsQueues) {
            return;
        }
        if let Some(queues) = &mut self.queues.numbered {
            let dropped = queues.socket_closed(port_id);
            self.drop_all(dropped, DropReason::PeerClosed);
        }
    }

    /// Offers a packet to a numbered queue. Returns the packet's id as its place. Returns `None` if
    /// the packet passes unqueued: the queue fails open, or nobody has bound it and `bypass` is
    /// `true`. Fails if the packet is dropped.
    pub(super) fn enqueue_numbered(&mut self, traversal: &mut Traversal, number: u16, bypass: bool) -> End {
        let Self {
            queues,
            sockets,
            profile,
            ..
        } = self;
        let behaviour = &profile.behaviour;
        let bypass_ignored = behaviour.modules.numbered_flaw() == Some(Flaw::BypassIgnored);
        let queues = queues.numbered.as_mut().ok_or(DropReason::ModuleUnloaded)?;
        let offer = queues.offer(number, &described(traversal), |port_id, datagram| {
            let delivered = sockets.deliver(NFNETLINK, port_id, datagram.into(), &behaviour.netlink);
            delivered.is_ok()
        });
        match offer {
            Offer::Queued { id } => {
                self.ledger.step(traversal.packet.serial, books::Step::Queued);
                Ok(Some(Place::Id(id)))
            }
            Offer::Passed(_) => Ok(None),
            Offer::Refused(Refusal::NoListener) if bypass && !bypass_ignored => Ok(None),
            Offer::Refused(Refusal::NoListener | Refusal::NoMode) => Err(DropReason::NoListener),
            Offer::Refused(Refusal::Full | Refusal::TableFull) => Err(DropReason::QueueFull),
            Offer::Refused(Refusal::Undeliverable) => Err(DropReason::Undeliverable),
        }
    }

    /// Stores a packet under the id that a numbered queue gave it.
    pub(super) fn keep_numbered(&mut self, number: u16, id: u32, traversal: Traversal) {
        if let Some(queues) = &mut self.queues.numbered {
            queues.keep(number, id, traversal);
        }
    }

    /// Takes the packet with this id out of a numbered queue. Returns `None` if it is not there.
    #[inline]
    fn take_numbered(&mut self, number: u16, id: u32) -> Option<Traversal> {
        self.queues.numbered.as_mut()?.take(number, id)
    }

    /// Notes the verdict on a packet that was taken out of a numbered queue, and lets the packet go
    /// on as the verdict says, until it is queued again, delivered to this host, sent or dropped.
    #[inline]
    fn go_on(&mut self, mut traversal: Traversal, id: u32, released: Released<'_>) {
        let verdict = match released.decision {
            Decision::Drop => Verdict::Drop,
            Decision::Accept => Verdict::Accept,
            Decision::Stop => Verdict::Stop,
            Decision::Repeat => Verdict::Repeat,
            Decision::Queue { .. } => Verdict::Queue,
        };
        let replaced = replace(&mut traversal.packet, released.payload);
        self.note_verdict(
            &traversal,
            PacketId(id.into()),
            verdict,
            replaced == Ok(true),
            released.mark,
        );
        let end = replaced.and_then(|_| self.decided(&mut traversal, released));
        match self.settle_again(end, &traversal) {
            Some(place) => self.keep(place, traversal),
            None => self.spent.add(traversal.packet.data),
        }
    }

    fn decided(&mut self, traversal: &mut Traversal, released: Released<'_>) -> End {
        let packet = &mut traversal.packet;
        packet.mark = released.mark.unwrap_or(packet.mark);
        packet.priority = released.priority.unwrap_or(packet.priority);
        let (this, next) = (traversal.function, traversal.function + 1);
        match released.decision {
            Decision::Drop => Err(DropReason::Verdict),
            Decision::Accept => self.resume(traversal, next),
            Decision::Stop => self.pass_hooks(traversal, BEHIND_THE_LAST),
            Decision::Repeat => match self.judge(traversal, traversal.hook, this..=this)? {
                Some(bypass) => self.enqueue_or_pass(traversal, bypass),
                None => self.resume(traversal, next),
            },
            Decision::Queue { number, bypass } => {
                traversal.queued_in = Some(QueueId::Numbered(number));
                self.enqueue_or_pass(traversal, bypass)
            }
        }
    }

    /// Offers a packet, after its verdict REPEAT or QUEUE, to the queue that `traversal` names. If
    /// the queue lets it pass unqueued, runs the functions behind the one that queued it, and the
    /// hooks that follow. Fails if the packet is dropped.
    fn enqueue_or_pass(&mut self, traversal: &mut Traversal, bypass: bool) -> End {
        match self.enqueue(traversal, bypass)? {
            Some(place) => Ok(Some(place)),
            None => self.pass_hooks(traversal, traversal.function + 1),
        }
    }
}

/// Replaces a packet's bytes by its verdict's payload, and returns `true`. Returns `false` if there
/// is no payload. Fails if the payload is shorter than the packet's header: the packet must then be
/// dropped (NFQ-69).
fn replace(packet: &mut Packet, payload: Option<&[u8]>) -> Result<bool, DropReason> {
    let Some(payload) = payload else {
        return Ok(false);
    };
    if payload.len() < packet.data.len().min(header_length(packet)) {
        return Err(DropReason::ReplacementTooShort);
    }
    packet.data = Bytes::copy_from_slice(payload);
    Ok(true)
}

/// Returns what a packet's message to the owner of a numbered queue is made from: the packet's
/// fields and bytes (NFQ-80 to NFQ-90).
fn described(traversal: &Traversal) -> QueuedPacket<'_> {
    let packet = &traversal.packet;
    let from_outside = packet.link.is_some();
    let before_routing_ends = matches!(
        traversal.hook,
        HookPoint::Prerouting | HookPoint::Input | HookPoint::Forward
    );
    let Timestamp { seconds, microseconds } = packet.arrival_time.into();
    QueuedPacket {
        family: match packet.family {
            Family::Ipv4 => 2,
            Family::Ipv6 => 10,
        },
        hook: Hook::from(traversal.hook).to_wire() as u8,
        hw_protocol: ether_type(packet.family).0,
        incoming: traversal.indev.map_or(0, |device| device.number().into()),
        physical_incoming: 0,
        outgoing: traversal.outdev.map_or(0, |device| device.number().into()),
        physical_outgoing: 0,
        mark: packet.mark,
        priority: packet.priority,
        hardware_address: packet.link.as_ref().map(|link| {
            let (length, field) = link.source().to_wire();
            (length.into(), field)
        }),
        arrived: before_routing_ends.then_some((seconds.cast_unsigned(), microseconds.cast_unsigned())),
        owner: (!from_outside).then_some(ROOT),
        checksum_state: if from_outside { NOT_VERIFIED } else { 0 },
        bytes: &packet.data,
    }
}

/// Returns the length in bytes of a packet's IPv4 header, with its options, or of its fixed IPv6
/// header. An IPv4 header that states less than 20 bytes counts as 20.
fn header_length(packet: &Packet) -> usize {
    match packet.family {
        Family::Ipv4 => ipv4::header_length(&packet.data).max(packet.family.header_length()),
        Family::Ipv6 => packet.family.header_length(),
    }
}
