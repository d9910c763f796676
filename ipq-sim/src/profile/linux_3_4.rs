//! Linux 3.4.10, measured on x86-64 and on i386. Linux 3.1 to 3.4 have the same rules, with one
//! known exception: from 3.4.11 on, a program needs `CAP_NET_ADMIN` to send to another's port id.

use super::nearest::{Known, Span, Version};
use super::{Profile, Provenance, Weight};
#[allow(clippy::wildcard_imports, reason = "a profile names a value of every rule")]
use crate::behaviour::*;
use crate::per_family::PerFamily;
use ipq_core::Errno;
use ipq_core::wire::{Abi, Response};

impl Profile {
    /// Linux 3.4.10 on x86-64, measured.
    pub const LINUX_3_4_10_X86_64: Self = Self {
        name: "linux-3.4.10-x86_64",
        kernel: "3.4.10",
        architecture: "x86_64",
        provenance: Provenance::Measured,
        abi: Abi::LP64_LITTLE,
        weight: Weight::PowerOfTwo {
            shared_info: 320,
            base: 192,
        },
        receive_buffer: 196_608,
        receive_buffer_limit: 1_572_864,
        receive_buffer_least: 2048 + 192,
        send_buffer: 196_608,
        queue_length: 1024,
        first_entry: PerFamily::new(0xffff_8800_0e00_0000, 0xffff_8900_0e00_0000),
        entry_bytes: 96,
        spans: &[
            Span {
                first: Version::new(3, 1, 0),
                last: Version::new(3, 4, 10),
                known: Known::Same,
            },
            Span {
                first: Version::new(3, 4, 11),
                last: Version::new(3, 4, u32::MAX),
                known: Known::Assumed(
                    "from 3.4.11 on a program needs CAP_NET_ADMIN to send to another's port id; all else is \
                     as in 3.4.10",
                ),
            },
        ],
        behaviour: BEHAVIOUR,
    };

    /// Linux 3.4.10 on i386, measured.
    pub const LINUX_3_4_10_I386: Self = Self {
        name: "linux-3.4.10-i386",
        architecture: "i386",
        abi: Abi::ILP32_LITTLE,
        weight: Weight::PowerOfTwo {
            shared_info: 192,
            base: 160,
        },
        receive_buffer: 155_648,
        receive_buffer_least: 2048 + 160,
        send_buffer: 155_648,
        first_entry: PerFamily::new(0xc000_0000, 0xe000_0000),
        entry_bytes: 64,
        ..Self::LINUX_3_4_10_X86_64
    };
}

/// The rules of Linux 3.4.10.
pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    attaching: Attaching {
        peer_known_by: PeerKnownBy::Header,
        refused_body: RefusedBody::Attaches,
        second_peer: SecondPeer::Refused,
        peer_loss: PeerLoss::AtOnce,
        capability: Capability::ForEveryMessage,
        binding: Binding::AttachesNobody,
    },
    requests: Requests {
        no_header: Response::Ignore,
        wrong_length: Response::Ignore,
        kernel_port_id: Response::Refuse(Errno::EINVAL),
        negative_port_id: Response::Refuse(Errno::EINVAL),
        no_request_flag: Response::Refuse(Errno::EINVAL),
        multi_flag: Response::Refuse(Errno::EINVAL),
        truncated_flag: Response::Refuse(Errno::ECOMM),
        unknown_type: Response::Refuse(Errno::EINVAL),
        control_type: Response::Ignore,
        packet_type: Response::Refuse(Errno::EINVAL),
        peer_check: PeerCheck::BeforeBody,
        body_length: BodyLength::Header,
        mode_body: ModeBody::AtLeastUnion,
        mode_none: ModeNoneRequest::Accepted,
        range_cut: RangeCut::To32BitsThenClamped,
        mode_change: ModeChange::KeepsPackets,
        acknowledged: Acknowledged::IfAsked,
        following_message: FollowingMessage::Ignored,
    },
    replies: Replies {
        error_quotes: Quote::Message,
        acknowledgement_quotes: Quote::Header,
        to: ReplyTo::SendingSocket,
        sequence: ReplySequence::OfMessage,
        stated_length: StatedLength::Exact,
        sign: ErrorSign::Negative,
        room: ReplyRoom::OfReceiveBuffer,
    },
    queueing: Queueing {
        mode_none: ModeNone::Drops,
        no_listener: Counted::Uncounted,
        when_full: WhenFull::Dropped,
        full_at: FullAt::Maximum,
        maximum_length: Signedness::Unsigned,
        undeliverable: Counted::Counted,
        copied: Copied::Range,
        reuse: Reuse::LastFreedFirst,
        record_pools: RecordPools::OfEachFamily,
        fragments: Fragments::All,
    },
    metadata: Metadata {
        output_protocol: OutputProtocol::Zero,
        hardware_addresses: HardwareAddresses::Arrived,
        timestamps: Timestamps::WhileAnyPeer,
        own_packets: OwnPackets::Unstamped,
    },
    verdicts: Verdicts {
        drop: Effect::Dropped,
        accept: Effect::NextFunction,
        stolen: Effect::Refused,
        queue: Effect::Queued,
        repeat: Effect::SameFunction,
        stop: Effect::NextHook,
        unknown: Effect::Refused,
        checked_first: CheckedFirst::Value,
        unknown_id: Response::Refuse(Errno::ENOENT),
        answerable: Answerable::Any,
        payload: Payload::OfStatedLength,
        short_replacement: ShortReplacement::Ignored,
        resizing: Resizing::Exact,
        checksum: Checksum::LeftAlone,
        requeued: Requeued::Replaced,
    },
    host: Host {
        destination_address: Check::Made,
        ipv4_header: Check::Made,
        ethernet_padding: EthernetPadding::Cut,
        hop_limit: Check::Made,
        arriving_length: Check::Made,
        fits: Fits::UpToMtu,
        oversize_ipv4: OversizeIpv4::FragmentedUnlessForbidden,
        oversize_ipv6: OversizeIpv6::Dropped,
        routed: Routed::AfterPrerouting,
        marks: Marks::Kept,
        looping: Looping::ByPostrouting,
        next_hop: NextHop::AsRouted,
        reroute: Reroute::OrDropped,
        mangle_chains: MangleChains::EveryHook,
        indev_at_postrouting: IndevAtPostrouting::Forgotten,
        device_down_drops: DeviceDown::Named,
    },
    modules: Modules {
        protocols: PerFamily::new(3, 13),
        ipv6_queue: Ipv6Queue::Present,
        unloading: Unloading::DropsPackets,
        maximum_length: MaximumLength::OfOneQueue,
        ipv6_packets: Ipv6Packets::ToTheirQueue,
        numbered: None,
    },
    proc_text: ProcText {
        label_width: 17,
        lines: PerFamily::new(&IPV4_LINES, &IPV6_LINES),
    },
    netlink: Netlink {
        opening: Opening::LoadedModules,
        port_is_free: Check::Made,
        socket_is_unbound: Check::Made,
        automatic_port: AutomaticPort::ProcessIdFirst,
        first_automatic_port: -4097,
        cut_datagram: CutDatagram::RestLost,
        latch: Latch::UntilEmpty,
        overrun: Overrun::Told,
        no_enobufs: NoEnobufs::QuietAndUnlatched,
        socket_error: SocketError::Taken,
        charge: Charge::Allocation,
        receive_buffer_limit: Check::Made,
        full: Full::WithoutNext,
        empty_datagram: EmptyDatagram::Sent,
        unreachable: Unreachable::Refused,
        user_datagrams: UserDatagrams::Delivered,
        send_limit: SendLimit::BufferLess(32),
        sent_count: SentCount::All,
        nothing_there: Errno::EAGAIN,
    },
    flaw: None,
};
