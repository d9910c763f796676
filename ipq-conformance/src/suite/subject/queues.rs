//! Methods for numbered queues: requests, their answers, and packet messages.

use super::{CaseResult, Socket, Subject, expect_bytes};
use crate::decode::{self, Kind};
use crate::suite::queue_request::push_attribute;
use crate::suite::{QueueRequest, Stopped};
use crate::world::Step;
use bytes::Bytes;
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::{PROTOCOL, attribute, message_type};

/// The flag `NLM_F_CAPPED`: the answer quotes the header only.
const CAPPED: u16 = 0x100;
/// The flag `NLM_F_ACK_TLVS`: the answer has attributes.
const EXTENDED: u16 = 0x200;

/// The form of an answer that a case expects: how much is quoted, and which attributes follow.
#[derive(Clone, Debug, Default)]
pub struct AnswerForm {
    /// `true` if the answer quotes the header only, as a success does; `false` if it quotes the
    /// whole message.
    pub capped: bool,
    /// The type and content of each attribute after the quotation.
    pub attributes: Vec<(u16, Vec<u8>)>,
}

impl Subject {
    /// Opens a socket of netlink protocol 12, bound to the next of [`PORT_IDS`](super::PORT_IDS).
    /// Fails if the socket can't be opened or bound, or if no port id is left.
    #[track_caller]
    pub fn open_queues(&self) -> Result<Socket<'_>, Stopped> {
        self.open_protocol(PROTOCOL)
    }

    /// Opens a socket of netlink protocol 12, and binds queue `number` to it, in copy mode PACKET
    /// for whole packets. Fails unless the kernel acknowledges that.
    #[track_caller]
    pub fn listen(&self, number: u16) -> Result<Socket<'_>, Stopped> {
        let socket = self.open_queues()?;
        socket.done(&QueueRequest::bind(number).mode(2, 0))?;
        Ok(socket)
    }

    /// Reads `/proc/net/netfilter/nfnetlink_queue`, and returns its text. Fails if there is no such
    /// file.
    #[track_caller]
    pub fn queues_text(&self) -> Result<String, Stopped> {
        self.text(&Step::QueuesProc)
    }

    /// Returns the nine numbers of a queue's line in `/proc` (NFQ-13): number, port id of its
    /// socket, packets that wait, copy mode, copy range, queue dropped, user dropped, last packet
    /// id, and 1. Fails if the queue has no line.
    #[track_caller]
    pub fn queue_line(&self, number: u16) -> Result<[u64; 9], Stopped> {
        let text = self.queues_text()?;
        let lines = text.lines().map(|line| {
            let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            <[u64; 9]>::try_from(numbers)
        });
        let mut lines = lines.filter_map(Result::ok);
        let line = lines.find(|line| line[0] == u64::from(number));
        line.ok_or_else(|| Stopped::failed(format!("queue {number} has no line")).details(text.clone()))
    }
}

impl Socket<'_> {
    /// Sends a message unchanged, and returns its bytes. Reads no answer. Fails unless the whole
    /// message is sent.
    #[track_caller]
    pub fn ask(&self, request: &QueueRequest) -> Result<Bytes, Stopped> {
        let bytes = request.bytes();
        self.send(&bytes)?;
        Ok(bytes)
    }

    /// Sends a message with the flag ACK added. Fails unless the next datagram from the kernel
    /// acknowledges the message.
    #[track_caller]
    pub fn done(&self, request: &QueueRequest) -> CaseResult {
        let sent = self.ask(&request.clone().ack())?;
        self.expect_success(&sent)
    }

    /// Sends a message unchanged. Fails unless the next datagram from the kernel is the error
    /// `errno`, which quotes the whole message.
    #[track_caller]
    pub fn refused(&self, errno: Errno, request: &QueueRequest) -> CaseResult {
        let sent = self.ask(request)?;
        self.expect_refusal(errno, &sent)
    }

    /// Expects that the next datagram acknowledges the message `request` and quotes its header,
    /// byte for byte.
    #[track_caller]
    pub fn expect_success(&self, request: &[u8]) -> CaseResult {
        let form = AnswerForm {
            capped: true,
            ..AnswerForm::default()
        };
        self.expect_answer(Errno(0), request, &form)
    }

    /// Expects that the next datagram is the error `errno` and quotes the whole message `request`,
    /// byte for byte.
    #[track_caller]
    pub fn expect_refusal(&self, errno: Errno, request: &[u8]) -> CaseResult {
        self.expect_answer(errno, request, &AnswerForm::default())
    }

    /// Expects that the next datagram answers the message `request` with `errno`, 0 for a success,
    /// in this form, byte for byte. `request` has at least the 16 bytes of a header.
    #[track_caller]
    pub fn expect_answer(&self, errno: Errno, request: &[u8], form: &AnswerForm) -> CaseResult {
        self.expect_either_answer(errno, request, [form, form])
    }

    /// Expects that the next datagram answers `request` with `errno`, 0 for a success, byte for
    /// byte: in the second form if the datagram is as long as an answer in that form, and otherwise
    /// in the first.
    #[track_caller]
    pub fn expect_either_answer(&self, errno: Errno, request: &[u8], forms: [&AnswerForm; 2]) -> CaseResult {
        let [first, second] = forms.map(|form| self.answer(errno, request, form));
        let seen = self.expect_frame()?;
        let expected = if seen.len() == second.len() { second } else { first };
        expect_bytes("the answer", &expected, &seen, Kind::Netlink(self.subject().abi()))
    }

    /// Returns the answer to `request` in this form.
    fn answer(&self, errno: Errno, request: &[u8], form: &AnswerForm) -> Vec<u8> {
        let quoted = if form.capped { &request[..16] } else { request };
        let padded = quoted.len().next_multiple_of(4);
        let mut attributes = Vec::new();
        for (kind, content) in &form.attributes {
            push_attribute(&mut attributes, *kind, content);
        }
        let mut flags = if form.capped { CAPPED } else { 0 };
        if !attributes.is_empty() {
            flags |= EXTENDED;
        }
        let mut answer = Vec::new();
        answer.extend(((20 + padded + attributes.len()) as u32).to_ne_bytes());
        answer.extend(message_type::ERROR.to_ne_bytes());
        answer.extend(flags.to_ne_bytes());
        answer.extend(&request[8..12]);
        answer.extend(self.port_id().0.to_ne_bytes());
        answer.extend((-errno.0).to_ne_bytes());
        answer.extend(quoted);
        answer.resize(20 + padded, 0);
        answer.extend(&attributes);
        answer
    }

    /// Returns the next datagram, without waiting for it. Fails unless the datagram is a
    /// well-formed packet message of queue `number` from the kernel.
    #[track_caller]
    pub fn expect_queued(&self, number: u16) -> Result<QueuedMessage, Stopped> {
        let frame = self.expect_frame()?;
        let abi = self.subject().abi();
        let message = QueuedMessage::parse(frame.clone());
        match message {
            Some(message) if message.queue() == number => Ok(message),
            Some(message) => Err(Stopped::failed(format!(
                "the packet is in queue {}, and not in {number}",
                message.queue()
            ))
            .details(decode::dump(&frame, Kind::Netlink(abi)))),
            None => {
                Err(Stopped::failed("the datagram is no packet message")
                    .details(decode::dump(&frame, Kind::Netlink(abi))))
            }
        }
    }

    /// Switches on the socket's option `NETLINK_CAP_ACK`, by which errors quote the header only.
    #[track_caller]
    pub fn set_cap_ack(&self) -> CaseResult {
        self.subject().act(&Step::CapAck {
            socket: self.name().to_owned(),
        })
    }

    /// Switches on the socket's option `NETLINK_EXT_ACK`, by which answers may have attributes.
    #[track_caller]
    pub fn set_ext_ack(&self) -> CaseResult {
        self.subject().act(&Step::ExtAck {
            socket: self.name().to_owned(),
        })
    }
}

/// A packet message of a numbered queue, split into attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// The whole datagram.
    pub frame: Bytes,
    attributes: Vec<(u16, Bytes)>,
}

impl QueuedMessage {
    fn parse(frame: Bytes) -> Option<Self> {
        let length = u32::from_ne_bytes(*frame.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes([*frame.get(4)?, *frame.get(5)?]);
        if length != frame.len() || kind != message_type::PACKET {
            return None;
        }
        let mut attributes = Vec::new();
        let mut at = 20;
        while at < frame.len() {
            let [l0, l1, k0, k1] = *frame.get(at..)?.first_chunk()?;
            let end = at + usize::from(u16::from_ne_bytes([l0, l1]));
            frame.get(at + 4..end)?;
            attributes.push((u16::from_ne_bytes([k0, k1]), frame.slice(at + 4..end)));
            at = end.next_multiple_of(4);
        }
        let parsed = Self { frame, attributes };
        parsed
            .attribute(attribute::PACKET_HEADER)
            .filter(|header| header.len() == 7)?;
        Some(parsed)
    }

    /// Returns the number of the queue that the message comes from.
    #[must_use]
    pub fn queue(&self) -> u16 {
        self.frame[18..]
            .first_chunk()
            .map_or(0, |number| u16::from_be_bytes(*number))
    }

    /// Returns the address family in the header of nfnetlink: 2 for IPv4, 10 for IPv6.
    #[must_use]
    pub fn family(&self) -> u8 {
        self.frame[16]
    }

    /// Returns the packet id, which names the packet in a verdict.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.number(attribute::PACKET_HEADER).unwrap_or_default()
    }

    /// Returns the EtherType in the attribute `PACKET_HDR`: 0x0800 for IPv4, 0x86dd for IPv6.
    #[must_use]
    pub fn hw_protocol(&self) -> u16 {
        let header = self.attribute(attribute::PACKET_HEADER);
        header.map_or(0, |header| u16::from_be_bytes([header[4], header[5]]))
    }

    /// Returns the number of the hook at which the packet was queued: 0 PREROUTING to 4
    /// POSTROUTING.
    #[must_use]
    pub fn hook(&self) -> u8 {
        self.attribute(attribute::PACKET_HEADER).map_or(0, |header| header[6])
    }

    /// Returns the types of the message's attributes, in order.
    #[must_use]
    pub fn kinds(&self) -> Vec<u16> {
        self.attributes.iter().map(|(kind, _)| *kind).collect()
    }

    /// Returns the content of the first attribute of type `kind`; `None` if the message has no such
    /// attribute.
    #[must_use]
    pub fn attribute(&self, kind: u16) -> Option<&Bytes> {
        let found = self.attributes.iter().find(|(known, _)| *known == kind);
        found.map(|(_, content)| content)
    }

    /// Returns the big-endian number of 32 bits that the first attribute of type `kind` begins
    /// with; `None` if the message has no such attribute, or if the attribute's content is under 4
    /// bytes.
    #[must_use]
    pub fn number(&self, kind: u16) -> Option<u32> {
        let content = self.attribute(kind)?;
        content.first_chunk().map(|number| u32::from_be_bytes(*number))
    }

    /// Returns the bytes that were copied of the packet, from its network header on; empty if the
    /// message has no attribute PAYLOAD.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.attribute(attribute::PAYLOAD).cloned().unwrap_or_default()
    }
}
