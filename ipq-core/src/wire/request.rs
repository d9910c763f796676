//! MODE and VERDICT: a program's requests to the kernel.

use super::abi::Abi;
use super::error::WireError;
use super::fields::{Fields, FieldsMut};
use super::head::Head;
use super::header::{Envelope, Header, MessageType};
use super::values::{CopyMode, PacketId, Verdict};

/// A MODE message: a program sets how much of each packet it wants (WIRE-3, MSG-8).
#[doc(alias = "ipq_mode_msg_t")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeRequest {
    /// The part of each packet that the kernel hands over.
    pub mode: CopyMode,
    /// The most bytes of each packet that the kernel hands over in mode PACKET; 0 for all. The
    /// kernel takes the number's low 32 bits, but at most 65,535. Linux 2.4.0 and 2.4.16 take the
    /// whole number, but at most 65,535.
    pub range: u64,
}

impl ModeRequest {
    /// Writes the whole frame: MODE has no payload. The message has exactly the size of the union
    /// of MODE and VERDICT (WIRE-3, WIRE-7).
    #[must_use]
    #[inline(always)]
    pub fn head(&self, abi: Abi, envelope: Envelope) -> Head {
        let at = Layout::of(abi);
        Head::written(Header::BYTES + at.end, |frame| {
            envelope.header(MessageType::Mode, at.end, 0).write_to(frame, abi);
            FieldsMut::new(message_of(frame), abi)
                .padded_to_word(at.value, self.mode.to_wire().into(), 8)
                .word(at.second, self.range)
                .word(at.third, 0);
        })
    }

    /// Reads the message in `body`, which follows the header. Ignores bytes after the union of MODE
    /// and VERDICT (WIRE-7). Fails if the body is shorter than that union.
    #[inline(always)]
    pub fn parse(body: &[u8], abi: Abi) -> Result<Self, WireError> {
        let (at, fields) = (Layout::of(abi), request_fields(MessageType::Mode, body, abi)?);
        Ok(Self {
            mode: CopyMode::from_wire(fields.u8(at.value)),
            range: fields.word(at.second),
        })
    }
}

/// A VERDICT message: a program decides about a packet (WIRE-3, VER-1).
#[doc(alias = "ipq_verdict_msg_t")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictRequest {
    /// The program's verdict on the packet.
    pub verdict: Verdict,
    /// The id of the packet.
    pub packet_id: PacketId,
    /// The stated length of the replacement in bytes. The kernel takes the replacement only if
    /// exactly as many bytes follow (VER-5).
    pub data_len: u64,
}

impl VerdictRequest {
    /// Writes the head of a VERDICT frame: the header, and the message with its `data_len`. The
    /// header's length counts `payload_length` bytes that follow: the replacement packet, or none.
    #[must_use]
    #[inline(always)]
    pub fn head(&self, abi: Abi, envelope: Envelope, payload_length: usize) -> Head {
        Head::written(Header::BYTES + abi.request_bytes(), |frame| {
            self.write(frame, abi, envelope, payload_length);
        })
    }

    /// The length of the longest [head](Self::head), a 64-bit machine's: 40 bytes.
    pub(crate) const HEAD_BYTES: usize = Header::BYTES + Abi::LP64_LITTLE.request_bytes();

    /// Writes the [head](Self::head) to `room`, over whatever is there, and returns the bytes
    /// written.
    #[inline(always)]
    pub(crate) fn write_head<'r>(
        &self,
        room: &'r mut [u8; Self::HEAD_BYTES],
        abi: Abi,
        envelope: Envelope,
        payload_length: usize,
    ) -> &'r [u8] {
        abi.folded(|abi| self.write(room, abi, envelope, payload_length));
        room.get(..Header::BYTES + abi.request_bytes()).unwrap_or_default()
    }

    #[inline(always)]
    fn write(&self, frame: &mut [u8], abi: Abi, envelope: Envelope, payload_length: usize) {
        let at = Layout::of(abi);
        envelope
            .header(MessageType::Verdict, at.end, payload_length)
            .write_to(frame, abi);
        FieldsMut::new(message_of(frame), abi)
            .padded_to_word(at.value, self.verdict.to_wire(), 32)
            .word(at.second, self.packet_id.0)
            .word(at.third, self.data_len);
    }

    /// Reads the message in `body`, which follows the header. Returns the message, and all bytes
    /// after it. Fails if the body is shorter than the message.
    #[inline(always)]
    pub fn parse(body: &[u8], abi: Abi) -> Result<(Self, &[u8]), WireError> {
        let (at, fields) = (Layout::of(abi), request_fields(MessageType::Verdict, body, abi)?);
        let request = Self {
            verdict: Verdict::from_wire(fields.u32(at.value)),
            packet_id: PacketId(fields.word(at.second)),
            data_len: fields.word(at.third),
        };
        Ok((request, fields.rest(at.end)))
    }

    /// Returns the replacement: all of `following`, the bytes after the message. Returns `None` if
    /// there are none, or not as many as `data_len` states (VER-5).
    #[must_use]
    #[inline]
    pub fn replacement<'a>(&self, following: &'a [u8]) -> Option<&'a [u8]> {
        (!following.is_empty() && following.len() as u64 == self.data_len).then_some(following)
    }
}

/// Offsets of a request's fields from its start, in bytes (WIRE-3). MODE and VERDICT are a union.
struct Layout {
    /// The offset of the copy mode (MODE, u8) or of the verdict (VERDICT, u32). The field takes a
    /// word.
    value: usize,
    /// The offset of the range (MODE) or of the packet id (VERDICT).
    second: usize,
    /// The offset of `data_len` (VERDICT).
    third: usize,
    end: usize,
}

impl Layout {
    #[inline(always)]
    const fn of(abi: Abi) -> Self {
        let word = abi.word_bytes();
        Self {
            value: 0,
            second: word,
            third: 2 * word,
            end: abi.request_bytes(),
        }
    }
}

/// Returns the bytes of a frame after its header.
#[inline(always)]
fn message_of(frame: &mut [u8]) -> &mut [u8] {
    frame.get_mut(Header::BYTES..).unwrap_or_default()
}

/// Returns a reader of the fields of a MODE or VERDICT message. A body that is shorter than the
/// union of the two is an error (MSG-7).
#[inline(always)]
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

#[cfg(test)]
mod tests {
    use super::super::message::Frame;
    use super::super::recorded::{self, bytes};
    use super::*;
    use crate::wire::{ByteOrder, Header, PortId};
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const ENVELOPE: Envelope = Envelope::request(PortId(4242));

    #[rstest]
    #[case(recorded::MODE_LP64, Abi::LP64_LITTLE)]
    #[case(recorded::MODE_ILP32, Abi::ILP32_LITTLE)]
    fn a_mode_message_has_the_exact_size_of_the_union(#[case] hex: &str, #[case] abi: Abi) {
        let request = ModeRequest {
            mode: CopyMode::Packet,
            range: 65_535,
        };
        let datagram = bytes(hex);
        assert_eq!(request.head(abi, ENVELOPE)[..], datagram);
        assert_eq!(ModeRequest::parse(&datagram[Header::BYTES..], abi), Ok(request));
    }

    #[rstest]
    #[case(recorded::VERDICT_LP64, Abi::LP64_LITTLE, PacketId(0xffff_8800_0e73_0b40))]
    #[case(recorded::VERDICT_ILP32, Abi::ILP32_LITTLE, PacketId(0xcee0_0480))]
    fn a_verdict_names_its_packet(#[case] hex: &str, #[case] abi: Abi, #[case] packet_id: PacketId) {
        let request = VerdictRequest {
            verdict: Verdict::Accept,
            packet_id,
            data_len: 0,
        };
        let datagram = bytes(hex);
        assert_eq!(request.head(abi, ENVELOPE, 0)[..], datagram);
        let mut room = [0xee; 40];
        assert_eq!(request.write_head(&mut room, abi, ENVELOPE, 0), datagram);
        assert_eq!(
            VerdictRequest::parse(&datagram[Header::BYTES..], abi),
            Ok((request, &[][..]))
        );
    }

    #[rstest]
    #[case(Abi::LP64_LITTLE, [8, 16, 24], [0x11, 0, 0, 0])]
    #[case(Abi::LP64_BIG, [8, 16, 24], [0, 0, 0, 0x11])]
    #[case(Abi::ILP32_LITTLE, [4, 8, 12], [0x11, 0, 0, 0])]
    #[case(Abi::ILP32_BIG, [4, 8, 12], [0, 0, 0, 0x11])]
    fn every_field_is_at_its_offset(#[case] abi: Abi, #[case] offsets: [usize; 3], #[case] value: [u8; 4]) {
        let [second, third, size] = offsets.map(|offset| Header::BYTES + offset);
        let top = 8 * abi.word_bytes() - 8;
        let first_byte = |byte: u8| match abi.order {
            ByteOrder::Little => u64::from(byte),
            ByteOrder::Big => u64::from(byte) << top,
        };
        let mode = ModeRequest {
            mode: CopyMode::Unknown(0x11),
            range: first_byte(0x22),
        };
        let mut expected = vec![0; size];
        expected[Header::BYTES] = 0x11;
        expected[second] = 0x22;
        assert_eq!(mode.head(abi, ENVELOPE)[Header::BYTES..], expected[Header::BYTES..]);

        let verdict = VerdictRequest {
            verdict: Verdict::Unknown(0x11),
            packet_id: PacketId(first_byte(0x22)),
            data_len: first_byte(0x33),
        };
        expected[Header::BYTES..Header::BYTES + 4].copy_from_slice(&value);
        expected[third] = 0x33;
        assert_eq!(
            verdict.head(abi, ENVELOPE, 0)[Header::BYTES..],
            expected[Header::BYTES..]
        );
    }

    #[test]
    fn libipqs_long_mode_message_is_accepted() {
        let mut body = bytes(recorded::MODE_LP64).split_off(Header::BYTES);
        body.extend([0xee; 16]);
        let request = ModeRequest::parse(&body, Abi::LP64_LITTLE).unwrap();
        assert_eq!((request.mode, request.range), (CopyMode::Packet, 65_535));
    }

    #[test]
    fn a_body_shorter_than_the_union_is_refused() {
        for abi in Abi::ALL {
            let needed = abi.request_bytes();
            for found in [0, 1, needed - 1] {
                let body = vec![0; found];
                let too_short = |message_type| WireError::BodyTooShort {
                    message_type,
                    needed,
                    found,
                };
                assert_eq!(ModeRequest::parse(&body, abi), Err(too_short(MessageType::Mode)));
                assert_eq!(VerdictRequest::parse(&body, abi), Err(too_short(MessageType::Verdict)));
            }
        }
    }

    #[rstest]
    #[case(0, 0, false)]
    #[case(0, 4, false)]
    #[case(4, 0, false)]
    #[case(4, 3, false)]
    #[case(4, 5, false)]
    #[case(4, 4, true)]
    fn a_replacement_is_exactly_as_long_as_stated(#[case] data_len: u64, #[case] found: usize, #[case] taken: bool) {
        let request = VerdictRequest {
            verdict: Verdict::Accept,
            packet_id: PacketId(1),
            data_len,
        };
        let following = vec![0x45; found];
        assert_eq!(request.replacement(&following), taken.then_some(&following[..]));
    }

    #[test]
    fn a_refused_verdict_is_read_from_its_quotation() {
        let datagram = bytes(recorded::ENOENT_LP64);
        let quoted = Frame::parse(&datagram[20..], Abi::LP64_LITTLE).unwrap();
        let (request, following) = VerdictRequest::parse(quoted.body, Abi::LP64_LITTLE).unwrap();
        assert_eq!(request.packet_id, PacketId(0xdead_beef));
        assert_eq!(request.replacement(following), Some(&datagram[60..68]));
    }
}
