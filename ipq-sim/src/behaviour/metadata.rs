//! The rules for the fields of a PACKET frame that describe its packet.

/// The rules for a PACKET frame's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The `hw_protocol` of an IPv4 packet at OUTPUT (PKT-6).
    pub(crate) output_protocol: OutputProtocol,
    /// The packets that have a hardware address (PKT-7).
    pub(crate) hardware_addresses: HardwareAddresses,
    /// The arriving packets that get a time stamp (PKT-8).
    pub(crate) timestamps: Timestamps,
    /// The time stamp of packets that this host sends (PKT-8).
    pub(crate) own_packets: OwnPackets,
}

/// The `hw_protocol` of an IPv4 packet at OUTPUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputProtocol {
    /// The field is 0.
    Zero,
    /// The field is 0x0800, as at every other hook.
    Ipv4,
}

/// The packets that have a hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HardwareAddresses {
    /// All packets that came in by a device. By lo the address is 6 zeros.
    Arrived,
    /// All packets that came in by an Ethernet device. By lo the address has length 0.
    ArrivedByEthernet,
    /// No packets. None has a hardware type, either.
    Never,
}

/// The arriving packets that get a time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timestamps {
    /// All packets, since something on the host always asks for time stamps (NFQ-87).
    Always,
    /// Packets that arrive while either queue has a peer.
    WhileAnyPeer,
    /// Packets that arrive while the IPv4 queue has a peer. No kernel does this.
    WhileIpv4Peer,
    /// No packets. No kernel does this.
    Never,
}

/// The time stamp of packets that this host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnPackets {
    /// The packets have no time stamp: both words are 0.
    Unstamped,
    /// The packets have no time stamp, but their microseconds are left over from an earlier packet
    /// in the same buffer. The emulator gives the microseconds of the time at which the packet was
    /// made, and at least 1.
    MicrosecondsLeft,
    /// The packets have a time stamp, as arriving packets do. No kernel does this.
    Stamped,
}
