//! `NLMSG_ERROR`: the kernel refuses a message, or acknowledges one.

use super::abi::Abi;
use super::error::WireError;
use super::fields::{Fields, FieldsMut};
use super::head::Head;
use super::header::{Envelope, Header, MessageType};
use crate::errno::Errno;
use std::fmt;

/// An answer from the kernel: an error, or an acknowledgement, which is error 0 (WIRE-6).
#[doc(alias("nlmsgerr", "ipq_get_msgerr"))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorMessage<'a> {
    /// The error number as it is on the wire: 0, or a *negative* errno.
    pub error: i32,
    /// The message that is answered: for an acknowledgement its header, and for an error the whole
    /// message. Kernels up to 2.6.28 quote the header alone for both (ERA-1).
    pub quoted: &'a [u8],
}

impl<'a> ErrorMessage<'a> {
    /// The size of the error number and a quoted header: 20 bytes, as C's `struct nlmsgerr` has.
    /// libipq's `ipq_read` refuses a buffer that is shorter than this (LIB-3).
    pub const BYTES: usize = 4 + Header::BYTES;

    /// The offset of the quoted message in the datagram: after the header and the error number.
    pub(crate) const QUOTE_OFFSET: usize = Header::BYTES + 4;

    /// Writes the head of an `NLMSG_ERROR` frame: its header and the error number. The sender adds
    /// `quoted_length` bytes of the message that is answered, and then
    /// [`padding`](super::padding)`(quoted_length)` bytes, which the header's length does *not*
    /// count (ERR-3).
    #[must_use]
    #[inline(always)]
    pub fn head(error: i32, abi: Abi, envelope: Envelope, quoted_length: usize) -> Head {
        Head::written(Self::QUOTE_OFFSET, |frame| {
            envelope
                .header(MessageType::Error, 4, quoted_length)
                .write_to(frame, abi);
            FieldsMut::new(frame, abi).u32(Header::BYTES, error.cast_unsigned());
        })
    }

    /// Reads the message in `body`, which begins after the header and ends where the header says.
    /// All bytes after the error number are the quoted message. Fails if the body has less than 20
    /// bytes.
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

    /// Returns the error number as libipq gives it: the number on the wire with its sign changed,
    /// so positive for an error and 0 for an acknowledgement (ERR-4).
    #[must_use]
    pub const fn errno(&self) -> Errno {
        Errno(self.error.wrapping_neg())
    }

    /// Returns `true` if the answered message was carried out.
    #[must_use]
    pub const fn is_acknowledgement(&self) -> bool {
        self.error == 0
    }

    /// Returns the header of the message that is answered; `None` if fewer than 16 bytes are
    /// quoted, which [`parse`](Self::parse) never allows.
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
