//! Seeded faults: each breaks one rule of the protocol in the emulator, so that a conformance suite can be shown to
//! notice (harness: "the suite is tested itself").
//!
//! They exist only with the feature `seeded-faults`, which no ordinary build switches on: without it [`Faults::seeded`]
//! is a constant `false`, and the compiler removes every question about them.

macro_rules! faults {
    ($($name:ident $requirement:literal $text:literal,)*) => {
        /// A fault that can be seeded into the emulator: one broken rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(not(feature = "seeded-faults"), allow(unreachable_pub, dead_code))]
        pub enum Fault {
            $(#[doc = concat!($requirement, ": ", $text, ".")] $name,)*
        }

        #[cfg(feature = "seeded-faults")]
        impl Fault {
            /// All of them, in the order of their requirements.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The id of the requirement that it breaks.
            #[must_use]
            pub const fn requirement(self) -> &'static str {
                match self {
                    $(Self::$name => $requirement,)*
                }
            }

            /// What the emulator then does wrong, in words.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

faults! {
    PacketTypeOff "WIRE-1" "a PACKET frame has type 0x14",
    DeviceNamesSwapped "WIRE-2" "indev_name and outdev_name stand in each other's place",
    RangeInThirdWord "WIRE-3" "the range of a mode message is read one word too far on",
    VerdictIdInThirdWord "WIRE-3" "the packet id of a verdict is read one word too far on",
    PaddingForgotten "WIRE-4" "a PACKET frame ends with its payload, without padding",
    PacketSequenceCounted "WIRE-5" "a PACKET frame has sequence 1",
    AcknowledgementQuotesAll "WIRE-6" "an acknowledgement quotes the whole message",
    LongModeRefused "WIRE-7" "a mode message longer than the union is refused",
    PeerKnownBySocket "ATT-1" "the peer is the sending socket's port id, not the header's",
    RefusedRequestDetaches "ATT-2" "a message whose body is refused does not attach",
    SecondPeerTakesOver "ATT-3" "a message with another port id takes the queue over",
    CloseKeepsPeer "ATT-4" "the queue does not reset when its peer's socket closes",
    VerdictsNeedNoCapability "ATT-5" "CAP_NET_ADMIN is asked for mode messages only",
    BindingAttaches "ATT-6" "binding a socket attaches it, in mode META",
    MalformedAnswered "MSG-1" "a message with a wrong header length is answered with EINVAL",
    ShortDatagramAnswered "MSG-1" "a datagram shorter than a header is answered with EINVAL",
    NegativePortIdTaken "MSG-2" "a negative port id may attach",
    EnvelopeUnchecked "MSG-2" "neither the port id nor the flags of a request are looked at",
    TruncatedFlagIgnored "MSG-3" "header flag 0x20 is ignored",
    ControlTypesRefused "MSG-4" "message types 1 to 0x10 are answered with EINVAL",
    UnknownTypesIgnored "MSG-4" "message type 0 and those from 0x14 on are ignored in silence",
    CapabilityIgnored "MSG-5" "CAP_NET_ADMIN is never asked for",
    PeerCheckedLast "MSG-6" "the body is looked at before the peer",
    BodyMeasuredByDatagram "MSG-7" "the body's length is the datagram's, not the header's",
    RangeClampedAtFullWidth "MSG-8" "the range is clamped without being cut to 32 bits first",
    PacketTypeIgnored "MSG-9" "a PACKET message from userspace is ignored",
    SuccessAcknowledged "MSG-10" "every success is acknowledged",
    SecondMessageObeyed "MSG-11" "every message of a datagram is obeyed",
    ReplyGoesToHeader "ERR-1" "a reply goes to the port id in the request's header",
    ReplySequenceLost "ERR-2" "a reply has sequence 0",
    QuoteRoundedUp "ERR-3" "a reply's length is rounded up to 4",
    ErrorPositive "ERR-4" "the error number of a reply is positive",
    NoListenerCounted "PKT-1" "a packet without a listener counts as dropped by the queue",
    NoneQueues "PKT-1" "mode NONE queues packets, as META does",
    MaximumExceeded "PKT-2" "the queue takes one packet more than its maximum",
    MaximumHasSign "PKT-2" "the maximum length has a sign",
    UndeliverableUncounted "PKT-3" "a frame that can't be delivered is not counted",
    RangeZeroCopiesNothing "PKT-4" "range 0 copies nothing",
    RangeExceeded "PKT-4" "one byte more than the range is copied",
    WideRangeCopiesNothing "PKT-4" "a range that holds the whole packet copies nothing",
    MetaCopiesAll "PKT-4" "mode META copies the whole packet",
    LinkHeaderCopied "PKT-5" "the copy begins with the link-layer header",
    ProtocolByteSwapped "PKT-6" "hw_protocol is little-endian",
    DeviceNamesMissing "PKT-6" "a PACKET frame names no device",
    AddressOfReceiver "PKT-7" "hw_addr is the destination's",
    LoopbackIsEthernet "PKT-7" "what came in by lo has the type of Ethernet",
    NoTimestamps "PKT-8" "no packet has a time stamp",
    OwnPacketsStamped "PKT-8" "what this host sends has a time stamp, too",
    SixStampsNothing "PKT-8" "a peer of IPv6 switches no time stamps on",
    OldestEntryReused "PKT-9" "entries are reused first freed, first handed out",
    OneIdForAll "PKT-9" "every packet has the id 1",
    ModeChangeFlushes "PKT-10" "a mode change drops every queued packet",
    FragmentsPassed "PKT-11" "only the first fragment of a packet is queued",
    ForeignFramesTaken "FWD-1" "frames for another host's address are taken up",
    BadHeadersTaken "FWD-1" "an IPv4 packet with a wrong header is taken up",
    EthernetPaddingKept "FWD-2" "the padding of an Ethernet frame stays on the packet",
    HopLimitIgnored "FWD-3" "packets at the end of their TTL are forwarded",
    OversizeSentWhole "FWD-4" "packets over the MTU leave whole",
    ArrivingOversizePassed "FWD-4" "a packet that arrives over the MTU comes to FORWARD",
    MtuIsTooLong "FWD-4" "a packet of just the MTU counts as too long",
    OldRouteKept "FWD-5" "a replacement at PREROUTING goes where the original would have",
    MarkForgotten "FWD-6" "a packet's mark is lost at the next hook",
    LoopbackSkipsPostrouting "FWD-7" "what this host sends to itself does not pass POSTROUTING",
    StolenAccepted "VER-1" "STOLEN is accepted, and the packet is gone",
    UnknownVerdictsAccepted "VER-1" "a verdict above 5 is accepted, and the packet is gone",
    UnknownIdIgnored "VER-2" "a verdict for an unknown packet id is ignored",
    IdCheckedFirst "VER-2" "the packet id is looked at before the verdict's value",
    OldestFirstOnly "VER-3" "only the oldest packet can be answered",
    StopIsAccept "VER-4" "STOP goes on with the next hook function",
    AcceptIsDrop "VER-4" "ACCEPT drops the packet",
    DropIsAccept "VER-4" "DROP lets the packet go on",
    RequeueIsAccept "VER-4" "REPEAT and QUEUE let the packet go on",
    AnyPayloadTaken "VER-5" "a payload replaces the packet whatever data_len says",
    ShortReplacementDrops "VER-6" "a payload shorter than the fixed header drops the packet",
    GrowthCut "VER-7" "a longer payload is cut to the packet's length",
    TailKept "VER-7" "a shorter payload leaves the end of the packet as it was",
    ChecksumMended "VER-8" "the IPv4 header checksum of a replacement is mended",
    RequeueShowsOriginal "VER-9" "a replaced packet is queued again with its original bytes",
    OutputRouteKept "VER-10" "a packet changed at OUTPUT is not routed again",
    RepeatKeepsRoute "VER-10" "a packet changed at OUTPUT by REPEAT is not routed again",
    StopIsRouted "VER-10" "a packet changed at OUTPUT by STOP is routed again",
    LostRouteKept "VER-10" "a packet changed at OUTPUT keeps its route where there is none to the new address",
    DownKeepsPackets "EVT-1" "a device going down leaves queued packets alone",
    DownDropsAll "EVT-1" "a device going down drops every queued packet",
    UnloadKeepsPackets "EVT-2" "the queue survives its module being unloaded",
    MaximumShared "EVT-3" "one family's maximum length is the other's too",
    OneQueueForBoth "EVT-3" "IPv6 packets go to the IPv4 queue",
    CloseResetsBoth "EVT-3" "a closing socket resets the queues of both families",
    ProcLabelOff "PROC-1" "the first label of the /proc text is \"Peer pid\"",
    MissingModuleOpens "SOCK-1" "a socket opens although the module is missing",
    TakenPortBinds "SOCK-2" "a port id that is taken can be bound again",
    SecondBindTaken "SOCK-2" "a bound socket can be bound to another port id",
    ProcessIdPassedOver "SOCK-2" "the kernel never chooses the process id",
    CutRestKept "SOCK-3" "what a short read leaves of a datagram comes with the next",
    NoLatch "SOCK-4" "datagrams are taken again as soon as there is room after an overrun",
    NoEnobufsIgnored "SOCK-4" "NETLINK_NO_ENOBUFS changes nothing",
    QuietOverrunLatches "SOCK-4" "an overrun latches with NETLINK_NO_ENOBUFS, too",
    LatchOutlivesOption "SOCK-4" "setting NETLINK_NO_ENOBUFS does not clear the latch",
    SocketErrorStays "SOCK-4" "SO_ERROR leaves the error pending",
    OverrunUntold "SOCK-4" "no receive call says that datagrams were lost",
    RepliesAlwaysFit "SOCK-4" "a reply finds room in any receive buffer",
    WeightIsLength "SOCK-5" "a datagram weighs its length",
    KernelHasPortId "SOCK-6" "the kernel's messages come from port id 1",
    UserDatagramsLost "SOCK-8" "a datagram for another program is lost in silence",
    NobodyTakesDatagrams "SOCK-8" "a datagram for a port id that nobody has is sent all the same",
    SendLimitIgnored "SOCK-9" "a datagram of any length can be sent",
    ProtocolsSwapped "LIB-1" "netlink protocol 3 reaches the IPv6 queue, and 13 the IPv4 queue",
    SentCountShort "LIB-2" "sending returns one byte less than was sent",
    NothingIsAnError "LIB-3" "a receive call that finds nothing says that the socket is not connected",
    DataLengthOff "LIB-4" "data_len is larger than the payload",
    SentSequenceCounted "LIB-11" "a request arrives with sequence 1",
}

/// Which faults are seeded. With the feature off it is nothing at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    #[cfg(feature = "seeded-faults")]
    seeded: Option<Fault>,
}

impl Faults {
    /// None at all, for tests of the emulator's parts.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self {
        #[cfg(feature = "seeded-faults")]
        seeded: None,
    };

    /// Whether `fault` is to be committed.
    #[cfg(feature = "seeded-faults")]
    pub(crate) fn seeded(&self, fault: Fault) -> bool {
        self.seeded == Some(fault)
    }

    /// Whether `fault` is to be committed: never, in this build.
    #[cfg(not(feature = "seeded-faults"))]
    #[inline]
    #[allow(clippy::unused_self)]
    pub(crate) const fn seeded(&self, _fault: Fault) -> bool {
        false
    }

    /// From now on, `fault` and no other is committed.
    #[cfg(feature = "seeded-faults")]
    pub(crate) fn seed(&mut self, fault: Fault) {
        self.seeded = Some(fault);
    }
}
