//! One direction of a faulty transport: its plan, the datagrams that are held back, and a record.

use super::super::Datagram;
use crate::wire::PortId;
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::iter::{self, Peekable};

/// The most datagrams that are held back at once in each direction.
pub const HELD: usize = 64;

/// A record of the faults that hit the datagrams of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<F> {
    /// The number of datagrams that the program sent, or the transport inside received. Lost ones
    /// count, and those whose send failed. Extra copies do not.
    pub datagrams: u64,
    /// The number of faults that hit, including those that `hits` no longer has.
    pub faults: u64,
    /// The faults that hit, oldest first, each with the number of its datagram, counted from 0.
    /// Faults that change nothing, such as a delay by 0 datagrams, are among them. Only the last
    /// [`Record::KEPT`] are kept.
    pub hits: VecDeque<(u64, F)>,
}

impl<F> Record<F> {
    /// The most entries of [`hits`](Self::hits) that are kept: 65,536.
    pub const KEPT: usize = 1 << 16;

    fn note(&mut self, fault: F) {
        if self.hits.len() == Self::KEPT {
            self.hits.pop_front();
        }
        self.hits.push_back((self.datagrams, fault));
        self.faults += 1;
    }
}

/// A copy of a datagram that is held back, with its true length and its sender.
#[derive(Debug)]
pub(super) struct Held {
    bytes: Box<[u8]>,
    length: usize,
    sender: PortId,
}

impl Held {
    /// Makes a held datagram of one that was received, whose bytes are in `buffer`.
    pub(super) fn received(buffer: &[u8], datagram: Datagram) -> Self {
        Self {
            bytes: buffer.get(..datagram.copied).unwrap_or(buffer).into(),
            length: datagram.length,
            sender: datagram.sender,
        }
    }

    /// Makes a held datagram of one that is to be sent.
    pub(super) fn sent(parts: &[IoSlice<'_>]) -> Self {
        let bytes: Box<[u8]> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        Self {
            length: bytes.len(),
            bytes,
            sender: PortId::KERNEL,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Copies the datagram into `buffer`, as a receive would, and describes it. The buffer may be
    /// shorter than the one that the datagram was received into; then the copy is cut.
    pub(super) fn put_into(&self, buffer: &mut [u8]) -> Datagram {
        let copied = self.bytes.len().min(buffer.len());
        buffer[..copied].copy_from_slice(&self.bytes[..copied]);
        Datagram {
            copied,
            length: self.length,
            sender: self.sender,
        }
    }
}

/// The state of one direction: the rest of the plan, the datagrams that are held back, and the
/// record.
pub(super) struct Line<F> {
    plan: Peekable<Box<dyn Iterator<Item = F> + Send>>,
    /// Datagrams that are due, in the order in which they became so.
    due: VecDeque<Held>,
    /// Delayed datagrams, each with the number of datagrams that must still pass before it.
    delayed: Vec<(usize, Held)>,
    record: Record<F>,
}

impl<F: Copy + Default + PartialEq> Line<F> {
    pub(super) fn new(plan: impl Iterator<Item = F> + Send + 'static) -> Self {
        let plan: Box<dyn Iterator<Item = F> + Send> = Box::new(plan);
        Self {
            plan: plan.peekable(),
            due: VecDeque::new(),
            delayed: Vec::new(),
            record: Record::default(),
        }
    }

    /// Takes the next item of the plan and records it, if `needs_none` says that it happens without
    /// a datagram. Returns `None` if not, or if the plan is at its end.
    pub(super) fn take_if(&mut self, needs_none: impl Fn(&F) -> bool) -> Option<F> {
        let fault = self.plan.next_if(needs_none)?;
        self.record.note(fault);
        Some(fault)
    }

    /// Takes the fault of the next datagram from the plan, and returns it. Returns no fault instead
    /// if the plan is at its end, or if `holds` says that the fault keeps a datagram and [`HELD`]
    /// are held back already. Records the returned fault, counts the datagram, and shortens all
    /// delays by one datagram: those that are over become due.
    pub(super) fn meet(&mut self, holds: impl Fn(F) -> bool) -> F {
        let planned = self.plan.next().unwrap_or_default();
        let room = self.due.len() + self.delayed.len() < HELD;
        let happens = if room || !holds(planned) { planned } else { F::default() };
        if happens != F::default() {
            self.record.note(happens);
        }
        self.record.datagrams += 1;
        for (datagrams, _) in &mut self.delayed {
            *datagrams = datagrams.saturating_sub(1);
        }
        self.due.extend(
            self.delayed
                .extract_if(.., |(datagrams, _)| *datagrams == 0)
                .map(|(_, held)| held),
        );
        happens
    }

    /// Holds a datagram back until `datagrams` others have passed. With 0 it is due at once, after
    /// those that are due already.
    pub(super) fn hold(&mut self, datagrams: usize, held: Held) {
        match datagrams {
            0 => self.due.push_back(held),
            _ => self.delayed.push((datagrams, held)),
        }
    }

    /// Takes the first of the datagrams that are due. Returns `None` if there is none.
    pub(super) fn take_due(&mut self) -> Option<Held> {
        self.due.pop_front()
    }

    pub(super) fn holds_something(&self) -> bool {
        !self.due.is_empty() || !self.delayed.is_empty()
    }

    /// Ends the shortest delay: its datagram is due now. Does nothing if no datagram is delayed.
    /// Returns `false` if no datagram is held back, neither delayed nor due.
    pub(super) fn release(&mut self) -> bool {
        let nearest = self
            .delayed
            .iter()
            .enumerate()
            .min_by_key(|(_, (datagrams, _))| *datagrams);
        let Some((index, _)) = nearest else {
            return !self.due.is_empty();
        };
        self.due.push_back(self.delayed.remove(index).1);
        true
    }

    pub(super) fn record(&self) -> Record<F> {
        self.record.clone()
    }
}

impl<F: Copy + Default + PartialEq + Send + 'static> Default for Line<F> {
    fn default() -> Self {
        Self::new(iter::empty())
    }
}

impl<F: fmt::Debug> fmt::Debug for Line<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("due", &self.due)
            .field("delayed", &self.delayed)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
