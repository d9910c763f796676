//! The rules for the fields of a PACKET frame that describe its packet.

/// The rules for a PACKET frame's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// `hw_protocol` of an IPv4 packet at OUTPUT (PKT-6).
    pub(crate) output_protocol: OutputProtocol,
    /// The packets that have a hardware address (PKT-7).
    pub(crate) hardware_addresses: HardwareAddresses,
    /// When arriving packets get a time stamp (PKT-8).
    pub(crate) timestamps: Timestamps,
    /// The time stamp of packets that this host sends (PKT-8).
    pub(crate) own_packets: OwnPackets,
}

/// `hw_protocol` of an IPv4 packet at OUTPUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputProtocol {
    /// 0.
    Zero,
    /// 0x0800, as everywhere else.
    Ipv4,
}

/// The packets that have a hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HardwareAddresses {
    /// All that came in by a device; by lo, an address of 6 zeros.
    Arrived,
    /// All that came in by an Ethernet device; by lo, one of length 0.
    ArrivedByEthernet,
    /// None, and none has a hardware type.
    Never,
}

/// When arriving packets get a time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timestamps {
    /// Of every packet, since something on the host always asks for them (NFQ-87).
    Always,
    /// While either queue has a peer.
    WhileAnyPeer,
    /// While the IPv4 queue has a peer. No kernel does.
    WhileIpv4Peer,
    /// Never. No kernel does.
    Never,
}

/// The time stamp of packets that this host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnPackets {
    /// They don't: both words are 0.
    Unstamped,
    /// They don't, but the microseconds are what is left of an earlier packet in the same buffer.
    /// The emulator gives those of the time at which it was made, and at least 1.
    MicrosecondsLeft,
    /// They do, as arriving ones. No kernel does.
    Stamped,
}
