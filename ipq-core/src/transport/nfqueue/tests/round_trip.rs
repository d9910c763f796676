//! Tests of a message's whole way: the program's message, the nfnetlink message for it, the
//! kernel's answer, and the frame that the program reads.

use super::super::fast::plain::plain;
use super::super::translate::datagram::Translated;
use super::super::translate::request::{Action, HEAD_BYTES, Request, Room, Writer, drop_packet};
use super::{PEER, datagram, message, options, translated};
use crate::errno::Errno;
use crate::wire::nfnetlink::HEADER_BYTES;
use crate::wire::{Abi, Envelope, ErrorMessage, Flags, Header, Message, ModeRequest, PacketId, PortId, Verdict};
use crate::wire::{CopyMode, VerdictRequest};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

/// An emulated kernel. Its fields say how it answers messages.
#[derive(Clone, Copy, Debug)]
struct Kernel {
    /// `true` if the sender has the capability `CAP_NET_ADMIN`.
    permitted: bool,
    /// The result of each message that configures a queue or gives a verdict: 0 for success, or a
    /// positive error number. Other messages fail with EINVAL.
    outcome: i32,
    /// `true` if the kernel pads the message that an answer quotes, as newer kernels do.
    pads: bool,
}

impl Kernel {
    /// Returns the kernel's answers to a datagram of one or more messages, each answer as a
    /// datagram. It answers each message that fails or has the flag ACK. Without the capability it
    /// answers only the first message, with EPERM.
    fn answers(self, mut datagram: &[u8]) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        while let Some(header) = Header::parse(datagram, Abi::NATIVE) {
            let length = header.length as usize;
            let message = &datagram[..length];
            let outcome = match header.message_type.to_wire() {
                _ if !self.permitted => Errno::EPERM.0,
                0x0301..=0x0303 => self.outcome,
                _ => Errno::EINVAL.0,
            };
            if outcome != 0 || header.flags.contains(Flags::ACK) {
                answers.push(self.answer(&header, outcome, message));
            }
            if !self.permitted {
                break;
            }
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        answers
    }

    fn answer(self, header: &Header, outcome: i32, quoted: &[u8]) -> Vec<u8> {
        let quoted = if outcome == 0 { &quoted[..16] } else { quoted };
        let mut body = [&(-outcome).to_ne_bytes(), quoted].concat();
        if self.pads {
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut answer = message(2, header.sequence, 31_337, &body);
        answer.resize(answer.len().next_multiple_of(4), 0);
        answer
    }
}

/// Translates the program's message `bytes` as the transport does, gives the result to `kernel`,
/// and translates the kernel's answers. Returns what the kernel was asked to do, and the frames for
/// the program. Returns `None` if the transport sends nothing for the message. If `attaches`, the
/// message also binds the queue, unless its header is refused or has another port id than [`PEER`].
/// Panics if an answer is not translated as an answer, or if the translation and [`says_unbound`]
/// do not agree.
fn exchange(bytes: &[u8], attaches: bool, kernel: Kernel) -> Option<(Action, Vec<Vec<u8>>)> {
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let (request, refused) = Request::screen(head, bytes.len())?;
    let action = match refused {
        Some(errno) => Action::refuse_first(errno),
        None if request.header.port_id != PEER => Action::refuse(Errno::EBUSY),
        None => request.action(head, &options()),
    };
    let attaches = attaches && refused.is_none() && request.header.port_id == PEER;
    let plain = bytes
        .split_first_chunk()
        .filter(|_| !attaches)
        .and_then(|(head, tail)| plain(head, tail.len(), PEER, &options()));
    let (request, action) = plain.unwrap_or((request, action));
    let tail = &bytes[HEAD_BYTES.min(request.length())..request.length()];
    let datagram = datagram(&request, head, tail, action, attaches, &options())?;
    let answers = kernel.answers(&datagram);
    let frames = answers.iter().filter_map(|answer| {
        let (result, buffer) = translated(answer, 4096, kernel.permitted);
        match result {
            Ok(Translated::Answer { frame, attach_failed }) => {
                assert_eq!(attach_failed, says_unbound(answer, attaches), "{action:?}");
                frame.map(|length| buffer[..length].to_vec())
            }
            other => panic!("{other:?} of {answer:02x?}"),
        }
    });
    Some((action, frames.collect()))
}

/// Returns `true` if an answer means that the queue is not bound: it refuses a CONFIG message, and
/// either that message was to bind the queue (`attaches`) or the error is ENODEV.
fn says_unbound(answer: &[u8], attaches: bool) -> bool {
    let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    answer[24..26] == 0x0302_u16.to_ne_bytes() && (error == -19 || (error != 0 && attaches))
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let types = prop_oneof![4 => Just(0x11_u16), 6 => Just(0x12), 1 => Just(0x13), 1 => 0_u16..0x20];
    let flags = prop_oneof![6 => Just(1_u16), 6 => Just(5), 1 => any::<u16>()];
    let sequence = prop_oneof![Just(0), any::<u32>()];
    let port = prop_oneof![8 => Just(PEER.0), 1 => Just(PEER.0 + 1), 1 => any::<u32>()];
    let value = prop_oneof![8 => 0_u32..8, 1 => any::<u32>()];
    let id = prop_oneof![4 => 0_u64..9, 1 => any::<u64>()];
    let tail = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..50),
        prop::collection::vec(any::<u8>(), 0..1500)
    ];
    let change = prop_oneof![6 => Just(0_i64), 1 => -60_i64..60];
    (types, flags, sequence, port, value, id, tail, change.clone(), change).prop_map(
        |(kind, flags, sequence, port_id, value, id, tail, data, length)| {
            let envelope = Envelope {
                flags: Flags(flags),
                sequence,
                port_id: PortId(port_id),
            };
            let verdict = VerdictRequest {
                verdict: Verdict::from_wire(value),
                packet_id: PacketId(id),
                data_len: (tail.len() as u64).saturating_add_signed(data),
            };
            let mode = ModeRequest {
                mode: CopyMode::from_wire(value as u8),
                range: id,
            };
            let mut bytes = match kind {
                0x11 => mode.head(Abi::NATIVE, envelope).to_vec(),
                _ => verdict.head(Abi::NATIVE, envelope, tail.len()).to_vec(),
            };
            bytes.extend(tail);
            let stated = (bytes.len() as u64).saturating_add_signed(length.min(0)) as u32;
            bytes[..4].copy_from_slice(&stated.to_ne_bytes());
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes
        },
    )
}

fn kernel() -> impl Strategy<Value = Kernel> {
    let outcome = prop_oneof![3 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(12), 1 => Just(19), 1 => Just(22)];
    (prop::bool::weighted(0.8), outcome, any::<bool>()).prop_map(|(permitted, outcome, pads)| Kernel {
        permitted,
        outcome,
        pads,
    })
}

proptest! {
    #[test]
    fn a_message_gets_the_answer_that_it_would_have_got(
        bytes in request(),
        attaches in any::<bool>(),
        kernel in kernel(),
    ) {
        let Some((action, frames)) = exchange(&bytes, attaches, kernel) else {
            return Ok(());
        };
        let header = Header::parse(&bytes, Abi::NATIVE).expect("a header");
        let acknowledged = header.flags.contains(Flags::ACK);
        let of_the_kernel = |missing| match (kernel.permitted, kernel.outcome) {
            (true, 0) => acknowledged.then_some(0),
            (true, 1) => Some(Errno::EBUSY.0),
            (true, 19) => Some(missing),
            (true, other) => Some(other),
            (false, _) => Some(Errno::EPERM.0),
        };
        let expected = match action {
            Action::Refuse { errno, before_capability: true } => Some(errno.0),
            Action::Refuse { errno, .. } => Some(if kernel.permitted { errno.0 } else { Errno::EPERM.0 }),
            Action::Mode { .. } => of_the_kernel(Errno::ENODEV.0),
            Action::Verdict { .. } | Action::VerdictUpTo { .. } => of_the_kernel(Errno::ENOENT.0),
        };
        let Some(expected) = expected else {
            prop_assert_eq!(frames.len(), 0);
            return Ok(());
        };
        prop_assert_eq!(frames.len(), 1, "one answer to one message");
        let frame = &frames[0];
        let outer = Header::parse(frame, Abi::NATIVE).expect("a header");
        prop_assert_eq!((outer.flags, outer.sequence, outer.port_id), (Flags::NONE, header.sequence, PEER));
        prop_assert_eq!(frame.len(), (outer.length as usize).next_multiple_of(4));
        let Ok(Message::Error(ErrorMessage { error, quoted })) = Message::parse(frame, Abi::NATIVE) else {
            return Err(TestCaseError::fail("no answer"));
        };
        prop_assert_eq!(error, -expected);
        let length = if expected == 0 { 16 } else { header.length as usize };
        prop_assert_eq!(quoted, &bytes[..length]);
    }
}

#[test]
fn a_usual_verdict_is_told_again_whoever_has_attached_since() {
    let request = VerdictRequest {
        verdict: Verdict::Queue,
        packet_id: PacketId(3),
        data_len: 20,
    };
    let sender = PortId(PEER.0 + 1);
    let message = [&request.head(Abi::NATIVE, Envelope::request(sender), 20)[..], &[7; 20]].concat();
    let (head, tail) = message.split_first_chunk().expect("a whole head");
    let (request, action) = plain(head, tail.len(), sender, &options()).expect("a usual verdict");
    let datagram = datagram(&request, head, tail, action, false, &options()).expect("short enough");
    assert_eq!(
        datagram.len(),
        HEADER_BYTES + 12 + 4 + tail.len(),
        "nothing else goes along"
    );
    let kernel = Kernel {
        permitted: true,
        outcome: 2,
        pads: false,
    };
    let (_, buffer) = translated(&kernel.answers(&datagram)[0], 2048, true);
    assert_eq!(buffer[20..20 + message.len()], message);
}

#[test]
fn a_verdict_for_many_is_told_again_as_the_last_that_asked_for_it() {
    let request = VerdictRequest {
        verdict: Verdict::Drop,
        packet_id: PacketId(9),
        data_len: 0,
    };
    let head = request.head(Abi::NATIVE, Envelope::request(PEER), 0);
    let head = head[..].try_into().expect("a whole head");
    let (request, _) = plain(head, 0, PEER, &options()).expect("a usual verdict");
    let action = Action::VerdictUpTo {
        verdict: Verdict::Drop,
        id: 9,
    };
    let datagram = datagram(&request, head, &[], action, false, &options()).expect("short enough");
    assert_eq!(datagram[4..6], 0x0303_u16.to_ne_bytes());
    let kernel = Kernel {
        permitted: true,
        outcome: 2,
        pads: true,
    };
    let (result, buffer) = translated(&kernel.answers(&datagram)[0], 2048, true);
    let Ok(Translated::Answer { frame: Some(frame), .. }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(buffer[20..frame], head[..]);
}

#[test]
fn a_drop_of_the_transports_own_is_answered_to_nobody() {
    let mut bytes = Room::new();
    let mut verdict = Writer::new(&mut bytes);
    drop_packet(&mut verdict, 77, &options());
    for permitted in [true, false] {
        let kernel = Kernel {
            permitted,
            outcome: 2,
            pads: true,
        };
        let answers = kernel.answers(verdict.written().expect("it fits"));
        assert_eq!(answers.len(), 1);
        let nothing = Translated::Answer {
            frame: None,
            attach_failed: false,
        };
        assert_eq!(translated(&answers[0], 2048, permitted).0, Ok(nothing));
    }
}
