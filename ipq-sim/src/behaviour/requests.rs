//! The rules for checking a message to a queue, and for obeying it.

use ipq_core::wire::{Objection, Response};

/// The rules for messages from userspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requests {
    /// The response to a datagram that is shorter than a header (MSG-1).
    pub(crate) no_header: Response,
    /// The response to a header whose length is under 16 or over the datagram's (MSG-1).
    pub(crate) wrong_length: Response,
    /// The response to a header that states port id 0, which is the kernel's (MSG-2).
    pub(crate) kernel_port_id: Response,
    /// The response to a header that states a port id which is negative as a signed number (MSG-2).
    pub(crate) negative_port_id: Response,
    /// The response to a message without the flag `NLM_F_REQUEST` (MSG-2).
    pub(crate) no_request_flag: Response,
    /// The response to the flag `NLM_F_MULTI` (MSG-2).
    pub(crate) multi_flag: Response,
    /// The response to the flag 0x20 (MSG-3).
    pub(crate) truncated_flag: Response,
    /// The response to type 0, and to 0x14 and above (MSG-4).
    pub(crate) unknown_type: Response,
    /// The response to the types 1 to 0x10 (MSG-4).
    pub(crate) control_type: Response,
    /// The response to a message of type PACKET (MSG-9).
    pub(crate) packet_type: Response,
    /// The order of the checks: the peer's before that of the body's length, or after it (MSG-6).
    pub(crate) peer_check: PeerCheck,
    /// The length that says where a body and a verdict's payload end (MSG-7, VER-5).
    pub(crate) body_length: BodyLength,
    /// The lengths that a mode message's body may have (WIRE-7).
    pub(crate) mode_body: ModeBody,
    /// The rule for a mode message that asks for mode NONE (MSG-8).
    pub(crate) mode_none: ModeNoneRequest,
    /// The steps by which a range of word size becomes one of at most 65,535 (MSG-8).
    pub(crate) range_cut: RangeCut,
    /// The effect of a mode change on the packets that are queued (PKT-10).
    pub(crate) mode_change: ModeChange,
    /// The messages whose success is acknowledged (MSG-10).
    pub(crate) acknowledged: Acknowledged,
    /// The rule for a message that follows the first of a datagram (MSG-11).
    pub(crate) following_message: FollowingMessage,
}

impl Requests {
    /// Returns the response to an objection to a message's header.
    pub(crate) const fn response(&self, objection: Objection) -> Response {
        match objection {
            Objection::NoHeader => self.no_header,
            Objection::Length => self.wrong_length,
            Objection::KernelPortId => self.kernel_port_id,
            Objection::NegativePortId => self.negative_port_id,
            Objection::NoRequestFlag => self.no_request_flag,
            Objection::MultiFlag => self.multi_flag,
            Objection::TruncatedFlag => self.truncated_flag,
            Objection::UnknownType => self.unknown_type,
            Objection::ControlType => self.control_type,
            other => other.response(),
        }
    }
}

/// The time at which the peer is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerCheck {
    /// The peer is checked before the body is looked at.
    BeforeBody,
    /// The peer is checked after the body's length. No kernel does this.
    AfterBodyLength,
}

/// The length that says where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// The length that the header states.
    Header,
    /// The length of the datagram, which may be longer than the header says.
    Datagram,
}

/// The lengths that a mode message's body may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeBody {
    /// The length of the union of all messages, or more.
    AtLeastUnion,
    /// The length of the union of all messages, and no other. No kernel does this.
    ExactlyUnion,
}

/// The rule for a mode message that asks for mode NONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeNoneRequest {
    /// The message sets mode NONE.
    Accepted,
    /// The message is refused with EINVAL, and the mode stays as it was.
    Refused,
}

/// The steps by which a range is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeCut {
    /// The range is cut to 32 bits, and then clamped to 65,535.
    To32BitsThenClamped,
    /// The range is clamped to 65,535 at its full width.
    ClampedAtFullWidth,
}

/// The effect of a mode change on queued packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeChange {
    /// The packets stay queued.
    KeepsPackets,
    /// The packets are dropped. No kernel does this.
    DropsPackets,
}

/// The messages whose success is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// Messages with the flag `NLM_F_ACK`.
    IfAsked,
    /// All messages. No kernel does this.
    Always,
}

/// The fate of a message that follows the first of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FollowingMessage {
    /// The message is ignored.
    Ignored,
    /// The message is obeyed. No kernel does this.
    Obeyed,
}
