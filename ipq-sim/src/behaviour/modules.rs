//! Which queues there are, and what they share.

use crate::queue::nfnetlink;

/// The rules for the queues' modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modules {
    /// The netlink protocol of each family's queue, IPv4 first (ATT-1, LIB-1).
    pub(crate) protocols: [i32; 2],
    /// Whether the kernel has `ip6_queue` at all.
    pub(crate) ipv6_queue: Ipv6Queue,
    /// What unloading a module does (EVT-2).
    pub(crate) unloading: Unloading,
    /// Whose maximum length a sysctl sets (EVT-3).
    pub(crate) maximum_length: MaximumLength,
    /// Which queue IPv6 packets go to (EVT-3).
    pub(crate) ipv6_packets: Ipv6Packets,
    /// The rules of numbered queues, on a kernel that has these and neither `ip_queue` nor `ip6_queue`.
    pub(crate) numbered: Option<nfnetlink::Rules>,
}

/// Whether there is an `ip6_queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv6Queue {
    /// There is, and it can be unloaded and loaded.
    Present,
    /// There is none to load.
    Absent,
}

/// What unloading a module does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unloading {
    /// It drops what is queued.
    DropsPackets,
    /// Nothing: the queue stays. No kernel does.
    KeepsQueue,
}

/// Whose maximum length a sysctl sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaximumLength {
    /// Its own queue's.
    OfOneQueue,
    /// Both queues'. No kernel does.
    OfBothQueues,
}

/// The queue that IPv6 packets go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv6Packets {
    /// IPv6's.
    ToTheirQueue,
    /// IPv4's. No kernel does.
    ToIpv4Queue,
}
