//! A whole datagram: its header, and the message in it.

use super::abi::Abi;
use super::error_message::ErrorMessage;
use super::header::{Header, MessageType};
use super::packet::PacketMessage;
use super::request::{ModeRequest, VerdictRequest};

/// A datagram's one message: a checked header, and the bytes that it says are its body (MSG-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header, as it came.
    pub header: Header,
    /// What follows the header, up to its length.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the header of `datagram` and checks its length against the datagram's (MSG-1).
    #[inline]
    pub fn parse(datagram: &'a [u8], abi: Abi) -> Result<Self, WireError> {
        let header = Header::parse(datagram, abi).ok_or(WireError::NoHeader { found: datagram.len() })?;
        usize::try_from(header.length)
            .ok()
            .and_then(|length| datagram.get(Header::BYTES..length))
            .map(|body| Self { header, body })
            .ok_or(WireError::HeaderLength {
                stated: header.length,
                found: datagram.len(),
            })
    }
}

/// The message of one datagram, checked.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// The kernel refuses a message, or acknowledges one.
    Error(ErrorMessage<'a>),
    /// A program sets the copy mode.
    Mode(ModeRequest),
    /// A program gives a verdict; the bytes are what follows the message.
    Verdict(VerdictRequest, &'a [u8]),
    /// The kernel hands over a packet.
    Packet(PacketMessage<'a>),
    /// A type that no kernel sends, and its body.
    Unknown(u16, &'a [u8]),
}

impl<'a> Message<'a> {
    /// Reads the message in `datagram`. What follows the first message is not looked at (MSG-11).
    #[inline]
    pub fn parse(datagram: &'a [u8], abi: Abi) -> Result<Self, WireError> {
        let Frame { header, body } = Frame::parse(datagram, abi)?;
        Ok(match header.message_type {
            MessageType::Error => Self::Error(ErrorMessage::parse(body, abi)?),
            MessageType::Mode => Self::Mode(ModeRequest::parse(body, abi)?),
            MessageType::Verdict => {
                let (request, following) = VerdictRequest::parse(body, abi)?;
                Self::Verdict(request, following)
            }
            MessageType::Packet => Self::Packet(PacketMessage::parse(body, abi)?),
            MessageType::Unknown(other) => Self::Unknown(other, body),
        })
    }

    /// What the message is.
    #[doc(alias = "ipq_message_type")]
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Error(_) => MessageType::Error,
            Self::Mode(_) => MessageType::Mode,
            Self::Verdict(..) => MessageType::Verdict,
            Self::Packet(_) => MessageType::Packet,
            Self::Unknown(other, _) => MessageType::Unknown(*other),
        }
    }
}

/// What is wrong with the bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The datagram is shorter than a header.
    #[error("a frame begins with a header of 16 bytes, and this has {found} bytes in all")]
    NoHeader {
        /// The datagram's length in bytes.
        found: usize,
    },
    /// The header's length is under 16, or over the datagram's.
    #[error(
        "the header says that the message has {stated} bytes, and {found} are here: \
         a longer message was cut, so use a larger buffer; a length under 16 is no message"
    )]
    HeaderLength {
        /// The header's length field.
        stated: u32,
        /// The datagram's length in bytes.
        found: usize,
    },
    /// The body has not even the message's fixed part.
    #[error(
        "a {message_type} message has at least {needed} bytes after its header, and this has {found}: is it of another ABI?"
    )]
    BodyTooShort {
        /// What the header says the message is.
        message_type: MessageType,
        /// The size of the fixed part in bytes.
        needed: usize,
        /// The body's length in bytes.
        found: usize,
    },
    /// A packet's `data_len` is more than what follows.
    #[error("data_len says that {stated} bytes of packet follow, and {found} do: is the frame of another ABI?")]
    PayloadCut {
        /// The message's `data_len`.
        stated: u64,
        /// How many bytes follow the message.
        found: usize,
    },
    /// A packet's `hw_addrlen` is more than the field has room for.
    #[error("hw_addrlen is {stated}, and a hardware address has at most 8 bytes: is the frame of another ABI?")]
    HardwareAddress {
        /// The message's `hw_addrlen`.
        stated: usize,
    },
}
