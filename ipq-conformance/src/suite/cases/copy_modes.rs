//! The cases of topic `copy-modes`: how many bytes of a packet each copy mode and range hand over,
//! and which packets a change of the mode holds for (PKT-1, PKT-4, PKT-10).

use crate::suite::{Case, CaseResult, Packet, Subject};
use ipq_core::{CopyMode, Family, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "copy-modes/range-one-byte",
            "Copy range 1 hands over 1 bytes of a packet, or all if it has fewer",
            &["PKT-4"],
            range_one_byte,
        ),
        Case::must(
            "copy-modes/range-fixed-header-less-one",
            "Copy range 19 hands over 19 bytes of a packet, or all if it has fewer",
            &["PKT-4"],
            range_fixed_header_less_one,
        ),
        Case::must(
            "copy-modes/range-fixed-header",
            "Copy range 20 hands over 20 bytes of a packet, or all if it has fewer",
            &["PKT-4"],
            range_fixed_header,
        ),
        Case::must(
            "copy-modes/range-udp-header",
            "Copy range 28 hands over 28 bytes of a packet, or all if it has fewer",
            &["PKT-4"],
            range_udp_header,
        ),
        Case::must(
            "copy-modes/range-packet-less-one",
            "Copy range 35 hands over 35 bytes of a packet, or all if it has fewer",
            &["PKT-4"],
            range_packet_less_one,
        ),
        Case::must(
            "copy-modes/range-packet",
            "Copy range 36 hands over 36 bytes of a packet, or all if it has fewer",
            &["PKT-4"],
            range_packet,
        ),
        Case::must(
            "copy-modes/range-more-than-packet",
            "Copy range 37 hands over 37 bytes of a packet, or all if it has fewer",
            &["PKT-4"],
            range_more_than_packet,
        ),
        Case::must(
            "copy-modes/range-zero",
            "Copy range 0 hands over whole packets",
            &["PKT-4"],
            range_zero,
        ),
        Case::must("copy-modes/meta", "Mode META hands over no bytes", &["PKT-4"], meta),
        Case::must(
            "copy-modes/meta-ignores-range",
            "Mode META hands over no bytes, whatever the range",
            &["PKT-4"],
            meta_ignores_range,
        ),
        Case::must(
            "copy-modes/ipv6-fixed-header",
            "Copy range 40 hands over the fixed header of an IPv6 packet",
            &["PKT-4"],
            ipv6_fixed_header,
        ),
        Case::must(
            "copy-modes/ipv6-range-zero",
            "Copy range 0 hands over whole packets of IPv6",
            &["PKT-4"],
            ipv6_range_zero,
        ),
        Case::must(
            "copy-modes/mode-none-stops-queueing",
            "After mode NONE packets for the queue are dropped",
            &["PKT-1", "ERA-11"],
            mode_none_stops_queueing,
        ),
        Case::must(
            "copy-modes/change-leaves-the-queue-alone",
            "A mode change holds for later packets, and changes no queued one",
            &["PKT-10"],
            change_leaves_the_queue_alone,
        ),
    ]
}

fn range_one_byte(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Packet, 1, 1)
}

fn range_fixed_header_less_one(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Packet, 19, 19)
}

fn range_fixed_header(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Packet, 20, 20)
}

fn range_udp_header(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Packet, 28, 28)
}

fn range_packet_less_one(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Packet, 35, 35)
}

fn range_packet(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Packet, 36, 36)
}

fn range_more_than_packet(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Packet, 37, 36)
}

fn range_zero(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Packet, 0, 36)
}

fn meta(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Meta, 0, 0)
}

fn meta_ignores_range(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv4, CopyMode::Meta, 700, 0)
}

fn ipv6_fixed_header(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv6, CopyMode::Packet, 40, 40)
}

fn ipv6_range_zero(subject: &Subject) -> CaseResult {
    copied(subject, Family::Ipv6, CopyMode::Packet, 0, 56)
}

fn mode_none_stops_queueing(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    socket.set_mode(CopyMode::None, 0)?;
    subject.inject(&Packet::udp4())?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()
}

fn change_leaves_the_queue_alone(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, first) = subject.queued(&sent)?;
    socket.set_mode(CopyMode::Meta, 0)?;
    subject.inject(&Packet::udp4().identification(2))?;
    let second = socket.expect_packet()?;
    subject.equal("bytes of the packet after the change", &0, &second.payload.len())?;
    socket.verdict(first.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    socket.expect_nothing()
}

/// Attaches with this copy mode and range, and makes a packet of 36 (IPv4) or 56 (IPv6) bytes
/// arrive. Expects that the packet's first `expected` bytes are copied and no others, and that the
/// whole packet leaves after ACCEPT.
fn copied(subject: &Subject, family: Family, mode: CopyMode, range: u64, expected: usize) -> CaseResult {
    let socket = subject.attach_with(family, mode, range)?;
    let sent = Packet::udp(family);
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    subject.equal_packets("the copy", &sent.forwarded().ip()[..expected], &packet.payload)?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    socket.expect_nothing()
}
