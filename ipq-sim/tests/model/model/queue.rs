//! The queue, its messages and its verdicts (ATT, MSG, ERR, PKT, VER, PROC).

use super::host::Packet;
use super::ids::Held;
use super::rules::{FullIsNoticed, ProcText};
use super::sockets::Undelivered;
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
    /// `true` if the last peer was found dead, which 2.4.0 and 2.4.16 state in /proc (ERA-3).
    pub(crate) peer_died: bool,
    pub(crate) mode: u8,
    pub(crate) range: u32,
    pub(crate) maximum_length: u32,
    pub(crate) dropped_when_full: u32,
    pub(crate) dropped_undelivered: u32,
    /// The queued packets, oldest first.
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) held: Held,
    pub(crate) packet: Packet,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            loaded: true,
            peer: 0,
            peer_died: false,
            mode: 0,
            range: 0,
            maximum_length: 1024,
            dropped_when_full: 0,
            dropped_undelivered: 0,
            entries: Vec::new(),
        }
    }

    /// Returns the queue's text in /proc (PROC-1, ERA-15). Returns `None` if the module is not
    /// loaded.
    pub(crate) fn proc_text(&self, family: Family, text: ProcText) -> Option<String> {
        self.loaded.then(|| match text {
            ProcText::Eight => self.eight_lines(),
            ProcText::Five => self.five_lines(),
            ProcText::Seven => self.five_lines() + &self.counters(family),
        })
    }

    fn eight_lines(&self) -> String {
        format!(
            "Peer pid            : {}\n\
             Peer died           : {}\n\
             Peer copy mode      : {}\n\
             Peer copy range     : {}\n\
             Queue length        : {}\n\
             Queue max. length   : {}\n\
             Queue flushing      : 0\n\
             Queue terminate     : 0\n",
            self.peer.cast_signed(),
            u8::from(self.peer_died),
            self.mode,
            self.range,
            self.entries.len(),
            self.maximum_length.cast_signed(),
        )
    }

    fn five_lines(&self) -> String {
        format!(
            "Peer PID          : {}\n\
             Copy mode         : {}\n\
             Copy range        : {}\n\
             Queue length      : {}\n\
             Queue max. length : {}\n",
            self.peer,
            self.mode,
            self.range,
            self.entries.len(),
            self.maximum_length,
        )
    }

    fn counters(&self, family: Family) -> String {
        let last = match family {
            Family::Ipv4 => "Netlink dropped   :",
            Family::Ipv6 => "Netfilter dropped :",
        };
        format!(
            "Queue dropped     : {}\n{last} {}\n",
            self.dropped_when_full, self.dropped_undelivered
        )
    }
}

/// The end of a message that the queue did not refuse.
enum End {
    Silent,
    Acknowledged,
}

impl Model {
    /// Removes the peer and its mode, and drops all packets for that reason. The counters stay
    /// (ATT-4).
    pub(super) fn reset(&mut self, family: Family, reason: Reason) {
        let queue = &mut self.queues[family as usize];
        (queue.peer, queue.mode, queue.range) = (0, 0, 0);
        self.flush(family, reason);
    }

    /// Drops all packets of a family's queue for that reason, oldest first.
    fn flush(&mut self, family: Family, reason: Reason) {
        for entry in std::mem::take(&mut self.queues[family as usize].entries) {
            self.ids.flush(family, entry.held);
            self.dropped[reason as usize] += 1;
        }
    }

    /// Carries out a datagram for the queue, and answers it (ERR-1 to ERR-3).
    pub(super) fn message(&mut self, family: Family, datagram: &[u8], sender: u32) {
        // Only the first message counts (MSG-11). A malformed one is ignored (MSG-1) or answered
        // (ERA-19).
        let Ok(frame) = Frame::parse(datagram, self.law.abi) else {
            return self.malformed(family, datagram, sender);
        };
        let header = frame.header;
        let whole = &datagram[..header.length as usize];
        let body = if self.law.datagram_length_counts {
            &datagram[Header::BYTES..]
        } else {
            frame.body
        };
        let (error, quoted) = match self.obey(family, header, body) {
            Ok(End::Silent) => return,
            // Success is answered only if NLM_F_ACK is set (MSG-10).
            Ok(End::Acknowledged) if header.flags.0 & 4 == 0 => return,
            Ok(End::Acknowledged) => (0, &whole[..Header::BYTES]),
            Err(errno) if self.law.errors_quote_all => (-errno, whole),
            Err(errno) => (-errno, &whole[..Header::BYTES]),
        };
        self.reply(family, sender, header.sequence, error, quoted);
    }

    /// Answers a malformed message (MSG-1) with EINVAL, on kernels that answer it (ERA-19). What
    /// the datagram lacks of a header is quoted as zeros.
    fn malformed(&mut self, family: Family, datagram: &[u8], sender: u32) {
        if self.law.malformed_is_answered {
            let mut header = datagram.to_vec();
            header.resize(Header::BYTES, 0);
            let sequence = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
            self.reply(family, sender, sequence, -errno::EINVAL, &header);
        }
    }

    fn reply(&mut self, family: Family, sender: u32, sequence: u32, error: i32, quoted: &[u8]) {
        // The answer goes to the sending socket, with its port id and the request's sequence
        // (ERR-1, ERR-2). It is padded (ERR-3).
        let envelope = Envelope {
            sequence,
            port_id: PortId(sender),
            ..Envelope::default()
        };
        let head = ErrorMessage::head(error, self.law.abi, envelope, quoted.len());
        let mut reply = [&head[..], quoted].concat();
        reply.resize(reply.len() + padding(reply.len()), 0);
        let _ = self.deliver(family, sender, reply);
    }

    fn obey(&mut self, family: Family, header: Header, body: &[u8]) -> Result<End, i32> {
        let port_id = header.port_id.0;
        let flags = header.flags.0;
        // A port id of 0, a negative one, or wrong flags: EINVAL (MSG-2).
        let negative = port_id.cast_signed() < 0 && !self.law.negative_port_ids_attach;
        if port_id == 0 || negative || flags & 1 == 0 || flags & 2 != 0 {
            return Err(errno::EINVAL);
        }
        // Flag 0x20: ECOMM (MSG-3).
        if flags & 0x20 != 0 {
            return Err(errno::ECOMM);
        }
        // Types that no queue knows: EINVAL, or silence (MSG-4).
        let kind = header.message_type.to_wire();
        if kind == 0 || kind >= 0x14 {
            return Err(errno::EINVAL);
        }
        if kind <= 0x10 {
            return Ok(End::Silent);
        }
        // Without CAP_NET_ADMIN: EPERM (MSG-5).
        if !self.net_admin {
            return Err(errno::EPERM);
        }
        // Another peer: EBUSY, or on 2.4.0 and 2.4.16 takes the queue over (ERA-2). Otherwise the
        // sender's port id is the peer now (MSG-6, ATT-2, ATT-3).
        let queue = &mut self.queues[family as usize];
        if queue.peer != 0 && queue.peer != port_id {
            if !self.law.second_peer_takes_over {
                return Err(errno::EBUSY);
            }
            self.flush(family, Reason::PeerReplaced);
        }
        let queue = &mut self.queues[family as usize];
        queue.peer = port_id;
        queue.peer_died = false;
        // A body that is shorter than the structure: EINVAL (MSG-7).
        if body.len() < self.law.abi.request_bytes() {
            return Err(errno::EINVAL);
        }
        match kind {
            0x11 => self.set_mode(family, body)?,
            0x12 => self.verdict(family, body)?,
            // Type PACKET from a program: EINVAL (MSG-9).
            _ => return Err(errno::EINVAL),
        }
        Ok(End::Acknowledged)
    }

    /// Sets the copy mode and the range from a mode message's body (MSG-8). The error is EINVAL.
    fn set_mode(&mut self, family: Family, body: &[u8]) -> Result<(), i32> {
        let ModeRequest { mode, range } = ModeRequest::parse(body, self.law.abi).map_err(|_| errno::EINVAL)?;
        let queue = &mut self.queues[family as usize];
        match mode {
            CopyMode::None if !self.law.none_is_a_mode => return Err(errno::EINVAL),
            CopyMode::None => (queue.mode, queue.range) = (0, 0),
            CopyMode::Meta => (queue.mode, queue.range) = (1, 0),
            CopyMode::Packet => (queue.mode, queue.range) = (2, ((range & 0xffff_ffff) as u32).min(65_535)),
            CopyMode::Unknown(_) => return Err(errno::EINVAL),
        }
        Ok(())
    }

    /// Carries out a verdict message's body (VER-1 to VER-10). The error is EINVAL or ENOENT.
    fn verdict(&mut self, family: Family, body: &[u8]) -> Result<(), i32> {
        let (request, following) = VerdictRequest::parse(body, self.law.abi).map_err(|_| errno::EINVAL)?;
        // The verdict must be one that this kernel takes (VER-1).
        let known = match request.verdict {
            Verdict::Stolen => self.law.stolen_is_a_verdict,
            Verdict::Stop => self.law.stop_is_a_verdict,
            Verdict::Unknown(_) => false,
            _ => true,
        };
        if !known {
            return Err(errno::EINVAL);
        }
        // The verdict takes the packet out of the queue; an unknown id is ENOENT (VER-2, VER-3).
        let queue = &mut self.queues[family as usize];
        let place = queue
            .entries
            .iter()
            .position(|entry| entry.held.id == request.packet_id);
        let Entry { held, mut packet } = queue.entries.remove(place.ok_or(errno::ENOENT)?);
        // A payload replaces the packet, is ignored, or has the packet dropped (VER-5 to VER-7).
        let counts = request.data_len > 0 && request.data_len == following.len() as u64;
        let fixed_header = match family {
            Family::Ipv4 => 20,
            Family::Ipv6 => 40,
        };
        let grown_too_far = counts && following.len() > packet.bytes.len() && following.len() > 65_535;
        if counts && following.len() >= fixed_header && !grown_too_far {
            packet.bytes = following.to_vec();
        }
        // The packet goes on as the verdict says (VER-4).
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
                // After STOLEN, too, the packet is lost.
                _ => self.drop_packet(Reason::Verdict),
            }
        }
        // A re-queued packet takes its new entry before the old one is freed (PKT-9).
        self.ids.free(family, held);
        Ok(())
    }

    /// Queues a packet, or drops it (PKT-1 to PKT-9).
    pub(super) fn enqueue(&mut self, mut packet: Packet) {
        let family = packet.family;
        packet.note_route();
        if !self.queues[family as usize].loaded {
            return self.drop_packet(Reason::ModuleUnloaded);
        }
        let held = self.ids.take(family);
        match self.offer(held.id, &packet) {
            Ok(()) => self.queues[family as usize].entries.push(Entry { held, packet }),
            Err(reason) => {
                self.ids.free_refused(family, held);
                self.drop_packet(reason);
            }
        }
    }

    fn offer(&mut self, id: PacketId, packet: &Packet) -> Result<(), Reason> {
        let queue = &mut self.queues[packet.family as usize];
        // Whether the queue is full (PKT-2, ERA-6).
        let full = if self.law.maximum_is_signed {
            i128::from(queue.entries.len() as u64) >= i128::from(queue.maximum_length.cast_signed())
        } else {
            queue.entries.len() as u64 >= u64::from(queue.maximum_length)
        };
        // This kernel looks at the length before it looks for a peer (ERA-5).
        if full && self.law.full_is_noticed == FullIsNoticed::BeforePeer {
            return Err(Reason::QueueFull);
        }
        // Nobody listens (PKT-1).
        if queue.peer == 0 || queue.mode == 0 {
            return Err(Reason::NoListener);
        }
        if full && self.law.full_is_noticed == FullIsNoticed::BeforeDelivery {
            queue.dropped_when_full += 1;
            return Err(Reason::QueueFull);
        }
        // The number of bytes that are copied (PKT-4).
        let copied = match (queue.mode, queue.range as usize) {
            (1, _) => 0,
            (_, 0) => packet.bytes.len(),
            (_, range) => range.min(packet.bytes.len()),
        };
        // The PACKET frame (WIRE-4, WIRE-5).
        let head = packet.metadata(id, &self.law).head(self.law.abi, copied);
        let mut frame = [&head[..], &packet.bytes[..copied]].concat();
        frame.resize(frame.len() + padding(frame.len()), 0);
        // A frame that can't be delivered drops the packet (PKT-3).
        let peer = queue.peer;
        if let Err(undelivered) = self.deliver(packet.family, peer, frame) {
            self.queues[packet.family as usize].dropped_undelivered += 1;
            if undelivered == Undelivered::Nobody && self.law.death_is_noticed_late {
                self.reset(packet.family, Reason::PeerClosed);
                self.queues[packet.family as usize].peer_died = true;
                return Err(Reason::PeerClosed);
            }
            return Err(Reason::Undeliverable);
        }
        if full { Err(Reason::QueueFull) } else { Ok(()) }
    }
}
