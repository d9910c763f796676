//! The effect of each verdict.

use ipq_core::Verdict;
use ipq_core::wire::Response;

/// The rules for verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdicts {
    /// DROP, 0 (VER-4).
    pub(crate) drop: Effect,
    /// ACCEPT, 1 (VER-4, VER-10).
    pub(crate) accept: Effect,
    /// STOLEN, 2 (VER-1).
    pub(crate) stolen: Effect,
    /// QUEUE, 3 (VER-4).
    pub(crate) queue: Effect,
    /// REPEAT, 4 (VER-4, VER-10).
    pub(crate) repeat: Effect,
    /// STOP, 5 (VER-1, VER-4).
    pub(crate) stop: Effect,
    /// A value above 5 (VER-1).
    pub(crate) unknown: Effect,
    /// The first check of a verdict: of its value, or of its packet id (VER-2).
    pub(crate) checked_first: CheckedFirst,
    /// The response to an id that no queued packet has (VER-2).
    pub(crate) unknown_id: Response,
    /// The queued packets that can be answered (VER-3).
    pub(crate) answerable: Answerable,
    /// When a payload is a replacement (VER-5).
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
    /// The effect of a verdict.
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
    /// It is routed again, and the hook's next function runs.
    NextFunction,
    /// It is routed again, and the function that queued it runs once more.
    SameFunction,
    /// The function that queued it runs once more. No kernel does that without routing.
    SameFunctionUnrouted,
    /// The rest of the hook's functions are skipped.
    NextHook,
    /// It is routed again, and the rest of the hook's functions are skipped. No kernel does.
    NextHookRouted,
    /// It is queued again at once, under a new id.
    Queued,
}

/// The first check of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckedFirst {
    /// Its value.
    Value,
    /// Its packet id. No kernel does.
    PacketId,
}

/// The packets that can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answerable {
    /// All.
    Any,
    /// The one that has been queued longest. No kernel does.
    Oldest,
}

/// When a payload is a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// If it is as long as `data_len` says, and not empty.
    OfStatedLength,
    /// If it is not empty. No kernel does.
    OfAnyLength,
}

/// The effect of a replacement that is shorter than the fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShortReplacement {
    /// Nothing: the verdict holds for the packet as it was.
    Ignored,
    /// It drops the packet. No kernel does.
    Drops,
}

/// The effect of a replacement of another length on the packet's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resizing {
    /// The packet is as long as the replacement.
    Exact,
    /// The packet is never longer than it was. No kernel does.
    NeverGrows,
    /// The packet is never shorter than it was: its end stays. No kernel does.
    NeverShrinks,
}

/// The rule for the checksum of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// It is left alone.
    LeftAlone,
    /// That of an IPv4 header is mended. No kernel does.
    Mended,
}

/// The bytes of a replaced packet that is queued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requeued {
    /// Those of the replacement.
    Replaced,
    /// Those that it had before. No kernel does.
    Original,
}
