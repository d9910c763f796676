//! The cases of topic `queueing`: which packets are queued, and with which metadata (PKT).

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::topology::TAP0;
use crate::world::{Capability, Rule, Setup, Table};
use ipq_core::wire::{EtherType, HardwareAddress};
use ipq_core::{CopyMode, Family, Hook, PortId, Verdict};
use std::net::Ipv4Addr;

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "queueing/no-peer",
            "Without a peer a packet for the queue is dropped, and no counter moves",
            &["PKT-1"],
            no_peer,
        )
        .needs(&[Capability::ProcText]),
        Case::kernel(
            "queueing/undeliverable-is-counted",
            "A packet whose frame finds no socket is dropped and counted",
            &["PKT-3"],
            undeliverable_is_counted,
        )
        .needs(&[Capability::ProcText, Capability::ForeignPortId]),
        Case::must(
            "queueing/copy-begins-at-the-network-header",
            "The copy of a packet begins at its network header",
            &["PKT-5"],
            copy_begins_at_the_network_header,
        ),
        Case::must(
            "queueing/ipv4-ether-type",
            "A forwarded packet of IPv4 has EtherType 0x0800",
            &["PKT-6"],
            ipv4_ether_type,
        ),
        Case::must(
            "queueing/ipv6-ether-type",
            "A forwarded packet of IPv6 has EtherType 0x86dd",
            &["PKT-6"],
            ipv6_ether_type,
        ),
        Case::must(
            "queueing/forward-names-both-devices",
            "At FORWARD a packet names the device it came by and the one it leaves by",
            &["PKT-6"],
            forward_names_both_devices,
        ),
        Case::must(
            "queueing/prerouting-names",
            "PREROUTING names one device only",
            &["PKT-6"],
            prerouting_names,
        )
        .setup(|| queue_at(Table::Mangle, Hook::Prerouting)),
        Case::must(
            "queueing/postrouting-names",
            "POSTROUTING names one device only",
            &["PKT-6"],
            postrouting_names,
        )
        .setup(|| queue_at(Table::Mangle, Hook::Postrouting)),
        Case::must(
            "queueing/input-names",
            "INPUT names the incoming device only",
            &["PKT-6"],
            input_names,
        )
        .setup(|| queue_at(Table::Filter, Hook::Input)),
        Case::must(
            "queueing/output-names",
            "OUTPUT names the outgoing device, and neither EtherType nor address nor time",
            &["PKT-6", "PKT-8", "ERA-8"],
            output_names,
        )
        .setup(|| queue_at(Table::Filter, Hook::Output)),
        Case::must(
            "queueing/hardware-address-is-the-senders",
            "The hardware address is the sender's, with the device's type",
            &["PKT-7", "ERA-9"],
            hardware_address_is_the_senders,
        ),
        Case::kernel(
            "queueing/postrouting-has-no-hardware-address",
            "At POSTROUTING there is no hardware address and no type",
            &["PKT-7"],
            postrouting_has_no_hardware_address,
        )
        .setup(|| queue_at(Table::Mangle, Hook::Postrouting)),
        Case::kernel(
            "queueing/loopback-hardware",
            "What came in by lo has type 772 and an address of six zeros",
            &["PKT-7", "ERA-9"],
            loopback_hardware,
        )
        .setup(|| queue_at(Table::Filter, Hook::Input)),
        Case::must(
            "queueing/arrival-time",
            "A packet that arrives while a peer is attached has a time stamp",
            &["PKT-8"],
            arrival_time,
        ),
        Case::must(
            "queueing/arrival-time-in-ipv6",
            "A packet that arrives while there is a peer of IPv6 alone has a time stamp",
            &["PKT-8"],
            arrival_time_in_ipv6,
        ),
        Case::must(
            "queueing/ids-differ",
            "Packets that are queued at one time have different ids",
            &["PKT-9"],
            ids_differ,
        ),
        Case::quirk(
            "queueing/last-freed-id-comes-first",
            "The id that was answered last is handed out first",
            &["PKT-9", "ERA-17"],
            last_freed_id_comes_first,
        )
        .needs(&[Capability::IdReuse]),
        Case::kernel(
            "queueing/id-is-reused",
            "Ids are handed out again in the opposite order of their answers",
            &["PKT-9", "ERA-17"],
            id_is_reused,
        )
        .needs(&[Capability::IdReuse]),
        Case::kernel(
            "queueing/a-reset-frees-the-oldest-first",
            "When a queue is reset the id of its youngest packet is handed out first",
            &["PKT-9"],
            a_reset_frees_the_oldest_first,
        )
        .needs(&[Capability::IdReuse]),
        Case::must(
            "queueing/mangle-has-five-chains",
            "Table mangle has a chain at every hook, and what a rule there is for is queued",
            &["ERA-18"],
            mangle_has_five_chains,
        )
        .needs(&[Capability::LaterRules])
        .setup(|| Setup::with_rules([])),
        Case::must(
            "queueing/fragments",
            "Fragments are queued one by one",
            &["PKT-11"],
            fragments,
        ),
        Case::must(
            "queueing/other-protocol-passes",
            "A packet that no rule is for passes by the queue",
            &["PKT-1"],
            other_protocol_passes,
        ),
    ]
}

fn no_peer(subject: &Subject) -> CaseResult {
    subject.inject(&Packet::udp4())?;
    subject.expect_not_forwarded()?;
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("dropped by the queue", &0, &text.queue_dropped)?;
    subject.equal("dropped undelivered", &0, &text.peer_dropped)
}

fn undeliverable_is_counted(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let elsewhere = Request::mode(CopyMode::Meta, 0).port_id(PortId(31_000));
    socket.request(&elsewhere)?;
    subject.inject(&Packet::udp4())?;
    subject.expect_not_forwarded()?;
    let text = subject.proc(Family::Ipv4)?;
    subject.equal("dropped undelivered", &1, &text.peer_dropped)?;
    subject.equal("queue length", &0, &text.queue_length)
}

fn copy_begins_at_the_network_header(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (_, packet) = subject.queued(&sent)?;
    subject.equal_packets("the copy", &sent.forwarded().ip(), &packet.payload)
}

fn ipv4_ether_type(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4())?;
    subject.equal("hw_protocol", &EtherType(0x0800), &packet.metadata.hw_protocol)
}

fn ipv6_ether_type(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp6())?;
    subject.equal("hw_protocol", &EtherType(0x86dd), &packet.metadata.hw_protocol)
}

fn forward_names_both_devices(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4())?;
    subject.equal("hook", &Hook::Forward, &packet.metadata.hook)?;
    subject.check("indev is tap0", packet.metadata.indev_name == "tap0")?;
    subject.check("outdev is tap1", packet.metadata.outdev_name == "tap1")
}

fn prerouting_names(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4())?;
    subject.equal("hook", &Hook::Prerouting, &packet.metadata.hook)?;
    subject.check("indev", packet.metadata.indev_name == "tap0")?;
    subject.check("outdev", packet.metadata.outdev_name.is_empty())
}

fn postrouting_names(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4())?;
    subject.equal("hook", &Hook::Postrouting, &packet.metadata.hook)?;
    subject.check("indev", packet.metadata.indev_name.is_empty())?;
    subject.check("outdev", packet.metadata.outdev_name == "tap1")
}

fn input_names(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4().to_host())?;
    subject.equal("hook", &Hook::Input, &packet.metadata.hook)?;
    subject.check("indev", packet.metadata.indev_name == "tap0")?;
    subject.check("outdev is empty", packet.metadata.outdev_name.is_empty())
}

fn output_names(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.output(&to_itself())?;
    let packet = socket.expect_packet()?;
    subject.equal("hook", &Hook::Output, &packet.metadata.hook)?;
    subject.check("indev is empty", packet.metadata.indev_name.is_empty())?;
    subject.check("outdev", packet.metadata.outdev_name == "lo")?;
    subject.equal("hw_protocol", &EtherType::NONE, &packet.metadata.hw_protocol)?;
    subject.check("no time stamp", packet.metadata.timestamp.is_unset())
}

fn hardware_address_is_the_senders(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4())?;
    let expected = HardwareAddress::from(TAP0.neighbour_mac);
    subject.equal("hw_addr", &expected, &packet.metadata.hw_address)?;
    subject.equal("hw_type", &1, &packet.metadata.hw_type)
}

fn postrouting_has_no_hardware_address(subject: &Subject) -> CaseResult {
    let (_, packet) = subject.queued(&Packet::udp4())?;
    subject.equal("hw_addr", &HardwareAddress::NONE, &packet.metadata.hw_address)?;
    subject.equal("hw_type", &0, &packet.metadata.hw_type)
}

fn loopback_hardware(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.output(&to_itself())?;
    let packet = socket.expect_packet()?;
    subject.equal("hook", &Hook::Input, &packet.metadata.hook)?;
    subject.equal("hw_type", &772, &packet.metadata.hw_type)?;
    subject.equal("hw_addr", &HardwareAddress::from([0; 6]), &packet.metadata.hw_address)
}

fn arrival_time(subject: &Subject) -> CaseResult {
    has_time_stamp(subject, &Packet::udp4())
}

fn arrival_time_in_ipv6(subject: &Subject) -> CaseResult {
    has_time_stamp(subject, &Packet::udp6())
}

fn ids_differ(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 3)?;
    let ids = [
        socket.expect_packet()?.id(),
        socket.expect_packet()?.id(),
        socket.expect_packet()?.id(),
    ];
    subject.check(
        "the ids differ",
        ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
    )
}

fn last_freed_id_comes_first(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 2)?;
    let (first, second) = (socket.expect_packet()?, socket.expect_packet()?);
    socket.verdict(first.id(), Verdict::Drop)?;
    socket.verdict(second.id(), Verdict::Drop)?;
    subject.inject(&Packet::udp4())?;
    subject.equal("the id", &second.id(), &socket.expect_packet()?.id())
}

fn id_is_reused(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 2)?;
    let (first, second) = (socket.expect_packet()?, socket.expect_packet()?);
    socket.verdict(second.id(), Verdict::Drop)?;
    socket.verdict(first.id(), Verdict::Drop)?;
    subject.inject_many(&Packet::udp4(), 2)?;
    subject.equal("the first id", &first.id(), &socket.expect_packet()?.id())?;
    subject.equal("the second id", &second.id(), &socket.expect_packet()?.id())
}

fn a_reset_frees_the_oldest_first(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 2)?;
    let (first, second) = (socket.expect_packet()?, socket.expect_packet()?);
    socket.close()?;
    let socket = subject.attach(Family::Ipv4)?;
    subject.inject_many(&Packet::udp4(), 2)?;
    subject.equal("the first id", &second.id(), &socket.expect_packet()?.id())?;
    subject.equal("the second id", &first.id(), &socket.expect_packet()?.id())
}

fn mangle_has_five_chains(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    for hook in [Hook::Prerouting, Hook::Forward, Hook::Postrouting] {
        let added = subject.add_rule(Rule::queue(Family::Ipv4, Table::Mangle, hook, None))?;
        subject.check("the chain is there", added)?;
    }
    subject.inject(&Packet::udp4())?;
    for hook in [Hook::Prerouting, Hook::Forward, Hook::Postrouting] {
        let packet = socket.expect_packet()?;
        subject.equal("hook", &hook, &packet.metadata.hook)?;
        socket.verdict(packet.id(), Verdict::Accept)?;
    }
    for hook in [Hook::Input, Hook::Output] {
        let added = subject.add_rule(Rule::queue(Family::Ipv4, Table::Mangle, hook, None))?;
        subject.check("the chain is there", added)?;
    }
    subject.expect_forwarded(&Packet::udp4())
}

fn fragments(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let first = Packet::udp4().length(60).fragment(0, true);
    let second = Packet::udp4().length(44).fragment(40, false);
    subject.inject(&first)?;
    subject.inject(&second)?;
    for fragment in [&first, &second] {
        let packet = socket.expect_packet()?;
        subject.equal_packets("the fragment", &fragment.forwarded().ip(), &packet.payload)?;
        socket.verdict(packet.id(), Verdict::Accept)?;
        subject.expect_forwarded(fragment)?;
    }
    socket.expect_nothing()
}

fn other_protocol_passes(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let sent = Packet::udp4().protocol(50);
    subject.inject(&sent)?;
    socket.expect_nothing()?;
    subject.expect_forwarded(&sent)
}

fn has_time_stamp(subject: &Subject, packet: &Packet) -> CaseResult {
    let (_, packet) = subject.queued(packet)?;
    subject.check("there is a time stamp", !packet.metadata.timestamp.is_unset())
}

/// Returns a UDP packet over IPv4 from 127.0.0.1 to 127.0.0.1, from its network header on.
fn to_itself() -> Vec<u8> {
    Packet::udp4()
        .source(Ipv4Addr::LOCALHOST)
        .destination(Ipv4Addr::LOCALHOST)
        .ip()
        .to_vec()
}

fn queue_at(table: Table, chain: Hook) -> Setup {
    Setup::with_rules([Rule::queue(Family::Ipv4, table, chain, None)])
}
