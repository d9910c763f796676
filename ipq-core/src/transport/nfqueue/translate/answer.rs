//! From an answer of nfnetlink to what it means for the program.

use super::quote;
use super::request::{self, HEAD_BYTES};
use crate::errno::Errno;
use crate::wire::nfnetlink::{Attributes, HEADER_BYTES, ParseError, Span, attribute, message_type, parse_header};
use crate::wire::{Abi, ErrorMessage, Header, PortId};

/// The offset in an answer of the message that the answer quotes.
const QUOTE: usize = ErrorMessage::QUOTE_OFFSET;

/// An answer of the kernel's, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The meaning of the answer for the program.
    pub(crate) reply: Reply,
    /// `true` if the answer means that this socket has not bound the queue.
    pub(crate) attach_failed: bool,
    /// The sequence number of the message that is answered.
    pub(crate) sequence: u32,
}

/// The meaning of an answer for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// No meaning: the answer is to a message that the transport sent of its own accord.
    None,
    /// The program's message with this header was carried out.
    Acknowledgement(Header),
    /// A message of the program's was refused.
    Refusal {
        reason: Reason,
        /// The refused `ip_queue` message, which the kernel's answer quotes.
        quoted: Quoted,
    },
}

/// The `ip_queue` message that a refusal quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoted {
    /// The datagram holds the message: its head is in the first span, and the rest in the second.
    Embedded([Span; 2]),
    /// The message was a plain verdict. The first field is its head, made again from the verdict
    /// attribute; the rest is in this span of the datagram.
    Rebuilt([u8; HEAD_BYTES], Span),
}

/// The reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The reason is this error number.
    Number(Errno),
    /// The sender lacks the capability `CAP_NET_ADMIN`, or another socket has bound the queue:
    /// nfnetlink says EPERM for both.
    NotPermittedOrTaken,
}

impl Answer {
    /// Reads the answer in a datagram of `length` bytes. `front` holds the datagram's first bytes;
    /// it may end within the content of the last attribute that is quoted. `peer` is the port id
    /// that has attached. Returns an error, among others, if a length or the error number in the
    /// answer is wrong, if the quoted message is damaged, or if the transport sends no messages of
    /// its type.
    pub(crate) fn parse(front: &[u8], length: usize, peer: PortId) -> Result<Self, ParseError> {
        let outer = parse_header(front, length)?;
        let end = outer.length as usize;
        let error = front.get(Header::BYTES..).and_then(<[u8]>::first_chunk).copied();
        let inner = front.get(QUOTE..).and_then(|quoted| Header::parse(quoted, Abi::NATIVE));
        let (error, inner) =
            error
                .zip(inner)
                .filter(|_| end >= QUOTE + Header::BYTES)
                .ok_or(ParseError::MessageTooShort {
                    message_type: message_type::ERROR,
                    needed: QUOTE + Header::BYTES,
                    found: end,
                })?;
        let errno = match i32::from_ne_bytes(error) {
            stated @ -4095..=0 => Errno(-stated),
            stated => return Err(ParseError::ErrorNumber { stated }),
        };
        // An acknowledgement quotes the header, a refusal the whole message. Some kernels pad it.
        let found = end - QUOTE;
        let quoted = match errno {
            Errno(0) => Header::BYTES,
            _ => inner.length as usize,
        };
        if quoted < Header::BYTES || quoted > found || found - quoted > 3 {
            return Err(ParseError::QuotedLength {
                stated: inner.length,
                found,
            });
        }
        let (reply, attach_failed) = if errno == Errno(0) {
            let header = request::acknowledged(inner, peer).ok_or(ParseError::UnknownQuote {
                message_type: inner.message_type.to_wire(),
            })?;
            (Reply::Acknowledgement(header), false)
        } else {
            let quoted = QuotedRequest::parse(front, QUOTE + quoted, inner)?;
            let reason = quoted.reason(errno)?;
            (quoted.reply(reason)?, quoted.says_unbound(errno))
        };
        Ok(Self {
            reply,
            attach_failed,
            sequence: outer.sequence,
        })
    }
}

/// What the transport reads from an nfnetlink message of its own that an answer quotes.
struct QuotedRequest {
    message_type: u16,
    /// The port id in the quoted message's header, where the transport wrote the length of the
    /// embedded message, or for a plain verdict the sender's port id, or 0 if it sent the message
    /// of its own accord.
    port_id: PortId,
    /// The places in the datagram of the program's message. The first span is its head and the
    /// second the rest; for a plain verdict, whose head is not quoted, the first span is the rest.
    parts: [Span; 2],
    count: usize,
    /// `true` if an attribute of the type [`quote::EMBEDDED`] holds bytes of the program's message.
    embedded: bool,
    verdict_header: Option<[u8; 8]>,
    refusal: Option<[u8; 5]>,
    binds: bool,
}

impl QuotedRequest {
    /// Reads the quoted message with header `inner`, which ends at byte `end` of the answer in
    /// `front`. Returns an error if it has no nfnetlink header, if [`Attributes`] finds an error,
    /// if an attribute that is used has a wrong size, or if there are more than two parts of the
    /// program's message.
    fn parse(front: &[u8], end: usize, inner: Header) -> Result<Self, ParseError> {
        let message_type = inner.message_type.to_wire();
        if end - QUOTE < HEADER_BYTES {
            return Err(ParseError::MessageTooShort {
                message_type,
                needed: HEADER_BYTES,
                found: end - QUOTE,
            });
        }
        let mut quoted = Self {
            message_type,
            port_id: inner.port_id,
            parts: [Span::default(); 2],
            count: 0,
            embedded: false,
            verdict_header: None,
            refusal: None,
            binds: false,
        };
        for found in Attributes::new(front, QUOTE + HEADER_BYTES, end) {
            let found = found?;
            match (message_type, found.kind) {
                (_, quote::EMBEDDED) | (message_type::VERDICT, attribute::PAYLOAD) => {
                    quoted.embedded |= found.kind == quote::EMBEDDED;
                    let part = quoted.parts.get_mut(quoted.count);
                    *part.ok_or(ParseError::DuplicateAttribute { attribute: found.kind })? = found.content;
                    quoted.count += 1;
                }
                (message_type::VERDICT | message_type::VERDICT_BATCH, attribute::VERDICT_HEADER) => {
                    quoted.verdict_header = Some(*found.fixed(front)?);
                }
                (quote::REJECT_PROBE, quote::REFUSAL) => quoted.refusal = Some(*found.fixed(front)?),
                (message_type::CONFIG, attribute::CONFIG_COMMAND) => quoted.binds = true,
                _ => {}
            }
        }
        Ok(quoted)
    }

    /// Returns the reason of the refusal as `ip_queue` would have given it. `errno` is the error
    /// number in the kernel's answer. Returns an error if the transport sends no messages of the
    /// quoted type, or if the message is a [`quote::REJECT_PROBE`] that does not say a valid
    /// reason.
    fn reason(&self, errno: Errno) -> Result<Reason, ParseError> {
        match self.message_type {
            quote::REJECT_PROBE => self.refusal_asked_for(errno).map(Reason::Number),
            message_type::CONFIG | message_type::VERDICT | message_type::VERDICT_BATCH if errno == Errno::EPERM => {
                Ok(Reason::NotPermittedOrTaken)
            }
            // The queue is not bound, so there is no such packet in it (VER-2).
            message_type::VERDICT | message_type::VERDICT_BATCH if errno == Errno::ENODEV => {
                Ok(Reason::Number(Errno::ENOENT))
            }
            message_type::CONFIG | message_type::VERDICT | message_type::VERDICT_BATCH => Ok(Reason::Number(errno)),
            message_type => Err(ParseError::UnknownQuote { message_type }),
        }
    }

    /// Returns the error number with which `ip_queue` refused the program's message, as the quoted
    /// [`quote::REJECT_PROBE`] says. If `errno`, the kernel's own number, is EPERM, returns EPERM
    /// instead, unless the probe says that `ip_queue` refused before it checked the capability.
    /// Returns an error if the probe does not say how `ip_queue` refused, or if the number to be
    /// returned is not from 1 to 4095.
    fn refusal_asked_for(&self, errno: Errno) -> Result<Errno, ParseError> {
        let [number @ .., before_capability] = self.refusal.ok_or(ParseError::MissingAttribute {
            attribute: quote::REFUSAL,
        })?;
        if errno == Errno::EPERM && before_capability == 0 {
            return Ok(Errno::EPERM);
        }
        match i32::from_be_bytes(number) {
            number @ 1..=4095 => Ok(Errno(number)),
            number => Err(ParseError::ErrorNumber {
                stated: number.wrapping_neg(),
            }),
        }
    }

    /// Returns [`Reply::None`] if the transport sent the quoted message of its own accord, and
    /// otherwise [`Reply::Refusal`] with `reason` and the program's message. Returns an error if
    /// the quoted bytes of an embedded message are not as many as the port id in the quoted header
    /// says.
    fn reply(&self, reason: Reason) -> Result<Reply, ParseError> {
        if self.port_id == PortId::KERNEL && self.count == 0 {
            return Ok(Reply::None);
        }
        let quoted = match self.verdict_header {
            Some(verdict_header) if !self.embedded && self.port_id != PortId::KERNEL => {
                let [following, _] = self.parts;
                let head = request::rebuild(self.port_id, verdict_header, following.length);
                Quoted::Rebuilt(head, following)
            }
            _ => {
                let PortId(stated) = self.port_id;
                let found = self.parts[0].length + self.parts[1].length;
                if found != stated as usize {
                    return Err(ParseError::QuotedLength { stated, found });
                }
                Quoted::Embedded(self.parts)
            }
        };
        Ok(Reply::Refusal { reason, quoted })
    }

    /// Returns `true` if the refusal means that this socket has not bound the queue: the message
    /// was to bind it, or was a CONFIG message that found the queue unbound (ENODEV).
    fn says_unbound(&self, errno: Errno) -> bool {
        self.binds || (self.message_type, errno) == (message_type::CONFIG, Errno::ENODEV)
    }
}
