//! MODE and VERDICT: what a program asks of the kernel.

use super::abi::Abi;
use super::fields::{Fields, Head};
use super::header::{Envelope, MessageType};
use super::message::WireError;
use super::values::{CopyMode, PacketId, Verdict};

/// MODE: a program sets how much of each packet it wants (WIRE-3, MSG-8).
#[doc(alias = "ipq_mode_msg_t")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeRequest {
    /// How much of each packet is to be copied.
    pub mode: CopyMode,
    /// How many bytes at the most, in mode PACKET; 0 for all. The kernel cuts it to 32 bits and then to 65,535.
    pub range: u64,
}

impl ModeRequest {
    /// The whole frame: MODE has no payload. Its size is the union's (WIRE-3), and exact (WIRE-7).
    #[must_use]
    pub fn head(&self, abi: Abi, envelope: Envelope) -> Head {
        envelope
            .header(MessageType::Mode, abi.request_bytes(), 0)
            .begin(abi)
            .bytes(&[self.mode.to_wire()])
            .pad_to_word()
            .word(self.range)
            .bytes(&[0; 8][..abi.word_bytes()])
            .finish()
    }

    /// Reads the message in `body`, which is what follows the header. More than the union's size is accepted (WIRE-7).
    #[inline]
    pub fn parse(body: &[u8], abi: Abi) -> Result<Self, WireError> {
        let fields = request_fields(MessageType::Mode, body, abi)?;
        Ok(Self {
            mode: CopyMode::from_wire(fields.u8(0)),
            range: fields.word(abi.word_bytes()),
        })
    }
}

/// VERDICT: a program decides about a packet (WIRE-3, section 6 of the protocol).
#[doc(alias = "ipq_verdict_msg_t")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictRequest {
    /// What is to be done.
    pub verdict: Verdict,
    /// With which packet.
    pub packet_id: PacketId,
    /// How long the replacement is said to be, in bytes. The kernel takes it only if as many bytes follow (VER-5).
    pub data_len: u64,
}

impl VerdictRequest {
    /// The head of a frame that `payload_length` bytes follow: the replacement packet, or none.
    #[must_use]
    #[inline]
    pub fn head(&self, abi: Abi, envelope: Envelope, payload_length: usize) -> Head {
        envelope
            .header(MessageType::Verdict, abi.request_bytes(), payload_length)
            .begin(abi)
            .u32(self.verdict.to_wire())
            .pad_to_word()
            .word(self.packet_id.0)
            .word(self.data_len)
            .finish()
    }

    /// Reads the message in `body`, which is what follows the header; the second value is all that follows the message.
    #[inline]
    pub fn parse(body: &[u8], abi: Abi) -> Result<(Self, &[u8]), WireError> {
        let fields = request_fields(MessageType::Verdict, body, abi)?;
        let word = abi.word_bytes();
        let request = Self {
            verdict: Verdict::from_wire(fields.u32(0)),
            packet_id: PacketId(fields.word(word)),
            data_len: fields.word(2 * word),
        };
        Ok((request, fields.rest(abi.request_bytes())))
    }

    /// The replacement among the bytes that follow the message: all of them, if there are exactly as many as stated, and
    /// any at all (VER-5).
    #[must_use]
    #[inline]
    pub fn replacement<'a>(&self, following: &'a [u8]) -> Option<&'a [u8]> {
        (!following.is_empty() && following.len() as u64 == self.data_len).then_some(following)
    }
}

/// Both requests have the size of their union, and anything shorter is refused (MSG-7).
#[inline]
fn request_fields(message_type: MessageType, body: &[u8], abi: Abi) -> Result<Fields<'_>, WireError> {
    if body.len() < abi.request_bytes() {
        return Err(WireError::BodyTooShort {
            message_type,
            needed: abi.request_bytes(),
            found: body.len(),
        });
    }
    Ok(Fields::new(body, abi))
}
