//! The rules for which queues a kernel has, and for their modules and sysctls.

use crate::per_family::PerFamily;
use crate::queue::nfnetlink;

/// The rules for which queues the kernel has, those of `ip_queue` and `ip6_queue` or numbered ones,
/// and for their modules and sysctls. Where queues are numbered, only `numbered` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modules {
    /// The netlink protocol of each family's queue (ATT-1, LIB-1).
    pub(crate) protocols: PerFamily<i32>,
    /// The rule that says if the kernel has `ip6_queue` (ERA-16).
    pub(crate) ipv6_queue: Ipv6Queue,
    /// The effect of unloading a module (EVT-2).
    pub(crate) unloading: Unloading,
    /// The queues whose maximum length one family's sysctl sets (EVT-3).
    pub(crate) maximum_length: MaximumLength,
    /// The queue that the target QUEUE sends IPv6 packets to (EVT-3).
    pub(crate) ipv6_packets: Ipv6Packets,
    /// The rules of numbered queues; `None` on a kernel that has `ip_queue`. No kernel here has
    /// both.
    pub(crate) numbered: Option<nfnetlink::Rules>,
}

impl Modules {
    /// Returns the flaw that a seeded fault puts into numbered queues. Returns `None` without such
    /// a fault.
    pub(crate) fn numbered_flaw(&self) -> Option<nfnetlink::Flaw> {
        self.numbered.as_ref().and_then(nfnetlink::Rules::flaw)
    }
}

/// Whether the kernel has the module `ip6_queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv6Queue {
    /// The kernel has `ip6_queue`, which can be unloaded and loaded.
    Present,
    /// The kernel has no `ip6_queue` to load.
    Absent,
}

/// The effect of unloading a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unloading {
    /// Unloading a module drops its queue's packets, and the queue is gone.
    DropsPackets,
    /// Unloading a module does nothing: its queue stays. No kernel does this.
    KeepsQueue,
}

/// The queues whose maximum length one family's sysctl sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaximumLength {
    /// The sysctl of a family sets the maximum length of that family's queue only.
    OfOneQueue,
    /// The sysctl of either family sets the maximum length of both queues. No kernel does this.
    OfBothQueues,
}

/// The queue that the target QUEUE sends IPv6 packets to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv6Packets {
    /// IPv6 packets go to the IPv6 queue.
    ToTheirQueue,
    /// IPv6 packets go to the IPv4 queue. No kernel does this.
    ToIpv4Queue,
}
