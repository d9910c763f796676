//! Names for packets that entered the emulated host.

/// The serial of a packet that entered the emulated host, to ask for its fate. Serials count from
/// 0, and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketSerial(u64);

impl PacketSerial {
    /// The serial of the packet that entered first.
    pub(crate) const FIRST: Self = Self(0);

    /// Returns the serial of the packet that entered after `number` others.
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number of packets that entered before this one.
    pub(super) const fn number(self) -> u64 {
        self.0
    }
}
