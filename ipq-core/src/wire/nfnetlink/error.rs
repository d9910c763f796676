//! What can be wrong with a message of nfnetlink's.

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
