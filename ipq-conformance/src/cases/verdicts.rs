//! What becomes of a packet (VER).

use crate::case::Case;
use crate::packet::Packet;
use crate::request::Request;
use crate::subject::{CaseResult, Subject};
use ipq_core::{Errno, Family, PacketId, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "verdicts/accept",
            "An accepted packet goes on its way unchanged",
            &["VER-4"],
            accept,
        ),
        Case::must(
            "verdicts/drop",
            "A dropped packet goes nowhere",
            &["VER-4"],
            drop_packet,
        ),
        Case::must(
            "verdicts/unknown-id",
            "A verdict for an id that was never handed out is refused with ENOENT",
            &["VER-2"],
            unknown_id,
        ),
        Case::must(
            "verdicts/second-verdict",
            "A second verdict for a packet is refused with ENOENT",
            &["VER-2", "VER-3"],
            second_verdict,
        ),
    ]
}

fn accept(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    subject.expect_not_forwarded()?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    subject.expect_not_forwarded()?;
    socket.expect_nothing()
}

fn drop_packet(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject(&Packet::udp4())?;
    let packet = socket.expect_packet()?;
    socket.verdict(packet.id(), Verdict::Drop)?;
    subject.expect_not_forwarded()?;
    socket.expect_nothing()
}

fn unknown_id(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let request = socket.request(&Request::verdict(PacketId(7), Verdict::Accept).sequence(99))?;
    socket.expect_error(Errno::ENOENT, &request)?;
    socket.expect_nothing()
}

fn second_verdict(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    let second = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &second)?;
    subject.expect_not_forwarded()
}
