//! The netfilter rules, which queue packets at hooks and mark them.

use super::hook::HookPoint;
use super::packet::Packet;
use super::{ipv4, ipv6};
use crate::behaviour::{Fragments, MangleChains};
use crate::books::DropReason;
use ipq_core::{Family, Hook};
use std::fmt;

/// A netfilter table. At a hook that both have, mangle's rules run before filter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    // In the order in which their rules run, which numbers a hook's functions.
    /// Has a chain at every hook; in Linux 2.4.0 to 2.4.17 at PREROUTING and OUTPUT only.
    Mangle,
    /// Has chains at INPUT, FORWARD and OUTPUT.
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

/// The action of a rule on a packet that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Sends it to the queue of its family.
    Queue,
    /// Sets its mark, and goes on with the next rule.
    Mark(u32),
}

/// A netfilter rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The family of the packets.
    pub family: Family,
    /// Its table.
    pub table: Table,
    /// Its chain: the hook of that name.
    pub chain: Hook,
    /// Only packets of this protocol, as the IP header numbers it (6 TCP, 17 UDP); all if none.
    pub protocol: Option<u8>,
    /// The action.
    pub target: Target,
}

/// A rule that no kernel would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The table has no such chain.
    #[error("table {table} has no chain {chain} on this kernel: try the other table")]
    NoSuchChain {
        /// The table.
        table: Table,
        /// The chain that was asked for.
        chain: Hook,
    },
    /// No hook has that number.
    #[error("there is no hook {chain}: hooks are PREROUTING, INPUT, FORWARD, OUTPUT and POSTROUTING")]
    NoSuchHook {
        /// The chain that was asked for.
        chain: Hook,
    },
}

impl Rule {
    /// Returns a rule that queues every packet of `family` at `hook`: in table filter if it has
    /// that chain, else in table mangle.
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
            target: Target::Queue,
        }
    }

    /// Returns the rule for packets of one protocol only, as the IP header numbers it (6 TCP, 17
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
        match self.target {
            Target::Queue => f.write_str(" -j QUEUE"),
            Target::Mark(mark) => write!(f, " -j MARK --set-mark {mark:#x}"),
        }
    }
}

/// The rules in force.
#[derive(Default)]
pub(crate) struct Rules {
    /// By family and hook: the rules of all its chains, table after table, each in the order of
    /// adding.
    hooks: [[Vec<Rule>; Hook::ALL.len()]; Family::ALL.len()],
}

impl Rules {
    /// Adds a rule at the end of its chain.
    pub(crate) fn add(&mut self, rule: Rule, mangle: MangleChains) -> Result<(), RuleError> {
        let Rule { table, chain, .. } = rule;
        let hook = HookPoint::named(chain).ok_or(RuleError::NoSuchHook { chain })?;
        if !table.has_chain(hook, mangle) {
            return Err(RuleError::NoSuchChain { table, chain });
        }
        let rules = &mut self.hooks[rule.family as usize][hook as usize];
        let behind = rules.partition_point(|other| other.table <= table);
        rules.insert(behind, rule);
        Ok(())
    }

    /// Writes each rule on a line, as a command that adds it.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.hooks.iter().flatten().flatten();
        rules.into_iter().try_for_each(|rule| writeln!(f, "{rule}"))
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Runs a hook's functions from `first` on. Each function is a table's chain there: its rules,
    /// in order. Returns the function that queues the packet and the target that it names; `None`
    /// if all let it through. A packet without a readable protocol is dropped by a rule that asks
    /// for one.
    pub(crate) fn judge(
        &self,
        hook: HookPoint,
        first: u8,
        packet: &mut Packet,
        fragments: Fragments,
    ) -> Result<Option<(u8, Target)>, DropReason> {
        let mut protocol = None;
        for rule in &self.hooks[packet.family as usize][hook as usize] {
            let function = rule.table as u8;
            if function < first {
                continue;
            }
            if let Some(wanted) = rule.protocol {
                let found = *protocol.get_or_insert_with(|| protocol_of(packet));
                if found.ok_or(DropReason::Malformed)? != wanted {
                    continue;
                }
            }
            match rule.target {
                Target::Queue if fragments == Fragments::FirstOnly && is_later_fragment(packet) => {}
                target @ Target::Queue => return Ok(Some((function, target))),
                Target::Mark(mark) => packet.mark = mark,
            }
        }
        Ok(None)
    }
}

fn protocol_of(packet: &Packet) -> Option<u8> {
    match packet.family {
        Family::Ipv4 => Some(ipv4::protocol(&packet.data)),
        Family::Ipv6 => ipv6::protocol(&packet.data),
    }
}

fn is_later_fragment(packet: &Packet) -> bool {
    match packet.family {
        Family::Ipv4 => ipv4::is_later_fragment(&packet.data),
        Family::Ipv6 => ipv6::is_later_fragment(&packet.data),
    }
}

#[cfg(test)]
mod tests;
