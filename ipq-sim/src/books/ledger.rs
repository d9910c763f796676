//! The counts of packets in and out, and the fates of the packets that entered last.

use super::fate::{DropReason, Fate};
use super::journal::{Journal, PacketEvent};
use super::serial::PacketSerial;
use super::trail::{Step, Trail};
use std::collections::VecDeque;
use std::fmt;

/// The numbers of packets that entered the emulated host, were delivered, were dropped for each
/// reason, or are still queued.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Accounting {
    /// The number of packets that entered the host: by a device, from a program, or at a hook.
    pub entered: u64,
    /// The number of packets that were delivered here or left by a device.
    pub delivered: u64,
    /// The number of packets that wait for a verdict, or are still on their way.
    pub queued: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl Accounting {
    /// Returns the number of packets that were dropped for `reason`.
    #[must_use]
    pub const fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Returns the number of packets that were dropped, for any reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Returns `true` if every packet that entered is accounted for: `entered` is the sum of
    /// `delivered`, `queued` and all drops.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.entered == self.delivered + self.dropped() + self.queued
    }
}

impl Accounting {
    /// Returns each reason for which at least one packet was dropped, with the number of packets
    /// dropped for it.
    fn reasons(&self) -> impl Iterator<Item = (DropReason, u64)> {
        let counts = DropReason::ALL
            .iter()
            .map(|reason| (*reason, self.dropped_for(*reason)));
        counts.filter(|(_, count)| *count > 0)
    }
}

impl fmt::Debug for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped: Vec<_> = self.reasons().collect();
        f.debug_struct("Accounting")
            .field("entered", &self.entered)
            .field("delivered", &self.delivered)
            .field("queued", &self.queued)
            .field("dropped", &dropped)
            .finish()
    }
}

impl fmt::Display for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entered,
            delivered,
            queued,
            ..
        } = self;
        let dropped = self.dropped();
        write!(
            f,
            "{entered} entered, {delivered} delivered, {queued} queued, {dropped} dropped"
        )?;
        let reasons: Vec<_> = self
            .reasons()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        if reasons.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", reasons.join(", "))
        }
    }
}

/// The books: the counts of all packets, the fates of the packets that entered last, the last steps
/// of packets, and the journal of events.
pub(crate) struct Ledger {
    accounting: Accounting,
    fates: VecDeque<Fate>,
    kept: usize,
    trail: Trail,
    pub(crate) journal: Journal,
}

impl Ledger {
    /// Returns empty books that keep the fates of the last `kept` packets.
    pub(crate) fn new(kept: usize) -> Self {
        Self {
            accounting: Accounting::default(),
            fates: VecDeque::new(),
            kept,
            trail: Trail::default(),
            journal: Journal::default(),
        }
    }

    #[inline]
    pub(crate) fn enter(&mut self) -> PacketSerial {
        let serial = PacketSerial::new(self.accounting.entered);
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

    /// Keeps a step on a packet's way, if fates are kept. Otherwise does nothing.
    #[inline]
    pub(crate) fn step(&mut self, serial: PacketSerial, step: Step) {
        if self.kept > 0 {
            self.trail.note(serial, step);
        }
    }

    /// Returns those steps of a packet's way through the host that are still kept, in order.
    pub(crate) fn steps(&self, serial: PacketSerial) -> Vec<Step> {
        self.trail.of(serial)
    }

    /// Moves a packet from the count of queued packets to that of delivered ones. Records its fate:
    /// `fate` is called only if fates are kept or the journal is open.
    #[inline]
    pub(crate) fn delivered(&mut self, serial: PacketSerial, fate: impl FnOnce() -> Fate) {
        self.accounting.delivered += 1;
        self.leave(serial, fate);
    }

    /// Moves a packet from the count of queued packets to that of dropped ones. Records its fate.
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

    /// Returns `true` if fates are kept, or the journal is open.
    pub(crate) const fn remembers(&self) -> bool {
        self.kept > 0 || self.journal.is_open()
    }

    pub(crate) fn fate(&self, serial: PacketSerial) -> Option<&Fate> {
        self.fates.get(self.index(serial)?)
    }

    pub(crate) const fn accounting(&self) -> &Accounting {
        &self.accounting
    }

    fn index(&self, serial: PacketSerial) -> Option<usize> {
        let first = self.accounting.entered - self.fates.len() as u64;
        usize::try_from(serial.number().checked_sub(first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
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
}
