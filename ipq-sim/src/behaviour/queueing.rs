//! The rules for queueing packets and copying their bytes.

/// The rules for packets that a rule sends to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queueing {
    /// The effect of mode NONE on a packet (PKT-1).
    pub(crate) mode_none: ModeNone,
    /// The counting of a packet without a listener as "Queue dropped" (PKT-1).
    pub(crate) no_listener: Counted,
    /// The rule for a packet that finds the queue full (PKT-2).
    pub(crate) when_full: WhenFull,
    /// The length at which a queue is full (PKT-2).
    pub(crate) full_at: FullAt,
    /// The signedness of the maximum length (PKT-2).
    pub(crate) maximum_length: Signedness,
    /// The counting of a packet whose frame can't be delivered (PKT-3).
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
    /// Drops it.
    Drops,
    /// Queues it without its bytes, as META does. No kernel does.
    Queues,
}

/// A counter's rule: it counts an event, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// It does.
    Counted,
    /// It does not.
    Uncounted,
}

/// The rule for a packet that finds the queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It is dropped if there is a listener, and the program is told nothing.
    Dropped,
    /// It is dropped before the queue looks for a peer.
    DroppedFirst,
    /// It is delivered to the program and dropped then, so that its verdict gets ENOENT.
    DeliveredAndDropped,
}

/// The length at which a queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FullAt {
    /// Its maximum length.
    Maximum,
    /// One packet more. No kernel does.
    OneMore,
}

/// The signedness of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signedness {
    /// It has none.
    Unsigned,
    /// It has one.
    Signed,
}

/// The number of bytes of a packet that are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// In mode PACKET the range, or all if that is 0 or more than there is; in mode META none.
    Range,
    /// Range 0 copies nothing. No kernel does.
    ZeroCopiesNothing,
    /// One byte more than the range. No kernel does.
    OneMore,
    /// A range that holds the whole packet copies nothing. No kernel does.
    WideCopiesNothing,
    /// Mode META copies all. No kernel does.
    MetaCopiesAll,
}

/// The freed entry that is handed out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// The one that was freed last.
    LastFreedFirst,
    /// The one that was freed first. No kernel does.
    FirstFreedFirst,
}

/// The pools that the records of queue entries come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordPools {
    /// One for each family's entries.
    OfEachFamily,
    /// One for the entries of both families.
    Shared,
    /// One for each family's entries. What the hook notes of a queued packet, of either family,
    /// comes from IPv4's: it is taken before the entry.
    WithNotes(Notes),
}

/// The rules by which notes and entries share a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// The record of a packet that is freed first when a queue is emptied. After a verdict it is
    /// the note.
    pub(crate) flushing: Flushing,
    /// `true` if an open socket holds a record of the size that IPv6's entries have.
    pub(crate) sockets_take_ipv6_records: bool,
    /// `true` if a device that comes up takes a record of the size that IPv4's entries have.
    pub(crate) devices_take_ipv4_records: bool,
}

/// The record of a packet that is freed first when a queue is emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushing {
    /// The note, so that the next packet's note gets the entry's record.
    NoteFirst,
    /// The entry, so that the next packet's entry gets its record.
    EntryFirst,
}

/// The fragments that are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragments {
    /// All, one by one.
    All,
    /// The first of a packet; the others pass. No kernel does.
    FirstOnly,
}
