//! Linux 2.6.27, measured on i386. An error quotes only the header of the message, and
//! `NETLINK_NO_ENOBUFS` changes nothing.

use super::linux_2_6_32;
use super::nearest::{Known, Span, Version};
use super::{Profile, Provenance, Weight};
use crate::behaviour::{Behaviour, Netlink, NoEnobufs, Quote, Replies};
use crate::per_family::PerFamily;
use ipq_core::wire::Abi;

impl Profile {
    /// Linux 2.6.27 on i386, measured.
    pub const LINUX_2_6_27_I386: Self = Self {
        name: "linux-2.6.27-i386",
        architecture: "i386",
        provenance: Provenance::Measured,
        abi: Abi::ILP32_LITTLE,
        weight: Weight::RoundedUp { to: 32, base: 160 },
        receive_buffer: 106_496,
        receive_buffer_limit: 106_496,
        send_buffer: 106_496,
        first_entry: PerFamily::new(0xc000_0000, 0xe000_0000),
        entry_bytes: 64,
        ..Self::LINUX_2_6_27_X86_64
    };

    /// Linux 2.6.27 on x86-64, read in its sources: the rules are those that were measured on i386.
    pub const LINUX_2_6_27_X86_64: Self = Self {
        name: "linux-2.6.27-x86_64",
        kernel: "2.6.27",
        spans: &[
            Span {
                first: Version::new(2, 6, 27),
                last: Version::new(2, 6, 27),
                known: Known::Same,
            },
            Span {
                first: Version::new(2, 6, 28),
                last: Version::new(2, 6, 28),
                known: Known::Assumed("2.6.28 quotes only the header in an error, as 2.6.27 does; nobody has run it"),
            },
            Span {
                first: Version::new(2, 6, 23),
                last: Version::new(2, 6, 26),
                known: Known::Assumed("nobody has looked between 2.6.18 and 2.6.27; 2.6.27 is nearer"),
            },
        ],
        behaviour: BEHAVIOUR,
        ..Self::LINUX_2_6_32_X86_64
    };
}

const NEWER: Behaviour = linux_2_6_32::BEHAVIOUR;

/// The rules of Linux 2.6.27.
pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    replies: Replies {
        error_quotes: Quote::Header,
        ..NEWER.replies
    },
    netlink: Netlink {
        no_enobufs: NoEnobufs::Nothing,
        ..NEWER.netlink
    },
    ..NEWER
};
