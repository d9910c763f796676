//! The cases of topic `replacement`: packets that a verdict's payload replaces (VER-5 to VER-9).

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::topology::TAP1;
use ipq_core::Verdict;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "replacement/longer",
            "A longer payload replaces the packet, byte for byte",
            &["VER-7"],
            longer,
        ),
        Case::kernel(
            "replacement/length-that-does-not-fit",
            "A payload of another length than data_len says is ignored, and the verdict holds",
            &["VER-5"],
            length_that_does_not_fit,
        ),
        Case::kernel(
            "replacement/one-byte-is-ignored",
            "A payload of one byte is ignored, and the verdict holds",
            &["VER-6"],
            one_byte_is_ignored,
        ),
        Case::kernel(
            "replacement/header-less-one-is-ignored",
            "A payload of 19 bytes is ignored, and the verdict holds",
            &["VER-6"],
            header_less_one_is_ignored,
        ),
        Case::kernel(
            "replacement/ipv6-header-less-one-is-ignored",
            "A payload of 39 bytes for an IPv6 packet is ignored, and the verdict holds",
            &["VER-6"],
            ipv6_header_less_one_is_ignored,
        ),
        Case::must(
            "replacement/shorter",
            "A shorter payload trims the packet",
            &["VER-7"],
            shorter,
        ),
        Case::kernel(
            "replacement/over-65535-bytes",
            "Growing a packet over 65,535 bytes drops it, and the verdict succeeds",
            &["VER-7"],
            over_65535_bytes,
        ),
        Case::must(
            "replacement/nothing-is-mended",
            "A payload with a wrong checksum leaves as it is",
            &["VER-8"],
            nothing_is_mended,
        ),
        Case::must(
            "replacement/is-what-a-repeat-shows",
            "A replaced packet is what a re-queue shows",
            &["VER-9"],
            is_what_a_repeat_shows,
        ),
    ]
}

fn one_byte_is_ignored(subject: &Subject) -> CaseResult {
    is_ignored(subject, &Packet::udp4(), &[0x45; 1])
}

fn header_less_one_is_ignored(subject: &Subject) -> CaseResult {
    is_ignored(subject, &Packet::udp4(), &[0x45; 19])
}

fn ipv6_header_less_one_is_ignored(subject: &Subject) -> CaseResult {
    is_ignored(subject, &Packet::udp6(), &[0x60; 39])
}

fn shorter(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4().length(200))?;
    let shorter = Packet::udp4().ttl(63).length(40).ip();
    socket.replace(packet.id(), &shorter)?;
    subject.expect_sent(&TAP1, &shorter)
}

fn over_65535_bytes(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let request = Request::verdict(packet.id(), Verdict::Accept)
        .replacement(&vec![0x45; 65_536])
        .ack();
    let sent = socket.request(&request)?;
    socket.expect_ack(&sent)?;
    subject.expect_not_forwarded()
}

fn nothing_is_mended(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let mut wrong = Packet::udp4().ttl(63).ip().to_vec();
    wrong[10] ^= 0x55;
    socket.replace(packet.id(), &wrong)?;
    subject.expect_sent(&TAP1, &wrong)
}

fn is_what_a_repeat_shows(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let changed = Packet::udp4().ttl(63).payload(*b"changed!").ip();
    socket.request(&Request::verdict(packet.id(), Verdict::Repeat).replacement(&changed))?;
    let again = socket.expect_packet()?;
    subject.equal_packets("the packet", &changed, &again.payload)
}

fn longer(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let mut replacement = Packet::udp4().ttl(63).payload(*b"something longer").ip().to_vec();
    replacement[26] ^= 0xff; // The UDP checksum: nobody mends it (VER-8).
    socket.replace(packet.id(), &replacement)?;
    subject.expect_sent(&TAP1, &replacement)?;
    socket.expect_nothing()
}

fn length_that_does_not_fit(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
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

/// Accepts `sent` with the replacement `payload`. Expects that the packet is forwarded as without a
/// replacement.
fn is_ignored(subject: &Subject, sent: &Packet, payload: &[u8]) -> CaseResult {
    let (socket, packet) = subject.queued(sent)?;
    socket.replace(packet.id(), payload)?;
    subject.expect_forwarded(sent)?;
    socket.expect_nothing()
}
