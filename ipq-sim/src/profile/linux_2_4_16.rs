//! Linux 2.4.16, measured: a kernel of the time of libipq's manual page. A message with another
//! port id than the peer's takes the queue over. A peer that is gone is noticed at the next packet.
//! A message that asks for mode NONE is refused. The /proc text has eight lines, mangle has only
//! PREROUTING and OUTPUT, and there is no `ip6_queue`.

use super::linux_2_4_32;
use super::nearest::{Known, Span, Version};
use super::{Profile, Weight};
use crate::behaviour::{
    Attaching, Behaviour, EIGHT_LINES, Flushing, Host, Ipv6Queue, MangleChains, ModeNoneRequest, Modules, Notes,
    PeerLoss, ProcText, Queueing, RangeCut, RecordPools, Requests, SecondPeer, Signedness, WhenFull,
};
use crate::per_family::PerFamily;
use ipq_core::wire::Response;

impl Profile {
    /// Linux 2.4.16 on i386, measured.
    pub const LINUX_2_4_16_I386: Self = Self {
        name: "linux-2.4.16-i386",
        kernel: "2.4.16",
        weight: Weight::RoundedUp { to: 32, base: 156 },
        receive_buffer: 65_535,
        receive_buffer_limit: 65_535,
        send_buffer: 65_535,
        spans: &[
            Span {
                first: Version::new(2, 4, 16),
                last: Version::new(2, 4, 17),
                known: Known::Same,
            },
            Span {
                first: Version::new(2, 4, 9),
                last: Version::new(2, 4, 15),
                known: Known::Assumed("nobody has looked between 2.4.0 and 2.4.16; 2.4.16 is nearer"),
            },
        ],
        behaviour: BEHAVIOUR,
        ..Self::LINUX_2_4_32_I386
    };
}

const NEWER: Behaviour = linux_2_4_32::BEHAVIOUR;

/// The rules of Linux 2.4.16.
pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    attaching: Attaching {
        second_peer: SecondPeer::TakesOver,
        peer_loss: PeerLoss::AtNextPacket,
        ..NEWER.attaching
    },
    requests: Requests {
        negative_port_id: Response::Overlook,
        mode_none: ModeNoneRequest::Refused,
        range_cut: RangeCut::ClampedAtFullWidth,
        ..NEWER.requests
    },
    queueing: Queueing {
        when_full: WhenFull::DroppedFirst,
        maximum_length: Signedness::Signed,
        record_pools: RecordPools::WithNotes(Notes {
            flushing: Flushing::NoteFirst,
            sockets_take_ipv6_records: false,
            devices_take_ipv4_records: true,
        }),
        ..NEWER.queueing
    },
    host: Host {
        mangle_chains: MangleChains::PreroutingAndOutput,
        ..NEWER.host
    },
    modules: Modules {
        ipv6_queue: Ipv6Queue::Absent,
        ..NEWER.modules
    },
    proc_text: ProcText {
        label_width: 19,
        lines: PerFamily::new(&EIGHT_LINES, &EIGHT_LINES),
    },
    ..NEWER
};
