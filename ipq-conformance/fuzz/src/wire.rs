//! The frames of `ip_queue`. What parses is written back byte for byte, in each ABI, except for
//! bytes that have no meaning.
//!
//! The input is a datagram. Its bytes also become typed values, which are written and must be read
//! as they were, as far as the ABI has room for them.

use crate::input::Input;
use ipq_core::transport::unix::protocol::{Answer, Request};
use ipq_core::wire::{
    Abi, CopyMode, Envelope, ErrorMessage, EtherType, Flags, Frame, HardwareAddress, Header, Hook, InterfaceName, Mark,
    Message, MessageType, ModeRequest, PacketId, PacketMessage, PacketMetadata, PortId, Timestamp, Verdict,
    VerdictRequest, WireError, WordSize, padding,
};

/// Checks the parsers of `ip_queue`'s frames, in each ABI, and those of the protocol between
/// programs and the emulator's server, on `bytes`.
pub fn check(bytes: &[u8]) {
    for abi in Abi::ALL {
        datagram(bytes, abi);
        values(bytes, abi);
    }
    names(bytes);
    if let Some(request) = Request::parse(bytes) {
        assert_eq!(request.write(), bytes);
    }
    if let Some(answer) = Answer::parse(bytes) {
        assert_eq!(answer.write(), bytes);
    }
}

fn datagram(bytes: &[u8], abi: Abi) {
    let Some(header) = Header::parse(bytes, abi) else {
        assert!(bytes.len() < Header::BYTES);
        let found = bytes.len();
        assert_eq!(Message::parse(bytes, abi).err(), Some(WireError::NoHeader { found }));
        return;
    };
    assert_eq!(header.write(abi)[..], bytes[..Header::BYTES]);
    let length = header.length as usize;
    let frame = Frame::parse(bytes, abi);
    if !(Header::BYTES..=bytes.len()).contains(&length) {
        let (stated, found) = (header.length, bytes.len());
        assert_eq!(frame, Err(WireError::HeaderLength { stated, found }));
        return;
    }
    let message = &bytes[..length];
    assert_eq!(
        frame,
        Ok(Frame {
            header,
            body: &message[Header::BYTES..]
        })
    );
    let read = Message::parse(bytes, abi);
    // The bytes after the message are not looked at (MSG-11).
    assert!(alike(&read, &Message::parse(message, abi)));
    match read {
        Ok(read) => written_back(message, header, read, abi),
        Err(error) => refused(message, header, error, abi),
    }
}

fn alike(one: &Result<Message<'_>, WireError>, other: &Result<Message<'_>, WireError>) -> bool {
    match (one, other) {
        (Ok(Message::Error(one)), Ok(Message::Error(other))) => one == other,
        (Ok(Message::Mode(one)), Ok(Message::Mode(other))) => one == other,
        (Ok(Message::Verdict(one, after)), Ok(Message::Verdict(other, following))) => {
            one == other && after == following
        }
        (Ok(Message::Packet(one)), Ok(Message::Packet(other))) => {
            (one.metadata(), one.payload()) == (other.metadata(), other.payload())
        }
        (Ok(Message::Unknown(one, body)), Ok(Message::Unknown(other, same))) => one == other && body == same,
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}

/// Writes the message that was read, and checks that this gives `message` again, except for bytes
/// that have no meaning.
fn written_back(message: &[u8], header: Header, read: Message<'_>, abi: Abi) {
    assert_eq!(read.message_type(), header.message_type);
    let envelope = Envelope {
        flags: header.flags,
        sequence: header.sequence,
        port_id: header.port_id,
    };
    let word = abi.word_bytes();
    let (head, following, unspecified) = match read {
        Message::Error(error) => {
            assert_eq!(error.quoted_header(abi), Header::parse(error.quoted, abi));
            assert_eq!(error.is_acknowledgement(), error.errno().0 == 0);
            let head = ErrorMessage::head(error.error, abi, envelope, error.quoted.len());
            (head, error.quoted, 0..0)
        }
        Message::Mode(request) => {
            // After the range come the other bytes of a verdict's structure, and those that libipq
            // sent beside (WIRE-7).
            let head = request.head(abi, envelope);
            let body = &message[Header::BYTES..];
            assert_eq!(body[0], head[Header::BYTES]);
            assert_eq!(
                body[word..2 * word],
                head[Header::BYTES + word..Header::BYTES + 2 * word]
            );
            assert!(alike(&Ok(read), &Message::parse(&head, abi)));
            return;
        }
        Message::Verdict(request, following) => {
            let whole = request.replacement(following);
            assert!(whole.is_none_or(|bytes| bytes == following && request.data_len == bytes.len() as u64));
            let head = request.head(abi, envelope, following.len());
            (head, following, Header::BYTES + 4..Header::BYTES + word)
        }
        Message::Packet(packet) => return packet_written_back(message, &packet, abi),
        Message::Unknown(number, body) => {
            assert_eq!(MessageType::from_wire(number), header.message_type);
            (header.write(abi), body, 0..0)
        }
    };
    let mut written = [&head, following].concat();
    written[unspecified.clone()].copy_from_slice(&message[unspecified]);
    assert_eq!(written, message);
}

/// Checks that the fixed part of a PACKET frame, without the header, is written back as it was
/// read. In the header only the length and the type have a meaning, and other bytes may follow the
/// payload (WIRE-4, WIRE-5).
fn packet_written_back(message: &[u8], packet: &PacketMessage<'_>, abi: Abi) {
    let payload = packet.payload();
    let fixed = Header::BYTES + abi.packet_message_bytes();
    assert!(std::ptr::eq(payload, &raw const message[fixed..fixed + payload.len()]));
    let head = packet.metadata().head(abi, payload.len());
    assert_eq!(head.len(), fixed);
    assert_eq!(
        Header::parse(&head, abi).map(|header| header.length as usize),
        Some(fixed + payload.len() + padding(payload.len()))
    );
    let mut written = head.to_vec();
    let unspecified = match abi.word {
        WordSize::Four => 65..68,
        WordSize::Eight => 81..88,
    };
    let unspecified = Header::BYTES + unspecified.start..Header::BYTES + unspecified.end;
    written[unspecified.clone()].copy_from_slice(&message[unspecified]);
    assert_eq!(written[Header::BYTES..], message[Header::BYTES..fixed]);
    assert!(packet.hw_address().as_bytes().len() <= HardwareAddress::WIRE_BYTES);
}

/// Checks that a message was refused for a good reason: what `error` says is true of the message.
fn refused(message: &[u8], header: Header, error: WireError, abi: Abi) {
    let body = &message[Header::BYTES..];
    let at_least = match header.message_type {
        MessageType::Error => ErrorMessage::BYTES,
        MessageType::Mode | MessageType::Verdict => abi.request_bytes(),
        MessageType::Packet => abi.packet_message_bytes(),
        MessageType::Unknown(_) => panic!("{error}"),
    };
    match error {
        WireError::BodyTooShort {
            message_type,
            needed,
            found,
        } => {
            assert_eq!(
                (message_type, needed, found),
                (header.message_type, at_least, body.len())
            );
            assert!(found < needed);
        }
        WireError::PayloadCut { stated, found } => {
            assert_eq!(found, body.len() - at_least);
            assert!(stated > found as u64);
        }
        WireError::HardwareAddress { stated } => {
            assert_eq!(stated, usize::from(body[4 * abi.word_bytes() + 40]));
            assert!(stated > HardwareAddress::WIRE_BYTES);
        }
        other => panic!("{other}"),
    }
    assert!(!error.to_string().is_empty());
}

/// Writes messages with values made from `bytes`, and checks that the same values are read from
/// them. Where the ABI has words of 4 bytes, the higher 4 bytes of a value of 8 are lost.
fn values(bytes: &[u8], abi: Abi) {
    let mut input = Input::new(bytes);
    let cut = |word: u64| match abi.word {
        WordSize::Four => u64::from(word as u32),
        WordSize::Eight => word,
    };
    let cut_signed = |word: i64| match abi.word {
        WordSize::Four => i64::from(word as i32),
        WordSize::Eight => word,
    };
    let (seconds, microseconds) = (input.u64().cast_signed(), input.u64().cast_signed());
    let metadata = PacketMetadata {
        packet_id: PacketId(input.u64()),
        mark: Mark(input.u64()),
        timestamp: Timestamp { seconds, microseconds },
        hook: Hook::from_wire(input.u32()),
        indev_name: InterfaceName::from_wire(input.array()),
        outdev_name: InterfaceName::from_wire(input.array()),
        hw_protocol: EtherType(input.u16()),
        hw_type: input.u16(),
        hw_address: HardwareAddress::from_wire(input.u8() % 9, input.array()).expect("at most 8 bytes"),
    };
    let envelope = Envelope {
        flags: Flags(input.u16()),
        sequence: input.u32(),
        port_id: PortId(input.u32()),
    };
    let (first, second, value) = (input.u64(), input.u64(), input.u32());
    let payload = input.rest();

    let frame = [
        &metadata.head(abi, payload.len()),
        payload,
        &[0; 3][..padding(payload.len())],
    ]
    .concat();
    let Ok(Message::Packet(read)) = Message::parse(&frame, abi) else {
        panic!("not a packet");
    };
    let expected = PacketMetadata {
        packet_id: PacketId(cut(metadata.packet_id.0)),
        mark: Mark(cut(metadata.mark.0)),
        timestamp: Timestamp {
            seconds: cut_signed(seconds),
            microseconds: cut_signed(microseconds),
        },
        ..metadata
    };
    assert_eq!((read.metadata(), read.payload()), (expected, payload));

    let mode = ModeRequest {
        mode: CopyMode::from_wire(value as u8),
        range: first,
    };
    let Ok(Message::Mode(read)) = Message::parse(&mode.head(abi, envelope), abi) else {
        panic!("not a mode");
    };
    assert_eq!((read.mode, read.range), (mode.mode, cut(first)));

    let verdict = VerdictRequest {
        verdict: Verdict::from_wire(value),
        packet_id: PacketId(first),
        data_len: second,
    };
    let datagram = [&verdict.head(abi, envelope, payload.len()), payload].concat();
    let Ok(Message::Verdict(read, following)) = Message::parse(&datagram, abi) else {
        panic!("not a verdict");
    };
    assert_eq!((read.verdict, following), (verdict.verdict, payload));
    assert_eq!((read.packet_id.0, read.data_len), (cut(first), cut(second)));
}

/// Checks that a device name made of a text is written and read back unchanged, and that any name
/// can be shown as text. Hardware addresses are checked, too.
fn names(bytes: &[u8]) {
    let text = str::from_utf8(bytes).unwrap_or_default();
    match text.parse::<InterfaceName>() {
        Ok(name) => {
            assert_eq!(name, *text);
            assert_eq!(InterfaceName::from_wire(name.to_wire()), name);
        }
        Err(_) => assert!(text.len() > 15 || text.contains('\0')),
    }
    if let Some(field) = bytes.first_chunk() {
        let name = InterfaceName::from_wire(*field);
        assert_eq!(name.to_wire(), *field);
        assert_eq!(name.is_empty(), name.as_bytes().is_empty());
        assert!(name.to_string().bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    }
    match HardwareAddress::try_from(bytes) {
        Ok(address) => assert_eq!(address.as_bytes(), bytes),
        Err(error) => assert!(error.stated > HardwareAddress::WIRE_BYTES),
    }
}
