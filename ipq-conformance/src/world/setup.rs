//! The state of a world before the first step: [`Setup`], and the types of its fields.

use ipq_core::wire::{Abi, ByteOrder};
use ipq_core::{Family, Hook};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of a world before the first step. Everything else about a world is fixed: see
/// [`topology`](super::topology).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setup {
    /// The machine that the world stands for; `None` for the world's own machine.
    pub machine: Option<Machine>,
    /// The netfilter rules in force, in the order in which they were added.
    pub rules: Vec<Rule>,
    /// The process id of the program that does the steps, which decides the port ids that the
    /// kernel chooses (SOCK-2). `None` allows any.
    pub process_id: Option<u32>,
    /// `true` if no packet id may be given twice. This needs
    /// [`Capability::NeverReusedIds`](super::Capability::NeverReusedIds).
    pub never_reuse_ids: bool,
    /// `true` if the IPv4 queue begins as if its last peer had died. The /proc text of Linux up to
    /// 2.4.17 then says `Peer died : 1` until a program attaches (ERA-3); other kernels show
    /// nothing. The worlds of real kernels ignore this field.
    pub earlier_peer_died: bool,
    /// The protocol of the queues: `ip_queue` or `nfnetlink_queue`.
    pub queues: QueueProtocol,
}

/// The protocol of the queues in a world. In this suite kernels up to 3.4 have `ip_queue`, and
/// later ones `nfnetlink_queue`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QueueProtocol {
    /// `ip_queue`: one queue for each family, each with a netlink protocol of its own.
    #[default]
    IpQueue,
    /// `nfnetlink_queue`: queues with numbers, on netlink protocol 12.
    Nfnetlink,
}

impl Setup {
    /// Returns a setup with the world's own machine, `ip_queue`, and these rules. Any process id
    /// will do, packet ids may be given again, and no earlier peer has died.
    #[must_use]
    pub fn with_rules(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            machine: None,
            rules: rules.into_iter().collect(),
            process_id: None,
            never_reuse_ids: false,
            earlier_peer_died: false,
            queues: QueueProtocol::IpQueue,
        }
    }

    /// Returns a setup with the world's own machine, numbered queues, and these rules. Any process
    /// id will do, and packet ids may be given again.
    #[must_use]
    pub fn with_numbered_queues(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            queues: QueueProtocol::Nfnetlink,
            ..Self::with_rules(rules)
        }
    }
}

/// Returns a setup with the world's own machine, and with the rules of most recordings: in the
/// table filter, they send forwarded UDP of either family to the `ip_queue` of that family.
impl Default for Setup {
    fn default() -> Self {
        Self::with_rules(
            Family::ALL.map(|family| Rule::queue(family, Table::Filter, Hook::Forward, Some(Protocol::UDP))),
        )
    }
}

/// A kernel's version and architecture, and the layout of its netlink messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The kernel's version, such as `3.4.10`.
    pub kernel: String,
    /// The architecture, such as `x86_64`.
    pub arch: String,
    /// The word size and byte order of the kernel's netlink messages.
    pub abi: Abi,
}

impl Machine {
    /// Returns Linux 3.4.10 on `x86_64`: little-endian, with words of 8 bytes.
    #[must_use]
    pub fn linux_3_4_x86_64() -> Self {
        Self {
            kernel: "3.4.10".into(),
            arch: "x86_64".into(),
            abi: Abi::LP64_LITTLE,
        }
    }

    /// Returns Linux 3.4.10 on i386: little-endian, with words of 4 bytes.
    #[must_use]
    pub fn linux_3_4_i386() -> Self {
        Self {
            arch: "i386".into(),
            abi: Abi::ILP32_LITTLE,
            ..Self::linux_3_4_x86_64()
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, order) = (self.abi.word_bytes(), order_word(self.abi.order));
        write!(
            f,
            "Linux {} {} ({word}-byte words, {order}-endian)",
            self.kernel, self.arch
        )
    }
}

/// Returns `little` or `big`, the word for a byte order in reports and in other texts.
pub(crate) const fn order_word(order: ByteOrder) -> &'static str {
    match order {
        ByteOrder::Little => "little",
        ByteOrder::Big => "big",
    }
}

/// A netfilter rule: the packets that match, and the action on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The family of the packets that the rule is for.
    #[serde(with = "crate::world::serial::FamilyForm")]
    pub family: Family,
    /// The table that the rule is in: mangle or filter.
    pub table: Table,
    /// The hook of the chain that the rule is in.
    #[serde(with = "crate::world::serial::HookForm")]
    pub chain: Hook,
    /// The transport protocol that the rule matches; `None` matches every packet of the family.
    pub protocol: Option<Protocol>,
    /// The action on the packets that match the rule.
    pub target: Target,
}

impl Rule {
    /// Returns a rule with the target QUEUE for packets of the transport protocol `protocol`, or
    /// for all packets if that is `None`.
    #[must_use]
    pub const fn queue(family: Family, table: Table, chain: Hook, protocol: Option<Protocol>) -> Self {
        Self {
            family,
            table,
            chain,
            protocol,
            target: Target::Queue,
        }
    }

    /// Returns a rule with the target NFQUEUE, which sends packets of every transport protocol to
    /// one of the queues in `queue`.
    #[must_use]
    pub const fn numbered_queue(family: Family, table: Table, chain: Hook, queue: NumberedQueue) -> Self {
        Self {
            family,
            table,
            chain,
            protocol: None,
            target: Target::NumberedQueue(queue),
        }
    }

    /// Returns the same rule, but for packets of this transport protocol only.
    #[must_use]
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Returns a rule that gives the mark `mark` to packets of the transport protocol `protocol`,
    /// or to all packets if that is `None`.
    #[must_use]
    pub const fn mark(family: Family, table: Table, chain: Hook, protocol: Option<Protocol>, mark: u32) -> Self {
        Self {
            family,
            table,
            chain,
            protocol,
            target: Target::Mark(mark),
        }
    }
}

/// The table of a rule. At a hook where both tables have a chain, `mangle` runs first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Table {
    /// `mangle`, which has all five chains; up to Linux 2.4.17 only PREROUTING and OUTPUT (ERA-18).
    Mangle,
    /// `filter`, which has INPUT, FORWARD and OUTPUT.
    Filter,
}

/// The action of a rule on a packet that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// The packet goes to the `ip_queue` of its family; if the setup has numbered queues, to queue
    /// 0.
    Queue,
    /// The packet goes to one of these numbered queues, by the target NFQUEUE.
    NumberedQueue(NumberedQueue),
    /// The packet gets this mark, and goes on to the next rule.
    Mark(u32),
}

/// The numbered queues that a rule sends packets to: the options of the target NFQUEUE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NumberedQueue {
    /// The number of the first queue that packets may go to.
    pub first: u16,
    /// The number of the last queue that packets may go to; the same as `first` for one queue.
    pub last: u16,
    /// The way in which one of the queues is chosen for a packet.
    pub spread: Spread,
    /// `true` if a packet goes on to the next table or hook when no socket has bound its queue;
    /// `false` if the packet is dropped then (NFQ-11). A bound queue in mode NONE drops it in both
    /// cases.
    pub bypass: bool,
}

/// The way in which one of several queues is chosen for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Spread {
    /// A hash of both addresses and the protocol chooses the queue (NFQ-16).
    Balance,
    /// The number of the processor that handles the packet chooses the queue (NFQ-17).
    Processors,
}

impl NumberedQueue {
    /// Returns the single queue with this number, without bypass.
    #[must_use]
    pub const fn one(number: u16) -> Self {
        Self::among(number, number)
    }

    /// Returns the queues from `first` to `last`, spread by [`Spread::Balance`], without bypass.
    #[must_use]
    pub const fn among(first: u16, last: u16) -> Self {
        Self {
            first,
            last,
            spread: Spread::Balance,
            bypass: false,
        }
    }

    /// Returns the same queues with bypass: a packet goes on to the next table or hook if no socket
    /// has bound its queue.
    #[must_use]
    pub const fn bypass(mut self) -> Self {
        self.bypass = true;
        self
    }
}

/// A transport protocol, by its number in the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Protocol(pub u8);

impl Protocol {
    /// The number 1: ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// The number 6: TCP.
    pub const TCP: Self = Self(6);
    /// The number 17: UDP.
    pub const UDP: Self = Self(17);
    /// The number 58: ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
}
