//! The cases of topic `attaching`: how a program becomes a queue's peer, and what ends that (ATT).

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::Capability;
use ipq_core::{CopyMode, Errno, Family, PacketId, PortId, Verdict};

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "attaching/second-peer-is-busy",
            "A message with another port id is refused with EBUSY while a peer is attached",
            &["ATT-3", "ERA-2"],
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
            &["ATT-4", "ERA-3"],
            close_drops_what_is_queued,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "attaching/header-names-peer",
            "A message attaches the port id in its header, and packets go to that socket",
            &["ATT-1"],
            header_names_peer,
        )
        .needs(&[Capability::ForeignPortId]),
        Case::kernel(
            "attaching/peer-is-not-sender",
            "The socket that attached another one is itself no peer",
            &["ATT-1", "ATT-3"],
            peer_is_not_sender,
        )
        .needs(&[Capability::ForeignPortId]),
        Case::kernel(
            "attaching/refused-messages-attach",
            "Each message that is refused for its body attaches all the same",
            &["ATT-2"],
            refused_messages_attach,
        ),
        Case::must(
            "attaching/second-peer-verdict-is-busy",
            "A verdict of a second program is refused with EBUSY, and the packet stays queued",
            &["ATT-3", "ERA-2"],
            second_peer_verdict_is_busy,
        ),
        Case::must(
            "attaching/close-makes-room",
            "When the peer's socket has closed another program can attach",
            &["ATT-4"],
            close_makes_room,
        ),
        Case::must(
            "attaching/close-keeps-counters",
            "When the peer's socket closes the count of dropped packets stays",
            &["ATT-4"],
            close_keeps_counters,
        )
        .needs(&[Capability::ProcText, Capability::Sysctl]),
        Case::kernel(
            "attaching/close-of-sender-is-no-reset",
            "A queue lasts until the peer's own socket closes, whoever attached it",
            &["ATT-4"],
            close_of_sender_is_no_reset,
        )
        .needs(&[Capability::ForeignPortId]),
        Case::must(
            "attaching/verdict-without-capability",
            "A verdict of a peer that lost CAP_NET_ADMIN is refused with EPERM, and the packet stays queued",
            &["ATT-5"],
            verdict_without_capability,
        )
        .needs(&[Capability::DropNetAdmin]),
        Case::must(
            "attaching/open-without-capability",
            "Opening and binding need no capability, and the first verdict does",
            &["ATT-5"],
            open_without_capability,
        )
        .needs(&[Capability::DropNetAdmin]),
        Case::kernel(
            "attaching/opened-before-capability",
            "A socket that was opened without the capability attaches once it is there",
            &["ATT-5"],
            opened_before_capability,
        )
        .needs(&[Capability::DropNetAdmin]),
        Case::must(
            "attaching/bound-is-not-attached",
            "A bound socket gets no packets before it has sent a message",
            &["ATT-6"],
            bound_is_not_attached,
        ),
        Case::must(
            "attaching/bound-is-not-in-the-way",
            "A bound socket that has sent nothing keeps nobody from attaching",
            &["ATT-6"],
            bound_is_not_in_the_way,
        ),
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

fn header_names_peer(subject: &Subject) -> CaseResult {
    let sender = subject.open(Family::Ipv4)?;
    let peer = subject.open(Family::Ipv4)?;
    sender.request(&Request::mode(CopyMode::Packet, 0).port_id(peer.port_id()))?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = peer.expect_packet()?;
    subject.equal_packets("the packet", &sent.forwarded().ip(), &packet.payload)?;
    sender.expect_nothing()?;
    peer.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    peer.expect_nothing()
}

fn peer_is_not_sender(subject: &Subject) -> CaseResult {
    let sender = subject.open(Family::Ipv4)?;
    let peer = subject.open(Family::Ipv4)?;
    sender.request(&Request::mode(CopyMode::Packet, 0).port_id(peer.port_id()))?;
    let request = sender.request(&Request::mode(CopyMode::Meta, 0))?;
    sender.expect_error(Errno::EBUSY, &request)?;
    let request = peer.request(&Request::mode(CopyMode::Packet, 0).ack())?;
    peer.expect_ack(&request)?;
    sender.expect_nothing()
}

fn refused_messages_attach(subject: &Subject) -> CaseResult {
    let whole = vec![0; subject.abi().request_bytes()];
    let refused = [
        Request::mode(CopyMode::Unknown(9), 0),
        Request::verdict(PacketId(7), Verdict::Stolen),
        Request::raw(0x11, []),
        Request::raw(0x12, &whole[1..]),
        Request::raw(0x13, whole),
    ];
    for request in refused {
        let socket = subject.open_bound(Family::Ipv4, PortId(7001))?;
        let request = socket.request(&request)?;
        socket.expect_error(Errno::EINVAL, &request)?;
        let second = subject.open_bound(Family::Ipv4, PortId(7002))?;
        let request = second.request(&Request::mode(CopyMode::Packet, 0))?;
        second.expect_error(Errno::EBUSY, &request)?;
        second.close()?;
        socket.close()?;
    }
    Ok(())
}

fn second_peer_verdict_is_busy(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (first, packet) = subject.queued(&sent)?;
    let second = subject.open(Family::Ipv4)?;
    let request = second.request(&Request::verdict(packet.id(), Verdict::Drop))?;
    second.expect_error(Errno::EBUSY, &request)?;
    subject.expect_not_forwarded()?;
    first.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    first.expect_nothing()
}

fn close_makes_room(subject: &Subject) -> CaseResult {
    for family in Family::ALL {
        let first = subject.attach(family)?;
        subject.inject(&Packet::udp(family))?;
        first.expect_packet()?;
        first.close()?;
        let second = subject.open(family)?;
        let request = second.request(&Request::mode(CopyMode::Packet, 0).ack())?;
        second.expect_ack(&request)?;
        let sent = Packet::udp(family);
        subject.inject(&sent)?;
        let packet = second.expect_packet()?;
        second.verdict(packet.id(), Verdict::Accept)?;
        subject.expect_forwarded(&sent)?;
        second.expect_nothing()?;
    }
    Ok(())
}

fn close_keeps_counters(subject: &Subject) -> CaseResult {
    subject.set_maximum_length(Family::Ipv4, "1")?;
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 3)?;
    subject.equal("queue dropped", &2, &subject.proc(Family::Ipv4)?.queue_dropped)?;
    socket.close()?;
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("peer", &0, &text.peer)?;
    subject.equal("queue length", &0, &text.queue_length)?;
    subject.equal("queue dropped after the reset", &2, &text.queue_dropped)
}

fn close_of_sender_is_no_reset(subject: &Subject) -> CaseResult {
    let sender = subject.open(Family::Ipv4)?;
    let peer = subject.open(Family::Ipv4)?;
    sender.request(&Request::mode(CopyMode::Packet, 0).port_id(peer.port_id()))?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = peer.expect_packet()?;
    sender.close()?;
    peer.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    subject.inject(&sent)?;
    peer.expect_packet()?;
    peer.close()?;
    let next = subject.open(Family::Ipv4)?;
    let request = next.request(&Request::mode(CopyMode::Packet, 0).ack())?;
    next.expect_ack(&request)?;
    subject.expect_not_forwarded()
}

fn verdict_without_capability(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    subject.set_net_admin(false)?;
    let request = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    socket.expect_error(Errno::EPERM, &request)?;
    subject.expect_not_forwarded()?;
    subject.set_net_admin(true)?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    socket.expect_nothing()
}

fn open_without_capability(subject: &Subject) -> CaseResult {
    subject.set_net_admin(false)?;
    let socket = subject.open(Family::Ipv4)?;
    let request = socket.request(&Request::verdict(PacketId(7), Verdict::Accept))?;
    socket.expect_error(Errno::EPERM, &request)?;
    socket.expect_nothing()
}

fn opened_before_capability(subject: &Subject) -> CaseResult {
    subject.set_net_admin(false)?;
    let socket = subject.open(Family::Ipv4)?;
    subject.set_net_admin(true)?;
    let request = socket.request(&Request::mode(CopyMode::Packet, 0).ack())?;
    socket.expect_ack(&request)
}

fn bound_is_not_attached(subject: &Subject) -> CaseResult {
    for family in Family::ALL {
        let socket = subject.open(family)?;
        subject.inject(&Packet::udp(family))?;
        socket.expect_nothing()?;
        subject.expect_not_forwarded()?;
    }
    Ok(())
}

fn bound_is_not_in_the_way(subject: &Subject) -> CaseResult {
    let attached = subject.open(Family::Ipv4)?;
    let bound = subject.open(Family::Ipv4)?;
    let request = attached.request(&Request::mode(CopyMode::Packet, 0).ack())?;
    attached.expect_ack(&request)?;
    subject.inject(&Packet::udp4())?;
    attached.expect_packet()?;
    bound.expect_nothing()
}
