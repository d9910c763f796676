//! Names for packets that entered the emulated host.

/// Names a packet that entered the emulated host, to ask for its fate. Counted from 0, never
/// reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketSerial(u64);

impl PacketSerial {
    /// The packet that entered first.
    pub(crate) const FIRST: Self = Self(0);

    /// The packet that entered after `number` others.
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of packets that entered before this one.
    pub(super) const fn number(self) -> u64 {
        self.0
    }
}
