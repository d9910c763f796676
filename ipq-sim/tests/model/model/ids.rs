//! Where packet ids come from (PKT-9): the allocator's pools, from which what was freed last is handed out first.

use super::rules::{IdPools, Notes};
use ipq_core::Family;
use ipq_core::wire::PacketId;

#[derive(Clone, Debug)]
pub(crate) struct Ids {
    rule: IdPools,
    pools: [Pool; 2],
}

/// What a queued packet holds of the allocator's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// The entry, whose address the packet id is.
    pub(crate) id: PacketId,
    /// The hook's note of where the packet is, taken before the entry, if it comes from a pool of entries.
    note: Option<PacketId>,
}

#[derive(Clone, Debug)]
struct Pool {
    /// What was freed, the last at the end.
    free: Vec<PacketId>,
    /// What was never handed out.
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

    /// After a verdict.
    pub(crate) fn free(&mut self, family: Family, held: Held) {
        self.pools[0].free.extend(held.note);
        self.entries(family).free.push(held.id);
    }

    /// When a queue is emptied.
    pub(crate) fn flush(&mut self, family: Family, held: Held) {
        match self.notes() {
            Some(notes) if notes.flushed_after_entries => self.free_refused(family, held),
            _ => self.free(family, held),
        }
    }

    /// When a packet was refused.
    pub(crate) fn free_refused(&mut self, family: Family, held: Held) {
        self.entries(family).free.push(held.id);
        self.pools[0].free.extend(held.note);
    }

    /// When a socket opens: a record that it holds until it is [closed](Self::socket_closes).
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
