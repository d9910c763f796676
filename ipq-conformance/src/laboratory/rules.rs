//! The rules that a case asks for, and before them rules that drop ICMP messages which the host
//! sends of its own accord.

use super::LaboratoryError;
use super::xtables::{Action, Contents, Entry, Tables};
use crate::world::{NumberedQueue, Protocol, Rule, Table, Target};
use ipq_core::{Family, Hook};

const TABLES: [Table; 2] = [Table::Mangle, Table::Filter];

/// The types of ICMP errors for IPv4. The laboratory drops those that the host sends, since no
/// neighbour is there to receive them.
const ICMP_ERRORS: [u8; 5] = [3, 4, 5, 11, 12];
const ICMPV6_ERRORS: [u8; 4] = [1, 2, 3, 4];
/// The types of multicast listener discovery, and of router and neighbour discovery.
const ICMPV6_OF_OWN_ACCORD: [u8; 9] = [130, 131, 132, 133, 134, 135, 136, 137, 143];

/// The queues that a [`Target::Queue`] sends matching packets to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queues {
    /// The target `-j QUEUE`: the queue of the packet's family in `ip_queue`, or queue 0 in newer
    /// kernels.
    Plain,
    /// The target `-j NFQUEUE`, with one numbered queue for each family.
    Numbered {
        /// The queue's number for IPv4 packets.
        ipv4: u16,
        /// The queue's number for IPv6 packets.
        ipv6: u16,
    },
}

/// Returns whether hosts send `ICMPv6` messages of this type of their own accord: multicast
/// listener, router and neighbour discovery.
pub(super) fn is_of_own_accord(icmp_type: u8) -> bool {
    ICMPV6_OF_OWN_ACCORD.contains(&icmp_type)
}

/// Replaces the rules of both families in the filter and mangle tables by `rules`. In mangle, rules
/// that keep the host silent come first.
pub(super) fn install(rules: &[Rule], queues: Queues) -> Result<(), LaboratoryError> {
    for family in Family::ALL {
        let tables = Tables::open(family)?;
        for table in TABLES {
            let own = (table == Table::Mangle).then(|| silence(family));
            let asked = rules.iter().filter(|rule| rule.family == family && rule.table == table);
            let asked = asked.map(|rule| (rule.chain, entry(rule, queues)));
            let entries: Vec<_> = own.into_iter().flatten().chain(asked).collect();
            tables.replace(table, &Contents::build(family, table, &entries))?;
        }
    }
    Ok(())
}

/// The filter and mangle tables of both families as they were when they were read.
#[derive(Debug)]
pub(super) struct Saved(Vec<(Family, Table, Contents)>);

impl Saved {
    pub(super) fn read() -> Result<Self, LaboratoryError> {
        let mut saved = Vec::new();
        for family in Family::ALL {
            let tables = Tables::open(family)?;
            for table in TABLES {
                saved.push((family, table, tables.read(table)?));
            }
        }
        Ok(Self(saved))
    }

    /// Restores all tables as they were. Goes on after a failure, and returns the first.
    pub(super) fn restore(&self) -> Result<(), LaboratoryError> {
        let results = self.0.iter().map(|(family, table, contents)| {
            let tables = Tables::open(*family)?;
            tables.replace(*table, contents)
        });
        results.fold(Ok(()), Result::and)
    }
}

/// Returns rules that drop, at OUTPUT, the ICMP errors that the host itself sends. For IPv6 they
/// also drop its messages of multicast listener, router and neighbour discovery.
fn silence(family: Family) -> Vec<(Hook, Entry)> {
    let (Protocol(protocol), types) = match family {
        Family::Ipv4 => (Protocol::ICMP, ICMP_ERRORS.to_vec()),
        Family::Ipv6 => (Protocol::ICMPV6, [&ICMPV6_ERRORS[..], &ICMPV6_OF_OWN_ACCORD].concat()),
    };
    let entries = types.into_iter().map(|icmp_type| Entry {
        protocol: Some(protocol),
        icmp_type: Some(icmp_type),
        action: Action::Drop,
    });
    entries.map(|entry| (Hook::Output, entry)).collect()
}

fn entry(rule: &Rule, queues: Queues) -> Entry {
    let action = match (rule.target, queues, rule.family) {
        (Target::Mark(mark), ..) => Action::Mark(mark),
        (Target::NumberedQueue(queue), ..) => Action::NumberedQueue(queue),
        (Target::Queue, Queues::Plain, _) => Action::Queue,
        (Target::Queue, Queues::Numbered { ipv4, .. }, Family::Ipv4) => Action::NumberedQueue(NumberedQueue::one(ipv4)),
        (Target::Queue, Queues::Numbered { ipv6, .. }, Family::Ipv6) => Action::NumberedQueue(NumberedQueue::one(ipv6)),
    };
    Entry {
        protocol: rule.protocol.map(|Protocol(number)| number),
        icmp_type: None,
        action,
    }
}
