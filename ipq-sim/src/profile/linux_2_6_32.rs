//! Linux 2.6.32, read in its sources. A socket opens for any netlink protocol from 0 to 31, with or
//! without a module for it.

use super::Profile;
use super::linux_3_0;
use super::nearest::{Known, Span, Version};
use crate::behaviour::{Behaviour, Netlink, Opening};

impl Profile {
    /// Linux 2.6.32 on x86-64, read in its sources.
    pub const LINUX_2_6_32_X86_64: Self = Self {
        name: "linux-2.6.32-x86_64",
        kernel: "2.6.32",
        spans: &[
            Span {
                first: Version::new(2, 6, 32),
                last: Version::new(2, 6, 32),
                known: Known::Same,
            },
            Span {
                first: Version::new(2, 6, 29),
                last: Version::new(2, 6, 31),
                known: Known::Assumed(
                    "2.6.28 still quoted only the header in an error, by its sources, and 2.6.32 quotes all; nobody has \
                     looked between them",
                ),
            },
            Span {
                first: Version::new(2, 6, 33),
                last: Version::new(2, 6, u32::MAX),
                known: Known::Assumed(
                    "nobody has looked between 2.6.32 and 3.0, which differ in what opens a socket alone",
                ),
            },
        ],
        behaviour: BEHAVIOUR,
        ..Self::LINUX_3_0_X86_64
    };
}

const NEWER: Behaviour = linux_3_0::BEHAVIOUR;

/// The rules of Linux 2.6.32.
pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    netlink: Netlink {
        opening: Opening::AnyProtocol,
        ..NEWER.netlink
    },
    ..NEWER
};
