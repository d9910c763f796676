//! `ip_queue`'s and `ip6_queue`'s queue: a state machine without I/O.
//!
//! Messages, packets, device events and socket closings go in. Each frame for a port id goes to a
//! function that the caller passes. Answers, and the packets that a verdict released, come out as
//! return values. Each family has a queue of its own. The two share nothing (EVT-3), but on some
//! kernels the memory that packet ids are addresses of.
//!
//! The queue keeps an item `T` for each packet, which it never looks at, and gives it back.

use super::PacketDetails;
use super::entries::{Entries, IdReuse, Ids, Slot};
use super::records::Records;
use crate::behaviour::{
    Acknowledged, Answerable, Behaviour, BodyLength, Capability, CheckedFirst, Copied, Counted, Effect, ErrorSign,
    FullAt, ModeBody, ModeChange, ModeNone, ModeNoneRequest, Payload, PeerCheck, PeerKnownBy, PeerLoss, Queueing,
    Quote, RangeCut, RecordPools, RefusedBody, Replies, ReplySequence, ReplyTo, Requests, SecondPeer, Signedness,
    StatedLength, Verdicts, WhenFull,
};
use crate::netlink::{Datagram, Undelivered};
use crate::profile::Profile;
use bytes::Bytes;
use ipq_core::wire::{
    Abi, CopyMode, Envelope, ErrorMessage, Flags, Header, MessageType, ModeRequest, PacketMetadata, Response, Screened,
    VerdictRequest, screen,
};
use ipq_core::{Errno, Family, Mark, PacketId, PortId, Verdict};

/// The largest copy range, in bytes.
const LONGEST: u32 = 0xffff;

/// The queue of one family, with its peer, its copy mode and its packets.
pub(crate) struct IpQueue<T> {
    abi: Abi,
    peer: PortId,
    /// `true` if the last peer was found to be gone, and nobody has attached since.
    peer_died: bool,
    mode: CopyMode,
    range: u32,
    maximum_length: u32,
    dropped_when_full: u32,
    dropped_undelivered: u32,
    entries: Entries<T>,
}

/// The state of a queue as the /proc text shows it (PROC-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) peer: PortId,
    /// `true` if the last peer was found to be gone, and nobody has attached since.
    pub(crate) peer_died: bool,
    pub(crate) mode: CopyMode,
    pub(crate) range: u32,
    pub(crate) length: usize,
    pub(crate) maximum_length: u32,
    pub(crate) dropped_when_full: u32,
    pub(crate) dropped_undelivered: u32,
}

/// The sender of a message: its socket's port id, and `true` if its program has `CAP_NET_ADMIN`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) port_id: PortId,
    pub(crate) net_admin: bool,
}

/// The outcome of a message to a queue.
pub(crate) struct Outcome<'a, T> {
    /// The packet that the message gave a verdict on. It goes on before the answer is sent.
    pub(crate) released: Option<Released<'a>>,
    /// The items of the packets that the message made the queue drop, oldest first.
    pub(crate) flushed: Vec<T>,
    /// The answer to the message, if there is one, for [`reply`](IpQueue::reply).
    pub(crate) answer: Option<Answer<'a>>,
}

/// The answer to a message: its error number, or 0 for success, and what it quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    errno: Errno,
    header: Header,
    /// The message that is answered, up to its header's length.
    message: &'a [u8],
}

/// A queued packet, and the verdict on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released<'a> {
    /// The packet's entry. The caller must [take the packet out](IpQueue::take) at once, and [free
    /// the entry](IpQueue::free) only when the packet has gone on. So a packet that is queued again
    /// takes its new entry before the old one is free (PKT-9).
    pub(crate) slot: Slot,
    pub(crate) packet_id: PacketId,
    pub(crate) verdict: Verdict,
    /// The bytes that replace the packet's: the verdict's payload (VER-5). `None` leaves the packet
    /// as it is.
    pub(crate) replacement: Option<&'a [u8]>,
}

/// The reason why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no peer, or the queue's mode is NONE (PKT-1).
    NoListener,
    /// The queue has at least as many packets as its maximum length allows (PKT-2). Linux 2.4.32
    /// has delivered the frame all the same (ERA-5).
    Full,
    /// The peer's socket did not take the frame, or no socket has the peer's port id (PKT-3).
    Undeliverable,
    /// No socket has the peer's port id, on a kernel that notices that only at the next packet. The
    /// caller must reset the queue with [`peer_lost`](IpQueue::peer_lost).
    PeerLost,
}

impl<T> IpQueue<T> {
    pub(crate) fn new(family: Family, profile: &Profile, reuse: IdReuse) -> Self {
        // Families that share a pool of entries have ids of one range.
        let pool = match profile.behaviour.queueing.record_pools {
            RecordPools::Shared => Family::Ipv4,
            RecordPools::OfEachFamily | RecordPools::WithNotes(_) => family,
        };
        let ids = Ids {
            first: profile.first_entry[pool],
            family,
            stride: profile.entry_bytes,
            word: profile.abi.word,
            reuse,
        };
        Self::with_entries(profile, Entries::new(ids))
    }

    /// Returns the new queue of a module that is loaded again: no peer, no packets, and counters at
    /// 0. It goes on with the packet ids of the old one, since those come from an allocator of the
    /// kernel (PKT-9).
    pub(crate) fn renewed(self, profile: &Profile) -> Self {
        Self::with_entries(profile, self.entries)
    }

    const fn with_entries(profile: &Profile, entries: Entries<T>) -> Self {
        Self {
            abi: profile.abi,
            peer: PortId::KERNEL,
            peer_died: false,
            mode: CopyMode::None,
            range: 0,
            maximum_length: profile.queue_length,
            dropped_when_full: 0,
            dropped_undelivered: 0,
            entries,
        }
    }

    /// Makes the queue begin as if its last peer had been found to be gone.
    pub(crate) fn begin_with_a_dead_peer(&mut self) {
        self.peer_died = true;
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            peer: self.peer,
            peer_died: self.peer_died,
            mode: self.mode,
            range: self.range,
            length: self.entries.len(),
            maximum_length: self.maximum_length,
            dropped_when_full: self.dropped_when_full,
            dropped_undelivered: self.dropped_undelivered,
        }
    }

    pub(crate) fn has_peer(&self) -> bool {
        self.peer != PortId::KERNEL
    }

    pub(crate) fn has_listener(&self) -> bool {
        self.has_peer() && self.mode != CopyMode::None
    }

    /// Sets the maximum length, in packets (PKT-2).
    pub(crate) fn set_maximum_length(&mut self, length: u32) {
        self.maximum_length = length;
    }

    /// Offers a packet to the peer: gives the packet an entry and an id, and calls `deliver` with
    /// the peer's port id and the packet's frame, unless the packet is refused before that. Returns
    /// the entry, in which the caller must [`keep`](Self::keep) the packet's item. If the packet is
    /// not queued, frees the entry and fails with the reason.
    pub(crate) fn offer(
        &mut self,
        details: PacketDetails,
        packet: &Bytes,
        behaviour: &Behaviour,
        records: &mut Records,
        deliver: impl FnOnce(PortId, Datagram) -> Result<(), Undelivered>,
    ) -> Result<Slot, Refusal> {
        let (slot, packet_id) = self.entries.allocate(records);
        let metadata = metadata(packet_id, details);
        match self.deliver(metadata, packet, behaviour, deliver) {
            Ok(()) => Ok(slot),
            Err(refusal) => {
                self.entries.release_refused(slot, records);
                Err(refusal)
            }
        }
    }

    /// Returns the item of the queued packet with that id. Returns `None` if there is none.
    pub(crate) fn queued(&self, packet_id: PacketId) -> Option<&T> {
        self.entries.get(self.entries.find(packet_id)?)
    }

    /// Puts the item of a packet that [`offer`](Self::offer) accepted into the entry that it
    /// returned.
    pub(crate) fn keep(&mut self, slot: Slot, item: T) {
        self.entries.link(slot, item);
    }

    /// Checks if a packet can be queued, and delivers its frame to the peer. As the kernel does,
    /// checks for a full queue before all else, after the check for a peer and a mode, or after the
    /// delivery. Counts the packet as dropped if the queue is full or the frame can't be delivered,
    /// but not if there is no listener or the peer is found to be lost.
    fn deliver(
        &mut self,
        metadata: PacketMetadata,
        packet: &Bytes,
        behaviour: &Behaviour,
        deliver: impl FnOnce(PortId, Datagram) -> Result<(), Undelivered>,
    ) -> Result<(), Refusal> {
        let rules = &behaviour.queueing;
        if rules.when_full == WhenFull::DroppedFirst && self.is_full(rules) {
            return Err(self.refuse_when_full());
        }
        let listens = self.has_listener() || (self.has_peer() && rules.mode_none == ModeNone::Queues);
        if !listens {
            let counted = u32::from(rules.no_listener == Counted::Counted);
            self.dropped_when_full = self.dropped_when_full.wrapping_add(counted);
            return Err(Refusal::NoListener);
        }
        if rules.when_full == WhenFull::Dropped && self.is_full(rules) {
            return Err(self.refuse_when_full());
        }
        let length = self.copy_length(packet.len(), rules.copied);
        let payload = packet.slice(..length);
        let head = metadata.head(self.abi, payload.len());
        match deliver(self.peer, Datagram::from_kernel(head, payload)) {
            Ok(()) => {}
            Err(Undelivered::NoSocket) if behaviour.attaching.peer_loss == PeerLoss::AtNextPacket => {
                return Err(Refusal::PeerLost);
            }
            Err(_) => {
                let counted = u32::from(rules.undeliverable == Counted::Counted);
                self.dropped_undelivered = self.dropped_undelivered.wrapping_add(counted);
                return Err(Refusal::Undeliverable);
            }
        }
        if rules.when_full == WhenFull::DeliveredAndDropped && self.is_full(rules) {
            return Err(self.refuse_when_full());
        }
        Ok(())
    }

    /// Returns `true` if the queue is not full (PKT-2).
    pub(crate) fn has_room(&self, rules: &Queueing) -> bool {
        !self.is_full(rules)
    }

    /// Returns `true` if the queue has at least as many packets as its maximum length allows
    /// (PKT-2).
    fn is_full(&self, rules: &Queueing) -> bool {
        let maximum = match rules.maximum_length {
            Signedness::Unsigned => i64::from(self.maximum_length),
            Signedness::Signed => i64::from(self.maximum_length.cast_signed()),
        };
        let room = match rules.full_at {
            FullAt::Maximum => maximum,
            FullAt::OneMore => maximum + 1,
        };
        i64::try_from(self.entries.len()).unwrap_or(i64::MAX) >= room
    }

    fn refuse_when_full(&mut self) -> Refusal {
        self.dropped_when_full = self.dropped_when_full.wrapping_add(1);
        Refusal::Full
    }

    /// Returns the number of bytes that are copied into the frame of a packet of `length` bytes: 0
    /// in mode META, and in mode PACKET at most the range, where 0 stands for all (PKT-4).
    fn copy_length(&self, length: usize, copied: Copied) -> usize {
        let range = self.range as usize;
        match (self.mode, copied) {
            (CopyMode::Packet, Copied::ZeroCopiesNothing) if range == 0 => 0,
            (CopyMode::Packet, Copied::WideCopiesNothing) if range >= length => 0,
            (CopyMode::Packet, Copied::OneMore) if range > 0 => length.min(range + 1),
            (CopyMode::Packet, _) if range > 0 => length.min(range),
            (CopyMode::Packet, _) | (CopyMode::Meta, Copied::MetaCopiesAll) => length,
            _ => 0,
        }
    }

    /// Checks a datagram's first message from userspace in the kernel's order, and obeys it (MSG-1
    /// to MSG-11). Returns what the caller must do: let the packet of a verdict go on, drop packets
    /// of a flushed queue, and send an answer.
    pub(crate) fn request<'a>(
        &mut self,
        datagram: &'a [u8],
        sender: Sender,
        behaviour: &Behaviour,
        records: &mut Records,
    ) -> Outcome<'a, T> {
        let mut outcome = Outcome {
            released: None,
            flushed: Vec::new(),
            answer: None,
        };
        let rules = &behaviour.requests;
        let respond = |objection| rules.response(objection);
        let (header, result) = match screen(datagram, datagram.len(), self.abi, respond) {
            Screened::Ignored => return outcome,
            Screened::Refused(header, errno) => (header, Err(errno)),
            Screened::Passed(header) => {
                let flushed = &mut outcome.flushed;
                let result = self.obey(header, datagram, sender, behaviour, records, flushed);
                (header, result)
            }
        };
        let errno = match result {
            Ok(Obeyed::Silently) => return outcome,
            Ok(Obeyed::Successfully(released)) => {
                outcome.released = released;
                if !header.flags.contains(Flags::ACK) && rules.acknowledged == Acknowledged::IfAsked {
                    return outcome;
                }
                Errno(0)
            }
            Err(errno) => errno,
        };
        let end = (header.length as usize).max(Header::BYTES).min(datagram.len());
        outcome.answer = Some(Answer {
            errno,
            header,
            message: &datagram[..end],
        });
        outcome
    }

    /// Checks the capability and the peer (MSG-5, MSG-6), makes the message's port id the peer, and
    /// then obeys the body. Adds the items of packets that the queue drops to `flushed`. Fails with
    /// the error number of the answer. The peer stays even if the body is refused (ATT-2).
    fn obey<'a>(
        &mut self,
        header: Header,
        datagram: &'a [u8],
        sender: Sender,
        behaviour: &Behaviour,
        records: &mut Records,
        flushed: &mut Vec<T>,
    ) -> Result<Obeyed<'a>, Errno> {
        let Behaviour {
            attaching, requests, ..
        } = behaviour;
        let is_verdict = header.message_type == MessageType::Verdict;
        let needs_capability = match attaching.capability {
            Capability::ForEveryMessage => true,
            Capability::ExceptForVerdicts => !is_verdict,
            Capability::ForNothing => false,
        };
        if needs_capability && !sender.net_admin {
            return Err(Errno::EPERM);
        }
        let end = match requests.body_length {
            BodyLength::Header => header.length as usize,
            BodyLength::Datagram => datagram.len(),
        };
        let body = datagram.get(Header::BYTES..end).unwrap_or_default();
        if requests.peer_check == PeerCheck::AfterBodyLength && body.len() < self.abi.request_bytes() {
            return Err(Errno::EINVAL);
        }
        let port_id = match attaching.peer_known_by {
            PeerKnownBy::Header => header.port_id,
            PeerKnownBy::Socket => sender.port_id,
        };
        let previous = self.attach(port_id, attaching.second_peer, records, flushed)?;
        let result = self.obey_body(header.message_type, body, behaviour, records, flushed);
        if result.is_err() && attaching.refused_body == RefusedBody::AttachesNobody {
            self.peer = previous;
        }
        result
    }

    /// Makes `port_id` the peer if there is no other peer (MSG-6, ATT-2). If there is another, the
    /// kernel's rule decides: fails with EBUSY, or `port_id` takes the queue over (ATT-3). Adds the
    /// items of packets that a takeover drops to `flushed`. Returns the previous peer; 0 if there
    /// was none.
    fn attach(
        &mut self,
        port_id: PortId,
        second_peer: SecondPeer,
        records: &mut Records,
        flushed: &mut Vec<T>,
    ) -> Result<PortId, Errno> {
        if self.has_peer() && self.peer != port_id {
            match second_peer {
                SecondPeer::Refused => return Err(Errno::EBUSY),
                SecondPeer::TakesOver => flushed.extend(self.flush(records)),
                SecondPeer::TakesOverPackets => {}
                SecondPeer::TakesOverAnew => flushed.extend(self.reset(records)),
            }
        }
        self.peer_died = false;
        Ok(std::mem::replace(&mut self.peer, port_id))
    }

    /// Obeys the body of a message whose header and sender were accepted (MSG-7 to MSG-9). Fails
    /// with the error number of the answer.
    fn obey_body<'a>(
        &mut self,
        message_type: MessageType,
        body: &'a [u8],
        behaviour: &Behaviour,
        records: &mut Records,
        flushed: &mut Vec<T>,
    ) -> Result<Obeyed<'a>, Errno> {
        let rules = &behaviour.requests;
        match message_type {
            MessageType::Mode => {
                if rules.mode_body == ModeBody::ExactlyUnion && body.len() > self.abi.request_bytes() {
                    return Err(Errno::EINVAL);
                }
                let request = ModeRequest::parse(body, self.abi).map_err(|_| Errno::EINVAL)?;
                self.set_mode(request, rules)?;
                if rules.mode_change == ModeChange::DropsPackets {
                    flushed.extend(self.flush(records));
                }
                Ok(Obeyed::Successfully(None))
            }
            MessageType::Verdict => {
                let (request, following) = VerdictRequest::parse(body, self.abi).map_err(|_| Errno::EINVAL)?;
                let released = self.judge(request, following, &behaviour.verdicts)?;
                Ok(Obeyed::Successfully(released))
            }
            _ => match rules.packet_type {
                Response::Refuse(errno) => Err(errno),
                Response::Ignore | Response::Overlook => Ok(Obeyed::Silently),
            },
        }
    }

    /// Sets the copy mode and the range: 0 in modes NONE and META, and in mode PACKET at most
    /// 65535. Fails with EINVAL for an unknown mode, and on some kernels for NONE (MSG-8).
    fn set_mode(&mut self, request: ModeRequest, rules: &Requests) -> Result<(), Errno> {
        let range = match request.mode {
            CopyMode::None if rules.mode_none == ModeNoneRequest::Refused => return Err(Errno::EINVAL),
            CopyMode::None | CopyMode::Meta => 0,
            CopyMode::Packet => match rules.range_cut {
                RangeCut::To32BitsThenClamped => (request.range as u32).min(LONGEST),
                RangeCut::ClampedAtFullWidth => request.range.min(u64::from(LONGEST)) as u32,
            },
            CopyMode::Unknown(_) => return Err(Errno::EINVAL),
        };
        (self.mode, self.range) = (request.mode, range);
        Ok(())
    }

    /// Returns the packet that a verdict is for, and the replacement that the verdict brings (VER-1
    /// to VER-3, VER-5). Leaves the packet in the queue. Fails with EINVAL for a value that is
    /// refused, and with ENOENT for a packet id that no queued packet has. Returns `None` if a
    /// seeded fault ignores such an id.
    fn judge<'a>(
        &self,
        request: VerdictRequest,
        following: &'a [u8],
        rules: &Verdicts,
    ) -> Result<Option<Released<'a>>, Errno> {
        let found = self.entries.find(request.packet_id);
        if rules.checked_first == CheckedFirst::PacketId && found.is_none() {
            return Err(Errno::ENOENT);
        }
        if rules.effect(request.verdict) == Effect::Refused {
            return Err(Errno::EINVAL);
        }
        let found = match rules.answerable {
            Answerable::Any => found,
            Answerable::Oldest => found.filter(|slot| self.entries.is_oldest(*slot)),
        };
        let Some(slot) = found else {
            return match rules.unknown_id {
                Response::Refuse(errno) => Err(errno),
                Response::Ignore | Response::Overlook => Ok(None),
            };
        };
        let replacement = match rules.payload {
            Payload::OfStatedLength => request.replacement(following),
            Payload::OfAnyLength => Some(following).filter(|following| !following.is_empty()),
        };
        Ok(Some(Released {
            slot,
            packet_id: request.packet_id,
            verdict: request.verdict,
            replacement,
        }))
    }

    /// Takes a packet out of the queue. Returns its item, or `None` if the entry has no packet. The
    /// entry stays allocated until [`free`](Self::free).
    pub(crate) fn take(&mut self, slot: Slot) -> Option<T> {
        self.entries.unlink(slot)
    }

    /// Frees the entry of a packet that a verdict released, when the packet has gone on.
    pub(crate) fn free(&mut self, slot: Slot, records: &mut Records) {
        self.entries.release(slot, records);
    }

    /// Resets the queue if the peer has `port_id`, the port id of a closed socket. Returns the
    /// items of the packets that were queued, oldest first (ATT-4). Otherwise changes nothing and
    /// returns none.
    pub(crate) fn socket_closed(&mut self, port_id: PortId, records: &mut Records) -> Vec<T> {
        if self.peer == port_id {
            self.reset(records)
        } else {
            Vec::new()
        }
    }

    /// Resets the queue: no peer, mode NONE, range 0, no packets. The drop counters stay. Returns
    /// the items of the packets, oldest first.
    pub(crate) fn reset(&mut self, records: &mut Records) -> Vec<T> {
        (self.peer, self.mode, self.range) = (PortId::KERNEL, CopyMode::None, 0);
        self.flush(records)
    }

    /// Takes all packets out and frees their entries. Returns the packets' items, oldest first.
    fn flush(&mut self, records: &mut Records) -> Vec<T> {
        self.entries.take_if(records, |_| true)
    }

    /// Resets the queue after its peer was found to be gone, and notes that it died. Returns the
    /// items of the packets, oldest first.
    pub(crate) fn peer_lost(&mut self, records: &mut Records) -> Vec<T> {
        self.peer_died = true;
        self.reset(records)
    }

    /// Makes `port_id` the peer, in mode META, without a message. No kernel does this.
    pub(crate) fn attach_silently(&mut self, port_id: PortId) {
        (self.peer, self.mode) = (port_id, CopyMode::Meta);
    }

    /// Takes out the packets whose items meet the condition, as when a device goes down (EVT-1),
    /// and frees their entries. Returns the items, oldest first.
    pub(crate) fn take_if(&mut self, records: &mut Records, condition: impl Fn(&T) -> bool) -> Vec<T> {
        self.entries.take_if(records, condition)
    }

    /// Returns the `NLMSG_ERROR` frame of an answer, and the port id that the frame goes to (ERR-1
    /// to ERR-3).
    pub(crate) fn reply(&self, answer: Answer<'_>, sender: Sender, rules: Replies) -> (PortId, Datagram) {
        let Answer { errno, header, message } = answer;
        let quote = if errno == Errno(0) {
            rules.acknowledgement_quotes
        } else {
            rules.error_quotes
        };
        let header_bytes = header.write(self.abi);
        let quoted = match quote {
            Quote::Header => &header_bytes,
            Quote::Message => message,
        };
        let envelope = Envelope {
            sequence: match rules.sequence {
                ReplySequence::OfMessage => header.sequence,
                ReplySequence::Zero => 0,
            },
            port_id: sender.port_id,
            ..Envelope::default()
        };
        let error = match rules.sign {
            ErrorSign::Negative => -errno.0,
            ErrorSign::Positive => errno.0,
        };
        let stated = match rules.stated_length {
            StatedLength::Exact => quoted.len(),
            StatedLength::RoundedUp => quoted.len().next_multiple_of(4),
        };
        let head = ErrorMessage::head(error, self.abi, envelope, stated);
        let to = match rules.to {
            ReplyTo::SendingSocket => sender.port_id,
            ReplyTo::Header => header.port_id,
        };
        (to, Datagram::from_kernel(head, Bytes::copy_from_slice(quoted)))
    }
}

/// Returns the fields of a packet's PACKET frame, which has this packet id.
fn metadata(packet_id: PacketId, details: PacketDetails) -> PacketMetadata {
    PacketMetadata {
        packet_id,
        mark: Mark(details.mark.into()),
        timestamp: details.arrival_time.into(),
        hook: details.hook.into(),
        indev_name: details.indev,
        outdev_name: details.outdev,
        hw_protocol: details.protocol,
        hw_type: details.hw_type,
        hw_address: details.hw_address,
    }
}

/// The outcome of a message that is not answered with an error.
enum Obeyed<'a> {
    /// The message has no effect and is not acknowledged, even if that was asked for. Only a seeded
    /// fault treats a message so: one of type PACKET.
    Silently,
    /// The message was obeyed, and is acknowledged if that was asked for (MSG-10). A verdict
    /// releases this packet.
    Successfully(Option<Released<'a>>),
}

#[cfg(test)]
mod tests;
