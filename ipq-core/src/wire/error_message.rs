//! `NLMSG_ERROR`: the kernel refuses a message, or acknowledges one.

use super::abi::Abi;
use super::error::WireError;
use super::fields::Fields;
use super::head::Head;
use super::header::{Envelope, Header, MessageType};
use crate::errno::Errno;
use std::fmt;

/// An answer of the kernel's: an error, or an acknowledgement, which is error 0 (WIRE-6).
#[doc(alias("nlmsgerr", "ipq_get_msgerr"))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorMessage<'a> {
    /// The number as it is on the wire: 0, or a *negative* errno.
    pub error: i32,
    /// The message that it answers: at least its header, and all of it for an error.
    pub quoted: &'a [u8],
}

impl<'a> ErrorMessage<'a> {
    /// Error number and quoted header: 20 bytes, the size of C's `struct nlmsgerr` and libipq's smallest buffer (LIB-3).
    pub const BYTES: usize = 4 + Header::BYTES;

    /// Where the quoted message begins in the datagram: after the header and the error number.
    pub(crate) const QUOTE_OFFSET: usize = Header::BYTES + 4;

    /// The head of a frame that `quoted_length` bytes of the offending message follow. After them the sender adds
    /// [`padding`](super::padding)`(quoted_length)` bytes, which the header's length does *not* count (ERR-3).
    #[must_use]
    #[inline(always)]
    pub fn head(error: i32, abi: Abi, envelope: Envelope, quoted_length: usize) -> Head {
        let mut writer = envelope.header(MessageType::Error, 4, quoted_length).begin(abi);
        writer.u32(error.cast_unsigned()).finish()
    }

    /// Reads the message in `body`, which is what follows the header, up to the header's length.
    #[inline(always)]
    pub fn parse(body: &'a [u8], abi: Abi) -> Result<Self, WireError> {
        if body.len() < Self::BYTES {
            return Err(WireError::BodyTooShort {
                message_type: MessageType::Error,
                needed: Self::BYTES,
                found: body.len(),
            });
        }
        let fields = Fields::new(body, abi);
        Ok(Self {
            error: fields.u32(0).cast_signed(),
            quoted: fields.rest(4),
        })
    }

    /// The error as libipq gives it: positive where the number on the wire is negative, as a kernel's is; 0 for an
    /// acknowledgement (ERR-4).
    #[must_use]
    pub const fn errno(&self) -> Errno {
        Errno(self.error.wrapping_neg())
    }

    /// Whether this says that the message was carried out.
    #[must_use]
    pub const fn is_acknowledgement(&self) -> bool {
        self.error == 0
    }

    /// The header of the message that it answers; `None` if it was made by hand with fewer than 16 bytes.
    #[must_use]
    pub fn quoted_header(&self, abi: Abi) -> Option<Header> {
        Header::parse(self.quoted, abi)
    }
}

impl fmt::Debug for ErrorMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorMessage")
            .field("error", &self.error)
            .field("quoted", &format_args!("{:02x?}", self.quoted))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Frame;
    use super::super::recorded::{self, bytes};
    use super::*;
    use crate::wire::{Flags, PortId, padding};
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case(recorded::ENOENT_LP64, Errno::ENOENT, MessageType::Verdict, 48)]
    #[case(recorded::EINVAL_ODD, Errno::EINVAL, MessageType::Mode, 17)]
    #[case(recorded::ACKNOWLEDGEMENT, Errno(0), MessageType::Mode, 16)]
    fn the_kernels_answers_are_read_and_written_byte_for_byte(
        #[case] hex: &str,
        #[case] errno: Errno,
        #[case] refused: MessageType,
        #[case] quoted_length: usize,
    ) {
        let abi = Abi::LP64_LITTLE;
        let datagram = bytes(hex);
        let frame = Frame::parse(&datagram, abi).unwrap();
        let message = ErrorMessage::parse(frame.body, abi).unwrap();
        assert_eq!(message.errno(), errno);
        assert_eq!(message.is_acknowledgement(), errno == Errno(0));
        assert_eq!(message.quoted_header(abi).unwrap().message_type, refused);
        assert_eq!(message.quoted.len(), quoted_length);

        let envelope = Envelope {
            flags: Flags::NONE,
            sequence: frame.header.sequence,
            port_id: PortId(4242),
        };
        let mut written = ErrorMessage::head(message.error, abi, envelope, quoted_length).to_vec();
        written.extend(message.quoted);
        written.resize(written.len() + padding(quoted_length), 0);
        assert_eq!(written, datagram);
    }

    #[rstest]
    fn a_body_without_a_whole_header_is_refused(#[values(0, 3, 4, 19)] length: usize) {
        assert_eq!(
            ErrorMessage::parse(&[0; 20][..length], Abi::NATIVE),
            Err(WireError::BodyTooShort {
                message_type: MessageType::Error,
                needed: 20,
                found: length
            })
        );
    }

    #[rstest]
    #[case(-22, 22)]
    #[case(0, 0)]
    #[case(7, -7)]
    #[case(i32::MIN, i32::MIN)]
    fn any_number_can_be_negated(#[case] error: i32, #[case] errno: i32) {
        assert_eq!(ErrorMessage { error, quoted: &[] }.errno(), Errno(errno));
    }

    #[test]
    fn what_was_made_by_hand_may_quote_no_header() {
        let quoted = [0; 15];
        assert_eq!(
            ErrorMessage {
                error: 0,
                quoted: &quoted
            }
            .quoted_header(Abi::NATIVE),
            None
        );
    }
}
