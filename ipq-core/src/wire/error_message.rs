//! `NLMSG_ERROR`: the kernel refuses a message, or acknowledges one.

use super::abi::Abi;
use super::fields::{Fields, Head};
use super::header::{Envelope, Header, MessageType};
use super::message::WireError;
use crate::errno::Errno;

/// An answer of the kernel's: an error, or an acknowledgement, which is error 0 (WIRE-6).
#[doc(alias("nlmsgerr", "ipq_get_msgerr"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorMessage<'a> {
    /// The number as it is on the wire: 0, or a *negative* errno.
    pub error: i32,
    /// The message that it answers: at least its header, and all of it for an error.
    pub quoted: &'a [u8],
}

impl<'a> ErrorMessage<'a> {
    /// Error number and quoted header: 20 bytes, the size of C's `struct nlmsgerr` and libipq's smallest buffer (LIB-3).
    pub const BYTES: usize = 4 + Header::BYTES;

    /// The head of a frame that `quoted_length` bytes of the offending message follow. After them the sender adds
    /// [`padding`](super::padding)`(quoted_length)` bytes, which the header's length does *not* count (ERR-3).
    #[must_use]
    pub fn head(error: i32, abi: Abi, envelope: Envelope, quoted_length: usize) -> Head {
        envelope
            .header(MessageType::Error, 4, quoted_length)
            .begin(abi)
            .u32(error.cast_unsigned())
            .finish()
    }

    /// Reads the message in `body`, which is what follows the header, up to the header's length.
    #[inline]
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
