//! The rules for checking a message to a queue, and for doing what it asks.

use ipq_core::wire::{Objection, Response};

/// The rules for messages from userspace to a queue.
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
    /// The response to a message with the flag 0x20 (MSG-3).
    pub(crate) truncated_flag: Response,
    /// The response to a message of type 0, or of 0x14 and above (MSG-4).
    pub(crate) unknown_type: Response,
    /// The response to a message of a type from 1 to 0x10 (MSG-4).
    pub(crate) control_type: Response,
    /// The response to a message of type PACKET (MSG-9).
    pub(crate) packet_type: Response,
    /// The rule that says if the peer is checked before the body's length or after it (MSG-6).
    pub(crate) peer_check: PeerCheck,
    /// The rule for where a message's body, and with it a verdict's payload, ends (MSG-7, VER-5).
    pub(crate) body_length: BodyLength,
    /// The lengths that a mode message's body may have (WIRE-7).
    pub(crate) mode_body: ModeBody,
    /// The rule for a mode message that asks for mode NONE (MSG-8).
    pub(crate) mode_none: ModeNoneRequest,
    /// The way in which a copy range, a word of the message, is cut to at most 65,535 (MSG-8).
    pub(crate) range_cut: RangeCut,
    /// The effect that an accepted mode message has on the packets in the queue (PKT-10).
    pub(crate) mode_change: ModeChange,
    /// The messages whose success is acknowledged (MSG-10).
    pub(crate) acknowledged: Acknowledged,
    /// The rule for messages that follow the first one in a datagram (MSG-11).
    pub(crate) following_message: FollowingMessage,
}

impl Requests {
    /// Returns this kernel's response to an objection to a message's header.
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

/// The rule that says if the peer is checked before the body's length or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerCheck {
    /// The peer is checked before the body is looked at.
    BeforeBody,
    /// The peer is checked after the body's length: a body that is too short is refused with EINVAL
    /// and attaches nobody. No kernel does this.
    AfterBodyLength,
}

/// The rule for where a message's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// The body ends at the length that the header states.
    Header,
    /// The body ends with the datagram, which may be longer than the header says.
    Datagram,
}

/// The lengths that a mode message's body may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeBody {
    /// The body is as long as the union of mode message and verdict (24 bytes, or 12 with words of
    /// 32 bits), or longer. A shorter one is refused with EINVAL.
    AtLeastUnion,
    /// The body is exactly as long as the union of mode message and verdict. Any other length is
    /// refused with EINVAL. No kernel does this.
    ExactlyUnion,
}

/// The rule for a mode message that asks for mode NONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeNoneRequest {
    /// A message that asks for mode NONE sets mode NONE.
    Accepted,
    /// A message that asks for mode NONE is refused with EINVAL, and the mode stays as it was.
    Refused,
}

/// The way in which a copy range, a word of the message, is cut to at most 65,535.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeCut {
    /// The range's low 32 bits are clamped to 65,535.
    To32BitsThenClamped,
    /// The whole word of the range is clamped to 65,535.
    ClampedAtFullWidth,
}

/// The effect that an accepted mode message has on the packets in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeChange {
    /// Queued packets stay queued when a mode message sets the mode.
    KeepsPackets,
    /// Queued packets are dropped when a mode message sets the mode, even to the same one. No
    /// kernel does this.
    DropsPackets,
}

/// The messages whose success is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// Only messages with the flag `NLM_F_ACK` are acknowledged.
    IfAsked,
    /// Every successful message is acknowledged. No kernel does this.
    Always,
}

/// The rule for messages that follow the first one in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FollowingMessage {
    /// The messages that follow the first one are ignored.
    Ignored,
    /// The messages that follow the first one are obeyed. No kernel does this.
    Obeyed,
}
