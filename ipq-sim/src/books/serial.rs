//! Names for packets that entered the emulated host.

/// The serial of a packet that entered an emulated host: the number of packets that had entered the
/// host before it. It names the packet, for instance to ask for its fate, and no other packet of
/// the host gets it.
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
