//! The reasons why a record of a capture was not fed.

use super::link::names;
use crate::kernel::InjectError;
use std::fmt;

/// The reason why a record of a capture was not fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NotFed {
    /// The capture has only a part of the frame, in which the packet or a header is not whole, or
    /// seems wrong.
    Cut,
    /// The frame is of the link layer with this number, in which no packet is looked for.
    LinkType(u16),
    /// The capture does not describe the interface that the record names.
    NoInterface,
    /// The frame holds another protocol than IP, by its `EtherType` or by the protocol number of
    /// Linux's cooked link layers.
    NotIp {
        /// The protocol's `EtherType`, or its number in the cooked link layer.
        protocol: u16,
        /// `true` if the frame has a VLAN tag before the protocol.
        is_tagged: bool,
    },
    /// The frame holds another protocol than IP, by this protocol number of PPP.
    Ppp(u16),
    /// The frame holds another protocol than IP, by this service access point of IEEE 802.2.
    LogicalLink(u8),
    /// The frame's SNAP header does not hold an `EtherType`, but a protocol number of some other
    /// organisation.
    Organisation,
    /// The BSD loopback frame holds another protocol than IP, by this number of its address family.
    /// 255 stands for all greater numbers, too.
    AddressFamily(u8),
    /// The frame has MPLS labels, and the bytes after them do not begin with an IP version. It
    /// belongs to a pseudowire, for example.
    Circuit,
    /// The frame is a Wi-Fi frame that carries no data: management, control, or empty.
    WirelessControl,
    /// The frame is a Wi-Fi frame that is encrypted.
    Encrypted,
    /// The frame is a Wi-Fi frame of several packets (A-MSDU).
    Aggregate,
    /// The whole frame was captured, and it ends before a packet begins, or within the packet's
    /// header.
    Short,
    /// The bytes that should be an IP packet begin with this version, which is neither 4 nor 6.
    Version(u8),
    /// The IPv4 header's checksum is wrong. A kernel drops such a packet.
    Checksum,
    /// The packet is longer than the length field of its IP header can state, or is a jumbogram.
    TooLong,
    /// The IP header or a header before it is wrong, or the IP header states more bytes than the
    /// frame has.
    Malformed,
    /// The run ended before the packet was fed, or before it was fed again to another listener.
    RunEnded,
}

impl NotFed {
    pub(in super::super) const fn not_ip(protocol: u16) -> Self {
        Self::NotIp {
            protocol,
            is_tagged: false,
        }
    }
}

impl fmt::Display for NotFed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named = |what: &str, number: u16, name: Option<&str>| match name {
            Some(name) => write!(f, "{name} ({what} {number})"),
            None => write!(f, "{what} {number}, which is not read"),
        };
        match *self {
            Self::LinkType(number) => named("link type", number, names::link_type(number)),
            Self::NotIp { protocol, is_tagged } => {
                match names::ether_type(protocol) {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "not IP: EtherType {protocol:#06x}")?,
                }
                f.write_str(if is_tagged { " in a VLAN" } else { "" })
            }
            Self::Ppp(protocol) => match names::ppp(protocol) {
                Some(name) => f.write_str(name),
                None => write!(f, "not IP: PPP protocol {protocol:#06x}"),
            },
            Self::LogicalLink(service) => match names::service(service) {
                Some(name) => f.write_str(name),
                None => write!(f, "not IP: IEEE 802.2 service {service:#04x}"),
            },
            Self::AddressFamily(number) => write!(f, "not IP: address family {number}"),
            Self::Version(version) => write!(f, "IP version {version}"),
            _ => f.write_str(match self {
                Self::Cut => "cut by the capture's snapshot length",
                Self::NoInterface => "of an interface that the capture does not describe",
                Self::Organisation => "not IP: a protocol of one organisation's (SNAP)",
                Self::Circuit => "MPLS without IP",
                Self::WirelessControl => "a Wi-Fi frame without data",
                Self::Encrypted => "an encrypted Wi-Fi frame",
                Self::Aggregate => "a Wi-Fi frame of several packets (A-MSDU)",
                Self::Short => "the frame ends before a packet's header does",
                Self::Checksum => "wrong IPv4 header checksum",
                Self::TooLong => "longer than an IP header can state",
                Self::RunEnded => "the run had ended",
                _ => "malformed IP header",
            }),
        }
    }
}

impl From<&InjectError> for NotFed {
    fn from(error: &InjectError) -> Self {
        match error {
            InjectError::NotIp { version, .. } => Self::Version(*version),
            _ => Self::Malformed,
        }
    }
}
