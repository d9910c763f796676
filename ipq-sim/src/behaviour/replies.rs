//! The rules for answering a message.

/// The rules for `NLMSG_ERROR` frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replies {
    /// The part of the message that an error quotes (WIRE-6).
    pub(crate) error_quotes: Quote,
    /// The part of the message that an acknowledgement quotes (WIRE-6).
    pub(crate) acknowledgement_quotes: Quote,
    /// The port id that a reply goes to (ERR-1).
    pub(crate) to: ReplyTo,
    /// The sequence number of a reply (ERR-2).
    pub(crate) sequence: ReplySequence,
    /// The length that a reply's header states (ERR-3).
    pub(crate) stated_length: StatedLength,
    /// The sign of a reply's error number (ERR-4, WIRE-6).
    pub(crate) sign: ErrorSign,
    /// The room for replies in a receive buffer (SOCK-4).
    pub(crate) room: ReplyRoom,
}

/// The part of a message that a reply quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quote {
    /// The message's header. If the datagram is shorter than a header, zeros stand for the rest.
    Header,
    /// The whole message, up to its header's length.
    Message,
}

/// The port id that a reply goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyTo {
    /// The sending socket's port id.
    SendingSocket,
    /// The port id in the message's header. No kernel does this.
    Header,
}

/// The sequence number of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplySequence {
    /// The message's sequence number.
    OfMessage,
    /// Always 0. No kernel does this.
    Zero,
}

/// The length that a reply's header states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatedLength {
    /// The reply's own length, without padding.
    Exact,
    /// The reply's own length, rounded up to a multiple of 4. No kernel does this.
    RoundedUp,
}

/// The sign of an error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorSign {
    /// The error number is negative.
    Negative,
    /// The error number is positive. No kernel does this.
    Positive,
}

/// The room for replies in a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyRoom {
    /// Replies have the room of the receive buffer, which they share with PACKET frames.
    OfReceiveBuffer,
    /// Replies always have room. No kernel does this.
    Unlimited,
}
