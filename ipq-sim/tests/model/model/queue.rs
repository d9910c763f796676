//! Sections 2 to 6, and 8: the queue, its messages and its verdicts.

use super::host::Packet;
use super::{Model, errno};
use crate::step::Reason;
use ipq_core::Family;
use ipq_core::wire::{
    CopyMode, Envelope, ErrorMessage, Frame, Header, ModeRequest, PacketId, PortId, Verdict, VerdictRequest, padding,
};

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) loaded: bool,
    pub(crate) peer: u32,
    pub(crate) mode: u8,
    pub(crate) range: u32,
    pub(crate) maximum_length: u32,
    pub(crate) dropped_when_full: u32,
    pub(crate) dropped_undelivered: u32,
    /// What is queued, oldest first.
    pub(crate) entries: Vec<Entry>,
    /// PKT-9: ids that were freed, last freed at the end.
    pub(crate) free: Vec<PacketId>,
    /// An id that was never handed out.
    fresh: PacketId,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: PacketId,
    pub(crate) packet: Packet,
}

impl Queue {
    pub(crate) fn new(first: u64) -> Self {
        Self {
            loaded: true,
            peer: 0,
            mode: 0,
            range: 0,
            maximum_length: 1024,
            dropped_when_full: 0,
            dropped_undelivered: 0,
            entries: Vec::new(),
            free: Vec::new(),
            fresh: PacketId(first),
        }
    }

    /// ATT-4: everything but the counters. Returns how many packets were dropped.
    pub(crate) fn reset(&mut self) -> u64 {
        (self.peer, self.mode, self.range) = (0, 0, 0);
        let dropped = self.entries.len() as u64;
        self.free.extend(self.entries.drain(..).map(|entry| entry.id));
        dropped
    }

    /// PROC-1.
    pub(crate) fn proc_text(&self, family: Family) -> Option<String> {
        let last = match family {
            Family::Ipv4 => "Netlink dropped   :",
            Family::Ipv6 => "Netfilter dropped :",
        };
        self.loaded.then(|| {
            format!(
                "Peer PID          : {}\n\
                 Copy mode         : {}\n\
                 Copy range        : {}\n\
                 Queue length      : {}\n\
                 Queue max. length : {}\n\
                 Queue dropped     : {}\n\
                 {last} {}\n",
                self.peer,
                self.mode,
                self.range,
                self.entries.len(),
                self.maximum_length,
                self.dropped_when_full,
                self.dropped_undelivered,
            )
        })
    }

    fn allocate(&mut self) -> PacketId {
        self.free.pop().unwrap_or_else(|| {
            let id = self.fresh;
            self.fresh.0 += 1;
            id
        })
    }
}

/// How the queue ends with a message that it did not refuse.
enum End {
    Silent,
    Acknowledged,
}

impl Model {
    /// A datagram for the queue, and its answer (section 4).
    pub(super) fn message(&mut self, family: Family, datagram: &[u8], sender: u32) {
        // MSG-1, MSG-11
        let Ok(frame) = Frame::parse(datagram, self.abi) else {
            return;
        };
        let header = frame.header;
        let whole = &datagram[..header.length as usize];
        let (error, quoted) = match self.obey(family, frame) {
            Ok(End::Silent) => return,
            // MSG-10
            Ok(End::Acknowledged) if header.flags.0 & 4 == 0 => return,
            Ok(End::Acknowledged) => (0, &whole[..Header::BYTES]),
            Err(errno) => (-errno, whole),
        };
        // ERR-1 to ERR-3
        let envelope = Envelope {
            sequence: header.sequence,
            port_id: PortId(sender),
            ..Envelope::default()
        };
        let head = ErrorMessage::head(error, self.abi, envelope, quoted.len());
        let mut reply = [&head[..], quoted].concat();
        reply.resize(reply.len() + padding(reply.len()), 0);
        self.deliver(family, sender, reply);
    }

    fn obey(&mut self, family: Family, Frame { header, body }: Frame<'_>) -> Result<End, i32> {
        let port_id = header.port_id.0;
        let flags = header.flags.0;
        // MSG-2
        if port_id.cast_signed() <= 0 || flags & 1 == 0 || flags & 2 != 0 {
            return Err(errno::EINVAL);
        }
        // MSG-3
        if flags & 0x20 != 0 {
            return Err(errno::ECOMM);
        }
        // MSG-4
        let kind = header.message_type.to_wire();
        if kind == 0 || kind >= 0x14 {
            return Err(errno::EINVAL);
        }
        if kind <= 0x10 {
            return Ok(End::Silent);
        }
        // MSG-5
        if !self.net_admin {
            return Err(errno::EPERM);
        }
        // MSG-6, ATT-2, ATT-3
        let queue = &mut self.queues[family as usize];
        if queue.peer != 0 && queue.peer != port_id {
            return Err(errno::EBUSY);
        }
        queue.peer = port_id;
        // MSG-7
        if body.len() < self.abi.request_bytes() {
            return Err(errno::EINVAL);
        }
        match kind {
            0x11 => self.set_mode(family, body)?,
            0x12 => self.verdict(family, body)?,
            // MSG-9
            _ => return Err(errno::EINVAL),
        }
        Ok(End::Acknowledged)
    }

    /// MSG-8.
    fn set_mode(&mut self, family: Family, body: &[u8]) -> Result<(), i32> {
        let ModeRequest { mode, range } = ModeRequest::parse(body, self.abi).map_err(|_| errno::EINVAL)?;
        let queue = &mut self.queues[family as usize];
        match mode {
            CopyMode::None => (queue.mode, queue.range) = (0, 0),
            CopyMode::Meta => (queue.mode, queue.range) = (1, 0),
            CopyMode::Packet => (queue.mode, queue.range) = (2, ((range & 0xffff_ffff) as u32).min(65_535)),
            CopyMode::Unknown(_) => return Err(errno::EINVAL),
        }
        Ok(())
    }

    /// Section 6.
    fn verdict(&mut self, family: Family, body: &[u8]) -> Result<(), i32> {
        let (request, following) = VerdictRequest::parse(body, self.abi).map_err(|_| errno::EINVAL)?;
        // VER-1
        if matches!(request.verdict, Verdict::Stolen | Verdict::Unknown(_)) {
            return Err(errno::EINVAL);
        }
        // VER-2, VER-3
        let queue = &mut self.queues[family as usize];
        let place = queue.entries.iter().position(|entry| entry.id == request.packet_id);
        let Entry { id, mut packet } = queue.entries.remove(place.ok_or(errno::ENOENT)?);
        // VER-5 to VER-9
        let counts = request.data_len > 0 && request.data_len == following.len() as u64;
        let fixed_header = match family {
            Family::Ipv4 => 20,
            Family::Ipv6 => 40,
        };
        let grown_too_far = counts && following.len() > packet.bytes.len() && following.len() > 65_535;
        if counts && following.len() >= fixed_header && !grown_too_far {
            packet.bytes = following.to_vec();
        }
        // VER-4
        if grown_too_far {
            self.drop_packet(Reason::ReplacementTooLong);
        } else {
            match request.verdict {
                Verdict::Accept => self.accept(packet, 1),
                Verdict::Repeat => self.accept(packet, 0),
                Verdict::Stop => {
                    packet.function = usize::MAX;
                    self.travel(packet);
                }
                Verdict::Queue => self.enqueue(packet),
                _ => self.drop_packet(Reason::Verdict),
            }
        }
        // PKT-9: a re-queue took its new entry before this one is free.
        self.queues[family as usize].free.push(id);
        Ok(())
    }

    /// Section 5.
    pub(super) fn enqueue(&mut self, mut packet: Packet) {
        let family = packet.family;
        packet.note_route();
        if !self.queues[family as usize].loaded {
            return self.drop_packet(Reason::ModuleUnloaded);
        }
        let id = self.queues[family as usize].allocate();
        match self.offer(id, &packet) {
            Ok(()) => self.queues[family as usize].entries.push(Entry { id, packet }),
            Err(reason) => {
                self.queues[family as usize].free.push(id);
                self.drop_packet(reason);
            }
        }
    }

    fn offer(&mut self, id: PacketId, packet: &Packet) -> Result<(), Reason> {
        let queue = &mut self.queues[packet.family as usize];
        // PKT-1
        if queue.peer == 0 || queue.mode == 0 {
            return Err(Reason::NoListener);
        }
        // PKT-2
        if queue.entries.len() as u64 >= u64::from(queue.maximum_length) {
            queue.dropped_when_full += 1;
            return Err(Reason::QueueFull);
        }
        // PKT-4
        let copied = match (queue.mode, queue.range as usize) {
            (1, _) => 0,
            (_, 0) => packet.bytes.len(),
            (_, range) => range.min(packet.bytes.len()),
        };
        // WIRE-4, WIRE-5
        let head = packet.metadata(id).head(self.abi, copied);
        let mut frame = [&head[..], &packet.bytes[..copied]].concat();
        frame.resize(frame.len() + padding(frame.len()), 0);
        // PKT-3
        let peer = queue.peer;
        if !self.deliver(packet.family, peer, frame) {
            self.queues[packet.family as usize].dropped_undelivered += 1;
            return Err(Reason::Undeliverable);
        }
        Ok(())
    }
}
