//! The rules of numbered queues that seeded faults break. Most [`Flaw`]s are carried out here: they
//! change what goes into the queues, or what comes out of them, so that one rule is broken while
//! the queues' own code stays as it is. The code of the rule itself looks for the others.

use super::attributes::Note;
use super::messages::Request;
use super::{Datagram, Decision, Offer, Outcome, Packets, QueuedPacket, Queues, Refusal, Released, Sender};
use crate::host::packet::Packet;
use crate::host::rules::{NumberedQueue, Spread};
use bytes::Bytes;
use ipq_core::wire::nfnetlink::{HEADER_BYTES, attribute, command, message_type};
use ipq_core::wire::{Flags, Header};
use ipq_core::{Errno, PortId};
use std::borrow::Cow;

/// A rule of numbered queues that a seeded fault breaks, and how it breaks it. No kernel does any
/// of these.
#[cfg_attr(
    not(feature = "seeded-faults"),
    allow(dead_code, reason = "only a seeded fault chooses one")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The number of the queue that a target NFQUEUE chooses is made even: 7 becomes 6 (NFQ-1).
    EvenQueues,
    /// A packet message states an id that is 1 less than the packet's (NFQ-2).
    IdsFromZero,
    /// A packet that is dropped because the queue is full uses up a packet id (NFQ-3).
    FullUsesId,
    /// A queue takes one packet more than its maximum length (NFQ-4).
    MaximumExceeded,
    /// BIND is refused with EBUSY if the socket already owns a queue (NFQ-6).
    OneQueueEach,
    /// Closing a socket leaves its queues bound (NFQ-7).
    CloseKeepsQueues,
    /// UNBIND lets the queued packets go on, past the rest of the hook, instead of dropping them
    /// (NFQ-8).
    UnbindAccepts,
    /// A packet for a queue in mode NONE goes on with the hook's next function instead of being
    /// dropped (NFQ-10).
    NoModePasses,
    /// The bypass of a rule or a verdict is ignored: packets for an unbound queue are dropped
    /// (NFQ-11).
    BypassIgnored,
    /// A queue with the flag fail-open drops packets that it can't take (NFQ-12).
    FailOpenIgnored,
    /// Each line of the /proc text ends with 0 instead of 1 (NFQ-13).
    ProcEndsWithZero,
    /// The lines of the /proc text are ordered by the queues' numbers alone (NFQ-14).
    ProcByNumber,
    /// The target QUEUE means queue 1 instead of 0 (NFQ-15).
    PlainQueueIsOne,
    /// A rule with several queues chooses one of them by the packet's ports instead of its
    /// addresses and protocol (NFQ-16).
    PortsCount,
    /// A rule with CPU fan-out chooses a queue by the packet's addresses and protocol instead of
    /// the CPU (NFQ-17).
    FanOutBalances,
    /// The commands that bind or unbind an address family are refused with EOPNOTSUPP (NFQ-20).
    FamilyCommandsRefused,
    /// A CONFIG message with flags but no mask is accepted, as if its mask had all bits (NFQ-21).
    MaskNotNeeded,
    /// The flags of every CONFIG message are accepted and ignored, even those that no kernel knows
    /// (NFQ-22).
    UnknownFlagsTaken,
    /// Any socket may configure a queue and give verdicts on it, not only its owner (NFQ-23).
    OwnerIgnored,
    /// BIND by the owner of the queue succeeds instead of failing with EBUSY. The queue stays bound
    /// (NFQ-24).
    BindTwiceTaken,
    /// UNBIND in a message that also has parameters unbinds the queue, but is answered with ENODEV
    /// (NFQ-25).
    UnbindHeedsTheRest,
    /// An unknown command in a CONFIG message is ignored, and the settings in the message are
    /// carried out (NFQ-26).
    UnknownCommandsIgnored,
    /// A CONFIG message that fails with ENODEV, since its queue is not bound, is answered as a
    /// success (NFQ-27).
    UnboundIgnored,
    /// The parameters, maximum length and flags of a BIND message are ignored (NFQ-28).
    BindAlone,
    /// A copy range is kept as the message has it, even 0 or above the limit (NFQ-29).
    RangeUncut,
    /// A CONFIG message with an unknown copy mode is refused with EINVAL (NFQ-30).
    UnknownModeRefused,
    /// A message that sets the copy mode drops the queued packets (NFQ-31).
    ModeChangeFlushes,
    /// The queue's number in a message is read as little-endian (NFQ-32).
    NumberSwapped,
    /// An error is answered only if the message asks for an answer (NFQ-40).
    ErrorsOnDemand,
    /// Answers have sequence 0 instead of their message's (NFQ-41).
    SequenceLost,
    /// Errors quote only the message's header (NFQ-42), and no answer has attributes.
    ErrorsCut,
    /// Answers lack two flags: the one that says that only the header is quoted (NFQ-43), and the
    /// one that says that attributes follow.
    CappedUnsaid,
    /// The option `NETLINK_EXT_ACK` has no effect (NFQ-44).
    ExtAckIgnored,
    /// A message with leftover bytes after its attributes is carried out, but answered with EINVAL
    /// (NFQ-45).
    LeftoverRefused,
    /// A message with an attribute of a type above 30, all of which are unknown, is refused with
    /// EINVAL (NFQ-46).
    UnknownAttributesRefused,
    /// A message of an unknown type above 0x0303 is answered as a success (NFQ-47).
    UnknownTypesIgnored,
    /// Messages without the flag `NLM_F_REQUEST` are carried out (NFQ-48).
    RequestFlagIgnored,
    /// A message that states more bytes than there are is read up to the datagram's end (NFQ-49).
    StatedLengthCut,
    /// Only the first message of a datagram is carried out (NFQ-50).
    FirstMessageOnly,
    /// A `BATCH_BEGIN` at the start of a datagram is skipped, and the messages after it are carried
    /// out (NFQ-51).
    BatchesDone,
    /// Batches for nftables get no answers (NFQ-52).
    BatchesUnanswered,
    /// Messages need no `CAP_NET_ADMIN` (NFQ-53).
    CapabilityIgnored,
    /// A verdict for an unknown packet id is answered as a success (NFQ-60).
    UnknownIdIgnored,
    /// The verdict STOLEN drops the packet instead of being refused (NFQ-61).
    StolenDrops,
    /// The verdict STOP has the effect of ACCEPT (NFQ-62).
    StopIsAccept,
    /// The verdict QUEUE has the effect of ACCEPT (NFQ-63).
    QueueIsAccept,
    /// The upper bits of a verdict other than QUEUE are ignored (NFQ-64).
    UpperBitsIgnored,
    /// A batch verdict decides about one packet only: the one whose id it names (NFQ-65).
    BatchTakesOne,
    /// The payload of a batch verdict replaces the bytes of each of its packets, instead of being
    /// ignored (NFQ-66).
    BatchReplaces,
    /// The mark and the priority of a verdict are ignored (NFQ-67).
    MarkIgnored,
    /// The payload of a verdict is ignored (NFQ-68).
    PayloadIgnored,
    /// A verdict's payload of less than 40 bytes is ignored, even where it must drop the packet
    /// because it is shorter than the packet's header (NFQ-69).
    ShortPayloadIgnored,
    /// The answer to a verdict comes before the message about the packet that is queued again
    /// (NFQ-70).
    AnswerFirst,
    /// A packet message has sequence 1 instead of 0 (NFQ-80).
    PacketSequence,
    /// A packet message names the outgoing device before the incoming one, instead of after it
    /// (NFQ-81).
    DevicesSwapped,
    /// A packet message ends with padding to a multiple of 4 bytes (NFQ-82).
    PayloadPadded,
    /// A packet message names no incoming device (NFQ-83).
    NoIncomingDevice,
    /// A packet message does not tell the full length of a packet that it cuts (NFQ-84).
    NoFullLength,
    /// A packet message does not tell the user and group of the packet's sender (NFQ-85).
    NoOwner,
    /// A packet message has no link-layer address (NFQ-86).
    NoAddress,
    /// Every packet message has a time of arrival (NFQ-87).
    TimesAlways,
    /// A packet message does not tell the state of the packet's checksum (NFQ-88).
    NoChecksumState,
    /// The protocol in a packet message is 0 (NFQ-90).
    NoProtocol,
}

/// Returns the attributes of a message in order. Each is its type with the flag bits, its offset in
/// the message, and its content.
fn attributes(message: &[u8]) -> impl Iterator<Item = (u16, usize, &[u8])> {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        let [l0, l1, k0, k1] = *message.get(at..)?.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let content = message.get(at + 4..at + length.max(4))?;
        let here = at;
        at += length.max(4).next_multiple_of(4);
        Some((u16::from_ne_bytes([k0, k1]), here, content))
    })
}

fn find(message: &[u8], kind: u16) -> Option<(usize, &[u8])> {
    attributes(message)
        .find(|(known, ..)| *known == kind)
        .map(|(_, at, content)| (at, content))
}

/// Makes a message's attributes of type `kind` unknown to the kernel: gives them another type,
/// which no kernel knows.
fn hide(message: &mut [u8], kind: u16) {
    while let Some((at, _)) = find(message, kind) {
        message[at + 2..at + 4].copy_from_slice(&0x0fff_u16.to_ne_bytes());
    }
}

fn command_of(message: &[u8]) -> Option<u8> {
    let (_, content) = find(message, attribute::CONFIG_COMMAND)?;
    content.first().copied()
}

impl Flaw {
    /// Returns the bytes that the kernel reads, with this flaw, instead of a datagram from a
    /// program: all of the datagram, a part of it, or a changed copy. One flaw also gives `sender`
    /// the capability `CAP_NET_ADMIN`, and another takes the option `NETLINK_EXT_ACK` from it.
    pub(crate) fn spoil_input<'d>(self, datagram: &'d [u8], sender: &mut Sender) -> Cow<'d, [u8]> {
        match self {
            Self::CapabilityIgnored => sender.net_admin = true,
            Self::ExtAckIgnored => sender.extends_answers = false,
            _ => {}
        }
        let first_length = datagram
            .first_chunk()
            .map_or(0, |length| u32::from_ne_bytes(*length) as usize);
        let first_type = datagram
            .get(4..6)
            .map_or(0, |kind| u16::from_ne_bytes([kind[0], kind[1]]));
        let is_batch = first_type == 0x10 && datagram.len() >= HEADER_BYTES;
        match self {
            Self::FirstMessageOnly => datagram.get(..first_length).unwrap_or(datagram).into(),
            Self::BatchesDone if is_batch => datagram.get(first_length..).unwrap_or_default().into(),
            Self::BatchesUnanswered if is_batch && datagram[18..20] == [0, 10] => Cow::Borrowed(&[]),
            Self::RequestFlagIgnored | Self::StatedLengthCut | Self::NumberSwapped => {
                self.spoil_headers(datagram.to_vec()).into()
            }
            _ => datagram.into(),
        }
    }

    /// Changes the headers of a datagram's messages as the flaw does. Sets the flag
    /// `NLM_F_REQUEST`, cuts a stated length at the datagram's end, or swaps the two bytes of the
    /// queue's number.
    fn spoil_headers(self, mut datagram: Vec<u8>) -> Vec<u8> {
        let mut at = 0;
        while let Some(rest) = datagram.get_mut(at..).filter(|rest| rest.len() >= Header::BYTES) {
            let stated = rest
                .first_chunk()
                .map_or(0, |length| u32::from_ne_bytes(*length) as usize);
            match self {
                Self::RequestFlagIgnored => rest[6] |= Flags::REQUEST.0 as u8,
                Self::StatedLengthCut if stated > rest.len() => {
                    let whole = rest.len() as u32;
                    rest[..4].copy_from_slice(&whole.to_ne_bytes());
                }
                Self::NumberSwapped if rest.len() >= HEADER_BYTES => rest.swap(18, 19),
                _ => {}
            }
            at += stated.max(Header::BYTES).next_multiple_of(4);
        }
        datagram
    }

    /// Changes an answer as the flaw does: its sequence, its flags, or its quote.
    pub(crate) fn spoil_answer(self, answer: &mut Datagram) {
        match self {
            Self::SequenceLost => answer.head[8..12].fill(0),
            Self::CappedUnsaid => answer.head[7] = 0,
            Self::ErrorsCut => {
                answer.payload.truncate(Header::BYTES);
                answer.head[..4].copy_from_slice(&36_u32.to_ne_bytes());
            }
            _ => {}
        }
    }

    /// Changes the verdict that a request gave, as the flaw does: its decision, its mark and
    /// priority, or its payload. `message` is the request's message.
    fn spoil_released<'m>(self, released: &mut Released<'m>, message: &'m [u8]) {
        match (self, released.decision) {
            (Self::StopIsAccept, Decision::Stop) | (Self::QueueIsAccept, Decision::Queue { .. }) => {
                released.decision = Decision::Accept;
            }
            (Self::MarkIgnored, _) => (released.mark, released.priority) = (None, None),
            (Self::PayloadIgnored, _) => released.payload = None,
            (Self::ShortPayloadIgnored, _) => {
                released.payload = released.payload.filter(|payload| payload.len() >= 40);
            }
            (Self::BatchReplaces, _) => {
                released.payload = find(message, attribute::PAYLOAD).map(|(_, content)| content);
            }
            _ => {}
        }
    }

    /// Returns the result with which a request is answered under this flaw. That is `result`, or an
    /// error instead of a success, or a success instead of an error.
    fn spoiled_result(self, request: &Request<'_>, result: Result<(), Errno>, note: Note) -> Result<(), Errno> {
        let configures = request.kind() == message_type::CONFIG;
        let unbinds = configures && command_of(request.bytes) == Some(command::UNBIND);
        match (self, result) {
            (Self::UnbindHeedsTheRest, Ok(())) if unbinds => {
                let rest = find(request.bytes, attribute::CONFIG_PARAMETERS);
                rest.map_or(Ok(()), |_| Err(Errno::ENODEV))
            }
            (Self::UnboundIgnored, Err(Errno::ENODEV)) if configures => Ok(()),
            (Self::UnknownIdIgnored, Err(Errno::ENOENT)) => Ok(()),
            (Self::LeftoverRefused, Ok(())) if note == Note::Leftover => Err(Errno::EINVAL),
            (Self::UnknownTypesIgnored, Err(Errno::EINVAL)) if request.kind() > message_type::VERDICT_BATCH => Ok(()),
            _ => result,
        }
    }

    /// Changes the facts about a packet that is offered to a queue, as the flaw does: takes away
    /// its incoming device, owner, address, checksum state or protocol, or adds a time of arrival.
    fn spoil_packet(self, packet: &mut QueuedPacket<'_>) {
        match self {
            Self::NoIncomingDevice => packet.incoming = 0,
            Self::NoOwner => packet.owner = None,
            Self::NoAddress => packet.hardware_address = None,
            Self::TimesAlways => packet.arrived = Some((1, 1)),
            Self::NoChecksumState => packet.checksum_state = 0,
            Self::NoProtocol => packet.hw_protocol = 0,
            _ => {}
        }
    }

    /// Changes a packet message as the flaw does: its sequence, packet id, full length, devices or
    /// padding.
    fn spoil_message(self, message: &mut Datagram) {
        match self {
            Self::PacketSequence => message.head[8] = 1,
            Self::IdsFromZero => {
                if let Some(id) = message.head[24..].first_chunk_mut() {
                    *id = u32::from_be_bytes(*id).wrapping_sub(1).to_be_bytes();
                }
            }
            Self::NoFullLength => hide(&mut message.head, attribute::FULL_LENGTH),
            Self::DevicesSwapped => {
                if let Some((incoming, _)) = find(&message.head, attribute::INCOMING_DEVICE)
                    && let Some((outgoing, _)) = find(&message.head, attribute::OUTGOING_DEVICE)
                {
                    (0..8).for_each(|byte| message.head.swap(incoming + byte, outgoing + byte));
                }
            }
            Self::PayloadPadded => {
                let mut payload = message.payload.to_vec();
                payload.resize(payload.len().next_multiple_of(4), 0);
                message.payload = Bytes::from(payload);
                let length = message.len() as u32;
                message.head[..4].copy_from_slice(&length.to_ne_bytes());
            }
            _ => {}
        }
    }

    /// Returns the number of the queue that the target NFQUEUE sends a packet to, under this flaw.
    /// Three flaws change it: it becomes even, depends on the packet's ports, or depends on the
    /// packet's addresses though the rule has CPU fan-out.
    pub(crate) fn number(self, queue: NumberedQueue, packet: &Packet) -> u16 {
        let count = queue.last.saturating_sub(queue.first).saturating_add(1);
        match self {
            Self::EvenQueues => queue.number(packet) & !1,
            Self::PortsCount => {
                let ports = packet.data.get(20..24).unwrap_or_default();
                queue.first + ports.iter().map(|byte| u16::from(*byte)).sum::<u16>() % count
            }
            Self::FanOutBalances => {
                let spread = Spread::Balance;
                NumberedQueue { spread, ..queue }.number(packet)
            }
            _ => queue.number(packet),
        }
    }
}

impl<T> Queues<T> {
    /// Carries out a request as a kernel with this flaw would.
    pub(super) fn request_with<'m>(
        &mut self,
        flaw: Flaw,
        request: &Request<'m>,
        mut sender: Sender,
        taken: &mut Vec<(u32, T)>,
    ) -> Outcome<'m> {
        if let Some(errno) = self.refusal(flaw, request, sender) {
            return Outcome {
                released: None,
                answer: request.answer(Err(errno), Note::None),
            };
        }
        if flaw == Flaw::OwnerIgnored
            && let Some(instance) = self.instances.get(&request.queue())
        {
            sender.port_id = instance.owner();
        }
        let spoiled = self.spoiled_message(flaw, request);
        let altered = request.with_bytes(&spoiled);
        let kind = if flaw == Flaw::BatchTakesOne && request.kind() == message_type::VERDICT_BATCH {
            message_type::VERDICT
        } else {
            request.kind()
        };
        let (result, note, released) = self.carry_out(kind, &altered, sender, taken);
        // The payload is read again from the request, which outlives the changed message.
        let mut released = released.map(|released| Released {
            payload: released
                .payload
                .and_then(|_| find(request.bytes, attribute::PAYLOAD))
                .map(|(_, content)| content),
            packets: released.packets,
            decision: released.decision,
            mark: released.mark,
            priority: released.priority,
        });
        if let Some(released) = &mut released {
            flaw.spoil_released(released, request.bytes);
        }
        if flaw == Flaw::UnbindAccepts && released.is_none() && !taken.is_empty() {
            released = Some(Released {
                packets: Packets::Taken,
                decision: Decision::Stop,
                mark: None,
                priority: None,
                payload: None,
            });
        }
        self.spoil_setting(flaw, request, taken);
        let result = flaw.spoiled_result(request, result, note);
        let unasked = result.is_err() && !request.asks_for_answer();
        let answer = request
            .answer(result, note)
            .filter(|_| flaw != Flaw::ErrorsOnDemand || !unasked);
        Outcome { released, answer }
    }

    /// Returns the error with which this flaw refuses a request that kernels accept. Returns `None`
    /// if it does not refuse this request.
    fn refusal(&self, flaw: Flaw, request: &Request<'_>, sender: Sender) -> Option<Errno> {
        let configures = request.kind() == message_type::CONFIG;
        let command = command_of(request.bytes).filter(|_| configures);
        let mode = find(request.bytes, attribute::CONFIG_PARAMETERS).and_then(|(_, content)| content.get(4));
        match flaw {
            Flaw::FamilyCommandsRefused => {
                matches!(command, Some(command::BIND_FAMILY | command::UNBIND_FAMILY)).then_some(Errno::EOPNOTSUPP)
            }
            Flaw::OneQueueEach if command == Some(command::BIND) => {
                let owns = |owner: PortId| owner == sender.port_id;
                let any = self.instances.values().any(|instance| owns(instance.owner()));
                any.then_some(Errno::EBUSY)
            }
            Flaw::UnknownModeRefused if configures => mode.filter(|mode| **mode > 2).map(|_| Errno::EINVAL),
            Flaw::UnknownAttributesRefused => {
                let unknown = attributes(request.bytes).any(|(kind, ..)| kind & 0x3fff > 30);
                unknown.then_some(Errno::EINVAL)
            }
            _ => None,
        }
    }

    /// Returns a copy of the request's bytes, changed so that carrying it out shows the flaw. Most
    /// flaws change nothing.
    fn spoiled_message(&self, flaw: Flaw, request: &Request<'_>) -> Vec<u8> {
        let mut message = request.bytes.to_vec();
        let configures = request.kind() == message_type::CONFIG;
        let bound = self.instances.contains_key(&request.queue());
        match flaw {
            Flaw::MaskNotNeeded if configures && find(&message, attribute::CONFIG_MASK).is_none() => {
                message.extend(8_u16.to_ne_bytes());
                message.extend(attribute::CONFIG_MASK.to_ne_bytes());
                message.extend([0xff; 4]);
            }
            Flaw::UnknownFlagsTaken if configures => hide(&mut message, attribute::CONFIG_FLAGS),
            Flaw::BindTwiceTaken if configures && bound && command_of(&message) == Some(command::BIND) => {
                hide(&mut message, attribute::CONFIG_COMMAND);
            }
            Flaw::UnknownCommandsIgnored
                if configures && command_of(&message).is_some_and(|command| !(1..=4).contains(&command)) =>
            {
                hide(&mut message, attribute::CONFIG_COMMAND);
            }
            Flaw::BindAlone if configures && command_of(&message) == Some(command::BIND) => {
                for kind in [
                    attribute::CONFIG_PARAMETERS,
                    attribute::CONFIG_MAX_LENGTH,
                    attribute::CONFIG_FLAGS,
                ] {
                    hide(&mut message, kind);
                }
            }
            Flaw::StolenDrops | Flaw::UpperBitsIgnored if !configures => {
                if let Some((at, header)) = find(&message, attribute::VERDICT_HEADER).filter(|(_, h)| h.len() >= 8) {
                    let value = header[3];
                    if flaw == Flaw::UpperBitsIgnored && value != 3 {
                        message[at + 4..at + 7].fill(0);
                    }
                    if flaw == Flaw::StolenDrops && value == 2 {
                        message[at + 7] = 0;
                    }
                }
            }
            _ => {}
        }
        message
    }

    /// Changes a queue after a CONFIG message with parameters was carried out, as the flaw does.
    /// Sets the queue's range to the one in the message, or takes all packets out of the queue and
    /// adds them to `taken`. Most flaws change nothing.
    fn spoil_setting(&mut self, flaw: Flaw, request: &Request<'_>, taken: &mut Vec<(u32, T)>) {
        let parameters = find(request.bytes, attribute::CONFIG_PARAMETERS).map(|(_, content)| content);
        let Some([range @ .., mode]) = parameters.and_then(<[u8]>::first_chunk::<5>).copied() else {
            return;
        };
        if request.kind() != message_type::CONFIG {
            return;
        }
        match (flaw, self.instances.get_mut(&request.queue())) {
            (Flaw::RangeUncut, Some(instance)) => instance.range = u32::from_be_bytes(range),
            (Flaw::ModeChangeFlushes, Some(instance)) if mode <= 2 => instance.take_up_to(u32::MAX >> 1, taken),
            _ => {}
        }
    }

    /// Offers a packet to queue `number` as a kernel with this flaw would.
    pub(super) fn offer_with(
        &mut self,
        flaw: Flaw,
        number: u16,
        packet: &QueuedPacket<'_>,
        deliver: impl FnOnce(PortId, Datagram) -> bool,
    ) -> Offer {
        let mut packet = *packet;
        flaw.spoil_packet(&mut packet);
        let rules = self.rules;
        let Some(instance) = self.instances.get_mut(&number) else {
            return Offer::Refused(Refusal::NoListener);
        };
        let maximum_length = instance.maximum_length;
        if flaw == Flaw::MaximumExceeded {
            instance.maximum_length = maximum_length.saturating_add(1);
        }
        let offer = instance.offer(number, &packet, &rules, |port_id, mut datagram| {
            flaw.spoil_message(&mut datagram);
            deliver(port_id, datagram)
        });
        instance.maximum_length = maximum_length;
        match (flaw, offer) {
            (Flaw::FullUsesId, Offer::Refused(Refusal::Full)) => {
                instance.packets.use_id();
            }
            (Flaw::NoModePasses, Offer::Refused(Refusal::NoMode)) => return Offer::Passed(Refusal::NoMode),
            (Flaw::FailOpenIgnored, Offer::Passed(refusal)) => return Offer::Refused(refusal),
            _ => {}
        }
        offer
    }
}
