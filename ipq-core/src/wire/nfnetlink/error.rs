//! Errors in the bytes of a message.

/// An error in the bytes of an nfnetlink message from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The datagram, or its front that the parser was given, is shorter than a netlink header.
    #[error("a netlink message begins with a header of 16 bytes, and only {found} bytes of this one were read")]
    NoHeader {
        /// The number of bytes that the parser was given.
        found: usize,
    },
    /// The length in the header is under 16, or over the datagram's length.
    #[error("the header says that the message has {stated} bytes, and the datagram has {found}")]
    MessageLength {
        /// The header's length field.
        stated: u32,
        /// The datagram's length in bytes.
        found: usize,
    },
    /// In the datagram more than 3 bytes, the most that padding has, follow the message.
    #[error("{count} bytes follow the message in its datagram, and padding has at most 3")]
    TrailingBytes {
        /// The number of bytes that follow the message.
        count: usize,
    },
    /// A message, its front that the parser was given, or the message that an answer quotes is
    /// shorter than the part with which each message of its type begins: the headers, and in an
    /// answer the error number and the quoted header.
    #[error("a message of type {message_type:#x} has at least {needed} bytes, and this has {found}")]
    MessageTooShort {
        /// The header's type field.
        message_type: u16,
        /// The size of that part in bytes.
        needed: usize,
        /// The message's length in bytes.
        found: usize,
    },
    /// The message's type is neither PACKET nor ERROR, the two types that the kernel sends to a
    /// queue's listener.
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
        /// The number of the queue that was bound.
        bound: u16,
    },
    /// There are fewer bytes left than an attribute's header has.
    #[error("at byte {at} an attribute's header of 4 bytes should begin, and {left} bytes are left")]
    NoAttributeHeader {
        /// The offset of the attribute in the message.
        at: usize,
        /// The number of bytes that are left.
        left: usize,
    },
    /// An attribute's length is under 4, or goes beyond the message.
    #[error("attribute {attribute} says that it has {stated} bytes, and it can have 4 to {left}")]
    AttributeLength {
        /// The attribute's type.
        attribute: u16,
        /// The attribute's length field.
        stated: u16,
        /// The number of bytes that are left in the message, with the attribute's header.
        left: usize,
    },
    /// An attribute whose content always has one size has content of another size.
    #[error("attribute {attribute} holds {expected} bytes, and here {found}")]
    AttributeSize {
        /// The attribute's type.
        attribute: u16,
        /// The number of bytes of content that it always has.
        expected: usize,
        /// The number of bytes of content that it has here.
        found: usize,
    },
    /// An attribute came more often in a message than it may.
    #[error("attribute {attribute} is there twice")]
    DuplicateAttribute {
        /// The attribute's type.
        attribute: u16,
    },
    /// An attribute that every such message has is missing.
    #[error("attribute {attribute} is missing")]
    MissingAttribute {
        /// The attribute's type.
        attribute: u16,
    },
    /// More than padding follows the packet's bytes, which the kernel always puts last.
    #[error("the packet's bytes end the message, and here {count} bytes follow")]
    PayloadNotLast {
        /// The number of bytes that follow.
        count: usize,
    },
    /// An attribute's header, or the content of an attribute of a fixed size, is beyond the bytes
    /// that the parser was given. The transport gives it the first bytes of the message, more than
    /// any kernel needs to describe a packet.
    #[error("what is said about a packet has at most {limit} bytes, and this goes on at byte {at}")]
    MetadataTooLong {
        /// The offset in the message at which that header or content begins.
        at: usize,
        /// The number of bytes that the parser was given.
        limit: usize,
    },
    /// A hardware address is longer than its field.
    #[error("a hardware address has at most 8 bytes, and this one is said to have {stated}")]
    HardwareAddress {
        /// The length that was stated, in bytes.
        stated: u16,
    },
    /// An answer's error number is outside the range from -4095 to 0: it is no acknowledgement (0),
    /// and no negative errno. Or the answer quotes a message of the transport's that asks for a
    /// refusal, and whose own error number is not from 1 to 4095.
    #[error("an answer's error number is 0 or a negative errno, and this is {stated}")]
    ErrorNumber {
        /// The error number in the answer, or the negative of the quoted message's own.
        stated: i32,
    },
    /// The stated length of the message that an answer quotes does not fit the number of bytes that
    /// the answer has for it.
    #[error("an answer quotes a message of {stated} bytes in {found}")]
    QuotedLength {
        /// The stated length of the quoted message in bytes.
        stated: u32,
        /// The number of bytes that the answer has for the message.
        found: usize,
    },
    /// The message that an answer quotes is of a type that the transport never sends.
    #[error("an answer quotes a message of type {message_type:#x} that was not sent")]
    UnknownQuote {
        /// The quoted header's type field.
        message_type: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::super::parse_header;

    #[test]
    fn a_header_that_was_not_read_whole_says_nothing_of_the_datagrams_length() {
        let error = parse_header(&[0; 3], 100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a netlink message begins with a header of 16 bytes, and only 3 bytes of this one were read"
        );
    }
}
