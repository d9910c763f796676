//! The rules for the fields of a PACKET frame that tell of its packet.

/// The rules for the fields of a PACKET frame that tell of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The `hw_protocol` of an IPv4 packet at OUTPUT (PKT-6).
    pub(crate) output_protocol: OutputProtocol,
    /// The packets whose PACKET frame has a hardware type and address (PKT-7).
    pub(crate) hardware_addresses: HardwareAddresses,
    /// The arriving packets that get a time stamp (PKT-8).
    pub(crate) timestamps: Timestamps,
    /// The time stamp of packets that this host sends (PKT-8).
    pub(crate) own_packets: OwnPackets,
}

/// The `hw_protocol` of an IPv4 packet at OUTPUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputProtocol {
    /// `hw_protocol` is 0 for IPv4 at OUTPUT.
    Zero,
    /// `hw_protocol` is 0x0800 for IPv4 at OUTPUT, as at every other hook.
    Ipv4,
}

/// The packets whose PACKET frame has a hardware type and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HardwareAddresses {
    /// A packet that came in by a device has the device's hardware type and its sender's hardware
    /// address, at each hook at which the frame names the incoming device. By `lo` the address is 6
    /// zeros.
    Arrived,
    /// A packet that came in by a device has the device's hardware type and its sender's hardware
    /// address, at each hook at which the frame names the incoming device. By `lo` the packet has
    /// the hardware type, but an address of length 0.
    ArrivedByEthernet,
    /// No packet has a hardware type or address.
    Never,
}

/// The arriving packets that get a time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timestamps {
    /// All arriving packets get a time stamp, as if some socket on the host always asked for time
    /// stamps (NFQ-87).
    Always,
    /// Packets that arrive while either family's queue has a peer get a time stamp.
    WhileAnyPeer,
    /// Packets that arrive while the IPv4 queue has a peer get a time stamp. No kernel does this.
    WhileIpv4Peer,
    /// No arriving packet gets a time stamp. No kernel does this.
    Never,
}

/// The time stamp of packets that this host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnPackets {
    /// Packets that this host sends have no time stamp: seconds and microseconds are 0.
    Unstamped,
    /// Packets that this host sends have 0 seconds, and microseconds left over from an earlier
    /// packet in the same buffer. The emulator gives those of the time at which the packet was
    /// made, and at least 1.
    MicrosecondsLeft,
    /// Packets that this host sends have a time stamp, as arriving packets do. No kernel does this.
    Stamped,
}
