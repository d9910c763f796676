//! Linux 3.0, read in its sources. The verdict STOLEN is accepted, and drops the packet.

use super::linux_3_4;
use super::nearest::{Known, Span, Version};
use super::{Profile, Provenance, Weight};
use crate::behaviour::{Behaviour, Effect, Verdicts};

impl Profile {
    /// Linux 3.0 on x86-64, read in its sources.
    pub const LINUX_3_0_X86_64: Self = Self {
        name: "linux-3.0-x86_64",
        kernel: "3.0",
        provenance: Provenance::Read,
        weight: Weight::RoundedUp { to: 64, base: 192 },
        receive_buffer: 114_688,
        receive_buffer_limit: 114_688,
        receive_buffer_least: 256,
        send_buffer: 114_688,
        spans: &[Span {
            first: Version::new(3, 0, 0),
            last: Version::new(3, 0, u32::MAX),
            known: Known::Same,
        }],
        behaviour: BEHAVIOUR,
        ..Self::LINUX_3_4_10_X86_64
    };
}

const NEWER: Behaviour = linux_3_4::BEHAVIOUR;

/// The rules of Linux 3.0.
pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    verdicts: Verdicts {
        stolen: Effect::Dropped,
        ..NEWER.verdicts
    },
    ..NEWER
};
