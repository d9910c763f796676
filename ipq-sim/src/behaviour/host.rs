//! The rules of the host around the queue.

/// The rules for a packet's way through the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// That a frame is for this host's address or for many (FWD-1).
    pub(crate) destination_address: Check,
    /// That an arriving IPv4 packet's header is right (FWD-1).
    pub(crate) ipv4_header: Check,
    /// The rule for bytes that follow a packet in its frame (FWD-2).
    pub(crate) ethernet_padding: EthernetPadding,
    /// That a packet to be forwarded has more than one hop left (FWD-3).
    pub(crate) hop_limit: Check,
    /// That a packet to be forwarded is no longer than the MTU, or may be fragmented (FWD-4).
    pub(crate) arriving_length: Check,
    /// The lengths that leave in one piece (FWD-4).
    pub(crate) fits: Fits,
    /// The rule for an IPv4 packet that is longer than the MTU (FWD-4).
    pub(crate) oversize_ipv4: OversizeIpv4,
    /// The rule for an IPv6 packet that is longer than the MTU (FWD-4).
    pub(crate) oversize_ipv6: OversizeIpv6,
    /// When an arriving packet is routed (FWD-5).
    pub(crate) routed: Routed,
    /// The time for which a packet keeps its mark (FWD-6).
    pub(crate) marks: Marks,
    /// The way of what this host sends to itself (FWD-7).
    pub(crate) looping: Looping,
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
    /// It is.
    Made,
    /// It is not.
    Omitted,
}

/// The incoming device of a forwarded packet at POSTROUTING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndevAtPostrouting {
    /// It has none.
    Forgotten,
    /// It has.
    Kept,
}

/// The rule for bytes that follow a packet in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EthernetPadding {
    /// They are cut off.
    Cut,
    /// They stay on the packet. No kernel does.
    Kept,
}

/// The lengths that leave in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fits {
    /// The MTU, and what is shorter.
    UpToMtu,
    /// A packet that is shorter than the MTU. No kernel does.
    BelowMtu,
}

/// The rule for an IPv4 packet over the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OversizeIpv4 {
    /// It is fragmented, or dropped if DF is set.
    FragmentedUnlessForbidden,
    /// It is fragmented, and DF is lost.
    Fragmented,
    /// It leaves whole. No kernel does.
    SentWhole,
}

/// The rule for an IPv6 packet over the MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OversizeIpv6 {
    /// It is dropped.
    Dropped,
    /// It is fragmented, as a packet of this host's own would be.
    Fragmented,
    /// It leaves whole.
    SentWhole,
}

/// When an arriving packet is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// After PREROUTING, by the addresses that it then has.
    AfterPrerouting,
    /// When it arrives. No kernel does.
    OnArrival,
}

/// The time for which a packet keeps its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// From hook to hook.
    Kept,
    /// For one hook. No kernel does.
    LostAtNextHook,
}

/// The way of what this host sends to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looping {
    /// From OUTPUT to POSTROUTING, and then in by lo.
    ByPostrouting,
    /// From OUTPUT in by lo. No kernel does.
    PastPostrouting,
}

/// The rule for a packet whose addresses, TOS or mark changed at OUTPUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reroute {
    /// It is routed again, and dropped if there is no route.
    OrDropped,
    /// It is routed again, and keeps its route if there is no other. No kernel does.
    OrKept,
    /// It keeps its route.
    Never,
}

/// The chains of table mangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MangleChains {
    /// One at every hook.
    EveryHook,
    /// PREROUTING and OUTPUT.
    PreroutingAndOutput,
}

/// The queued packets that are dropped when a device goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceDown {
    /// Those whose frames name it.
    Named,
    /// All. No kernel does.
    All,
    /// None. No kernel does.
    None,
}
