//! The rules of the host around the queue.

/// The rules for a packet's way through the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// The check that a frame is for this host's address, or for several hosts (FWD-1).
    pub(crate) destination_address: Check,
    /// The check that an arriving IPv4 packet's header is right (FWD-1).
    pub(crate) ipv4_header: Check,
    /// The rule for bytes that follow a packet in its frame (FWD-2).
    pub(crate) ethernet_padding: EthernetPadding,
    /// The check that a packet to be forwarded has more than one hop left (FWD-3).
    pub(crate) hop_limit: Check,
    /// The check that a packet to be forwarded is no longer than the MTU, or may be fragmented
    /// (FWD-4).
    pub(crate) arriving_length: Check,
    /// The lengths of packets that leave in one piece (FWD-4).
    pub(crate) fits: Fits,
    /// The rule for an IPv4 packet that is longer than the MTU (FWD-4).
    pub(crate) oversize_ipv4: OversizeIpv4,
    /// The rule for an IPv6 packet that is longer than the MTU (FWD-4).
    pub(crate) oversize_ipv6: OversizeIpv6,
    /// The time at which an arriving packet is routed (FWD-5).
    pub(crate) routed: Routed,
    /// The time for which a packet keeps its mark (FWD-6).
    pub(crate) marks: Marks,
    /// The hooks that a packet passes which this host sends to itself (FWD-7).
    pub(crate) looping: Looping,
    /// The neighbour that a routed packet leaves to (NFQ-72).
    pub(crate) next_hop: NextHop,
    /// The rule for a packet that was changed at OUTPUT (VER-10).
    pub(crate) reroute: Reroute,
    /// The chains of table mangle.
    pub(crate) mangle_chains: MangleChains,
    /// The incoming device of a forwarded packet at POSTROUTING (PKT-6, NFQ-86).
    pub(crate) indev_at_postrouting: IndevAtPostrouting,
    /// The queued packets that are dropped when a device goes down (EVT-1).
    pub(crate) device_down_drops: DeviceDown,
}

/// A check, made or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The check is made.
    Made,
    /// The check is not made.
    Omitted,
}

/// The incoming device of a forwarded packet at POSTROUTING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndevAtPostrouting {
    /// The packet has no incoming device there.
    Forgotten,
    /// The packet has its incoming device there.
    Kept,
}

/// The rule for bytes that follow a packet in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EthernetPadding {
    /// The bytes are cut off.
    Cut,
    /// The bytes stay on the packet. No kernel does this.
    Kept,
}

/// The lengths of packets that leave in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fits {
    /// A packet leaves in one piece if it is no longer than the MTU.
    UpToMtu,
    /// A packet leaves in one piece if it is shorter than the MTU. No kernel does this.
    BelowMtu,
}

/// The rule for an IPv4 packet over the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OversizeIpv4 {
    /// The packet is fragmented, or dropped if DF is set.
    FragmentedUnlessForbidden,
    /// The packet is fragmented, and DF is lost.
    Fragmented,
    /// The packet leaves whole. No kernel does this.
    SentWhole,
}

/// The rule for an IPv6 packet over the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OversizeIpv6 {
    /// The packet is dropped.
    Dropped,
    /// The packet is fragmented, as a packet of this host's own would be.
    Fragmented,
    /// The packet leaves whole.
    SentWhole,
}

/// The time at which an arriving packet is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// The packet is routed after PREROUTING, by the addresses that it then has.
    AfterPrerouting,
    /// The packet is routed when it arrives. No kernel does this.
    OnArrival,
}

/// The time for which a packet keeps its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// The packet keeps its mark from hook to hook.
    Kept,
    /// The packet keeps its mark for one hook. No kernel does this.
    LostAtNextHook,
}

/// The hooks that a packet passes which this host sends to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looping {
    /// The packet passes OUTPUT and POSTROUTING, and then comes in by lo.
    ByPostrouting,
    /// The packet passes OUTPUT, and then comes in by lo. No kernel does this.
    PastPostrouting,
}

/// The neighbour that a routed packet leaves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// The neighbour with the destination that the packet had when it was routed.
    AsRouted,
    /// The neighbour with the destination that the packet has when it leaves.
    AsItLeaves,
}

/// The rule for a packet whose addresses, TOS or mark changed at OUTPUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reroute {
    /// The packet is routed again, and dropped if there is no route.
    OrDropped,
    /// The packet is routed again, and keeps its route if there is no other. No kernel does this.
    OrKept,
    /// The packet keeps its route.
    Never,
}

/// The chains of table mangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MangleChains {
    /// Table mangle has a chain at every hook.
    EveryHook,
    /// Table mangle has chains at PREROUTING and OUTPUT.
    PreroutingAndOutput,
}

/// The queued packets that are dropped when a device goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceDown {
    /// The packets whose frames name the device.
    Named,
    /// All packets. No kernel does this.
    All,
    /// No packets. No kernel does this.
    None,
}
