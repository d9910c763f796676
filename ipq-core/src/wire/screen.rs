//! The checks of a request's header, MSG-1 to MSG-4, for a program that plays the kernel's side.

use super::abi::Abi;
use super::header::{Flags, Header, MessageType};
use crate::errno::Errno;

/// An objection to a header. Each has a [default response](Self::response), which some kernels
/// do not share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Objection {
    /// The datagram is shorter than a header (MSG-1).
    NoHeader,
    /// The header's length is under 16, or over the datagram's (MSG-1).
    Length,
    /// The port id is 0, the kernel's own (MSG-2).
    KernelPortId,
    /// The port id is negative as a signed number (MSG-2). Linux 2.4.0 and 2.4.16 accept it.
    NegativePortId,
    /// The flag [`Flags::REQUEST`] is missing (MSG-2).
    NoRequestFlag,
    /// The flag [`Flags::MULTI`] is set (MSG-2).
    MultiFlag,
    /// The flag [`Flags::TRUNCATED`] is set (MSG-3).
    TruncatedFlag,
    /// The type is 0, or 0x14 or above (MSG-4).
    UnknownType,
    /// The type is from 1 to 0x10: netlink's own types, and `ip_queue`'s base (MSG-4).
    ControlType,
}

impl Objection {
    /// All objections, in the order in which a header is checked for them.
    pub const ALL: [Self; 9] = [
        Self::NoHeader,
        Self::Length,
        Self::KernelPortId,
        Self::NegativePortId,
        Self::NoRequestFlag,
        Self::MultiFlag,
        Self::TruncatedFlag,
        Self::UnknownType,
        Self::ControlType,
    ];

    /// Returns the response of Linux 3.1 to 3.4 to the objection.
    #[must_use]
    #[inline]
    pub const fn response(self) -> Response {
        match self {
            Self::NoHeader | Self::Length | Self::ControlType => Response::Ignore,
            Self::TruncatedFlag => Response::Refuse(Errno::ECOMM),
            Self::KernelPortId | Self::NegativePortId | Self::NoRequestFlag | Self::MultiFlag | Self::UnknownType => {
                Response::Refuse(Errno::EINVAL)
            }
        }
    }

    /// Returns `true` if the objection applies to `header`, of a datagram of `length` bytes.
    #[inline]
    fn applies(self, header: &Header, length: usize) -> bool {
        let message_type = header.message_type.to_wire();
        match self {
            Self::NoHeader => length < Header::BYTES,
            Self::Length => (header.length as usize) < Header::BYTES || header.length as usize > length,
            Self::KernelPortId => header.port_id.0 == 0,
            Self::NegativePortId => header.port_id.0.cast_signed() < 0,
            Self::NoRequestFlag => !header.flags.contains(Flags::REQUEST),
            Self::MultiFlag => header.flags.contains(Flags::MULTI),
            Self::TruncatedFlag => header.flags.contains(Flags::TRUNCATED),
            Self::UnknownType => message_type == 0 || message_type > MessageType::Packet.to_wire(),
            Self::ControlType => (1..MessageType::Mode.to_wire()).contains(&message_type),
        }
    }
}

/// The response to an objection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// The message is ignored in silence.
    Ignore,
    /// The message is refused with this error number, and does not attach its sender to the queue.
    Refuse(Errno),
    /// The objection does not count: the next check follows.
    Overlook,
}

/// The outcome of the header's checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screened {
    /// The message is ignored in silence.
    Ignored,
    /// The message is refused with this error number, and does not attach its sender to the queue.
    /// The header is the message's own; if the datagram is shorter than a header, the missing bytes
    /// are zeros.
    Refused(Header, Errno),
    /// No objection applies, or each that applies is overlooked. The header is the message's own.
    /// The capability check follows (MSG-5).
    Passed(Header),
}

/// Checks the header of a datagram of `length` bytes against MSG-1 to MSG-4, in the kernel's
/// order. `front` holds the first bytes of the datagram: 16 or more, if it has as many.
///
/// `respond` decides about each objection that applies, until one is not
/// [overlooked](Response::Overlook). For Linux 3.1 to 3.4 it is [`Objection::response`]; a kernel
/// that differs is a closure around that:
///
/// ```
/// use ipq_core::Errno;
/// use ipq_core::wire::{Abi, Objection, Response, Screened, screen};
///
/// // Linux 2.4.0 answers a wrong length, and lets a negative port id attach.
/// let linux_2_4_0 = |objection: Objection| match objection {
///     Objection::Length => Response::Refuse(Errno::EINVAL),
///     Objection::NegativePortId => Response::Overlook,
///     other => other.response(),
/// };
/// let datagram = [0; 16];
/// let screened = screen(&datagram, datagram.len(), Abi::NATIVE, linux_2_4_0);
/// assert!(matches!(screened, Screened::Refused(_, Errno::EINVAL)));
/// ```
#[must_use]
#[inline]
pub fn screen(front: &[u8], length: usize, abi: Abi, respond: impl Fn(Objection) -> Response) -> Screened {
    let mut bytes = [0; Header::BYTES];
    let found = front.len().min(length).min(Header::BYTES);
    bytes[..found].copy_from_slice(&front[..found]);
    let Some(header) = Header::parse(&bytes, abi) else {
        return Screened::Ignored;
    };
    for objection in Objection::ALL {
        if objection.applies(&header, length) {
            match respond(objection) {
                Response::Ignore => return Screened::Ignored,
                Response::Refuse(errno) => return Screened::Refused(header, errno),
                Response::Overlook => {}
            }
        }
    }
    Screened::Passed(header)
}

#[cfg(test)]
mod tests {
    use super::super::values::PortId;
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const ABI: Abi = Abi::ILP32_BIG;

    const GOOD: Header = Header {
        length: 28,
        message_type: MessageType::Mode,
        flags: Flags::REQUEST,
        sequence: 9,
        port_id: PortId(4242),
    };

    fn of(header: Header, length: usize) -> Screened {
        screen(&header.write(ABI), length, ABI, Objection::response)
    }

    fn with_type(message_type: u16) -> Header {
        Header {
            message_type: MessageType::from_wire(message_type),
            ..GOOD
        }
    }

    #[rstest]
    #[case(15)]
    #[case(29)]
    fn a_stated_length_under_a_header_or_over_the_datagram_is_ignored(#[case] length: u32) {
        assert_eq!(of(Header { length, ..GOOD }, 28), Screened::Ignored);
    }

    #[rstest]
    #[case(16, 16)]
    #[case(28, 28)]
    #[case(28, 1000)]
    fn a_message_may_end_where_the_header_or_the_datagram_does(#[case] length: u32, #[case] datagram: usize) {
        let header = Header { length, ..GOOD };
        assert_eq!(of(header, datagram), Screened::Passed(header));
    }

    #[rstest]
    #[case(0)]
    #[case(0x8000_0000)]
    #[case(u32::MAX)]
    fn a_port_id_that_is_not_positive_is_refused(#[case] port_id: u32) {
        let header = Header {
            port_id: PortId(port_id),
            ..GOOD
        };
        assert!(!header.port_id.can_attach());
        assert_eq!(of(header, 28), Screened::Refused(header, Errno::EINVAL));
    }

    #[rstest]
    #[case(0, Errno::EINVAL)]
    #[case(4, Errno::EINVAL)]
    #[case(3, Errno::EINVAL)]
    #[case(0x23, Errno::EINVAL)]
    #[case(0x21, Errno::ECOMM)]
    fn a_flag_too_few_or_too_many_is_refused(#[case] flags: u16, #[case] errno: Errno) {
        let header = Header {
            flags: Flags(flags),
            ..GOOD
        };
        assert_eq!(of(header, 28), Screened::Refused(header, errno));
    }

    #[rstest]
    fn types_outside_the_protocol_are_refused(#[values(0, 0x14, 0x15, u16::MAX)] message_type: u16) {
        let header = with_type(message_type);
        assert_eq!(of(header, 28), Screened::Refused(header, Errno::EINVAL));
    }

    #[rstest]
    fn netlinks_own_types_are_ignored(#[values(1, 2, 3, 0x10)] message_type: u16) {
        assert_eq!(of(with_type(message_type), 28), Screened::Ignored);
    }

    #[rstest]
    fn the_protocols_types_pass(#[values(0x11, 0x12, 0x13)] message_type: u16) {
        assert_eq!(
            of(with_type(message_type), 28),
            Screened::Passed(with_type(message_type))
        );
    }

    #[test]
    fn the_first_objection_that_is_not_overlooked_decides() {
        let header = Header {
            flags: Flags::TRUNCATED,
            ..with_type(0x14)
        };
        let overlooking = |count: usize| {
            screen(&header.write(ABI), 28, ABI, |objection| {
                match Objection::ALL.iter().position(|known| *known == objection) {
                    Some(index) if index < count => Response::Overlook,
                    _ => objection.response(),
                }
            })
        };
        assert_eq!(overlooking(0), Screened::Refused(header, Errno::EINVAL));
        assert_eq!(overlooking(5), Screened::Refused(header, Errno::ECOMM));
        assert_eq!(overlooking(7), Screened::Refused(header, Errno::EINVAL));
        assert_eq!(overlooking(8), Screened::Passed(header));
    }

    #[rstest]
    fn of_a_datagram_without_a_whole_header_the_missing_bytes_are_zeros(#[values(0, 1, 15)] length: usize) {
        let written = GOOD.write(ABI);
        assert_eq!(screen(&written, length, ABI, Objection::response), Screened::Ignored);
        let answered = screen(&written[..length], length, ABI, |_| Response::Refuse(Errno::EINVAL));
        let Screened::Refused(header, Errno::EINVAL) = answered else {
            panic!("{answered:?}");
        };
        let missing = 16 - length;
        assert_eq!(header.write(ABI)[..], [&written[..length], &vec![0; missing]].concat());
    }
}
