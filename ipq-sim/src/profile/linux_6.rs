//! Linux 6.18 and 6.1, both measured. They have numbered queues, and no `ip_queue`.

use super::nearest::{Known, Span, Version};
use super::{Profile, Provenance, Weight, linux_3_4};
#[allow(
    clippy::wildcard_imports,
    reason = "a profile names a value of every rule that differs"
)]
use crate::behaviour::*;
use crate::per_family::PerFamily;
use crate::queue::nfnetlink;
use ipq_core::wire::Abi;

impl Profile {
    /// Linux 6.18 on x86-64, measured on 6.18.44, with the default limits of receive and send
    /// buffers.
    pub const LINUX_6_18_X86_64: Self = Self {
        name: "linux-6.18-x86_64",
        kernel: "6.18",
        architecture: "x86_64",
        provenance: Provenance::Measured,
        abi: Abi::LP64_LITTLE,
        weight: Weight::SmallHeads {
            small: 256,
            shared_info: 320,
            base: 256,
        },
        receive_buffer: 212_992,
        receive_buffer_limit: 212_992,
        receive_buffer_least: 2048 + 256,
        send_buffer: 212_992,
        queue_length: 1024,
        // The packet ids of numbered queues are no addresses.
        first_entry: PerFamily::new(0, 0),
        entry_bytes: 0,
        spans: &[Span {
            first: Version::new(6, 18, 0),
            last: Version::new(6, 18, u32::MAX),
            known: Known::Same,
        }],
        behaviour: Behaviour {
            modules: Modules {
                numbered: Some(nfnetlink::Rules::LINUX_6_18),
                ..linux_3_4::BEHAVIOUR.modules
            },
            host: Host {
                indev_at_postrouting: IndevAtPostrouting::Kept,
                next_hop: NextHop::AsItLeaves,
                ..linux_3_4::BEHAVIOUR.host
            },
            metadata: Metadata {
                timestamps: Timestamps::Always,
                ..linux_3_4::BEHAVIOUR.metadata
            },
            netlink: Netlink {
                full: Full::WithNext,
                empty_datagram: EmptyDatagram::Refused,
                ..linux_3_4::BEHAVIOUR.netlink
            },
            ..linux_3_4::BEHAVIOUR
        },
    };

    /// Linux 6.1 on x86-64, measured on 6.1.192.
    pub const LINUX_6_1_X86_64: Self = Self {
        name: "linux-6.1-x86_64",
        kernel: "6.1",
        weight: Weight::PowerOfTwo {
            shared_info: 320,
            base: 256,
        },
        spans: &[
            Span {
                first: Version::new(6, 1, 0),
                last: Version::new(6, 1, 191),
                known: Known::Assumed(
                    "6.1.176 answers an unknown command with another number than 6.1.192, which was measured (NFQ-26)",
                ),
            },
            Span {
                first: Version::new(6, 1, 192),
                last: Version::new(6, 1, u32::MAX),
                known: Known::Same,
            },
        ],
        behaviour: Behaviour {
            modules: Modules {
                numbered: Some(nfnetlink::Rules::LINUX_6_1),
                ..Self::LINUX_6_18_X86_64.behaviour.modules
            },
            ..Self::LINUX_6_18_X86_64.behaviour
        },
        ..Self::LINUX_6_18_X86_64
    };
}
