//! nfnetlink on the wire: a netlink header, four bytes of nfnetlink's own, and attributes.
//!
//! Numbers in nfnetlink headers and attributes are big-endian; netlink's own header, and the length and type of an
//! attribute, are native.

use crate::transport::AT_ONCE;
use crate::wire::{Abi, Flags, Header, MessageType, PortId, padding};
use arrayvec::ArrayVec;

/// The netlink protocol that carries nfnetlink.
pub(super) const PROTOCOL: u8 = 12;

/// The size of the netlink header and nfnetlink's own, which come before the attributes.
pub(super) const HEADERS: usize = Header::BYTES + 4;

/// The most bytes that an attribute has room for beside its own header: its length has 16 bits.
pub(super) const ATTRIBUTE_ROOM: usize = 65_531;

/// Message types: the queue subsystem's number, and a message of it.
pub(super) mod kind {
    /// `NLMSG_ERROR`, which is every netlink protocol's.
    pub(in super::super) const ANSWER: u16 = 2;
    pub(in super::super) const PACKET: u16 = 0x0300;
    pub(in super::super) const VERDICT: u16 = 0x0301;
    pub(in super::super) const CONFIG: u16 = 0x0302;
    /// A verdict on every packet up to an id.
    pub(in super::super) const VERDICT_BATCH: u16 = 0x0303;
    /// No message of the subsystem: the kernel refuses it without looking at what it carries, and quotes it back.
    pub(in super::super) const BOUNCE: u16 = 0x03ff;
}

/// Attribute types. A number has a meaning of its own in each message type.
pub(super) mod attribute {
    pub(in super::super) const PACKET_HEADER: u16 = 1;
    pub(in super::super) const VERDICT_HEADER: u16 = 2;
    pub(in super::super) const MARK: u16 = 3;
    pub(in super::super) const TIMESTAMP: u16 = 4;
    pub(in super::super) const INCOMING_DEVICE: u16 = 5;
    pub(in super::super) const OUTGOING_DEVICE: u16 = 6;
    pub(in super::super) const HARDWARE_ADDRESS: u16 = 9;
    pub(in super::super) const PAYLOAD: u16 = 10;

    pub(in super::super) const CONFIG_COMMAND: u16 = 1;
    pub(in super::super) const CONFIG_PARAMETERS: u16 = 2;
    pub(in super::super) const CONFIG_MAX_LENGTH: u16 = 3;
    pub(in super::super) const CONFIG_MASK: u16 = 4;
    pub(in super::super) const CONFIG_FLAGS: u16 = 5;

    /// Bytes of the `ip_queue` message that this one stands for. No kernel knows the number, so all ignore it.
    pub(in super::super) const QUOTE: u16 = 0x3f01;
    /// What the translation has decided about that message. Ignored too.
    pub(in super::super) const DECISION: u16 = 0x3f02;
}

/// Why bytes from the kernel are not what nfnetlink says they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The datagram is shorter than a netlink header.
    #[error("a netlink message begins with a header of 16 bytes, and this has {found} bytes in all")]
    NoHeader {
        /// The datagram's length in bytes.
        found: usize,
    },
    /// The header's length is under 16, or over the datagram's.
    #[error("the header says that the message has {stated} bytes, and the datagram has {found}")]
    MessageLength {
        /// The header's length field.
        stated: u32,
        /// The datagram's length in bytes.
        found: usize,
    },
    /// More than padding follows the message.
    #[error("{count} bytes follow the message in its datagram, and padding has at most 3")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The message has not even its fixed part.
    #[error("a message of type {message_type:#x} has at least {needed} bytes, and this has {found}")]
    MessageTooShort {
        /// The header's type field.
        message_type: u16,
        /// The size of the fixed part in bytes, with all headers.
        needed: usize,
        /// The message's length in bytes.
        found: usize,
    },
    /// The kernel has no such message for a queue's listener.
    #[error("a message of type {message_type:#x} is none that the kernel sends to the listener of a queue")]
    UnknownMessage {
        /// The header's type field.
        message_type: u16,
    },
    /// The message is for another queue than the one that was bound.
    #[error("a message for queue {stated} came, and queue {bound} is bound")]
    WrongQueue {
        /// The message's queue number.
        stated: u16,
        /// This transport's.
        bound: u16,
    },
    /// Where an attribute should begin there are less bytes than its header has.
    #[error("at byte {at} an attribute's header of 4 bytes should begin, and {left} bytes are left")]
    NoAttributeHeader {
        /// Where, counted from the start of the message.
        at: usize,
        /// How many bytes are left.
        left: usize,
    },
    /// An attribute's length is under 4, or goes beyond the message.
    #[error("attribute {attribute} says that it has {stated} bytes, and it can have 4 to {left}")]
    AttributeLength {
        /// The attribute's type.
        attribute: u16,
        /// Its length field.
        stated: u16,
        /// How many bytes are left in the message, the attribute's header included.
        left: usize,
    },
    /// An attribute of a fixed size has another.
    #[error("attribute {attribute} holds {expected} bytes, and here {found}")]
    AttributeSize {
        /// The attribute's type.
        attribute: u16,
        /// What it always has.
        expected: usize,
        /// What it has here.
        found: usize,
    },
    /// An attribute came twice.
    #[error("attribute {attribute} is there twice")]
    DuplicateAttribute {
        /// The attribute's type.
        attribute: u16,
    },
    /// An attribute that must be there is not.
    #[error("attribute {attribute} is missing")]
    MissingAttribute {
        /// The attribute's type.
        attribute: u16,
    },
    /// Something follows the packet's bytes, which the kernel always puts last.
    #[error("the packet's bytes end the message, and here {count} bytes follow")]
    PayloadNotLast {
        /// How many.
        count: usize,
    },
    /// What precedes the packet's bytes is longer than any kernel makes it.
    #[error("what is said about a packet has at most {limit} bytes, and this goes on at byte {at}")]
    MetadataTooLong {
        /// Where the next attribute begins.
        at: usize,
        /// How many bytes are looked at.
        limit: usize,
    },
    /// A hardware address is longer than its field.
    #[error("a hardware address has at most 8 bytes, and this one is said to have {stated}")]
    HardwareAddress {
        /// The length that was stated, in bytes.
        stated: u16,
    },
    /// An answer's error number is no negative errno.
    #[error("an answer's error number is 0 or a negative errno, and this is {stated}")]
    ErrorNumber {
        /// The number.
        stated: i32,
    },
    /// The message that an answer quotes is longer or shorter than the answer has room for.
    #[error("an answer quotes a message of {stated} bytes in {found}")]
    QuotedLength {
        /// The quoted header's length field.
        stated: u32,
        /// How many bytes there are for it.
        found: usize,
    },
    /// The message that an answer quotes is none that was sent.
    #[error("an answer quotes a message of type {message_type:#x} that was not sent")]
    UnknownQuote {
        /// The quoted header's type field.
        message_type: u16,
    },
}

/// The netlink header of a datagram's one message, its length checked against the datagram's. Of the datagram, which has
/// `length` bytes, `start` is what is at hand.
pub(super) fn header(start: &[u8], length: usize) -> Result<Header, ParseError> {
    let header = Header::parse(start, Abi::NATIVE).ok_or(ParseError::NoHeader { found: start.len() })?;
    let stated = header.length as usize;
    if stated < Header::BYTES || stated > length {
        return Err(ParseError::MessageLength {
            stated: header.length,
            found: length,
        });
    }
    match length - stated {
        0..=3 => Ok(header),
        count => Err(ParseError::TrailingBytes { count }),
    }
}

/// Where an attribute is in its message. Its content may be beyond the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) kind: u16,
    pub(super) content: Span,
}

/// Some bytes of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) length: usize,
}

impl Attribute {
    /// The content, which always has `N` bytes.
    pub(super) fn fixed<const N: usize>(self, message: &[u8]) -> Result<&[u8; N], ParseError> {
        if self.content.length != N {
            return Err(ParseError::AttributeSize {
                attribute: self.kind,
                expected: N,
                found: self.content.length,
            });
        }
        let content = message.get(self.content.start..).and_then(<[u8]>::first_chunk);
        content.ok_or(ParseError::MetadataTooLong {
            at: self.content.start,
            limit: message.len(),
        })
    }
}

/// Goes through the attributes of a message, and ends with the first that is wrong.
///
/// Each step moves on by at least the 4 bytes of an attribute's header, so it ends whatever the bytes are. The last
/// attribute need not be padded: the kernel does not pad a packet's bytes.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    message: &'a [u8],
    at: usize,
    end: usize,
    seen: u64,
}

impl<'a> Attributes<'a> {
    /// Attributes from byte `at` to byte `end` of a message, of which `message` is the start that is at hand.
    pub(super) const fn new(message: &'a [u8], at: usize, end: usize) -> Self {
        Self {
            message,
            at,
            end,
            seen: 0,
        }
    }

    fn step(&mut self) -> Result<Attribute, ParseError> {
        let (at, left) = (self.at, self.end - self.at);
        self.at = self.end;
        if left < 4 {
            return Err(ParseError::NoAttributeHeader { at, left });
        }
        let header: [u8; 4] =
            self.message
                .get(at..)
                .and_then(<[u8]>::first_chunk)
                .copied()
                .ok_or(ParseError::MetadataTooLong {
                    at,
                    limit: self.message.len(),
                })?;
        let stated = u16::from_ne_bytes([header[0], header[1]]);
        // The two highest bits say how the content is made up, and are no part of the type.
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let length = usize::from(stated);
        if length < 4 || length > left {
            return Err(ParseError::AttributeLength {
                attribute: kind,
                stated,
                left,
            });
        }
        if kind < 64 {
            if self.seen & (1 << kind) != 0 {
                return Err(ParseError::DuplicateAttribute { attribute: kind });
            }
            self.seen |= 1 << kind;
        }
        self.at = at + length.next_multiple_of(4).min(left);
        Ok(Attribute {
            kind,
            content: Span {
                start: at + 4,
                length: length - 4,
            },
        })
    }
}

impl Iterator for Attributes<'_> {
    type Item = Result<Attribute, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.end).then(|| self.step())
    }
}

/// Room on the stack for a datagram of [`AT_ONCE`] messages, but for the bytes of the caller's that belong in it: for each at most the 80
/// bytes of a verdict that carries its message and 3 of padding, and for what binds the queue after the last. What is not needed is not
/// written.
pub(super) type Room = ArrayVec<u8, { AT_ONCE * 84 + 256 }>;

/// Writes a datagram, but for the bytes of the caller's that belong in it.
pub(super) struct Writer<'b> {
    bytes: &'b mut Room,
    message: usize,
}

impl<'b> Writer<'b> {
    pub(super) const fn new(bytes: &'b mut Room) -> Self {
        Self { bytes, message: 0 }
    }

    /// How many bytes have been written.
    pub(super) const fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Begins a message: its two headers.
    pub(super) fn message(&mut self, header: Header, family: u8, queue: u16) -> &mut Self {
        self.message = self.length();
        let [high, low] = queue.to_be_bytes();
        self.raw(&header.write(Abi::NATIVE)).raw(&[family, 0, high, low])
    }

    /// Adds an attribute, with padding.
    #[inline(always)]
    pub(super) fn attribute(&mut self, kind: u16, content: &[u8]) -> &mut Self {
        let length = content.len();
        self.attribute_of(kind, length).raw(content).pad_after(length)
    }

    /// Adds what `length` bytes need to end at a multiple of 4.
    #[inline(always)]
    pub(super) fn pad_after(&mut self, length: usize) -> &mut Self {
        self.raw(&[0; 3][..padding(length)])
    }

    /// Adds the header of an attribute whose `length` bytes of content follow.
    pub(super) fn attribute_of(&mut self, kind: u16, length: usize) -> &mut Self {
        let stated = (length + 4) as u16;
        self.raw(&stated.to_ne_bytes()).raw(&kind.to_ne_bytes())
    }

    /// Writes the length of the message that was begun last, which `following` more bytes will be part of.
    pub(super) fn end(&mut self, following: usize) -> &mut Self {
        let length = (self.length() - self.message + following) as u32;
        if let Some(field) = self.bytes.get_mut(self.message..self.message + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        self
    }

    pub(super) fn written(&self) -> &[u8] {
        self.bytes
    }

    #[inline(always)]
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        let written = self.bytes.try_extend_from_slice(bytes);
        debug_assert!(written.is_ok(), "as many messages as are allowed here fit");
        self
    }
}

/// A header whose length is written by [`Writer::end`].
pub(super) fn header_of(kind: u16, flags: Flags, sequence: u32, port_id: u32) -> Header {
    Header {
        length: 0,
        message_type: MessageType::from_wire(kind),
        flags,
        sequence,
        port_id: PortId(port_id),
    }
}
