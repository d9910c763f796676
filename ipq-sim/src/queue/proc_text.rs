//! The text of `/proc/net/ip_queue` and `/proc/net/ip6_queue` (PROC-1).

use super::ip_queue::Status;
use crate::behaviour::{Figure, Line, ProcText};
use ipq_core::Family;
use std::fmt::Write as _;

/// Returns the text of the family's file, for a queue in the state `status`.
pub(crate) fn of(family: Family, status: &Status, rules: &ProcText) -> String {
    let mut text = String::new();
    for Line(label, figure) in rules.lines[family] {
        let value = value(*figure, status);
        // Writing to a string can't fail.
        let _ = writeln!(text, "{label:<width$} : {value}", width = rules.label_width);
    }
    text
}

fn value(figure: Figure, status: &Status) -> i64 {
    match figure {
        Figure::Peer => status.peer.0.into(),
        Figure::SignedPeer => status.peer.0.cast_signed().into(),
        Figure::PeerDied => status.peer_died.into(),
        Figure::Mode => status.mode.to_wire().into(),
        Figure::Range => status.range.into(),
        Figure::Length => i64::try_from(status.length).unwrap_or(i64::MAX),
        Figure::MaximumLength => status.maximum_length.into(),
        Figure::SignedMaximumLength => status.maximum_length.cast_signed().into(),
        Figure::DroppedWhenFull => status.dropped_when_full.into(),
        Figure::DroppedUndelivered => status.dropped_undelivered.into(),
        Figure::Zero => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use ipq_core::{CopyMode, PortId};

    const RULES: ProcText = Profile::LINUX_3_4_10_X86_64.behaviour.proc_text;
    const STATUS: Status = Status {
        peer: PortId(4242),
        peer_died: false,
        mode: CopyMode::Packet,
        range: 65_535,
        length: 3,
        maximum_length: u32::MAX,
        dropped_when_full: 17,
        dropped_undelivered: 4_000_000_000,
    };

    #[test]
    fn the_text_has_seven_lines_as_the_kernels_has() {
        insta::assert_snapshot!(of(Family::Ipv4, &STATUS, &RULES), @r"
        Peer PID          : 4242
        Copy mode         : 2
        Copy range        : 65535
        Queue length      : 3
        Queue max. length : 4294967295
        Queue dropped     : 17
        Netlink dropped   : 4000000000
        ");
    }

    #[test]
    fn the_last_label_is_another_for_ipv6() {
        let idle = Status {
            peer: PortId::KERNEL,
            peer_died: false,
            mode: CopyMode::None,
            range: 0,
            length: 0,
            maximum_length: 1024,
            dropped_when_full: 0,
            dropped_undelivered: 0,
        };
        insta::assert_snapshot!(of(Family::Ipv6, &idle, &RULES), @r"
        Peer PID          : 0
        Copy mode         : 0
        Copy range        : 0
        Queue length      : 0
        Queue max. length : 1024
        Queue dropped     : 0
        Netfilter dropped : 0
        ");
    }
}
