//! The emulated kernel: sockets, queues and host in one object, which does no I/O.
//!
//! No method waits, and nothing is random.

mod builder;
mod delivery;
mod entry;
mod flaws;
pub(crate) mod hooks;
mod numbered;
mod outlook;
mod packets;
mod spent;
mod syscalls;
mod time;
pub(crate) mod traversal;
mod verdict;

pub use builder::KernelBuilder;
pub use entry::EntryPoint;
pub use packets::InjectError;
pub(crate) use packets::family_of;

use crate::behaviour::{DeviceDown, MaximumLength, Unloading};
use crate::books::{DropReason, Ledger};
use crate::host::network::{DeviceError, Network};
use crate::host::rules::{Rule, RuleError, Rules, Target};
use crate::kernel::traversal::Traversal;
use crate::netlink::Sockets;
use crate::profile::Profile;
use crate::queue::ip_queue::IpQueue;
use crate::queue::records::Records;
use crate::queue::{QueueId, Queues, proc_text};
use crate::time::clock::Clock;
use bytes::Bytes;
use ipq_core::Family;
use spent::Spent;
use std::collections::BTreeMap;
use std::time::Duration;

/// A Linux kernel in memory, with `ip_queue` and, in most versions, `ip6_queue`, or with
/// `nfnetlink_queue`, as its profile says.
///
/// It does no I/O, and no method waits. Most programs use it through [`Sim`](crate::Sim), which
/// connects handles to it.
pub struct Kernel {
    profile: Profile,
    clock: Clock,
    clients: Vec<Client>,
    nobody_has_net_admin: bool,
    later: BTreeMap<(Duration, u64), Later>,
    later_count: u64,
    sockets: Sockets,
    queues: Queues<Traversal>,
    spent: Spent,
    /// The emulated allocator of the memory for queue entries. A packet id of `ip_queue` is the
    /// address of an entry.
    records: Records,
    network: Network,
    /// The identification of the last IPv6 packet that was to be fragmented: the number of such
    /// packets so far.
    fragmented: u32,
    rules: Rules,
    ledger: Ledger,
}

/// A program on the emulated host.
#[derive(Clone, Copy, Debug)]
struct Client {
    process_id: u32,
    net_admin: bool,
}

/// A frame that is to arrive on a device at a later time.
struct Later {
    device: String,
    frame: Bytes,
}

impl Kernel {
    /// Returns a builder with the default kernel and host.
    #[must_use]
    pub fn builder() -> KernelBuilder {
        KernelBuilder::new()
    }

    pub(crate) fn from_builder(builder: KernelBuilder) -> Result<Self, DeviceError> {
        let KernelBuilder {
            profile,
            reuse,
            clock,
            devices,
            process_id,
            fates_kept,
            earlier_peer_died,
        } = builder;
        let mut queues = Queues::new(&profile, reuse);
        if earlier_peer_died && let Some(queue) = queues.get_mut(QueueId::IpQueue(Family::Ipv4)) {
            queue.begin_with_a_dead_peer();
        }
        Ok(Self {
            profile,
            clock,
            clients: vec![Client {
                process_id,
                net_admin: true,
            }],
            nobody_has_net_admin: false,
            later: BTreeMap::new(),
            later_count: 0,
            sockets: Sockets::new(&profile),
            queues,
            spent: Spent::default(),
            records: Records::new(&profile.behaviour.queueing),
            network: Network::new(devices)?,
            fragmented: 0,
            rules: Rules::default(),
            ledger: Ledger::new(fates_kept),
        })
    }

    /// Returns the profile of the emulated kernel.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Adds a netfilter rule at the end of its chain. Fails if the rule's chain is no hook, if its
    /// table has no such chain on this kernel, or if its target needs numbered queues and the
    /// kernel has none.
    pub fn add_rule(&mut self, rule: Rule) -> Result<(), RuleError> {
        let without_numbers = self.profile.behaviour.modules.numbered.is_none();
        if without_numbers && matches!(rule.target, Target::NumberedQueue(_)) {
            return Err(RuleError::NoNumberedQueues);
        }
        self.rules.add(rule, self.profile.behaviour.host.mangle_chains)
    }

    /// Writes a description of the devices, and then one of the rules.
    pub(crate) fn describe_host(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.network.describe(f)?;
        self.rules.describe(f)
    }

    /// Removes all netfilter rules. Packets that are queued stay queued.
    pub fn clear_rules(&mut self) {
        self.rules.clear();
    }

    /// Sets a device up or down. Setting it down drops every queued packet that has it as incoming
    /// or outgoing device (EVT-1, NFQ-9), without telling the program. Fails if the host has no
    /// device of that name.
    pub fn set_link(&mut self, device: &str, up: bool) -> Result<(), DeviceError> {
        let id = self.network.by_name(device)?;
        if up && !self.network.is_up(id) {
            self.records.device_came_up();
        }
        self.network.set_up(id, up);
        if !up {
            let rule = self.profile.behaviour.host.device_down_drops;
            let drops = |traversal: &Traversal| match rule {
                DeviceDown::Named => traversal.names(id),
                DeviceDown::All => true,
                DeviceDown::None => false,
            };
            let records = &mut self.records;
            let queues = self.queues.loaded_mut();
            let mut dropped: Vec<Traversal> = queues.flat_map(|(_, queue)| queue.take_if(records, drops)).collect();
            if let Some(queues) = &mut self.queues.numbered {
                dropped.extend(queues.take_if(drops));
            }
            self.drop_all(dropped, DropReason::DeviceDown);
        }
        Ok(())
    }

    /// Returns the text of `/proc/net/ip_queue` or, for IPv6, `/proc/net/ip6_queue` (PROC-1).
    /// Returns `None` if the module is not loaded, or the kernel has none.
    #[must_use]
    pub fn proc_text(&self, family: Family) -> Option<String> {
        let status = self.ip_queue(family)?.status();
        Some(proc_text::of(family, &status, &self.profile.behaviour.proc_text))
    }

    /// Returns `true` if the family's queue of `ip_queue` or `ip6_queue` has a peer and a copy mode
    /// other than NONE, so that packets are queued (PKT-1). Returns `false` on a kernel with
    /// numbered queues.
    #[must_use]
    pub fn has_listener(&self, family: Family) -> bool {
        self.ip_queue(family).is_some_and(IpQueue::has_listener)
    }

    /// Returns the number of packets that wait for a verdict in the queue of `ip_queue` or
    /// `ip6_queue` for the family; `None` if the module is not loaded, or the kernel has none.
    #[must_use]
    pub fn queue_length(&self, family: Family) -> Option<usize> {
        self.ip_queue(family).map(|queue| queue.status().length)
    }

    /// Returns the value of the sysctl `net.ipv4.ip_queue_maxlen` or `net.ipv6.ip6_queue_maxlen`,
    /// in packets; `None` if the module is not loaded, or the kernel has none.
    #[must_use]
    pub fn maximum_length(&self, family: Family) -> Option<u32> {
        self.ip_queue(family).map(|queue| queue.status().maximum_length)
    }

    /// Sets the sysctl `net.ipv4.ip_queue_maxlen` or `net.ipv6.ip6_queue_maxlen`: the maximum
    /// length of the family's queue, in packets (PKT-2). Packets that are queued stay, however
    /// many. Linux 2.4.0 and 2.4.16 take the length as signed (ERA-6). Does nothing if the module
    /// is not loaded.
    pub fn set_maximum_length(&mut self, family: Family, length: u32) {
        let both = self.profile.behaviour.modules.maximum_length == MaximumLength::OfBothQueues;
        for (id, queue) in self.queues.loaded_mut() {
            if both || id == QueueId::IpQueue(family) {
                queue.set_maximum_length(length);
            }
        }
    }

    /// Unloads the module of a family's queue of `ip_queue` or `ip6_queue`. The queued packets are
    /// dropped (EVT-2). Until the module is loaded again, sends to the queue fail with
    /// ECONNREFUSED, and packets for it are dropped. Does nothing if the module is not loaded.
    pub fn unload(&mut self, family: Family) {
        if self.profile.behaviour.modules.unloading == Unloading::KeepsQueue {
            return;
        }
        let dropped = self.queues.unload(family, &mut self.records);
        self.drop_all(dropped, DropReason::ModuleUnloaded);
    }

    /// Loads the module of a family's queue after [`unload`](Self::unload). The queue is as new:
    /// without a peer, in mode NONE, with zeroed counters and the profile's maximum length. Only
    /// its packet ids go on where they stopped. Does nothing if the module was not unloaded.
    pub fn load(&mut self, family: Family) {
        self.queues.load(family, &self.profile);
    }

    /// Ends the kernel. Frames that were to arrive later never arrive. From then on sends fail with
    /// EBADF. Receives fail with it, too, but only after the socket's pending error and its
    /// datagrams have been taken. Calls the sockets' wakers.
    pub(crate) fn shut_down(&mut self) {
        self.later.clear();
        self.sockets.shut_down();
    }

    /// Puts any bytes into the receive buffer of the socket bound to `port_id`, as if the kernel
    /// had sent them.
    #[cfg(test)]
    pub(crate) fn forge(&mut self, protocol: i32, port_id: ipq_core::PortId, bytes: Vec<u8>) {
        let datagram = crate::netlink::Datagram::of_bytes(ipq_core::PortId::KERNEL, bytes.into());
        let rules = &self.profile.behaviour.netlink;
        self.sockets.force(protocol, port_id, datagram, rules);
    }

    fn ip_queue(&self, family: Family) -> Option<&IpQueue<Traversal>> {
        self.queues.get(QueueId::IpQueue(family))
    }

    fn drop_all(&mut self, traversals: Vec<Traversal>, reason: DropReason) {
        for traversal in traversals {
            self.ledger.dropped(traversal.packet.serial, reason);
        }
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("profile", &self.profile.name)
            .field("now", &self.now())
            .field("accounting", self.accounting())
            .finish_non_exhaustive()
    }
}
