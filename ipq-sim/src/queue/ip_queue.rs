//! The queue of `ip_queue` (for IPv4) and that of `ip6_queue` (for IPv6), as a state machine
//! without I/O.
//!
//! The caller passes in messages from programs, packets, and the closing of sockets. A packet's
//! frame goes to a function that the caller passes with the packet. Answers, and packets that leave
//! the queue, are returned. The two families' queues are independent of each other (EVT-3). Only,
//! on some kernels the packet ids in one depend on what happens in the other (ERA-17).
//!
//! The queue keeps an item of type `T` for each queued packet, and returns it when the packet
//! leaves the queue. It never looks into the item.

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
    /// `true` if the peer's socket was found to be gone, and no peer has attached since then.
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
    /// `true` if the peer's socket was found to be gone, and no peer has attached since then.
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

/// What a message to a queue leads to. The caller carries it out.
pub(crate) struct Outcome<'a, T> {
    /// The packet of a verdict, if the message is a verdict that was accepted. The caller carries
    /// the verdict out before it sends the answer.
    pub(crate) released: Option<Released<'a>>,
    /// The items of the packets that the message made the queue drop, oldest first, as when a new
    /// peer takes the queue over.
    pub(crate) flushed: Vec<T>,
    /// The answer to the message, from which [`reply`](IpQueue::reply) makes a frame. `None` if the
    /// message gets no answer.
    pub(crate) answer: Option<Answer<'a>>,
}

/// The answer to a message: an error number, or 0 for success, and the message that it quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    errno: Errno,
    header: Header,
    /// The bytes of the message that is answered: as many as its header states, but at least the
    /// header, and at most the whole datagram.
    message: &'a [u8],
}

/// A queued packet whose verdict was accepted, and that verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released<'a> {
    /// The packet's entry. The caller first [takes the packet out](IpQueue::take), then carries the
    /// verdict out, and only then [frees the entry](IpQueue::free). So a packet that the verdict
    /// queues again gets a new id before its old one is free (PKT-9).
    pub(crate) slot: Slot,
    pub(crate) packet_id: PacketId,
    pub(crate) verdict: Verdict,
    /// The payload of the verdict, which is to replace all bytes of the packet (VER-5). The caller
    /// checks if it is too short or too long (VER-6, VER-7). `None` if the verdict leaves the bytes
    /// as they are.
    pub(crate) replacement: Option<&'a [u8]>,
}

/// The reason why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no peer, or the queue's mode is NONE (PKT-1).
    NoListener,
    /// The queue already has as many packets as its maximum length (PKT-2). On Linux 2.4.32 the
    /// peer has got the packet's frame nevertheless (ERA-5).
    Full,
    /// The peer's socket did not take the frame, as when its receive buffer is full, or no socket
    /// has the peer's port id (PKT-3).
    Undeliverable,
    /// No socket has the peer's port id, on a kernel that notices a closed socket only when it next
    /// sends a frame there. The caller must then call [`peer_lost`](IpQueue::peer_lost).
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

    /// Returns the queue of a module that was unloaded and is loaded again: no peer, mode NONE, the
    /// maximum length of `profile`, and counters at 0. It keeps the old queue's entries, so that
    /// packet ids continue as those of a kernel's allocator do (PKT-9).
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

    /// Sets `peer_died` in a queue that was just made, as if an earlier peer had been found to be
    /// gone.
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

    /// Offers a packet to the queue. Gives the packet an entry and an id, and calls `deliver` with
    /// the peer's port id and the packet's frame, unless the packet is refused before that. If the
    /// packet is to be queued, returns its entry, in which the caller must [`keep`](Self::keep) the
    /// packet's item. Otherwise frees the entry and fails with the reason.
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

    /// Returns the item of the queued packet with this id. Returns `None` if no queued packet has
    /// it.
    pub(crate) fn queued(&self, packet_id: PacketId) -> Option<&T> {
        self.entries.get(self.entries.find(packet_id)?)
    }

    /// Puts a packet's item into the entry that [`offer`](Self::offer) returned, so that the packet
    /// is queued.
    pub(crate) fn keep(&mut self, slot: Slot, item: T) {
        self.entries.link(slot, item);
    }

    /// Checks if a packet can be queued, and calls `deliver` with its frame. It can be if there is
    /// a listener, the queue is not full, and `deliver` succeeds. The kernel's rules decide when
    /// the queue is checked for being full: before all else, after the check for a listener, or
    /// after the delivery. Counts a packet that finds the queue full, or whose frame can't be
    /// delivered, in the counter for that. One without a listener, or with a lost peer, is not
    /// counted. Seeded faults change what is counted.
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

    /// Returns `true` if the queue has fewer packets than its maximum length (PKT-2). `rules` can
    /// hold a seeded fault that allows one more.
    pub(crate) fn has_room(&self, rules: &Queueing) -> bool {
        !self.is_full(rules)
    }

    /// Returns `true` if the queue has at least as many packets as its maximum length (PKT-2).
    /// `rules` say if that length is compared as a signed number, and can hold a seeded fault that
    /// allows one more.
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

    /// Returns the number of bytes of a packet that its frame carries, from the packet's `length`.
    /// In mode META that is 0. In mode PACKET it is the smaller of `length` and the range, or
    /// `length` if the range is 0 (PKT-4). `copied` can be a seeded fault that copies another
    /// number.
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

    /// Handles the first message in a datagram from a program: checks it in the kernel's order, and
    /// carries it out if it passes (MSG-1 to MSG-11). Returns what is left to the caller: to carry
    /// out a verdict, to drop the packets that left the queue, and to send an answer.
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

    /// Handles a message whose header passed its checks. Checks the sender's capability (MSG-5),
    /// [attaches](Self::attach) the port id in the header (MSG-6), and then carries out the body.
    /// Adds the items of packets that are dropped to `flushed`. Fails with the error number of the
    /// answer. The peer stays even if the body is then refused (ATT-2). Seeded faults change some
    /// of this.
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

    /// Makes `port_id` the peer, and returns the peer before that, or 0 if there was none (MSG-6,
    /// ATT-2). If the peer before is another one, the kernel's rule decides: `port_id` replaces it,
    /// or this fails with EBUSY and changes nothing (ATT-3). Adds the items of packets that a
    /// replacement drops to `flushed`.
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

    /// Carries out the body of a message from the peer (MSG-7 to MSG-9): sets the mode, or finds
    /// the packet of a verdict. Fails with the error number of the answer if the body is refused,
    /// as one of type PACKET is.
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

    /// Sets the copy mode and the range that a message asks for. The range becomes 0 in modes NONE
    /// and META, and at most 65535 in mode PACKET. Fails with EINVAL, and changes nothing, if the
    /// mode is unknown (MSG-8), and on some kernels if it is NONE (ERA-11).
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

    /// Returns the queued packet that a verdict is for, and the payload that replaces its bytes, if
    /// there is one (VER-1 to VER-3, VER-5). Leaves the packet in the queue. Fails with EINVAL if
    /// the kernel refuses the verdict's value, and with ENOENT if no queued packet has the packet
    /// id. One seeded fault returns `None` instead of ENOENT, and others change the checks.
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

    /// Takes the item out of an entry, so that its packet is no longer queued. Returns the item, or
    /// `None` if the entry had none. The entry stays allocated until [`free`](Self::free).
    pub(crate) fn take(&mut self, slot: Slot) -> Option<T> {
        self.entries.unlink(slot)
    }

    /// Frees the entry of a packet, after the verdict on the packet was carried out.
    pub(crate) fn free(&mut self, slot: Slot, records: &mut Records) {
        self.entries.release(slot, records);
    }

    /// Resets the queue if its peer is `port_id`, whose socket was closed (ATT-4). Returns the
    /// items of the packets that were queued, oldest first. If the peer is another one, changes
    /// nothing and returns an empty list.
    pub(crate) fn socket_closed(&mut self, port_id: PortId, records: &mut Records) -> Vec<T> {
        if self.peer == port_id {
            self.reset(records)
        } else {
            Vec::new()
        }
    }

    /// Resets the queue: removes the peer and all packets, and sets mode NONE and range 0. The
    /// counters of dropped packets stay. Returns the packets' items, oldest first.
    pub(crate) fn reset(&mut self, records: &mut Records) -> Vec<T> {
        (self.peer, self.mode, self.range) = (PortId::KERNEL, CopyMode::None, 0);
        self.flush(records)
    }

    /// Takes all packets out and frees their entries. Returns the packets' items, oldest first.
    fn flush(&mut self, records: &mut Records) -> Vec<T> {
        self.entries.take_if(records, |_| true)
    }

    /// Resets the queue because its peer's socket was found to be gone, and notes that in
    /// `peer_died`. Returns the items of the packets that were queued, oldest first.
    pub(crate) fn peer_lost(&mut self, records: &mut Records) -> Vec<T> {
        self.peer_died = true;
        self.reset(records)
    }

    /// Makes `port_id` the peer and sets mode META, though no message came. Only a seeded fault
    /// calls this.
    pub(crate) fn attach_silently(&mut self, port_id: PortId) {
        (self.peer, self.mode) = (port_id, CopyMode::Meta);
    }

    /// Takes every packet whose item meets the condition out of the queue, and frees its entry, as
    /// when a device goes down (EVT-1). Returns these items, oldest first.
    pub(crate) fn take_if(&mut self, records: &mut Records, condition: impl Fn(&T) -> bool) -> Vec<T> {
        self.entries.take_if(records, condition)
    }

    /// Makes the `NLMSG_ERROR` frame of an answer (ERR-1 to ERR-3). Returns the port id that it
    /// goes to, and the frame.
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

/// The outcome of a message whose body was not refused.
enum Obeyed<'a> {
    /// The message's body had no effect, and the message gets no answer even if it asked for one.
    /// Only a seeded fault treats a message of type PACKET so.
    Silently,
    /// The message was accepted. It gets an acknowledgement if it asked for one (MSG-10). For a
    /// verdict, holds the packet that it is for; for a mode, `None`. A seeded fault gives `None`
    /// for a verdict on an unknown packet, too.
    Successfully(Option<Released<'a>>),
}

#[cfg(test)]
mod tests;
