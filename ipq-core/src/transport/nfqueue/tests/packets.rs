//! Tests of the PACKET frame of a packet, at each hook and for each family.

use super::super::translate::datagram::{Received, Translated};
use super::super::translate::headroom::{FRAME_HEAD, Origin};
use super::super::translate::packet::metadata;
use super::{PEER, attribute, attribute_of, body, devices, message, options, packet_header, translated};
use crate::wire::nfnetlink::QueuedPacket;
use crate::wire::{Abi, Hook, Message, PacketMetadata};
use pretty_assertions::assert_eq;
use rstest::rstest;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Returns a packet message at `hook` with every attribute that a frame shows. The packet comes in
/// by eth0 and goes out by lo.
fn everything(hook: u8, payload: &[u8]) -> Vec<u8> {
    let attributes = [
        packet_header(0x0102_0304, IPV4, hook),
        attribute(5, &2_u32.to_be_bytes()),
        attribute(6, &1_u32.to_be_bytes()),
        attribute(3, &0xa0b0_c0d0_u32.to_be_bytes()),
        attribute(9, &[0, 6, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0]),
        attribute(
            4,
            &[1_000_000_007_u64.to_be_bytes(), 999_999_u64.to_be_bytes()].concat(),
        ),
        attribute_of(payload.len() as u16 + 4, 10, payload),
    ];
    message(0x0300, 0, 0, &body(2, &attributes))
}

fn read(datagram: &[u8]) -> (PacketMetadata, Vec<u8>) {
    let (result, buffer) = translated(datagram, 4096, true);
    let Ok(Translated::Packet { frame: length, .. }) = result else {
        panic!("{result:?}");
    };
    match Message::parse(&buffer[..length], Abi::NATIVE) {
        Ok(Message::Packet(packet)) => (packet.metadata(), packet.payload().to_vec()),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::small(0)]
#[case::odd(1)]
#[case::to_the_end_of_what_is_beside(387)]
#[case::one_byte_beyond(389)]
#[case::long(1500)]
fn everything_that_is_said_is_passed_on(#[case] length: usize) {
    let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
    let (metadata, read) = read(&everything(2, &payload));
    assert_eq!(read, payload);
    insta::allow_duplicates! {
        insta::assert_debug_snapshot!(metadata, @r#"
        PacketMetadata {
            packet_id: PacketId(
                16909060,
            ),
            mark: Mark(
                2695938256,
            ),
            timestamp: Timestamp {
                seconds: 1000000007,
                microseconds: 999999,
            },
            hook: Forward,
            indev_name: "eth0",
            outdev_name: "lo",
            hw_protocol: EtherType(
                2048,
            ),
            hw_type: 1,
            hw_address: HardwareAddress(01:02:03:04:05:06),
        }
        "#);
    }
}

#[rstest]
#[case::prerouting(0, "eth0", "", 1)]
#[case::input(1, "eth0", "", 1)]
#[case::forward(2, "eth0", "lo", 1)]
#[case::output(3, "", "lo", 0)]
#[case::postrouting(4, "", "lo", 0)]
fn each_hook_has_the_devices_that_ip_queue_named(
    #[case] hook: u8,
    #[case] incoming: &str,
    #[case] outgoing: &str,
    #[case] hw_type: u16,
) {
    let (metadata, _) = read(&everything(hook, b"packet"));
    assert_eq!(metadata.hook, Hook::from_wire(hook.into()));
    assert_eq!(
        (metadata.indev_name, metadata.outdev_name),
        (incoming.parse().unwrap(), outgoing.parse().unwrap())
    );
    assert_eq!(
        (metadata.hw_type, metadata.hw_address.as_bytes().len()),
        (hw_type, 6 * usize::from(hw_type))
    );
}

/// Returns an IPv6 packet with an `ICMPv6` header of type `kind`. If `hop_by_hop`, there is a
/// header of hop-by-hop options before that.
fn icmpv6(kind: u8, hop_by_hop: bool) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[6] = if hop_by_hop { 0 } else { 58 };
    if hop_by_hop {
        packet.extend([58, 0, 5, 2, 0, 0, 1, 0]);
    }
    packet.extend([kind, 0, 0, 0]);
    packet
}

#[rstest]
#[case::ipv4_output(2, 3, 0, vec![0x45; 20], 0)]
#[case::ipv4_local_postrouting(2, 4, 0, vec![0x45; 20], IPV4)]
#[case::ipv4_forwarded(2, 4, 2, vec![0x45; 20], IPV4)]
#[case::ipv4_input(2, 1, 2, vec![0x45; 20], IPV4)]
#[case::ipv6_output(10, 3, 0, vec![0x60; 60], 0)]
#[case::ipv6_local_postrouting(10, 4, 0, vec![0x60; 60], 0)]
#[case::ipv6_forwarded(10, 4, 2, vec![0x60; 60], IPV6)]
#[case::ipv6_input(10, 1, 2, vec![0x60; 60], IPV6)]
#[case::neighbour_solicitation(10, 3, 0, icmpv6(135, false), IPV6)]
#[case::listener_report(10, 3, 0, icmpv6(143, true), IPV6)]
#[case::listener_report_at_postrouting(10, 4, 0, icmpv6(143, true), IPV6)]
#[case::echo_request(10, 3, 0, icmpv6(128, false), 0)]
#[case::echo_request_behind_a_header(10, 3, 0, icmpv6(128, true), 0)]
#[case::cut_before_the_type(10, 3, 0, icmpv6(135, false)[..40].to_vec(), 0)]
#[case::nothing_to_look_at(10, 3, 0, vec![], 0)]
fn the_protocol_is_what_the_kernel_of_the_time_knew(
    #[case] family: u8,
    #[case] hook: u8,
    #[case] incoming: u32,
    #[case] payload: Vec<u8>,
    #[case] expected: u16,
) {
    let mut attributes = vec![packet_header(1, if family == 2 { IPV4 } else { IPV6 }, hook)];
    if incoming != 0 {
        attributes.push(attribute(5, &incoming.to_be_bytes()));
    }
    attributes.push(attribute(10, &payload));
    let datagram = message(0x0300, 0, 0, &body(family, &attributes));
    let packet = QueuedPacket::parse(&datagram, datagram.len()).expect("a packet");
    assert_eq!(metadata(&packet, &payload, devices).hw_protocol.0, expected);
}

#[rstest]
#[case::ipv6(10)]
#[case::bridge(7)]
#[case::none(0)]
fn a_packet_of_another_family_is_told_by_its_id(#[case] family: u8) {
    let datagram = message(0x0300, 0, 0, &body(family, &[packet_header(77, IPV6, 1)]));
    assert_eq!(translated(&datagram, 2048, true).0, Ok(Translated::OtherFamily(77)));
}

#[test]
fn a_device_that_is_unknown_has_no_name() {
    let datagram = message(
        0x0300,
        0,
        0,
        &body(2, &[packet_header(1, IPV4, 1), attribute(5, &9_u32.to_be_bytes())]),
    );
    let (metadata, payload) = read(&datagram);
    assert!(metadata.indev_name.is_empty() && payload.is_empty());
}

#[rstest]
fn of_a_datagram_that_was_cut_the_frame_has_what_came(#[values(0, 1, 20, 36, FRAME_HEAD)] at: usize) {
    let payload: Vec<u8> = (0..900).map(|index: usize| index as u8).collect();
    let datagram = everything(2, &payload);
    let (whole, frame) = translated(&datagram, FRAME_HEAD + 900, true);
    for cut in 1..=payload.len() {
        let copied = datagram.len() - cut;
        let mut buffer = vec![0xee; at + copied];
        buffer[at..].copy_from_slice(&datagram[..copied]);
        let received = Received {
            origin: Origin::InBuffer(at),
            copied,
            length: datagram.len(),
            options: &options(),
            peer: PEER,
        };
        assert_eq!(received.translate(&mut buffer, devices, || true), whole);
        let came = (frame.len() - cut).min(buffer.len());
        assert_eq!(buffer[..came], frame[..came], "{cut} bytes cut");
    }
}

#[test]
fn where_there_are_no_bytes_of_a_packet_nothing_comes_before_them() {
    let (result, _) = translated(&everything(2, &[]), 2048, true);
    assert!(
        matches!(result, Ok(Translated::Packet { before: None, .. })),
        "{result:?}"
    );
}

#[test]
fn a_buffer_of_any_length_has_as_much_of_the_frame_as_fits() {
    let payload: Vec<u8> = (0..900).map(|index: usize| index as u8).collect();
    let datagram = everything(2, &payload);
    let (whole, frame) = translated(&datagram, 112 + 900, true);
    let (frame_length, id) = (1012, 0x0102_0304);
    assert_eq!(
        whole,
        Ok(Translated::Packet {
            frame: frame_length,
            id,
            before: Some(datagram.len() - payload.len()),
        })
    );
    for room in 0..frame.len() {
        let (cut, buffer) = translated(&datagram, room, true);
        assert_eq!(cut, whole);
        assert_eq!(buffer, frame[..room], "{room} bytes");
    }
}
