//! A whole datagram: its header, and the message in it.

use super::abi::Abi;
use super::error::WireError;
use super::error_message::ErrorMessage;
use super::header::{Header, MessageType};
use super::packet::{PacketMessage, PacketMut};
use super::request::{ModeRequest, VerdictRequest};

/// The first message of a datagram, the only one that counts (MSG-11): its header, whose length was
/// checked, and the body after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header, as it came.
    pub header: Header,
    /// The bytes after the header, up to the length that the header states.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the header of `datagram`, and takes as the body the bytes from there to the length
    /// that the header states. Bytes beyond that length are left out. Fails with `NoHeader` if the
    /// datagram is shorter than 16 bytes, and with `HeaderLength` if the stated length is under 16
    /// or over the datagram's (MSG-1).
    #[inline(always)]
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

/// The first message of a datagram, parsed and checked.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// The kernel refuses a message, or acknowledges one.
    Error(ErrorMessage<'a>),
    /// A program sets the copy mode.
    Mode(ModeRequest),
    /// A program gives a verdict. The second field holds the bytes after the message's fixed part,
    /// which can be a [replacement](VerdictRequest::replacement) of the packet.
    Verdict(VerdictRequest, &'a [u8]),
    /// The kernel hands over a packet.
    Packet(PacketMessage<'a>),
    /// A message of any other type: its type and its body.
    Unknown(u16, &'a [u8]),
}

impl<'a> Message<'a> {
    /// Reads and checks the message in `datagram`. Bytes after the first message are ignored
    /// (MSG-11). Fails if the header is cut or its length is wrong, if the body is shorter than the
    /// fixed part of its type, if a packet's `data_len` is more than is there, or if its address is
    /// longer than the field. A message of an unknown type passes.
    #[inline(always)]
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

    /// Returns the type of the message.
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

/// The first message of a datagram, parsed and checked like a [`Message`]; but a packet's bytes can
/// be changed in the buffer that they came in.
#[derive(Debug)]
pub enum MessageMut<'a> {
    /// The kernel hands over a packet.
    Packet(PacketMut<'a>),
    /// Any other message.
    Other(Message<'a>),
}

impl<'a> MessageMut<'a> {
    /// Reads and checks the message in `datagram`, as [`Message::parse`] does, with the same
    /// errors.
    #[inline(always)]
    pub fn parse(datagram: &'a mut [u8], abi: Abi) -> Result<Self, WireError> {
        let Frame { header, body } = Frame::parse(datagram, abi)?;
        if header.message_type != MessageType::Packet {
            return Message::parse(datagram, abi).map(Self::Other);
        }
        let length = PacketMessage::parse(body, abi)?.payload().len();
        let (head, rest) = datagram.split_at_mut(Header::BYTES + abi.packet_message_bytes());
        let payload = &mut rest[..length];
        Ok(Self::Packet(PacketMut::new(&head[Header::BYTES..], abi, payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::{self, bytes};
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const ABI: Abi = Abi::LP64_LITTLE;

    #[rstest]
    #[case(recorded::PACKET_LP64, MessageType::Packet)]
    #[case(recorded::META_LP64, MessageType::Packet)]
    #[case(recorded::MODE_LP64, MessageType::Mode)]
    #[case(recorded::VERDICT_LP64, MessageType::Verdict)]
    #[case(recorded::ENOENT_LP64, MessageType::Error)]
    #[case(recorded::ACKNOWLEDGEMENT, MessageType::Error)]
    fn the_type_of_a_recorded_frame_is_known(#[case] hex: &str, #[case] expected: MessageType) {
        let datagram = bytes(hex);
        assert_eq!(Message::parse(&datagram, ABI).unwrap().message_type(), expected);
    }

    #[test]
    fn recorded_requests_and_answers_are_decoded() {
        let [mode, verdict, enoent] = [recorded::MODE_LP64, recorded::VERDICT_LP64, recorded::ENOENT_LP64].map(bytes);
        insta::assert_debug_snapshot!("mode", Message::parse(&mode, ABI).unwrap());
        insta::assert_debug_snapshot!("verdict", Message::parse(&verdict, ABI).unwrap());
        insta::assert_debug_snapshot!("enoent", Message::parse(&enoent, ABI).unwrap());
    }

    /// Returns a datagram of `length` bytes whose header states `stated` and type 0x14.
    fn datagram(stated: u32, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[..4].copy_from_slice(&stated.to_le_bytes());
        bytes[4] = 0x14;
        bytes
    }

    #[rstest]
    fn fewer_bytes_than_a_header_are_no_frame(#[values(0, 1, 15)] found: usize) {
        assert_eq!(
            Frame::parse(&[0xff; 15][..found], ABI),
            Err(WireError::NoHeader { found })
        );
    }

    #[rstest]
    fn a_length_under_16_or_over_the_datagrams_is_refused(#[values(0, 1, 15, 21, u32::MAX)] stated: u32) {
        let error = WireError::HeaderLength { stated, found: 20 };
        assert_eq!(Frame::parse(&datagram(stated, 20), ABI), Err(error));
    }

    #[rstest]
    #[case(16, 0)]
    #[case(17, 1)]
    #[case(20, 4)]
    fn the_body_ends_where_the_header_says(#[case] stated: u32, #[case] body: usize) {
        let datagram = datagram(stated, 20);
        let frame = Frame::parse(&datagram, ABI).unwrap();
        assert_eq!(frame.body, vec![0; body]);
        let message = Message::parse(&datagram, ABI).unwrap();
        assert_eq!(message.message_type(), MessageType::Unknown(0x14));
        assert!(matches!(message, Message::Unknown(0x14, bytes) if bytes.len() == body));
    }

    #[test]
    fn what_follows_the_first_message_is_not_looked_at() {
        let one = bytes(recorded::MODE_LP64);
        let two = [&one[..], &[0xff; 40]].concat();
        assert_eq!(Frame::parse(&one, ABI), Frame::parse(&two, ABI));
    }
}
