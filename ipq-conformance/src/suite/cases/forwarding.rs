//! The cases of topic `forwarding`: what the host itself does to packets before and after the queue
//! (FWD).

use crate::suite::{Case, CaseResult, Packet, Subject};
use crate::world::topology::{TAP0, TAP1};
use crate::world::{Protocol, Rule, Setup, Table};
use ipq_core::{Family, Hook, Verdict};
use std::net::Ipv4Addr;

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "forwarding/other-host",
            "A frame for another host's address is not taken up",
            &["FWD-1"],
            other_host,
        ),
        Case::must(
            "forwarding/bad-checksum",
            "A packet with a wrong checksum is dropped before the queue",
            &["FWD-1"],
            bad_checksum,
        ),
        Case::must(
            "forwarding/bad-version",
            "A packet with a wrong version is dropped before the queue",
            &["FWD-1"],
            bad_version,
        ),
        Case::must(
            "forwarding/bad-header-length",
            "A packet with a wrong header length is dropped before the queue",
            &["FWD-1"],
            bad_header_length,
        ),
        Case::must(
            "forwarding/bad-total-length",
            "A packet with a wrong total length is dropped before the queue",
            &["FWD-1"],
            bad_total_length,
        ),
        Case::must(
            "forwarding/ipv4-padding-is-cut",
            "Padding of the link layer never reaches the queue (IPv4)",
            &["FWD-2"],
            ipv4_padding_is_cut,
        ),
        Case::must(
            "forwarding/ipv4-last-hop",
            "A packet at its last hop is dropped before FORWARD (IPv4)",
            &["FWD-3"],
            ipv4_last_hop,
        ),
        Case::must(
            "forwarding/ipv6-padding-is-cut",
            "Padding of the link layer never reaches the queue (IPv6)",
            &["FWD-2"],
            ipv6_padding_is_cut,
        ),
        Case::must(
            "forwarding/ipv6-last-hop",
            "A packet at its last hop is dropped before FORWARD (IPv6)",
            &["FWD-3"],
            ipv6_last_hop,
        ),
        Case::must(
            "forwarding/grown-over-the-mtu-is-fragmented",
            "A packet grown over the MTU leaves in fragments",
            &["FWD-4"],
            grown_over_the_mtu_is_fragmented,
        ),
        Case::must(
            "forwarding/grown-with-dont-fragment-is-dropped",
            "A packet grown over the MTU that must not be fragmented is dropped",
            &["FWD-4", "ERA-10"],
            grown_with_dont_fragment_is_dropped,
        ),
        Case::must(
            "forwarding/arriving-over-the-mtu-is-dropped",
            "A packet that arrives over the MTU and must not be fragmented is dropped before FORWARD",
            &["FWD-4"],
            arriving_over_the_mtu_is_dropped,
        ),
        Case::must(
            "forwarding/exactly-the-mtu",
            "A packet grown to the MTU leaves whole",
            &["FWD-4"],
            exactly_the_mtu,
        ),
        Case::must(
            "forwarding/ipv6-over-the-mtu-is-dropped",
            "An IPv6 packet grown over the MTU is dropped",
            &["FWD-4", "ERA-10"],
            ipv6_over_the_mtu_is_dropped,
        ),
        Case::must(
            "forwarding/prerouting-replacement-is-routed-anew",
            "A replacement at PREROUTING is routed by its new addresses",
            &["FWD-5"],
            prerouting_replacement_is_routed_anew,
        )
        .setup(|| {
            Setup::with_rules([Rule::queue(
                Family::Ipv4,
                Table::Mangle,
                Hook::Prerouting,
                Some(Protocol::UDP),
            )])
        }),
        Case::must(
            "forwarding/mark-goes-along",
            "A mark goes with its packet from hook to hook",
            &["FWD-6"],
            mark_goes_along,
        )
        .setup(|| {
            let udp = Some(Protocol::UDP);
            Setup::with_rules([
                Rule::mark(Family::Ipv4, Table::Mangle, Hook::Prerouting, udp, 0xabcd_1234),
                Rule::queue(Family::Ipv4, Table::Filter, Hook::Forward, udp),
            ])
        }),
        Case::must(
            "forwarding/the-way-through-loopback",
            "What this host sends to itself passes OUTPUT, POSTROUTING, PREROUTING and INPUT",
            &["FWD-7"],
            the_way_through_loopback,
        )
        .setup(|| {
            let hooks = [Hook::Output, Hook::Postrouting, Hook::Prerouting, Hook::Input];
            Setup::with_rules(hooks.map(|hook| Rule::queue(Family::Ipv4, Table::Mangle, hook, Some(Protocol::UDP))))
        }),
    ]
}

fn other_host(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject(&Packet::udp4().destination_mac([2, 0, 0, 0, 0x99, 0x99]))?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()
}

fn bad_checksum(subject: &Subject) -> CaseResult {
    let mut frame = Packet::udp4().frame().to_vec();
    frame[24] ^= 0xff;
    is_not_queued(subject, &frame)
}

fn bad_version(subject: &Subject) -> CaseResult {
    is_not_queued(subject, &damaged(14, 0x30))
}

fn bad_header_length(subject: &Subject) -> CaseResult {
    is_not_queued(subject, &damaged(14, 0x01))
}

fn bad_total_length(subject: &Subject) -> CaseResult {
    is_not_queued(subject, &damaged(16, 0x10))
}

fn ipv4_padding_is_cut(subject: &Subject) -> CaseResult {
    padding_is_cut(subject, Family::Ipv4)
}

fn ipv4_last_hop(subject: &Subject) -> CaseResult {
    last_hop(subject, Family::Ipv4)
}

fn ipv6_padding_is_cut(subject: &Subject) -> CaseResult {
    padding_is_cut(subject, Family::Ipv6)
}

fn ipv6_last_hop(subject: &Subject) -> CaseResult {
    last_hop(subject, Family::Ipv6)
}

fn grown_over_the_mtu_is_fragmented(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    socket.replace(packet.id(), &Packet::udp4().ttl(63).length(1501).ip())?;
    let first = subject.sniff(&TAP1)?.ok_or_else(|| subject.fail("no first fragment"))?;
    let second = subject
        .sniff(&TAP1)?
        .ok_or_else(|| subject.fail("no second fragment"))?;
    subject.equal("length of the first frame", &1514, &first.len())?;
    subject.equal(
        "flags and offset of the first",
        &0x2000,
        &u16::from_be_bytes([first[20], first[21]]),
    )?;
    subject.equal(
        "flags and offset of the second",
        &(1480 / 8),
        &u16::from_be_bytes([second[20], second[21]]),
    )?;
    subject.equal("length of the second frame", &(14 + 20 + 1), &second.len())?;
    subject.expect_not_forwarded()
}

fn grown_with_dont_fragment_is_dropped(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    socket.replace(packet.id(), &Packet::udp4().ttl(63).dont_fragment().length(1501).ip())?;
    subject.expect_not_forwarded()
}

fn arriving_over_the_mtu_is_dropped(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject(&Packet::udp4().dont_fragment().length(1501))?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()
}

fn exactly_the_mtu(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let grown = Packet::udp4().ttl(63).length(1500).ip();
    socket.replace(packet.id(), &grown)?;
    subject.expect_sent(&TAP1, &grown)
}

fn ipv6_over_the_mtu_is_dropped(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp6())?;
    socket.replace(packet.id(), &Packet::udp6().ttl(63).length(1501).ip())?;
    subject.expect_not_forwarded()
}

fn prerouting_replacement_is_routed_anew(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let back = Packet::udp4().destination(TAP0.neighbour_ipv4);
    socket.replace(packet.id(), &back.ip())?;
    subject.expect_sent(&TAP0, &back.ttl(63).ip())
}

fn mark_goes_along(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4())?;
    subject.equal("the mark", &0xabcd_1234, &packet.metadata.mark.0)
}

fn the_way_through_loopback(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let ip = Packet::udp4()
        .source(Ipv4Addr::LOCALHOST)
        .destination(Ipv4Addr::LOCALHOST)
        .ip();
    subject.output(&ip)?;
    for hook in [Hook::Output, Hook::Postrouting, Hook::Prerouting, Hook::Input] {
        let packet = socket.expect_packet()?;
        subject.equal("the hook", &hook, &packet.metadata.hook)?;
        subject.equal_packets("the packet", &ip, &packet.payload)?;
        socket.verdict(packet.id(), Verdict::Accept)?;
    }
    socket.expect_nothing()
}

/// Returns the frame of the plain UDP packet over IPv4, with `bits` of the frame's byte `at`
/// flipped. The header checksum is computed anew, so that nothing else is wrong.
fn damaged(at: usize, bits: u8) -> Vec<u8> {
    let mut frame = Packet::udp4().frame().to_vec();
    frame[at] ^= bits;
    frame[24..26].fill(0);
    let header = &frame[14..14 + usize::from(frame[14] & 0x0f) * 4];
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// Expects that the frame, injected at tap0, reaches neither the queue nor tap1.
fn is_not_queued(subject: &Subject, frame: &[u8]) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_frame(&TAP0, frame, 1)?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()
}

fn padding_is_cut(subject: &Subject, family: Family) -> CaseResult {
    let socket = subject.attach(family)?;
    let sent = Packet::udp(family);
    let frame = [&sent.frame()[..], &[0xee; 10]].concat();
    subject.inject_frame(&TAP0, &frame, 1)?;
    let packet = socket.expect_packet()?;
    subject.equal_packets("the packet", &sent.forwarded().ip(), &packet.payload)
}

fn last_hop(subject: &Subject, family: Family) -> CaseResult {
    let socket = subject.attach(family)?;
    subject.inject(&Packet::udp(family).ttl(1))?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()?;
    let sent = Packet::udp(family).ttl(2);
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    subject.equal_packets("the packet with two hops", &sent.forwarded().ip(), &packet.payload)
}
