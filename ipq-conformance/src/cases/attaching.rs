//! Who becomes a queue's peer, and who stops being it (ATT).

use crate::capability::Capability;
use crate::case::Case;
use crate::packet::Packet;
use crate::request::Request;
use crate::subject::{CaseResult, Subject};
use ipq_core::{CopyMode, Errno, Family, PacketId, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "attaching/second-peer-is-busy",
            "A message with another port id is refused with EBUSY while a peer is attached",
            &["ATT-3"],
            second_peer_is_busy,
        ),
        Case::kernel(
            "attaching/refused-verdict-attaches",
            "A verdict that is itself refused attaches all the same",
            &["ATT-2"],
            refused_verdict_attaches,
        )
        .needs(&[Capability::ProcText]),
        Case::must(
            "attaching/close-drops-what-is-queued",
            "When the peer's socket closes the queue is reset and every queued packet dropped",
            &["ATT-4"],
            close_drops_what_is_queued,
        )
        .needs(&[Capability::ProcText]),
    ]
}

fn second_peer_is_busy(subject: &Subject) -> CaseResult {
    let first = subject.attach(Family::Ipv4)?;
    let second = subject.open(Family::Ipv4)?;
    let request = second.request(&Request::mode(CopyMode::Packet, 0).sequence(3))?;
    second.expect_error(Errno::EBUSY, &request)?;
    subject.inject(&Packet::udp4())?;
    first.expect_packet()?;
    second.expect_nothing()
}

fn refused_verdict_attaches(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let request = socket.request(&Request::verdict(PacketId(7), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &request)?;
    let seen = subject.proc(Family::Ipv4)?.peer;
    subject.equal("the peer", &u64::from(socket.port_id().0), &seen)
}

fn close_drops_what_is_queued(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Packet, 100)?;
    subject.inject(&Packet::udp4())?;
    subject.expect_queue_length(Family::Ipv4, 1)?;
    socket.close()?;
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("peer", &0, &text.peer)?;
    subject.equal("copy mode", &0, &text.copy_mode)?;
    subject.equal("copy range", &0, &text.copy_range)?;
    subject.equal("queue length", &0, &text.queue_length)?;
    subject.expect_not_forwarded()
}
