//! Tests of who may have a queue, and of which packets come to it.

use super::host::Host;
use super::program::{Program, arrived, mode_of, name, sockets};
use ipq_conformance::world::NumberedQueue;
use ipq_core::transport::nfqueue::Options;
use ipq_core::wire::{Abi, Envelope, EtherType, Flags, VerdictRequest};
use ipq_core::{CopyMode, Errno, Error, Family, Hook, PacketId, Verdict, Wait};
use pretty_assertions::assert_eq;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{self, AddressFamily, Protocol, SendFlags, SocketFlags, SocketType};
use std::num::NonZeroU32;
use std::time::Duration;

tests![
    a_refused_first_message_attaches_all_the_same,
    a_queue_has_one_listener,
    nobody_but_the_kernel_can_send_to_the_socket,
    without_the_capability_each_message_is_refused,
    the_other_family_is_dropped_and_counted,
    a_wait_ends_in_time_however_many_of_the_other_family_come,
    two_families_have_two_queues,
];

fn a_refused_first_message_attaches_all_the_same(host: &mut Host) {
    host.queue_all(Family::Ipv4, Hook::Output);
    let [first, second] = [(); 2].map(|()| Program::new(Family::Ipv4));
    // Neither an ignored message nor one that the header's checks refuse attaches (ATT-2).
    first.send(&[0; 15], &[]);
    let no_request = Envelope {
        flags: Flags::NONE,
        ..first.envelope()
    };
    first.send(&mode_of(CopyMode::Packet).head(Abi::NATIVE, no_request), &[]);
    assert_eq!(first.answer().0, Errno::EINVAL);
    second.handle.set_mode(CopyMode::Packet, 0).expect("sent");
    second.nothing();
    drop(second);

    let second = Program::new(Family::Ipv4);
    let refused = VerdictRequest {
        verdict: Verdict::Stolen,
        packet_id: PacketId(3),
        data_len: 7,
    };
    let sent = first.send(&refused.head(Abi::NATIVE, first.envelope(), 7), b"refused");
    let (errno, _, quoted) = first.answer();
    assert_eq!((errno, quoted), (Errno::EINVAL, sent), "ATT-2");
    first.nothing();
    second.handle.set_mode(CopyMode::Packet, 0).expect("sent");
    assert_eq!(second.answer().0, Errno::EBUSY);
    // The program is attached, and in mode NONE until it sends another mode.
    let [sender, _receiver] = sockets("127.0.0.1");
    let _ = sender.send(b"dropped");
    first.nothing();
    first.handle.set_mode(CopyMode::Packet, 0).expect("sent");
    sender.send(b"queued").expect("sent");
    assert_eq!(&first.packet().1[28..], b"queued");
}

fn a_queue_has_one_listener(host: &mut Host) {
    let first = Program::reading_output(host, Family::Ipv4);
    let second = Program::new(Family::Ipv4);
    let mode = mode_of(CopyMode::Packet).head(Abi::NATIVE, second.envelope());
    for _ in 0..2 {
        let sent = second.send(&mode, &[]);
        let (errno, _, quoted) = second.answer();
        assert_eq!((errno, quoted), (Errno::EBUSY, sent));
        let refusal = second.handle.explain(errno).to_string();
        let begin = "Device or resource busy (EBUSY): nfnetlink queue 0 has another listener; ";
        assert!(refusal.starts_with(begin), "{refusal}");
    }
    let [sender, receiver] = sockets("127.0.0.1");
    sender.send(b"dropped with the first").expect("sent");
    drop(first);
    second.handle.set_mode(CopyMode::Packet, 0).expect("sent");
    second.nothing();
    sender.send(b"for the second").expect("sent");
    let (metadata, _) = second.packet();
    second.decide(metadata.packet_id, Verdict::Accept);
    assert_eq!(arrived(&receiver), b"for the second", "ATT-4");
}

/// Checks that the system refuses a datagram that another socket sends to the program's socket, so
/// that it can't take the room of packets.
fn nobody_but_the_kernel_can_send_to_the_socket(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let nfnetlink = NonZeroU32::new(12).map(Protocol::from_raw);
    let other = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, nfnetlink);
    let other = other.expect("a socket");
    let here = net::getsockname(program.handle.transport()).expect("an address");
    let sent = net::sendto(&other, &[0; 20], SendFlags::empty(), &here);
    assert_eq!(sent, Err(rustix::io::Errno::CONNREFUSED));
    program.nothing();
    let [sender, _receiver] = sockets("127.0.0.1");
    sender.send(b"still heard").expect("sent");
    assert_eq!(&program.packet().1[28..], b"still heard");
}

fn without_the_capability_each_message_is_refused(host: &mut Host) {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, _receiver] = sockets("127.0.0.1");
    sender.send(b"queued").expect("sent");
    let (metadata, _) = program.packet();
    let before = capabilities(None).expect("capabilities");
    let hold = |net_admin: bool| {
        let mut now = before;
        now.effective.set(CapabilitySet::NET_ADMIN, net_admin);
        set_capabilities(None, now).expect("capabilities");
    };
    let other = Program::new(Family::Ipv4);
    hold(false);
    let unprivileged = Program::new(Family::Ipv4);
    for program in [&program, &other, &unprivileged] {
        for head in [
            mode_of(CopyMode::Packet).head(Abi::NATIVE, program.envelope()),
            mode_of(CopyMode::Unknown(9)).head(Abi::NATIVE, program.envelope()),
            VerdictRequest {
                verdict: Verdict::Drop,
                packet_id: metadata.packet_id,
                data_len: 0,
            }
            .head(Abi::NATIVE, program.envelope(), 0),
        ] {
            let sent = program.send(&head, &[]);
            let (errno, _, quoted) = program.answer();
            assert_eq!((errno, quoted), (Errno::EPERM, sent), "ATT-5");
            program.nothing();
        }
        let no_request = Envelope {
            flags: Flags::NONE,
            ..program.envelope()
        };
        program.send(&mode_of(CopyMode::Packet).head(Abi::NATIVE, no_request), &[]);
        assert_eq!(program.answer().0, Errno::EINVAL, "MSG-2 comes before MSG-5");
    }
    let refusal = program.handle.explain(Errno::EPERM).to_string();
    assert!(refusal.contains("in its network namespace"), "{refusal}");
    hold(true);
    program.decide(metadata.packet_id, Verdict::Accept);
    program.nothing();
    other.handle.set_mode(CopyMode::Packet, 0).expect("sent");
    assert_eq!(other.answer().0, Errno::EBUSY);
}

fn the_other_family_is_dropped_and_counted(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    host.queue_all(Family::Ipv6, Hook::Output);
    let [[four, four_receiver], [six, six_receiver]] = ["127.0.0.1", "::1"].map(sockets);
    for _ in 0..3 {
        six.send(b"of the other family").expect("sent");
    }
    four.send(b"of this").expect("sent");
    let (metadata, packet) = program.packet();
    assert_eq!(&packet[28..], b"of this");
    program.decide(metadata.packet_id, Verdict::Accept);
    assert_eq!(arrived(&four_receiver), b"of this");
    program.nothing();
    six_receiver.set_nonblocking(true).expect("non-blocking");
    assert!(six_receiver.recv(&mut [0; 100]).is_err(), "PKT-1");
    match program.handle.transport().statistics() {
        Ok(statistics) => {
            let statistics = statistics.expect("the queue is bound");
            assert_eq!((statistics.queue_length, statistics.other_family_dropped), (0, 3));
        }
        // Only the system's own root may read the kernel's table.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
    }
}

fn a_wait_ends_in_time_however_many_of_the_other_family_come(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    host.queue_all(Family::Ipv6, Hook::Output);
    let [sender, _receiver] = sockets("::1");
    for _ in 0..2 {
        sender.send(b"of the other family").expect("sent");
    }
    let no_time = Wait::For(Duration::ZERO);
    let read = program.handle.read_datagram(&mut [0; 256], no_time);
    assert_eq!(read, Err(Error::TimedOut));
    // Only the first packet was looked at before the time was over. The next one is still there.
    let mut socket = [PollFd::new(program.handle.transport(), PollFlags::IN)];
    assert_eq!(poll(&mut socket, Some(&Timespec::default())), Ok(1));
}

fn two_families_have_two_queues(host: &mut Host) {
    let four = Program::reading_output(host, Family::Ipv4);
    host.queue_all_among(Family::Ipv6, Hook::Output, NumberedQueue::one(1));
    let six = Program::with(Options {
        queue_number: 1,
        ..Options::new(Family::Ipv6)
    });
    six.handle.set_mode(CopyMode::Packet, 0).expect("mode PACKET");
    for (program, address, headers, protocol) in [(&four, "127.0.0.1", 28, "four"), (&six, "::1", 48, "six")] {
        let [sender, receiver] = sockets(address);
        sender.send(protocol.as_bytes()).expect("sent");
        let (metadata, packet) = program.packet();
        assert_eq!(&packet[headers..], protocol.as_bytes());
        assert_eq!(
            (metadata.outdev_name, metadata.hw_protocol),
            (name("lo"), EtherType::NONE),
            "PKT-6"
        );
        program.decide(metadata.packet_id, Verdict::Queue);
        let (metadata, _) = program.packet();
        program.decide(metadata.packet_id, Verdict::Accept);
        assert_eq!(arrived(&receiver), protocol.as_bytes());
    }
}
