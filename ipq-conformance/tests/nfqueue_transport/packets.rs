//! Tests of what a PACKET frame says, and of how much of the packet it has.

use super::host::Host;
use super::program::{Program, arrived, name, sockets};
use ipq_conformance::world::topology::TAP0;
use ipq_core::handle::Buffers;
use ipq_core::wire::{
    Abi, EtherType, HardwareAddress, Header, InterfaceName, Mark, Message, PacketMetadata, Timestamp,
};
use ipq_core::{CopyMode, Errno, Error, Family, Hook, PacketId, Transport, Verdict, Wait};
use pretty_assertions::assert_eq;

tests![
    a_packet_comes_with_everything_known_of_it,
    a_packet_from_a_device_names_it,
    a_renamed_device_has_its_new_name,
    packets_that_came_together_have_a_renamed_devices_new_name,
    a_device_going_down_takes_its_packets,
    the_copy_range_cuts_and_meta_has_no_bytes,
    in_mode_none_packets_are_dropped,
    a_buffer_that_is_long_enough_for_the_frame_gets_all_of_it,
    a_short_buffer_loses_the_rest,
];

fn a_packet_comes_with_everything_known_of_it(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    // The rules are set before there are packets, since a change of rules may drop queued ones.
    host.queue_all(Family::Ipv4, Hook::Input);
    let [sender, receiver] = sockets("127.0.0.1");
    sender.send(b"known").expect("sent");
    let (metadata, packet) = program.packet();
    let expected = PacketMetadata {
        packet_id: PacketId(1),
        mark: Mark::default(),
        timestamp: Timestamp::default(),
        hook: Hook::Output,
        indev_name: InterfaceName::NONE,
        outdev_name: name("lo"),
        hw_protocol: EtherType::NONE,
        hw_type: 0,
        hw_address: HardwareAddress::default(),
    };
    assert_eq!(metadata, expected);
    assert_eq!((packet.len(), &packet[28..]), (33, &b"known"[..]));
    program.nothing();
    program.decide(metadata.packet_id, Verdict::Accept);
    let (metadata, _) = program.packet();
    assert_eq!(
        (metadata.hook, metadata.indev_name, metadata.outdev_name),
        (Hook::Input, name("lo"), name(""))
    );
    assert_eq!(
        (metadata.hw_protocol, metadata.hw_type),
        (EtherType::IPV4, 772),
        "PKT-7"
    );
    assert_eq!(metadata.hw_address.as_bytes(), [0; 6], "PKT-7");
    program.decide(metadata.packet_id, Verdict::Accept);
    assert_eq!(arrived(&receiver), b"known");
}

fn a_packet_from_a_device_names_it(host: &mut Host) {
    let program = Program::reading(host, Family::Ipv4, Hook::Prerouting);
    host.arrive(b"by a device");
    let (metadata, packet) = program.packet();
    assert!(!metadata.timestamp.is_unset(), "PKT-8");
    assert!(
        (0..1_000_000).contains(&metadata.timestamp.microseconds),
        "{:?}",
        metadata.timestamp
    );
    assert_eq!(
        (metadata.hook, metadata.indev_name, metadata.outdev_name),
        (Hook::Prerouting, name(TAP0.name), name(""))
    );
    assert_eq!((metadata.hw_protocol, metadata.hw_type), (EtherType::IPV4, 1));
    assert_eq!(metadata.hw_address.as_bytes(), TAP0.neighbour_mac);
    assert_eq!(&packet[28..], b"by a device");
}

fn a_renamed_device_has_its_new_name(host: &mut Host) {
    let program = Program::reading(host, Family::Ipv4, Hook::Prerouting);
    let indev = |host: &Host| {
        host.arrive(b"by a device");
        let (metadata, _) = program.packet();
        // After it has found its queue empty, a program hears of changed devices with the next
        // packet.
        program.nothing();
        metadata.indev_name
    };
    assert_eq!(indev(host), name(TAP0.name));
    host.rename("a_longer_name_1");
    assert_eq!(indev(host), name("a_longer_name_1"));
}

fn packets_that_came_together_have_a_renamed_devices_new_name(host: &mut Host) {
    let program = Program::reading(host, Family::Ipv4, Hook::Prerouting);
    let mut buffers = Buffers::new(8, program.handle.buffer_for(0));
    for (old, new) in [(TAP0.name, "first"), ("first", "second"), ("second", "third")] {
        // The second packets are like the first, so that a template may translate them.
        for _ in 0..2 {
            (0..3).for_each(|_| host.arrive(b"by a device"));
            let messages = program.handle.read_many(&mut buffers, Wait::Never).expect("messages");
            assert_eq!(messages.map(indev).collect::<Vec<_>>(), [name(old); 3]);
        }
        host.rename(new);
    }
}

/// Returns the name of the device that a packet came in by. Panics if the message is no packet.
fn indev(message: Result<Message<'_>, Error>) -> InterfaceName {
    match message {
        Ok(Message::Packet(packet)) => packet.indev_name(),
        other => panic!("no packet: {other:?}"),
    }
}

fn a_device_going_down_takes_its_packets(host: &mut Host) {
    let program = Program::reading(host, Family::Ipv4, Hook::Prerouting);
    host.arrive(b"by a device");
    let (metadata, _) = program.packet();
    host.set_down();
    program.decide(metadata.packet_id, Verdict::Accept);
    assert_eq!(program.answer().0, Errno::ENOENT, "EVT-1");
}

fn the_copy_range_cuts_and_meta_has_no_bytes(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, _receiver] = sockets("127.0.0.1");
    let length = |mode, range| {
        program.handle.set_mode(mode, range).expect("a mode");
        sender.send(&[7; 1000]).expect("sent");
        program.packet().1.len()
    };
    assert_eq!(length(CopyMode::Packet, 0), 1028);
    assert_eq!(length(CopyMode::Packet, 29), 29);
    assert_eq!(length(CopyMode::Packet, 1027), 1027);
    assert_eq!(length(CopyMode::Packet, 1 << 20), 1028);
    assert_eq!(length(CopyMode::Packet, 3 | 1 << 32), 3, "MSG-8: cut to 32 bits");
    assert_eq!(length(CopyMode::Meta, 99), 0);
    program.nothing();
}

fn in_mode_none_packets_are_dropped(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, _receiver] = sockets("127.0.0.1");
    program.handle.set_mode(CopyMode::None, 7).expect("mode NONE");
    // The kernel may tell the sender that its packet was dropped.
    let _ = sender.send(b"dropped");
    program.nothing();
    program.handle.set_mode(CopyMode::Packet, 0).expect("mode PACKET");
    sender.send(b"queued").expect("sent");
    assert_eq!(&program.packet().1[28..], b"queued");
}

/// Checks that PACKET frames are read whole into buffers of several lengths, from exactly the
/// frame's length to far more.
fn a_buffer_that_is_long_enough_for_the_frame_gets_all_of_it(host: &mut Host) {
    const RANGE: usize = 630;
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, _receiver] = sockets("127.0.0.1");
    program
        .handle
        .set_mode(CopyMode::Packet, RANGE as u64)
        .expect("mode PACKET");
    let payload: Vec<u8> = (0..700_u32).map(|index| index as u8).collect();
    let frame = 112 + RANGE.next_multiple_of(4);
    for room in [
        frame,
        frame + 1,
        frame + 300,
        512 + RANGE - 1,
        512 + RANGE,
        program.handle.buffer_for(RANGE),
        70_000,
    ] {
        for _ in 0..4 {
            sender.send(&payload).expect("sent");
        }
        let mut buffer = vec![0xee; room];
        let mut buffers = Buffers::new(3, room);
        let one = program.handle.read(&mut buffer, Wait::Never);
        let others = program.handle.read_many(&mut buffers, Wait::Never).expect("messages");
        assert_eq!(others.len(), 3, "in {room} bytes");
        for message in others.chain([one]) {
            let Ok(Message::Packet(packet)) = message else {
                panic!("no packet in {room} bytes");
            };
            assert_eq!(packet.payload().len(), RANGE);
            assert_eq!(packet.payload()[28..], payload[..RANGE - 28], "in {room} bytes");
        }
    }
}

fn a_short_buffer_loses_the_rest(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, _receiver] = sockets("127.0.0.1");
    let whole = 112 + 628;
    for room in [20, 111, 112, 113, 300, whole - 1] {
        sender.send(&[7; 600]).expect("sent");
        sender.send(b"the next").expect("sent");
        let mut buffer = vec![0xee; room];
        let datagram = program
            .handle
            .transport()
            .receive(&mut buffer, Wait::Never)
            .expect("a packet");
        assert_eq!((datagram.copied, datagram.length), (room, whole));
        assert_eq!(
            Header::parse(&buffer, Abi::NATIVE).map(|header| header.length),
            Some(740),
            "SOCK-3"
        );
        assert!(buffer.iter().skip(140).all(|byte| *byte == 7));
        assert_eq!(&program.packet().1[28..], b"the next");
    }
}
