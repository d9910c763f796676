//! The rules for queueing packets and copying their bytes.

/// The rules for packets that netfilter sends to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queueing {
    /// The effect of mode NONE on a packet (PKT-1).
    pub(crate) mode_none: ModeNone,
    /// The rule that says if a packet without a listener counts in the figure "Queue dropped" of
    /// the /proc text (PKT-1).
    pub(crate) no_listener: Counted,
    /// The rule for a packet that finds the queue full (PKT-2).
    pub(crate) when_full: WhenFull,
    /// The number of packets at which a queue is full (PKT-2).
    pub(crate) full_at: FullAt,
    /// The rule that says if the maximum length is compared as a signed number (PKT-2).
    pub(crate) maximum_length: Signedness,
    /// The rule that says if a packet whose frame can't be delivered counts in the /proc text's
    /// last figure, "Netlink dropped" or "Netfilter dropped" (PKT-3).
    pub(crate) undeliverable: Counted,
    /// The number of bytes of a packet that are copied into its frame (PKT-4).
    pub(crate) copied: Copied,
    /// The rule for which of the freed queue entries is handed out first. In a kernel a packet's id
    /// is its entry's address, so this decides a new packet's id (PKT-9).
    pub(crate) reuse: Reuse,
    /// The pools that the memory of queue entries comes from, and what else takes records there
    /// (PKT-9, ERA-17).
    pub(crate) record_pools: RecordPools,
    /// The fragments of a packet that are queued (PKT-11).
    pub(crate) fragments: Fragments,
}

/// The effect of copy mode NONE on a packet for the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeNone {
    /// Mode NONE drops the packet.
    Drops,
    /// Mode NONE queues the packet if there is a peer, as META does, without its bytes. No kernel
    /// does this.
    Queues,
}

/// Whether an event is counted.
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
    /// A packet that finds the queue full is dropped, and no frame is made of it. The queue looks
    /// first if a program listens: a packet without a listener is dropped for that reason.
    Dropped,
    /// A packet that finds the queue full is dropped, and no frame is made of it. This comes before
    /// the queue looks if a program listens.
    DroppedFirst,
    /// A packet that finds the queue full is delivered to the program and then dropped, so that its
    /// verdict gets ENOENT.
    DeliveredAndDropped,
}

/// The number of packets at which a queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FullAt {
    /// A queue is full at its maximum length.
    Maximum,
    /// A queue is full at one packet more than its maximum length. No kernel does this.
    OneMore,
}

/// Whether a number is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signedness {
    /// The number has no sign.
    Unsigned,
    /// The number has a sign.
    Signed,
}

/// The number of bytes of a packet that are copied into its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// Mode PACKET copies as many bytes as the range says, or all if the range is 0 or exceeds the
    /// packet. Mode META copies none.
    Range,
    /// Range 0 copies nothing, and otherwise [`Range`](Self::Range) holds. No kernel does this.
    ZeroCopiesNothing,
    /// Mode PACKET copies one byte more than a range above 0 says, if the packet has it, and
    /// otherwise [`Range`](Self::Range) holds. No kernel does this.
    OneMore,
    /// A range above 0 that holds the whole packet copies nothing, and otherwise
    /// [`Range`](Self::Range) holds. No kernel does this.
    WideCopiesNothing,
    /// Mode META copies the whole packet, and otherwise [`Range`](Self::Range) holds. No kernel
    /// does this.
    MetaCopiesAll,
}

/// The rule for which of the freed queue entries is handed out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// The entry that was freed last is handed out first.
    LastFreedFirst,
    /// The entry that was freed first is handed out first. No kernel does this.
    FirstFreedFirst,
}

/// The pools of memory that queue entries come from. A record is a piece of such memory, for one
/// entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordPools {
    /// Each family's entries come from a pool of their own.
    OfEachFamily,
    /// The entries of both families come from one pool.
    Shared,
    /// Each family's entries come from a pool of their own. For a queued packet of either family
    /// the hook keeps a note of where the packet goes on. The note takes a record of IPv4's pool,
    /// before the entry takes one.
    WithNotes(Notes),
}

/// The rules for kernels on which hooks' notes of queued packets take records of the queue entries'
/// pools, and on some also sockets or devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// The record of a packet that is freed first when the packet is dropped from the queue without
    /// a verdict: the note's or the entry's. After a verdict the note's is always freed first.
    pub(crate) flushing: Flushing,
    /// `true` if each open socket holds a record of IPv6's pool.
    pub(crate) sockets_take_ipv6_records: bool,
    /// `true` if a device takes a record of IPv4's pool for good each time that it comes up.
    pub(crate) devices_take_ipv4_records: bool,
}

/// The record of a packet that is freed first when the packet is dropped from the queue without a
/// verdict. The record freed last is handed out first, and the next packet's note takes one before
/// its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushing {
    /// The note's record is freed first. So in IPv4's queue the next packet's note gets the entry's
    /// record.
    NoteFirst,
    /// The entry's record is freed first. So in IPv4's queue the next packet's note gets the note's
    /// record, and its entry the entry's.
    EntryFirst,
}

/// The fragments of a packet that are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragments {
    /// All fragments are queued, one by one.
    All,
    /// Only the first fragment of a packet is queued. For the others the rule with target QUEUE is
    /// skipped, and they go on with the next rule. No kernel does this.
    FirstOnly,
}
