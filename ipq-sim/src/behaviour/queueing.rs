//! The rules for queueing packets and copying their bytes.

/// The rules for packets that a rule sends to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queueing {
    /// The effect of mode NONE on a packet (PKT-1).
    pub(crate) mode_none: ModeNone,
    /// The rule for counting a packet without a listener as "Queue dropped" (PKT-1).
    pub(crate) no_listener: Counted,
    /// The rule for a packet that finds the queue full (PKT-2).
    pub(crate) when_full: WhenFull,
    /// The length at which a queue is full (PKT-2).
    pub(crate) full_at: FullAt,
    /// The signedness of the maximum length (PKT-2).
    pub(crate) maximum_length: Signedness,
    /// The rule for counting a packet whose frame can't be delivered (PKT-3).
    pub(crate) undeliverable: Counted,
    /// The number of bytes of a packet that are copied (PKT-4).
    pub(crate) copied: Copied,
    /// The freed entry that is handed out first (PKT-9).
    pub(crate) reuse: Reuse,
    /// The pools that entries' records come from, and what else takes records there (PKT-9).
    pub(crate) record_pools: RecordPools,
    /// The fragments that are queued (PKT-11).
    pub(crate) fragments: Fragments,
}

/// The effect of mode NONE on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeNone {
    /// Mode NONE drops the packet.
    Drops,
    /// Mode NONE queues the packet without its bytes, as META does. No kernel does this.
    Queues,
}

/// The rule for counting an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// The event is counted.
    Counted,
    /// The event is not counted.
    Uncounted,
}

/// The rule for a packet that finds the queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// The packet is dropped if there is a listener, and the program is told nothing.
    Dropped,
    /// The packet is dropped before the queue looks for a peer.
    DroppedFirst,
    /// The packet is delivered to the program and then dropped, so that its verdict gets ENOENT.
    DeliveredAndDropped,
}

/// The length at which a queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FullAt {
    /// A queue is full at its maximum length.
    Maximum,
    /// A queue is full at one packet more than its maximum length. No kernel does this.
    OneMore,
}

/// The signedness of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signedness {
    /// The number has no sign.
    Unsigned,
    /// The number has a sign.
    Signed,
}

/// The number of bytes of a packet that are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// In mode PACKET as many as the range says, or all if the range is 0 or more than there are;
    /// in mode META none.
    Range,
    /// As [`Range`](Self::Range), but range 0 copies nothing. No kernel does this.
    ZeroCopiesNothing,
    /// One byte more than the range. No kernel does this.
    OneMore,
    /// As [`Range`](Self::Range), but a range that holds the whole packet copies nothing. No kernel
    /// does this.
    WideCopiesNothing,
    /// As [`Range`](Self::Range), but mode META copies all. No kernel does this.
    MetaCopiesAll,
}

/// The freed entry that is handed out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// The entry that was freed last.
    LastFreedFirst,
    /// The entry that was freed first. No kernel does this.
    FirstFreedFirst,
}

/// The pools that the records of queue entries come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordPools {
    /// Each family's entries have a pool.
    OfEachFamily,
    /// The entries of both families share a pool.
    Shared,
    /// Each family's entries have a pool. What the hook notes of a queued packet, of either family,
    /// takes a record of IPv4's pool, before the entry takes one.
    WithNotes(Notes),
}

/// The rules by which notes and entries share a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// The record of a packet that is freed first when a queue is emptied. After a verdict the note
    /// is freed first.
    pub(crate) flushing: Flushing,
    /// `true` if an open socket holds a record of the size that IPv6's entries have.
    pub(crate) sockets_take_ipv6_records: bool,
    /// `true` if a device that comes up takes a record of the size that IPv4's entries have.
    pub(crate) devices_take_ipv4_records: bool,
}

/// The record of a packet that is freed first when a queue is emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushing {
    /// The note is freed first, so that the next packet's note gets the entry's record.
    NoteFirst,
    /// The entry is freed first, so that the next packet's entry gets the entry's record.
    EntryFirst,
}

/// The fragments that are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragments {
    /// All fragments are queued, one by one.
    All,
    /// The first fragment of a packet is queued; the others pass. No kernel does this.
    FirstOnly,
}
