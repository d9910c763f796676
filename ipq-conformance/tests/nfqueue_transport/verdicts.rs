//! Tests of what verdicts do, and of what becomes of a replacement.

use super::host::Host;
use super::program::{Program, arrived, sockets};
use etherparse::PacketBuilder;
use ipq_core::transport::TransportError;
use ipq_core::wire::{Abi, Header, VerdictRequest};
use ipq_core::{Errno, Error, Family, Hook, PacketId, Verdict};
use pretty_assertions::assert_eq;

tests![
    each_verdict_does_what_it_says,
    a_replacement_of_any_length_arrives_intact,
    a_replacement_that_does_not_count_leaves_the_packet,
];

fn each_verdict_does_what_it_says(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    host.queue_all(Family::Ipv4, Hook::Input);
    let [sender, receiver] = sockets("127.0.0.1");
    let send = |bytes: &[u8]| {
        sender.send(bytes).expect("sent");
        program.packet().0.packet_id
    };
    program.decide(send(b"dropped"), Verdict::Drop);
    for verdict in [Verdict::Queue, Verdict::Repeat] {
        let first = send(b"again");
        program.decide(first, verdict);
        let (metadata, packet) = program.packet();
        assert_ne!(metadata.packet_id, first, "{verdict}");
        assert_eq!(&packet[28..], b"again", "{verdict}");
        program.decide(metadata.packet_id, Verdict::Drop);
    }
    program.decide(send(b"accepted"), Verdict::Accept);
    let (metadata, _) = program.packet();
    assert_eq!(metadata.hook, Hook::Input);
    program.decide(metadata.packet_id, Verdict::Stop);
    assert_eq!(arrived(&receiver), b"accepted", "nothing but this came");
    program.nothing();
}

fn a_replacement_of_any_length_arrives_intact(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, receiver] = sockets("127.0.0.1");
    // From 4069 on, the packet has more than 4096 bytes, and is no longer copied behind its
    // verdict. The last length makes a packet of 65,531 bytes, the longest that nfnetlink can
    // carry.
    let long = [
        483, 484, 485, 1471, 1472, 1473, 4067, 4068, 4069, 30_001, 65_502, 65_503,
    ];
    for length in (0..20).chain(long) {
        sender.send(b"thirteen byte").expect("sent");
        let (metadata, packet) = program.packet();
        let payload: Vec<u8> = (0..length).map(|index: usize| index as u8).collect();
        let replacement = rewritten(&packet, &payload);
        let sent = program
            .handle
            .set_verdict(metadata.packet_id, Verdict::Queue, Some(&replacement));
        assert_eq!(
            sent,
            Ok(Header::BYTES + Abi::NATIVE.request_bytes() + replacement.len())
        );
        let (metadata, packet) = program.packet();
        assert_eq!(packet, replacement, "VER-9 at {length} bytes");
        program.decide(metadata.packet_id, Verdict::Accept);
        assert_eq!(arrived(&receiver), payload);
    }
    let too_long = program
        .handle
        .set_verdict(PacketId(1), Verdict::Accept, Some(&vec![0; 65_532]));
    assert_eq!(too_long, Err(Error::Send(TransportError::System(Errno::EMSGSIZE))));
    program.nothing();
}

fn a_replacement_that_does_not_count_leaves_the_packet(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, receiver] = sockets("127.0.0.1");
    let accept = |payload: &[u8], data_len: u64| {
        sender.send(b"as it was").expect("sent");
        let request = VerdictRequest {
            verdict: Verdict::Accept,
            packet_id: program.packet().0.packet_id,
            data_len,
        };
        program.send(&request.head(Abi::NATIVE, program.envelope(), payload.len()), payload);
        assert_eq!(arrived(&receiver), b"as it was");
    };
    accept(&[0x45; 19], 19);
    accept(&[0x45; 40], 39);
    accept(&[0x45; 40], 0);
    accept(&[], 40);
    program.nothing();
}

/// Returns a UDP packet with `payload` and with the addresses and ports of `packet`, whose header
/// has no options. Its lengths and checksums are right.
pub(crate) fn rewritten(packet: &[u8], payload: &[u8]) -> Vec<u8> {
    let bytes = |at: usize| -> [u8; 4] { packet[at..at + 4].try_into().expect("four bytes") };
    let port = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let mut rewritten = Vec::new();
    PacketBuilder::ipv4(bytes(12), bytes(16), 64)
        .udp(port(20), port(22))
        .write(&mut rewritten, payload)
        .expect("a packet");
    rewritten
}
