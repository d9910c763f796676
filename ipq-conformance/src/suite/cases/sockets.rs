//! The cases of topic `sockets`: port ids, binding, sizes, and datagrams between programs (SOCK).

use crate::suite::{Case, CaseResult, PORT_IDS, Packet, Request, Subject};
use crate::world::{Capability, OpenStage, Received, Setup};
use ipq_core::wire::Header;
use ipq_core::{CopyMode, Errno, Family, PacketId, PortId, Verdict};

/// The first port id that the kernel chooses for a socket if the process id is taken as a port id:
/// -4097 as an unsigned number.
const FIRST_CHOSEN: PortId = PortId(0xffff_efff);

/// The process id of the program, in cases that depend on it.
const PROCESS_ID: u32 = 1234;

/// The size of a receive buffer that a few datagrams fill: the number of bytes that the case asks
/// for.
const SMALL_BUFFER: i32 = 4096;

/// The number of datagrams after which a socket with [`SMALL_BUFFER`] counts as never full.
const FAR_TOO_MANY: i64 = 1000;

pub(super) fn cases() -> Vec<Case> {
    [opening_and_binding(), reading_and_sending()].concat()
}

/// Returns the cases about opening, binding, and closing one of two descriptors: SOCK-1, SOCK-2 and
/// LIB-13.
fn opening_and_binding() -> Vec<Case> {
    vec![
        Case::must(
            "sockets/module-missing",
            "Without the queue's module its protocol can't be opened, which fails with EPROTONOSUPPORT",
            &["SOCK-1", "ERA-16"],
            module_missing,
        )
        .needs(&[Capability::ModuleLoading]),
        Case::kernel(
            "sockets/port-id-taken",
            "A port id that is taken can't be bound again, which fails with EADDRINUSE",
            &["SOCK-2"],
            port_id_taken,
        )
        .needs(&[Capability::SocketPortIds]),
        Case::kernel(
            "sockets/port-id-free-after-close",
            "A port id is taken until its socket closes",
            &["SOCK-2"],
            port_id_free_after_close,
        )
        .needs(&[Capability::SocketPortIds]),
        Case::kernel(
            "sockets/port-id-per-protocol",
            "The two protocols are name spaces of port ids of their own",
            &["SOCK-2"],
            port_id_per_protocol,
        )
        .needs(&[Capability::SocketPortIds, Capability::BothFamilies]),
        Case::kernel(
            "sockets/chosen-port-id",
            "The kernel chooses the process id, and then numbers counted down from -4097",
            &["SOCK-2"],
            chosen_port_id,
        )
        .setup(one_process)
        .needs(&[Capability::SocketPortIds]),
        Case::kernel(
            "sockets/unbound-sender-is-bound",
            "A socket that sends unbound is bound to the process id first",
            &["SOCK-2"],
            unbound_sender_is_bound,
        )
        .setup(one_process)
        .needs(&[Capability::SocketPortIds]),
        Case::kernel(
            "sockets/second-bind",
            "A bound socket can't be bound to another port id, which fails with EINVAL",
            &["SOCK-2"],
            second_bind,
        )
        .needs(&[Capability::SocketPortIds]),
        Case::must(
            "sockets/second-descriptor",
            "A socket that has two descriptors, as after fork, listens until the last is closed",
            &["LIB-13", "ATT-4"],
            second_descriptor,
        )
        .needs(&[Capability::Duplicate]),
    ]
}

/// Returns the cases about reading and sending: SOCK-3, SOCK-6, SOCK-8 and SOCK-9.
fn reading_and_sending() -> Vec<Case> {
    vec![
        Case::must(
            "sockets/short-read",
            "What a short read leaves of a packet's frame is lost",
            &["SOCK-3"],
            short_read,
        ),
        Case::must(
            "sockets/short-read-of-reply",
            "What a short read leaves of an error is lost",
            &["SOCK-3"],
            short_read_of_reply,
        ),
        Case::must(
            "sockets/kernel-is-port-id-zero",
            "Packets, errors and acknowledgements come from port id 0",
            &["SOCK-6"],
            kernel_is_port_id_zero,
        ),
        Case::kernel(
            "sockets/datagram-of-other-program",
            "A datagram for another port id arrives there with the sender's port id",
            &["SOCK-8"],
            datagram_of_other_program,
        )
        .needs(&[Capability::UserDatagrams]),
        Case::kernel(
            "sockets/datagram-needs-no-capability",
            "A datagram for another port id needs no privilege",
            &["SOCK-8"],
            datagram_needs_no_capability,
        )
        .needs(&[Capability::UserDatagrams, Capability::DropNetAdmin]),
        Case::kernel(
            "sockets/datagram-for-nobody",
            "A datagram for a port id that only the other protocol has is refused with ECONNREFUSED",
            &["SOCK-8"],
            datagram_for_nobody,
        )
        .needs(&[Capability::UserDatagrams, Capability::BothFamilies]),
        Case::kernel(
            "sockets/datagram-for-full-receiver",
            "A program's datagram that finds the receiver full is the sender's trouble, and no overrun",
            &["SOCK-8"],
            datagram_for_full_receiver,
        )
        .needs(&[Capability::UserDatagrams]),
        Case::kernel(
            "sockets/longest-datagram",
            "A datagram longer than the send buffer less 32 is refused with EMSGSIZE",
            &["SOCK-9"],
            longest_datagram,
        ),
        Case::kernel(
            "sockets/too-long-verdict",
            "A verdict too long for the send buffer is refused with EMSGSIZE, and its packet stays queued",
            &["SOCK-9"],
            too_long_verdict,
        ),
    ]
}

fn one_process() -> Setup {
    Setup {
        process_id: Some(PROCESS_ID),
        ..Setup::default()
    }
}

fn module_missing(subject: &Subject) -> CaseResult {
    subject.set_module(Family::Ipv4, false)?;
    let protocol = i32::from(Family::Ipv4.netlink_protocol());
    let refused = subject.open_or_refused(protocol, Some(PORT_IDS[0]))?.err();
    let expected = Some((OpenStage::Socket, Errno::EPROTONOSUPPORT));
    subject.equal("what failed", &expected, &refused)?;
    subject.open_bound(Family::Ipv6, PORT_IDS[0])?;
    subject.set_module(Family::Ipv4, true)?;
    subject.open_bound(Family::Ipv4, PORT_IDS[0]).map(drop)
}

fn port_id_taken(subject: &Subject) -> CaseResult {
    let first = subject.attach(Family::Ipv4)?;
    let protocol = i32::from(Family::Ipv4.netlink_protocol());
    let refused = subject.open_or_refused(protocol, Some(first.port_id()))?.err();
    subject.equal("what failed", &Some((OpenStage::Bind, Errno::EADDRINUSE)), &refused)?;
    subject.inject(&Packet::udp4())?;
    first.expect_packet().map(drop)
}

fn port_id_free_after_close(subject: &Subject) -> CaseResult {
    let first = subject.open(Family::Ipv6)?;
    let port_id = first.port_id();
    let second = subject.open_unbound(Family::Ipv6)?;
    let (errno, bound) = second.bind(port_id)?;
    subject.equal("the errno", &Some(Errno::EADDRINUSE), &errno)?;
    subject.equal("what it is bound to", &PortId::KERNEL, &bound)?;
    first.close()?;
    let (errno, bound) = second.bind(port_id)?;
    subject.equal("the errno", &None, &errno)?;
    subject.equal("what it is bound to", &port_id, &bound)
}

fn port_id_per_protocol(subject: &Subject) -> CaseResult {
    let port_id = PORT_IDS[0];
    for family in Family::ALL {
        let socket = subject.open_bound(family, port_id)?;
        let request = socket.request(&Request::mode(CopyMode::Packet, 0).ack())?;
        socket.expect_ack(&request)?;
        let another = subject.open_unbound(family)?;
        let (errno, _) = another.bind(port_id)?;
        subject.equal("the errno", &Some(Errno::EADDRINUSE), &errno)?;
    }
    Ok(())
}

fn chosen_port_id(subject: &Subject) -> CaseResult {
    let first = subject.open_bound(Family::Ipv4, PortId::KERNEL)?;
    subject.equal("the first port id", &PortId(PROCESS_ID), &first.port_id())?;
    let second = subject.open_bound(Family::Ipv4, PortId::KERNEL)?;
    subject.equal("the second port id", &FIRST_CHOSEN, &second.port_id())?;
    let third = subject.open_bound(Family::Ipv4, PortId::KERNEL)?;
    subject.equal("the third port id", &PortId(FIRST_CHOSEN.0 - 1), &third.port_id())?;
    let request = second.request(&Request::mode(CopyMode::Packet, 0))?;
    second.expect_error(Errno::EINVAL, &request)
}

fn unbound_sender_is_bound(subject: &Subject) -> CaseResult {
    let socket = subject.open_unbound(Family::Ipv4)?;
    subject.equal("the port id before", &PortId::KERNEL, &socket.bound_to()?)?;
    socket.request(&Request::mode(CopyMode::Packet, 0).port_id(PortId(PROCESS_ID)))?;
    subject.equal("the port id after", &PortId(PROCESS_ID), &socket.bound_to()?)?;
    subject.inject(&Packet::udp4())?;
    socket.expect_packet()?;
    socket.expect_nothing()
}

fn second_descriptor(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let second = socket.duplicate()?;
    socket.close()?;
    subject.inject_many(&Packet::udp4(), 2)?;
    let packet = second.expect_packet()?;
    second.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&Packet::udp4())?;
    second.close()?;
    let other = subject.attach(Family::Ipv4)?;
    subject.expect_not_forwarded()?;
    other.expect_nothing()
}

fn second_bind(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let (errno, bound) = socket.bind(PORT_IDS[3])?;
    subject.equal("the errno", &Some(Errno::EINVAL), &errno)?;
    subject.equal("what it is bound to", &socket.port_id(), &bound)
}

fn short_read(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let sent = [1, 2].map(|number| Packet::udp4().identification(number));
    subject.inject(&sent[0])?;
    subject.inject(&sent[1])?;
    let cut = match socket.receive_into(40)? {
        Received::Frame { bytes, sender: 0 } => bytes,
        other => return Err(subject.fail(&format!("read {other:?}, and not a frame from the kernel"))),
    };
    subject.equal("the length of what was read", &40, &cut.len())?;
    let stated = Header::parse(&cut, subject.abi()).map(|header| header.length as usize);
    let whole = Header::BYTES + subject.abi().packet_message_bytes() + sent[0].ip().len();
    subject.equal("the length in the header", &Some(whole), &stated)?;
    let second = socket.expect_packet()?;
    subject.equal_packets("the second packet", &sent[1].forwarded().ip(), &second.payload)?;
    socket.expect_nothing()
}

fn short_read_of_reply(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    socket.verdict(PacketId(7), Verdict::Drop)?;
    match socket.receive_into(20)? {
        Received::Frame { bytes, sender: 0 } => subject.equal("the length of what was read", &20, &bytes.len())?,
        other => return Err(subject.fail(&format!("read {other:?}, and not a frame from the kernel"))),
    }
    socket.expect_nothing()
}

fn kernel_is_port_id_zero(subject: &Subject) -> CaseResult {
    for family in Family::ALL {
        let socket = subject.open(family)?;
        socket.request(&Request::mode(CopyMode::Packet, 0).ack())?;
        socket.verdict(PacketId(7), Verdict::Drop)?;
        subject.inject(&Packet::udp(family))?;
        for what in ["the acknowledgement", "the error", "the packet"] {
            match socket.receive()? {
                Received::Frame { sender, .. } => subject.equal(&format!("the sender of {what}"), &0, &sender)?,
                other => return Err(subject.fail(&format!("read {other:?}, and not {what}"))),
            }
        }
    }
    Ok(())
}

fn datagram_of_other_program(subject: &Subject) -> CaseResult {
    let receiver = subject.attach(Family::Ipv4)?;
    let sender = subject.open(Family::Ipv4)?;
    for bytes in [&b"x"[..], b"a datagram that is no netlink message"] {
        let sent = sender.try_send(Some(receiver.port_id()), bytes)?;
        subject.equal("what the send call returned", &Ok(bytes.len()), &sent)?;
        let expected = Received::Frame {
            bytes: bytes.to_vec().into(),
            sender: sender.port_id().0.into(),
        };
        subject.equal("what arrived", &expected, &receiver.receive()?)?;
    }
    receiver.expect_nothing()?;
    sender.expect_nothing()
}

fn datagram_needs_no_capability(subject: &Subject) -> CaseResult {
    let receiver = subject.open(Family::Ipv6)?;
    let sender = subject.open(Family::Ipv6)?;
    subject.set_net_admin(false)?;
    let sent = sender.try_send(Some(receiver.port_id()), b"forged")?;
    subject.equal("what the send call returned", &Ok(6), &sent)?;
    let expected = Received::Frame {
        bytes: b"forged".to_vec().into(),
        sender: sender.port_id().0.into(),
    };
    subject.equal("what arrived", &expected, &receiver.receive()?)
}

fn datagram_for_nobody(subject: &Subject) -> CaseResult {
    let other = subject.open(Family::Ipv6)?;
    let sender = subject.open(Family::Ipv4)?;
    let sent = sender.try_send(Some(other.port_id()), b"lost")?;
    subject.equal("what the send call returned", &Err(Errno::ECONNREFUSED), &sent)?;
    other.expect_nothing()?;
    sender.expect_nothing()
}

fn datagram_for_full_receiver(subject: &Subject) -> CaseResult {
    let receiver = subject.open(Family::Ipv4)?;
    receiver.set_receive_buffer(SMALL_BUFFER)?;
    let sender = subject.open(Family::Ipv4)?;
    let mut taken = 0;
    let refused = loop {
        match sender.try_send(Some(receiver.port_id()), &[0xa5; 100])? {
            Ok(_) if taken < FAR_TOO_MANY => taken += 1,
            Ok(_) => return Err(subject.fail("the receiver is never full")),
            Err(errno) => break errno,
        }
    };
    subject.equal("the errno", &Errno::EAGAIN, &refused)?;
    let drained = receiver.drain()?;
    subject.equal("how many datagrams arrived", &taken, &drained.frames)?;
    subject.equal("when ENOBUFS came", &None, &drained.enobufs_before_frame)
}

fn longest_datagram(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let buffer = socket.set_send_buffer(10_000)?;
    let longest = usize::try_from(buffer - 32).map_err(|_| subject.fail("the send buffer is under 32 bytes"))?;
    // The kernel ignores zeros, since their header states a length under 16.
    let sent = socket.try_send(None, &vec![0; longest])?;
    subject.equal("what sending the longest returned", &Ok(longest), &sent)?;
    let sent = socket.try_send(None, &vec![0; longest + 1])?;
    subject.equal("what sending one byte more returned", &Err(Errno::EMSGSIZE), &sent)?;
    socket.expect_nothing()
}

fn too_long_verdict(subject: &Subject) -> CaseResult {
    let sent = Packet::udp4();
    let (socket, packet) = subject.queued(&sent)?;
    let buffer = socket.set_send_buffer(5_000)?;
    let length = usize::try_from(buffer).map_err(|_| subject.fail("the send buffer has a negative size"))?;
    let verdict = Request::verdict(packet.id(), Verdict::Accept).replacement(&vec![0xa5; length]);
    let refused = socket.try_send(None, &verdict.bytes(subject.abi(), socket.port_id()))?;
    subject.equal("what the send call returned", &Err(Errno::EMSGSIZE), &refused)?;
    subject.expect_not_forwarded()?;
    socket.verdict(packet.id(), Verdict::Accept)?;
    subject.expect_forwarded(&sent)?;
    socket.expect_nothing()
}
