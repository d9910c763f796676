//! The queue's answers to messages, and the messages that get no answer.

use super::host::Host;
use super::program::{Program, mode_of, sockets};
use ipq_core::wire::{Abi, Envelope, Flags, Header, VerdictRequest};
use ipq_core::{CopyMode, Errno, Error, Family, PacketId, PortId, Verdict, Wait};
use pretty_assertions::assert_eq;

tests![
    an_acknowledgement_quotes_the_header,
    every_refusal_quotes_the_message,
    a_refused_verdict_is_quoted_as_the_handle_sent_it,
    some_messages_are_ignored,
    packets_between_request_and_answer_are_not_lost,
];

fn an_acknowledgement_quotes_the_header(_: &mut Host) {
    let program = Program::new(Family::Ipv4);
    let sent = program.send(&mode_of(CopyMode::Packet).head(Abi::NATIVE, numbered(&program, 5)), &[]);
    let (errno, header, quoted) = program.answer();
    assert_eq!(
        (errno, header.length, header.sequence),
        (Errno(0), 36, 0x1234_5678),
        "MSG-10"
    );
    assert_eq!(
        (header.flags, header.port_id),
        (Flags::NONE, program.handle.port_id()),
        "ERR-2"
    );
    assert_eq!(quoted, sent[..16], "WIRE-6");
    program.nothing();
    // A MODE message that is too long is accepted, and success is silent (WIRE-7, MSG-10).
    program.send(&long_mode(numbered(&program, 1)), &[]);
    program.nothing();
    program.send(&long_mode(numbered(&program, 5)), &[]);
    assert_eq!(program.answer().2[..4], 56_u32.to_ne_bytes());
}

fn every_refusal_quotes_the_message(_: &mut Host) {
    let program = Program::new(Family::Ipv4);
    program.handle.set_mode(CopyMode::Packet, 0).expect("attached");
    let verdict = |verdict, id, flags, following| {
        let request = VerdictRequest {
            verdict,
            packet_id: PacketId(id),
            data_len: 1400,
        };
        request.head(Abi::NATIVE, numbered(&program, flags), following).to_vec()
    };
    let accept = |flags, following| verdict(Verdict::Accept, 77, flags, following);
    let refused = |value| verdict(value, 77, 1, 5);
    let by = |port_id| Envelope {
        port_id: PortId(port_id),
        ..numbered(&program, 1)
    };
    let mode = |mode, envelope| mode_of(mode).head(Abi::NATIVE, envelope).to_vec();
    let longest = vec![7; 65_531];
    for (what, head, payload, expected) in [
        ("VER-2", accept(1, 5), &longest[..5], Errno::ENOENT),
        (
            "VER-2, with a replacement",
            accept(5, 1400),
            &longest[..1400],
            Errno::ENOENT,
        ),
        (
            "VER-2, with bytes that do not count",
            accept(5, 1399),
            &longest[..1399],
            Errno::ENOENT,
        ),
        ("VER-2, the longest", accept(1, 65_531), &longest, Errno::ENOENT),
        (
            "VER-2, a wide id",
            verdict(Verdict::Drop, 1 << 40, 1, 3),
            &longest[..3],
            Errno::ENOENT,
        ),
        ("VER-1, STOLEN", refused(Verdict::Stolen), &longest[..5], Errno::EINVAL),
        (
            "VER-1, above 5",
            refused(Verdict::Unknown(6)),
            &longest[..5],
            Errno::EINVAL,
        ),
        (
            "VER-1, upper half",
            refused(Verdict::Unknown(0x1_0001)),
            &longest[..5],
            Errno::EINVAL,
        ),
        ("MSG-2, no request", accept(4, 0), &[], Errno::EINVAL),
        ("MSG-2, multi", accept(3, 0), &[], Errno::EINVAL),
        ("MSG-2, port id", mode(CopyMode::Meta, by(1 << 31)), &[], Errno::EINVAL),
        ("MSG-3", accept(0x21, 0), &[], Errno::ECOMM),
        ("MSG-4, type 0", of_type(&accept(1, 0), 0), &[], Errno::EINVAL),
        ("MSG-4, type 0x14", of_type(&accept(1, 0), 0x14), &[], Errno::EINVAL),
        ("MSG-7, a header alone", stating(&accept(1, 0), 16), &[], Errno::EINVAL),
        ("MSG-7, one byte short", stating(&accept(1, 0), 39), &[], Errno::EINVAL),
        (
            "MSG-8",
            mode(CopyMode::Unknown(3), by(program.handle.port_id().0)),
            &[],
            Errno::EINVAL,
        ),
        ("MSG-9", of_type(&accept(1, 0), 0x13), &[], Errno::EINVAL),
        (
            "ATT-3",
            long_mode(by(program.handle.port_id().0 + 1)),
            &[],
            Errno::EBUSY,
        ),
    ] {
        let mut sent = program.send(&head, payload);
        sent.truncate(Header::parse(&sent, Abi::NATIVE).expect("a header").length as usize);
        let (errno, header, quoted) = program.answer();
        assert_eq!(errno, expected, "{what}");
        assert_eq!(quoted, sent, "{what}");
        assert_eq!(header.length as usize, Header::BYTES + 4 + sent.len(), "{what}: ERR-3");
        assert_eq!(
            (header.sequence, header.port_id),
            (0x1234_5678, program.handle.port_id()),
            "{what}: ERR-2"
        );
        program.nothing();
    }
}

/// Checks that the answer to a refused verdict quotes it byte for byte as it was sent. The
/// transport keeps no copy of a verdict, but builds it anew from what the kernel quotes.
fn a_refused_verdict_is_quoted_as_the_handle_sent_it(_: &mut Host) {
    let program = Program::new(Family::Ipv4);
    program.handle.set_mode(CopyMode::Packet, 0).expect("attached");
    let longest = vec![7; 65_531];
    for (verdict, replacement) in [
        (Verdict::Drop, &[][..]),
        (Verdict::Accept, &[]),
        (Verdict::Queue, &[]),
        (Verdict::Repeat, &longest[..20]),
        (Verdict::Stop, &longest[..21]),
        (Verdict::Accept, &longest),
        (Verdict::Accept, &longest[..19]),
    ] {
        let request = VerdictRequest {
            verdict,
            packet_id: PacketId(0xfedc_ba98),
            data_len: replacement.len() as u64,
        };
        let head = request.head(Abi::NATIVE, program.envelope(), replacement.len());
        let sent = program.send(&head, replacement);
        let (errno, header, quoted) = program.answer();
        assert_eq!((errno, header.sequence), (Errno::ENOENT, 0), "{request:?}");
        assert_eq!(quoted, sent, "{request:?}");
        program.nothing();
    }
    // A verdict whose padding is not zero is quoted with it.
    let request = VerdictRequest {
        verdict: Verdict::Accept,
        packet_id: PacketId(77),
        data_len: 0,
    };
    let mut head = request.head(Abi::NATIVE, program.envelope(), 0).to_vec();
    head[Header::BYTES + 4] = 1;
    let sent = program.send(&head, &[]);
    assert_eq!(program.answer().2, sent);
}

fn some_messages_are_ignored(_: &mut Host) {
    let program = Program::new(Family::Ipv4);
    let mode = mode_of(CopyMode::Packet).head(Abi::NATIVE, numbered(&program, 5));
    for (what, ignored) in [
        ("MSG-1, no header", mode[..15].to_vec()),
        ("MSG-1, length under 16", stating(&mode, 15)),
        ("MSG-1, length over the datagram's", stating(&mode, 41)),
        ("MSG-4, type 1", of_type(&mode, 1)),
        ("MSG-4, type 0x10", of_type(&mode, 0x10)),
    ] {
        program.send(&ignored, &[]);
        let read = program.handle.read(&mut [0; 100], Wait::Never).err();
        assert_eq!(read, Some(Error::TimedOut), "{what}");
    }
}

fn packets_between_request_and_answer_are_not_lost(host: &mut Host) {
    let program = Program::reading_output(host, Family::Ipv4);
    let [sender, _receiver] = sockets("127.0.0.1");
    sender.send(b"one").expect("sent");
    program.decide(PacketId(99), Verdict::Accept);
    sender.send(b"two").expect("sent");
    assert_eq!(&program.packet().1[28..], b"one");
    assert_eq!(program.answer().0, Errno::ENOENT);
    assert_eq!(&program.packet().1[28..], b"two");
    program.nothing();
}

/// Returns an envelope with the sequence number 0x12345678, these flags and the program's port id.
fn numbered(program: &Program, flags: u16) -> Envelope {
    Envelope {
        sequence: 0x1234_5678,
        flags: Flags(flags),
        ..program.envelope()
    }
}

/// Returns a MODE message that is 16 bytes too long.
fn long_mode(envelope: Envelope) -> Vec<u8> {
    let mode = [&mode_of(CopyMode::Packet).head(Abi::NATIVE, envelope)[..], &[9; 16]].concat();
    stating(&mode, 56)
}

fn stating(message: &[u8], length: u32) -> Vec<u8> {
    [&length.to_ne_bytes(), &message[4..]].concat()
}

fn of_type(message: &[u8], number: u16) -> Vec<u8> {
    [&message[..4], &number.to_ne_bytes(), &message[6..]].concat()
}
