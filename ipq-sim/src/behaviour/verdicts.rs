//! The rules for verdicts: their checks, their effects, and their payloads.

use ipq_core::Verdict;
use ipq_core::wire::Response;

/// The rules for verdicts: their effects, their checks, and their payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// The effect of DROP, 0 (VER-4).
    pub(crate) drop: Effect,
    /// The effect of ACCEPT, 1 (VER-4, VER-10).
    pub(crate) accept: Effect,
    /// The effect of STOLEN, 2 (VER-1).
    pub(crate) stolen: Effect,
    /// The effect of QUEUE, 3 (VER-4).
    pub(crate) queue: Effect,
    /// The effect of REPEAT, 4 (VER-4, VER-10).
    pub(crate) repeat: Effect,
    /// The effect of STOP, 5 (VER-1, VER-4).
    pub(crate) stop: Effect,
    /// The effect of a value above 5 (VER-1).
    pub(crate) unknown: Effect,
    /// The rule that says if a verdict's value or its packet id is checked first (VER-2).
    pub(crate) checked_first: CheckedFirst,
    /// The response to a packet id that no queued packet has (VER-2).
    pub(crate) unknown_id: Response,
    /// The queued packets that a verdict can be given on (VER-3).
    pub(crate) answerable: Answerable,
    /// The condition on which a verdict's payload replaces the packet's bytes; otherwise the
    /// payload is ignored (VER-5).
    pub(crate) payload: Payload,
    /// The effect of a replacement that is shorter than the family's fixed header (VER-6).
    pub(crate) short_replacement: ShortReplacement,
    /// The length that a packet gets from a replacement that is longer or shorter than it was
    /// (VER-7).
    pub(crate) resizing: Resizing,
    /// The rule for the IPv4 header checksum of a replacement (VER-8).
    pub(crate) checksum: Checksum,
    /// The bytes of a packet that goes to the queue again after a verdict QUEUE or REPEAT with a
    /// replacement (VER-9).
    pub(crate) requeued: Requeued,
}

impl Verdicts {
    /// Returns the effect that a verdict of this value has on this kernel.
    pub(crate) const fn effect(&self, verdict: Verdict) -> Effect {
        match verdict {
            Verdict::Drop => self.drop,
            Verdict::Accept => self.accept,
            Verdict::Stolen => self.stolen,
            Verdict::Queue => self.queue,
            Verdict::Repeat => self.repeat,
            Verdict::Stop => self.stop,
            Verdict::Unknown(_) => self.unknown,
        }
    }
}

/// The effect of a verdict on its packet. A packet that was queued at OUTPUT counts as changed if
/// its addresses, TOS or mark are not those that it had then. [`Reroute`](super::Reroute) says if
/// and how such a packet is routed again (VER-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The verdict is refused with EINVAL, and the packet stays queued.
    Refused,
    /// The packet is dropped.
    Dropped,
    /// The packet goes on with the hook's next function. If it was queued at OUTPUT and has
    /// changed, it is routed again first.
    NextFunction,
    /// The function that queued the packet runs once more. If the packet was queued at OUTPUT and
    /// has changed, it is routed again first.
    SameFunction,
    /// The function that queued the packet runs once more. The packet is not routed again, even if
    /// it was queued at OUTPUT and has changed. Only a seeded fault sets this.
    SameFunctionUnrouted,
    /// The packet skips the rest of the hook's functions, and goes on after the hook. It is not
    /// routed again, even if it was queued at OUTPUT and has changed.
    NextHook,
    /// The packet skips the rest of the hook's functions, and goes on after the hook. If it was
    /// queued at OUTPUT and has changed, it is routed again first. No kernel does this.
    NextHookRouted,
    /// The packet is offered to the queue again at once, under a new packet id.
    Queued,
}

/// The rule that says if a verdict's value or its packet id is checked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckedFirst {
    /// The verdict's value is checked before its packet id.
    Value,
    /// The verdict's packet id is checked before its value. No kernel does this.
    PacketId,
}

/// The queued packets that a verdict can be given on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answerable {
    /// A verdict can be given on any queued packet.
    Any,
    /// A verdict can be given only on the packet that has been queued longest. The id of any other
    /// packet counts as unknown. No kernel does this.
    Oldest,
}

/// The condition on which a verdict's payload replaces the packet's bytes; otherwise the payload is
/// ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// A payload that is not empty replaces the packet's bytes if it is exactly as long as
    /// `data_len` says.
    OfStatedLength,
    /// A payload that is not empty replaces the packet's bytes, whatever `data_len` says. No kernel
    /// does this.
    OfAnyLength,
}

/// The effect of a replacement that is shorter than the family's fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShortReplacement {
    /// A replacement that is too short has no effect: the verdict holds for the packet as it was.
    Ignored,
    /// A replacement that is too short drops the packet. No kernel does this.
    Drops,
}

/// The length that a packet gets from a replacement that is longer or shorter than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resizing {
    /// The packet gets the length of the replacement.
    Exact,
    /// A longer replacement is cut to the packet's length. No kernel does this.
    NeverGrows,
    /// A shorter replacement takes the place of the packet's first bytes. The bytes behind it stay
    /// as they were. No kernel does this.
    NeverShrinks,
}

/// The rule for the IPv4 header checksum of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// The checksum of a replacement is left as the program sent it.
    LeftAlone,
    /// The IPv4 header checksum of a replacement is computed anew. No kernel does this.
    Mended,
}

/// The bytes of a packet that goes to the queue again after a verdict QUEUE or REPEAT with a
/// replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requeued {
    /// The packet has the replacement's bytes.
    Replaced,
    /// The packet has its bytes from before the verdict: the replacement is ignored. No kernel does
    /// this.
    Original,
}
