//! The translation between `ip_queue` and nfnetlink, both ways.
//!
//! The first byte of the input chooses the direction, and the state of the queue and the kernel.
//! The second is the length of the program's buffer in units of 8 bytes, or the error number with
//! which the simulated kernel answers. The rest is a datagram.
//!
//! - From the kernel: `ipq_core::wire` can read the packets and acknowledgements that datagrams are
//!   translated to. A packet's payload is in the datagram, and what an answer quotes is no longer
//!   than the datagram. Nothing is allocated. The short cut for packets that are like an earlier
//!   one (a template) gives the same frame as the translation without it.
//! - From a program: the datagram that is made is well-formed nfnetlink. The program's message is
//!   embedded in it byte for byte, unless the message is a plain verdict. Whatever the kernel
//!   answers, the program reads one answer that quotes the message as `ip_queue` did.
//! - Device events from the kernel: there are no more than the datagram has room for.

use ipq_core::transport::nfqueue::Options;
use ipq_core::transport::nfqueue::fuzzing::{Inward, devices, inward, inward_by_template, inward_in_place, outward};
use ipq_core::wire::nfnetlink::attribute::PAYLOAD;
use ipq_core::wire::nfnetlink::message_type::{CONFIG, VERDICT};
use ipq_core::wire::{Abi, Flags, Header, Message, MessageType, PortId, padding};
use ipq_core::{Errno, Family};

/// The port id of the program's socket.
pub(crate) const PROGRAM: PortId = PortId(4242);

/// The number of the queue that the translation uses.
pub(crate) const QUEUE: u16 = 7;

/// The length of the fixed part of a PACKET frame.
const FIXED: usize = Header::BYTES + Abi::NATIVE.packet_message_bytes();

/// The type of the transport's own attribute that holds bytes of the program's message.
const EMBEDDED: u16 = 0x3f01;
/// The type of the transport's own attribute that holds the error with which the message is to be
/// refused.
const REFUSAL: u16 = 0x3f02;

/// The bit of the first byte for a queue of IPv6. The two lowest bits choose the direction: 0 and 1
/// from the kernel, 2 from a program, 3 device events.
pub(crate) const IPV6: u8 = 4;
/// The bit of the first byte for a program that has `CAP_NET_ADMIN`.
pub(crate) const PERMITTED: u8 = 8;
/// The bit of the first byte for a queue that sends its packets to the program already. Without it,
/// nobody has attached to the queue yet.
pub(crate) const ATTACHED: u8 = 16;
/// The bit of the first byte for a kernel that pads what it quotes.
pub(crate) const PADS: u8 = 32;

/// Checks the translation that the first byte of `bytes` chooses.
pub fn check(bytes: &[u8]) {
    let [first, second, datagram @ ..] = bytes else {
        return;
    };
    let family = if first & IPV6 == 0 { Family::Ipv4 } else { Family::Ipv6 };
    let queue = Queue {
        options: Options {
            port_id: PROGRAM,
            queue_number: QUEUE,
            ..Options::new(family)
        },
        peer: if first & ATTACHED == 0 { PortId::KERNEL } else { PROGRAM },
        permitted: first & PERMITTED != 0,
    };
    match first & 3 {
        0 | 1 => from_kernel(datagram, usize::from(*second) * 8, &queue),
        2 => from_program(datagram, i32::from(*second), first & PADS != 0, &queue),
        _ => {
            let found = devices(datagram);
            assert!(found.len() <= datagram.len() / 32);
        }
    }
}

struct Queue {
    options: Options,
    peer: PortId,
    permitted: bool,
}

fn from_kernel(datagram: &[u8], room: usize, queue: &Queue) {
    let Queue {
        options,
        peer,
        permitted,
    } = queue;
    let mut buffer = vec![0xee; datagram.len() + 2 * FIXED];
    let mut result = None;
    let held = allocation_counter::measure(|| {
        result = Some(inward(datagram, &mut buffer, options, *peer, *permitted));
    });
    assert_eq!(held.count_total, 0);
    let Some(Ok(translated)) = result else {
        return;
    };
    let length = match translated {
        Inward::OtherFamily(_) | Inward::Answer(None, _) => return,
        Inward::Frame(length) => {
            packet(&buffer[..length], datagram);
            length
        }
        Inward::Answer(Some(length), _) => {
            answer(&buffer[..length], datagram, queue);
            length
        }
    };
    // The bytes beyond the frame and beyond what was received are unchanged.
    let touched = length.max(FIXED + datagram.len().saturating_sub(512));
    assert!(buffer[touched..].iter().all(|byte| *byte == 0xee));
    // The datagram becomes the same frame if the program's buffer is long enough to receive the
    // datagram itself.
    let mut whole = vec![0xee; buffer.len()];
    let mut result = None;
    let held = allocation_counter::measure(|| {
        result = Some(inward_in_place(datagram, room, &mut whole, options, *peer, *permitted));
    });
    assert_eq!((held.count_total, result), (0, Some(Ok(translated))));
    assert_eq!(whole[..length], buffer[..length]);
    templates(datagram, room, queue);
    // A shorter buffer gets the beginning of that frame.
    let mut short = vec![0xee; room];
    assert_eq!(inward(datagram, &mut short, options, *peer, *permitted), Ok(translated));
    let common = room.min(length);
    assert_eq!(short[..common], buffer[..common]);
}

/// Translates `first`, and a datagram that differs from it in one bit at most, by the template made
/// of `first`, the short cut for packets like it. Where the template matches, checks that it gives
/// the same frame as the translation without it.
fn templates(first: &[u8], room: usize, queue: &Queue) {
    let Queue {
        options,
        peer,
        permitted,
    } = queue;
    let mut second = first.to_vec();
    if let Some(byte) = second.get_mut(room / 8) {
        *byte ^= 1 << (room / 8 % 8);
    }
    for datagram in [first, &second] {
        let mut buffers = [(); 2].map(|()| vec![0xee; first.len() + 2 * FIXED]);
        let [known, by_itself] = &mut buffers;
        let Some(Inward::Frame(length)) = inward_by_template(first, datagram, room, known, options) else {
            continue;
        };
        let expected = inward_in_place(datagram, room, by_itself, options, *peer, *permitted);
        assert_eq!(expected, Ok(Inward::Frame(length)));
        assert_eq!(known[..length], by_itself[..length]);
    }
}

/// Checks the PACKET frame that `datagram` was translated to (WIRE-2, WIRE-4, WIRE-5).
fn packet(frame: &[u8], datagram: &[u8]) {
    let header = Header::parse(frame, Abi::NATIVE).expect("a header");
    assert_eq!(header.length as usize, frame.len());
    assert_eq!(
        (header.flags, header.sequence, header.port_id),
        (Flags::NONE, 0, PortId::KERNEL)
    );
    let Ok(Message::Packet(packet)) = Message::parse(frame, Abi::NATIVE) else {
        panic!("not a packet: {frame:02x?}");
    };
    let payload = packet.payload();
    assert_eq!(frame.len(), FIXED + payload.len() + padding(payload.len()));
    assert!(frame[FIXED + payload.len()..].iter().all(|byte| *byte == 0));
    assert!(payload.len() <= datagram.len());
    let end = Header::parse(datagram, Abi::NATIVE).expect("a header").length as usize;
    // The packet is the end of the message, apart from padding.
    let found = (0..4).any(|pad| {
        (end - pad)
            .checked_sub(payload.len())
            .is_some_and(|at| datagram[at..end - pad] == *payload)
    });
    assert!(found || payload.is_empty());
    assert!(packet.packet_id().0 <= u32::MAX.into() && packet.mark().0 <= u32::MAX.into());
}

/// Checks the answer that `datagram` was translated to (WIRE-6, ERR-2, ERR-3).
fn answer(frame: &[u8], datagram: &[u8], queue: &Queue) {
    let header = Header::parse(frame, Abi::NATIVE).expect("a header");
    let outer = Header::parse(datagram, Abi::NATIVE).expect("a header");
    let quoted = (header.length as usize)
        .checked_sub(Header::BYTES + 4)
        .expect("an error number");
    assert_eq!((header.message_type, header.flags), (MessageType::Error, Flags::NONE));
    assert_eq!(
        (header.sequence, header.port_id),
        (outer.sequence, queue.options.port_id)
    );
    assert_eq!(header.length as usize + padding(quoted), frame.len());
    assert!(quoted <= datagram.len());
    if datagram[16..20] == [0; 4] {
        let Ok(Message::Error(error)) = Message::parse(frame, Abi::NATIVE) else {
            panic!("no acknowledgement: {frame:02x?}");
        };
        assert!(error.is_acknowledgement());
        let quoted = Header::parse(error.quoted, Abi::NATIVE).expect("a header");
        assert_eq!((error.quoted.len(), quoted.port_id), (Header::BYTES, queue.peer));
        assert!(matches!(quoted.message_type, MessageType::Mode | MessageType::Verdict));
    }
}

fn from_program(message: &[u8], outcome: i32, pads: bool, queue: &Queue) {
    let Some(datagram) = outward(message, &queue.options, queue.peer) else {
        return;
    };
    let header = Header::parse(message, Abi::NATIVE).expect("what has no header is ignored");
    let message = &message[..header.length as usize];
    let (asked, after) = first_message(&datagram);
    if attributes(asked).any(|(kind, _)| kind == EMBEDDED) {
        assert_eq!(embedded(asked), message);
    } else {
        assert_eq!((message_type(asked), queue.peer), (VERDICT, header.port_id));
    }
    let kind = message_type(asked);
    let outcome = match kind {
        _ if !queue.permitted => Errno::EPERM.0,
        CONFIG | VERDICT => outcome,
        _ => Errno::EINVAL.0,
    };
    let asked_header = Header::parse(asked, Abi::NATIVE).expect("a header");
    let acknowledges = asked_header.flags.contains(Flags::ACK);
    if matches!(kind, CONFIG | VERDICT) {
        // Only a peer's message changes the kernel, so from now on the sender is the peer.
        assert_eq!(asked_header.flags, header.flags);
        assert!(queue.peer == PortId::KERNEL || queue.peer == header.port_id);
    } else {
        assert!(!acknowledges);
    }
    let now = Queue {
        peer: header.port_id,
        ..*queue
    };
    if outcome != 0 || acknowledges {
        let (error, quoted) = read_answer(asked, outcome, pads, &now);
        let expected = match (kind, Errno(outcome)) {
            (_, Errno(0)) => Errno(0),
            (CONFIG | VERDICT, Errno::EPERM) if queue.permitted => Errno::EBUSY,
            (CONFIG | VERDICT, Errno::EPERM) => Errno::EPERM,
            (VERDICT, Errno::ENODEV) => Errno::ENOENT,
            (CONFIG | VERDICT, errno) => errno,
            (_, errno) => decided(asked, errno),
        };
        assert_eq!(error, expected);
        let whole = if outcome == 0 { Header::BYTES } else { message.len() };
        assert_eq!(quoted, message[..whole]);
    }
    if after.is_empty() {
        return;
    }
    // A second message may bind the queue, after a message that does not. Its failure is no answer
    // to the program.
    let (binding, rest) = first_message(after);
    assert!(rest.is_empty() && message_type(binding) == CONFIG && embedded(binding).is_empty());
    assert_eq!(queue.peer, PortId::KERNEL);
    let refused = answer_to(binding, 1, pads);
    let mut buffer = [0; 512];
    let read = inward(&refused, &mut buffer, &now.options, now.peer, now.permitted);
    assert_eq!(read, Ok(Inward::Answer(None, true)));
}

/// Returns the error number and the quoted bytes that the program reads when the kernel answers
/// `asked` with `outcome`.
fn read_answer(asked: &[u8], outcome: i32, pads: bool, queue: &Queue) -> (Errno, Vec<u8>) {
    let answer = answer_to(asked, outcome, pads);
    let mut buffer = vec![0; answer.len() + FIXED];
    let read = inward(&answer, &mut buffer, &queue.options, queue.peer, queue.permitted);
    let Ok(Inward::Answer(Some(length), _)) = read else {
        panic!("{read:?} of {answer:02x?}");
    };
    let Ok(Message::Error(error)) = Message::parse(&buffer[..length], Abi::NATIVE) else {
        panic!("{:02x?}", &buffer[..length]);
    };
    (error.errno(), error.quoted.to_vec())
}

/// Returns the kernel's answer to `message` with the error number `outcome`, 0 for success. With
/// `pads`, as from newer kernels, the answer's length includes the padding after the quoted bytes.
fn answer_to(message: &[u8], outcome: i32, pads: bool) -> Vec<u8> {
    let quoted = if outcome == 0 {
        &message[..Header::BYTES]
    } else {
        message
    };
    let padding = padding(quoted.len());
    let header = Header {
        length: (Header::BYTES + 4 + quoted.len() + if pads { padding } else { 0 }) as u32,
        message_type: MessageType::Error,
        flags: Flags::NONE,
        sequence: Header::parse(message, Abi::NATIVE).expect("a header").sequence,
        port_id: PortId(31_337),
    };
    [
        &header.write(Abi::NATIVE),
        &(-outcome).to_ne_bytes()[..],
        quoted,
        &[0; 3][..padding],
    ]
    .concat()
}

/// Returns the first message of a datagram, which must be whole, and the bytes after it.
fn first_message(datagram: &[u8]) -> (&[u8], &[u8]) {
    let header = Header::parse(datagram, Abi::NATIVE).expect("a whole header");
    let length = header.length as usize;
    assert!((Header::BYTES + 4..=datagram.len()).contains(&length));
    let (message, _) = datagram.split_at(length);
    assert_eq!(message[16..20], [0, 0, 0, QUEUE as u8]);
    (message, datagram.get(length.next_multiple_of(4)..).unwrap_or_default())
}

fn message_type(message: &[u8]) -> u16 {
    Header::parse(message, Abi::NATIVE).map_or(0, |header| header.message_type.to_wire())
}

/// Returns the types and contents of the attributes in a message of nfnetlink. Panics at an
/// attribute whose length is wrong.
fn attributes(message: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut at = Header::BYTES + 4;
    std::iter::from_fn(move || {
        let header: [u8; 4] = *message.get(at..)?.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        assert!(length >= 4 && at + length <= message.len());
        let content = &message[at + 4..at + length];
        at += length.next_multiple_of(4);
        Some((u16::from_ne_bytes([header[2], header[3]]), content))
    })
}

/// Returns the program's message that is embedded in a message of nfnetlink, put together from its
/// pieces.
fn embedded(message: &[u8]) -> Vec<u8> {
    let verdict = message_type(message) == VERDICT;
    attributes(message)
        .filter(|(kind, _)| *kind == EMBEDDED || (verdict && *kind == PAYLOAD))
        .flat_map(|(_, content)| content.iter().copied())
        .collect()
}

/// Returns the error that the program has to read for `message`, which the translation made so that
/// the kernel refuses it, here with `errno`. That is the error in the message's [`REFUSAL`]
/// attribute. But it is EPERM if `errno` is EPERM and the attribute's last byte is 0.
fn decided(message: &[u8], errno: Errno) -> Errno {
    let decision = attributes(message)
        .find(|(kind, _)| *kind == REFUSAL)
        .map(|(_, content)| content);
    match decision {
        Some([_, _, _, _, 0]) if errno == Errno::EPERM => Errno::EPERM,
        Some([a, b, c, d, _]) => Errno(i32::from_be_bytes([*a, *b, *c, *d])),
        other => panic!("no decision: {other:?}"),
    }
}

/// Returns four answers that a kernel may give to the nfnetlink message that the program's
/// `message` is translated to: success and three errors. Returns none if `message` is not
/// translated.
pub(crate) fn answers(message: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let options = Options {
        port_id: PROGRAM,
        queue_number: QUEUE,
        ..Options::new(Family::Ipv4)
    };
    let datagram = outward(message, &options, PROGRAM);
    datagram.into_iter().flat_map(|datagram| {
        let (asked, _) = first_message(&datagram);
        [(0, false), (1, true), (22, true), (2, false)].map(|(outcome, pads)| answer_to(asked, outcome, pads))
    })
}
