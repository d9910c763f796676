//! Errors in the bytes of a frame.

use super::header::MessageType;

/// An error in the bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The datagram is shorter than a header.
    #[error("a frame begins with a header of 16 bytes, and this has {found} bytes in all")]
    NoHeader {
        /// The datagram's length in bytes.
        found: usize,
    },
    /// The length in the header is under 16, or over the datagram's length.
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
    /// The body is shorter than the message's fixed part.
    #[error(
        "a {message_type} message has at least {needed} bytes after its header, and this has {found}: is it of another ABI?"
    )]
    BodyTooShort {
        /// The type that the header states.
        message_type: MessageType,
        /// The size of the fixed part in bytes.
        needed: usize,
        /// The body's length in bytes.
        found: usize,
    },
    /// A packet's `data_len` is more than the number of bytes after the message's fixed part.
    #[error("data_len says that {stated} bytes of packet follow, and {found} do: is the frame of another ABI?")]
    PayloadCut {
        /// The message's `data_len`.
        stated: u64,
        /// The number of bytes after the message's fixed part.
        found: usize,
    },
    /// A packet's `hw_addrlen` is more than the field has room for.
    #[error("hw_addrlen is {stated}, and a hardware address has at most 8 bytes: is the frame of another ABI?")]
    HardwareAddress {
        /// The message's `hw_addrlen`.
        stated: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_is_wrong_and_what_to_try() {
        let errors = [
            WireError::NoHeader { found: 3 },
            WireError::HeaderLength {
                stated: 144,
                found: 100,
            },
            WireError::BodyTooShort {
                message_type: MessageType::Packet,
                needed: 96,
                found: 72,
            },
            WireError::PayloadCut { stated: 33, found: 28 },
            WireError::HardwareAddress { stated: 20 },
        ];
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(texts.join("\n"), @r"
        a frame begins with a header of 16 bytes, and this has 3 bytes in all
        the header says that the message has 144 bytes, and 100 are here: a longer message was cut, so use a larger buffer; a length under 16 is no message
        a PACKET message has at least 96 bytes after its header, and this has 72: is it of another ABI?
        data_len says that 33 bytes of packet follow, and 28 do: is the frame of another ABI?
        hw_addrlen is 20, and a hardware address has at most 8 bytes: is the frame of another ABI?
        ");
    }
}
