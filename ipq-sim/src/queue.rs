//! The queues that packets wait in for a program's verdict.
//!
//! Each queue protocol is a file here: [`ip_queue`], and [`nfnetlink`], whose queues have numbers.
//! A kernel has queues of one of the two protocols. [`QueueId`] names a queue, and [`Queues`] keeps
//! a kernel's queues.

pub(crate) mod entries;
pub(crate) mod ip_queue;
pub mod nfnetlink;
pub(crate) mod proc_text;
pub(crate) mod records;

use crate::behaviour::{Ipv6Packets, Ipv6Queue, Modules};
use crate::host::hook::HookPoint;
use crate::host::packet::Packet;
use crate::host::rules::Target;
use crate::per_family::PerFamily;
use crate::profile::Profile;
use crate::time::clock::ArrivalTime;
use entries::IdReuse;
use ip_queue::IpQueue;
use ipq_core::Family;
use ipq_core::wire::{EtherType, HardwareAddress, InterfaceName};
use records::Records;
use std::fmt;

/// The netlink protocol that carries nfnetlink.
pub(crate) const NFNETLINK: i32 = ipq_core::wire::nfnetlink::PROTOCOL as i32;

/// The name of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueueId {
    /// The queue of `ip_queue` or `ip6_queue`, by its family.
    IpQueue(Family),
    /// The queue of `nfnetlink_queue` with this number.
    Numbered(u16),
}

impl QueueId {
    /// Returns the queue that a rule's target sends a packet to. A target with numbers leads to the
    /// queue of one of them, chosen by the packet. The plain target QUEUE leads to queue 0 on a
    /// kernel with numbered queues, and on other kernels to the queue of `ip_queue` for the
    /// packet's family. A seeded fault may change the queue. Returns `None` for a target that sets
    /// a mark.
    pub(crate) fn of_target(target: Target, packet: &Packet, rules: &Modules) -> Option<Self> {
        let family = packet.family;
        match target {
            Target::NumberedQueue(queue) => Some(Self::Numbered(match rules.numbered_flaw() {
                Some(flaw) => flaw.number(queue, packet),
                None => queue.number(packet),
            })),
            Target::Queue if rules.numbered.is_some() => {
                let number = u16::from(rules.numbered_flaw() == Some(nfnetlink::Flaw::PlainQueueIsOne));
                Some(Self::Numbered(number))
            }
            Target::Queue => Some(Self::IpQueue(match rules.ipv6_packets {
                Ipv6Packets::ToTheirQueue => family,
                Ipv6Packets::ToIpv4Queue => Family::Ipv4,
            })),
            Target::Mark(_) => None,
        }
    }

    /// Returns the queue of `ip_queue` or `ip6_queue` that a netlink protocol leads to, whether the
    /// kernel has that queue now or not. Returns `None` if it leads to neither, as always on a
    /// kernel with numbered queues.
    pub(crate) fn of_protocol(protocol: i32, rules: &Modules) -> Option<Self> {
        if rules.numbered.is_some() {
            return None;
        }
        let mut protocols = rules.protocols.iter();
        let found = protocols.find(|(_, own)| **own == protocol);
        found.map(|(family, _)| Self::IpQueue(family))
    }

    /// Returns the netlink protocol by which the queue's frames and messages go.
    pub(crate) fn protocol(self, rules: &Modules) -> i32 {
        match self {
            Self::IpQueue(family) => rules.protocols[family],
            Self::Numbered(_) => NFNETLINK,
        }
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IpQueue(family) => family.fmt(f),
            Self::Numbered(number) => write!(f, "queue {number}"),
        }
    }
}

/// The facts about a packet that its PACKET frame of `ip_queue` tells, but for the packet's id and
/// its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketDetails {
    pub(crate) mark: u32,
    pub(crate) arrival_time: ArrivalTime,
    pub(crate) hook: HookPoint,
    pub(crate) indev: InterfaceName,
    pub(crate) outdev: InterfaceName,
    pub(crate) protocol: EtherType,
    pub(crate) hw_type: u16,
    pub(crate) hw_address: HardwareAddress,
}

/// All queues of a kernel. Each keeps an item `T` for each packet that waits in it.
pub(crate) struct Queues<T> {
    ip_queues: PerFamily<Module<IpQueue<T>>>,
    /// The queues with numbers. `None` on a kernel that has `ip_queue` instead.
    pub(crate) numbered: Option<nfnetlink::Queues<T>>,
}

/// The state of a kernel module, with its queue `Q`.
enum Module<Q> {
    Loaded(Q),
    /// The module is not loaded. Its last queue is kept: the queue of a later load goes on with the
    /// packet ids of that one.
    Unloaded(Q),
    /// The kernel has no such module.
    Absent,
}

impl<T> Queues<T> {
    /// Returns the queues of a kernel that has loaded all its modules.
    pub(crate) fn new(profile: &Profile, reuse: IdReuse) -> Self {
        let modules = profile.behaviour.modules;
        let module = |family| match (family, modules.ipv6_queue) {
            _ if modules.numbered.is_some() => Module::Absent,
            (Family::Ipv6, Ipv6Queue::Absent) => Module::Absent,
            _ => Module::Loaded(IpQueue::new(family, profile, reuse)),
        };
        Self {
            ip_queues: PerFamily::of(module),
            numbered: modules.numbered.map(nfnetlink::Queues::new),
        }
    }

    /// Returns a queue of `ip_queue` or `ip6_queue`. Returns `None` for a numbered queue, and if
    /// the module is not loaded.
    pub(crate) fn get(&self, id: QueueId) -> Option<&IpQueue<T>> {
        let QueueId::IpQueue(family) = id else {
            return None;
        };
        match &self.ip_queues[family] {
            Module::Loaded(queue) => Some(queue),
            Module::Unloaded(_) | Module::Absent => None,
        }
    }

    /// Returns a queue of `ip_queue` or `ip6_queue` for the caller to change. Returns `None` for a
    /// numbered queue, and if the module is not loaded.
    pub(crate) fn get_mut(&mut self, id: QueueId) -> Option<&mut IpQueue<T>> {
        let QueueId::IpQueue(family) = id else {
            return None;
        };
        match &mut self.ip_queues[family] {
            Module::Loaded(queue) => Some(queue),
            Module::Unloaded(_) | Module::Absent => None,
        }
    }

    /// Returns the queues of `ip_queue` and `ip6_queue` whose modules are loaded, in this order.
    pub(crate) fn loaded(&self) -> impl Iterator<Item = &IpQueue<T>> {
        self.ip_queues.iter().filter_map(|(_, module)| match module {
            Module::Loaded(queue) => Some(queue),
            Module::Unloaded(_) | Module::Absent => None,
        })
    }

    /// Returns the queues of `ip_queue` and `ip6_queue` whose modules are loaded, with their names,
    /// for the caller to change.
    pub(crate) fn loaded_mut(&mut self) -> impl Iterator<Item = (QueueId, &mut IpQueue<T>)> {
        self.ip_queues.iter_mut().filter_map(|(family, module)| match module {
            Module::Loaded(queue) => Some((QueueId::IpQueue(family), queue)),
            Module::Unloaded(_) | Module::Absent => None,
        })
    }

    /// Unloads the module of a family's queue, which drops every queued packet (EVT-2). Returns the
    /// packets' items, oldest first. Does nothing and returns none if the module is not loaded.
    pub(crate) fn unload(&mut self, family: Family, records: &mut Records) -> Vec<T> {
        let module = &mut self.ip_queues[family];
        match std::mem::replace(module, Module::Absent) {
            Module::Loaded(mut queue) => {
                let dropped = queue.reset(records);
                *module = Module::Unloaded(queue);
                dropped
            }
            other => {
                *module = other;
                Vec::new()
            }
        }
    }

    /// Loads the module of a family's queue again, with a new queue, if the module was unloaded.
    pub(crate) fn load(&mut self, family: Family, profile: &Profile) {
        let module = &mut self.ip_queues[family];
        *module = match std::mem::replace(module, Module::Absent) {
            Module::Unloaded(queue) => Module::Loaded(queue.renewed(profile)),
            other => other,
        };
    }
}
