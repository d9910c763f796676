//! Linux 2.4.32, measured. A packet that finds the queue full is delivered to the program, and then
//! dropped. A message's body ends with the datagram, whatever its header says. STOP is refused as a
//! verdict. Of packets over the MTU, an IPv4 packet is fragmented even with DF, and an IPv6 packet
//! leaves whole. The /proc text has no counters of dropped packets.

use super::linux_2_6_18;
use super::nearest::{Known, Span, Version};
use super::{Profile, Weight};
use crate::behaviour::{
    Behaviour, BodyLength, Effect, Figure, Flushing, Host, Line, Metadata, Notes, OutputProtocol, OversizeIpv4,
    OversizeIpv6, OwnPackets, ProcText, Queueing, RecordPools, Requests, Verdicts, WhenFull,
};
use crate::per_family::PerFamily;

impl Profile {
    /// Linux 2.4.32 on i386, measured.
    pub const LINUX_2_4_32_I386: Self = Self {
        name: "linux-2.4.32-i386",
        kernel: "2.4.32",
        weight: Weight::RoundedUp { to: 32, base: 160 },
        receive_buffer: 106_496,
        receive_buffer_limit: 106_496,
        send_buffer: 106_496,
        first_entry: PerFamily::new(0xc000_0000, 0xe000_0000),
        entry_bytes: 32,
        spans: &[
            Span {
                first: Version::new(2, 4, 32),
                last: Version::new(2, 4, 32),
                known: Known::Same,
            },
            Span {
                first: Version::new(2, 4, 18),
                last: Version::new(2, 4, 31),
                known: Known::Assumed(
                    "2.4.17 is as 2.4.16, by its sources, and nobody has looked between it and 2.4.32; mangle had all \
                     five chains from 2.4.18 on",
                ),
            },
            Span {
                first: Version::new(2, 4, 33),
                last: Version::new(2, 4, u32::MAX),
                known: Known::Assumed("nobody has looked after 2.4.32, when 2.4 got corrections alone"),
            },
            Span {
                first: Version::new(2, 6, 0),
                last: Version::new(2, 6, 9),
                known: Known::Assumed("2.6.9 is as 2.4.32, by its sources; nobody has run it or one before it"),
            },
        ],
        behaviour: BEHAVIOUR,
        ..Self::LINUX_2_6_18_I386
    };
}

const NEWER: Behaviour = linux_2_6_18::BEHAVIOUR;

/// The rules of Linux 2.4.32.
pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    requests: Requests {
        body_length: BodyLength::Datagram,
        ..NEWER.requests
    },
    queueing: Queueing {
        when_full: WhenFull::DeliveredAndDropped,
        record_pools: RecordPools::WithNotes(Notes {
            flushing: Flushing::EntryFirst,
            sockets_take_ipv6_records: true,
            devices_take_ipv4_records: false,
        }),
        ..NEWER.queueing
    },
    metadata: Metadata {
        output_protocol: OutputProtocol::Ipv4,
        own_packets: OwnPackets::MicrosecondsLeft,
        ..NEWER.metadata
    },
    verdicts: Verdicts {
        stop: Effect::Refused,
        ..NEWER.verdicts
    },
    host: Host {
        oversize_ipv4: OversizeIpv4::Fragmented,
        oversize_ipv6: OversizeIpv6::SentWhole,
        ..NEWER.host
    },
    proc_text: ProcText {
        label_width: 17,
        lines: PerFamily::new(&FIVE_LINES, &FIVE_LINES),
    },
    ..NEWER
};

const FIVE_LINES: [Line; 5] = [
    Line("Peer PID", Figure::Peer),
    Line("Copy mode", Figure::Mode),
    Line("Copy range", Figure::Range),
    Line("Queue length", Figure::Length),
    Line("Queue max. length", Figure::MaximumLength),
];
