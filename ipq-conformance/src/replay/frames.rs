//! The rules by which a received datagram is compared with the recorded one.

use super::Unequal;
use super::ids::Ids;
use ipq_core::wire::nfnetlink::{HEADER_BYTES, attribute, message_type as queue_type};
use ipq_core::wire::{Abi, ByteOrder, Header, MessageType, padding};
use std::ops::Range;

/// Compares the datagram that `socket` received with the recorded one. Returns the first difference
/// that counts; `None` if there is none. Only the kernel's datagrams have bytes that may differ:
/// the time in a packet message, and for `ip_queue` also packet ids and pad bytes. A byte that one
/// of the two lacks always counts.
///
/// If the recorded datagram is a PACKET frame of the kernel, `ids` learns that both packet ids name
/// the same packet. If it is an error that quotes a verdict of `socket`, `ids` notes that the
/// verdict is answered.
pub(super) fn compare(expected: &[u8], seen: &[u8], from_kernel: bool, socket: &str, ids: &mut Ids) -> Option<Unequal> {
    let abi = ids.abi();
    let mut judged = Judged::default();
    if from_kernel && ids.is_numbered(socket) {
        judged
            .exempt
            .extend(timestamp(expected, abi).filter(|at| timestamp(seen, abi).as_ref() == Some(at)));
    } else if from_kernel {
        match message_type(expected, 4, abi) {
            Some(MessageType::Packet) => {
                judged = judge_packet(expected, seen, abi);
                ids.learn(socket, expected, seen);
            }
            Some(MessageType::Error) => judged = judge_error(expected, seen, socket, ids),
            _ => {}
        }
    }
    let exempt = |at: usize| judged.exempt.iter().any(|range| range.contains(&at));
    let plain = (0..expected.len().max(seen.len())).find(|at| match (expected.get(*at), seen.get(*at)) {
        (Some(one), Some(other)) => one != other && !exempt(*at),
        // The value of a pad byte does not count, but its presence does.
        _ => true,
    });
    let offset = plain.into_iter().chain(judged.wrong).min()?;
    Some(Unequal {
        what: format!("the frames differ from byte {offset} on"),
        exempt: judged.exempt,
    })
}

/// The result of the rules for one kind of frame: which bytes may differ, and whether a rule is
/// broken.
#[derive(Default)]
struct Judged {
    /// The ranges in which different bytes do not count.
    exempt: Vec<Range<usize>>,
    /// The offset at which a rule is broken; `None` if none is.
    wrong: Option<usize>,
}

/// Returns the range of the bytes of the time in a packet message of a numbered queue. `None` if
/// `message` is no packet message, has no time, or ends before the time. If the message is cut
/// within the time, the range goes beyond its end.
fn timestamp(message: &[u8], abi: Abi) -> Option<Range<usize>> {
    let word = |at: usize| number(message, at..at + 2, abi).map(|value| value as u16);
    if word(4) != Some(queue_type::PACKET) {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(word(at)?);
        match word(at + 2)? {
            attribute::TIMESTAMP => return Some(at + 4..at + length),
            _ if length < 4 => return None,
            _ => at += length.next_multiple_of(4),
        }
    }
}

/// Returns the bytes of a PACKET frame that may differ: the packet id, the pad bytes, and the time
/// if both frames have one or neither has. A time counts as absent if it is 0. If one of the frames
/// ends within the seconds, what it has of them may differ.
fn judge_packet(expected: &[u8], seen: &[u8], abi: Abi) -> Judged {
    let word = abi.word_bytes();
    let id = packet_id_at(abi);
    let seconds = Header::BYTES + 2 * word;
    let microseconds = seconds + word;
    let mut judged = Judged::default();
    judged.exempt.push(id);
    // Of a timestamp that is cut, only the whole words are looked at.
    let end = [microseconds + word, microseconds]
        .into_iter()
        .find(|end| *end <= expected.len().min(seen.len()));
    if let Some(end) = end {
        let unset = |frame: &[u8]| frame[seconds..end].iter().all(|byte| *byte == 0);
        if unset(expected) == unset(seen) {
            judged.exempt.push(seconds..microseconds + word);
        }
    } else {
        judged.exempt.push(seconds..microseconds + word);
    }
    let fixed = Header::BYTES + abi.packet_message_bytes();
    if let Some(data_len) = number(expected, fixed - word..fixed, abi)
        && let Ok(data_len) = usize::try_from(data_len)
        && let Some(end) = fixed.checked_add(data_len)
    {
        judged.exempt.push(end..end.saturating_add(padding(end)));
    }
    judged
}

/// Applies the rules for an error that `socket` received. If the recorded error quotes a verdict,
/// the packet id in the quotation may differ, but both ids must be those of one verdict that
/// `socket` sent and that no error has answered yet. If they are not, the result is a difference at
/// the first byte of the id.
fn judge_error(expected: &[u8], seen: &[u8], socket: &str, ids: &mut Ids) -> Judged {
    let abi = ids.abi();
    let quoted = Header::BYTES + 4;
    let mut judged = Judged::default();
    if message_type(expected, quoted + 4, abi) != Some(MessageType::Verdict) {
        return judged;
    }
    let id = verdict_id_at(abi);
    let (start, end) = (quoted + id.start, quoted + id.end);
    // A short receive may have cut the quoted message, or its header may state less than the whole.
    let stated = number(expected, quoted..quoted + 4, abi).map_or(usize::MAX, |length| quoted + length as usize);
    let end = end.min(expected.len()).min(seen.len()).min(stated);
    if start >= end {
        return judged;
    }
    judged.exempt.push(start..end);
    if !ids.answer(socket, &expected[start..end], &seen[start..end]) {
        judged.wrong = Some(start);
        judged.exempt.clear();
    }
    judged
}

/// Returns the range of the bytes of the packet id in a PACKET frame.
pub(super) const fn packet_id_at(abi: Abi) -> Range<usize> {
    Header::BYTES..Header::BYTES + abi.word_bytes()
}

/// Returns the range of the bytes of the packet id in a VERDICT message.
pub(super) const fn verdict_id_at(abi: Abi) -> Range<usize> {
    Header::BYTES + abi.word_bytes()..Header::BYTES + 2 * abi.word_bytes()
}

/// Returns the message type at offset `at` of `frame`; `None` if the frame ends before it or within
/// it.
pub(super) fn message_type(frame: &[u8], at: usize, abi: Abi) -> Option<MessageType> {
    number(frame, at..at + 2, abi).map(|value| MessageType::from_wire(value as u16))
}

fn number(frame: &[u8], at: Range<usize>, abi: Abi) -> Option<u64> {
    let bytes = frame.get(at)?;
    let add = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
    Some(match abi.order {
        ByteOrder::Little => bytes.iter().rev().fold(0, add),
        ByteOrder::Big => bytes.iter().fold(0, add),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case::little(Abi::LP64_LITTLE, u16::to_le_bytes)]
    #[case::big(Abi::LP64_BIG, u16::to_be_bytes)]
    fn the_time_of_a_numbered_queues_packet_is_found_in_either_byte_order(
        #[case] abi: Abi,
        #[case] word: fn(u16) -> [u8; 2],
    ) {
        let message = [
            &[0; 4][..],
            &word(queue_type::PACKET),
            &[0; HEADER_BYTES - 6],
            &word(8),
            &word(attribute::MARK),
            &[0; 4],
            &word(20),
            &word(attribute::TIMESTAMP),
            &[0; 16],
        ]
        .concat();
        assert_eq!(timestamp(&message, abi), Some(HEADER_BYTES + 12..message.len()));
    }
}
