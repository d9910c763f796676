//! Linux 2.4.0, measured: the first stable kernel with `ip_queue`. It never fills in a hardware
//! address. It answers a malformed header with EINVAL, and does not route a packet again that was
//! changed at OUTPUT.

use super::linux_2_4_16;
use super::nearest::{Known, Span, Version};
use super::{Profile, Weight};
use crate::behaviour::{
    Behaviour, Flushing, HardwareAddresses, Host, Metadata, Notes, Queueing, RecordPools, Requests, Reroute,
};
use ipq_core::Errno;
use ipq_core::wire::Response;

impl Profile {
    /// Linux 2.4.0 on i386, measured. Two rules were read in its sources: a malformed header is
    /// answered with EINVAL, and a packet that was changed at OUTPUT is not routed again.
    pub const LINUX_2_4_0_I386: Self = Self {
        name: "linux-2.4.0-i386",
        kernel: "2.4.0",
        weight: Weight::RoundedUp { to: 16, base: 152 },
        spans: &[
            Span {
                first: Version::new(2, 4, 0),
                last: Version::new(2, 4, 0),
                known: Known::Same,
            },
            Span {
                first: Version::new(2, 4, 1),
                last: Version::new(2, 4, 8),
                known: Known::Assumed("nobody has looked between 2.4.0 and 2.4.16; 2.4.0 is nearer"),
            },
        ],
        behaviour: BEHAVIOUR,
        ..Self::LINUX_2_4_16_I386
    };
}

const NEWER: Behaviour = linux_2_4_16::BEHAVIOUR;

/// The rules of Linux 2.4.0.
pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    requests: Requests {
        no_header: Response::Refuse(Errno::EINVAL),
        wrong_length: Response::Refuse(Errno::EINVAL),
        ..NEWER.requests
    },
    queueing: Queueing {
        record_pools: RecordPools::WithNotes(Notes {
            flushing: Flushing::NoteFirst,
            sockets_take_ipv6_records: false,
            devices_take_ipv4_records: false,
        }),
        ..NEWER.queueing
    },
    metadata: Metadata {
        hardware_addresses: HardwareAddresses::Never,
        ..NEWER.metadata
    },
    host: Host {
        reroute: Reroute::Never,
        ..NEWER.host
    },
    ..NEWER
};
