//! The cases of topic `nfq-packets`: the header and the attributes of a packet message, and how
//! many bytes of the packet are copied.

use super::{QUEUE, QUEUE6, kernel, must, queued, udp_at, udp_to, value};
use crate::suite::subject::QueuedMessage;
use crate::suite::{Case, CaseResult, Packet, QueueRequest, Subject};
use crate::world::topology::{LO, TAP0};
use crate::world::{NumberedQueue, Protocol, Rule, Setup, Table};
use ipq_core::wire::nfnetlink::attribute;
use ipq_core::{Family, Hook};

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn cases() -> Vec<Case> {
    vec![
        must(
            "nfq-packets/header",
            "A packet message has flags 0, sequence 0 and port id 0, and the packet's family",
            &["NFQ-80"],
            header,
        ),
        must(
            "nfq-packets/family-of-ipv6",
            "The family of an IPv6 packet is 10, and its protocol 0x86dd",
            &["NFQ-80", "NFQ-90"],
            family_of_ipv6,
        ),
        kernel(
            "nfq-packets/attributes-in-order",
            "The attributes of a forwarded packet come in the kernel's order",
            &["NFQ-81"],
            attributes_in_order,
        ),
        kernel(
            "nfq-packets/every-attribute-in-order",
            "The attributes of a packet that has a mark and a priority, and is cut, come in the kernel's order",
            &["NFQ-81"],
            every_attribute_in_order,
        )
        .setup(marked),
        kernel(
            "nfq-packets/payload-is-not-padded",
            "The payload is not padded, so that a message can have an odd length",
            &["NFQ-82"],
            payload_is_not_padded,
        ),
        must(
            "nfq-packets/devices-at-forward",
            "At FORWARD both devices are named, and the way back names them the other way round",
            &["NFQ-83"],
            devices_at_forward,
        ),
        must(
            "nfq-packets/devices-at-prerouting",
            "At PREROUTING only the incoming device is named",
            &["NFQ-83"],
            devices_at_prerouting,
        )
        .setup(|| udp_at(Hook::Prerouting)),
        must(
            "nfq-packets/devices-at-input",
            "At INPUT only the incoming device is named",
            &["NFQ-83"],
            devices_at_input,
        )
        .setup(|| udp_at(Hook::Input)),
        must(
            "nfq-packets/devices-at-output",
            "At OUTPUT only the outgoing device is named",
            &["NFQ-83"],
            devices_at_output,
        )
        .setup(|| udp_at(Hook::Output)),
        kernel(
            "nfq-packets/devices-at-postrouting",
            "At POSTROUTING a forwarded packet has both devices, an address, and no time",
            &["NFQ-86", "NFQ-87"],
            devices_at_postrouting,
        )
        .setup(|| udp_at(Hook::Postrouting)),
        must("nfq-packets/mark", "A mark that is not 0 is told", &["NFQ-83"], mark).setup(marked),
        must("nfq-packets/no-mark", "A mark of 0 is not told", &["NFQ-83"], no_mark),
        kernel(
            "nfq-packets/priority-of-forwarded",
            "Forwarding derives the priority of IPv4 from the type of service",
            &["NFQ-83"],
            priority_of_forwarded,
        ),
        kernel(
            "nfq-packets/ipv6-has-no-priority",
            "Forwarding gives IPv6 no priority",
            &["NFQ-83"],
            ipv6_has_no_priority,
        ),
        must(
            "nfq-packets/cut-packet-has-its-length",
            "A packet that is not copied whole has its length",
            &["NFQ-84"],
            cut_packet_has_its_length,
        ),
        must(
            "nfq-packets/whole-packet-has-no-length",
            "A packet that is copied whole has no length beside it",
            &["NFQ-84"],
            whole_packet_has_no_length,
        ),
        kernel(
            "nfq-packets/meta-has-no-length",
            "In mode META there is neither payload nor length",
            &["NFQ-84"],
            meta_has_no_length,
        ),
        must(
            "nfq-packets/range",
            "As many bytes are copied as the range says",
            &["NFQ-84"],
            range,
        ),
        must(
            "nfq-packets/owner-of-a-local-packet",
            "With flag 8 a local sender's user and group are told",
            &["NFQ-85"],
            owner_of_a_local_packet,
        )
        .setup(|| udp_at(Hook::Output)),
        must(
            "nfq-packets/no-owner-without-the-flag",
            "Without flag 8 no user and group are told",
            &["NFQ-85"],
            no_owner_without_the_flag,
        )
        .setup(|| udp_at(Hook::Output)),
        must(
            "nfq-packets/forwarded-packet-has-no-owner",
            "A forwarded packet has no user and group",
            &["NFQ-85"],
            forwarded_packet_has_no_owner,
        ),
        must(
            "nfq-packets/hardware-address",
            "The link layer's source address is told",
            &["NFQ-86"],
            hardware_address,
        ),
        kernel(
            "nfq-packets/no-hardware-address-at-output",
            "A local packet has no link-layer address",
            &["NFQ-86"],
            no_hardware_address_at_output,
        )
        .setup(|| udp_at(Hook::Output)),
        kernel(
            "nfq-packets/hardware-address-by-loopback",
            "What came in by lo has an address of six zeros",
            &["NFQ-86"],
            hardware_address_by_loopback,
        )
        .setup(|| udp_at(Hook::Input)),
        must(
            "nfq-packets/time-of-arrival",
            "The time of arrival is told at PREROUTING",
            &["NFQ-87"],
            time_of_arrival,
        )
        .setup(|| udp_at(Hook::Prerouting)),
        kernel(
            "nfq-packets/no-time-at-output",
            "A local packet has no time",
            &["NFQ-87"],
            no_time_at_output,
        )
        .setup(|| udp_at(Hook::Output)),
        kernel(
            "nfq-packets/unverified-checksum",
            "A packet from outside is marked as not verified",
            &["NFQ-88"],
            unverified_checksum,
        ),
        must(
            "nfq-packets/hooks",
            "The hook is told by its number",
            &["NFQ-81"],
            hooks,
        )
        .setup(at_two_hooks),
        kernel(
            "nfq-packets/protocol-at-output",
            "The protocol of a local packet is told, too",
            &["NFQ-90"],
            protocol_at_output,
        )
        .setup(|| udp_at(Hook::Output)),
    ]
}

/// Returns a setup in which UDP over IPv4 gets the mark 0x12345678 at PREROUTING, and goes to
/// [`QUEUE`] at FORWARD.
fn marked() -> Setup {
    Setup::with_numbered_queues([
        Rule::mark(
            Family::Ipv4,
            Table::Mangle,
            Hook::Prerouting,
            Some(Protocol::UDP),
            0x1234_5678,
        ),
        udp_to(Family::Ipv4, Hook::Forward, NumberedQueue::one(QUEUE)),
    ])
}

fn at_two_hooks() -> Setup {
    Setup::with_numbered_queues(
        [Hook::Prerouting, Hook::Forward, Hook::Postrouting]
            .map(|hook| udp_to(Family::Ipv4, hook, NumberedQueue::one(QUEUE))),
    )
}

/// Returns a UDP packet from the host's address on tap0 to the same address.
fn own() -> Packet {
    Packet::udp4().source(TAP0.ipv4).to_host()
}

/// Listens to [`QUEUE`], makes this host send the packet [`own`], and returns the first message
/// about that packet.
#[track_caller]
fn queued_own(subject: &Subject) -> Result<QueuedMessage, crate::suite::Stopped> {
    let socket = subject.listen(QUEUE)?;
    subject.output_by(LO, &own().ip())?;
    socket.expect_queued(QUEUE)
}

fn header(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    subject.equal("flags, sequence and port id", &[0; 10][..], &message.frame[6..16])?;
    subject.equal("the family", &2, &message.family())?;
    subject.equal("the version", &0, &message.frame[17])?;
    subject.equal("the protocol", &0x0800, &message.hw_protocol())?;
    subject.equal_packets("the packet", &Packet::udp4().forwarded().ip(), &message.payload())
}

fn family_of_ipv6(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp6())?;
    subject.equal("the family", &10, &message.family())?;
    subject.equal("the protocol", &0x86dd, &message.hw_protocol())?;
    subject.equal_packets("the packet", &Packet::udp6().forwarded().ip(), &message.payload())
}

fn attributes_in_order(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    subject.equal("the attributes", &vec![1, 5, 6, 9, 4, 14, 10], &message.kinds())
}

fn every_attribute_in_order(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(2, 20))?;
    subject.inject(&Packet::udp4().tos(0x10))?;
    let message = socket.expect_queued(QUEUE)?;
    subject.equal(
        "the attributes",
        &vec![1, 5, 6, 3, 21, 9, 4, 13, 14, 10],
        &message.kinds(),
    )
}

fn payload_is_not_padded(subject: &Subject) -> CaseResult {
    for length in [61, 62, 63, 64] {
        let sent = Packet::udp4().length(length);
        let (socket, message) = queued(subject, &sent)?;
        subject.equal_packets("the packet", &sent.forwarded().ip(), &message.payload())?;
        subject.equal("the message's length", &(length % 4), &(message.frame.len() % 4))?;
        socket.close()?;
    }
    Ok(())
}

/// Returns the numbers of the incoming and the outgoing device in the message; 0 for a device that
/// the message does not have.
fn devices(message: &QueuedMessage) -> [u32; 2] {
    [attribute::INCOMING_DEVICE, attribute::OUTGOING_DEVICE].map(|kind| message.number(kind).unwrap_or_default())
}

fn devices_at_forward(subject: &Subject) -> CaseResult {
    let (socket, there) = queued(subject, &Packet::udp4())?;
    subject.inject(&Packet::udp4().back())?;
    let back = socket.expect_queued(QUEUE)?;
    let [incoming, outgoing] = devices(&there);
    subject.check(
        "both devices have a number",
        incoming != 0 && outgoing != 0 && incoming != outgoing,
    )?;
    subject.equal("the devices on the way back", &[outgoing, incoming], &devices(&back))
}

fn devices_at_prerouting(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    let [incoming, outgoing] = devices(&message);
    subject.check(
        "there is an incoming device, and no other",
        incoming != 0 && outgoing == 0,
    )?;
    subject.equal("the attribute", &None, &message.attribute(attribute::OUTGOING_DEVICE))
}

fn devices_at_input(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4().to_host())?;
    let [incoming, outgoing] = devices(&message);
    subject.check(
        "there is an incoming device, and no other",
        incoming != 0 && outgoing == 0,
    )
}

fn devices_at_output(subject: &Subject) -> CaseResult {
    let message = queued_own(subject)?;
    let [incoming, outgoing] = devices(&message);
    subject.check(
        "there is an outgoing device, and no other",
        incoming == 0 && outgoing != 0,
    )?;
    subject.equal("the attribute", &None, &message.attribute(attribute::INCOMING_DEVICE))
}

fn devices_at_postrouting(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    let [incoming, outgoing] = devices(&message);
    subject.check(
        "there are two devices",
        incoming != 0 && outgoing != 0 && incoming != outgoing,
    )?;
    subject.equal("the attributes", &vec![1, 5, 6, 9, 14, 10], &message.kinds())
}

fn mark(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    subject.equal("the mark", &Some(0x1234_5678), &message.number(attribute::MARK))
}

fn no_mark(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    subject.equal("the mark", &None, &message.attribute(attribute::MARK))
}

fn priority_of_forwarded(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for (tos, priority) in [(0, None), (0x08, Some(2)), (0x10, Some(6)), (0x18, Some(4))] {
        subject.inject(&Packet::udp4().tos(tos))?;
        let message = socket.expect_queued(QUEUE)?;
        subject.equal("the priority", &priority, &message.number(attribute::PRIORITY))?;
    }
    Ok(())
}

fn ipv6_has_no_priority(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp6().tos(0x10))?;
    subject.equal("the priority", &None, &message.attribute(attribute::PRIORITY))
}

fn cut_packet_has_its_length(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for range in [1, 35] {
        socket.done(&QueueRequest::config(QUEUE).mode(2, range))?;
        subject.inject(&Packet::udp4())?;
        let message = socket.expect_queued(QUEUE)?;
        subject.equal("the length", &Some(36), &message.number(attribute::FULL_LENGTH))?;
        let expected = Packet::udp4().forwarded().ip();
        subject.equal_packets("what was copied", &expected[..range as usize], &message.payload())?;
    }
    Ok(())
}

fn whole_packet_has_no_length(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    for range in [36, 37, 0] {
        socket.done(&QueueRequest::config(QUEUE).mode(2, range))?;
        subject.inject(&Packet::udp4())?;
        let message = socket.expect_queued(QUEUE)?;
        subject.equal("the length", &None, &message.attribute(attribute::FULL_LENGTH))?;
        subject.equal_packets("the packet", &Packet::udp4().forwarded().ip(), &message.payload())?;
    }
    Ok(())
}

fn meta_has_no_length(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).mode(1, 20))?;
    subject.inject(&Packet::udp4())?;
    let message = socket.expect_queued(QUEUE)?;
    subject.equal("the attributes", &vec![1, 5, 6, 9, 4, 14], &message.kinds())
}

fn range(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE6)?;
    for range in [1, 39, 40, 41, 55] {
        socket.done(&QueueRequest::config(QUEUE6).mode(2, range))?;
        subject.inject(&Packet::udp6())?;
        let message = socket.expect_queued(QUEUE6)?;
        let expected = Packet::udp6().forwarded().ip();
        subject.equal_packets("what was copied", &expected[..range as usize], &message.payload())?;
        subject.equal("the length", &Some(56), &message.number(attribute::FULL_LENGTH))?;
    }
    Ok(())
}

fn owner_of_a_local_packet(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).queue_flags(8, 8))?;
    subject.output_by(LO, &own().ip())?;
    let message = socket.expect_queued(QUEUE)?;
    let owner = [attribute::USER_ID, attribute::GROUP_ID].map(|kind| message.number(kind).is_some());
    subject.equal("user and group are there", &[true; 2], &owner)
}

fn no_owner_without_the_flag(subject: &Subject) -> CaseResult {
    let message = queued_own(subject)?;
    subject.equal("the user", &None, &message.attribute(attribute::USER_ID))?;
    subject.equal("the group", &None, &message.attribute(attribute::GROUP_ID))
}

fn forwarded_packet_has_no_owner(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    socket.done(&QueueRequest::config(QUEUE).queue_flags(8, 8))?;
    subject.inject(&Packet::udp4())?;
    let message = socket.expect_queued(QUEUE)?;
    subject.equal("the attributes", &vec![1, 5, 6, 9, 4, 14, 10], &message.kinds())
}

fn hardware_address(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    let expected = [&[0, 6, 0, 0][..], &TAP0.neighbour_mac, &[0, 0]].concat();
    let address = message
        .attribute(attribute::HARDWARE_ADDRESS)
        .map(|bytes| bytes.to_vec());
    subject.equal("the address", &Some(expected), &address)
}

fn no_hardware_address_at_output(subject: &Subject) -> CaseResult {
    let message = queued_own(subject)?;
    subject.equal("the address", &None, &message.attribute(attribute::HARDWARE_ADDRESS))
}

fn hardware_address_by_loopback(subject: &Subject) -> CaseResult {
    let message = queued_own(subject)?;
    let expected = [&[0, 6][..], &[0; 10]].concat();
    let address = message
        .attribute(attribute::HARDWARE_ADDRESS)
        .map(|bytes| bytes.to_vec());
    subject.equal("the address", &Some(expected), &address)
}

fn time_of_arrival(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    let time = message.attribute(attribute::TIMESTAMP);
    let time = time.ok_or_else(|| subject.fail("there is no time"))?;
    subject.equal("its length", &16, &time.len())?;
    let microseconds = time[8..].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    subject.check("there are less than a million microseconds", microseconds < 1_000_000)?;
    subject.check("the seconds are not 0", time[..8] != [0; 8])
}

fn no_time_at_output(subject: &Subject) -> CaseResult {
    let message = queued_own(subject)?;
    subject.equal("the time", &None, &message.attribute(attribute::TIMESTAMP))
}

fn unverified_checksum(subject: &Subject) -> CaseResult {
    let (_socket, message) = queued(subject, &Packet::udp4())?;
    subject.equal("the state", &Some(4), &message.number(attribute::CHECKSUM_STATE))
}

fn hooks(subject: &Subject) -> CaseResult {
    let socket = subject.listen(QUEUE)?;
    subject.inject(&Packet::udp4())?;
    for (id, hook) in [(1, 0), (2, 2), (3, 4)] {
        let message = socket.expect_queued(QUEUE)?;
        subject.equal("id and hook", &(id, hook), &(message.id(), message.hook()))?;
        socket.ask(&QueueRequest::verdict(QUEUE, value::ACCEPT, id))?;
    }
    subject.expect_forwarded(&Packet::udp4())
}

fn protocol_at_output(subject: &Subject) -> CaseResult {
    let message = queued_own(subject)?;
    subject.equal(
        "hook and protocol",
        &(3, 0x0800),
        &(message.hook(), message.hw_protocol()),
    )
}
