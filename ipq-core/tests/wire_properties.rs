//! Tests of what must hold for any bytes and any values, in all four ABIs.

use ipq_core::wire::{
    Abi, CopyMode, Envelope, ErrorMessage, EtherType, Flags, Frame, HardwareAddress, Header, Hook, InterfaceName, Mark,
    Message, MessageMut, MessageType, ModeRequest, PacketId, PacketMessage, PacketMetadata, PortId, Timestamp, Verdict,
    VerdictRequest, WordSize, padding,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::Range;

fn abi() -> impl Strategy<Value = Abi> {
    select(&Abi::ALL[..])
}

/// Draws a number that fits a word of `abi`.
fn word(abi: Abi) -> impl Strategy<Value = u64> {
    any::<u64>().prop_map(move |value| match abi.word {
        WordSize::Four => value & u64::from(u32::MAX),
        WordSize::Eight => value,
    })
}

fn signed_word(abi: Abi) -> impl Strategy<Value = i64> {
    any::<i64>().prop_map(move |value| match abi.word {
        WordSize::Four => i64::from(value as i32),
        WordSize::Eight => value,
    })
}

fn header() -> impl Strategy<Value = Header> {
    any::<(u32, u16, u16, u32, u32)>().prop_map(|(length, message_type, flags, sequence, port_id)| Header {
        length,
        message_type: MessageType::from_wire(message_type),
        flags: Flags(flags),
        sequence,
        port_id: PortId(port_id),
    })
}

fn envelope() -> impl Strategy<Value = Envelope> {
    header().prop_map(|header| Envelope {
        flags: header.flags,
        sequence: header.sequence,
        port_id: header.port_id,
    })
}

fn interface_name() -> impl Strategy<Value = InterfaceName> {
    any::<[u8; 16]>().prop_map(InterfaceName::from_wire)
}

fn metadata(abi: Abi) -> impl Strategy<Value = PacketMetadata> {
    let words = (word(abi), word(abi), signed_word(abi), signed_word(abi));
    let names = (interface_name(), interface_name());
    let address = (0..=8_u8, any::<[u8; 8]>());
    (words, any::<u32>(), names, any::<(u16, u16)>(), address).prop_map(
        |((packet_id, mark, seconds, microseconds), hook, names, (hw_protocol, hw_type), (length, field))| {
            PacketMetadata {
                packet_id: PacketId(packet_id),
                mark: Mark(mark),
                timestamp: Timestamp { seconds, microseconds },
                hook: Hook::from_wire(hook),
                indev_name: names.0,
                outdev_name: names.1,
                hw_protocol: EtherType(hw_protocol),
                hw_type,
                hw_address: HardwareAddress::from_wire(length, field).expect("at most 8 bytes"),
            }
        },
    )
}

fn verdict_request(abi: Abi) -> impl Strategy<Value = VerdictRequest> {
    (any::<u32>(), word(abi), word(abi)).prop_map(|(verdict, packet_id, data_len)| VerdictRequest {
        verdict: Verdict::from_wire(verdict),
        packet_id: PacketId(packet_id),
        data_len,
    })
}

/// Draws bytes that pass the first checks more often than random bytes do: a header with the right
/// length and a known type or 0x14, and any body. In half of the cases a long enough body has a
/// possible address length and `data_len` 0, where a packet message has these fields.
fn near_frame() -> impl Strategy<Value = (Abi, Vec<u8>)> {
    let types = select(vec![2_u16, 0x11, 0x12, 0x13, 0x14]);
    (abi(), types, vec(any::<u8>(), 0..160), any::<bool>()).prop_map(|(abi, message_type, mut body, possible)| {
        let size = abi.packet_message_bytes();
        if possible && body.len() >= size {
            body[4 * abi.word_bytes() + 40] %= 9;
            body[size - abi.word_bytes()..size].fill(0);
        }
        let header = Header {
            length: (Header::BYTES + body.len()) as u32,
            message_type: MessageType::from_wire(message_type),
            flags: Flags::NONE,
            sequence: 0,
            port_id: PortId::KERNEL,
        };
        (abi, [&header.write(abi), &body[..]].concat())
    })
}

/// Returns the range of addresses of `bytes` in memory.
fn place(bytes: &[u8]) -> Range<*const u8> {
    bytes.as_ptr_range()
}

fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty() || (place(whole).start <= place(part).start && place(part).end <= place(whole).end)
}

/// Runs the readers of `ip_queue` messages over `bytes`. Checks, among others, that bodies,
/// payloads and quotations in the results are parts of `bytes`.
fn read_everything(bytes: &[u8], abi: Abi) -> Result<(), TestCaseError> {
    let _ = Header::parse(bytes, abi);
    let _ = ModeRequest::parse(bytes, abi);
    if let Ok(frame) = Frame::parse(bytes, abi) {
        prop_assert!(lies_in(frame.body, bytes));
        prop_assert_eq!(frame.body.len() + Header::BYTES, frame.header.length as usize);
    }
    if let Ok((request, following)) = VerdictRequest::parse(bytes, abi) {
        prop_assert!(lies_in(following, bytes));
        if let Some(replacement) = request.replacement(following) {
            prop_assert_eq!(replacement.len() as u64, request.data_len);
        }
    }
    if let Ok(message) = ErrorMessage::parse(bytes, abi) {
        prop_assert!(lies_in(message.quoted, bytes));
        prop_assert!(message.quoted_header(abi).is_some());
        let _ = (message.errno().to_string(), message.is_acknowledgement());
    }
    if let Ok(packet) = PacketMessage::parse(bytes, abi) {
        prop_assert!(lies_in(packet.payload(), bytes));
        let _ = format!("{packet:?}");
    }
    let mut changeable = bytes.to_vec();
    let [start, start_of_changeable] = [place(bytes), place(&changeable)].map(|place| place.start.addr());
    match (Message::parse(bytes, abi), MessageMut::parse(&mut changeable, abi)) {
        (Ok(Message::Packet(packet)), Ok(MessageMut::Packet(same))) => {
            prop_assert_eq!(format!("{packet:?}"), format!("{same:?}"));
            prop_assert_eq!(packet.packet_id(), same.packet_id());
            let [payload, other] = [packet.payload(), same.into_payload()];
            prop_assert_eq!(payload, other);
            prop_assert_eq!(
                place(payload).start.addr() - start,
                place(other).start.addr() - start_of_changeable
            );
        }
        (Ok(message), Ok(MessageMut::Other(same))) => prop_assert_eq!(format!("{message:?}"), format!("{same:?}")),
        (message, same) => prop_assert_eq!(message.err(), same.err()),
    }
    match Message::parse(bytes, abi) {
        Ok(message) => drop(format!("{} {message:?}", message.message_type())),
        Err(error) => drop(error.to_string()),
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(abi in abi(), bytes in vec(any::<u8>(), 0..400)) {
        read_everything(&bytes, abi)?;
    }

    #[test]
    fn almost_frames_are_read_without_panic((abi, bytes) in near_frame()) {
        read_everything(&bytes, abi)?;
        read_everything(&bytes[Header::BYTES..], abi)?;
    }

    #[test]
    fn a_header_is_read_as_it_was_written(abi in abi(), header in header()) {
        let bytes = header.write(abi);
        prop_assert_eq!(bytes.len(), Header::BYTES);
        prop_assert_eq!(Header::parse(&bytes, abi), Some(header));
    }

    #[test]
    fn a_packet_is_read_as_it_was_written(
        (abi, metadata) in abi().prop_flat_map(|abi| (Just(abi), metadata(abi))),
        payload in vec(any::<u8>(), 0..100),
        pad in any::<[u8; 3]>(),
    ) {
        let head = metadata.head(abi, payload.len());
        let pad = &pad[..padding(payload.len())];
        let datagram = [&head, &payload[..], pad].concat();
        let Message::Packet(packet) = Message::parse(&datagram, abi)? else {
            return Err(TestCaseError::fail("not a packet"));
        };
        prop_assert_eq!(packet.metadata(), metadata);
        prop_assert_eq!(packet.payload(), &payload[..]);
        prop_assert_eq!(packet.metadata().head(abi, packet.payload().len()), head);
    }

    #[test]
    fn a_mode_is_read_as_it_was_written(
        (abi, range) in abi().prop_flat_map(|abi| (Just(abi), word(abi))),
        mode in any::<u8>().prop_map(CopyMode::from_wire),
        envelope in envelope(),
    ) {
        let request = ModeRequest { mode, range };
        let datagram = request.head(abi, envelope);
        let frame = Frame::parse(&datagram, abi)?;
        prop_assert_eq!(frame.header.length as usize, datagram.len());
        prop_assert_eq!((frame.header.flags, frame.header.sequence), (envelope.flags, envelope.sequence));
        prop_assert_eq!(frame.header.port_id, envelope.port_id);
        let read = ModeRequest::parse(frame.body, abi)?;
        prop_assert_eq!(read, request);
        prop_assert_eq!(read.head(abi, envelope), datagram);
    }

    #[test]
    fn a_verdict_is_read_as_it_was_written(
        (abi, request) in abi().prop_flat_map(|abi| (Just(abi), verdict_request(abi))),
        envelope in envelope(),
        payload in vec(any::<u8>(), 0..100),
    ) {
        let head = request.head(abi, envelope, payload.len());
        let datagram = [&head, &payload[..]].concat();
        let frame = Frame::parse(&datagram, abi)?;
        let (read, following) = VerdictRequest::parse(frame.body, abi)?;
        prop_assert_eq!(read, request);
        prop_assert_eq!(following, &payload[..]);
        prop_assert_eq!(read.head(abi, envelope, following.len()), head);
    }

    #[test]
    fn an_error_is_read_as_it_was_written(
        abi in abi(),
        error in any::<i32>(),
        envelope in envelope(),
        quoted in vec(any::<u8>(), 16..100),
    ) {
        let head = ErrorMessage::head(error, abi, envelope, quoted.len());
        let datagram = [&head, &quoted[..], &[0; 3][..padding(quoted.len())]].concat();
        let Message::Error(read) = Message::parse(&datagram, abi)? else {
            return Err(TestCaseError::fail("not an error"));
        };
        prop_assert_eq!(read, ErrorMessage { error, quoted: &quoted });
        prop_assert_eq!(ErrorMessage::head(read.error, abi, envelope, read.quoted.len()), head);
    }

    /// Checks that a packet message that was read is written with the same bytes, up to the end of
    /// the packet. Only the padding between the address and `data_len` may differ, since its values
    /// are not specified.
    #[test]
    fn a_packet_that_was_read_is_written_byte_for_byte((abi, mut bytes) in near_frame()) {
        bytes.drain(..Header::BYTES);
        if let Ok(packet) = PacketMessage::parse(&bytes, abi) {
            let head = packet.metadata().head(abi, packet.payload().len());
            let written = [&head[Header::BYTES..], packet.payload()].concat();
            let (end_of_address, data_len) = match abi.word {
                WordSize::Four => (65, 68),
                WordSize::Eight => (81, 88),
            };
            bytes.truncate(written.len());
            bytes[end_of_address..data_len].fill(0);
            prop_assert_eq!(written, bytes);
        }
    }

    /// Checks that a number which a word of the ABI can't hold is cut to its low 32 bits, as by a C
    /// assignment.
    #[test]
    fn a_word_that_does_not_fit_is_cut(range in any::<u64>()) {
        for abi in Abi::ALL {
            let datagram = ModeRequest { mode: CopyMode::Packet, range }.head(abi, Envelope::default());
            let read = ModeRequest::parse(&datagram[Header::BYTES..], abi)?;
            let expected = if abi.word == WordSize::Four { u64::from(range as u32) } else { range };
            prop_assert_eq!(read.range, expected);
        }
    }
}

/// Checks that a header states the largest number that its length field can hold if the true length
/// does not fit, and that no sum overflows.
#[test]
fn lengths_at_the_edge_of_usize_overflow_nothing() {
    for abi in Abi::ALL {
        for length in [u32::MAX as usize - 112, u32::MAX as usize, usize::MAX - 3, usize::MAX] {
            let request = VerdictRequest {
                verdict: Verdict::Accept,
                packet_id: PacketId(1),
                data_len: length as u64,
            };
            let heads = [
                request.head(abi, Envelope::default(), length),
                ErrorMessage::head(-22, abi, Envelope::default(), length),
            ];
            for head in heads {
                let stated = Header::parse(&head, abi).expect("a head begins with a header").length;
                assert!(stated as usize >= length.min(u32::MAX as usize), "{stated} {length}");
            }
        }
    }
}
