//! The cases of topic `wire`: the layout of frames (WIRE).

use crate::suite::{Case, CaseResult, Packet, Request, Subject};
use crate::world::Capability;
use crate::world::topology::{TAP0, TAP1};
use ipq_core::wire::{ByteOrder, ErrorMessage, Flags, Header, MessageType, PortId};
use ipq_core::{CopyMode, Errno, Family, PacketId, Verdict};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::must(
            "wire/packet-type",
            "A packet comes in a message of type 0x13",
            &["WIRE-1"],
            packet_type,
        ),
        Case::must(
            "wire/packet-layout",
            "Each field of a PACKET message stands at its place in the C structure",
            &["WIRE-2"],
            packet_layout,
        ),
        Case::must(
            "wire/packet-layout-v6",
            "A PACKET message of IPv6 is laid out as one of IPv4",
            &["WIRE-2"],
            packet_layout_v6,
        ),
        Case::must(
            "wire/mode-layout",
            "The range of a mode message is the word after the padded value",
            &["WIRE-3"],
            mode_layout,
        ),
        Case::must(
            "wire/verdict-layout",
            "A verdict message is value, id and data length, each in a word of its own",
            &["WIRE-3", "VER-3"],
            verdict_layout,
        ),
        Case::must(
            "wire/packet-padding",
            "A PACKET frame is padded to 4 bytes, which its header counts and data_len does not",
            &["WIRE-4"],
            packet_padding,
        ),
        Case::must(
            "wire/packet-envelope",
            "A PACKET frame has flags 0, sequence 0 and port id 0",
            &["WIRE-5"],
            packet_envelope,
        ),
        Case::must(
            "wire/packet-envelope-after-request",
            "A PACKET frame takes no sequence from the requests before it",
            &["WIRE-5"],
            packet_envelope_after_request,
        ),
        Case::must(
            "wire/acknowledgement-quotes-header",
            "An acknowledgement quotes the header of its request and nothing more",
            &["WIRE-6"],
            acknowledgement_quotes_header,
        ),
        Case::must(
            "wire/verdict-acknowledgement-quotes-header",
            "The acknowledgement of a verdict with a replacement quotes its header only",
            &["WIRE-6"],
            verdict_acknowledgement_quotes_header,
        ),
        Case::must(
            "wire/long-mode-message",
            "A mode message with 16 bytes too many, as the original library sent it, is obeyed",
            &["WIRE-7"],
            long_mode_message,
        ),
        Case::must(
            "wire/long-mode-message-range",
            "What follows a mode message changes neither its mode nor its range",
            &["WIRE-7"],
            long_mode_message_range,
        )
        .needs(&[Capability::ProcText]),
    ]
}

fn packet_type(subject: &Subject) -> CaseResult {
    for family in Family::ALL {
        let socket = subject.attach(family)?;
        subject.inject(&Packet::udp(family))?;
        let frame = socket.expect_frame()?;
        let header = Header::parse(&frame, subject.abi());
        let seen = header.map(|header| header.message_type);
        subject.equal("the message type", &Some(MessageType::Packet), &seen)?;
        socket.expect_nothing()?;
    }
    Ok(())
}

fn packet_layout(subject: &Subject) -> CaseResult {
    expect_layout(subject, Family::Ipv4, [0x08, 0x00])
}

fn packet_layout_v6(subject: &Subject) -> CaseResult {
    expect_layout(subject, Family::Ipv6, [0x86, 0xdd])
}

/// Expects each field of a PACKET message but the time at an offset that was counted by hand. This
/// also checks the packet id that the parser of other cases finds. Of the hardware address, only
/// the first 6 bytes are looked at, since the others mean nothing.
fn expect_layout(subject: &Subject, family: Family, ether_type: [u8; 2]) -> CaseResult {
    let socket = subject.attach(family)?;
    let sent = Packet::udp(family);
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    let abi = subject.abi();
    let body = packet.frame.slice(Header::BYTES..);
    let word = abi.word_bytes();
    let field = |at: usize, length: usize| body.get(at..at + length).unwrap_or_default().to_vec();

    let hook = number(subject, 2, 4);
    let hook_at = 4 * word;
    subject.equal("packet_id", &number(subject, packet.id().0, word), &field(0, word))?;
    subject.equal("mark", &number(subject, 0, word), &field(word, word))?;
    subject.equal("hook", &hook, &field(hook_at, 4))?;
    subject.equal("indev_name", &name(TAP0.name), &field(hook_at + 4, 16))?;
    subject.equal("outdev_name", &name(TAP1.name), &field(hook_at + 20, 16))?;
    subject.equal("hw_protocol", &ether_type.to_vec(), &field(hook_at + 36, 2))?;
    subject.equal("hw_type", &number(subject, 1, 2), &field(hook_at + 38, 2))?;
    subject.equal("hw_addrlen", &vec![6], &field(hook_at + 40, 1))?;
    subject.equal("hw_addr", &TAP0.neighbour_mac.to_vec(), &field(hook_at + 41, 6))?;
    let expected = sent.forwarded().ip();
    let message_bytes = abi.packet_message_bytes();
    let data_len = field(message_bytes - word, word);
    subject.equal("data_len", &number(subject, expected.len() as u64, word), &data_len)?;
    let payload = field(message_bytes, expected.len());
    subject.equal_packets("the payload", &expected, &payload)
}

/// Returns the low `width` bytes of `value` in the machine's byte order.
fn number(subject: &Subject, value: u64, width: usize) -> Vec<u8> {
    match subject.abi().order {
        ByteOrder::Little => value.to_le_bytes()[..width].to_vec(),
        ByteOrder::Big => value.to_be_bytes()[8 - width..].to_vec(),
    }
}

/// Returns the content of the 16-byte field of a device name: the name, then zeros.
fn name(device: &str) -> Vec<u8> {
    let mut field = device.as_bytes().to_vec();
    field.resize(16, 0);
    field
}

fn mode_layout(subject: &Subject) -> CaseResult {
    let word = subject.abi().word_bytes();
    let mut body = vec![2];
    body.resize(word, 0);
    body.extend(number(subject, 21, word));
    body.resize(subject.abi().request_bytes(), 0);
    let socket = subject.open(Family::Ipv4)?;
    socket.request(&Request::raw(0x11, body))?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    subject.equal_packets("the copy", &sent.forwarded().ip()[..21], &packet.payload)
}

fn verdict_layout(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    let (dropped, accepted) = (Packet::udp4().identification(1), Packet::udp4().identification(2));
    subject.inject(&dropped)?;
    subject.inject(&accepted)?;
    let first = socket.expect_packet()?;
    let second = socket.expect_packet()?;
    for (id, value) in [(second.id(), 1), (first.id(), 0)] {
        let word = subject.abi().word_bytes();
        let mut body = number(subject, value, 4);
        body.resize(word, 0);
        body.extend(number(subject, id.0, word));
        body.extend(number(subject, 0, word));
        socket.request(&Request::raw(0x12, body))?;
    }
    socket.expect_nothing()?;
    subject.expect_forwarded(&accepted)?;
    subject.expect_not_forwarded()
}

fn packet_padding(subject: &Subject) -> CaseResult {
    let socket = subject.attach(Family::Ipv4)?;
    for length in 40..44 {
        let sent = Packet::udp4().length(length);
        subject.inject(&sent)?;
        let packet = socket.expect_packet()?;
        subject.equal_packets("the payload", &sent.forwarded().ip(), &packet.payload)?;
        let padded = (Header::BYTES + subject.abi().packet_message_bytes() + length).next_multiple_of(4);
        let stated = Header::parse(&packet.frame, subject.abi()).map(|header| header.length as usize);
        subject.equal("the length of the frame", &padded, &packet.frame.len())?;
        subject.equal("the length in the header", &Some(padded), &stated)?;
    }
    socket.expect_nothing()
}

fn packet_envelope(subject: &Subject) -> CaseResult {
    for family in Family::ALL {
        let socket = subject.attach(family)?;
        subject.inject_many(&Packet::udp(family), 2)?;
        expect_empty_envelope(subject, &socket.expect_frame()?)?;
        expect_empty_envelope(subject, &socket.expect_frame()?)?;
    }
    Ok(())
}

fn packet_envelope_after_request(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let request = socket.request(&Request::mode(CopyMode::Meta, 0).sequence(0x0102_0304).ack())?;
    socket.expect_ack(&request)?;
    subject.inject(&Packet::udp4())?;
    expect_empty_envelope(subject, &socket.expect_frame()?)
}

fn expect_empty_envelope(subject: &Subject, frame: &[u8]) -> CaseResult {
    let header = Header::parse(frame, subject.abi()).ok_or_else(|| subject.fail("the frame has no header"))?;
    subject.equal("the flags", &Flags::NONE, &header.flags)?;
    subject.equal("the sequence", &0, &header.sequence)?;
    subject.equal("the port id", &PortId::KERNEL, &header.port_id)
}

fn acknowledgement_quotes_header(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    let request = socket.request(&Request::mode(CopyMode::Packet, 100).ack())?;
    socket.expect_ack(&request)?;
    socket.expect_nothing()
}

fn verdict_acknowledgement_quotes_header(subject: &Subject) -> CaseResult {
    let (socket, packet) = subject.queued(&Packet::udp4())?;
    let replacement = Packet::udp4().payload(*b"changed").forwarded().ip();
    let verdict = Request::verdict(packet.id(), Verdict::Accept).replacement(&replacement);
    let request = socket.request(&verdict.sequence(5).ack())?;
    let reply = socket.expect_frame()?;
    let expected = Header::BYTES + ErrorMessage::BYTES;
    subject.equal("the length of the acknowledgement", &expected, &reply.len())?;
    let quoted = reply.slice(Header::BYTES + 4..);
    subject.equal("the quoted header", &request.slice(..Header::BYTES), &quoted)?;
    subject.expect_sent(&TAP1, &replacement)
}

fn long_mode_message(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv4)?;
    socket.request(&Request::mode(CopyMode::Packet, 0).following(&[0xa5; 16]))?;
    socket.expect_nothing()?;
    let sent = Packet::udp4();
    subject.inject(&sent)?;
    let packet = socket.expect_packet()?;
    subject.equal_packets("the packet", &sent.forwarded().ip(), &packet.payload)
}

fn long_mode_message_range(subject: &Subject) -> CaseResult {
    let socket = subject.open(Family::Ipv6)?;
    let request = socket.request(&Request::mode(CopyMode::Packet, 77).following(&[0xff; 16]).ack())?;
    socket.expect_ack(&request)?;
    let text = subject.proc(Family::Ipv6)?;
    subject.equal("the copy mode", &2, &text.copy_mode)?;
    subject.equal("the copy range", &77, &text.copy_range)?;
    let refused = socket.request(&Request::verdict(PacketId(7), Verdict::Drop).following(&[0xff; 16]))?;
    socket.expect_error(Errno::ENOENT, &refused)
}
