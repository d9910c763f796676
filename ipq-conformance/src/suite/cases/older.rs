//! The rules of kernels before Linux 3.1 that differ from later ones. `data/kernels.json` says for
//! which of them each case is, and which case holds for the others.

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::topology::{TAP0, TAP1};
use crate::world::{Capability, Observation, Protocol, Rule, Setup, Step, Table};
use ipq_core::wire::{EtherType, HardwareAddress, Timestamp};
use ipq_core::{CopyMode, Errno, Family, Hook, PacketId, PortId, Verdict};

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::kernel(
            "older/error-quotes-the-header",
            "An error quotes the header alone of the message that it answers",
            &["WIRE-6"],
            error_quotes_the_header,
        ),
        Case::kernel(
            "older/second-peer-takes-over",
            "A message with another port id makes that the peer: mode and range stay, and what is queued is dropped",
            &["ATT-3"],
            second_peer_takes_over,
        ),
        Case::kernel(
            "older/verdict-takes-over",
            "A verdict of another program takes the queue over, and is itself answered with ENOENT",
            &["ATT-3"],
            verdict_takes_over,
        ),
        Case::kernel(
            "older/lost-peer-is-noticed-at-the-next-packet",
            "A closed socket stays the peer until a packet can't be delivered, which is dropped with all that is queued",
            &["ATT-4"],
            lost_peer_is_noticed_at_the_next_packet,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/same-port-id-inherits-the-queue",
            "A new socket on the lost peer's port id has its mode, its range and its packets",
            &["ATT-4"],
            same_port_id_inherits_the_queue,
        ),
        Case::kernel(
            "older/negative-port-id-attaches",
            "A negative port id attaches, and /proc shows it with its sign",
            &["MSG-2"],
            negative_port_id_attaches,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/full-queue-shows-the-packet",
            "A packet that finds the queue full is handed over and dropped then: its verdict is answered with ENOENT",
            &["PKT-2"],
            full_queue_shows_the_packet,
        )
        .needs(&[Capability::Sysctl]),
        Case::kernel(
            "older/maximum-has-a-sign",
            "A maximum length of -1 lets no packet in",
            &["PKT-2"],
            maximum_has_a_sign,
        )
        .needs(&[Capability::Sysctl]),
        Case::kernel(
            "older/stolen-is-accepted",
            "STOLEN is accepted, and the packet is lost",
            &["VER-1"],
            stolen_is_accepted,
        ),
        Case::kernel(
            "older/stop-is-refused",
            "STOP is refused with EINVAL, and the packet stays queued",
            &["VER-1"],
            stop_is_refused,
        ),
        Case::kernel(
            "older/own-packets-have-their-type-and-microseconds",
            "A packet of this host's own has type 0x0800 at OUTPUT, no seconds, and some microseconds",
            &["PKT-6", "PKT-8"],
            own_packets,
        )
        .setup(output_setup),
        Case::kernel(
            "older/no-hardware-address",
            "No packet has a hardware type or address",
            &["PKT-7"],
            no_hardware_address,
        ),
        Case::kernel(
            "older/loopback-has-no-address",
            "What came in by lo has type 772 and an address of length 0",
            &["PKT-7"],
            loopback_has_no_address,
        )
        .setup(input_setup),
        Case::kernel(
            "older/dont-fragment-is-lost",
            "A packet with DF that a verdict has grown beyond the MTU is fragmented, without DF",
            &["FWD-4"],
            dont_fragment_is_lost,
        ),
        Case::kernel(
            "older/none-is-no-mode",
            "Mode NONE is refused with EINVAL, and the old mode stays",
            &["MSG-8"],
            none_is_no_mode,
        ),
        Case::kernel(
            "older/datagram-length-counts",
            "A mode message is whole if its datagram is, whatever its header says",
            &["MSG-7"],
            datagram_length_counts,
        ),
        Case::kernel(
            "older/no-enobufs-changes-nothing",
            "With NETLINK_NO_ENOBUFS an overrun is told all the same",
            &["SOCK-4"],
            no_enobufs_changes_nothing,
        ),
        Case::kernel(
            "older/any-protocol-opens",
            "A socket opens for a protocol that nobody serves, and a send is refused with ECONNREFUSED",
            &["SOCK-1"],
            any_protocol_opens,
        ),
        Case::kernel(
            "older/no-queue-for-ipv6",
            "There is no queue for IPv6: the socket opens, and a send is refused with ECONNREFUSED",
            &["SOCK-1"],
            no_queue_for_ipv6,
        ),
        Case::kernel(
            "older/eight-lines",
            "The text has eight lines, and says whether the last peer died",
            &["PROC-1"],
            eight_lines,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/five-lines",
            "The text has five lines, without counters",
            &["PROC-1"],
            five_lines,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "older/families-share-their-ids",
            "The id of an IPv4 packet that was answered is the next IPv6 packet's",
            &["PKT-9"],
            families_share_their_ids,
        )
        .needs(&[Capability::IdReuse]),
    ]
}

fn output_setup() -> Setup {
    Setup::with_rules([Rule::queue(
        Family::Ipv4,
        Table::Filter,
        Hook::Output,
        Some(Protocol::UDP),
    )])
}

fn input_setup() -> Setup {
    Setup::with_rules([Rule::queue(
        Family::Ipv4,
        Table::Filter,
        Hook::Input,
        Some(Protocol::UDP),
    )])
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

fn lost_peer_is_noticed_at_the_next_packet(subject: &Subject) -> CaseResult {
    let (socket, _) = subject.queued(&Packet::udp4())?;
    let peer = u64::from(socket.port_id().0);
    socket.close()?;
    subject.equal("the peer", &peer, &subject.proc(Family::Ipv4)?.peer)?;
    subject.expect_queue_length(Family::Ipv4, 1)?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the peer", &0, &subject.proc(Family::Ipv4)?.peer)?;
    subject.expect_queue_length(Family::Ipv4, 0)?;
    let died = subject.proc_text(Family::Ipv4)?.contains("Peer died           : 1");
    subject.check("the text says that the peer died", died)
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

fn full_queue_shows_the_packet(subject: &Subject) -> CaseResult {
    subject.set_maximum_length(Family::Ipv4, "0")?;
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let verdict = socket.request(&Request::verdict(packet.id(), Verdict::Accept))?;
    socket.expect_error(Errno::ENOENT, &verdict)?;
    subject.expect_not_forwarded()
}

fn maximum_has_a_sign(subject: &Subject) -> CaseResult {
    subject.set_maximum_length(Family::Ipv4, "-1")?;
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

fn families_share_their_ids(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let six = subject.attach(Family::Ipv6)?;
    socket.verdict(packet.id(), Verdict::Drop)?;
    subject.inject(&Packet::udp6())?;
    subject.equal("the id", &packet.id(), &six.expect_packet()?.id())
}
