//! Packets that come back changed (VER-5 to VER-9).

use crate::case::Case;
use crate::lab::TAP1;
use crate::packet::Packet;
use crate::request::Request;
use crate::subject::{CaseResult, Subject};
use ipq_core::{Family, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "replacement/longer",
            "A longer payload replaces the packet, byte for byte",
            &["VER-7", "VER-8"],
            longer,
        ),
        Case::kernel(
            "replacement/length-that-does-not-fit",
            "A payload of another length than data_len says is ignored, and the verdict holds",
            &["VER-5"],
            length_that_does_not_fit,
        ),
    ]
}

fn longer(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject(&Packet::udp4())?;
    let packet = socket.expect_packet()?;
    let mut replacement = Packet::udp4().ttl(63).payload(*b"something longer").ip().to_vec();
    replacement[26] ^= 0xff; // The UDP checksum: nobody mends it (VER-8).
    socket.replace(packet.id(), &replacement)?;
    subject.expect_sent(&TAP1, &replacement)?;
    socket.expect_nothing()
}

fn length_that_does_not_fit(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    let replacement = Packet::udp4().ttl(63).payload(*b"another").ip();
    let one_more = replacement.len() as u64 + 1;
    socket.request(
        &Request::verdict(packet.id(), Verdict::Accept)
            .replacement(&replacement)
            .data_len(one_more),
    )?;
    subject.expect_forwarded(&sent)?;
    socket.expect_nothing()
}
