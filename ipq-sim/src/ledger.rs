//! What became of every packet: the books of the emulator.
//!
//! Every packet that enters leaves exactly once, delivered or dropped with a reason from a closed list, or is still
//! queued: `entered = delivered + dropped + queued`, at every step.

use crate::host::network::OutgoingFrame;
use crate::journal::{Journal, PacketEvent};
use bytes::Bytes;
use ipq_core::wire::InterfaceName;
use std::collections::VecDeque;
use std::fmt;

/// Names a packet that entered the emulated host, for asking after its fate. Counted from 0, and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketSerial(u64);

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits for a verdict.
    Queued,
    /// It was for this host, and passed INPUT; here as it then was.
    DeliveredHere(Bytes),
    /// It left.
    Sent {
        /// The device that it left by.
        device: InterfaceName,
        /// What left: one frame, or more if it was fragmented (FWD-4).
        frames: Vec<OutgoingFrame>,
    },
    /// It was dropped.
    Dropped(DropReason),
}

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }

        impl fmt::Display for DropReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

drop_reasons! {
    /// A program's verdict was DROP, or STOLEN where a kernel accepts that.
    Verdict "by verdict",
    /// No program listened to the queue (PKT-1).
    NoListener "no listener",
    /// The queue was at its maximum length (PKT-2).
    QueueFull "queue full",
    /// The frame could not be delivered to the listening program: its socket was gone or its receive buffer full (PKT-3).
    Undeliverable "receive buffer full, or socket gone",
    /// It was queued when the listening program's socket closed (ATT-4).
    PeerClosed "listener closed",
    /// It was queued when one of its devices went down (EVT-1), or its device was down when it came or should have left.
    DeviceDown "device down",
    /// It was queued when the queue's module was unloaded (EVT-2), or there was no module to queue it.
    ModuleUnloaded "module unloaded",
    /// Its replacement was longer than 65,535 bytes (VER-7).
    ReplacementTooLong "replacement over 65535 bytes",
    /// It was changed at OUTPUT, and no route leads to where it then should go (VER-10).
    NotReroutable "no route after a change at OUTPUT",
    /// The frame held no IP packet.
    NotIp "not IP",
    /// The frame was for another host (FWD-1), or a packet to be forwarded came in a broadcast frame.
    OtherHost "for another host",
    /// Its header was wrong (FWD-1).
    Malformed "malformed",
    /// Its source or destination is not to be seen on a network: loopback, or this host's own as a source.
    Martian "impossible address",
    /// No route leads to its destination.
    NoRoute "no route",
    /// Its TTL or hop limit was at its end (FWD-3).
    HopLimit "TTL or hop limit at its end",
    /// It was longer than the MTU and could not be fragmented (FWD-4).
    TooLong "over the MTU",
    /// It was an IPv4 fragment for this host, which a kernel keeps until it has the others, and puts together before INPUT (PKT-11).
    Unassembled "a fragment for this host",
    /// Nobody knows the link-layer address of the next hop.
    NoNeighbour "neighbour unknown",
}

/// How many packets entered, and how they left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Packets that entered the host, by a device or from a program.
    pub entered: u64,
    /// Packets that were delivered here or left by a device.
    pub delivered: u64,
    /// Packets that wait for a verdict.
    pub queued: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Accounting {
    /// How many packets were dropped for `reason`.
    #[must_use]
    pub const fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// How many packets were dropped, for any reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Whether every packet that entered is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.entered == self.delivered + self.dropped() + self.queued
    }
}

/// The books: the sums, and the fates of the packets that entered last.
pub(crate) struct Ledger {
    accounting: Accounting,
    fates: VecDeque<Fate>,
    kept: usize,
    pub(crate) journal: Journal,
}

impl Ledger {
    /// Books that remember the fates of `kept` packets.
    pub(crate) fn new(kept: usize) -> Self {
        Self {
            accounting: Accounting::default(),
            fates: VecDeque::new(),
            kept,
            journal: Journal::default(),
        }
    }

    pub(crate) fn enter(&mut self) -> PacketSerial {
        let serial = PacketSerial(self.accounting.entered);
        self.accounting.entered += 1;
        self.accounting.queued += 1;
        if self.kept > 0 {
            if self.fates.len() == self.kept {
                self.fates.pop_front();
            }
            self.fates.push_back(Fate::Queued);
        }
        serial
    }

    /// The packet was delivered. Until then it counts as queued. `fate`, which says where, is asked only if anybody can ask for
    /// it.
    #[inline]
    pub(crate) fn delivered(&mut self, serial: PacketSerial, fate: impl FnOnce() -> Fate) {
        self.accounting.delivered += 1;
        self.leave(serial, fate);
    }

    /// The packet was dropped. Until then it counts as queued.
    pub(crate) fn dropped(&mut self, serial: PacketSerial, reason: DropReason) {
        self.accounting.dropped[reason as usize] += 1;
        self.leave(serial, || Fate::Dropped(reason));
    }

    #[inline]
    fn leave(&mut self, serial: PacketSerial, fate: impl FnOnce() -> Fate) {
        self.accounting.queued -= 1;
        if self.remembers() {
            self.remember(serial, fate());
        }
    }

    fn remember(&mut self, serial: PacketSerial, fate: Fate) {
        self.journal.note(|| PacketEvent::Left {
            packet: serial,
            fate: fate.clone(),
        });
        if let Some(kept) = self.index(serial).and_then(|index| self.fates.get_mut(index)) {
            *kept = fate;
        }
    }

    /// Whether anybody can ask what exactly became of a packet.
    pub(crate) const fn remembers(&self) -> bool {
        self.kept > 0 || self.journal.is_open()
    }

    pub(crate) fn fate(&self, serial: PacketSerial) -> Option<&Fate> {
        self.fates.get(self.index(serial)?)
    }

    pub(crate) const fn accounting(&self) -> &Accounting {
        &self.accounting
    }

    fn index(&self, PacketSerial(serial): PacketSerial) -> Option<usize> {
        let first = self.accounting.entered - self.fates.len() as u64;
        usize::try_from(serial.checked_sub(first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn every_packet_is_counted_where_it_is() {
        let mut ledger = Ledger::new(10);
        let [here, dropped, _waiting] = [0; 3].map(|_| ledger.enter());
        ledger.delivered(here, || Fate::DeliveredHere(Bytes::new()));
        ledger.dropped(dropped, DropReason::Martian);
        let accounting = ledger.accounting();
        assert_eq!((accounting.entered, accounting.delivered, accounting.queued), (3, 1, 1));
        assert_eq!(
            (accounting.dropped(), accounting.dropped_for(DropReason::Martian)),
            (1, 1)
        );
        assert!(accounting.balances());
        assert_eq!(ledger.fate(dropped), Some(&Fate::Dropped(DropReason::Martian)));
    }

    #[test]
    fn only_the_fates_of_the_last_are_kept_and_the_sums_of_all() {
        let mut ledger = Ledger::new(2);
        let [first, second, third] = [0; 3].map(|_| ledger.enter());
        for packet in [first, second, third] {
            ledger.dropped(packet, DropReason::Verdict);
        }
        assert_eq!(ledger.fate(first), None);
        assert_eq!(ledger.fate(second), Some(&Fate::Dropped(DropReason::Verdict)));
        assert_eq!(ledger.fate(third), Some(&Fate::Dropped(DropReason::Verdict)));
        assert_eq!(ledger.accounting().dropped(), 3);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_asked_for() {
        let mut ledger = Ledger::new(0);
        let packet = ledger.enter();
        ledger.delivered(packet, || panic!("nobody can ask for it"));
        assert_eq!(ledger.fate(packet), None);
        assert!(ledger.accounting().balances());
    }

    #[test]
    fn a_packet_of_another_ledger_is_nobody() {
        let mut longer = Ledger::new(2);
        longer.enter();
        let stranger = longer.enter();
        let mut ledger = Ledger::new(2);
        ledger.enter();
        assert_eq!(ledger.fate(stranger), None);
    }

    #[test]
    fn each_reason_has_words_of_its_own() {
        let mut words: Vec<String> = DropReason::ALL.iter().map(ToString::to_string).collect();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), DropReason::ALL.len());
    }
}
