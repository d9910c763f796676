//! The text of `/proc/net/ip_queue` and `/proc/net/ip6_queue` (PROC-1).

use crate::fault::{Fault, Faults};
use crate::queue::ip_queue::Status;
use ipq_core::Family;

/// The seven lines.
pub(crate) fn of(family: Family, status: &Status, faults: &Faults) -> String {
    let peer = if faults.seeded(Fault::ProcLabelOff) {
        "Peer pid"
    } else {
        "Peer PID"
    };
    let last = match family {
        Family::Ipv4 => "Netlink dropped",
        Family::Ipv6 => "Netfilter dropped",
    };
    let lines: [(&str, String); 7] = [
        (peer, status.peer.to_string()),
        ("Copy mode", status.mode.to_wire().to_string()),
        ("Copy range", status.range.to_string()),
        ("Queue length", status.length.to_string()),
        ("Queue max. length", status.maximum_length.to_string()),
        ("Queue dropped", status.dropped_when_full.to_string()),
        (last, status.dropped_undelivered.to_string()),
    ];
    lines.iter().fold(String::new(), |text, (label, value)| {
        text + &format!("{label:<17} : {value}\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipq_core::{CopyMode, PortId};

    const STATUS: Status = Status {
        peer: PortId(4242),
        mode: CopyMode::Packet,
        range: 65_535,
        length: 3,
        maximum_length: u32::MAX,
        dropped_when_full: 17,
        dropped_undelivered: 4_000_000_000,
    };

    #[test]
    fn the_text_has_seven_lines_as_the_kernels_has() {
        insta::assert_snapshot!(of(Family::Ipv4, &STATUS, &Faults::NONE), @r"
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
            mode: CopyMode::None,
            range: 0,
            length: 0,
            maximum_length: 1024,
            dropped_when_full: 0,
            dropped_undelivered: 0,
        };
        insta::assert_snapshot!(of(Family::Ipv6, &idle, &Faults::NONE), @r"
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
