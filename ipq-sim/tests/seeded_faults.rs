//! Tests how far seeded faults go: what some of them break, and that a case just beside is answered
//! as without the fault.

#![cfg(feature = "seeded-faults")]

mod support;

use ipq_core::transport::nfqueue::Options;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Errno, Family, Hook, PacketId, PortId, Verdict, Wait};
use ipq_sim::{ClientId, DropReason, Fate, Fault, Kernel, PacketSerial, Profile, Rule};
use pretty_assertions::assert_eq;
use rstest::rstest;
use support::listener::{Listener, PORT_ID, mode_message, verdict_message};

const OWN: [u8; 4] = [10, 1, 0, 1];
const NEIGHBOUR: [u8; 4] = [10, 1, 0, 2];
const OTHER_NEIGHBOUR: [u8; 4] = [10, 2, 0, 2];

/// Returns a kernel with that fault, which queues what it forwards, and a program with a bound
/// socket that has sent nothing.
fn bound(fault: Fault) -> Listener {
    let mut kernel = Kernel::builder().fault(fault).build().unwrap();
    kernel.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    Listener::bound(kernel)
}

/// Returns a kernel with that fault, which queues what it forwards, and a program that is the
/// queue's peer in mode PACKET.
fn listening(fault: Fault) -> Listener {
    let mut listener = bound(fault);
    assert_eq!(listener.send(&mode(PORT_ID)), None);
    listener
}

/// Lets a packet arrive that is to be forwarded. Returns its serial number.
fn arrive(listener: &mut Listener) -> PacketSerial {
    let packet = udp(NEIGHBOUR, OTHER_NEIGHBOUR);
    listener.kernel.inject_packet("tap0", &packet).unwrap()
}

/// Lets a packet arrive that is to be forwarded, and reads it. Returns its serial number and its
/// packet id.
fn queued(listener: &mut Listener) -> (PacketSerial, PacketId) {
    listener.queued(&udp(NEIGHBOUR, OTHER_NEIGHBOUR))
}

fn fate(listener: &Listener, packet: PacketSerial) -> &Fate {
    listener.kernel.fate(packet).unwrap()
}

/// Returns a UDP packet with 8 bytes of payload, which is 36 bytes long.
fn udp(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4(source, destination, 64)
        .udp(4000, 5000)
        .write(&mut packet, &[0x55; 8])
        .unwrap();
    packet
}

fn mode(port_id: PortId) -> Vec<u8> {
    mode_message(port_id, CopyMode::Packet)
}

/// Returns a message that is `by` bytes longer, or shorter if negative, and states its new length.
fn resized(mut message: Vec<u8>, by: isize) -> Vec<u8> {
    message.resize(message.len().strict_add_signed(by), 0);
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_le_bytes());
    message
}

#[rstest]
#[case::mode_of_its_size(Fault::LongModeRefused, &mode(PORT_ID), None)]
#[case::longer_mode(Fault::LongModeRefused, &resized(mode(PORT_ID), 16), Some(Errno::EINVAL))]
#[case::shorter_mode(Fault::LongModeRefused, &resized(mode(PORT_ID), -1), Some(Errno::EINVAL))]
#[case::longer_verdict(
    Fault::LongModeRefused, &verdict_message(PacketId(1), Verdict::Accept, &[0; 16]), Some(Errno::ENOENT)
)]
#[case::negative_port_id(Fault::NegativePortIdTaken, &mode(PortId(0x8000_0000)), None)]
#[case::port_id_0(Fault::NegativePortIdTaken, &mode(PortId::KERNEL), Some(Errno::EINVAL))]
fn a_message_beside_the_fault_is_answered_as_ever(
    #[case] fault: Fault,
    #[case] message: &[u8],
    #[case] expected: Option<Errno>,
) {
    assert_eq!(bound(fault).send(message), expected);
}

#[rstest]
#[case::verdict(&verdict_message(PacketId(1), Verdict::Accept, &[]), Errno::ENOENT)]
#[case::mode(&mode(PORT_ID), Errno::EPERM)]
fn verdicts_need_no_capability_and_modes_do(#[case] message: &[u8], #[case] expected: Errno) {
    let mut lab = bound(Fault::VerdictsNeedNoCapability);
    lab.kernel.set_net_admin(ClientId::FIRST, false);
    assert_eq!(lab.send(message), Some(expected));
}

#[rstest]
#[case::body_too_short(-1, Errno::EINVAL)]
#[case::of_its_size(0, Errno::EBUSY)]
#[case::longer(1, Errno::EBUSY)]
fn a_body_that_is_looked_at_first_is_too_short_or_is_not(#[case] by: isize, #[case] expected: Errno) {
    let mut lab = listening(Fault::PeerCheckedLast);
    assert_eq!(lab.send(&resized(mode(PortId(1)), by)), Some(expected));
}

#[test]
fn a_packet_without_a_listener_counts_once() {
    let mut lab = bound(Fault::NoListenerCounted);
    arrive(&mut lab);
    arrive(&mut lab);
    let text = lab.kernel.proc_text(Family::Ipv4).unwrap();
    assert!(text.contains("Queue dropped     : 2\n"), "{text}");
}

#[test]
fn the_queue_takes_one_packet_more_and_not_two() {
    let mut lab = listening(Fault::MaximumExceeded);
    lab.kernel.set_maximum_length(Family::Ipv4, 2);
    let packets: Vec<_> = (0..4).map(|_| arrive(&mut lab)).collect();
    let full = Fate::Dropped(DropReason::QueueFull);
    let expected = [&Fate::Queued, &Fate::Queued, &Fate::Queued, &full];
    assert_eq!(
        packets.iter().map(|packet| fate(&lab, *packet)).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn what_is_no_later_fragment_is_queued() {
    let mut lab = listening(Fault::FragmentsPassed);
    let serial = arrive(&mut lab);
    assert_eq!(*fate(&lab, serial), Fate::Queued);
}

#[test]
fn entries_are_reused_first_freed_first() {
    let mut lab = listening(Fault::OldestEntryReused);
    let ids = [queued(&mut lab).1, queued(&mut lab).1, queued(&mut lab).1];
    for id in ids {
        lab.decide(id, Verdict::Drop, &[]);
    }
    assert_eq!([queued(&mut lab).1, queued(&mut lab).1, queued(&mut lab).1], ids);
}

#[test]
fn the_oldest_packet_can_be_answered_and_no_other() {
    let mut lab = listening(Fault::OldestFirstOnly);
    let [older, younger] = [queued(&mut lab).1, queued(&mut lab).1];
    let mut answer = |id| lab.decide(id, Verdict::Drop, &[]);
    assert_eq!(answer(younger), Some(Errno::ENOENT));
    assert_eq!([answer(older), answer(younger)], [None, None]);
}

#[test]
fn a_verdict_without_payload_replaces_nothing() {
    let mut lab = listening(Fault::AnyPayloadTaken);
    let (serial, id) = queued(&mut lab);
    assert_eq!(lab.decide(id, Verdict::Accept, &[]), None);
    let Fate::Sent { frames, .. } = fate(&lab, serial) else {
        panic!("{:?}", fate(&lab, serial));
    };
    assert_eq!(frames[0].packet().len(), udp(NEIGHBOUR, OTHER_NEIGHBOUR).len());
}

#[rstest]
#[case::shorter_than_the_header(19, true)]
#[case::as_long(20, false)]
#[case::longer(21, false)]
fn a_replacement_shorter_than_the_header_drops_and_no_other(#[case] length: usize, #[case] dropped: bool) {
    let mut lab = listening(Fault::ShortReplacementDrops);
    let (serial, id) = queued(&mut lab);
    lab.decide(id, Verdict::Accept, &udp(NEIGHBOUR, OTHER_NEIGHBOUR)[..length]);
    assert_eq!(*fate(&lab, serial) == Fate::Dropped(DropReason::Verdict), dropped);
}

/// 0x1234 is a checksum that this header can't have.
#[rstest]
#[case::mended(Fault::ChecksumMended, false)]
#[case::left_alone(Fault::GrowthCut, true)]
fn a_checksum_is_mended_by_one_fault_only(#[case] fault: Fault, #[case] left_alone: bool) {
    let mut lab = listening(fault);
    let (serial, id) = queued(&mut lab);
    let mut replacement = udp(NEIGHBOUR, OTHER_NEIGHBOUR);
    replacement[10..12].copy_from_slice(&[0x12, 0x34]);
    lab.decide(id, Verdict::Accept, &replacement);
    let Fate::Sent { frames, .. } = fate(&lab, serial) else {
        panic!("{:?}", fate(&lab, serial));
    };
    assert_eq!(frames[0].packet()[10..12] == [0x12, 0x34], left_alone);
}

#[rstest]
#[case::to_itself(OWN, 0)]
#[case::to_another(OTHER_NEIGHBOUR, 1)]
fn only_the_loopback_skips_postrouting(#[case] destination: [u8; 4], #[case] queued: usize) {
    let mut lab = listening(Fault::LoopbackSkipsPostrouting);
    lab.kernel
        .add_rule(Rule::queue(Family::Ipv4, Hook::Postrouting))
        .unwrap();
    lab.kernel.output(udp(OWN, destination)).unwrap();
    assert_eq!(lab.kernel.queue_length(Family::Ipv4), Some(queued));
}

/// A datagram of 148 bytes is read with a buffer of 100 bytes. Its rest comes next, and all of its
/// room is free again then.
#[test]
fn the_rest_of_a_cut_datagram_comes_next_and_weighs_what_it_is() {
    let mut lab = listening(Fault::CutRestKept);
    let buffer_bytes = lab.kernel.set_receive_buffer(lab.socket, 0).unwrap();
    let mut buffer = [0; 4096];
    for round in 0..20 {
        let (serial, socket) = (arrive(&mut lab), lab.socket);
        assert_eq!(
            *fate(&lab, serial),
            Fate::Queued,
            "round {round}: {buffer_bytes} bytes are free again"
        );
        let lengths: Vec<_> = std::iter::from_fn(|| lab.kernel.receive(socket, &mut buffer[..100]).ok())
            .take(3)
            .map(|received| (received.copied, received.length))
            .collect();
        assert_eq!(lengths, [(100, 148), (48, 48)]);
    }
}

#[test]
fn every_id_of_a_numbered_queue_is_told_one_too_low() {
    let lab = Kernel::builder()
        .profile(Profile::LINUX_6_18_X86_64)
        .fault(Fault::IdsFromZero)
        .simulate()
        .unwrap();
    let rule = Rule::numbered_queue(Family::Ipv4, Hook::Forward, 0);
    lab.add_rule(rule).unwrap();
    let handle = lab.open_nfqueue(Options::new(Family::Ipv4)).unwrap();
    handle.set_mode(CopyMode::Packet, 1500).unwrap();
    let mut buffer = vec![0; handle.buffer_for(1500)];
    for id in 0..300 {
        let packet = udp(NEIGHBOUR, OTHER_NEIGHBOUR);
        lab.inject_packet("tap0", &packet).unwrap();
        let Ok(Message::Packet(told)) = handle.read(&mut buffer, Wait::Never) else {
            panic!("packet {id} is queued");
        };
        assert_eq!(told.packet_id(), PacketId(id));
    }
}
