//! The layout of the texts of `/proc/net/ip_queue` and `/proc/net/ip6_queue`.

use crate::per_family::PerFamily;

/// The lines of the text, and the width of their labels (PROC-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcText {
    /// The number of characters to which a label is padded with spaces.
    pub(crate) label_width: usize,
    /// The lines of each family's text.
    pub(crate) lines: PerFamily<&'static [Line]>,
}

/// A line of the text: its label and its figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) &'static str, pub(crate) Figure);

/// A figure of a queue that a line of the text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// The peer's port id, as an unsigned number; 0 without a peer.
    Peer,
    /// The peer's port id, as a signed number; 0 without a peer.
    SignedPeer,
    /// 1 if the last peer was found to be gone and nobody has attached since; otherwise 0.
    PeerDied,
    /// The copy mode's number: 0 for NONE, 1 for META, 2 for PACKET.
    Mode,
    /// The copy range in bytes.
    Range,
    /// The number of packets that are queued.
    Length,
    /// The queue's maximum length in packets, as an unsigned number.
    MaximumLength,
    /// The queue's maximum length in packets, as a signed number.
    SignedMaximumLength,
    /// The number of packets that were dropped because the queue was full.
    DroppedWhenFull,
    /// The number of packets that were dropped because their frame could not be delivered.
    DroppedUndelivered,
    /// The figure 0, for states such as "flushing" that are over before a program can read the
    /// text.
    Zero,
}

/// The lines of the text in Linux 2.4.0 to 2.4.17.
pub(crate) const EIGHT_LINES: [Line; 8] = [
    Line("Peer pid", Figure::SignedPeer),
    Line("Peer died", Figure::PeerDied),
    Line("Peer copy mode", Figure::Mode),
    Line("Peer copy range", Figure::Range),
    Line("Queue length", Figure::Length),
    Line("Queue max. length", Figure::SignedMaximumLength),
    Line("Queue flushing", Figure::Zero),
    Line("Queue terminate", Figure::Zero),
];

/// The lines of `/proc/net/ip_queue` in Linux 2.6.18 and later. The last label differs from that of
/// `/proc/net/ip6_queue`.
pub(crate) const IPV4_LINES: [Line; 7] = seven_lines("Netlink dropped");
/// The lines of `/proc/net/ip6_queue` in Linux 2.6.18 and later.
pub(crate) const IPV6_LINES: [Line; 7] = seven_lines("Netfilter dropped");

const fn seven_lines(last: &'static str) -> [Line; 7] {
    [
        Line("Peer PID", Figure::Peer),
        Line("Copy mode", Figure::Mode),
        Line("Copy range", Figure::Range),
        Line("Queue length", Figure::Length),
        Line("Queue max. length", Figure::MaximumLength),
        Line("Queue dropped", Figure::DroppedWhenFull),
        Line(last, Figure::DroppedUndelivered),
    ]
}
