//! Seeded faults. Each breaks a rule of the protocol in the emulator, or two, to show that a
//! conformance suite notices.
//!
//! A fault is a change to a kernel's [`Behaviour`]. Faults exist only with the feature
//! `seeded-faults`.

mod values;

#[allow(clippy::wildcard_imports, reason = "the table names a value of nearly every rule")]
use super::*;
use crate::profile::Profile;
use crate::queue::nfnetlink;
use ipq_core::Errno;
use ipq_core::wire::Response;
use values::{NOTES, PEER_PID, SEVEN_LINE_TEXT, UNSIGNED_MAXIMUM, UNTOLD_DEATH};

macro_rules! faults {
    ($($name:ident $requirements:literal $(on $kernel:ident)? $text:literal $change:expr;)*) => {
        /// A fault that can be seeded into the emulator: a broken rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault {
            $(#[doc = concat!($requirements, ": ", $text, ".")] $name,)*
        }

        impl Fault {
            /// All faults, in four groups: faults of `ip_queue` on Linux 3.4, faults of numbered
            /// queues, further faults of Linux 3.4 in rules in which kernels differ, and faults of
            /// older kernels. The first two groups are in the order of the requirements, and the
            /// others roughly in that of the differences (ERA).
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the ids of the requirements that the fault breaks: one or two. Where there
            /// are two, they are mostly that of a rule, and that of a difference between kernels in
            /// that rule.
            pub fn requirements(self) -> impl Iterator<Item = &'static str> {
                let ids = match self {
                    $(Self::$name => $requirements,)*
                };
                ids.split(' ')
            }

            /// Returns the profile of the kernel that the fault is for. It is Linux 3.4.10 on
            /// x86-64, unless the fault breaks a rule of another kernel.
            #[must_use]
            pub const fn kernel(self) -> Profile {
                match self {
                    $(Self::$name => {
                        let kernels = [$(Profile::$kernel,)? Profile::LINUX_3_4_10_X86_64];
                        kernels[0]
                    })*
                }
            }

            /// Returns a clause that says what the emulator does wrong with this fault, such as "a
            /// PACKET frame has type 0x14".
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Breaks the fault's rule in `behaviour`.
            pub(crate) fn seed(self, behaviour: &mut Behaviour) {
                let change: fn(&mut Behaviour) = match self {
                    $(Self::$name => $change,)*
                };
                change(behaviour);
            }
        }
    };
}

faults! {
    PacketTypeOff "WIRE-1" "a PACKET frame has type 0x14"
        |b| b.flaw = Some(Flaw::PacketType);
    DeviceNamesSwapped "WIRE-2" "indev_name and outdev_name stand in each other's place"
        |b| b.flaw = Some(Flaw::DeviceNamesSwapped);
    RangeInThirdWord "WIRE-3" "the range of a mode message is read one word too far on"
        |b| b.flaw = Some(Flaw::RangeInThirdWord);
    VerdictIdInThirdWord "WIRE-3" "the packet id of a verdict is read one word too far on"
        |b| b.flaw = Some(Flaw::VerdictIdInThirdWord);
    PaddingForgotten "WIRE-4" "a PACKET frame ends with its payload, without padding"
        |b| b.flaw = Some(Flaw::Unpadded);
    PacketSequenceCounted "WIRE-5" "a PACKET frame has sequence 1"
        |b| b.flaw = Some(Flaw::PacketSequence);
    AcknowledgementQuotesAll "WIRE-6" "an acknowledgement quotes the whole message"
        |b| b.replies.acknowledgement_quotes = Quote::Message;
    LongModeRefused "WIRE-7" "a mode message longer than the union is refused"
        |b| b.requests.mode_body = ModeBody::ExactlyUnion;
    PeerKnownBySocket "ATT-1" "the peer is the sending socket's port id, not the header's"
        |b| b.attaching.peer_known_by = PeerKnownBy::Socket;
    RefusedRequestDetaches "ATT-2" "a message whose body is refused does not attach"
        |b| b.attaching.refused_body = RefusedBody::AttachesNobody;
    SecondPeerTakesOver "ATT-3 ERA-2" "a message with another port id takes the queue over"
        |b| b.attaching.second_peer = SecondPeer::TakesOverPackets;
    CloseKeepsPeer "ATT-4" "the queue does not reset when its peer's socket closes"
        |b| b.attaching.peer_loss = PeerLoss::Never;
    VerdictsNeedNoCapability "ATT-5" "CAP_NET_ADMIN is asked for mode messages only"
        |b| b.attaching.capability = Capability::ExceptForVerdicts;
    BindingAttaches "ATT-6" "binding a socket attaches it, in mode META"
        |b| b.attaching.binding = Binding::Attaches;
    MalformedAnswered "MSG-1 ERA-19" "a message with a wrong header length is answered with EINVAL"
        |b| b.requests.wrong_length = Response::Refuse(Errno::EINVAL);
    ShortDatagramAnswered "MSG-1 ERA-19" "a datagram shorter than a header is answered with EINVAL"
        |b| b.requests.no_header = Response::Refuse(Errno::EINVAL);
    NegativePortIdTaken "MSG-2 ERA-4" "a negative port id may attach"
        |b| b.requests.negative_port_id = Response::Overlook;
    EnvelopeUnchecked "MSG-2" "neither the port id nor the flags of a request are looked at"
        |b| {
            b.requests.kernel_port_id = Response::Overlook;
            b.requests.negative_port_id = Response::Overlook;
            b.requests.no_request_flag = Response::Overlook;
            b.requests.multi_flag = Response::Overlook;
        };
    TruncatedFlagIgnored "MSG-3" "header flag 0x20 is ignored"
        |b| b.requests.truncated_flag = Response::Overlook;
    ControlTypesRefused "MSG-4" "message types 1 to 0x10 are answered with EINVAL"
        |b| b.requests.control_type = Response::Refuse(Errno::EINVAL);
    UnknownTypesIgnored "MSG-4" "message type 0 and those from 0x14 on are ignored in silence"
        |b| b.requests.unknown_type = Response::Ignore;
    CapabilityIgnored "MSG-5" "CAP_NET_ADMIN is never asked for"
        |b| b.attaching.capability = Capability::ForNothing;
    PeerCheckedLast "MSG-6" "the body is looked at before the peer"
        |b| b.requests.peer_check = PeerCheck::AfterBodyLength;
    BodyMeasuredByDatagram "MSG-7 ERA-12" "the body's length is the datagram's, not the header's"
        |b| b.requests.body_length = BodyLength::Datagram;
    RangeClampedAtFullWidth "MSG-8" "the range is clamped without being cut to 32 bits first"
        |b| b.requests.range_cut = RangeCut::ClampedAtFullWidth;
    PacketTypeIgnored "MSG-9" "a PACKET message from userspace is ignored"
        |b| b.requests.packet_type = Response::Ignore;
    SuccessAcknowledged "MSG-10" "every success is acknowledged"
        |b| b.requests.acknowledged = Acknowledged::Always;
    SecondMessageObeyed "MSG-11" "every message of a datagram is obeyed"
        |b| b.requests.following_message = FollowingMessage::Obeyed;
    ReplyGoesToHeader "ERR-1" "a reply goes to the port id in the request's header"
        |b| b.replies.to = ReplyTo::Header;
    ReplySequenceLost "ERR-2" "a reply has sequence 0"
        |b| b.replies.sequence = ReplySequence::Zero;
    QuoteRoundedUp "ERR-3" "a reply's length is rounded up to 4"
        |b| b.replies.stated_length = StatedLength::RoundedUp;
    ErrorPositive "ERR-4" "the error number of a reply is positive"
        |b| b.replies.sign = ErrorSign::Positive;
    NoListenerCounted "PKT-1" "a packet without a listener counts as dropped by the queue"
        |b| b.queueing.no_listener = Counted::Counted;
    NoneQueues "PKT-1" "mode NONE queues packets, as META does"
        |b| b.queueing.mode_none = ModeNone::Queues;
    MaximumExceeded "PKT-2" "the queue takes one packet more than its maximum"
        |b| b.queueing.full_at = FullAt::OneMore;
    MaximumHasSign "PKT-2 ERA-6" "the maximum length has a sign"
        |b| b.queueing.maximum_length = Signedness::Signed;
    UndeliverableUncounted "PKT-3" "a frame that can't be delivered is not counted"
        |b| b.queueing.undeliverable = Counted::Uncounted;
    RangeZeroCopiesNothing "PKT-4" "range 0 copies nothing"
        |b| b.queueing.copied = Copied::ZeroCopiesNothing;
    RangeExceeded "PKT-4" "one byte more than the range is copied"
        |b| b.queueing.copied = Copied::OneMore;
    WideRangeCopiesNothing "PKT-4" "a range that holds the whole packet copies nothing"
        |b| b.queueing.copied = Copied::WideCopiesNothing;
    MetaCopiesAll "PKT-4" "mode META copies the whole packet"
        |b| b.queueing.copied = Copied::MetaCopiesAll;
    LinkHeaderCopied "PKT-5" "the copy begins with the link-layer header"
        |b| b.flaw = Some(Flaw::LinkHeader);
    ProtocolByteSwapped "PKT-6" "hw_protocol is little-endian"
        |b| b.flaw = Some(Flaw::ProtocolSwapped);
    DeviceNamesMissing "PKT-6" "a PACKET frame names no device"
        |b| b.flaw = Some(Flaw::NoDeviceNames);
    AddressOfReceiver "PKT-7" "hw_addr is the destination's"
        |b| b.flaw = Some(Flaw::AddressOfReceiver);
    LoopbackIsEthernet "PKT-7" "what came in by lo has the type of Ethernet"
        |b| b.flaw = Some(Flaw::LoopbackIsEthernet);
    NoTimestamps "PKT-8" "no packet has a time stamp"
        |b| b.metadata.timestamps = Timestamps::Never;
    OwnPacketsStamped "PKT-8" "what this host sends has a time stamp, too"
        |b| b.metadata.own_packets = OwnPackets::Stamped;
    SixStampsNothing "PKT-8" "a peer of IPv6 switches no time stamps on"
        |b| b.metadata.timestamps = Timestamps::WhileIpv4Peer;
    OldestEntryReused "PKT-9" "entries are reused first freed, first handed out"
        |b| b.queueing.reuse = Reuse::FirstFreedFirst;
    OneIdForAll "PKT-9" "every packet has the id 1"
        |b| b.flaw = Some(Flaw::OneIdForAll);
    ModeChangeFlushes "PKT-10" "a mode change drops every queued packet"
        |b| b.requests.mode_change = ModeChange::DropsPackets;
    FragmentsPassed "PKT-11" "only the first fragment of a packet is queued"
        |b| b.queueing.fragments = Fragments::FirstOnly;
    ForeignFramesTaken "FWD-1" "frames for another host's address are taken up"
        |b| b.host.destination_address = Check::Omitted;
    BadHeadersTaken "FWD-1" "an IPv4 packet with a wrong header is taken up"
        |b| b.host.ipv4_header = Check::Omitted;
    EthernetPaddingKept "FWD-2" "the padding of an Ethernet frame stays on the packet"
        |b| b.host.ethernet_padding = EthernetPadding::Kept;
    HopLimitIgnored "FWD-3" "packets at the end of their TTL are forwarded"
        |b| b.host.hop_limit = Check::Omitted;
    OversizeSentWhole "FWD-4" "packets over the MTU leave whole"
        |b| {
            b.host.arriving_length = Check::Omitted;
            b.host.oversize_ipv4 = OversizeIpv4::SentWhole;
            b.host.oversize_ipv6 = OversizeIpv6::SentWhole;
        };
    ArrivingOversizePassed "FWD-4" "a packet that arrives over the MTU comes to FORWARD"
        |b| b.host.arriving_length = Check::Omitted;
    MtuIsTooLong "FWD-4" "a packet of just the MTU counts as too long"
        |b| b.host.fits = Fits::BelowMtu;
    OldRouteKept "FWD-5" "a replacement at PREROUTING goes where the original would have"
        |b| b.host.routed = Routed::OnArrival;
    MarkForgotten "FWD-6" "a packet's mark is lost at the next hook"
        |b| b.host.marks = Marks::LostAtNextHook;
    LoopbackSkipsPostrouting "FWD-7" "what this host sends to itself does not pass POSTROUTING"
        |b| b.host.looping = Looping::PastPostrouting;
    StolenAccepted "VER-1 ERA-7" "STOLEN is accepted, and the packet is gone"
        |b| b.verdicts.stolen = Effect::Dropped;
    UnknownVerdictsAccepted "VER-1" "a verdict above 5 is accepted, and the packet is gone"
        |b| b.verdicts.unknown = Effect::Dropped;
    UnknownIdIgnored "VER-2" "a verdict for an unknown packet id is ignored"
        |b| b.verdicts.unknown_id = Response::Ignore;
    IdCheckedFirst "VER-2" "the packet id is looked at before the verdict's value"
        |b| b.verdicts.checked_first = CheckedFirst::PacketId;
    OldestFirstOnly "VER-3" "only the oldest packet can be answered"
        |b| b.verdicts.answerable = Answerable::Oldest;
    StopIsAccept "VER-4" "STOP goes on with the next hook function"
        |b| b.verdicts.stop = Effect::NextFunction;
    AcceptIsDrop "VER-4" "ACCEPT drops the packet"
        |b| b.verdicts.accept = Effect::Dropped;
    DropIsAccept "VER-4" "DROP lets the packet go on"
        |b| b.verdicts.drop = Effect::NextFunction;
    RequeueIsAccept "VER-4" "REPEAT and QUEUE let the packet go on"
        |b| {
            b.verdicts.queue = Effect::NextFunction;
            b.verdicts.repeat = Effect::NextFunction;
        };
    AnyPayloadTaken "VER-5" "a payload replaces the packet whatever data_len says"
        |b| b.verdicts.payload = Payload::OfAnyLength;
    ShortReplacementDrops "VER-6" "a payload shorter than the fixed header drops the packet"
        |b| b.verdicts.short_replacement = ShortReplacement::Drops;
    GrowthCut "VER-7" "a longer payload is cut to the packet's length"
        |b| b.verdicts.resizing = Resizing::NeverGrows;
    TailKept "VER-7" "a shorter payload leaves the end of the packet as it was"
        |b| b.verdicts.resizing = Resizing::NeverShrinks;
    ChecksumMended "VER-8" "the IPv4 header checksum of a replacement is mended"
        |b| b.verdicts.checksum = Checksum::Mended;
    RequeueShowsOriginal "VER-9" "a replaced packet is queued again with its original bytes"
        |b| b.verdicts.requeued = Requeued::Original;
    OutputRouteKept "VER-10 ERA-20" "a packet changed at OUTPUT is not routed again"
        |b| b.host.reroute = Reroute::Never;
    RepeatKeepsRoute "VER-10" "a packet changed at OUTPUT by REPEAT is not routed again"
        |b| b.verdicts.repeat = Effect::SameFunctionUnrouted;
    StopIsRouted "VER-10" "a packet changed at OUTPUT by STOP is routed again"
        |b| b.verdicts.stop = Effect::NextHookRouted;
    LostRouteKept "VER-10" "a packet changed at OUTPUT keeps its route where there is none to the new address"
        |b| b.host.reroute = Reroute::OrKept;
    DownKeepsPackets "EVT-1" "a device going down leaves queued packets alone"
        |b| b.host.device_down_drops = DeviceDown::None;
    DownDropsAll "EVT-1" "a device going down drops every queued packet"
        |b| b.host.device_down_drops = DeviceDown::All;
    UnloadKeepsPackets "EVT-2" "the queue survives its module being unloaded"
        |b| b.modules.unloading = Unloading::KeepsQueue;
    MaximumShared "EVT-3" "one family's maximum length is the other's too"
        |b| b.modules.maximum_length = MaximumLength::OfBothQueues;
    OneQueueForBoth "EVT-3" "IPv6 packets go to the IPv4 queue"
        |b| b.modules.ipv6_packets = Ipv6Packets::ToIpv4Queue;
    CloseResetsBoth "EVT-3" "a closing socket resets the queues of both families"
        |b| b.attaching.peer_loss = PeerLoss::AtOnceInBothQueues;
    ProcLabelOff "PROC-1 ERA-15" "the first label of the /proc text is \"Peer pid\""
        |b| b.proc_text.lines = PEER_PID;
    MissingModuleOpens "SOCK-1" "a socket opens although the module is missing"
        |b| b.netlink.opening = Opening::AnyModule;
    TakenPortBinds "SOCK-2" "a port id that is taken can be bound again"
        |b| b.netlink.port_is_free = Check::Omitted;
    SecondBindTaken "SOCK-2" "a bound socket can be bound to another port id"
        |b| b.netlink.socket_is_unbound = Check::Omitted;
    ProcessIdPassedOver "SOCK-2" "the kernel never chooses the process id"
        |b| b.netlink.automatic_port = AutomaticPort::NeverProcessId;
    CutRestKept "SOCK-3" "what a short read leaves of a datagram comes with the next"
        |b| b.netlink.cut_datagram = CutDatagram::RestKept;
    NoLatch "SOCK-4" "datagrams are taken again as soon as there is room after an overrun"
        |b| b.netlink.latch = Latch::UntilRoom;
    NoEnobufsIgnored "SOCK-4 ERA-13" "NETLINK_NO_ENOBUFS changes nothing"
        |b| b.netlink.no_enobufs = NoEnobufs::Nothing;
    QuietOverrunLatches "SOCK-4" "an overrun latches with NETLINK_NO_ENOBUFS, too"
        |b| b.netlink.no_enobufs = NoEnobufs::QuietOnly;
    LatchOutlivesOption "SOCK-4" "setting NETLINK_NO_ENOBUFS does not clear the latch"
        |b| b.netlink.no_enobufs = NoEnobufs::LatchKept;
    SocketErrorStays "SOCK-4" "SO_ERROR leaves the error pending"
        |b| b.netlink.socket_error = SocketError::Left;
    OverrunUntold "SOCK-4" "no receive call says that datagrams were lost"
        |b| b.netlink.overrun = Overrun::Untold;
    RepliesAlwaysFit "SOCK-4" "a reply finds room in any receive buffer"
        |b| b.replies.room = ReplyRoom::Unlimited;
    WeightIsLength "SOCK-5 ERA-14" "a datagram weighs its length"
        |b| b.netlink.charge = Charge::Length;
    KernelHasPortId "SOCK-6" "the kernel's messages come from port id 1"
        |b| b.flaw = Some(Flaw::SenderIsPort1);
    UserDatagramsLost "SOCK-8" "a datagram for another program is lost in silence"
        |b| b.netlink.user_datagrams = UserDatagrams::Lost;
    NobodyTakesDatagrams "SOCK-8" "a datagram for a port id that nobody has is sent all the same"
        |b| b.netlink.unreachable = Unreachable::Lost;
    SendLimitIgnored "SOCK-9" "a datagram of any length can be sent"
        |b| b.netlink.send_limit = SendLimit::Unlimited;
    ProtocolsSwapped "LIB-1" "netlink protocol 3 reaches the IPv6 queue, and 13 the IPv4 queue"
        |b| b.modules.protocols.swap();
    SentCountShort "LIB-2" "sending returns one byte less than was sent"
        |b| b.netlink.sent_count = SentCount::OneLess;
    NothingIsAnError "LIB-3" "a receive call that finds nothing says that the socket is not connected"
        |b| b.netlink.nothing_there = Errno::ENOTCONN;
    DataLengthOff "LIB-4" "data_len is larger than the payload"
        |b| b.flaw = Some(Flaw::DataLength);
    SentSequenceCounted "LIB-11" "a request arrives with sequence 1"
        |b| b.flaw = Some(Flaw::RequestSequence);

    // Faults of numbered queues.
    EvenQueues "NFQ-1" on LINUX_6_18_X86_64 "odd queue numbers of rules are made even"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::EvenQueues);
    IdsFromZero "NFQ-2" on LINUX_6_18_X86_64 "messages tell ids one too low"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::IdsFromZero);
    FullUsesId "NFQ-3" on LINUX_6_18_X86_64 "a packet that finds the queue full uses up an id"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::FullUsesId);
    NumberedMaximumExceeded "NFQ-4" on LINUX_6_18_X86_64 "a queue takes one packet more than its maximum"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::MaximumExceeded);
    TableUnlimited "NFQ-5" on LINUX_6_18_X86_64 "a queue holds as many packets as its maximum length says"
        |b| {
            if let Some(rules) = &mut b.modules.numbered {
                rules.table_limit = None;
            }
        };
    OneQueueEach "NFQ-6" on LINUX_6_18_X86_64 "a socket can own one queue"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::OneQueueEach);
    CloseKeepsQueues "NFQ-7" on LINUX_6_18_X86_64 "closing a socket leaves its queues bound"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::CloseKeepsQueues);
    UnbindAccepts "NFQ-8" on LINUX_6_18_X86_64 "UNBIND accepts what is queued"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnbindAccepts);
    NumberedDownKeepsPackets "NFQ-9" on LINUX_6_18_X86_64 "a device that goes down leaves packets in numbered queues alone"
        |b| b.host.device_down_drops = DeviceDown::None;
    NoModePasses "NFQ-10" on LINUX_6_18_X86_64 "in mode NONE packets pass"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::NoModePasses);
    BypassIgnored "NFQ-11" on LINUX_6_18_X86_64 "a rule's bypass does not count"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::BypassIgnored);
    FailOpenIgnored "NFQ-12" on LINUX_6_18_X86_64 "no queue fails open"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::FailOpenIgnored);
    ProcEndsWithZero "NFQ-13" on LINUX_6_18_X86_64 "a line of the /proc text ends with 0"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::ProcEndsWithZero);
    ProcByNumber "NFQ-14" on LINUX_6_18_X86_64 "the /proc text is ordered by number"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::ProcByNumber);
    PlainQueueIsOne "NFQ-15" on LINUX_6_18_X86_64 "the target QUEUE means queue 1"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::PlainQueueIsOne);
    PortsCount "NFQ-16" on LINUX_6_18_X86_64 "ports count for the balance"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::PortsCount);
    FanOutBalances "NFQ-17" on LINUX_6_18_X86_64 "CPU fan-out balances"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::FanOutBalances);
    FamilyCommandsRefused "NFQ-20" on LINUX_6_18_X86_64 "commands for a family are refused"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::FamilyCommandsRefused);
    MaskNotNeeded "NFQ-21" on LINUX_6_18_X86_64 "FLAGS need no MASK"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::MaskNotNeeded);
    UnknownFlagsTaken "NFQ-22" on LINUX_6_18_X86_64 "unknown flags are taken"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnknownFlagsTaken);
    OwnerIgnored "NFQ-23" on LINUX_6_18_X86_64 "anybody may set any queue"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::OwnerIgnored);
    BindTwiceTaken "NFQ-24" on LINUX_6_18_X86_64 "BIND for a bound queue succeeds"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::BindTwiceTaken);
    UnbindHeedsTheRest "NFQ-25" on LINUX_6_18_X86_64 "UNBIND with parameters is refused after it was done"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnbindHeedsTheRest);
    UnknownCommandsIgnored "NFQ-26" on LINUX_6_18_X86_64 "unknown commands are ignored"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnknownCommandsIgnored);
    UnboundIgnored "NFQ-27" on LINUX_6_18_X86_64 "a message for an unbound queue succeeds"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnboundIgnored);
    BindAlone "NFQ-28" on LINUX_6_18_X86_64 "the rest of a BIND is not done"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::BindAlone);
    RangeUncut "NFQ-29" on LINUX_6_18_X86_64 "a copy range is kept as it is"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::RangeUncut);
    UnknownModeRefused "NFQ-30" on LINUX_6_18_X86_64 "an unknown mode is refused"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnknownModeRefused);
    NumberedModeChangeFlushes "NFQ-31" on LINUX_6_18_X86_64 "a mode change drops what is queued"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::ModeChangeFlushes);
    NumberSwapped "NFQ-32" on LINUX_6_18_X86_64 "the queue's number is little-endian"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::NumberSwapped);
    ErrorsOnDemand "NFQ-40" on LINUX_6_18_X86_64 "errors are answered on demand only"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::ErrorsOnDemand);
    SequenceLost "NFQ-41" on LINUX_6_18_X86_64 "answers have sequence 0"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::SequenceLost);
    ErrorsCut "NFQ-42" on LINUX_6_18_X86_64 "errors quote the header only"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::ErrorsCut);
    CappedUnsaid "NFQ-43" on LINUX_6_18_X86_64 "no answer says that it is capped"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::CappedUnsaid);
    ExtAckIgnored "NFQ-44" on LINUX_6_18_X86_64 "NETLINK_EXT_ACK changes nothing"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::ExtAckIgnored);
    LeftoverRefused "NFQ-45" on LINUX_6_18_X86_64 "leftover bytes are refused"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::LeftoverRefused);
    UnknownAttributesRefused "NFQ-46" on LINUX_6_18_X86_64 "unknown attributes are refused"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnknownAttributesRefused);
    NumberedUnknownTypesIgnored "NFQ-47" on LINUX_6_18_X86_64 "unknown types are ignored"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnknownTypesIgnored);
    RequestFlagIgnored "NFQ-48" on LINUX_6_18_X86_64 "messages without the flag REQUEST are done"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::RequestFlagIgnored);
    StatedLengthCut "NFQ-49" on LINUX_6_18_X86_64 "a message that states more than is there is cut to it"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::StatedLengthCut);
    FirstMessageOnly "NFQ-50" on LINUX_6_18_X86_64 "only the first message of a datagram counts"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::FirstMessageOnly);
    BatchesDone "NFQ-51" on LINUX_6_18_X86_64 "BATCH_BEGIN is passed over"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::BatchesDone);
    BatchesUnanswered "NFQ-52" on LINUX_6_18_X86_64 "batches for nftables are not answered"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::BatchesUnanswered);
    NumberedCapabilityIgnored "NFQ-53" on LINUX_6_18_X86_64 "CAP_NET_ADMIN is never asked for"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::CapabilityIgnored);
    NumberedUnknownIdIgnored "NFQ-60" on LINUX_6_18_X86_64 "a verdict for an unknown id succeeds"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UnknownIdIgnored);
    StolenDrops "NFQ-61" on LINUX_6_18_X86_64 "STOLEN is taken for DROP"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::StolenDrops);
    NumberedStopIsAccept "NFQ-62" on LINUX_6_18_X86_64 "STOP is ACCEPT"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::StopIsAccept);
    QueueIsAccept "NFQ-63" on LINUX_6_18_X86_64 "QUEUE is ACCEPT"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::QueueIsAccept);
    UpperBitsIgnored "NFQ-64" on LINUX_6_18_X86_64 "upper bits of a verdict do not count"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::UpperBitsIgnored);
    BatchTakesOne "NFQ-65" on LINUX_6_18_X86_64 "a verdict on several packets takes one"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::BatchTakesOne);
    BatchReplaces "NFQ-66" on LINUX_6_18_X86_64 "a verdict on several packets replaces them"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::BatchReplaces);
    MarkIgnored "NFQ-67" on LINUX_6_18_X86_64 "a verdict's mark and priority do not count"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::MarkIgnored);
    PayloadIgnored "NFQ-68" on LINUX_6_18_X86_64 "a payload does not count"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::PayloadIgnored);
    ShortPayloadIgnored "NFQ-69" on LINUX_6_18_X86_64 "a payload that is too short does not count"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::ShortPayloadIgnored);
    AnswerFirst "NFQ-70" on LINUX_6_18_X86_64 "the answer comes before the packet that is queued again"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::AnswerFirst);
    NumberedOutputRouteKept "NFQ-71" on LINUX_6_18_X86_64 "a packet changed at OUTPUT keeps its route"
        |b| b.host.reroute = Reroute::Never;
    NextHopAsRouted "NFQ-72" on LINUX_6_18_X86_64 "a packet leaves to the neighbour that it was routed to"
        |b| b.host.next_hop = NextHop::AsRouted;
    PacketSequence "NFQ-80" on LINUX_6_18_X86_64 "a packet message has sequence 1"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::PacketSequence);
    DevicesSwapped "NFQ-81" on LINUX_6_18_X86_64 "the devices are told in the other order"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::DevicesSwapped);
    PayloadPadded "NFQ-82" on LINUX_6_18_X86_64 "the payload is padded"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::PayloadPadded);
    NoIncomingDevice "NFQ-83" on LINUX_6_18_X86_64 "no incoming device is told"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::NoIncomingDevice);
    NoFullLength "NFQ-84" on LINUX_6_18_X86_64 "the length of a cut packet is not told"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::NoFullLength);
    NoOwner "NFQ-85" on LINUX_6_18_X86_64 "no owner is told"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::NoOwner);
    NoAddress "NFQ-86" on LINUX_6_18_X86_64 "no link-layer address is told"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::NoAddress);
    TimesAlways "NFQ-87" on LINUX_6_18_X86_64 "every packet has a time"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::TimesAlways);
    NoChecksumState "NFQ-88" on LINUX_6_18_X86_64 "the state of a checksum is not told"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::NoChecksumState);
    NoProtocol "NFQ-90" on LINUX_6_18_X86_64 "the link layer's protocol is 0"
        |b| b.flaw_of_numbered(nfnetlink::Flaw::NoProtocol);
    NumberedFullWithoutNext "NFQ-100" on LINUX_6_18_X86_64 "a datagram is taken if what waits does not fill the buffer"
        |b| b.netlink.full = Full::WithoutNext;
    NumberedWeightIsLength "NFQ-101" on LINUX_6_18_X86_64 "a datagram weighs its length"
        |b| b.netlink.charge = Charge::Length;
    NumberedOverrunUntold "NFQ-102" on LINUX_6_18_X86_64 "no receive call says that an answer was lost"
        |b| b.netlink.overrun = Overrun::Untold;
    NumberedNoCongestion "NFQ-103" on LINUX_6_18_X86_64 "datagrams are taken again as soon as there is room after an overrun"
        |b| b.netlink.latch = Latch::UntilRoom;
    NumberedSendLimitIgnored "NFQ-104" on LINUX_6_18_X86_64 "a datagram of any length can be sent"
        |b| b.netlink.send_limit = SendLimit::Unlimited;
    EmptyDatagramSent "NFQ-105" on LINUX_6_18_X86_64 "a datagram without bytes can be sent"
        |b| b.netlink.empty_datagram = EmptyDatagram::Sent;
    NumberedProcessIdPassedOver "NFQ-106" on LINUX_6_18_X86_64 "the kernel never chooses the process id"
        |b| b.netlink.automatic_port = AutomaticPort::NeverProcessId;

    // Rules in which kernels differ: Linux 3.4 is broken, towards an older kernel's rule.
    ErrorQuotesHeader "WIRE-6 ERA-1" "an error quotes the header alone of the message that it answers"
        |b| b.replies.error_quotes = Quote::Header;
    LossNoticedLate "ATT-4 ERA-3" "a closed peer is noticed at the next packet"
        |b| b.attaching.peer_loss = PeerLoss::AtNextPacket;
    FullQueueShown "PKT-2 ERA-5" "a packet that finds the queue full is handed over before it is dropped"
        |b| b.queueing.when_full = WhenFull::DeliveredAndDropped;
    StopRefused "VER-4 ERA-7" "STOP is refused"
        |b| b.verdicts.stop = Effect::Refused;
    OutputNamesProtocol "PKT-6 ERA-8" "hw_protocol of IPv4 at OUTPUT is 0x0800"
        |b| b.metadata.output_protocol = OutputProtocol::Ipv4;
    NoHardwareAddresses "PKT-7 ERA-9" "no packet has a hardware type or address"
        |b| b.metadata.hardware_addresses = HardwareAddresses::Never;
    LoopbackAddressEmpty "PKT-7 ERA-9" "what came in by lo has an address of length 0"
        |b| b.metadata.hardware_addresses = HardwareAddresses::ArrivedByEthernet;
    OversizeIpv4Fragmented "FWD-4 ERA-10" "an IPv4 packet with DF that was grown beyond the MTU is fragmented, without DF"
        |b| b.host.oversize_ipv4 = OversizeIpv4::Fragmented;
    OversizeIpv6Fragmented "FWD-4 ERA-10" "an IPv6 packet that was grown beyond the MTU is fragmented"
        |b| b.host.oversize_ipv6 = OversizeIpv6::Fragmented;
    OversizeIpv6Whole "FWD-4 ERA-10" "an IPv6 packet that was grown beyond the MTU leaves whole"
        |b| b.host.oversize_ipv6 = OversizeIpv6::SentWhole;
    NoneRefused "MSG-8 ERA-11" "mode NONE is refused"
        |b| b.requests.mode_none = ModeNoneRequest::Refused;
    AnyProtocolOpens "SOCK-1 ERA-16" "a socket opens for any protocol"
        |b| b.netlink.opening = Opening::AnyProtocol;
    Ipv6QueueMissing "ERA-16" "there is no queue for IPv6"
        |b| b.modules.ipv6_queue = Ipv6Queue::Absent;
    FamiliesShareRecords "PKT-9 ERA-17" "the entries of both families come from one pool"
        |b| b.queueing.record_pools = RecordPools::Shared;
    NotesTakeRecords "PKT-9 ERA-17" "what the hook notes of a packet comes from the pool of entries"
        |b| b.queueing.record_pools = NOTES;
    MangleHasTwoChains "ERA-18" "mangle has chains at PREROUTING and OUTPUT only"
        |b| b.host.mangle_chains = MangleChains::PreroutingAndOutput;

    // Rules of older kernels, broken towards another kernel's rule or one that no kernel has.
    OldErrorQuotesAll "ERA-1" on LINUX_2_6_27_I386 "an error quotes all of the message that it answers"
        |b| b.replies.error_quotes = Quote::Message;
    OldSecondPeerRefused "ERA-2" on LINUX_2_4_16_I386 "a message with another port id is refused with EBUSY"
        |b| b.attaching.second_peer = SecondPeer::Refused;
    OldTakeoverKeepsPackets "ERA-2" on LINUX_2_4_16_I386 "what is queued outlives a takeover"
        |b| b.attaching.second_peer = SecondPeer::TakesOverPackets;
    OldTakeoverForgetsMode "ERA-2" on LINUX_2_4_16_I386 "a takeover forgets mode and range"
        |b| b.attaching.second_peer = SecondPeer::TakesOverAnew;
    OldTakeoverEmptiesBuffer "ERA-2" on LINUX_2_4_16_I386 "a takeover empties the first program's receive buffer"
        |b| b.flaw = Some(Flaw::TakeoverEmptiesBuffer);
    OldLossNoticedAtOnce "ERA-3" on LINUX_2_4_16_I386 "a closed peer is noticed at once"
        |b| b.attaching.peer_loss = PeerLoss::AtOnce;
    OldLossNeverNoticed "ERA-3 ERA-4" on LINUX_2_4_16_I386 "a closed peer is never noticed"
        |b| b.attaching.peer_loss = PeerLoss::Never;
    OldLossUntold "ERA-3" on LINUX_2_4_16_I386 "the /proc text does not tell that a peer died"
        |b| b.proc_text.lines = UNTOLD_DEATH;
    OldNegativePortIdRefused "ERA-4" on LINUX_2_4_16_I386 "a negative port id is refused with EINVAL"
        |b| b.requests.negative_port_id = Response::Refuse(Errno::EINVAL);
    OldFullQueueShown "ERA-3 ERA-5" on LINUX_2_4_16_I386 "a packet that finds the queue full is handed over before it is dropped"
        |b| b.queueing.when_full = WhenFull::DeliveredAndDropped;
    OldFullQueueHidden "ERA-5" on LINUX_2_4_32_I386 "a packet that finds the queue full is dropped before it is handed over"
        |b| b.queueing.when_full = WhenFull::Dropped;
    OldMaximumUnsigned "ERA-6" on LINUX_2_4_16_I386 "the maximum length has no sign"
        |b| b.queueing.maximum_length = Signedness::Unsigned;
    OldMaximumShownUnsigned "ERA-6" on LINUX_2_4_16_I386 "the /proc text shows the maximum length without its sign"
        |b| b.proc_text.lines = UNSIGNED_MAXIMUM;
    OldStolenRefused "ERA-7" on LINUX_2_6_27_I386 "STOLEN is refused"
        |b| b.verdicts.stolen = Effect::Refused;
    OldStopTaken "ERA-7" on LINUX_2_4_32_I386 "STOP is a verdict"
        |b| b.verdicts.stop = Effect::NextHook;
    OldOutputHidesProtocol "ERA-8" on LINUX_2_4_32_I386 "hw_protocol of IPv4 at OUTPUT is 0"
        |b| b.metadata.output_protocol = OutputProtocol::Zero;
    OldOwnPacketsUnstamped "ERA-8" on LINUX_2_4_32_I386 "a packet that this host sends has no microseconds"
        |b| b.metadata.own_packets = OwnPackets::Unstamped;
    OldHardwareAddressFilled "ERA-9" on LINUX_2_4_0_I386 "packets have the hardware address that they came from"
        |b| b.metadata.hardware_addresses = HardwareAddresses::ArrivedByEthernet;
    OldLoopbackAddressFilled "ERA-9" on LINUX_2_6_18_I386 "what came in by lo has an address of six zeros"
        |b| b.metadata.hardware_addresses = HardwareAddresses::Arrived;
    OldDontFragmentHeeded "ERA-10" on LINUX_2_4_32_I386 "an IPv4 packet with DF that was grown beyond the MTU is dropped"
        |b| b.host.oversize_ipv4 = OversizeIpv4::FragmentedUnlessForbidden;
    OldOversizeIpv6Dropped "ERA-10" on LINUX_2_4_32_I386 "an IPv6 packet that was grown beyond the MTU is dropped"
        |b| b.host.oversize_ipv6 = OversizeIpv6::Dropped;
    OldOversizeIpv6Whole "ERA-10" on LINUX_2_6_18_I386 "an IPv6 packet that was grown beyond the MTU leaves whole"
        |b| b.host.oversize_ipv6 = OversizeIpv6::SentWhole;
    OldNoneTaken "ERA-11" on LINUX_2_4_16_I386 "mode NONE is a mode"
        |b| b.requests.mode_none = ModeNoneRequest::Accepted;
    OldBodyMeasuredByHeader "ERA-12" on LINUX_2_4_32_I386 "the body's length is the header's, not the datagram's"
        |b| b.requests.body_length = BodyLength::Header;
    OldNoEnobufsHeeded "ERA-13" on LINUX_2_6_27_I386 "NETLINK_NO_ENOBUFS is heeded"
        |b| b.netlink.no_enobufs = NoEnobufs::QuietAndUnlatched;
    OldWeightIsLength "ERA-14" on LINUX_2_4_16_I386 "a datagram weighs its length"
        |b| b.netlink.charge = Charge::Length;
    WeightIsLengthIn240 "ERA-14" on LINUX_2_4_0_I386 "a datagram weighs its length"
        |b| b.netlink.charge = Charge::Length;
    WeightIsLengthIn2627 "ERA-14" on LINUX_2_6_27_I386 "a datagram weighs its length"
        |b| b.netlink.charge = Charge::Length;
    OldReceiveBufferUnlimited "ERA-14" on LINUX_2_4_16_I386 "a receive buffer of any size is granted"
        |b| b.netlink.receive_buffer_limit = Check::Omitted;
    ReceiveBufferUnlimitedIn2618 "ERA-14" on LINUX_2_6_18_I386 "a receive buffer of any size is granted"
        |b| b.netlink.receive_buffer_limit = Check::Omitted;
    ReceiveBufferUnlimitedIn2627 "ERA-14" on LINUX_2_6_27_I386 "a receive buffer of any size is granted"
        |b| b.netlink.receive_buffer_limit = Check::Omitted;
    OldTextHasSevenLines "ERA-15" on LINUX_2_4_16_I386 "the /proc text is that of Linux 2.6"
        |b| b.proc_text = SEVEN_LINE_TEXT;
    OldTextHasCounters "ERA-15" on LINUX_2_4_32_I386 "the /proc text counts what is dropped"
        |b| b.proc_text = SEVEN_LINE_TEXT;
    OldProtocolsRefused "ERA-16" on LINUX_2_6_27_I386 "no socket opens for a protocol that nobody serves"
        |b| b.netlink.opening = Opening::LoadedModules;
    OldIpv6QueuePresent "ERA-16" on LINUX_2_4_16_I386 "there is a queue for IPv6"
        |b| b.modules.ipv6_queue = Ipv6Queue::Present;
    OldFamiliesHavePools "ERA-17" on LINUX_2_6_18_I386 "each family's entries come from a pool of their own"
        |b| b.queueing.record_pools = RecordPools::OfEachFamily;
    OldNotesTakeNothing "ERA-17" on LINUX_2_4_16_I386 "what the hook notes of a packet takes no record of the pool of entries"
        |b| b.queueing.record_pools = RecordPools::OfEachFamily;
    NotesTakeNothingIn240 "ERA-17" on LINUX_2_4_0_I386 "what the hook notes of a packet takes no record of the pool of entries"
        |b| b.queueing.record_pools = RecordPools::OfEachFamily;
    OldMangleHasFiveChains "ERA-18" on LINUX_2_4_16_I386 "mangle has a chain at every hook"
        |b| b.host.mangle_chains = MangleChains::EveryHook;
    OldMalformedIgnored "ERA-19" on LINUX_2_4_0_I386 "a message with a wrong header length is ignored"
        |b| b.requests.wrong_length = Response::Ignore;
    OldOutputRouted "ERA-20" on LINUX_2_4_0_I386 "a packet changed at OUTPUT is routed again"
        |b| b.host.reroute = Reroute::OrDropped;
}

impl Behaviour {
    /// Breaks a rule of numbered queues. Does nothing on a kernel without such queues.
    const fn flaw_of_numbered(&mut self, flaw: nfnetlink::Flaw) {
        if let Some(rules) = &mut self.modules.numbered {
            rules.flaw = Some(flaw);
        }
    }
}
