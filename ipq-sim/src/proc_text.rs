//! The text of `/proc/net/ip_queue` and `/proc/net/ip6_queue` (PROC-1).

use crate::fault::{Fault, Faults};
use crate::queue::Status;
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
