//! The lengths and senders of the datagrams that one call received.

use super::{AT_ONCE, Datagram};
use crate::wire::PortId;
use arrayvec::ArrayVec;
use std::ops::Deref;

/// The lengths and senders of the datagrams that one call received, at most 64, in their order.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(ArrayVec<Arrival, AT_ONCE>);

/// The length and the sender of a datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The datagram's whole length in bytes, which may be more than its buffer had room for.
    pub length: u32,
    /// The port id of the datagram's sender.
    pub sender: PortId,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self(ArrayVec::new())
    }

    pub(super) fn extend(&mut self, arrivals: impl Iterator<Item = Arrival>) {
        self.0.extend(arrivals);
    }

    /// Adds a datagram. Ignores it if there are 64 already.
    pub fn push(&mut self, arrival: Arrival) {
        let _ = self.0.try_push(arrival);
    }
}

impl Deref for Arrivals {
    type Target = [Arrival];

    #[inline]
    fn deref(&self) -> &[Arrival] {
        &self.0
    }
}

impl Arrival {
    /// Describes the datagram for a receive whose buffer had `room` bytes: of a longer datagram,
    /// only that many were copied.
    pub(super) fn datagram(self, room: usize) -> Datagram {
        let length = self.length as usize;
        Datagram {
            copied: length.min(room),
            length,
            sender: self.sender,
        }
    }
}
