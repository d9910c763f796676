//! What a seeded fault leaves alone: it breaks its rule up to the rule's edge, and a case that is beside the edge is
//! answered as ever. A suite that finds the fault has then found this rule broken and not another.

#![cfg(feature = "seeded-faults")]

use ipq_core::wire::{Abi, Envelope, Message, ModeRequest, VerdictRequest};
use ipq_core::{CopyMode, Errno, Family, Hook, PacketId, PortId, Verdict};
use ipq_sim::{ClientId, DropReason, Fate, Fault, Kernel, PacketSerial, Rule, SocketId};
use pretty_assertions::assert_eq;
use rstest::rstest;

const ABI: Abi = Abi::LP64_LITTLE;
const PEER: PortId = PortId(4242);
const OWN: [u8; 4] = [10, 1, 0, 1];
const NEIGHBOUR: [u8; 4] = [10, 1, 0, 2];
const OTHER_NEIGHBOUR: [u8; 4] = [10, 2, 0, 2];

/// A kernel that queues what it forwards, and a program that is its peer from the first message on.
struct Lab {
    kernel: Kernel,
    socket: SocketId,
}

impl Lab {
    fn new(fault: Fault) -> Self {
        let mut kernel = Kernel::builder().build().unwrap();
        kernel.seed_fault(fault);
        kernel.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
        let protocol = Family::Ipv4.netlink_protocol().into();
        let socket = kernel.open(ClientId::FIRST, protocol).unwrap();
        kernel.bind(socket, PEER).unwrap();
        Self { kernel, socket }
    }

    fn listening(fault: Fault) -> Self {
        let mut lab = Self::new(fault);
        assert_eq!(lab.answer(&mode(PEER)), None);
        lab
    }

    /// Sends a message, and says how it is answered.
    fn answer(&mut self, message: &[u8]) -> Option<Errno> {
        self.kernel.send(self.socket, message).unwrap();
        let mut buffer = [0; 4096];
        let received = self.kernel.receive(self.socket, &mut buffer).ok()?;
        match Message::parse(&buffer[..received.copied], ABI).unwrap() {
            Message::Error(error) => Some(error.errno()),
            other => panic!("{other:?} is no answer"),
        }
    }

    fn arrive(&mut self) -> PacketSerial {
        self.kernel
            .inject_packet("tap0", &udp(NEIGHBOUR, OTHER_NEIGHBOUR))
            .unwrap()
    }

    /// A packet arrives, is queued, and read.
    fn queued(&mut self) -> (PacketSerial, PacketId) {
        let serial = self.arrive();
        let mut buffer = [0; 4096];
        let received = self.kernel.receive(self.socket, &mut buffer).unwrap();
        match Message::parse(&buffer[..received.copied], ABI).unwrap() {
            Message::Packet(packet) => (serial, packet.packet_id()),
            other => panic!("{other:?} is no packet"),
        }
    }

    fn fate(&self, packet: PacketSerial) -> &Fate {
        self.kernel.fate(packet).unwrap()
    }
}

/// A UDP packet from one neighbour to the other, or from this host, with 8 bytes of payload: 36 in all.
fn udp(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4(source, destination, 64)
        .udp(4000, 5000)
        .write(&mut packet, &[0x55; 8])
        .unwrap();
    packet
}

fn mode(port_id: PortId) -> Vec<u8> {
    let request = ModeRequest {
        mode: CopyMode::Packet,
        range: 0,
    };
    request.head(ABI, Envelope::request(port_id)).to_vec()
}

/// A verdict with `payload` after it, which it announces.
fn verdict(packet_id: PacketId, verdict: Verdict, payload: &[u8]) -> Vec<u8> {
    let request = VerdictRequest {
        verdict,
        packet_id,
        data_len: payload.len() as u64,
    };
    let head = request.head(ABI, Envelope::request(PEER), payload.len());
    [&head, payload].concat()
}

/// A message that says that it is longer or shorter, and is.
fn resized(mut message: Vec<u8>, by: isize) -> Vec<u8> {
    message.resize(message.len().strict_add_signed(by), 0);
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_le_bytes());
    message
}

#[rstest]
#[case::mode_of_its_size(Fault::LongModeRefused, &mode(PEER), None)]
#[case::longer_mode(Fault::LongModeRefused, &resized(mode(PEER), 16), Some(Errno::EINVAL))]
#[case::shorter_mode(Fault::LongModeRefused, &resized(mode(PEER), -1), Some(Errno::EINVAL))]
#[case::longer_verdict(
    Fault::LongModeRefused, &verdict(PacketId(1), Verdict::Accept, &[0; 16]), Some(Errno::ENOENT)
)]
#[case::negative_port_id(Fault::NegativePortIdTaken, &mode(PortId(0x8000_0000)), None)]
#[case::port_id_0(Fault::NegativePortIdTaken, &mode(PortId::KERNEL), Some(Errno::EINVAL))]
fn a_message_beside_the_fault_is_answered_as_ever(
    #[case] fault: Fault,
    #[case] message: &[u8],
    #[case] expected: Option<Errno>,
) {
    assert_eq!(Lab::new(fault).answer(message), expected);
}

#[rstest]
#[case::verdict(&verdict(PacketId(1), Verdict::Accept, &[]), Errno::ENOENT)]
#[case::mode(&mode(PEER), Errno::EPERM)]
fn verdicts_need_no_capability_and_modes_do(#[case] message: &[u8], #[case] expected: Errno) {
    let mut lab = Lab::new(Fault::VerdictsNeedNoCapability);
    lab.kernel.set_net_admin(ClientId::FIRST, false);
    assert_eq!(lab.answer(message), Some(expected));
}

#[rstest]
#[case::body_too_short(-1, Errno::EINVAL)]
#[case::of_its_size(0, Errno::EBUSY)]
#[case::longer(1, Errno::EBUSY)]
fn a_body_that_is_looked_at_first_is_too_short_or_is_not(#[case] by: isize, #[case] expected: Errno) {
    let mut lab = Lab::listening(Fault::PeerCheckedLast);
    assert_eq!(lab.answer(&resized(mode(PortId(1)), by)), Some(expected));
}

#[test]
fn a_packet_without_a_listener_counts_once() {
    let mut lab = Lab::new(Fault::NoListenerCounted);
    lab.arrive();
    lab.arrive();
    let text = lab.kernel.proc_text(Family::Ipv4).unwrap();
    assert!(text.contains("Queue dropped     : 2\n"), "{text}");
}

#[test]
fn the_queue_takes_one_packet_more_and_not_two() {
    let mut lab = Lab::listening(Fault::MaximumExceeded);
    lab.kernel.set_maximum_length(Family::Ipv4, 2);
    let packets: Vec<_> = (0..4).map(|_| lab.arrive()).collect();
    let full = Fate::Dropped(DropReason::QueueFull);
    let expected = [&Fate::Queued, &Fate::Queued, &Fate::Queued, &full];
    assert_eq!(
        packets.iter().map(|packet| lab.fate(*packet)).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn what_is_no_later_fragment_is_queued() {
    let mut lab = Lab::listening(Fault::FragmentsPassed);
    let serial = lab.arrive();
    assert_eq!(*lab.fate(serial), Fate::Queued);
}

#[test]
fn entries_are_reused_first_freed_first() {
    let mut lab = Lab::listening(Fault::OldestEntryReused);
    let ids = [lab.queued().1, lab.queued().1, lab.queued().1];
    for id in ids {
        lab.answer(&verdict(id, Verdict::Drop, &[]));
    }
    assert_eq!([lab.queued().1, lab.queued().1, lab.queued().1], ids);
}

#[test]
fn the_oldest_packet_can_be_answered_and_no_other() {
    let mut lab = Lab::listening(Fault::OldestFirstOnly);
    let [older, younger] = [lab.queued().1, lab.queued().1];
    let mut answer = |id| lab.answer(&verdict(id, Verdict::Drop, &[]));
    assert_eq!(answer(younger), Some(Errno::ENOENT));
    assert_eq!([answer(older), answer(younger)], [None, None]);
}

#[test]
fn a_verdict_without_payload_replaces_nothing() {
    let mut lab = Lab::listening(Fault::AnyPayloadTaken);
    let (serial, id) = lab.queued();
    assert_eq!(lab.answer(&verdict(id, Verdict::Accept, &[])), None);
    let Fate::Sent { frames, .. } = lab.fate(serial) else {
        panic!("{:?}", lab.fate(serial));
    };
    assert_eq!(frames[0].packet().len(), udp(NEIGHBOUR, OTHER_NEIGHBOUR).len());
}

#[rstest]
#[case::shorter_than_the_header(19, true)]
#[case::as_long(20, false)]
#[case::longer(21, false)]
fn a_replacement_shorter_than_the_header_drops_and_no_other(#[case] length: usize, #[case] dropped: bool) {
    let mut lab = Lab::listening(Fault::ShortReplacementDrops);
    let (serial, id) = lab.queued();
    lab.answer(&verdict(
        id,
        Verdict::Accept,
        &udp(NEIGHBOUR, OTHER_NEIGHBOUR)[..length],
    ));
    assert_eq!(*lab.fate(serial) == Fate::Dropped(DropReason::Verdict), dropped);
}

/// The checksum of 0x1234 is none that this header can have.
#[rstest]
#[case::mended(Fault::ChecksumMended, false)]
#[case::left_alone(Fault::GrowthCut, true)]
fn a_checksum_is_mended_by_one_fault_only(#[case] fault: Fault, #[case] left_alone: bool) {
    let mut lab = Lab::listening(fault);
    let (serial, id) = lab.queued();
    let mut replacement = udp(NEIGHBOUR, OTHER_NEIGHBOUR);
    replacement[10..12].copy_from_slice(&[0x12, 0x34]);
    lab.answer(&verdict(id, Verdict::Accept, &replacement));
    let Fate::Sent { frames, .. } = lab.fate(serial) else {
        panic!("{:?}", lab.fate(serial));
    };
    assert_eq!(frames[0].packet()[10..12] == [0x12, 0x34], left_alone);
}

#[rstest]
#[case::to_itself(OWN, 0)]
#[case::to_another(OTHER_NEIGHBOUR, 1)]
fn only_the_loopback_skips_postrouting(#[case] destination: [u8; 4], #[case] queued: usize) {
    let mut lab = Lab::listening(Fault::LoopbackSkipsPostrouting);
    lab.kernel
        .add_rule(Rule::queue(Family::Ipv4, Hook::Postrouting))
        .unwrap();
    lab.kernel.output(udp(OWN, destination)).unwrap();
    assert_eq!(lab.kernel.queue_length(Family::Ipv4), Some(queued));
}

/// What is left of a datagram of 148 bytes that was read with a buffer of 100, and of one that was read whole.
#[test]
fn the_rest_of_a_cut_datagram_comes_next_and_weighs_what_it_is() {
    let mut lab = Lab::listening(Fault::CutRestKept);
    let buffer_bytes = lab.kernel.set_receive_buffer(lab.socket, 0).unwrap();
    let mut buffer = [0; 4096];
    for round in 0..20 {
        let (serial, socket) = (lab.arrive(), lab.socket);
        assert_eq!(
            *lab.fate(serial),
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
