//! A packet on its way through the host.

use crate::books::PacketSerial;
use crate::frame::ETHERNET_HEADER_BYTES;
use crate::time::clock::ArrivalTime;
use bytes::Bytes;
use ipq_core::wire::{EtherType, HardwareAddress};
use ipq_core::{Errno, Family};

/// The greatest length in bytes to which a replacement can make a packet grow (VER-7).
const LONGEST: usize = 0xffff;

/// A packet: its bytes from the network header on, and what the host notes of it.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) serial: PacketSerial,
    pub(crate) family: Family,
    /// The packet's bytes from the IP header on: at least the family's fixed header, unless a
    /// seeded fault leaves the header of an arriving packet unchecked.
    pub(crate) data: Bytes,
    /// The packet's mark, which stays with it from hook to hook (FWD-6).
    pub(crate) mark: u32,
    /// The packet's priority, 0 at first. Forwarding derives it from an IPv4 packet's type of
    /// service, and a verdict of a numbered queue can set it (NFQ-67, NFQ-83).
    pub(crate) priority: u32,
    pub(crate) arrival_time: ArrivalTime,
    pub(crate) protocol: EtherType,
    pub(crate) link: Option<Link>,
}

/// The link-layer header that a packet arrived with, and whom it was for.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// The header's bytes: destination, source, `EtherType`.
    pub(crate) header: [u8; ETHERNET_HEADER_BYTES],
    /// `true` if the frame was for this host's address; `false` for broadcast and multicast.
    pub(crate) for_this_host: bool,
}

impl Link {
    pub(crate) fn source(&self) -> HardwareAddress {
        let [_, _, _, _, _, _, address @ .., _, _] = self.header;
        address.into()
    }

    pub(crate) fn destination(&self) -> HardwareAddress {
        let [address @ .., _, _, _, _, _, _, _, _] = self.header;
        address.into()
    }
}

impl Packet {
    /// Replaces the packet's bytes by a verdict's payload, whose contents are not checked (VER-8).
    /// Fails, and changes nothing, if the packet would grow to more than 65,535 bytes (VER-7).
    pub(crate) fn replace(&mut self, replacement: &[u8]) -> Result<(), Errno> {
        if replacement.len() > self.data.len() && replacement.len() > LONGEST {
            return Err(Errno::EINVAL);
        }
        self.data = Bytes::copy_from_slice(replacement);
        Ok(())
    }
}
