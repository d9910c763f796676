//! The rules that a case asks for. Before them there are rules that keep the host from sending
//! anything of its own accord.

use super::LaboratoryError;
use super::xtables::{Action, Contents, Entry, Tables};
use crate::world::{NumberedQueue, Protocol, Rule, Table, Target};
use ipq_core::{Family, Hook};

const TABLES: [Table; 2] = [Table::Mangle, Table::Filter];

/// The types of ICMP errors. A world drops them, since its neighbours are not there to receive
/// them.
const ICMP_ERRORS: [u8; 5] = [3, 4, 5, 11, 12];
const ICMPV6_ERRORS: [u8; 4] = [1, 2, 3, 4];
/// The types of multicast listener reports, and of router and neighbour discovery.
const ICMPV6_OF_OWN_ACCORD: [u8; 9] = [130, 131, 132, 133, 134, 135, 136, 137, 143];

/// The destination of packets that match a [`Target::Queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queues {
    /// Packets go to the queue of their family, for `ip_queue`, or to queue 0: `-j QUEUE`.
    Plain,
    /// Packets go to a numbered queue: `-j NFQUEUE`.
    Numbered {
        /// The queue's number for IPv4 packets.
        ipv4: u16,
        /// The queue's number for IPv6 packets.
        ipv6: u16,
    },
}

/// Returns whether hosts send this `ICMPv6` message of their own accord.
pub(super) fn is_of_own_accord(icmp_type: u8) -> bool {
    ICMPV6_OF_OWN_ACCORD.contains(&icmp_type)
}

/// Replaces the rules of both families in all tables.
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

/// The tables of rules as they were when they were read.
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

    /// Restores all tables as they were. Returns the first failure.
    pub(super) fn restore(&self) -> Result<(), LaboratoryError> {
        let results = self.0.iter().map(|(family, table, contents)| {
            let tables = Tables::open(*family)?;
            tables.replace(*table, contents)
        });
        results.fold(Ok(()), Result::and)
    }
}

/// Returns rules that drop, at OUTPUT, the ICMP errors that the host itself sends; for IPv6 also its
/// messages of multicast listener discovery and of router and neighbour discovery.
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
