//! The source of packet ids (PKT-9): the allocator's pools, which hand out what was freed last
//! first.

use super::rules::{IdPools, Notes};
use ipq_core::Family;
use ipq_core::wire::PacketId;

#[derive(Clone, Debug)]
pub(crate) struct Ids {
    rule: IdPools,
    pools: [Pool; 2],
}

/// The allocator's records that a queued packet holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// The record of the queue's entry. Its address is the packet id.
    pub(crate) id: PacketId,
    /// The record of the hook's note on the packet, taken before the entry's. `None` if the
    /// kernel's notes do not come from a pool of entries.
    note: Option<PacketId>,
}

#[derive(Clone, Debug)]
struct Pool {
    /// The freed records. The last one is handed out first.
    free: Vec<PacketId>,
    /// The first record that was never handed out.
    fresh: PacketId,
}

impl Ids {
    pub(crate) fn new(rule: IdPools) -> Self {
        let pool = |fresh| Pool {
            free: Vec::new(),
            fresh: PacketId(fresh),
        };
        Self {
            rule,
            pools: [pool(0x1000_0000), pool(0x2000_0000)],
        }
    }

    pub(crate) fn take(&mut self, family: Family) -> Held {
        let note = self.notes().map(|_| self.pools[0].take());
        Held {
            note,
            id: self.entries(family).take(),
        }
    }

    /// Frees a packet's records after a verdict: the note first, then the entry.
    pub(crate) fn free(&mut self, family: Family, held: Held) {
        self.pools[0].free.extend(held.note);
        self.entries(family).free.push(held.id);
    }

    /// Frees a packet's records when its queue is emptied, in the order that the kernel's rules
    /// say.
    pub(crate) fn flush(&mut self, family: Family, held: Held) {
        match self.notes() {
            Some(notes) if notes.flushed_after_entries => self.free_refused(family, held),
            _ => self.free(family, held),
        }
    }

    /// Frees the records of a packet that was not queued: the entry first, then the note.
    pub(crate) fn free_refused(&mut self, family: Family, held: Held) {
        self.entries(family).free.push(held.id);
        self.pools[0].free.extend(held.note);
    }

    /// Takes a record for a socket that opens, which holds it until it is
    /// [closed](Self::socket_closes). Returns `None` if this kernel's sockets take none.
    pub(crate) fn socket_opens(&mut self) -> Option<PacketId> {
        let records = self.notes().is_some_and(|notes| notes.sockets_have_records);
        records.then(|| self.pools[1].take())
    }

    pub(crate) fn socket_closes(&mut self, record: Option<PacketId>) {
        self.pools[1].free.extend(record);
    }

    pub(crate) fn device_comes_up(&mut self) {
        if self.notes().is_some_and(|notes| notes.devices_take_records) {
            self.pools[0].take();
        }
    }

    fn notes(&self) -> Option<Notes> {
        match self.rule {
            IdPools::WithNotes(notes) => Some(notes),
            IdPools::Shared | IdPools::ByFamily => None,
        }
    }

    fn entries(&mut self, family: Family) -> &mut Pool {
        match self.rule {
            IdPools::Shared => &mut self.pools[0],
            IdPools::ByFamily | IdPools::WithNotes(_) => &mut self.pools[family as usize],
        }
    }
}

impl Pool {
    fn take(&mut self) -> PacketId {
        self.free.pop().unwrap_or_else(|| {
            let id = self.fresh;
            self.fresh.0 += 1;
            id
        })
    }
}
