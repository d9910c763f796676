//! The kernel's allocator, as far as packet ids show it: which record of memory a queue entry gets
//! (PKT-9).
//!
//! In the kernel, a packet id is the address of a queue entry. The record that a kernel's allocator
//! hands out depends on what else takes records of that size, such as the other family's entries,
//! or what a hook notes of a queued packet.

use crate::behaviour::{Flushing, Queueing, RecordPools, Reuse};
use crate::netlink::SocketId;
use crate::per_family::PerFamily;
use ipq_core::Family;
use std::collections::{BTreeMap, VecDeque};

/// The index of a record in its pool.
pub(crate) type Record = u32;

/// The pools that the records of queue entries come from, and the records of these pools that
/// hooks' notes and sockets hold.
#[derive(Debug)]
pub(crate) struct Records {
    pools: RecordPools,
    reuse: Reuse,
    /// Each family's pool. On a kernel whose families share a pool, all entries come from IPv4's.
    free: PerFamily<Pool>,
    /// For each queue entry, by its family and record, the record that holds the hook's note on the
    /// packet. Such a record is always of IPv4's pool. Empty on kernels without such notes.
    notes: BTreeMap<(Family, Record), Record>,
    /// For each open socket, the record that it holds. Empty on kernels whose sockets hold none.
    sockets: BTreeMap<SocketId, Record>,
}

/// A pool of records of one size.
#[derive(Debug, Default)]
struct Pool {
    free: VecDeque<Record>,
    /// The number of different records that were ever handed out.
    known: Record,
}

impl Pool {
    fn take(&mut self) -> Record {
        self.free.pop_back().unwrap_or_else(|| {
            self.known += 1;
            self.known - 1
        })
    }
}

impl Records {
    pub(crate) fn new(rules: &Queueing) -> Self {
        Self {
            pools: rules.record_pools,
            reuse: rules.reuse,
            free: PerFamily::default(),
            notes: BTreeMap::new(),
            sockets: BTreeMap::new(),
        }
    }

    /// Returns the family whose pool a family's entries come from.
    fn entries(&self, family: Family) -> Family {
        match self.pools {
            RecordPools::Shared => Family::Ipv4,
            RecordPools::OfEachFamily | RecordPools::WithNotes(_) => family,
        }
    }

    /// Takes a record for a queue entry: the free one that was freed last, or a new one if none is
    /// free. A seeded fault takes the one that was freed first. If the kernel's hooks keep a note
    /// on a queued packet, takes a record of IPv4's pool for the note first.
    pub(crate) fn take(&mut self, family: Family) -> Record {
        let note = matches!(self.pools, RecordPools::WithNotes(_)).then(|| self.free[Family::Ipv4].take());
        let pool = self.entries(family);
        let entry = self.free[pool].take();
        if let Some(note) = note {
            self.notes.insert((family, entry), note);
        }
        entry
    }

    /// Frees the record of the hook's note on a packet, if there is one, and then the record of the
    /// packet's entry, after the verdict was carried out. The entry's record is handed out again
    /// only if `reusable` is `true`.
    #[inline]
    pub(crate) fn free(&mut self, family: Family, entry: Record, reusable: bool) {
        self.free_note(family, entry);
        self.free_entry(family, entry, reusable);
    }

    /// Frees the record of an entry whose packet was not queued, and then the record of the hook's
    /// note, if there is one. The entry's record is handed out again only if `reusable` is `true`.
    pub(crate) fn free_refused(&mut self, family: Family, entry: Record, reusable: bool) {
        self.free_entry(family, entry, reusable);
        self.free_note(family, entry);
    }

    /// Frees the record of an entry whose packet is dropped without a verdict, and the record of
    /// the hook's note, if there is one. A rule of the kernel says which of the two is freed first.
    /// The entry's record is handed out again only if `reusable` is `true`.
    pub(crate) fn free_flushed(&mut self, family: Family, entry: Record, reusable: bool) {
        match self.pools {
            RecordPools::WithNotes(notes) if notes.flushing == Flushing::EntryFirst => {
                self.free_refused(family, entry, reusable);
            }
            _ => self.free(family, entry, reusable),
        }
    }

    fn free_entry(&mut self, family: Family, entry: Record, reusable: bool) {
        let pool = self.entries(family);
        match self.reuse {
            _ if !reusable => {}
            Reuse::LastFreedFirst => self.free[pool].free.push_back(entry),
            Reuse::FirstFreedFirst => self.free[pool].free.push_front(entry),
        }
    }

    #[inline]
    fn free_note(&mut self, family: Family, entry: Record) {
        // Most kernels have no notes to look for.
        if !self.notes.is_empty()
            && let Some(note) = self.notes.remove(&(family, entry))
        {
            self.free[Family::Ipv4].free.push_back(note);
        }
    }

    /// Takes a record of IPv6's pool for a socket that was opened, on kernels where sockets hold
    /// one.
    pub(crate) fn socket_opened(&mut self, socket: SocketId) {
        if matches!(self.pools, RecordPools::WithNotes(notes) if notes.sockets_take_ipv6_records) {
            let record = self.free[Family::Ipv6].take();
            self.sockets.insert(socket, record);
        }
    }

    /// Frees the record that a closed socket held, if it held one. The caller must reset the
    /// socket's queue before, as the order decides the next packet ids.
    pub(crate) fn socket_closed(&mut self, socket: SocketId) {
        self.free[Family::Ipv6].free.extend(self.sockets.remove(&socket));
    }

    /// Takes a record of IPv4's pool when a device comes up, if the kernel's devices do that. It is
    /// never freed.
    pub(crate) fn device_came_up(&mut self) {
        if matches!(self.pools, RecordPools::WithNotes(notes) if notes.devices_take_ipv4_records) {
            self.free[Family::Ipv4].take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::Notes;
    use crate::profile::Profile;
    use pretty_assertions::assert_eq;

    fn records(record_pools: RecordPools) -> Records {
        Records::new(&Queueing {
            record_pools,
            ..Profile::LINUX_3_4_10_X86_64.behaviour.queueing
        })
    }

    const NOTES: Notes = Notes {
        flushing: Flushing::NoteFirst,
        sockets_take_ipv6_records: true,
        devices_take_ipv4_records: true,
    };

    #[test]
    fn what_was_freed_last_is_handed_out_first() {
        let mut records = records(RecordPools::OfEachFamily);
        let [a, b] = [records.take(Family::Ipv4), records.take(Family::Ipv4)];
        assert_eq!(records.take(Family::Ipv6), a);
        records.free(Family::Ipv4, b, true);
        records.free(Family::Ipv4, a, true);
        assert_eq!([records.take(Family::Ipv4), records.take(Family::Ipv4)], [a, b]);
    }

    #[test]
    fn families_that_share_a_pool_hand_their_records_to_each_other() {
        let mut records = records(RecordPools::Shared);
        let [a, b] = [records.take(Family::Ipv4), records.take(Family::Ipv6)];
        assert_ne!(a, b);
        records.free(Family::Ipv4, a, true);
        assert_eq!(records.take(Family::Ipv6), a);
    }

    #[test]
    fn an_entry_and_its_note_change_places_at_each_verdict() {
        let mut records = records(RecordPools::WithNotes(NOTES));
        let first = records.take(Family::Ipv4);
        records.free(Family::Ipv4, first, true);
        let second = records.take(Family::Ipv4);
        records.free(Family::Ipv4, second, true);
        assert_ne!(first, second);
        assert_eq!(records.take(Family::Ipv4), first);
    }

    #[test]
    fn an_entry_that_was_refused_is_handed_out_next() {
        let mut records = records(RecordPools::WithNotes(NOTES));
        let entry = records.take(Family::Ipv4);
        records.free_refused(Family::Ipv4, entry, true);
        assert_eq!(records.take(Family::Ipv4), entry);
    }

    #[test]
    fn a_device_that_comes_up_keeps_the_record_that_it_takes() {
        let mut records = records(RecordPools::WithNotes(NOTES));
        let entry = records.take(Family::Ipv4);
        records.free(Family::Ipv4, entry, true);
        records.device_came_up();
        assert_ne!(records.take(Family::Ipv4), entry);
    }
}
