//! The messages of a datagram, in turn, as netlink and nfnetlink go through them.

use super::answer::Answer;
use super::attributes::{Attributes, Note, Policy};
use super::{Rules, Sender};
use ipq_core::Errno;
use ipq_core::wire::nfnetlink::HEADER_BYTES;
use ipq_core::wire::{Abi, Flags, Header};

/// `NFNL_MSG_BATCH_BEGIN`: the type of a message that makes the datagram a batch, if it comes
/// first.
const BATCH_BEGIN: u16 = 0x10;
/// `NFNL_MSG_BATCH_END`: the type of the message that ends a batch.
const BATCH_END: u16 = 0x11;
/// The first message type that nfnetlink looks at. Lower types are netlink's own.
const FIRST_TYPE: u16 = 0x10;
/// The number of nfnetlink's subsystems, whose numbers begin with 0. A batch for a subsystem that
/// takes none is refused with EOPNOTSUPP, and one for this number or a higher one with EINVAL.
const SUBSYSTEMS: u16 = 14;
/// The number of nftables, the one subsystem that takes batches. It is not emulated, and refuses
/// each message.
const BATCHED_SUBSYSTEM: u16 = 10;
/// The generation of an nftables ruleset that nobody has changed.
const GENERATION: u32 = 1;
/// The error with which a batch is refused that names a generation of the ruleset, but not the
/// present one. With 0 it names none.
const ERESTART: Errno = Errno(85);

/// What is to be done with a message.
#[derive(Clone, Copy, Debug)]
pub enum Step<'m> {
    /// The message is to be carried out with [`Queues::request`](super::Queues::request).
    Perform(Request<'m>),
    /// The message is only to be answered.
    Answer(Answer<'m>),
}

/// A message that is to be carried out. It has a whole header of netlink, and one of nfnetlink.
#[derive(Clone, Copy, Debug)]
pub struct Request<'m> {
    header: Header,
    pub(super) bytes: &'m [u8],
}

impl<'m> Request<'m> {
    /// Returns the message type: the subsystem's number in the upper byte, and the subsystem's
    /// message in the lower.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.header.message_type.to_wire()
    }

    /// Returns the number of the queue that the message is for.
    #[must_use]
    pub fn queue(&self) -> u16 {
        resource(self.bytes)
    }

    /// Returns `true` if the message has the flag `NLM_F_ACK`.
    pub(super) fn asks_for_answer(&self) -> bool {
        self.header.flags.contains(Flags::ACK)
    }

    /// Returns a request with the same header and other bytes.
    pub(super) const fn with_bytes<'n>(&self, bytes: &'n [u8]) -> Request<'n> {
        Request {
            header: self.header,
            bytes,
        }
    }

    /// Returns the answer to the request: an error, or an acknowledgement. Returns `None` for a
    /// success without the flag `NLM_F_ACK` (NFQ-40).
    pub(super) fn answer(&self, result: Result<(), Errno>, note: Note) -> Option<Answer<'m>> {
        match result {
            Ok(()) if !self.asks_for_answer() => None,
            result => Some(self.answer_always(result, note)),
        }
    }

    fn answer_always(&self, result: Result<(), Errno>, note: Note) -> Answer<'m> {
        let errno = result.err().unwrap_or_default();
        Answer::new(errno, self.header.sequence, self.bytes, note)
    }
}

/// The messages of a datagram from a program, in order, each with what is to be done with it.
/// Leaves out messages that are neither carried out nor answered. Ends before a message whose
/// stated length is wrong (NFQ-49).
#[derive(Debug)]
pub struct Messages<'m> {
    /// The next message, and the bytes after it. `None` after the last message, and from the start
    /// if `answers` has all that is left to do.
    next: Option<(Request<'m>, &'m [u8])>,
    /// The answers that were made at the start: those to a batch, or the refusal of a sender
    /// without `CAP_NET_ADMIN`.
    answers: std::vec::IntoIter<Answer<'m>>,
}

impl<'m> Messages<'m> {
    /// Returns the messages of a datagram from `sender`. If the sender lacks `CAP_NET_ADMIN`, the
    /// first is answered with EPERM, and no other is looked at. If the first begins a batch, no
    /// message is carried out, and those that the kernel answers are answered (NFQ-51, NFQ-52).
    #[must_use]
    #[inline]
    pub fn of(datagram: &'m [u8], sender: Sender, rules: &Rules) -> Self {
        let Some((first, rest)) = split(datagram) else {
            return Self::answered(Vec::new());
        };
        if !sender.net_admin {
            return Self::answered(vec![first.answer_always(Err(Errno::EPERM), Note::None)]);
        }
        if first.kind() == BATCH_BEGIN {
            return Self::answered(batch(&first, rest, datagram, rules));
        }
        Self {
            next: Some((first, rest)),
            answers: Vec::new().into_iter(),
        }
    }

    fn answered(answers: Vec<Answer<'m>>) -> Self {
        Self {
            next: None,
            answers: answers.into_iter(),
        }
    }
}

impl<'m> Iterator for Messages<'m> {
    type Item = Step<'m>;

    fn next(&mut self) -> Option<Step<'m>> {
        while let Some((message, rest)) = self.next.take() {
            self.next = split(rest);
            let looked_at = message.header.flags.contains(Flags::REQUEST)
                && message.kind() >= FIRST_TYPE
                && message.bytes.len() >= HEADER_BYTES;
            if looked_at {
                return Some(Step::Perform(message));
            }
            if let Some(answer) = message.answer(Ok(()), Note::None) {
                return Some(Step::Answer(answer));
            }
        }
        self.answers.next().map(Step::Answer)
    }
}

/// Returns the first message of `bytes`, and the bytes after the message and its padding. Returns
/// `None` if `bytes` do not begin with a whole header, or the length in it is below 16 or more than
/// there are bytes (NFQ-49).
fn split(bytes: &[u8]) -> Option<(Request<'_>, &[u8])> {
    let header = Header::parse(bytes, Abi::NATIVE)?;
    let length = header.length as usize;
    let message = bytes.get(..length).filter(|_| length >= Header::BYTES)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((Request { header, bytes: message }, rest))
}

/// Returns the number at the end of nfnetlink's header: that of a queue, or in a batch of a
/// subsystem. Returns 0 if the message is too short.
fn resource(message: &[u8]) -> u16 {
    let number = message.get(HEADER_BYTES - 2..).and_then(<[u8]>::first_chunk);
    number.map_or(0, |number| u16::from_be_bytes(*number))
}

/// Returns the answers to a datagram that is a batch: `begin`, and the messages in `rest`. No
/// message of a batch is carried out.
///
/// A batch gets one error, for `begin`, if an attribute of `begin` is too short, or if the batch is
/// not for nftables (NFQ-51) or names a generation other than the ruleset's. In other batches each
/// message between begin and end is refused with EINVAL (NFQ-52). If `rules` say so, `begin` is
/// acknowledged if it asks for it, and so is the end of a batch in which no message was refused. If
/// a message is malformed or a second begin comes before the end, no message is answered.
fn batch<'m>(begin: &Request<'m>, mut rest: &'m [u8], datagram: &[u8], rules: &Rules) -> Vec<Answer<'m>> {
    let refuse = |errno| vec![begin.answer_always(Err(errno), Note::None)];
    // The header of the message may state less. The kernel looks only at the datagram's length.
    if datagram.len() < HEADER_BYTES {
        return Vec::new();
    }
    let attributes = match Attributes::<2>::read(begin.bytes, &[(1, Policy::Number)]) {
        Ok(attributes) => attributes,
        Err((errno, _)) => return refuse(errno),
    };
    // Old programs wrote the number of nftables in the machine's own byte order.
    let subsystem = match resource(datagram) {
        number if number == BATCHED_SUBSYSTEM.to_be() => BATCHED_SUBSYSTEM,
        number => number,
    };
    match subsystem {
        BATCHED_SUBSYSTEM => {}
        0..SUBSYSTEMS => return refuse(Errno::EOPNOTSUPP),
        _ => return refuse(Errno::EINVAL),
    }
    if attributes
        .number(1)
        .is_some_and(|generation| ![0, GENERATION].contains(&generation))
    {
        return refuse(ERESTART);
    }
    let acknowledged = |message: &Request<'m>| {
        message
            .answer(Ok(()), Note::None)
            .filter(|_| rules.acknowledges_batches)
    };
    let mut answers = Vec::from_iter(acknowledged(begin));
    let mut sound = true;
    while rest.len() >= Header::BYTES {
        let Some((message, following)) = split(rest).filter(|(message, _)| message.bytes.len() >= HEADER_BYTES) else {
            return Vec::new();
        };
        rest = following;
        match message.kind() {
            _ if !message.header.flags.contains(Flags::REQUEST) => {}
            BATCH_BEGIN => return Vec::new(),
            BATCH_END => {
                answers.extend(acknowledged(&message).filter(|_| sound));
                return answers;
            }
            _ => {}
        }
        sound = false;
        answers.push(message.answer_always(Err(Errno::EINVAL), Note::None));
    }
    answers
}
