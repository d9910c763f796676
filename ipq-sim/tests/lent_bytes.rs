//! A packet's bytes are with its frame until that is read, which nobody can tell.

mod support;

use ipq_core::wire::Message;
use ipq_core::{CopyMode, Family, Handle, Hook, PacketId, PortId, Verdict, Wait};
use ipq_sim::{ClientId, DropReason, Fate, IdReuse, Kernel, Rule, Sim, SimTransport};
use pretty_assertions::assert_eq;
use rstest::rstest;
use support::{frame, udp};

/// A kernel that queues what it forwards, and a program that gets all bytes of it.
fn listening(reuse: IdReuse) -> (Sim, Handle<SimTransport>) {
    let sim = Kernel::builder().id_reuse(reuse).simulate().unwrap();
    sim.add_rule(Rule::queue(Family::Ipv4, Hook::Forward)).unwrap();
    let handle = sim.open(Family::Ipv4).unwrap();
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    (sim, handle)
}

/// The packet that comes next, as it will be read.
fn peek(sim: &Sim, handle: &Handle<SimTransport>) -> (PacketId, Vec<u8>) {
    let mut buffer = [0; 4096];
    let socket = handle.transport().socket();
    let peeked = sim.with(|kernel| kernel.peek(socket, &mut buffer)).unwrap();
    parsed(&Message::parse(&buffer[..peeked.copied], sim.with(|kernel| kernel.profile().abi)).unwrap())
}

fn read(handle: &Handle<SimTransport>) -> (PacketId, Vec<u8>) {
    let mut buffer = [0; 4096];
    parsed(&handle.read(&mut buffer, Wait::Never).unwrap())
}

fn parsed(message: &Message<'_>) -> (PacketId, Vec<u8>) {
    match message {
        Message::Packet(packet) => (packet.packet_id(), packet.payload().to_vec()),
        other => panic!("{other:?} is no packet"),
    }
}

/// The bytes of the packet that has left: as they were queued.
fn left(sim: &Sim) -> Option<Vec<u8>> {
    Some(sim.sniff("tap1").unwrap()?.packet().to_vec())
}

/// A packet as it is queued: a hop older than it came.
fn queued(payload: usize) -> Vec<u8> {
    let mut packet = udp(payload);
    packet[8] -= 1;
    packet[10] += 1;
    packet
}

#[rstest]
fn a_packet_goes_on_whole_whether_its_frame_was_read_or_not(
    #[values(IdReuse::LastFreedFirst, IdReuse::Never)] reuse: IdReuse,
    #[values(0b00, 0b01, 0b10, 0b11)] read_first: usize,
) {
    let two_queued = || {
        let (sim, handle) = listening(reuse);
        for payload in [100, 200] {
            sim.inject("tap0", frame(payload)).unwrap();
        }
        (sim, handle)
    };
    // A kernel gives the ids that another one gives.
    let (_sim, another) = two_queued();
    let [first, second] = [read(&another).0, read(&another).0];
    let (sim, handle) = two_queued();
    let mut unread = [queued(100), queued(200)]
        .into_iter()
        .zip([first, second])
        .map(|(packet, id)| (id, packet));
    for _ in 0..read_first.count_ones() {
        assert_eq!(Some(read(&handle)), unread.next());
    }
    let order = if read_first == 0b10 {
        [second, first]
    } else {
        [first, second]
    };
    for id in order {
        handle.set_verdict(id, Verdict::Accept, None).unwrap();
        assert_eq!(left(&sim), Some(queued(if id == first { 100 } else { 200 })));
    }
    for expected in unread {
        assert_eq!(read(&handle), expected);
    }
}

/// The entry is the next packet's when the frame of the last one is read.
#[test]
fn bytes_of_a_packet_that_is_gone_do_not_go_to_the_one_in_its_place() {
    let (sim, handle) = listening(IdReuse::LastFreedFirst);
    sim.inject("tap0", frame(100)).unwrap();
    let (id, _) = peek(&sim, &handle);
    handle.set_verdict(id, Verdict::Accept, None).unwrap();
    sim.inject("tap0", frame(200)).unwrap();
    assert_eq!(read(&handle), (id, queued(100)));
    handle.set_verdict(id, Verdict::Accept, None).unwrap();
    assert_eq!([left(&sim), left(&sim)], [Some(queued(100)), Some(queued(200))]);
    assert_eq!(read(&handle), (id, queued(200)));
}

/// The socket of the last peer has a frame that was not read, and its number is that of the next one's first.
#[test]
fn bytes_of_the_last_peers_packet_do_not_go_to_the_next_ones() {
    let (sim, last) = listening(IdReuse::LastFreedFirst);
    sim.inject("tap0", frame(100)).unwrap();
    sim.with(|kernel| {
        kernel.unload(Family::Ipv4);
        kernel.load(Family::Ipv4);
    });
    let next = sim.open_as(ClientId::FIRST, Family::Ipv4, PortId(7)).unwrap();
    next.set_mode(CopyMode::Packet, 0).unwrap();
    sim.inject("tap0", frame(200)).unwrap();
    assert_eq!(read(&last).1, queued(100));
    next.set_verdict(peek(&sim, &next).0, Verdict::Accept, None).unwrap();
    assert_eq!(left(&sim), Some(queued(200)));
}

/// It may be one that loses a frame, or keeps a packet without its frame.
#[cfg(feature = "seeded-faults")]
#[rstest]
#[case::cut(ipq_sim::Fault::CutRestKept)]
#[case::another_peer(ipq_sim::Fault::SecondPeerTakesOver)]
fn a_fault_that_is_seeded_meanwhile_leaves_a_packet_its_bytes(#[case] fault: ipq_sim::Fault) {
    let (sim, handle) = listening(IdReuse::LastFreedFirst);
    sim.inject("tap0", frame(100)).unwrap();
    let (id, _) = peek(&sim, &handle);
    sim.with(|kernel| kernel.seed_fault(fault));
    let another = sim.open_as(ClientId::FIRST, Family::Ipv4, PortId(7)).unwrap();
    if fault == ipq_sim::Fault::CutRestKept {
        let socket = handle.transport().socket();
        sim.with(|kernel| kernel.receive(socket, &mut [0; 50])).unwrap();
        handle.set_verdict(id, Verdict::Accept, None).unwrap();
    } else {
        another.set_verdict(id, Verdict::Accept, None).unwrap();
    }
    assert_eq!(left(&sim), Some(queued(100)));
}

#[test]
fn a_frame_can_be_read_when_its_packet_is_dropped() {
    let (sim, handle) = listening(IdReuse::LastFreedFirst);
    let serial = sim.inject("tap0", frame(100)).unwrap();
    sim.with(|kernel| kernel.set_link("tap0", false)).unwrap();
    assert_eq!(sim.fate(serial), Some(Fate::Dropped(DropReason::DeviceDown)));
    assert_eq!(read(&handle).1, queued(100));
}

#[rstest]
#[case::read(true)]
#[case::unread(false)]
fn a_packet_that_is_queued_again_has_its_bytes(#[case] read_first: bool) {
    let (sim, handle) = listening(IdReuse::LastFreedFirst);
    sim.inject("tap0", frame(100)).unwrap();
    let (id, packet) = if read_first { read(&handle) } else { peek(&sim, &handle) };
    handle.set_verdict(id, Verdict::Queue, None).unwrap();
    if !read_first {
        assert_eq!(read(&handle), (id, packet.clone()));
    }
    let (again, bytes) = read(&handle);
    assert_ne!(again, id, "it has its new entry before the old one is free");
    assert_eq!(bytes, packet);
    handle.set_verdict(again, Verdict::Accept, None).unwrap();
    assert_eq!(left(&sim), Some(queued(100)));
}
