//! The cases of topic `messages`: which messages the queue refuses, ignores or obeys, in the order
//! of its checks (MSG).

use crate::suite::{Case, CaseResult, Packet, Request, Socket, Subject};
use crate::world::Capability;
use ipq_core::wire::{Flags, Header};
use ipq_core::{CopyMode, Errno, Family, PacketId, PortId, Verdict};

pub(super) fn cases() -> Vec<Case> {
    [checks_of_the_header(), checks_of_the_sender(), checks_of_the_body()].concat()
}

/// Returns the cases of MSG-1 to MSG-4: the checks of a message's header.
fn checks_of_the_header() -> Vec<Case> {
    vec![
        Case::kernel(
            "messages/stated-length-under-header",
            "A message that states fewer bytes than a header has is ignored in silence",
            &["MSG-1", "ERA-19"],
            stated_length_under_header,
        ),
        Case::kernel(
            "messages/stated-length-over-datagram",
            "A message that states more bytes than its datagram has is ignored in silence",
            &["MSG-1"],
            stated_length_over_datagram,
        ),
        Case::kernel(
            "messages/datagram-shorter-than-header",
            "A datagram that is shorter than a header is ignored in silence",
            &["MSG-1", "ERA-19"],
            datagram_shorter_than_header,
        ),
        Case::kernel(
            "messages/negative-port-id",
            "A message with a negative port id is refused with EINVAL and attaches nobody",
            &["MSG-2", "ERA-4"],
            negative_port_id,
        ),
        Case::kernel(
            "messages/port-id-zero",
            "A message with port id 0 is refused with EINVAL",
            &["MSG-2"],
            port_id_zero,
        ),
        Case::kernel(
            "messages/no-request-flag",
            "A message without the flag NLM_F_REQUEST is refused with EINVAL",
            &["MSG-2"],
            no_request_flag,
        ),
        Case::kernel(
            "messages/multi-flag",
            "A message with the flag NLM_F_MULTI is refused with EINVAL",
            &["MSG-2"],
            multi_flag,
        ),
        Case::kernel(
            "messages/truncated-flag",
            "A message with the flag 0x20 is refused with ECOMM and attaches nobody",
            &["MSG-3"],
            truncated_flag,
        ),
        Case::kernel(
            "messages/truncated-flag-before-type",
            "The flag 0x20 is refused before the message type is looked at",
            &["MSG-3"],
            truncated_flag_before_type,
        ),
        Case::kernel(
            "messages/control-types",
            "Message types 1 to 0x10 are ignored in silence, even if an acknowledgement is asked for",
            &["MSG-4"],
            control_types,
        ),
        Case::must(
            "messages/unknown-types",
            "Message type 0, and types above PACKET, are refused with EINVAL",
            &["MSG-4"],
            unknown_types,
        ),
    ]
}

/// Returns the cases about the sender's capability and the peer: MSG-5 and MSG-6, and one that
/// shows that the check of MSG-4 comes before that of MSG-5.
fn checks_of_the_sender() -> Vec<Case> {
    vec![
        Case::must(
            "messages/mode-without-capability",
            "A mode message of a program without CAP_NET_ADMIN is refused with EPERM and attaches nobody",
            &["MSG-5"],
            mode_without_capability,
        )
        .needs(&[Capability::DropNetAdmin]),
        Case::kernel(
            "messages/capability-before-peer",
            "The capability is asked for before the peer",
            &["MSG-5"],
            capability_before_peer,
        )
        .needs(&[Capability::DropNetAdmin]),
        Case::kernel(
            "messages/type-before-capability",
            "A control message is ignored before the capability is asked for",
            &["MSG-4"],
            type_before_capability,
        )
        .needs(&[Capability::DropNetAdmin]),
        Case::kernel(
            "messages/peer-before-body",
            "A message of a second program is refused with EBUSY even if its body is too short",
            &["MSG-6"],
            peer_before_body,
        ),
    ]
}

/// Returns the cases of MSG-7 to MSG-11: the checks of the body, and what a message that passes
/// does.
fn checks_of_the_body() -> Vec<Case> {
    vec![
        Case::must(
            "messages/short-bodies",
            "A body that is shorter than the structure is refused with EINVAL, whatever it lacks",
            &["MSG-7"],
            short_bodies,
        ),
        Case::kernel(
            "messages/body-ends-at-stated-length",
            "A mode message is as long as its header says, and what follows is none of it",
            &["MSG-7", "ERA-12"],
            body_ends_at_stated_length,
        ),
        Case::kernel(
            "messages/verdict-ends-at-stated-length",
            "A verdict that its header cuts short is refused, and its packet stays queued",
            &["MSG-7", "ERA-12"],
            verdict_ends_at_stated_length,
        ),
        Case::must(
            "messages/range-per-mode",
            "Mode NONE and META set range 0, and PACKET the range up to 65535",
            &["MSG-8"],
            range_per_mode,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "messages/range-cut-to-32-bits",
            "A range is cut to 32 bits before it is clamped",
            &["MSG-8"],
            range_cut_to_32_bits,
        ),
        Case::must(
            "messages/unknown-modes",
            "An unknown copy mode is refused with EINVAL and changes nothing",
            &["MSG-8"],
            unknown_modes,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "messages/packet-from-program",
            "A PACKET message from a program is refused with EINVAL",
            &["MSG-9"],
            packet_from_program,
        ),
        Case::must(
            "messages/success-is-silent",
            "A message that is obeyed is not answered",
            &["MSG-10"],
            success_is_silent,
        ),
        Case::must(
            "messages/success-is-acknowledged-if-asked",
            "Only the message that asks for it is acknowledged",
            &["MSG-10"],
            success_is_acknowledged_if_asked,
        ),
        Case::kernel(
            "messages/second-message-is-ignored",
            "What follows the first message of a datagram is ignored",
            &["MSG-11"],
            second_message_is_ignored,
        ),
        Case::kernel(
            "messages/second-verdict-in-datagram",
            "Of two verdicts in one datagram only the first is given",
            &["MSG-11"],
            second_verdict_in_datagram,
        ),
    ]
}

/// Expects that the IPv4 queue has no peer: another socket can attach. Closes that socket.
#[track_caller]
fn expect_no_peer(subject: &Subject) -> CaseResult {
    let other = subject.open(Family::Ipv4)?;
    let request = other.request(&Request::mode(CopyMode::Meta, 0).ack())?;
    other.expect_ack(&request)?;
    other.close()
}

/// Expects that the IPv4 queue refuses `request` with `errno`, and that it has no peer then: the
/// sender of `request` was not attached.
#[track_caller]
fn expect_refused_before_attaching(subject: &Subject, errno: Errno, request: &Request) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let sent = socket.request(request)?;
    socket.expect_error(errno, &sent)?;
    socket.expect_nothing()?;
    expect_no_peer(subject)
}

/// Returns a MODE message for copy mode PACKET, range 0, with the flag ACK.
fn mode() -> Request {
    Request::mode(CopyMode::Packet, 0).ack()
}

fn stated_length_under_header(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    for length in [0, 1, 15] {
        socket.request(&mode().stated_length(length))?;
        socket.expect_nothing()?;
    }
    expect_no_peer(subject)
}

fn stated_length_over_datagram(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let length = (Header::BYTES + subject.abi().request_bytes()) as u32;
    for length in [length + 1, length + 4, u32::MAX] {
        socket.request(&mode().stated_length(length))?;
        socket.expect_nothing()?;
    }
    expect_no_peer(subject)
}

fn datagram_shorter_than_header(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let whole = mode().bytes(subject.abi(), socket.port_id());
    for length in [1, 4, 15] {
        socket.send(&whole[..length])?;
        socket.expect_nothing()?;
    }
    expect_no_peer(subject)
}

fn negative_port_id(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    for port_id in [0x8000_0000, 0xffff_efff, u32::MAX] {
        let request = socket.request(&mode().port_id(PortId(port_id)))?;
        socket.expect_error(Errno::EINVAL, &request)?;
    }
    socket.expect_nothing()?;
    expect_no_peer(subject)
}

fn port_id_zero(subject: &Subject) -> CaseResult {
    expect_refused_before_attaching(subject, Errno::EINVAL, &mode().port_id(PortId::KERNEL))
}

fn no_request_flag(subject: &Subject) -> CaseResult {
    expect_refused_before_attaching(subject, Errno::EINVAL, &mode().flags(Flags::ACK))
}

fn multi_flag(subject: &Subject) -> CaseResult {
    expect_refused_before_attaching(subject, Errno::EINVAL, &mode().flags(Flags::REQUEST | Flags::MULTI))
}

fn truncated_flag(subject: &Subject) -> CaseResult {
    expect_refused_before_attaching(subject, Errno::ECOMM, &mode().flags(Flags::REQUEST | Flags::TRUNCATED))
}

fn truncated_flag_before_type(subject: &Subject) -> CaseResult {
    for kind in [0, 2, 0x14] {
        let request = mode().message_type(kind).flags(Flags::REQUEST | Flags::TRUNCATED);
        let socket = subject.open(Family::Ipv4)?;
        let sent = socket.request(&request)?;
        socket.expect_error(Errno::ECOMM, &sent)?;
        socket.close()?;
    }
    Ok(())
}

fn control_types(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    for kind in 1..=0x10 {
        socket.request(&mode().message_type(kind))?;
        socket.expect_nothing()?;
    }
    expect_no_peer(subject)
}

fn unknown_types(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    for kind in [0, 0x14, 0x15, 0x100, u16::MAX] {
        let request = socket.request(&mode().message_type(kind))?;
        socket.expect_error(Errno::EINVAL, &request)?;
    }
    expect_no_peer(subject)
}

fn mode_without_capability(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    subject.set_net_admin(false)?;
    let request = socket.request(&mode())?;
    socket.expect_error(Errno::EPERM, &request)?;
    socket.expect_nothing()?;
    subject.set_net_admin(true)?;
    expect_no_peer(subject)
}

fn capability_before_peer(subject: &Subject) -> CaseResult {
    let first = subject.attach(Family::Ipv4)?;
    let second = subject.open(Family::Ipv4)?;
    subject.set_net_admin(false)?;
    let request = second.request(&mode())?;
    second.expect_error(Errno::EPERM, &request)?;
    subject.set_net_admin(true)?;
    let request = second.request(&mode())?;
    second.expect_error(Errno::EBUSY, &request)?;
    first.expect_nothing()
}

fn type_before_capability(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    subject.set_net_admin(false)?;
    socket.request(&mode().message_type(0x10))?;
    socket.expect_nothing()?;
    let request = socket.request(&mode().message_type(0x14))?;
    socket.expect_error(Errno::EINVAL, &request)
}

fn peer_before_body(subject: &Subject) -> CaseResult {
    let first = subject.attach(Family::Ipv4)?;
    let second = subject.open(Family::Ipv4)?;
    for kind in [0x11, 0x12, 0x13] {
        let request = second.request(&Request::raw(kind, [0; 4]))?;
        second.expect_error(Errno::EBUSY, &request)?;
    }
    first.expect_nothing()
}

fn short_bodies(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let body = [0xff; 32];
    let whole = subject.abi().request_bytes();
    for kind in [0x11, 0x12, 0x13] {
        for length in 0..whole {
            let request = socket.request(&Request::raw(kind, &body[..length]))?;
            socket.expect_error(Errno::EINVAL, &request)?;
        }
    }
    // The datagram has the whole message, but the length in the header is a byte too short.
    let stated = (Header::BYTES + whole - 1) as u32;
    let request = socket.request(&mode().stated_length(stated))?;
    socket.expect_error(Errno::EINVAL, &request[..stated as usize])?;
    socket.expect_nothing()
}

fn body_ends_at_stated_length(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Packet, 20)?;
    for length in [0, 1, 8] {
        let stated = (Header::BYTES + length) as u32;
        let request = socket.request(&Request::mode(CopyMode::Meta, 0).stated_length(stated))?;
        socket.expect_error(Errno::EINVAL, &request)?;
    }
    subject.inject(&Packet::udp4())?;
    subject.equal("the copy's length", &20, &socket.expect_packet()?.payload.len())
}

fn verdict_ends_at_stated_length(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    let stated = (Header::BYTES + subject.abi().request_bytes() - 1) as u32;
    let short = Request::verdict(packet.id(), Verdict::Drop).stated_length(stated);
    let request = socket.request(&short)?;
    socket.expect_error(Errno::EINVAL, &request)?;
    subject.expect_not_forwarded()?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)
}

fn range_per_mode(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Packet, 1)?;
    expect_range(&socket, CopyMode::Meta, 100, 0)?;
    expect_range(&socket, CopyMode::Packet, 65_534, 65_534)?;
    expect_range(&socket, CopyMode::None, 100, 0)?;
    expect_range(&socket, CopyMode::Packet, 65_535, 65_535)?;
    expect_range(&socket, CopyMode::Packet, 65_536, 65_535)?;
    expect_range(&socket, CopyMode::Packet, 0xffff_ffff, 65_535)?;
    expect_range(&socket, CopyMode::Packet, 0, 0)?;
    expect_range(&socket, CopyMode::Packet, 1 << 32, 0)?;
    expect_range(&socket, CopyMode::Packet, (1 << 32) + 5, 5)?;
    socket.expect_nothing()
}

/// Sets this copy mode with the range `asked`. Expects this mode, and the range `range`, in the
/// /proc text of the IPv4 queue.
#[track_caller]
fn expect_range(socket: &Socket<'_>, mode: CopyMode, asked: u64, range: u64) -> CaseResult {
    socket.set_mode(mode, asked)?;
    let subject = socket.subject();
    let value = match mode {
        CopyMode::None => 0,
        CopyMode::Meta => 1,
        _ => 2,
    };
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("the copy mode", &value, &text.copy_mode)?;
    subject.equal(
        &format!("the range after {asked} in mode {value}"),
        &range,
        &text.copy_range,
    )
}

fn range_cut_to_32_bits(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Packet, (1 << 32) + 21)?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    subject.equal_packets("the copy", &sent.forwarded().ip()[..21], &packet.payload)
}

fn unknown_modes(subject: &Subject) -> CaseResult {
    let socket = subject.attach_with(Family::Ipv4, CopyMode::Packet, (1 << 32) + 9)?;
    for value in [3, 4, 0x80, 0xff] {
        let request = socket.request(&Request::mode(CopyMode::Unknown(value), 50))?;
        socket.expect_error(Errno::EINVAL, &request)?;
    }
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("the copy mode", &2, &text.copy_mode)?;
    subject.equal("the copy range", &9, &text.copy_range)
}

fn packet_from_program(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    for length in [24, 96, 200] {
        let request = socket.request(&Request::raw(0x13, vec![0; length]))?;
        socket.expect_error(Errno::EINVAL, &request)?;
    }
    socket.expect_nothing()
}

fn success_is_silent(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    for mode in [CopyMode::None, CopyMode::Meta, CopyMode::Packet] {
        socket.set_mode(mode, 0)?;
        socket.expect_nothing()?;
    }
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    socket.expect_nothing()?;
    subject.expect_forwarded(&sent)
}

fn success_is_acknowledged_if_asked(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    let verdict = socket.request(&Request::verdict(packet.id(), Verdict::Accept).sequence(8).ack())?;
    socket.set_mode(CopyMode::Meta, 0)?;
    let refused = socket.request(&Request::verdict(PacketId(7), Verdict::Accept).sequence(9).ack())?;
    socket.expect_ack(&verdict)?;
    socket.expect_error(Errno::ENOENT, &refused)?;
    socket.expect_nothing()?;
    subject.expect_forwarded(&sent)
}

fn second_message_is_ignored(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let first = Request::mode(CopyMode::Packet, 0).ack().sequence(1);
    let first = first.bytes(subject.abi(), socket.port_id());
    let second = Request::mode(CopyMode::Meta, 0).ack().sequence(2);
    let second = second.bytes(subject.abi(), socket.port_id());
    socket.send(&[&first[..], &second[..]].concat())?;
    socket.expect_ack(&first)?;
    socket.expect_nothing()?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    subject.equal_packets("the copy", &sent.forwarded().ip(), &socket.expect_packet()?.payload)
}

fn second_verdict_in_datagram(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let sent = [1, 2].map(|number| Packet::udp4().identification(number));
    subject.inject(&sent[0])?;
    subject.inject(&sent[1])?;
    let packets = [socket.expect_packet()?, socket.expect_packet()?];
    let verdicts = [0, 1].map(|packet: usize| {
        Request::verdict(packets[packet].id(), Verdict::Accept).bytes(subject.abi(), socket.port_id())
    });
    socket.send(&verdicts.concat())?;
    subject.expect_forwarded(&sent[0])?;
    subject.expect_not_forwarded()?;
    socket.verdict(packets[1].id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent[1])?;
    socket.expect_nothing()
}
