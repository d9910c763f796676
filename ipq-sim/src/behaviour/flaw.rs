//! Ways in which a seeded fault spoils frames, replies, requests and a receive buffer.

/// What a seeded fault spoils: a frame or reply of the emulator, a request before the queue sees
/// it, or a receive buffer. No kernel has a flaw. Most of the code is in the module
/// `kernel::flaws`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// When another program takes the queue over, the receive buffer of the former peer is emptied
    /// (ERA-2).
    TakeoverEmptiesBuffer,
    /// A PACKET frame has type 0x14 in place of 0x13 (WIRE-1).
    PacketType,
    /// `indev_name` and `outdev_name` stand in each other's place in a PACKET frame (WIRE-2).
    DeviceNamesSwapped,
    /// The range of a mode message is read from the third word of the message's body in place of
    /// the second (WIRE-3).
    RangeInThirdWord,
    /// The packet id of a verdict is read from the third word of the message's body in place of the
    /// second (WIRE-3).
    VerdictIdInThirdWord,
    /// A PACKET frame ends with its payload, without padding (WIRE-4).
    Unpadded,
    /// A PACKET frame has sequence 1 in place of 0 (WIRE-5).
    PacketSequence,
    /// The payload of a PACKET frame begins with the packet's link-layer header, if it has one
    /// (PKT-5).
    LinkHeader,
    /// `hw_protocol` has its two bytes in the wrong order (PKT-6).
    ProtocolSwapped,
    /// Both device names of a PACKET frame are empty (PKT-6).
    NoDeviceNames,
    /// `hw_addr` of a packet that came in by a device is the destination's address (PKT-7).
    AddressOfReceiver,
    /// A packet that came in by `lo` has the hardware type of Ethernet, 1 (PKT-7).
    LoopbackIsEthernet,
    /// Every PACKET frame tells the packet id 1 (PKT-9).
    OneIdForAll,
    /// The kernel's messages come from port id 1 in place of 0 (SOCK-6).
    SenderIsPort1,
    /// `data_len` is 65,536, which is more than the payload (LIB-4).
    DataLength,
    /// The sequence number of each request is read as 1 (LIB-11).
    RequestSequence,
}
