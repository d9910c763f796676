//! The cases of topic `verdicts`: what each verdict does to a packet, and which are refused (VER).

use crate::suite::{Case, CaseResult, Packet, ReceivedPacket, Request, Socket, Stopped, Subject};
use crate::world::topology::{LO, TAP0, TAP1};
use crate::world::{Protocol, Rule, Setup, Table};
use ipq_core::Hook;
use ipq_core::{Errno, Family, PacketId, Verdict};
use std::net::Ipv4Addr;

#[expect(clippy::too_many_lines, reason = "a table of cases")]
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
        Case::must(
            "verdicts/value-stolen-is-refused",
            "Verdict value stolen is refused with EINVAL, and the packet stays queued",
            &["VER-1", "ERA-7"],
            value_stolen_is_refused,
        ),
        Case::must(
            "verdicts/value-six-is-refused",
            "Verdict value six is refused with EINVAL, and the packet stays queued",
            &["VER-1"],
            value_six_is_refused,
        ),
        Case::must(
            "verdicts/value-upper-bits-is-refused",
            "Verdict value upper bits is refused with EINVAL, and the packet stays queued",
            &["VER-1"],
            value_upper_bits_is_refused,
        ),
        Case::must(
            "verdicts/value-all-bits-is-refused",
            "Verdict value all bits is refused with EINVAL, and the packet stays queued",
            &["VER-1"],
            value_all_bits_is_refused,
        ),
        Case::must(
            "verdicts/value-is-checked-before-the-id",
            "A wrong value for an unknown id is EINVAL",
            &["VER-2", "VER-1"],
            value_is_checked_before_the_id,
        ),
        Case::must(
            "verdicts/any-order",
            "Verdicts may come in any order",
            &["VER-3"],
            any_order,
        ),
        Case::must(
            "verdicts/stop-skips-the-rest-of-the-hook",
            "STOP skips the hook's other functions",
            &["VER-4", "ERA-7"],
            stop_skips_the_rest_of_the_hook,
        )
        .setup(twice_at_forward),
        Case::must(
            "verdicts/accept-goes-on-with-the-hook",
            "ACCEPT goes on with the hook's next function",
            &["VER-4"],
            accept_goes_on_with_the_hook,
        )
        .setup(twice_at_forward),
        Case::must(
            "verdicts/repeat-queues-again",
            "REPEAT brings the packet back with another id",
            &["VER-4", "PKT-9"],
            repeat_queues_again,
        ),
        Case::must(
            "verdicts/queue-queues-again",
            "QUEUE brings the packet back with another id",
            &["VER-4", "PKT-9"],
            queue_queues_again,
        ),
        Case::must(
            "verdicts/changed-output-is-routed-again",
            "A packet whose destination is changed at OUTPUT leaves for the new one",
            &["VER-10", "ERA-20"],
            changed_output_is_routed_again,
        )
        .setup(|| super::udp_queued_at(Hook::Output)),
        Case::kernel(
            "verdicts/repeated-output-is-routed-again",
            "A packet that is changed at OUTPUT by REPEAT is routed again, too",
            &["VER-10"],
            repeated_output_is_routed_again,
        )
        .setup(|| super::udp_queued_at(Hook::Output)),
        Case::must(
            "verdicts/stopped-output-keeps-its-route",
            "A packet that is changed at OUTPUT by STOP goes where it would have gone",
            &["VER-10"],
            stopped_output_keeps_its_route,
        )
        .setup(|| super::udp_queued_at(Hook::Output)),
        Case::must(
            "verdicts/changed-output-without-a-route-is-dropped",
            "A packet that is changed at OUTPUT to where no route leads is dropped",
            &["VER-10"],
            changed_output_without_a_route_is_dropped,
        )
        .setup(|| super::udp_queued_at(Hook::Output)),
    ]
}

fn value_stolen_is_refused(subject: &Subject) -> CaseResult {
    value_is_refused(subject, 2)
}

fn value_six_is_refused(subject: &Subject) -> CaseResult {
    value_is_refused(subject, 6)
}

fn value_upper_bits_is_refused(subject: &Subject) -> CaseResult {
    value_is_refused(subject, 0x0001_0001)
}

fn value_all_bits_is_refused(subject: &Subject) -> CaseResult {
    value_is_refused(subject, u32::MAX)
}

fn value_is_checked_before_the_id(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let wrong = socket.request(&Request::verdict(PacketId(7), Verdict::Stolen))?;
    socket.expect_error(Errno::EINVAL, &wrong)
}

fn any_order(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let (first, second) = (Packet::udp4().identification(1), Packet::udp4().identification(2));
    subject.inject(&first)?;
    subject.inject(&second)?;
    let (one, two) = (socket.expect_packet()?, socket.expect_packet()?);
    socket.verdict(two.id(), Verdict::Accept)?;
    subject.expect_forwarded(&second)?;
    socket.verdict(one.id(), Verdict::Accept)?;
    subject.expect_forwarded(&first)?;
    socket.expect_nothing()
}

fn stop_skips_the_rest_of_the_hook(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    socket.verdict(packet.id(), Verdict::Stop)?;
    socket.expect_nothing()?;
    subject.expect_forwarded(&sent)
}

fn accept_goes_on_with_the_hook(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    for _ in 0..2 {
        let packet = socket.expect_packet()?;
        subject.equal("hook", &Hook::Forward, &packet.metadata.hook)?;
        socket.verdict(packet.id(), Verdict::Accept)?;
    }
    socket.expect_nothing()?;
    subject.expect_forwarded(&sent)
}

fn repeat_queues_again(subject: &Subject) -> CaseResult {
    queues_again(subject, Verdict::Repeat)
}

fn queue_queues_again(subject: &Subject) -> CaseResult {
    queues_again(subject, Verdict::Queue)
}

fn changed_output_is_routed_again(subject: &Subject) -> CaseResult {
    let local = Packet::udp4().source(TAP1.ipv4).destination(Ipv4Addr::LOCALHOST);
    let (socket, packet) = queued_output(subject, LO, &local)?;
    let away = local.destination(TAP1.neighbour_ipv4).ip();
    socket.replace(packet.id(), &away)?;
    subject.expect_sent(&TAP1, &away)
}

fn repeated_output_is_routed_again(subject: &Subject) -> CaseResult {
    let local = Packet::udp4().source(TAP1.ipv4).destination(Ipv4Addr::LOCALHOST);
    let (socket, packet) = queued_output(subject, LO, &local)?;
    let away = local.destination(TAP1.neighbour_ipv4).ip();
    socket.request(&Request::verdict(packet.id(), Verdict::Repeat).replacement(&away))?;
    let again = socket.expect_packet()?;
    socket.verdict(again.id(), Verdict::Accept)?;
    subject.expect_sent(&TAP1, &away)
}

fn stopped_output_keeps_its_route(subject: &Subject) -> CaseResult {
    let local = Packet::udp4().source(TAP0.ipv4).destination(TAP0.neighbour_ipv4);
    let (socket, packet) = queued_output(subject, TAP0.name, &local)?;
    let elsewhere = local.destination(TAP1.neighbour_ipv4).ip();
    socket.request(&Request::verdict(packet.id(), Verdict::Stop).replacement(&elsewhere))?;
    subject.equal("what left by tap1", &None, &subject.sniff(&TAP1)?)?;
    subject.expect_sent(&TAP0, &elsewhere)
}

fn changed_output_without_a_route_is_dropped(subject: &Subject) -> CaseResult {
    let local = Packet::udp4().source(TAP0.ipv4).destination(TAP0.neighbour_ipv4);
    let (socket, packet) = queued_output(subject, TAP0.name, &local)?;
    let nowhere = local.destination(Ipv4Addr::new(198, 51, 100, 1)).ip();
    socket.replace(packet.id(), &nowhere)?;
    subject.equal("what left by tap0", &None, &subject.sniff(&TAP0)?)
}

/// Attaches to the IPv4 queue, and makes this host send the packet `local`, which is routed to
/// `device`. Returns the socket and the packet as the queue handed it over.
fn queued_output<'s>(
    subject: &'s Subject,
    device: &str,
    local: &Packet,
) -> Result<(Socket<'s>, ReceivedPacket), Stopped> {
    let socket = subject.attach(Family::Ipv4)?;
    subject.output_by(device, &local.ip())?;
    let packet = socket.expect_packet()?;
    Ok((socket, packet))
}

fn accept(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    subject.expect_not_forwarded()?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    subject.expect_not_forwarded()?;
    socket.expect_nothing()
}

fn drop_packet(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
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
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    let second = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &second)?;
    subject.expect_not_forwarded()
}

/// Returns a setup in which UDP over IPv4 is queued twice at FORWARD: by the table mangle, and then
/// by the table filter.
fn twice_at_forward() -> Setup {
    let tables = [Table::Mangle, Table::Filter];
    Setup::with_rules(tables.map(|table| Rule::queue(Family::Ipv4, table, Hook::Forward, Some(Protocol::UDP))))
}

/// Expects that a verdict with this value is refused with EINVAL, and that the packet stays queued.
fn value_is_refused(subject: &Subject, value: u32) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    let wrong = socket.request(&Request::verdict(packet.id(), Verdict::from_wire(value)))?;
    socket.expect_error(Errno::EINVAL, &wrong)?;
    subject.expect_not_forwarded()?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)
}

/// Expects that `verdict` queues a packet again, with the same bytes and another packet id. Then
/// accepts the packet, and expects that it is forwarded.
fn queues_again(subject: &Subject, verdict: Verdict) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, first) = subject.queued(&sent)?;
    socket.verdict(first.id(), verdict)?;
    let second = socket.expect_packet()?;
    subject.check("the id is another", first.id() != second.id())?;
    subject.equal_packets("the packet", &first.payload, &second.payload)?;
    socket.verdict(second.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    socket.expect_nothing()
}
