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
    /// Its header, with zeros for what a shorter datagram lacks of one.
    Header,
    /// All of it, to its header's length.
    Message,
}

/// The port id that a reply goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyTo {
    /// The sending socket's.
    SendingSocket,
    /// The one in the message's header. No kernel does.
    Header,
}

/// The sequence number of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplySequence {
    /// The message's.
    OfMessage,
    /// Always 0. No kernel does.
    Zero,
}

/// The length that a reply's header states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatedLength {
    /// The reply's own, without padding.
    Exact,
    /// That, rounded up to 4. No kernel does.
    RoundedUp,
}

/// The sign of an error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorSign {
    /// Negative.
    Negative,
    /// Positive. No kernel does.
    Positive,
}

/// The room for replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyRoom {
    /// That of the receive buffer, which PACKET frames share.
    OfReceiveBuffer,
    /// Any. No kernel does.
    Unlimited,
}
