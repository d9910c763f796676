//! Ethernet frames: addresses, headers, and frames that left by a device.

use bytes::{Bytes, BytesMut};
use ipq_core::wire::EtherType;

/// The link-layer address of an Ethernet device.
pub type MacAddress = [u8; 6];

/// The size of an Ethernet header in bytes.
pub(crate) const ETHERNET_HEADER_BYTES: usize = 14;

/// An Ethernet frame with an IP packet that left by a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingFrame {
    header: [u8; ETHERNET_HEADER_BYTES],
    packet: Bytes,
}

impl OutgoingFrame {
    pub(crate) const fn new(header: [u8; ETHERNET_HEADER_BYTES], packet: Bytes) -> Self {
        Self { header, packet }
    }

    /// Returns the frame's IP packet.
    #[must_use]
    pub fn packet(&self) -> &Bytes {
        &self.packet
    }

    /// Returns the whole Ethernet frame: the header of 14 bytes, and the IP packet.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut frame = BytesMut::with_capacity(self.header.len() + self.packet.len());
        frame.extend_from_slice(&self.header);
        frame.extend_from_slice(&self.packet);
        frame.freeze()
    }
}

/// Returns an Ethernet header of 14 bytes: the destination `to`, the source `from`, and `protocol`
/// as the `EtherType`.
pub(crate) fn ethernet_header(to: MacAddress, from: MacAddress, protocol: EtherType) -> [u8; ETHERNET_HEADER_BYTES] {
    let mut header = [0; ETHERNET_HEADER_BYTES];
    header[..6].copy_from_slice(&to);
    header[6..12].copy_from_slice(&from);
    header[12..].copy_from_slice(&protocol.0.to_be_bytes());
    header
}
