//! The values that seeded faults give to rules whose values have several parts.

use crate::behaviour::{EIGHT_LINES, Figure, Flushing, IPV4_LINES, IPV6_LINES, Line, Notes, ProcText, RecordPools};
use crate::per_family::PerFamily;

/// Linux 2.4.32's pools of queue-entry records, of which other things of the kernel take records,
/// too: notes of hooks, and sockets.
pub(super) const NOTES: RecordPools = RecordPools::WithNotes(Notes {
    flushing: Flushing::EntryFirst,
    sockets_take_ipv6_records: true,
    devices_take_ipv4_records: false,
});

/// The /proc text of Linux 2.6.18 and later.
pub(super) const SEVEN_LINE_TEXT: ProcText = ProcText {
    label_width: 17,
    lines: PerFamily::new(&IPV4_LINES, &IPV6_LINES),
};

/// The lines of Linux 2.4.16, with 0 for "Peer died".
pub(super) const UNTOLD_DEATH: PerFamily<&[Line]> = eight_lines(&with_figure(1, Figure::Zero));

/// The lines of Linux 2.4.16, with the maximum length as later kernels show it.
pub(super) const UNSIGNED_MAXIMUM: PerFamily<&[Line]> = eight_lines(&with_figure(5, Figure::MaximumLength));

/// Returns `lines` for both families' texts.
const fn eight_lines(lines: &'static [Line; 8]) -> PerFamily<&'static [Line]> {
    PerFamily::new(lines, lines)
}

const fn with_figure(line: usize, figure: Figure) -> [Line; 8] {
    let mut lines = EIGHT_LINES;
    lines[line].1 = figure;
    lines
}

/// The lines of the /proc texts of Linux 3.4, with the first label of Linux 2.4.0 to 2.4.17: "Peer
/// pid".
pub(super) const PEER_PID: PerFamily<&[Line]> = PerFamily::new(&with_peer_pid(IPV4_LINES), &with_peer_pid(IPV6_LINES));

const fn with_peer_pid(mut lines: [Line; 7]) -> [Line; 7] {
    lines[0] = Line("Peer pid", Figure::Peer);
    lines
}
