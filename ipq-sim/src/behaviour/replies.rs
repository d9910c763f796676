//! The rules for the reply to a message.

/// The rules for `NLMSG_ERROR` frames, by which the kernel answers a message: an error or an
/// acknowledgement.
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
    /// The sign of the error number in a reply (ERR-4, WIRE-6).
    pub(crate) sign: ErrorSign,
    /// The rule that says if a reply needs room in the receive buffer of the socket that it goes to
    /// (SOCK-4).
    pub(crate) room: ReplyRoom,
}

/// The part of a message that a reply quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quote {
    /// The reply quotes the message's 16-byte header. If the datagram was shorter, zeros stand for
    /// the rest.
    Header,
    /// The reply quotes the whole message, up to its header's length or the datagram's end.
    Message,
}

/// The port id that a reply goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyTo {
    /// A reply goes to the sending socket's port id.
    SendingSocket,
    /// A reply goes to the port id in the message's header. No kernel does this.
    Header,
}

/// The sequence number of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplySequence {
    /// A reply has the message's sequence number.
    OfMessage,
    /// A reply has sequence 0. No kernel does this.
    Zero,
}

/// The length that a reply's header states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatedLength {
    /// The header states the reply's length without padding.
    Exact,
    /// The header states the reply's length rounded up to a multiple of 4. No kernel does this.
    RoundedUp,
}

/// The sign of the error number in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorSign {
    /// The error number is negative: -EINVAL, for example.
    Negative,
    /// The error number is positive: EINVAL, for example. No kernel does this.
    Positive,
}

/// The rule that says if a reply needs room in the receive buffer of the socket that it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyRoom {
    /// A reply needs room in the receive buffer, which it shares with PACKET frames. Without room
    /// it is lost, and the socket has an overrun.
    OfReceiveBuffer,
    /// A reply is put into the receive buffer however full that is. No kernel does this.
    Unlimited,
}
