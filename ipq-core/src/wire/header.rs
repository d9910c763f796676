//! The netlink header that begins every frame.

use super::abi::Abi;
use super::fields::{Fields, FieldsMut};
use super::head::Head;
use super::values::PortId;
use std::fmt;
use std::ops::BitOr;

/// The 16 bytes that begin every frame.
#[doc(alias = "nlmsghdr")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The length of the message in bytes, this header included. It is what the sender states,
    /// unchecked.
    pub length: u32,
    /// The type of the message.
    pub message_type: MessageType,
    /// The flags of the message, `NLM_F_…` in C: see [`Flags`].
    pub flags: Flags,
    /// A number that the sender of a request chooses; the reply repeats it.
    pub sequence: u32,
    /// In a request the port id that the message states as its sender, by which the queue knows its
    /// peer (ATT-1). In an answer it is that of the socket that sent the request (ERR-2).
    pub port_id: PortId,
}

impl Header {
    /// The size of a header on every machine: 16 bytes.
    pub const BYTES: usize = Abi::HEADER_BYTES;

    /// Reads the header at the start of `bytes`. Returns `None` if `bytes` has fewer than 16 bytes.
    #[must_use]
    #[inline(always)]
    pub fn parse(bytes: &[u8], abi: Abi) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.first_chunk()?;
        let fields = Fields::new(bytes, abi);
        Some(Self {
            length: fields.u32(field::LENGTH),
            message_type: MessageType::from_wire(fields.u16(field::TYPE)),
            flags: Flags(fields.u16(field::FLAGS)),
            sequence: fields.u32(field::SEQUENCE),
            port_id: PortId(fields.u32(field::PORT_ID)),
        })
    }

    /// Returns the header as bytes.
    #[must_use]
    #[inline(always)]
    pub fn write(&self, abi: Abi) -> Head {
        Head::written(Self::BYTES, |room| self.write_to(room, abi))
    }

    /// Writes the header to the start of a frame.
    #[inline(always)]
    pub(super) fn write_to(&self, frame: &mut [u8], abi: Abi) {
        FieldsMut::new(frame, abi)
            .u32(field::LENGTH, self.length)
            .u16(field::TYPE, self.message_type.to_wire())
            .u16(field::FLAGS, self.flags.0)
            .u32(field::SEQUENCE, self.sequence)
            .u32(field::PORT_ID, self.port_id.0);
    }
}

/// Offsets of a header's fields, in bytes.
mod field {
    pub(super) const LENGTH: usize = 0;
    pub(super) const TYPE: usize = 4;
    pub(super) const FLAGS: usize = 6;
    pub(super) const SEQUENCE: usize = 8;
    pub(super) const PORT_ID: usize = 12;
}

/// The part of a [`Header`] that a sender chooses; type and length follow from the message.
///
/// The default, all zeros, is what the kernel puts on PACKET frames (WIRE-5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The flags of the message, `NLM_F_…` in C: see [`Flags`].
    pub flags: Flags,
    /// A number that the sender of a request chooses; the reply repeats it.
    pub sequence: u32,
    /// The port id in the header: see [`Header::port_id`].
    pub port_id: PortId,
}

impl Envelope {
    /// Returns the envelope that libipq gives to every message that it sends: the flag REQUEST,
    /// sequence 0, and `port_id`, which is the handle's (LIB-11).
    #[must_use]
    pub const fn request(port_id: PortId) -> Self {
        Self {
            flags: Flags::REQUEST,
            sequence: 0,
            port_id,
        }
    }

    /// Returns the header of a message with a fixed part of `fixed` bytes and `following` bytes
    /// after it. A length that the field can't hold becomes the largest that it can, so that no
    /// reader takes a part of the message for the whole.
    #[inline(always)]
    pub(super) fn header(self, message_type: MessageType, fixed: usize, following: usize) -> Header {
        let length = following.saturating_add(Header::BYTES + fixed);
        Header {
            length: u32::try_from(length).unwrap_or(u32::MAX),
            message_type,
            flags: self.flags,
            sequence: self.sequence,
            port_id: self.port_id,
        }
    }
}

/// The type of a message (WIRE-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Type 2: an error, or an acknowledgement, which is an error of number 0.
    #[doc(alias = "NLMSG_ERROR")]
    Error,
    /// Type 0x11: a program sets the copy mode.
    #[doc(alias = "IPQM_MODE")]
    Mode,
    /// Type 0x12: a program gives a verdict.
    #[doc(alias = "IPQM_VERDICT")]
    Verdict,
    /// Type 0x13: the kernel hands over a packet.
    #[doc(alias = "IPQM_PACKET")]
    Packet,
    /// Any other type. `ip_queue` sends none of these, and obeys none.
    /// [`from_wire`](Self::from_wire) never puts the number of a known type here.
    Unknown(u16),
}

impl MessageType {
    /// Returns the type with this number on the wire.
    #[must_use]
    #[inline]
    pub const fn from_wire(value: u16) -> Self {
        match value {
            2 => Self::Error,
            0x11 => Self::Mode,
            0x12 => Self::Verdict,
            0x13 => Self::Packet,
            other => Self::Unknown(other),
        }
    }

    /// Returns the type's number on the wire.
    #[must_use]
    #[inline]
    pub const fn to_wire(self) -> u16 {
        match self {
            Self::Error => 2,
            Self::Mode => 0x11,
            Self::Verdict => 0x12,
            Self::Packet => 0x13,
            Self::Unknown(other) => other,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error => f.write_str("NLMSG_ERROR"),
            Self::Mode => f.write_str("MODE"),
            Self::Verdict => f.write_str("VERDICT"),
            Self::Packet => f.write_str("PACKET"),
            Self::Unknown(other) => write!(f, "type {other:#x}"),
        }
    }
}

/// The flags of a header. Any bit can be set on the wire; those with a meaning here have names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// No flag, as in frames from the kernel (WIRE-5, ERR-2).
    pub const NONE: Self = Self(0);
    /// Flag 1: the message is a request. The kernel refuses a message without this flag (MSG-2).
    #[doc(alias = "NLM_F_REQUEST")]
    pub const REQUEST: Self = Self(1);
    /// Flag 2: the message is one part of several. The kernel refuses such a message (MSG-2).
    #[doc(alias = "NLM_F_MULTI")]
    pub const MULTI: Self = Self(2);
    /// Flag 4: the kernel is to acknowledge success, too (MSG-10).
    #[doc(alias = "NLM_F_ACK")]
    pub const ACK: Self = Self(4);
    /// Flag 0x20: the kernel refuses a message with this flag with ECOMM (MSG-3). The receive
    /// call's `MSG_TRUNC` has the same value, but is another flag.
    pub const TRUNCATED: Self = Self(0x20);

    /// Returns `true` if these flags have every bit of `other`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded;
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const HEADER: Header = Header {
        length: 0x0102_0304,
        message_type: MessageType::Packet,
        flags: Flags(0x0506),
        sequence: 0x0708_090a,
        port_id: PortId(0x0b0c_0d0e),
    };

    #[rstest]
    #[case(Abi::LP64_LITTLE, [4, 3, 2, 1, 0x13, 0, 6, 5, 10, 9, 8, 7, 14, 13, 12, 11])]
    #[case(Abi::ILP32_LITTLE, [4, 3, 2, 1, 0x13, 0, 6, 5, 10, 9, 8, 7, 14, 13, 12, 11])]
    #[case(Abi::LP64_BIG, [1, 2, 3, 4, 0, 0x13, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])]
    #[case(Abi::ILP32_BIG, [1, 2, 3, 4, 0, 0x13, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])]
    fn fields_are_at_their_offsets(#[case] abi: Abi, #[case] bytes: [u8; 16]) {
        assert_eq!(HEADER.write(abi)[..], bytes);
        assert_eq!(Header::parse(&bytes, abi), Some(HEADER));
    }

    #[test]
    fn fifteen_bytes_are_no_header_and_more_than_sixteen_do_no_harm() {
        let bytes = recorded::bytes(recorded::MODE_LP64);
        assert_eq!(Header::parse(&bytes[..15], Abi::LP64_LITTLE), None);
        assert_eq!(
            Header::parse(&bytes, Abi::LP64_LITTLE),
            Some(Header {
                length: 40,
                message_type: MessageType::Mode,
                flags: Flags::REQUEST,
                sequence: 0,
                port_id: PortId(4242),
            })
        );
    }

    #[rstest]
    #[case(0, MessageType::Unknown(0), "type 0x0")]
    #[case(2, MessageType::Error, "NLMSG_ERROR")]
    #[case(0x10, MessageType::Unknown(0x10), "type 0x10")]
    #[case(0x11, MessageType::Mode, "MODE")]
    #[case(0x12, MessageType::Verdict, "VERDICT")]
    #[case(0x13, MessageType::Packet, "PACKET")]
    #[case(0x14, MessageType::Unknown(0x14), "type 0x14")]
    #[case(0xffff, MessageType::Unknown(0xffff), "type 0xffff")]
    fn message_types_have_their_numbers(#[case] number: u16, #[case] expected: MessageType, #[case] text: &str) {
        assert_eq!(MessageType::from_wire(number), expected);
        assert_eq!(expected.to_wire(), number);
        assert_eq!(expected.to_string(), text);
    }

    #[test]
    fn flags_are_sets_of_bits() {
        let both = Flags::REQUEST | Flags::ACK;
        assert_eq!(both, Flags(5));
        assert_eq!(both | Flags::ACK, both);
        assert!(both.contains(Flags::ACK) && both.contains(both) && both.contains(Flags::NONE));
        assert!(!both.contains(Flags::MULTI) && !Flags::ACK.contains(both));
        assert!(!Flags::NONE.contains(Flags::TRUNCATED));
    }

    #[rstest]
    #[case(0, 0, 16)]
    #[case(24, 0, 40)]
    #[case(24, u32::MAX as usize - 40, u32::MAX)]
    #[case(24, u32::MAX as usize, u32::MAX)]
    #[case(24, usize::MAX, u32::MAX)]
    fn a_length_that_no_header_can_state_is_the_largest(
        #[case] fixed: usize,
        #[case] following: usize,
        #[case] expected: u32,
    ) {
        let header = Envelope::default().header(MessageType::Verdict, fixed, following);
        assert_eq!(header.length, expected);
    }
}
