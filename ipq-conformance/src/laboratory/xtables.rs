//! Tables of netfilter rules, in the kernel's format: the socket options of `ip_tables` and
//! `ip6_tables`.
//!
//! A table is replaced as a whole. It is a header and a list of entries: for each chain its rules
//! and its policy, and then an entry that ends the table. The layout is the C ABI of this machine.

use super::{LaboratoryError, sys};
use crate::world::{NumberedQueue, Spread, Table};
use ipq_core::{Family, Hook};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use std::os::fd::{AsFd, OwnedFd};

/// The number of the option that replaces a table, and also of the one that reads a table's size.
const REPLACE_OR_INFO: i32 = 64;
const ENTRIES: i32 = 65;

const NAME_BYTES: usize = 32;
const INFO_BYTES: usize = 84;
/// The offset of the header's pointer to the old table's counters.
const COUNTERS_POINTER: usize = 88;
/// The alignment of entries, matches and targets.
const ALIGNMENT: usize = align_of::<u64>();

/// The hooks in the order of the kernel's numbers.
const HOOKS: [Hook; 5] = [
    Hook::Prerouting,
    Hook::Input,
    Hook::Forward,
    Hook::Output,
    Hook::Postrouting,
];

/// A rule of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The number of the transport protocol that a packet must have; `None` if any will do.
    pub(super) protocol: Option<u8>,
    /// The type that an ICMP message must have; `None` if any packet of the protocol will do. With
    /// a type, `protocol` must be the ICMP of the table's family.
    pub(super) icmp_type: Option<u8>,
    /// The action on a packet that matches.
    pub(super) action: Action,
}

/// The action of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The packet passes the table: no later rule of the chain sees it.
    Accept,
    /// The packet is dropped.
    Drop,
    /// The packet goes to the queue of its family in `ip_queue`, or to queue 0 in newer kernels:
    /// `-j QUEUE`.
    Queue,
    /// The packet goes to one of these queues: `-j NFQUEUE`.
    NumberedQueue(NumberedQueue),
    /// The packet gets this mark, and goes on to the next rule.
    Mark(u32),
}

/// A table of rules in the kernel's binary form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    valid_hooks: u32,
    count: u32,
    hook_entries: [u32; 5],
    underflows: [u32; 5],
    entries: Vec<u8>,
}

impl Contents {
    /// Builds a table of those `rules` whose chains the table has, and leaves out the others. The
    /// table accepts all packets that match no rule.
    pub(super) fn build(family: Family, table: Table, rules: &[(Hook, Entry)]) -> Self {
        let policy = Entry {
            protocol: None,
            icmp_type: None,
            action: Action::Accept,
        };
        let mut built = Self {
            valid_hooks: 0,
            count: 0,
            hook_entries: [0; 5],
            underflows: [0; 5],
            entries: Vec::new(),
        };
        for (number, hook) in HOOKS
            .into_iter()
            .enumerate()
            .filter(|(_, hook)| has_chain(table, *hook))
        {
            built.valid_hooks |= 1 << number;
            built.hook_entries[number] = built.entries.len() as u32;
            for (_, rule) in rules.iter().filter(|(chain, _)| *chain == hook) {
                built.append(family, rule.protocol, rule.icmp_match(family), rule.action.target());
            }
            built.underflows[number] = built.entries.len() as u32;
            built.append(family, None, Vec::new(), policy.action.target());
        }
        built.append(family, None, Vec::new(), part("ERROR", 0, b"ERROR", 30));
        built
    }

    fn append(&mut self, family: Family, protocol: Option<u8>, matches: Vec<u8>, target: Vec<u8>) {
        // struct ip6t_ip6 has one byte more than struct ipt_ip before its flags: the traffic class.
        let (address_bytes, protocol_offset, flags) = match family {
            Family::Ipv4 => (84, 80, None),
            Family::Ipv6 => (136, 128, Some(131)),
        };
        let head_bytes = (address_bytes + 12_usize).next_multiple_of(ALIGNMENT) + 16;
        let mut entry = vec![0; head_bytes];
        if let Some(protocol) = protocol {
            entry[protocol_offset..protocol_offset + 2].copy_from_slice(&u16::from(protocol).to_ne_bytes());
            if let Some(offset) = flags {
                entry[offset] = 1;
            }
        }
        let target_offset = head_bytes + matches.len();
        let next_offset = target_offset + target.len();
        let offsets = address_bytes + 4;
        entry[offsets..offsets + 2].copy_from_slice(&(target_offset as u16).to_ne_bytes());
        entry[offsets + 2..offsets + 4].copy_from_slice(&(next_offset as u16).to_ne_bytes());
        self.entries.extend([entry, matches, target].concat());
        self.count += 1;
    }
}

impl Entry {
    fn icmp_match(&self, family: Family) -> Vec<u8> {
        let name = match family {
            Family::Ipv4 => "icmp",
            Family::Ipv6 => "icmp6",
        };
        // The parts of the match: the type, the first and the last code, and whether it is
        // inverted.
        self.icmp_type
            .map_or_else(Vec::new, |kind| part(name, 0, &[kind, 0, 0xff, 0], 4))
    }
}

impl Action {
    /// Returns the action as the target part of a rule. In a target of the kernel's own, such as
    /// for `Drop`, a verdict stands as the number -1 - verdict.
    fn target(self) -> Vec<u8> {
        let standard = |verdict: i32| part("", 0, &(-1 - verdict).to_ne_bytes(), 4);
        match self {
            Self::Drop => standard(0),
            Self::Accept => standard(1),
            Self::Queue => standard(3),
            Self::NumberedQueue(queue) => {
                const BYPASS: u16 = 1;
                const CPU_FANOUT: u16 = 2;
                let count = queue.last.saturating_sub(queue.first).saturating_add(1);
                let mut flags = if queue.bypass { BYPASS } else { 0 };
                if queue.spread == Spread::Processors {
                    flags |= CPU_FANOUT;
                }
                let data = [queue.first, count, flags].map(u16::to_ne_bytes);
                part("NFQUEUE", 3, data.as_flattened(), 6)
            }
            Self::Mark(mark) => part("MARK", 2, &[mark.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat(), 8),
        }
    }
}

/// Returns a match or a target in binary form: a header with its size, name and revision, and then
/// `data`, filled up with zeros to `data_bytes`.
fn part(name: &str, revision: u8, data: &[u8], data_bytes: usize) -> Vec<u8> {
    let size = 32 + data_bytes.next_multiple_of(ALIGNMENT);
    let mut part = vec![0; size];
    part[..2].copy_from_slice(&(size as u16).to_ne_bytes());
    part[2..2 + name.len()].copy_from_slice(name.as_bytes());
    part[31] = revision;
    part[32..32 + data.len()].copy_from_slice(data);
    part
}

/// A socket that reads and replaces the tables of rules of one family.
#[derive(Debug)]
pub(super) struct Tables {
    family: Family,
    level: i32,
    socket: OwnedFd,
}

impl Tables {
    /// Opens the family's tables in the current network namespace.
    pub(super) fn open(family: Family) -> Result<Self, LaboratoryError> {
        let (domain, level) = match family {
            Family::Ipv4 => (AddressFamily::INET, libc::IPPROTO_IP),
            Family::Ipv6 => (AddressFamily::INET6, libc::IPPROTO_IPV6),
        };
        let socket = net::socket_with(domain, SocketType::RAW, SocketFlags::CLOEXEC, Some(net::ipproto::RAW));
        let what = format!("open a raw {family} socket");
        Ok(Self {
            family,
            level,
            socket: socket.map_err(|error| LaboratoryError::system(what, error))?,
        })
    }

    /// Returns the table that is in force, as the kernel has it.
    pub(super) fn read(&self, table: Table) -> Result<Contents, LaboratoryError> {
        let mut info = [0; INFO_BYTES];
        put_name(&mut info, table);
        self.read_option(table, REPLACE_OR_INFO, &mut info)?;
        let word = |offset: usize| {
            info[offset..]
                .first_chunk()
                .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
        };
        let words = |offset: usize| std::array::from_fn(|index| word(offset + 4 * index));
        let size = word(80);
        let header = (NAME_BYTES + 4).next_multiple_of(ALIGNMENT);
        let mut entries = vec![0; header + size as usize];
        put_name(&mut entries, table);
        entries[NAME_BYTES..NAME_BYTES + 4].copy_from_slice(&size.to_ne_bytes());
        self.read_option(table, ENTRIES, &mut entries)?;
        Ok(Contents {
            valid_hooks: word(32),
            count: word(76),
            hook_entries: words(36),
            underflows: words(56),
            entries: entries.split_off(header),
        })
    }

    /// Replaces the table that is in force by `contents`.
    pub(super) fn replace(&self, table: Table, contents: &Contents) -> Result<(), LaboratoryError> {
        let mut counters = vec![[0; 2]; self.read(table)?.count as usize];
        let header = (COUNTERS_POINTER + size_of::<usize>()).next_multiple_of(ALIGNMENT);
        let mut option = vec![0; NAME_BYTES];
        put_name(&mut option, table);
        let words = [contents.valid_hooks, contents.count, contents.entries.len() as u32];
        let words = words.iter().chain(&contents.hook_entries).chain(&contents.underflows);
        option.extend(words.flat_map(|word| word.to_ne_bytes()));
        option.extend((counters.len() as u32).to_ne_bytes());
        option.resize(header, 0);
        option.extend(&contents.entries);
        let replaced = sys::replace_table(
            self.socket.as_fd(),
            self.level,
            REPLACE_OR_INFO,
            &mut option,
            COUNTERS_POINTER,
            &mut counters,
        );
        replaced.map_err(|source| LaboratoryError::Rules {
            family: self.family,
            table,
            source: source.into(),
        })
    }

    fn read_option(&self, table: Table, option: i32, value: &mut [u8]) -> Result<(), LaboratoryError> {
        let read = sys::read_option(self.socket.as_fd(), self.level, option, value);
        read.map(drop).map_err(|source| match source.raw_os_error() {
            Some(libc::ENOPROTOOPT | libc::ENOENT) => LaboratoryError::NoTable {
                family: self.family,
                table,
            },
            _ => LaboratoryError::Rules {
                family: self.family,
                table,
                source: source.into(),
            },
        })
    }
}

/// Returns whether `table` has a chain at `hook`.
fn has_chain(table: Table, hook: Hook) -> bool {
    table == Table::Mangle || matches!(hook, Hook::Input | Hook::Forward | Hook::Output)
}

fn put_name(option: &mut [u8], table: Table) {
    let name = match table {
        Table::Mangle => "mangle",
        Table::Filter => "filter",
    };
    option[..name.len()].copy_from_slice(name.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_rules_has_a_policy_for_each_chain_and_an_end() {
        let filter = Contents::build(Family::Ipv4, Table::Filter, &[]);
        assert_eq!((filter.valid_hooks, filter.count), (0b01110, 4));
        assert_eq!(filter.hook_entries, filter.underflows);
        let mangle = Contents::build(Family::Ipv6, Table::Mangle, &[]);
        assert_eq!((mangle.valid_hooks, mangle.count), (0b11111, 6));
    }

    #[test]
    fn a_chain_begins_with_its_rules_and_ends_with_its_policy() {
        let rule = Entry {
            protocol: Some(17),
            icmp_type: None,
            action: Action::NumberedQueue(NumberedQueue::one(7)),
        };
        let table = Contents::build(Family::Ipv4, Table::Filter, &[(Hook::Forward, rule)]);
        let [_, input, forward, output, _] = table.hook_entries;
        assert_eq!(forward - input, output - table.underflows[2], "a policy has one entry");
        assert!(table.underflows[2] > forward);
        let queue = &table.entries[forward as usize..table.underflows[2] as usize];
        assert_eq!(queue[80..82], 17_u16.to_ne_bytes());
        assert!(queue.windows(7).any(|window| window == b"NFQUEUE"));
    }
}
