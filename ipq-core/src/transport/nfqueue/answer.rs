//! From an answer of nfnetlink's to the `NLMSG_ERROR` frame that `ip_queue` would have sent.

use super::message::{Attributes, HEADERS, ParseError, Span, attribute, header, kind};
use super::request::{self, START};
use crate::errno::Errno;
use crate::wire::{Abi, Header, PortId};

/// Where an answer's quoted message begins: after the header and the error number.
const QUOTED: usize = Header::BYTES + 4;

/// An answer, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What it is for the program.
    pub(super) reply: Reply,
    /// Whether it says that the queue is not bound.
    pub(super) attach_failed: bool,
    /// That of the message that it answers.
    pub(super) sequence: u32,
}

/// What an answer is for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Nothing: it answers a message that the transport sent for itself.
    None,
    /// The message was carried out; this is its header.
    Acknowledgement(Header),
    /// It was refused.
    Refusal {
        reason: Reason,
        /// The `ip_queue` message.
        quoted: Quoted,
    },
}

/// What a refusal quotes of the message that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoted {
    /// Its beginning and what follows, in the datagram.
    Carried([Span; 2]),
    /// Its beginning, told again, and what follows, in the datagram.
    Retold([u8; START], Span),
}

/// Why the message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// For this.
    Number(Errno),
    /// The sender lacks the capability, or the queue is another's: nfnetlink says EPERM for both.
    NotPermittedOrTaken,
}

impl Answer {
    /// Reads the answer in a datagram of `length` bytes, of which `start` is at hand: all but, perhaps, some of the bytes that
    /// an attribute quotes. `peer` is who has attached.
    pub(super) fn parse(start: &[u8], length: usize, peer: PortId) -> Result<Self, ParseError> {
        let outer = header(start, length)?;
        let end = outer.length as usize;
        let too_short = ParseError::MessageTooShort {
            message_type: kind::ANSWER,
            needed: QUOTED + Header::BYTES,
            found: end,
        };
        let error = start.get(Header::BYTES..).and_then(<[u8]>::first_chunk).copied();
        let inner = start
            .get(QUOTED..)
            .and_then(|quoted| Header::parse(quoted, Abi::NATIVE));
        let (error, inner) = error
            .zip(inner)
            .filter(|_| end >= QUOTED + Header::BYTES)
            .ok_or(too_short)?;
        let stated = i32::from_ne_bytes(error);
        let errno = match stated {
            -4095..=0 => Errno(-stated),
            _ => return Err(ParseError::ErrorNumber { stated }),
        };
        // An acknowledgement quotes the header, a refusal all of the message, padded or not: kernels differ.
        let found = end - QUOTED;
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
            refusal(start, QUOTED + quoted, inner, errno)?
        };
        Ok(Self {
            reply,
            attach_failed,
            sequence: outer.sequence,
        })
    }
}

/// Reads the message that a refusal quotes, from its attributes.
fn refusal(start: &[u8], end: usize, inner: Header, errno: Errno) -> Result<(Reply, bool), ParseError> {
    let message_type = inner.message_type.to_wire();
    if end - QUOTED < HEADERS {
        return Err(ParseError::MessageTooShort {
            message_type,
            needed: HEADERS,
            found: end - QUOTED,
        });
    }
    let (mut count, mut quoted) = (0, [Span::default(); 2]);
    let (mut carried, mut verdict) = (false, None);
    let (mut decision, mut binds) = (None, false);
    for found in Attributes::new(start, QUOTED + HEADERS, end) {
        let found = found?;
        match (message_type, found.kind) {
            (_, attribute::QUOTE) | (kind::VERDICT, attribute::PAYLOAD) => {
                carried |= found.kind == attribute::QUOTE;
                let place = quoted
                    .get_mut(count)
                    .ok_or(ParseError::DuplicateAttribute { attribute: found.kind })?;
                *place = found.content;
                count += 1;
            }
            (kind::VERDICT | kind::VERDICT_BATCH, attribute::VERDICT_HEADER) => {
                verdict = Some(*found.fixed::<8>(start)?);
            }
            (kind::BOUNCE, attribute::DECISION) => decision = Some(*found.fixed::<5>(start)?),
            (kind::CONFIG, attribute::CONFIG_COMMAND) => binds = true,
            _ => {}
        }
    }
    let reason = match (message_type, errno, decision) {
        (kind::BOUNCE, Errno::EPERM, Some([.., 0])) => Reason::Number(Errno::EPERM),
        (kind::BOUNCE, _, Some([number @ .., _])) => match i32::from_be_bytes(number) {
            number @ 1..=4095 => Reason::Number(Errno(number)),
            number => {
                return Err(ParseError::ErrorNumber {
                    stated: number.wrapping_neg(),
                });
            }
        },
        (kind::BOUNCE, _, None) => {
            return Err(ParseError::MissingAttribute {
                attribute: attribute::DECISION,
            });
        }
        (kind::CONFIG | kind::VERDICT | kind::VERDICT_BATCH, Errno::EPERM, _) => Reason::NotPermittedOrTaken,
        // The queue is not bound, so there is no such packet in it (VER-2).
        (kind::VERDICT | kind::VERDICT_BATCH, Errno::ENODEV, _) => Reason::Number(Errno::ENOENT),
        (kind::CONFIG | kind::VERDICT | kind::VERDICT_BATCH, _, _) => Reason::Number(errno),
        _ => return Err(ParseError::UnknownQuote { message_type }),
    };
    let reply = match (inner.port_id, verdict) {
        (PortId::KERNEL, _) if count == 0 => Reply::None,
        (port_id, Some(verdict)) if !carried && port_id != PortId::KERNEL => {
            let [following, _] = quoted;
            let start = request::retold(port_id, verdict, following.length);
            let quoted = Quoted::Retold(start, following);
            Reply::Refusal { reason, quoted }
        }
        (PortId(stated), _) => {
            let found = quoted[0].length + quoted[1].length;
            if found != stated as usize {
                return Err(ParseError::QuotedLength { stated, found });
            }
            let quoted = Quoted::Carried(quoted);
            Reply::Refusal { reason, quoted }
        }
    };
    // A configuration of no queue can be one that overtook the message which was to bind it.
    let unbound = (message_type, errno) == (kind::CONFIG, Errno::ENODEV);
    Ok((reply, binds || unbound))
}
