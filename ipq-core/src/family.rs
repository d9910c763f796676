//! The two families of the internet protocol. A queue of `ip_queue` is for one of them.

use std::fmt;

/// The family of a queue's packets. In `ip_queue` each family has a queue, a netlink protocol and
/// settings of its own (EVT-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4: `ip_queue`, netlink protocol 3.
    #[doc(alias = "PF_INET")]
    Ipv4,
    /// IPv6: `ip6_queue`, netlink protocol 13.
    #[doc(alias = "PF_INET6")]
    Ipv6,
}

impl Family {
    /// Both families, in the order of their netlink protocols.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// Returns the netlink protocol of this family's queue: 3 or 13 (LIB-1).
    #[doc(alias("NETLINK_FIREWALL", "NETLINK_IP6_FW"))]
    #[must_use]
    pub const fn netlink_protocol(self) -> u8 {
        match self {
            Self::Ipv4 => 3,
            Self::Ipv6 => 13,
        }
    }

    /// Returns the family whose queue uses the netlink protocol `protocol`. Returns `None` if there
    /// is none.
    #[must_use]
    pub const fn from_netlink_protocol(protocol: i32) -> Option<Self> {
        match protocol {
            3 => Some(Self::Ipv4),
            13 => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// Returns the family that libipq's `ipq_create_handle` calls `number`: 2 or 10 (LIB-1).
    /// Returns `None` for another number.
    #[doc(alias("NFPROTO_IPV4", "NFPROTO_IPV6"))]
    #[must_use]
    pub const fn from_protocol_family(number: u32) -> Option<Self> {
        match number {
            2 => Some(Self::Ipv4),
            10 => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// Returns the length of this family's fixed IP header in bytes: 20 or 40. No packet of the
    /// family is shorter.
    #[must_use]
    pub const fn header_length(self) -> usize {
        match self {
            Self::Ipv4 => 20,
            Self::Ipv6 => 40,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}
