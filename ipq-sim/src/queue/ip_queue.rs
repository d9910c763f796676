//! The emulated queue: a state machine without I/O.
//!
//! Messages, packets, device events and socket closings go in. What comes out is said by the return values: frames for a
//! port id, answers, and the packets that a verdict released. One such machine is the queue of one family; it shares
//! nothing with the other's (EVT-3).
//!
//! What is queued is of no concern to it: it keeps an item `T` for whoever queues, and gives it back.

use crate::distortion;
use crate::fault::{Fault, Faults};
use crate::netlink::Datagram;
use crate::profile::Profile;
use crate::queue::entries::{Entries, IdReuse, Ids, Slot};
use bytes::Bytes;
use ipq_core::wire::{
    Abi, CopyMode, Envelope, ErrorMessage, Frame, Header, MessageType, ModeRequest, PacketMetadata, VerdictRequest,
};
use ipq_core::{Errno, Family, PacketId, PortId, Verdict};

/// The most bytes of a packet that a peer can ask for, and the longest packet there is.
const LONGEST: u32 = 0xffff;

/// The queue of one family.
pub(crate) struct Queue<T> {
    abi: Abi,
    peer: PortId,
    mode: CopyMode,
    range: u32,
    maximum_length: u32,
    dropped_when_full: u32,
    dropped_undelivered: u32,
    entries: Entries<T>,
}

/// What the /proc text says (PROC-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) peer: PortId,
    pub(crate) mode: CopyMode,
    pub(crate) range: u32,
    pub(crate) length: usize,
    pub(crate) maximum_length: u32,
    pub(crate) dropped_when_full: u32,
    pub(crate) dropped_undelivered: u32,
}

/// Who sent a message: the socket's own port id, and whether its program holds `CAP_NET_ADMIN`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) port_id: PortId,
    pub(crate) net_admin: bool,
}

/// What came of a message.
pub(crate) struct Outcome<'a> {
    /// A packet that a verdict is for. It goes on before the reply is sent.
    pub(crate) released: Option<Released<'a>>,
    /// Whether it set the mode.
    pub(crate) mode_set: bool,
    /// What there is to [reply](Queue::reply).
    pub(crate) answer: Option<Answer<'a>>,
}

/// What a message is answered with: 0 or an error, and what is quoted of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    errno: Errno,
    header: Header,
    quoted: &'a [u8],
}

/// A queued packet, and the verdict that is for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released<'a> {
    /// To be [taken out](Queue::take) at once, and [freed](Queue::free) when the packet has gone on: a re-queue takes its new
    /// entry first (PKT-9).
    pub(crate) slot: Slot,
    pub(crate) packet_id: PacketId,
    pub(crate) verdict: Verdict,
    /// The payload of the verdict, if it is a replacement (VER-5).
    pub(crate) replacement: Option<&'a [u8]>,
}

/// Why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no peer, or it wants nothing (PKT-1).
    NoListener,
    /// The queue is at its maximum length (PKT-2).
    Full,
    /// The frame could not be delivered (PKT-3).
    Undeliverable,
}

impl<T> Queue<T> {
    pub(crate) fn new(family: Family, profile: &Profile, reuse: IdReuse) -> Self {
        let ids = Ids {
            first: profile.first_entry[family as usize],
            family,
            stride: profile.entry_bytes,
            word: profile.abi.word,
            reuse,
        };
        Self::with_entries(profile, Entries::new(ids))
    }

    /// The queue of a module that is loaded anew: nothing of it is as it was but where ids come from, which is an allocator
    /// of the kernel's (PKT-9).
    pub(crate) fn renewed(self, profile: &Profile) -> Self {
        Self::with_entries(profile, self.entries)
    }

    const fn with_entries(profile: &Profile, entries: Entries<T>) -> Self {
        Self {
            abi: profile.abi,
            peer: PortId::KERNEL,
            mode: CopyMode::None,
            range: 0,
            maximum_length: profile.queue_length,
            dropped_when_full: 0,
            dropped_undelivered: 0,
            entries,
        }
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            peer: self.peer,
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

    /// Sets the maximum length, which is compared as unsigned (PKT-2).
    pub(crate) fn set_maximum_length(&mut self, length: u32) {
        self.maximum_length = length;
    }

    /// Offers a packet to the peer: makes its frame and has it delivered, under an id that overwrites `metadata`'s (section
    /// 5). On success the packet has a slot, and the caller must [`keep`](Self::keep) its state there until the verdict.
    pub(crate) fn offer(
        &mut self,
        metadata: PacketMetadata,
        packet: &Bytes,
        faults: &Faults,
        deliver: impl FnOnce(PortId, Datagram) -> bool,
    ) -> Result<Slot, Refusal> {
        let (slot, packet_id) = self.entries.allocate();
        let metadata = PacketMetadata { packet_id, ..metadata };
        match self.deliver(metadata, packet, faults, deliver) {
            Ok(()) => Ok(slot),
            Err(refusal) => {
                self.free(slot, faults);
                Err(refusal)
            }
        }
    }

    /// What is kept of the queued packet with that id.
    pub(crate) fn queued(&self, packet_id: PacketId) -> Option<&T> {
        self.entries.get(self.entries.find(packet_id)?)
    }

    /// Queues what belongs to a packet that was offered and taken.
    pub(crate) fn keep(&mut self, slot: Slot, item: T) {
        self.entries.link(slot, item);
    }

    /// The checks of a packet, in the kernel's order, and its delivery.
    fn deliver(
        &mut self,
        metadata: PacketMetadata,
        packet: &Bytes,
        faults: &Faults,
        deliver: impl FnOnce(PortId, Datagram) -> bool,
    ) -> Result<(), Refusal> {
        let listens_without_a_mode = self.has_peer() && faults.seeded(Fault::NoneQueues);
        if !self.has_listener() && !listens_without_a_mode {
            self.dropped_when_full += u32::from(faults.seeded(Fault::NoListenerCounted));
            return Err(Refusal::NoListener);
        }
        let room = u64::from(self.maximum_length) + u64::from(faults.seeded(Fault::MaximumExceeded));
        let below = faults.seeded(Fault::MaximumHasSign) && self.maximum_length.cast_signed() < 0;
        if self.entries.len() as u64 >= room || below {
            self.dropped_when_full = self.dropped_when_full.wrapping_add(1);
            return Err(Refusal::Full);
        }
        let length = self.copy_length(packet.len(), faults);
        let frame = packet_frame(metadata, packet.slice(..length), self.abi, faults);
        if !deliver(self.peer, frame) {
            self.dropped_undelivered = self
                .dropped_undelivered
                .wrapping_add(u32::from(!faults.seeded(Fault::UndeliverableUncounted)));
            return Err(Refusal::Undeliverable);
        }
        Ok(())
    }

    /// How many bytes of a packet are handed over (PKT-4).
    fn copy_length(&self, length: usize, faults: &Faults) -> usize {
        match (self.mode, self.range as usize) {
            (CopyMode::Packet, 0) if faults.seeded(Fault::RangeZeroCopiesNothing) => 0,
            (CopyMode::Packet, 0) => length,
            (CopyMode::Packet, range) if range >= length && faults.seeded(Fault::WideRangeCopiesNothing) => 0,
            (CopyMode::Packet, range) if faults.seeded(Fault::RangeExceeded) => length.min(range + 1),
            (CopyMode::Meta, _) if faults.seeded(Fault::MetaCopiesAll) => length,
            (CopyMode::Packet, range) => length.min(range),
            _ => 0,
        }
    }

    /// Takes a message from userspace, with the kernel's checks in the kernel's order (section 3).
    pub(crate) fn request<'a>(&mut self, datagram: &'a [u8], sender: Sender, faults: &Faults) -> Outcome<'a> {
        let mut outcome = Outcome {
            released: None,
            mode_set: false,
            answer: None,
        };
        let Ok(frame) = Frame::parse(datagram, self.abi) else {
            let answered = match Header::parse(datagram, self.abi) {
                Some(header) => Some(header).filter(|_| faults.seeded(Fault::MalformedAnswered)),
                None => {
                    Header::parse(&[0; Header::BYTES], self.abi).filter(|_| faults.seeded(Fault::ShortDatagramAnswered))
                }
            };
            outcome.answer = answered.map(|header| Answer {
                errno: Errno::EINVAL,
                header,
                quoted: datagram,
            });
            return outcome;
        };
        let errno = match self.obey(&frame, datagram, sender, faults, &mut outcome) {
            Ok(Obeyed::Silently) => None,
            Ok(Obeyed::Success) => {
                (frame.header.flags.0 & 4 != 0 || faults.seeded(Fault::SuccessAcknowledged)).then_some(Errno(0))
            }
            Err(errno) => Some(errno),
        };
        outcome.answer = errno.map(|errno| Answer {
            errno,
            header: frame.header,
            quoted: &datagram[..frame.header.length as usize],
        });
        outcome
    }

    /// MSG-2 to MSG-6, and then the body.
    fn obey<'a>(
        &mut self,
        Frame { header, body }: &Frame<'a>,
        datagram: &'a [u8],
        sender: Sender,
        faults: &Faults,
        outcome: &mut Outcome<'a>,
    ) -> Result<Obeyed, Errno> {
        let flags = header.flags.0;
        let attachable = header.port_id.can_attach()
            || (header.port_id != PortId::KERNEL && faults.seeded(Fault::NegativePortIdTaken));
        let sound = attachable && flags & 1 != 0 && flags & 2 == 0;
        if !sound && !faults.seeded(Fault::EnvelopeUnchecked) {
            return Err(Errno::EINVAL);
        }
        if flags & 0x20 != 0 && !faults.seeded(Fault::TruncatedFlagIgnored) {
            return Err(Errno::ECOMM);
        }
        match header.message_type.to_wire() {
            0 | 0x14.. if faults.seeded(Fault::UnknownTypesIgnored) => return Ok(Obeyed::Silently),
            0 | 0x14.. => return Err(Errno::EINVAL),
            1..=0x10 if faults.seeded(Fault::ControlTypesRefused) => return Err(Errno::EINVAL),
            1..=0x10 => return Ok(Obeyed::Silently),
            _ => {}
        }
        let exempt = faults.seeded(Fault::CapabilityIgnored)
            || (faults.seeded(Fault::VerdictsNeedNoCapability) && header.message_type == MessageType::Verdict);
        if !sender.net_admin && !exempt {
            return Err(Errno::EPERM);
        }
        let body = if faults.seeded(Fault::BodyMeasuredByDatagram) {
            &datagram[Header::BYTES..]
        } else {
            body
        };
        if faults.seeded(Fault::PeerCheckedLast) && body.len() < self.abi.request_bytes() {
            return Err(Errno::EINVAL);
        }
        let previous = self.attach(*header, sender, faults)?;
        let result = self.obey_body(header.message_type, body, faults, outcome);
        if result.is_err() && faults.seeded(Fault::RefusedRequestDetaches) {
            self.peer = previous;
        }
        result.map(|()| Obeyed::Success)
    }

    /// MSG-6: the first port id that comes this far is the peer, before the body is looked at (ATT-2); any other is
    /// refused while it is (ATT-3). Returns who was the peer before.
    fn attach(&mut self, header: Header, sender: Sender, faults: &Faults) -> Result<PortId, Errno> {
        let port_id = if faults.seeded(Fault::PeerKnownBySocket) {
            sender.port_id
        } else {
            header.port_id
        };
        if self.has_peer() && self.peer != port_id && !faults.seeded(Fault::SecondPeerTakesOver) {
            return Err(Errno::EBUSY);
        }
        Ok(std::mem::replace(&mut self.peer, port_id))
    }

    /// MSG-7 to MSG-9.
    fn obey_body<'a>(
        &mut self,
        message_type: MessageType,
        body: &'a [u8],
        faults: &Faults,
        outcome: &mut Outcome<'a>,
    ) -> Result<(), Errno> {
        if faults.seeded(Fault::LongModeRefused)
            && message_type == MessageType::Mode
            && body.len() > self.abi.request_bytes()
        {
            return Err(Errno::EINVAL);
        }
        match message_type {
            MessageType::Mode => {
                let mut request = ModeRequest::parse(body, self.abi).map_err(|_| Errno::EINVAL)?;
                if faults.seeded(Fault::RangeInThirdWord) {
                    let third = &body[self.abi.word_bytes()..];
                    request.range = ModeRequest::parse(&[third, &[0; 8]].concat(), self.abi)
                        .map_err(|_| Errno::EINVAL)?
                        .range;
                }
                self.set_mode(request, faults)?;
                outcome.mode_set = true;
                Ok(())
            }
            MessageType::Verdict => {
                let (mut request, following) = VerdictRequest::parse(body, self.abi).map_err(|_| Errno::EINVAL)?;
                if faults.seeded(Fault::VerdictIdInThirdWord) {
                    let third = &body[self.abi.word_bytes()..];
                    request.packet_id = VerdictRequest::parse(&[third, &[0; 8]].concat(), self.abi)
                        .map_err(|_| Errno::EINVAL)?
                        .0
                        .packet_id;
                }
                outcome.released = self.find(request, following, faults)?;
                Ok(())
            }
            _ if faults.seeded(Fault::PacketTypeIgnored) => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// MSG-8.
    fn set_mode(&mut self, request: ModeRequest, faults: &Faults) -> Result<(), Errno> {
        let range = match request.mode {
            CopyMode::None | CopyMode::Meta => 0,
            CopyMode::Packet if faults.seeded(Fault::RangeClampedAtFullWidth) => {
                request.range.min(u64::from(LONGEST)) as u32
            }
            CopyMode::Packet => (request.range as u32).min(LONGEST),
            CopyMode::Unknown(_) => return Err(Errno::EINVAL),
        };
        (self.mode, self.range) = (request.mode, range);
        Ok(())
    }

    /// The packet that a verdict is for (VER-1 to VER-3, VER-5).
    fn find<'a>(
        &self,
        request: VerdictRequest,
        following: &'a [u8],
        faults: &Faults,
    ) -> Result<Option<Released<'a>>, Errno> {
        if faults.seeded(Fault::IdCheckedFirst) && self.entries.find(request.packet_id).is_none() {
            return Err(Errno::ENOENT);
        }
        match request.verdict {
            Verdict::Unknown(_) if faults.seeded(Fault::UnknownVerdictsAccepted) => {}
            Verdict::Stolen if faults.seeded(Fault::StolenAccepted) => {}
            Verdict::Stolen | Verdict::Unknown(_) => return Err(Errno::EINVAL),
            _ => {}
        }
        let found = self.entries.find(request.packet_id);
        let found = found.filter(|slot| !faults.seeded(Fault::OldestFirstOnly) || self.entries.is_oldest(*slot));
        let Some(slot) = found else {
            return if faults.seeded(Fault::UnknownIdIgnored) {
                Ok(None)
            } else {
                Err(Errno::ENOENT)
            };
        };
        let replacement = request
            .replacement(following)
            .or_else(|| (faults.seeded(Fault::AnyPayloadTaken) && !following.is_empty()).then_some(following));
        Ok(Some(Released {
            slot,
            packet_id: request.packet_id,
            verdict: request.verdict,
            replacement,
        }))
    }

    /// Takes a packet out of the queue, whose entry stays its own until it is freed.
    pub(crate) fn take(&mut self, slot: Slot) -> Option<T> {
        self.entries.unlink(slot)
    }

    /// Frees the entry of a packet that a verdict released.
    pub(crate) fn free(&mut self, slot: Slot, faults: &Faults) {
        if faults.seeded(Fault::OldestEntryReused) {
            self.entries.release_last(slot);
        } else {
            self.entries.release(slot);
        }
    }

    /// A socket that is bound to `port_id` closed. If that was the peer's, the queue resets, and what was in it comes
    /// out, oldest first (ATT-4).
    pub(crate) fn socket_closed(&mut self, port_id: PortId) -> Vec<T> {
        if self.peer == port_id { self.reset() } else { Vec::new() }
    }

    /// Peer, mode and range are forgotten, the drop counters kept; what was queued comes out, oldest first.
    pub(crate) fn reset(&mut self) -> Vec<T> {
        (self.peer, self.mode, self.range) = (PortId::KERNEL, CopyMode::None, 0);
        self.entries.take_if(|_| true)
    }

    /// Attaches `port_id` in mode META without a message: a fault's doing.
    pub(crate) fn attach_in_secret(&mut self, port_id: PortId) {
        (self.peer, self.mode) = (port_id, CopyMode::Meta);
    }

    /// Takes out the packets for which `condition` holds, oldest first: those that a device's going down drops (EVT-1), or a fault.
    pub(crate) fn take_if(&mut self, condition: impl Fn(&T) -> bool) -> Vec<T> {
        self.entries.take_if(condition)
    }

    /// The `NLMSG_ERROR` frame of an answer (section 4), and the port id that it goes to: the sending socket's
    /// (ERR-1).
    pub(crate) fn reply(&self, answer: Answer<'_>, sender: Sender, faults: &Faults) -> (PortId, Datagram) {
        let Answer { errno, header, quoted } = answer;
        let acknowledges = errno == Errno(0) && !faults.seeded(Fault::AcknowledgementQuotesAll);
        let quoted = if acknowledges { &quoted[..Header::BYTES] } else { quoted };
        let envelope = Envelope {
            sequence: if faults.seeded(Fault::ReplySequenceLost) {
                0
            } else {
                header.sequence
            },
            port_id: sender.port_id,
            ..Envelope::default()
        };
        let error = if faults.seeded(Fault::ErrorPositive) {
            errno.0
        } else {
            -errno.0
        };
        let stated = if faults.seeded(Fault::QuoteRoundedUp) {
            quoted.len().next_multiple_of(4)
        } else {
            quoted.len()
        };
        let head = ErrorMessage::head(error, self.abi, envelope, stated);
        let to = if faults.seeded(Fault::ReplyGoesToHeader) {
            header.port_id
        } else {
            sender.port_id
        };
        (to, Datagram::from_kernel(head, Bytes::copy_from_slice(quoted)))
    }
}

/// How a message that was not refused ends.
enum Obeyed {
    /// Without an acknowledgement, even if one was asked for (MSG-4).
    Silently,
    /// With an acknowledgement, if one was asked for (MSG-10).
    Success,
}

/// The frame of a packet (WIRE-2, WIRE-4, WIRE-5).
fn packet_frame(mut metadata: PacketMetadata, payload: Bytes, abi: Abi, faults: &Faults) -> Datagram {
    if faults.seeded(Fault::DeviceNamesSwapped) {
        std::mem::swap(&mut metadata.indev_name, &mut metadata.outdev_name);
    }
    if faults.seeded(Fault::DeviceNamesMissing) {
        (metadata.indev_name, metadata.outdev_name) = Default::default();
    }
    if faults.seeded(Fault::OneIdForAll) {
        metadata.packet_id = PacketId(1);
    }
    if faults.seeded(Fault::ProtocolByteSwapped) {
        metadata.hw_protocol.0 = metadata.hw_protocol.0.swap_bytes();
    }
    let head = metadata.head(abi, payload.len());
    let mut datagram = Datagram::from_kernel(head, payload);
    distortion::of_packet_frame(&mut datagram, abi, faults);
    datagram
}

#[cfg(test)]
mod tests;
