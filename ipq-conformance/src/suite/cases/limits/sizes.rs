//! The cases of topic `limits` for the lengths of packets and replacements, the number of queued
//! packets, and port ids, at their limits.

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::{Protocol, Rule, Setup, Table};
use ipq_core::wire::WordSize;
use ipq_core::{CopyMode, Family, Hook, PortId, Verdict};
use std::collections::HashSet;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "limits/longest-ipv4-packet",
            "An IPv4 packet of 65,535 bytes is handed over whole, and goes on when it is accepted",
            &["PKT-4"],
            longest_ipv4_packet,
        )
        .setup(queue_for_host),
        Case::kernel(
            "limits/longest-ipv6-packet",
            "An IPv6 packet of 65,575 bytes is handed over whole where the range is 0",
            &["PKT-4"],
            longest_ipv6_packet,
        )
        .setup(queue_for_host),
        Case::must(
            "limits/longest-packet-cut",
            "Of a packet of 65,535 bytes a range of 21 hands over 21",
            &["PKT-4"],
            longest_packet_cut,
        )
        .setup(queue_for_host),
        Case::must(
            "limits/replacement-stated-over-4-gib",
            "A replacement whose stated length is over what follows by 4 GiB, or by all that the field holds, is ignored",
            &["VER-5"],
            stated_over_4_gib,
        ),
        Case::must(
            "limits/as-many-as-a-queue-takes",
            "1024 packets that are queued at one time have different ids, and each is found by its own",
            &["PKT-9", "VER-3"],
            as_many_as_a_queue_takes,
        ),
        Case::must(
            "limits/port-ids-at-their-ends",
            "The port ids 1 and 2,147,483,647 attach, and get packets",
            &["ATT-1", "MSG-2"],
            port_ids_at_their_ends,
        ),
    ]
}

fn longest_ipv4_packet(subject: &Subject) -> CaseResult {
    handed_over_whole(subject, &Packet::udp4().to_host().length(65_535))
}

fn longest_ipv6_packet(subject: &Subject) -> CaseResult {
    handed_over_whole(subject, &Packet::udp6().to_host().length(65_575))
}

fn longest_packet_cut(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4().to_host().length(65_535);
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Packet, 21)?;
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    subject.equal_packets("the packet", &sent.ip()[..21], &packet.payload)
}

fn port_ids_at_their_ends(subject: &Subject) -> CaseResult {
    for port_id in [1, 0x7fff_ffff] {
        let socket = subject.open_bound(Family::Ipv4, PortId(port_id))?;
        let request = socket.request(&Request::mode(CopyMode::Packet, 0).ack())?;
        socket.expect_ack(&request)?;
        subject.inject(&Packet::udp4())?;
        socket.expect_packet()?;
        socket.close()?;
    }
    Ok(())
}

/// Returns a setup in which mangle queues UDP of both families at INPUT.
fn queue_for_host() -> Setup {
    let rule = |family| Rule::queue(family, Table::Mangle, Hook::Input, Some(Protocol::UDP));
    Setup::with_rules(Family::ALL.map(rule))
}

fn handed_over_whole(subject: &Subject, sent: &Packet) -> CaseResult {
    let (socket, packet) = subject.queued(sent)?;
    subject.equal_packets("the packet", &sent.ip(), &packet.payload)?;
    let verdict = socket.request(&Request::verdict(packet.id(), Verdict::Accept).ack())?;
    socket.expect_ack(&verdict)?;
    socket.expect_nothing()
}

fn stated_over_4_gib(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let socket = subject.attach(Family::Ipv4)?;
    let replacement = Packet::udp4().ttl(63).payload(*b"another").ip();
    let length = replacement.len() as u64;
    let stated: &[u64] = match subject.abi().word {
        WordSize::Eight => &[length + (1 << 32), length + (1 << 63), u64::MAX],
        WordSize::Four => &[length + (1 << 31), u64::from(u32::MAX)],
    };
    for stated in stated {
        subject.inject(&sent)?;
        let packet = socket.expect_packet()?;
        let verdict = Request::verdict(packet.id(), Verdict::Accept);
        socket.request(&verdict.replacement(&replacement).data_len(*stated))?;
        subject.expect_forwarded(&sent)?;
    }
    socket.expect_nothing()
}

fn as_many_as_a_queue_takes(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Meta, 0)?;
    let mut ids = Vec::new();
    // 64 packets at a time fit into the default receive buffer of every kernel.
    for _ in 0..1024 / 64 {
        subject.inject_many(&Packet::udp4(), 64)?;
        for _ in 0..64 {
            ids.push(socket.expect_packet()?.id());
        }
    }
    let different: HashSet<_> = ids.iter().collect();
    subject.equal("different ids", &1024, &different.len())?;
    for id in ids.iter().rev() {
        socket.verdict(*id, Verdict::Drop)?;
    }
    socket.expect_nothing()
}
