//! The netfilter rules, which queue packets at hooks or mark them.

mod matches;
mod text;

pub use matches::Matches;
pub use text::RuleTextError;

use super::hook::HookPoint;
use super::packet::Packet;
use super::{ipv4, ipv6, routing};
use crate::behaviour::{Fragments, MangleChains};
use crate::books::DropReason;
use crate::per_family::PerFamily;
use ipq_core::wire::InterfaceName;
use ipq_core::{Family, Hook};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::ops::RangeInclusive;

/// A netfilter table. At a hook at which both tables have a chain, mangle's rules run before
/// filter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    // The tables are in the order in which their rules run. A table's place is the number of its
    // function at a hook.
    /// Table mangle, which has a chain at every hook; in Linux 2.4.0 to 2.4.17 at PREROUTING and
    /// OUTPUT only.
    Mangle,
    /// Table filter, which has chains at INPUT, FORWARD and OUTPUT.
    Filter,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mangle => "mangle",
            Self::Filter => "filter",
        })
    }
}

impl Table {
    const fn has_chain(self, hook: HookPoint, mangle: MangleChains) -> bool {
        match self {
            Self::Mangle => match mangle {
                MangleChains::EveryHook => true,
                MangleChains::PreroutingAndOutput => matches!(hook, HookPoint::Prerouting | HookPoint::Output),
            },
            Self::Filter => matches!(hook, HookPoint::Input | HookPoint::Forward | HookPoint::Output),
        }
    }
}

/// The action of a rule on a packet that it matches: to queue the packet, or to mark it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Sends the packet to the queue of its family, or to queue 0 on a kernel with numbered queues
    /// (NFQ-15).
    Queue,
    /// Sends the packet to one of these numbered queues.
    NumberedQueue(NumberedQueue),
    /// Sets the packet's mark. The rules after this one see the packet, too.
    Mark(u32),
}

/// The target NFQUEUE: one queue with a number, or several such queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedQueue {
    /// The first queue's number.
    pub first: u16,
    /// The number of the last queue; equal to the first for one queue.
    pub last: u16,
    /// The rule by which packets are spread over the queues.
    pub spread: Spread,
    /// `true` if a packet whose queue nobody has bound goes on with the next table or hook; `false`
    /// if it is dropped (NFQ-11).
    pub bypass: bool,
}

/// The rule by which packets are spread over several queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Packets are spread by their addresses and protocol, not by their ports, so that all packets
    /// of one protocol between two hosts, in both directions, go to one queue (NFQ-16).
    Balance,
    /// Packets are spread by the processor that handles them (NFQ-17). The emulated host has one,
    /// so they all go to the first queue.
    Processors,
}

impl NumberedQueue {
    /// Returns the number of the queue, from the first to the last, that the target sends a packet
    /// to.
    pub(crate) fn number(self, packet: &Packet) -> u16 {
        let count = u64::from(self.last.saturating_sub(self.first)) + 1;
        let further = match self.spread {
            Spread::Processors => 0,
            Spread::Balance if count == 1 => 0,
            Spread::Balance => (u64::from(flow_hash(packet)) * count) >> 32,
        };
        self.first.saturating_add(further as u16)
    }
}

/// Returns a hash of a packet's addresses and protocol. Both directions of a flow have the same,
/// and ports do not count.
#[inline(never)]
fn flow_hash(packet: &Packet) -> u32 {
    let (source, destination) = routing::addresses(packet);
    let between = (source.min(destination), source.max(destination), protocol_of(packet));
    BuildHasherDefault::<DefaultHasher>::default().hash_one(between) as u32
}

/// A netfilter rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The family of the packets that the rule sees.
    pub family: Family,
    /// The rule's table.
    pub table: Table,
    /// The rule's chain: the hook whose name it has.
    pub chain: Hook,
    /// The number of the protocol that packets must carry, such as 6 for TCP and 17 for UDP: that
    /// in the IPv4 header, or after the IPv6 extension headers. `None` stands for any.
    pub protocol: Option<u8>,
    /// The conditions that a packet must meet beside family and protocol; `None` without such
    /// conditions.
    pub matches: Option<Matches>,
    /// The rule's action.
    pub target: Target,
}

/// The reason why a kernel does not take a rule.
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The rule's table has no such chain on this kernel.
    #[error("table {table} has no chain {chain} on this kernel: try the other table")]
    NoSuchChain {
        /// The table that was asked for.
        table: Table,
        /// The chain that was asked for.
        chain: Hook,
    },
    /// The rule's target needs queues with numbers, and the kernel has none.
    #[error(
        "this kernel has no queues with numbers: use target QUEUE, or a profile of a kernel that has them, such as \
         `.profile(Profile::LINUX_6_18_X86_64)`"
    )]
    NoNumberedQueues,
    /// The rule's chain is a number that no hook has.
    #[error("there is no hook {chain}: hooks are PREROUTING, INPUT, FORWARD, OUTPUT and POSTROUTING")]
    NoSuchHook {
        /// The chain that was asked for.
        chain: Hook,
    },
}

impl fmt::Debug for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Rule {
    /// Returns a rule that sends every packet of `family` at `hook` to the family's queue, or to
    /// queue 0 on a kernel with numbered queues. The rule is in table filter at INPUT, FORWARD and
    /// OUTPUT, and in table mangle at the other hooks.
    #[must_use]
    pub const fn queue(family: Family, hook: Hook) -> Self {
        let table = match hook {
            Hook::Input | Hook::Forward | Hook::Output => Table::Filter,
            _ => Table::Mangle,
        };
        Self {
            family,
            table,
            chain: hook,
            protocol: None,
            matches: None,
            target: Target::Queue,
        }
    }

    /// Returns a rule that sends every packet of `family` at `hook` to the queue with that number,
    /// without bypass. The rule is in table filter at INPUT, FORWARD and OUTPUT, and in table
    /// mangle at the other hooks.
    #[must_use]
    pub const fn numbered_queue(family: Family, hook: Hook, number: u16) -> Self {
        Self::numbered_queues(family, hook, number..=number)
    }

    /// Returns a rule that spreads the packets of `family` at `hook` over the queues with these
    /// numbers, by addresses and protocol (NFQ-16), without bypass. The rule is in table filter at
    /// INPUT, FORWARD and OUTPUT, and in table mangle at the other hooks.
    #[must_use]
    pub const fn numbered_queues(family: Family, hook: Hook, numbers: RangeInclusive<u16>) -> Self {
        Self {
            target: Target::NumberedQueue(NumberedQueue {
                first: *numbers.start(),
                last: *numbers.end(),
                spread: Spread::Balance,
                bypass: false,
            }),
            ..Self::queue(family, hook)
        }
    }

    /// Returns the rule, changed so that packets go on with the next table or hook if nobody has
    /// bound their numbered queue. A rule with another target stays as it is.
    #[must_use]
    pub const fn bypass(self) -> Self {
        match self.target {
            Target::NumberedQueue(queue) => Self {
                target: Target::NumberedQueue(NumberedQueue { bypass: true, ..queue }),
                ..self
            },
            _ => self,
        }
    }

    /// Returns the rule, changed to match only packets of one protocol, by its number (6 TCP, 17
    /// UDP).
    #[must_use]
    pub const fn protocol(self, protocol: u8) -> Self {
        Self {
            protocol: Some(protocol),
            ..self
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = match self.family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        };
        write!(f, "{command} -t {} -A {}", self.table, self.chain)?;
        if let Some(protocol) = self.protocol {
            write!(f, " -p {protocol}")?;
        }
        if let Some(matches) = self.matches {
            write!(f, "{matches}")?;
        }
        match self.target {
            Target::Queue => f.write_str(" -j QUEUE"),
            Target::NumberedQueue(queue) => write!(f, " -j NFQUEUE {queue}"),
            Target::Mark(mark) => write!(f, " -j MARK --set-mark {mark:#x}"),
        }
    }
}

impl fmt::Display for NumberedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, .. } = self;
        if first == last {
            write!(f, "--queue-num {first}")?;
        } else {
            write!(f, "--queue-balance {first}:{last}")?;
        }
        if self.spread == Spread::Processors {
            f.write_str(" --queue-cpu-fanout")?;
        }
        if self.bypass {
            f.write_str(" --queue-bypass")?;
        }
        Ok(())
    }
}

/// The netfilter rules of the host.
#[derive(Default)]
pub(crate) struct Rules {
    /// The rules of each family and hook: mangle's first, and each table's in the order of adding.
    hooks: PerFamily<[Vec<Rule>; Hook::ALL.len()]>,
}

impl Rules {
    /// Adds a rule at the end of its chain. Fails if there is no such hook, or if the table has no
    /// chain there on this kernel.
    pub(crate) fn add(&mut self, rule: Rule, mangle: MangleChains) -> Result<(), RuleError> {
        let Rule { table, chain, .. } = rule;
        let hook = HookPoint::named(chain).ok_or(RuleError::NoSuchHook { chain })?;
        if !table.has_chain(hook, mangle) {
            return Err(RuleError::NoSuchChain { table, chain });
        }
        let rules = &mut self.hooks[rule.family][hook as usize];
        let behind = rules.partition_point(|other| other.table <= table);
        rules.insert(behind, rule);
        Ok(())
    }

    /// Writes each rule on a line, as the iptables or ip6tables command that adds it. The rules of
    /// IPv4 come first. The rules of a family are in the order of the hooks, and those at a hook in
    /// the order in which they run.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.hooks.iter().flat_map(|(_, hooks)| hooks.iter().flatten());
        rules.into_iter().try_for_each(|rule| writeln!(f, "{rule}"))
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Runs those functions of a hook whose numbers are in `functions`. A function is a table's
    /// chain, whose rules run in order. A rule with the target MARK changes the packet's mark, and
    /// the next rule runs. The first rule that queues the packet ends the run: returns the number
    /// of its function, and its target. Returns `None` if no rule queues the packet. `devices`
    /// returns the names of the packet's incoming and outgoing device. Fails with `Malformed` if a
    /// rule can't read the packet's headers, for which the packet must be dropped.
    #[inline]
    pub(crate) fn judge(
        &self,
        hook: HookPoint,
        functions: RangeInclusive<u8>,
        packet: &mut Packet,
        devices: impl Fn() -> [InterfaceName; 2],
        fragments: Fragments,
    ) -> Result<Option<(u8, Target)>, DropReason> {
        let mut protocol = None;
        for rule in self.at(hook, packet.family) {
            let function = rule.table as u8;
            if !functions.contains(&function) {
                continue;
            }
            if let Some(wanted) = rule.protocol {
                let found = *protocol.get_or_insert_with(|| protocol_of(packet));
                if found.ok_or(DropReason::Malformed)? != wanted {
                    continue;
                }
            }
            if let Some(matches) = &rule.matches
                && !matches.hold(packet, &devices)?
            {
                continue;
            }
            match rule.target {
                Target::Queue if fragments == Fragments::FirstOnly && is_later_fragment(packet) => {}
                target @ (Target::Queue | Target::NumberedQueue(_)) => return Ok(Some((function, target))),
                Target::Mark(mark) => packet.mark = mark,
            }
        }
        Ok(None)
    }

    /// Returns `true` if there is any rule for packets of `family` at `hook`, in the function with
    /// this number or a later one.
    #[inline]
    pub(crate) fn any_from(&self, hook: HookPoint, family: Family, function: u8) -> bool {
        let last = self.at(hook, family).last();
        last.is_some_and(|rule| rule.table as u8 >= function)
    }

    fn at(&self, hook: HookPoint, family: Family) -> &[Rule] {
        &self.hooks[family][hook as usize]
    }
}

fn protocol_of(packet: &Packet) -> Option<u8> {
    match packet.family {
        Family::Ipv4 => Some(ipv4::protocol(&packet.data)),
        Family::Ipv6 => ipv6::protocol(&packet.data),
    }
}

#[inline(never)]
fn is_later_fragment(packet: &Packet) -> bool {
    match packet.family {
        Family::Ipv4 => ipv4::is_later_fragment(&packet.data),
        Family::Ipv6 => ipv6::is_later_fragment(&packet.data),
    }
}

#[cfg(test)]
mod tests;
