//! The cases of topic `proc`: the text of a queue's file in /proc (PROC).

use crate::suite::{Case, CaseResult, Packet, Subject};
use crate::world::Capability;
use ipq_core::{CopyMode, Family};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "proc/ipv4-idle",
            "The text of an idle IPv4 queue has seven lines",
            &["PROC-1", "ERA-15"],
            ipv4_idle,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "proc/ipv6-idle",
            "The text of an idle IPv6 queue has seven lines",
            &["PROC-1", "ERA-15"],
            ipv6_idle,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "proc/attached",
            "The text names the peer, its mode and range, and how many packets wait",
            &["PROC-1"],
            attached,
        )
        .needs(&[Capability::ProcText]),
    ]
}

fn ipv4_idle(subject: &Subject) -> CaseResult {
    let text = "Peer PID          : 0\nCopy mode         : 0\nCopy range        : 0\nQueue length      : 0\n\
                Queue max. length : 1024\nQueue dropped     : 0\nNetlink dropped   : 0\n";
    subject.equal("the text", &text.to_owned(), &subject.proc_text(Family::Ipv4)?)
}

fn ipv6_idle(subject: &Subject) -> CaseResult {
    let text = "Peer PID          : 0\nCopy mode         : 0\nCopy range        : 0\nQueue length      : 0\n\
                Queue max. length : 1024\nQueue dropped     : 0\nNetfilter dropped : 0\n";
    subject.equal("the text", &text.to_owned(), &subject.proc_text(Family::Ipv6)?)
}

fn attached(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Packet, 700)?;
    subject.inject_many(&Packet::udp4(), 3)?;
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("peer", &u64::from(socket.port_id().0), &text.peer)?;
    subject.equal("mode", &2, &text.copy_mode)?;
    subject.equal("range", &700, &text.copy_range)?;
    subject.equal("length", &3, &text.queue_length)
}
