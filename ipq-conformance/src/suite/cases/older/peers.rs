//! The cases of topic `older` about the peer of a queue in Linux 2.4.0 to 2.4.17: who becomes the
//! peer, and when the queue loses it.

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::Capability;
use ipq_core::{CopyMode, Errno, Family, PacketId, PortId, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "older/second-peer-takes-over",
            "A message with another port id makes that the peer: mode and range stay, and what is queued is dropped",
            &["ATT-3", "ERA-2"],
            second_peer_takes_over,
        ),
        Case::kernel(
            "older/verdict-takes-over",
            "A verdict of another program takes the queue over, and is itself answered with ENOENT",
            &["ATT-3", "ERA-2"],
            verdict_takes_over,
        ),
        Case::kernel(
            "older/frames-outlive-a-takeover",
            "What the first program was sent before a takeover can still be read, and its verdict is answered with ENOENT",
            &["ATT-3", "ERA-2"],
            frames_outlive_a_takeover,
        ),
        Case::kernel(
            "older/lost-peer-is-noticed-at-the-next-packet",
            "A closed socket stays the peer until a packet can't be delivered, which is dropped with all that is queued",
            &["ATT-4", "ERA-3"],
            lost_peer_is_noticed_at_the_next_packet,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/death-is-told-until-the-next-peer",
            "The text says that the peer died until another attaches",
            &["PROC-1", "ERA-3"],
            death_is_told_until_the_next_peer,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/full-queue-keeps-a-lost-peer",
            "While the queue is full no packet finds out that the peer is gone",
            &["ATT-4", "ERA-3", "ERA-5"],
            full_queue_keeps_a_lost_peer,
        )
        .needs(&[Capability::ProcText, Capability::Sysctl]),
        Case::kernel(
            "older/mode-none-keeps-a-lost-peer",
            "In mode NONE no packet finds out that the peer is gone",
            &["ATT-4", "ERA-3"],
            mode_none_keeps_a_lost_peer,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/same-port-id-inherits-the-queue",
            "A new socket on the lost peer's port id has its mode, its range and its packets",
            &["ATT-4", "ERA-3"],
            same_port_id_inherits_the_queue,
        ),
        Case::kernel(
            "older/negative-port-id-attaches",
            "A negative port id attaches, and /proc shows it with its sign",
            &["MSG-2", "ERA-4"],
            negative_port_id_attaches,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/negative-port-id-is-gone-at-the-next-packet",
            "A negative port id that no socket has is no peer any more after the next packet, which is dropped",
            &["ATT-4", "ERA-4"],
            negative_port_id_is_gone_at_the_next_packet,
        )
        .needs(&[Capability::ProcText]),
    ]
}

fn second_peer_takes_over(subject: &Subject) -> CaseResult {
    let (first, packet) = subject.queued(&Packet::udp4())?;
    let second = subject.open(Family::Ipv4)?;
    second.set_mode(CopyMode::Packet, 0)?;
    second.expect_nothing()?;
    let late = second.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    second.expect_error(Errno::ENOENT, &late)?;
    subject.expect_not_forwarded()?;
    subject.inject(&Packet::udp4().identification(9))?;
    second.expect_packet()?;
    first.expect_nothing()
}

fn verdict_takes_over(subject: &Subject) -> CaseResult {
    let (first, packet) = subject.queued(&Packet::udp4())?;
    let second = subject.open(Family::Ipv4)?;
    let verdict = second.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    second.expect_error(Errno::ENOENT, &verdict)?;
    subject.expect_not_forwarded()?;
    let sent = Packet::udp4().identification(9);
    subject.inject(&sent)?;
    let seen = second.expect_packet()?;
    subject.equal_packets(
        "the packet, in the first program's mode",
        &sent.forwarded().ip(),
        &seen.payload,
    )?;
    first.expect_nothing()
}

fn frames_outlive_a_takeover(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let first = subject.attach(Family::Ipv4)?;
    subject.inject(&sent)?;
    let second = subject.open(Family::Ipv4)?;
    let mode = second.request(&Request::mode(CopyMode::Packet, 0).ack())?;
    second.expect_ack(&mode)?;
    let packet = first.expect_packet()?;
    subject.equal_packets("the packet", &sent.forwarded().ip(), &packet.payload)?;
    let late = first.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    first.expect_error(Errno::ENOENT, &late)?;
    subject.expect_not_forwarded()
}

fn lost_peer_is_noticed_at_the_next_packet(subject: &Subject) -> CaseResult {
    let (socket, _) = subject.queued(&Packet::udp4())?;
    let peer = u64::from(socket.port_id().0);
    socket.close()?;
    subject.equal("the peer", &peer, &subject.proc(Family::Ipv4)?.peer)?;
    subject.expect_queue_length(Family::Ipv4, 1)?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the peer", &0, &subject.proc(Family::Ipv4)?.peer)?;
    subject.expect_queue_length(Family::Ipv4, 0)?;
    subject.expect_not_forwarded()
}

fn death_is_told_until_the_next_peer(subject: &Subject) -> CaseResult {
    let died = |subject: &Subject| Ok(subject.proc_text(Family::Ipv4)?.contains("Peer died           : 1\n"));
    let (socket, _) = subject.queued(&Packet::udp4())?;
    socket.close()?;
    subject.equal("whether it died, before a packet", &false, &died(subject)?)?;
    subject.inject(&Packet::udp4())?;
    subject.equal("whether it died", &true, &died(subject)?)?;
    subject.inject(&Packet::udp4())?;
    subject.equal("whether it died, after another packet", &true, &died(subject)?)?;
    subject.attach(Family::Ipv4)?;
    subject.equal("whether it died, with a new peer", &false, &died(subject)?)
}

fn full_queue_keeps_a_lost_peer(subject: &Subject) -> CaseResult {
    subject.set_maximum_length(Family::Ipv4, "1")?;
    let (socket, _) = subject.queued(&Packet::udp4())?;
    let peer = u64::from(socket.port_id().0);
    socket.close()?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the peer", &peer, &subject.proc(Family::Ipv4)?.peer)?;
    subject.expect_queue_length(Family::Ipv4, 1)
}

fn mode_none_keeps_a_lost_peer(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let peer = u64::from(socket.port_id().0);
    let verdict = socket.request(&Request::verdict(PacketId(7), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &verdict)?;
    socket.close()?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the peer", &peer, &subject.proc(Family::Ipv4)?.peer)?;
    subject.expect_not_forwarded()
}

fn same_port_id_inherits_the_queue(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    let port_id = socket.port_id();
    socket.close()?;
    let heir = subject.open_bound(Family::Ipv4, port_id)?;
    heir.verdict(packet.id(), Verdict::Accept)?;
    heir.expect_nothing()?;
    subject.expect_forwarded(&sent)?;
    subject.inject(&Packet::udp4().identification(9))?;
    heir.expect_packet().map(|_| ())
}

fn negative_port_id_attaches(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let minus_two = PortId((-2_i32).cast_unsigned());
    socket.request(&Request::mode(CopyMode::Meta, 0).port_id(minus_two))?;
    socket.expect_nothing()?;
    let shown = subject
        .proc_text(Family::Ipv4)?
        .starts_with("Peer pid            : -2\n");
    subject.check("the text shows -2", shown)
}

fn negative_port_id_is_gone_at_the_next_packet(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let minus_two = PortId((-2_i32).cast_unsigned());
    socket.request(&Request::mode(CopyMode::Meta, 0).port_id(minus_two))?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the peer", &0, &subject.proc(Family::Ipv4)?.peer)?;
    subject.expect_not_forwarded()?;
    socket.expect_nothing()
}
