//! The rules for what the emulated host does with a packet outside the queue: arriving, routing,
//! forwarding, leaving.

/// The rules for a packet's way through the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// The check that an arriving frame is for the device's own MAC address, or for a broadcast or
    /// multicast address (FWD-1).
    pub(crate) destination_address: Check,
    /// The check that an arriving IPv4 packet's header is right (FWD-1).
    pub(crate) ipv4_header: Check,
    /// The rule for bytes that follow an IP packet in its Ethernet frame (FWD-2).
    pub(crate) ethernet_padding: EthernetPadding,
    /// The check that a packet to be forwarded has a TTL or hop limit above 1 (FWD-3).
    pub(crate) hop_limit: Check,
    /// The check, before FORWARD, that a packet to be forwarded is not too long for the outgoing
    /// device's MTU, or may be fragmented (FWD-4).
    pub(crate) arriving_length: Check,
    /// The length of the longest packet that leaves in one piece: the MTU, or one byte less
    /// (FWD-4).
    pub(crate) fits: Fits,
    /// The rule for a leaving IPv4 packet that is longer than the MTU (FWD-4).
    pub(crate) oversize_ipv4: OversizeIpv4,
    /// The rule for a leaving IPv6 packet that is longer than the MTU (FWD-4).
    pub(crate) oversize_ipv6: OversizeIpv6,
    /// The moment at which an arriving packet is routed (FWD-5).
    pub(crate) routed: Routed,
    /// The time for which a packet keeps its mark (FWD-6).
    pub(crate) marks: Marks,
    /// The hooks that a packet from this host to itself passes (FWD-7).
    pub(crate) looping: Looping,
    /// The neighbour that a packet leaves to, if its destination changed after it was routed
    /// (NFQ-72).
    pub(crate) next_hop: NextHop,
    /// The rule for a packet whose addresses, TOS or mark changed while it was queued at OUTPUT
    /// (VER-10).
    pub(crate) reroute: Reroute,
    /// The hooks at which table mangle has a chain (ERA-18).
    pub(crate) mangle_chains: MangleChains,
    /// The rule that says if a forwarded packet has its incoming device at POSTROUTING (PKT-6,
    /// NFQ-86).
    pub(crate) indev_at_postrouting: IndevAtPostrouting,
    /// The queued packets that are dropped when a device goes down (EVT-1).
    pub(crate) device_down_drops: DeviceDown,
}

/// Whether a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The check is made.
    Made,
    /// The check is not made. No kernel does this.
    Omitted,
}

/// The rule that says if a forwarded packet has its incoming device at POSTROUTING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndevAtPostrouting {
    /// A forwarded packet has no incoming device at POSTROUTING.
    Forgotten,
    /// A forwarded packet has its incoming device at POSTROUTING, too.
    Kept,
}

/// The rule for bytes that follow an IP packet in its Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EthernetPadding {
    /// Bytes that follow the IP packet in its frame are cut off.
    Cut,
    /// Bytes that follow the IP packet in its frame stay on the packet. No kernel does this.
    Kept,
}

/// The rule that says whether a packet of just the MTU's length leaves in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fits {
    /// A packet leaves in one piece if it is no longer than the MTU.
    UpToMtu,
    /// A packet leaves in one piece if it is shorter than the MTU. No kernel does this.
    BelowMtu,
}

/// The rule for a leaving IPv4 packet that is longer than the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OversizeIpv4 {
    /// An IPv4 packet over the MTU is fragmented, or dropped if DF is set.
    FragmentedUnlessForbidden,
    /// An IPv4 packet over the MTU is fragmented even if DF is set, and the fragments are without
    /// DF.
    Fragmented,
    /// An IPv4 packet over the MTU leaves whole. No kernel does this.
    SentWhole,
}

/// The rule for a leaving IPv6 packet that is longer than the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OversizeIpv6 {
    /// An IPv6 packet over the MTU is dropped.
    Dropped,
    /// An IPv6 packet over the MTU is fragmented.
    Fragmented,
    /// An IPv6 packet over the MTU leaves whole.
    SentWhole,
}

/// The moment at which an arriving packet is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// A packet from outside is routed after PREROUTING, by the addresses that it then has.
    AfterPrerouting,
    /// A packet from outside is routed before PREROUTING, by the addresses that it came with. No
    /// kernel does this.
    OnArrival,
}

/// The time for which a packet keeps its mark on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// A packet keeps its mark from hook to hook.
    Kept,
    /// A packet loses its mark when it comes to the next hook. No kernel does this.
    LostAtNextHook,
}

/// The hooks that a packet from this host to itself passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looping {
    /// A packet from this host to itself passes OUTPUT and POSTROUTING, and then comes in by `lo`.
    ByPostrouting,
    /// A packet from this host to itself passes OUTPUT, and then comes in by `lo`. No kernel does
    /// this.
    PastPostrouting,
}

/// The neighbour that a packet leaves to, if its destination changed after it was routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// The packet leaves to the neighbour with the destination that the packet had when it was
    /// routed.
    AsRouted,
    /// The packet leaves to the neighbour with the destination that the packet has in the end.
    AsItLeaves,
}

/// The rule for a packet whose addresses, TOS or mark changed while it was queued at OUTPUT. It
/// holds after those verdicts that have such a packet routed again ([`Effect`](super::Effect)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reroute {
    /// A packet changed at OUTPUT is routed again, and dropped if there is no route.
    OrDropped,
    /// A packet changed at OUTPUT is routed again, and keeps its old route if there is no other. No
    /// kernel does this.
    OrKept,
    /// A packet changed at OUTPUT keeps its route.
    Never,
}

/// The hooks at which table mangle has a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MangleChains {
    /// Table mangle has a chain at every hook.
    EveryHook,
    /// Table mangle has chains at PREROUTING and OUTPUT only.
    PreroutingAndOutput,
}

/// The queued packets that are dropped when a device goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceDown {
    /// The packets whose PACKET frame names the device as incoming or outgoing device are dropped.
    Named,
    /// All queued packets are dropped, whichever device goes down. No kernel does this.
    All,
    /// No queued packet is dropped when a device goes down. No kernel does this.
    None,
}
