//! The cases of topic `older`: rules that hold only for kernels before Linux 3.1.
//!
//! `data/kernels.json` states the kernels that each of these cases is for. It also lists the cases
//! of other topics that do not hold for all kernels.

mod figures;
mod ids;
mod peers;

use crate::suite::{Case, CaseResult, Packet, Request, Stopped, Subject};
use crate::world::topology::{TAP0, TAP1};
use crate::world::{Capability, Observation, Protocol, Rule, Step, Table};
use bytes::Bytes;
use ipq_core::wire::{EtherType, HardwareAddress, Timestamp};
use ipq_core::{CopyMode, Errno, Family, Hook, PacketId, Verdict};

pub(super) fn cases() -> Vec<Case> {
    [rules(), peers::cases(), figures::cases(), ids::cases()].concat()
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn rules() -> Vec<Case> {
    vec![
        Case::kernel(
            "older/error-quotes-the-header",
            "An error quotes the header alone of the message that it answers",
            &["WIRE-6", "ERA-1"],
            error_quotes_the_header,
        ),
        Case::kernel(
            "older/full-queue-shows-the-packet",
            "A packet that finds the queue full is handed over and dropped then: its verdict is answered with ENOENT",
            &["PKT-2", "ERA-5"],
            full_queue_shows_the_packet,
        )
        .needs(&[Capability::Sysctl]),
        Case::kernel(
            "older/full-queue-hides-the-packet",
            "A packet that finds the queue full is dropped, and nothing tells it",
            &["PKT-2", "ERA-5"],
            full_queue_hides_the_packet,
        )
        .needs(&[Capability::Sysctl, Capability::ProcText]),
        Case::kernel(
            "older/maximum-has-a-sign",
            "A maximum length of -1 lets no packet in, and /proc shows it with its sign",
            &["PKT-2", "ERA-6"],
            maximum_has_a_sign,
        )
        .needs(&[Capability::Sysctl, Capability::ProcText]),
        Case::kernel(
            "older/stolen-is-accepted",
            "STOLEN is accepted, and the packet is lost",
            &["VER-1", "ERA-7"],
            stolen_is_accepted,
        ),
        Case::kernel(
            "older/stop-is-refused",
            "STOP is refused with EINVAL, and the packet stays queued",
            &["VER-1", "ERA-7"],
            stop_is_refused,
        ),
        Case::kernel(
            "older/own-packets-have-their-type-and-microseconds",
            "A packet of this host's own has type 0x0800 at OUTPUT, no seconds, and some microseconds",
            &["PKT-6", "PKT-8", "ERA-8"],
            own_packets,
        )
        .setup(|| super::udp_queued_at(Hook::Output)),
        Case::kernel(
            "older/no-hardware-address",
            "No packet has a hardware type or address",
            &["PKT-7", "ERA-9"],
            no_hardware_address,
        ),
        Case::kernel(
            "older/loopback-has-no-address",
            "What came in by lo has type 772 and an address of length 0",
            &["PKT-7", "ERA-9"],
            loopback_has_no_address,
        )
        .setup(|| super::udp_queued_at(Hook::Input)),
        Case::kernel(
            "older/dont-fragment-is-lost",
            "A packet with DF that a verdict has grown beyond the MTU is fragmented, without DF",
            &["FWD-4", "ERA-10"],
            dont_fragment_is_lost,
        ),
        Case::kernel(
            "older/ipv6-over-the-mtu-leaves-whole",
            "An IPv6 packet that a verdict has grown beyond the MTU leaves in one piece",
            &["FWD-4", "ERA-10"],
            ipv6_over_the_mtu_leaves_whole,
        ),
        Case::kernel(
            "older/ipv6-over-the-mtu-is-fragmented",
            "An IPv6 packet that a verdict has grown beyond the MTU leaves in fragments",
            &["FWD-4", "ERA-10"],
            ipv6_over_the_mtu_is_fragmented,
        ),
        Case::kernel(
            "older/none-is-no-mode",
            "Mode NONE is refused with EINVAL, and the old mode stays",
            &["MSG-8", "ERA-11"],
            none_is_no_mode,
        ),
        Case::kernel(
            "older/datagram-length-counts",
            "A mode message is whole if its datagram is, whatever its header says",
            &["MSG-7", "ERA-12"],
            datagram_length_counts,
        ),
        Case::kernel(
            "older/datagram-length-counts-for-a-payload",
            "A replacement ends where the datagram ends, whatever the verdict's header says",
            &["VER-5", "ERA-12"],
            datagram_length_counts_for_a_payload,
        ),
        Case::kernel(
            "older/no-enobufs-changes-nothing",
            "With NETLINK_NO_ENOBUFS an overrun is told all the same",
            &["SOCK-4", "ERA-13"],
            no_enobufs_changes_nothing,
        ),
        Case::kernel(
            "older/any-protocol-opens",
            "A socket opens for a protocol that nobody serves, and a send is refused with ECONNREFUSED",
            &["SOCK-1", "ERA-16"],
            any_protocol_opens,
        ),
        Case::kernel(
            "older/no-queue-for-ipv6",
            "There is no queue for IPv6: the socket opens, and a send is refused with ECONNREFUSED",
            &["SOCK-1", "ERA-16"],
            no_queue_for_ipv6,
        ),
        Case::kernel(
            "older/eight-lines",
            "The text has eight lines, and says whether the last peer died",
            &["PROC-1", "ERA-15"],
            eight_lines,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/five-lines",
            "The text has five lines, without counters",
            &["PROC-1", "ERA-15"],
            five_lines,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/mangle-has-two-chains",
            "Table mangle has chains at PREROUTING and OUTPUT, and at no other hook",
            &["ERA-18"],
            mangle_has_two_chains,
        )
        .needs(&[Capability::LaterRules]),
        Case::kernel(
            "older/malformed-header-is-answered",
            "A message with a wrong header length is answered with EINVAL",
            &["MSG-1", "ERA-19"],
            malformed_header_is_answered,
        ),
        Case::kernel(
            "older/changed-output-keeps-its-route",
            "A packet whose destination is changed at OUTPUT leaves where it would have left",
            &["VER-10", "ERA-20"],
            changed_output_keeps_its_route,
        )
        .setup(|| super::udp_queued_at(Hook::Output)),
    ]
}

fn to_this_host() -> Packet {
    Packet::udp4().source([10, 1, 0, 1]).destination([10, 2, 0, 1])
}

fn error_quotes_the_header(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    socket.request(&Request::verdict(PacketId(7), Verdict::Accept))?;
    let reply = socket.expect_frame()?;
    subject.equal("the reply's length", &36, &reply.len())
}

fn full_queue_shows_the_packet(subject: &Subject) -> CaseResult {
    subject.set_maximum_length(Family::Ipv4, "0")?;
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let verdict = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &verdict)?;
    subject.expect_not_forwarded()
}

fn full_queue_hides_the_packet(subject: &Subject) -> CaseResult {
    subject.set_maximum_length(Family::Ipv4, "1")?;
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    subject.inject(&Packet::udp4().identification(9))?;
    socket.expect_nothing()?;
    subject.expect_queue_length(Family::Ipv4, 1)?;
    let counts = subject.proc_text(Family::Ipv4)?.contains("dropped");
    subject.check("the text counts nothing", !counts)?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)
}

fn maximum_has_a_sign(subject: &Subject) -> CaseResult {
    subject.set_maximum_length(Family::Ipv4, "-1")?;
    let shown = subject.proc_text(Family::Ipv4)?.contains("Queue max. length   : -1\n");
    subject.check("the text shows -1", shown)?;
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject(&Packet::udp4())?;
    socket.expect_nothing()?;
    subject.expect_not_forwarded()
}

fn stolen_is_accepted(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let request = socket.request(&Request::verdict(packet.id(), Verdict::Stolen).ack())?;
    socket.expect_ack(&request)?;
    let again = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &again)?;
    subject.expect_not_forwarded()
}

fn stop_is_refused(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    let request = socket.request(&Request::verdict(packet.id(), Verdict::Stop))?;
    socket.expect_error(Errno::EINVAL, &request)?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)
}

fn own_packets(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.output(&to_this_host().ip())?;
    let packet = socket.expect_packet()?;
    subject.equal("hw_protocol", &EtherType::IPV4, &packet.metadata.hw_protocol)?;
    let Timestamp { seconds, microseconds } = packet.metadata.timestamp;
    subject.equal("the seconds", &0, &seconds)?;
    subject.check("there are microseconds", microseconds != 0)
}

fn no_hardware_address(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4())?;
    subject.equal("hw_type", &0, &packet.metadata.hw_type)?;
    subject.equal("hw_addr", &HardwareAddress::NONE, &packet.metadata.hw_address)
}

fn loopback_has_no_address(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.output(&to_this_host().ip())?;
    let packet = socket.expect_packet()?;
    subject.equal("hw_type", &772, &packet.metadata.hw_type)?;
    subject.equal("hw_addr", &HardwareAddress::NONE, &packet.metadata.hw_address)
}

fn dont_fragment_is_lost(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let grown = Packet::udp4().dont_fragment().length(1600).ip();
    socket.replace(packet.id(), &grown)?;
    let first = subject.sniff(&TAP1)?;
    let flags = first.as_deref().and_then(|frame| frame.get(20)).copied();
    subject.equal("more fragments, and no DF", &Some(0x20), &flags)?;
    let second = subject.sniff(&TAP1)?;
    subject.check("there is a second fragment", second.is_some())?;
    subject.equal("what left where it came from", &None, &subject.sniff(&TAP0)?)
}

/// Queues an IPv6 packet at FORWARD, and accepts it with a replacement of 1600 bytes, more than the
/// MTU. Returns the next two frames that leave by tap1; `None` in place of a missing one.
fn grown_ipv6(subject: &Subject) -> Result<[Option<Bytes>; 2], Stopped> {
    let (socket, packet) = subject.queued(&Packet::udp6())?;
    socket.replace(packet.id(), &Packet::udp6().length(1600).ip())?;
    Ok([subject.sniff(&TAP1)?, subject.sniff(&TAP1)?])
}

fn ipv6_over_the_mtu_leaves_whole(subject: &Subject) -> CaseResult {
    let [first, second] = grown_ipv6(subject)?;
    subject.equal("the frame's length", &Some(14 + 1600), &first.map(|frame| frame.len()))?;
    subject.equal("what left after it", &None, &second)
}

fn ipv6_over_the_mtu_is_fragmented(subject: &Subject) -> CaseResult {
    const FRAGMENT: u8 = 44;
    for fragment in grown_ipv6(subject)? {
        let next_header = fragment.as_deref().and_then(|frame| frame.get(14 + 6)).copied();
        subject.equal("the next header", &Some(FRAGMENT), &next_header)?;
    }
    Ok(())
}

fn none_is_no_mode(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let request = socket.request(&Request::mode(CopyMode::None, 0))?;
    socket.expect_error(Errno::EINVAL, &request)?;
    subject.inject(&Packet::udp4())?;
    socket.expect_packet().map(|_| ())
}

fn datagram_length_counts(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    socket.request(&Request::mode(CopyMode::Meta, 0).stated_length(20))?;
    socket.expect_nothing()?;
    subject.inject(&Packet::udp4())?;
    socket.expect_packet().map(|_| ())
}

fn datagram_length_counts_for_a_payload(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let other = Packet::udp4().ttl(9).payload(*b"another");
    let verdict = Request::verdict(packet.id(), Verdict::Accept).replacement(&other.ip());
    socket.request(&verdict.stated_length(28))?;
    subject.expect_sent(&TAP1, &other.ip())?;
    socket.expect_nothing()
}

fn no_enobufs_changes_nothing(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    socket.set_no_enobufs()?;
    socket.set_receive_buffer(2048)?;
    subject.inject_many(&Packet::udp4(), 60)?;
    socket.expect_overrun()
}

fn any_protocol_opens(subject: &Subject) -> CaseResult {
    let opened = subject.open_or_refused(7, None)?;
    let socket = opened.map_err(|refused| subject.fail(&format!("the socket did not open: {refused:?}")))?;
    subject.equal("the send", &Err(Errno::ECONNREFUSED), &socket.try_send(None, &[0; 40])?)
}

fn no_queue_for_ipv6(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv6)?;
    let request = Request::mode(CopyMode::Packet, 0).bytes(subject.abi(), socket.port_id());
    subject.equal("the send", &Err(Errno::ECONNREFUSED), &socket.try_send(None, &request)?)?;
    let family = Family::Ipv6;
    let seen = subject.step(&Step::Proc { family })?;
    subject.check("there is no /proc/net/ip6_queue", seen == Observation::Absent)
}

fn eight_lines(subject: &Subject) -> CaseResult {
    let expected = "Peer pid            : 0\nPeer died           : 0\nPeer copy mode      : 0\nPeer copy range     : 0\n\
                    Queue length        : 0\nQueue max. length   : 1024\nQueue flushing      : 0\nQueue terminate     : 0\n";
    subject.equal("the text", &expected.to_owned(), &subject.proc_text(Family::Ipv4)?)
}

fn five_lines(subject: &Subject) -> CaseResult {
    let expected = "Peer PID          : 0\nCopy mode         : 0\nCopy range        : 0\nQueue length      : 0\n\
                    Queue max. length : 1024\n";
    subject.equal("the text", &expected.to_owned(), &subject.proc_text(Family::Ipv4)?)?;
    subject.equal(
        "the text of IPv6",
        &expected.to_owned(),
        &subject.proc_text(Family::Ipv6)?,
    )
}

fn mangle_has_two_chains(subject: &Subject) -> CaseResult {
    let chains = chains_of_mangle(subject)?;
    subject.equal("the chains", &vec![Hook::Prerouting, Hook::Output], &chains)
}

/// Adds an IPv4 rule to the table mangle at each of the five hooks in turn. Returns the hooks at
/// which the rule was added, since mangle has a chain there.
fn chains_of_mangle(subject: &Subject) -> Result<Vec<Hook>, Stopped> {
    let mut chains = Vec::new();
    for hook in [
        Hook::Prerouting,
        Hook::Input,
        Hook::Forward,
        Hook::Output,
        Hook::Postrouting,
    ] {
        if subject.add_rule(Rule::queue(Family::Ipv4, Table::Mangle, hook, Some(Protocol::TCP)))? {
            chains.push(hook);
        }
    }
    Ok(chains)
}

fn malformed_header_is_answered(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    for length in [15, 400] {
        let request = socket.request(&Request::mode(CopyMode::Meta, 0).stated_length(length))?;
        socket.expect_error(Errno::EINVAL, &request)?;
    }
    subject.inject(&Packet::udp4())?;
    socket.expect_nothing()
}

fn changed_output_keeps_its_route(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let local = Packet::udp4().source(TAP0.ipv4).destination(TAP0.neighbour_ipv4);
    subject.output_by(TAP0.name, &local.ip())?;
    let packet = socket.expect_packet()?;
    let elsewhere = local.destination(TAP1.neighbour_ipv4).ip();
    socket.replace(packet.id(), &elsewhere)?;
    subject.equal("what left by tap1", &None, &subject.sniff(&TAP1)?)?;
    subject.expect_sent(&TAP0, &elsewhere)
}
