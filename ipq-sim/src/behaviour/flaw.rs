//! Bytes that a seeded fault spoils.

/// A way to spoil the bytes of a frame that was made right, or of a request before it is judged. No
/// kernel has a flaw. The module `kernel::flaws` commits the flaws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A takeover empties the receive buffer of the former peer (ERA-2).
    TakeoverEmptiesBuffer,
    /// A PACKET frame has type 0x14 (WIRE-1).
    PacketType,
    /// `indev_name` and `outdev_name` stand in each other's place (WIRE-2).
    DeviceNamesSwapped,
    /// The third word of a mode message is its range (WIRE-3).
    RangeInThirdWord,
    /// The third word of a verdict is its packet id (WIRE-3).
    VerdictIdInThirdWord,
    /// A PACKET frame ends with its payload (WIRE-4).
    Unpadded,
    /// A PACKET frame has sequence 1 (WIRE-5).
    PacketSequence,
    /// A payload begins with the link-layer header (PKT-5).
    LinkHeader,
    /// `hw_protocol` is little-endian (PKT-6).
    ProtocolSwapped,
    /// Both device names are empty (PKT-6).
    NoDeviceNames,
    /// `hw_addr` is the destination's address (PKT-7).
    AddressOfReceiver,
    /// A packet that came in by `lo` has the hardware type of Ethernet (PKT-7).
    LoopbackIsEthernet,
    /// Every packet has the id 1 (PKT-9).
    OneIdForAll,
    /// The kernel's messages come from port id 1 (SOCK-6).
    SenderIsPort1,
    /// `data_len` is larger than the payload (LIB-4).
    DataLength,
    /// A request arrives with sequence 1 (LIB-11).
    RequestSequence,
}
