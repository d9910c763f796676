//! The effect of each verdict.

use ipq_core::Verdict;
use ipq_core::wire::Response;

/// The rules for verdicts.
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
    /// The first check of a verdict: of its value, or of its packet id (VER-2).
    pub(crate) checked_first: CheckedFirst,
    /// The response to a packet id that no queued packet has (VER-2).
    pub(crate) unknown_id: Response,
    /// The queued packets that can be answered (VER-3).
    pub(crate) answerable: Answerable,
    /// The condition on which a payload is a replacement (VER-5).
    pub(crate) payload: Payload,
    /// The effect of a replacement that is shorter than the fixed header (VER-6).
    pub(crate) short_replacement: ShortReplacement,
    /// The effect of a replacement of another length on the packet's length (VER-7).
    pub(crate) resizing: Resizing,
    /// The rule for the checksum of a replacement (VER-8).
    pub(crate) checksum: Checksum,
    /// The bytes of a replaced packet that is queued again (VER-9).
    pub(crate) requeued: Requeued,
}

impl Verdicts {
    /// Returns the effect of a verdict.
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

/// The effect of a verdict on its packet. "Routed again" is said of a packet whose addresses, TOS
/// or mark changed at OUTPUT (VER-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The verdict is refused with EINVAL, and the packet stays queued.
    Refused,
    /// The packet is dropped.
    Dropped,
    /// The packet is routed again, and the hook's next function runs.
    NextFunction,
    /// The packet is routed again, and the function that queued it runs once more.
    SameFunction,
    /// The function that queued the packet runs once more. No kernel does this without routing.
    SameFunctionUnrouted,
    /// The rest of the hook's functions are skipped for the packet.
    NextHook,
    /// The packet is routed again, and the rest of the hook's functions are skipped. No kernel does
    /// this.
    NextHookRouted,
    /// The packet is queued again at once, under a new packet id.
    Queued,
}

/// The first check of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckedFirst {
    /// The verdict's value is checked first.
    Value,
    /// The packet id is checked first. No kernel does this.
    PacketId,
}

/// The queued packets that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answerable {
    /// All queued packets.
    Any,
    /// The packet that has been queued longest. No kernel does this.
    Oldest,
}

/// The condition on which a payload is a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// The payload is as long as `data_len` says, and not empty.
    OfStatedLength,
    /// The payload is not empty. No kernel does this.
    OfAnyLength,
}

/// The effect of a replacement that is shorter than the fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShortReplacement {
    /// The replacement has no effect: the verdict holds for the packet as it was.
    Ignored,
    /// The replacement drops the packet. No kernel does this.
    Drops,
}

/// The effect of a replacement of another length on the packet's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resizing {
    /// The packet is as long as the replacement.
    Exact,
    /// The packet is never longer than it was. No kernel does this.
    NeverGrows,
    /// The packet is never shorter than it was: its end stays. No kernel does this.
    NeverShrinks,
}

/// The rule for the checksum of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// The checksum is left alone.
    LeftAlone,
    /// The checksum of an IPv4 header is mended. No kernel does this.
    Mended,
}

/// The bytes of a replaced packet that is queued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requeued {
    /// The bytes of the replacement.
    Replaced,
    /// The bytes that the packet had before the replacement. No kernel does this.
    Original,
}
