//! Requests of a program to the numbered queues of nfnetlink, and the requirements by which a
//! kernel refuses them.

use super::{Request, Requirement, requirement};
use crate::queue::QueueId;
use ipq_core::wire::nfnetlink::{Attributes, HEADER_BYTES, attribute, command, message_type};
use ipq_core::wire::{Header, MessageType};
use ipq_core::{CopyMode, Errno, PacketId, Verdict};
use std::fmt;

/// A change of a numbered queue that a message asks for. If the message asks for several, this is
/// the first in the order of these variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The message binds the queue.
    Bind,
    /// The message unbinds the queue.
    Unbind,
    /// The message sets the queue's copy mode.
    Mode(CopyMode),
    /// The message sets flags of the queue, such as fail-open. The inner value is the message's
    /// flags, without the mask that says which of them to set.
    Flags(u32),
    /// The message sets the queue's maximum length, in packets.
    MaximumLength(u32),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind => f.write_str("bind"),
            Self::Unbind => f.write_str("unbind"),
            Self::Mode(mode) => write!(f, "mode {mode}"),
            Self::Flags(flags) => write!(f, "flags {flags:#x}"),
            Self::MaximumLength(packets) => write!(f, "maximum length {packets}"),
        }
    }
}

/// Returns what a message asks for. `message` is what an answer quotes of it, from the netlink
/// header on, and `header` is that header. Returns [`Request::Other`] if the quoted part ends
/// before the queue's number, if a verdict has no whole attribute with the verdict and the packet
/// id, or if the message is neither a verdict nor asks for a [`Setting`].
pub(super) fn request(header: &Header, message: &[u8]) -> Request {
    let other = Request::Other(header.message_type);
    let Some([high, low]) = message.get(Header::BYTES + 2..).and_then(<[u8]>::first_chunk) else {
        return other;
    };
    let queue = u16::from_be_bytes([*high, *low]);
    let end = message.len().min(header.length as usize);
    let asked = match header.message_type.to_wire() {
        message_type::VERDICT => decision(message, end)
            .map(|(verdict, packet_id)| Request::Verdict(QueueId::Numbered(queue), verdict, packet_id)),
        message_type::VERDICT_BATCH => {
            decision(message, end).map(|(verdict, packet_id)| Request::Batch(queue, verdict, packet_id))
        }
        message_type::CONFIG => setting(message, end).map(|setting| Request::Setting(queue, setting)),
        _ => None,
    };
    asked.unwrap_or(other)
}

/// Returns the first `N` bytes of content of the first attribute of that `kind` in a message that
/// ends at the offset `end`. Returns `None` if there is no such attribute, or if its content is
/// shorter than `N`.
fn found<const N: usize>(message: &[u8], end: usize, kind: u16) -> Option<[u8; N]> {
    let mut attributes = Attributes::new(message, HEADER_BYTES.min(end), end).map_while(Result::ok);
    let content = attributes.find(|attribute| attribute.kind == kind)?.content;
    let bytes = message.get(content.start..content.start + content.length)?;
    bytes.first_chunk().copied()
}

fn decision(message: &[u8], end: usize) -> Option<(Verdict, PacketId)> {
    let [verdict @ .., i0, i1, i2, i3]: [u8; 8] = found(message, end, attribute::VERDICT_HEADER)?;
    let verdict = Verdict::from_wire(u32::from_be_bytes(verdict) & 0xff);
    Some((verdict, PacketId(u32::from_be_bytes([i0, i1, i2, i3]).into())))
}

fn setting(message: &[u8], end: usize) -> Option<Setting> {
    match found(message, end, attribute::CONFIG_COMMAND) {
        Some([command::BIND]) => return Some(Setting::Bind),
        Some([command::UNBIND]) => return Some(Setting::Unbind),
        _ => {}
    }
    if let Some([_, _, _, _, mode]) = found(message, end, attribute::CONFIG_PARAMETERS) {
        return Some(Setting::Mode(CopyMode::from_wire(mode)));
    }
    let number = |kind| found(message, end, kind).map(u32::from_be_bytes);
    number(attribute::CONFIG_FLAGS)
        .map(Setting::Flags)
        .or_else(|| number(attribute::CONFIG_MAX_LENGTH).map(Setting::MaximumLength))
}

/// Returns the requirement of nfnetlink by which a kernel refuses a request of this type with this
/// error. Returns `None` if none explains the error.
pub(super) fn broken(asked: &Request, message_type: MessageType, errno: Errno) -> Option<Requirement> {
    let decides = matches!(
        message_type.to_wire(),
        message_type::VERDICT | message_type::VERDICT_BATCH
    );
    Some(match errno {
        Errno::EPERM => requirement(
            "NFQ-53, NFQ-23",
            "the program needs CAP_NET_ADMIN, and another socket's queue is out of its reach",
        ),
        Errno::EBUSY => requirement("NFQ-24", "the queue is bound already"),
        Errno::ENODEV if decides => requirement("NFQ-60", "nobody has bound the queue that the verdict is for"),
        Errno::ENODEV => requirement("NFQ-27", "a queue must be bound before it is set up"),
        Errno::ENOENT if matches!(asked, Request::Batch(..)) => {
            requirement("NFQ-65", "no packet up to this id is queued")
        }
        Errno::ENOENT => requirement(
            "NFQ-60",
            "no packet with this id is queued; it may have had its verdict",
        ),
        Errno::EINVAL if matches!(asked, Request::Verdict(..) | Request::Batch(..)) => {
            requirement("NFQ-61", "the value of a verdict is 0, 1 or 3 to 5")
        }
        // What is quoted may end before the verdict, so either rule may be the one that is broken.
        Errno::EINVAL if decides => requirement(
            "NFQ-60, NFQ-61",
            "a verdict has a header, and its value is 0, 1 or 3 to 5",
        ),
        Errno::EINVAL if matches!(asked, Request::Setting(_, Setting::Flags(_))) => {
            requirement("NFQ-21", "flags come with a mask")
        }
        Errno::EINVAL => requirement(
            "NFQ-47",
            "the emulated nfnetlink has its queues only, whose types are 0x0301 to 0x0303",
        ),
        Errno::EOPNOTSUPP => requirement(
            "NFQ-22, NFQ-26",
            "the kernel does not know the flag or the command, or lacks what it is for",
        ),
        Errno::ERANGE => requirement("NFQ-46", "an attribute is shorter than its type"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipq_core::PortId;
    use ipq_core::wire::nfnetlink::{Room, Writer};
    use ipq_core::wire::{Abi, Envelope};
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;
    use rstest::rstest;

    fn asked(kind: u16, attributes: Vec<(u16, Vec<u8>)>) -> Request {
        let mut room = Room::<256>::new();
        let mut writer = Writer::new(&mut room);
        writer.message(kind, Envelope::request(PortId(7)), 0, 258);
        for (kind, content) in attributes {
            writer.attribute(kind, &content);
        }
        writer.end(0);
        let message = writer.written().unwrap();
        request(&Header::parse(message, Abi::NATIVE).unwrap(), message)
    }

    #[rstest]
    #[case::bind(message_type::CONFIG, vec![(1, vec![1, 0, 0, 2])], "bind of queue 258")]
    #[case::unbind(message_type::CONFIG, vec![(1, vec![2, 0, 0, 2])], "unbind of queue 258")]
    #[case::mode(message_type::CONFIG, vec![(2, vec![0, 0, 255, 255, 2])], "mode PACKET of queue 258")]
    #[case::flags(message_type::CONFIG, vec![(4, vec![0, 0, 0, 2]), (5, vec![0, 0, 0, 2])], "flags 0x2 of queue 258")]
    #[case::length(message_type::CONFIG, vec![(3, vec![0, 0, 4, 0])], "maximum length 1024 of queue 258")]
    #[case::family(message_type::CONFIG, vec![(1, vec![3, 0, 0, 2])], "a message of type 0x302")]
    #[case::verdict(message_type::VERDICT, vec![(2, vec![0, 0, 0, 1, 0, 0, 0, 9])], "verdict ACCEPT on packet 0x9")]
    #[case::batch(message_type::VERDICT_BATCH, vec![(2, vec![0, 0, 0, 0, 0, 0, 0, 9])], "verdict DROP on all packets up to 0x9 of queue 258")]
    #[case::short(message_type::VERDICT, vec![(2, vec![0, 0, 0, 1])], "a message of type 0x301")]
    #[case::of_another(0x0100, vec![], "a message of type 0x100")]
    fn a_message_is_told_by_what_it_asks(
        #[case] kind: u16,
        #[case] attributes: Vec<(u16, Vec<u8>)>,
        #[case] told: &str,
    ) {
        assert_eq!(asked(kind, attributes).to_string(), told);
    }

    #[rstest]
    #[case(message_type::VERDICT, Errno::ENOENT, Some("NFQ-60"))]
    #[case(message_type::VERDICT, Errno::EINVAL, Some("NFQ-60, NFQ-61"))]
    #[case(message_type::CONFIG, Errno::EBUSY, Some("NFQ-24"))]
    #[case(message_type::CONFIG, Errno::ENODEV, Some("NFQ-27"))]
    #[case(0x0100, Errno::EINVAL, Some("NFQ-47"))]
    #[case(message_type::PACKET, Errno(524), None)]
    fn an_answer_is_explained_where_a_rule_does(#[case] kind: u16, #[case] errno: Errno, #[case] id: Option<&str>) {
        let kind = MessageType::from_wire(kind);
        let rule = broken(&Request::Other(kind), kind, errno);
        assert_eq!(rule.map(|requirement| requirement.id), id);
    }

    #[test]
    fn a_verdict_whose_value_is_refused_is_explained_by_the_value() {
        let verdict = asked(message_type::VERDICT, vec![(2, vec![0, 0, 0, 2, 0, 0, 0, 9])]);
        let rule = broken(&verdict, MessageType::from_wire(message_type::VERDICT), Errno::EINVAL);
        assert_eq!(rule.map(|requirement| requirement.id), Some("NFQ-61"));
    }

    proptest! {
        #[test]
        fn no_quoted_message_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 16..80)) {
            let header = Header::parse(&bytes, Abi::NATIVE).unwrap();
            request(&header, &bytes);
        }
    }
}
