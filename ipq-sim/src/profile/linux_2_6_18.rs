//! Linux 2.6.18, measured on i386. A packet that came in by `lo` has a hardware address of length
//! 0. IPv6 packets that a verdict has grown beyond the MTU are fragmented. The entries of both
//! families come from one pool.

use super::linux_2_6_27;
use super::nearest::{Known, Span, Version};
use super::{Profile, Provenance, Weight};
use crate::behaviour::{Behaviour, HardwareAddresses, Host, Metadata, OversizeIpv6, Queueing, RecordPools};
use crate::per_family::PerFamily;
use ipq_core::wire::Abi;

impl Profile {
    /// Linux 2.6.18 on i386, measured.
    pub const LINUX_2_6_18_I386: Self = Self {
        name: "linux-2.6.18-i386",
        architecture: "i386",
        provenance: Provenance::Measured,
        abi: Abi::ILP32_LITTLE,
        weight: Weight::RoundedUp { to: 32, base: 156 },
        receive_buffer: 105_472,
        receive_buffer_limit: 105_472,
        send_buffer: 105_472,
        first_entry: PerFamily::new(0xc000_0000, 0xe000_0000),
        entry_bytes: 32,
        ..Self::LINUX_2_6_18_X86_64
    };

    /// Linux 2.6.18 on x86-64, read in its sources: the rules are those that were measured on i386.
    pub const LINUX_2_6_18_X86_64: Self = Self {
        name: "linux-2.6.18-x86_64",
        kernel: "2.6.18",
        first_entry: PerFamily::new(0xffff_8100_0e00_0000, 0xffff_8101_0e00_0000),
        entry_bytes: 32,
        spans: &[
            Span {
                first: Version::new(2, 6, 18),
                last: Version::new(2, 6, 18),
                known: Known::Same,
            },
            Span {
                first: Version::new(2, 6, 10),
                last: Version::new(2, 6, 17),
                known: Known::Assumed(
                    "nobody has looked between 2.6.9, which is as 2.4.32, and 2.6.18; 2.6.18 is nearer",
                ),
            },
            Span {
                first: Version::new(2, 6, 19),
                last: Version::new(2, 6, 22),
                known: Known::Assumed("nobody has looked between 2.6.18 and 2.6.27; 2.6.18 is nearer"),
            },
        ],
        behaviour: BEHAVIOUR,
        ..Self::LINUX_2_6_27_X86_64
    };
}

const NEWER: Behaviour = linux_2_6_27::BEHAVIOUR;

/// The rules of Linux 2.6.18.
pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    queueing: Queueing {
        record_pools: RecordPools::Shared,
        ..NEWER.queueing
    },
    metadata: Metadata {
        hardware_addresses: HardwareAddresses::ArrivedByEthernet,
        ..NEWER.metadata
    },
    host: Host {
        oversize_ipv6: OversizeIpv6::Fragmented,
        ..NEWER.host
    },
    ..NEWER
};
