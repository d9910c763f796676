//! Messages of a program that the kernel refused, and the requirements of the protocol that they
//! break.

mod numbered;

pub use numbered::Setting;

use crate::queue::{NFNETLINK, QueueId};
use ipq_core::wire::{Abi, ErrorMessage, Header, MessageType, ModeRequest, Objection, VerdictRequest, screen};
use ipq_core::{CopyMode, Errno, Family, PacketId, Verdict};
use std::cell::Cell;
use std::fmt;

/// A message of a program that the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The request that was refused.
    pub request: Request,
    /// The positive error number with which the kernel answered.
    pub errno: Errno,
    /// The requirement that the message breaks, as far as the answer shows; `None` if none explains
    /// the answer.
    pub requirement: Option<Requirement>,
}

/// What a refused message asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A message that sets the copy mode of a queue of `ip_queue`.
    Mode(CopyMode),
    /// A verdict on one packet: the queue, the verdict, and the packet's id.
    Verdict(QueueId, Verdict, PacketId),
    /// A verdict on several packets: the number of the nfnetlink queue, the verdict, and the id up
    /// to which it holds.
    Batch(u16, Verdict, PacketId),
    /// A message that binds, unbinds or sets up the nfnetlink queue of this number.
    Setting(u16, Setting),
    /// Any other message, or one of which too little was sent or quoted to tell what it asks for.
    /// The inner value is the message's type.
    Other(MessageType),
}

/// A requirement of the protocol, as a refusal quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The requirement's id, such as MSG-5; in some cases two ids, with a comma.
    pub id: &'static str,
    /// What the requirement says, in words.
    pub says: &'static str,
}

const fn requirement(id: &'static str, says: &'static str) -> Requirement {
    Requirement { id, says }
}

impl Refusal {
    /// Returns the refusal that an error message reports to a socket of this netlink protocol.
    /// Returns `None` if the error message is an acknowledgement, or quotes no header.
    pub(super) fn of(error: &ErrorMessage<'_>, protocol: i32, abi: Abi) -> Option<Self> {
        if error.is_acknowledgement() {
            return None;
        }
        let header = error.quoted_header(abi)?;
        let errno = error.errno();
        if protocol == NFNETLINK {
            let request = numbered::request(&header, error.quoted);
            return Some(Self {
                request,
                errno,
                requirement: numbered::broken(&request, header.message_type, errno),
            });
        }
        // Kernels up to 2.6.28 quote only the header (ERA-1).
        let body = error.quoted.get(Header::BYTES..).unwrap_or_default();
        Some(Self {
            request: request(&header, body, protocol, abi),
            errno,
            requirement: broken(&header, errno, abi),
        })
    }
}

fn request(header: &Header, body: &[u8], protocol: i32, abi: Abi) -> Request {
    let family = Family::from_netlink_protocol(protocol).unwrap_or(Family::Ipv4);
    let parsed = match header.message_type {
        MessageType::Mode => ModeRequest::parse(body, abi)
            .map(|request| Request::Mode(request.mode))
            .ok(),
        MessageType::Verdict => VerdictRequest::parse(body, abi)
            .map(|(request, _)| Request::Verdict(QueueId::IpQueue(family), request.verdict, request.packet_id))
            .ok(),
        _ => None,
    };
    parsed.unwrap_or(Request::Other(header.message_type))
}

/// Returns the requirement of `ip_queue` by which a kernel refuses a message with this header and
/// this error. Returns `None` if none explains the error.
fn broken(header: &Header, errno: Errno, abi: Abi) -> Option<Requirement> {
    Some(match errno {
        Errno::EPERM => requirement("MSG-5", "the program needs CAP_NET_ADMIN whenever it sends a message"),
        Errno::EBUSY => requirement("ATT-3", "a queue has one peer, and another port id is attached"),
        Errno::ECOMM => requirement("MSG-3", "the flag 0x20 must not be set"),
        Errno::ENOENT => requirement("VER-2", "no packet with this id is queued; it may have had its verdict"),
        Errno::EINVAL => invalid(header, abi),
        _ => return None,
    })
}

/// Returns a requirement of `ip_queue` by which a kernel answers a message with EINVAL: one that
/// the header breaks. If the header breaks none, the copy mode or the verdict after it must be the
/// invalid one.
fn invalid(header: &Header, abi: Abi) -> Requirement {
    let objection = Cell::new(None);
    let bytes = header.write(abi);
    let _ = screen(&bytes, header.length as usize, abi, |found| {
        objection.set(Some(found));
        found.response()
    });
    match (objection.get(), header.message_type) {
        (Some(Objection::UnknownType), _) => requirement("MSG-4", "a queue takes types from 0x11 to 0x13"),
        (Some(_), _) => requirement(
            "MSG-2",
            "a request needs a positive port id and the flags REQUEST and not MULTI",
        ),
        (None, _) if (header.length as usize) < Header::BYTES + abi.request_bytes() => {
            requirement("MSG-7", "the message is shorter than its structure")
        }
        (None, MessageType::Packet) => requirement("MSG-9", "only the kernel sends packet messages"),
        (None, MessageType::Mode) => requirement("MSG-8", "copy modes are 0, 1 and 2"),
        (None, _) => requirement("VER-1", "verdicts are 0, 1 and 3 to 5"),
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode(mode) => write!(f, "mode {}", mode.to_wire()),
            Self::Verdict(_, verdict, packet_id) => write!(f, "verdict {verdict} on packet {packet_id}"),
            Self::Batch(queue, verdict, packet_id) => {
                write!(f, "verdict {verdict} on all packets up to {packet_id} of queue {queue}")
            }
            Self::Setting(queue, setting) => write!(f, "{setting} of queue {queue}"),
            Self::Other(MessageType::Unknown(number)) => write!(f, "a message of type {number:#x}"),
            Self::Other(message_type) => write!(f, "a message of type {message_type}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.errno)?;
        match self.requirement {
            Some(requirement) => write!(f, " ({}: {})", requirement.id, requirement.says),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipq_core::PortId;
    use ipq_core::wire::{Envelope, Flags};
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const ABI: Abi = Abi::NATIVE;

    fn header(message_type: MessageType, body: usize) -> Header {
        Header {
            length: (Header::BYTES + body) as u32,
            message_type,
            flags: Flags::REQUEST,
            sequence: 0,
            port_id: PortId(7),
        }
    }

    #[rstest]
    #[case::no_capability(Errno::EPERM, header(MessageType::Mode, 24), "MSG-5")]
    #[case::another_peer(Errno::EBUSY, header(MessageType::Mode, 24), "ATT-3")]
    #[case::truncated(Errno::ECOMM, header(MessageType::Mode, 24), "MSG-3")]
    #[case::unknown_id(Errno::ENOENT, header(MessageType::Verdict, 24), "VER-2")]
    #[case::not_a_request(Errno::EINVAL, Header { flags: Flags(0), ..header(MessageType::Mode, 24) }, "MSG-2")]
    #[case::unknown_type(Errno::EINVAL, header(MessageType::from_wire(0x14), 24), "MSG-4")]
    #[case::packet(Errno::EINVAL, header(MessageType::Packet, 24), "MSG-9")]
    #[case::short(Errno::EINVAL, header(MessageType::Verdict, 8), "MSG-7")]
    #[case::short_packet(Errno::EINVAL, header(MessageType::Packet, 8), "MSG-7")]
    #[case::mode(Errno::EINVAL, header(MessageType::Mode, 24), "MSG-8")]
    #[case::verdict(Errno::EINVAL, header(MessageType::Verdict, 24), "VER-1")]
    fn an_answer_is_explained_by_the_first_rule_that_is_broken(
        #[case] errno: Errno,
        #[case] header: Header,
        #[case] expected: &str,
    ) {
        let quoted = header.write(ABI);
        let error = ErrorMessage {
            error: -errno.0,
            quoted: &quoted,
        };
        let refusal = Refusal::of(&error, 3, ABI).unwrap();
        assert_eq!((refusal.errno, refusal.requirement.unwrap().id), (errno, expected));
        assert_eq!(refusal.request, Request::Other(header.message_type));
    }

    #[test]
    fn a_refusal_says_what_was_asked_and_what_to_do() {
        let body = VerdictRequest {
            verdict: Verdict::Stolen,
            packet_id: PacketId(9),
            data_len: 0,
        };
        let quoted = body.head(ABI, Envelope::request(PortId(7)), 0);
        let error = ErrorMessage {
            error: -Errno::EINVAL.0,
            quoted: &quoted,
        };
        let shown = Refusal::of(&error, 3, ABI).unwrap().to_string();
        assert!(shown.starts_with("verdict STOLEN on packet "), "{shown}");
        assert!(
            shown.ends_with("(EINVAL, 22) (VER-1: verdicts are 0, 1 and 3 to 5)"),
            "{shown}"
        );
        assert_eq!(Refusal::of(&ErrorMessage { error: 0, ..error }, 3, ABI), None);
    }
}
