//! Packet sockets, which send frames, or network packets for which the kernel makes the frame's
//! header (packet(7)).

use super::{AF_PACKET, IPV4, IPV6, RawLayer, SOCK_RAW, errno, family, part};
use ipq_core::Errno;
use rustix::io::Errno as System;
use rustix::net::SocketType;

/// The length of an Ethernet header, in bytes. The next constant is the length of one VLAN tag.
const ETHERNET: usize = 14;
const TAG: usize = 4;

/// The most bytes that may be sent in one datagram: the longest IPv6 packet, an Ethernet header and
/// a VLAN tag.
pub(super) const LONGEST: usize = super::ipv6::LONGEST + ETHERNET + TAG;

/// The size of `struct sockaddr_ll`, in bytes. The next constant is the offset of the link address
/// in it.
const ADDRESS: usize = 20;
const LINK_ADDRESS: usize = 12;

/// The link address of the emulated `eth0`.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

const SOCK_DGRAM: i32 = SocketType::DGRAM.as_raw().cast_signed();

/// A packet socket.
#[derive(Debug)]
pub(super) struct PacketSocket {
    /// `true` if the program sends Ethernet headers, too (`SOCK_RAW`).
    has_link_header: bool,
    bound: Bound,
}

/// What a packet socket is bound to: a protocol and a device.
#[derive(Clone, Copy, Debug)]
struct Bound {
    ether_type: u16,
    /// The number of the device; 0 stands for none.
    device: i32,
}

impl PacketSocket {
    /// Opens a packet socket of this kind, for the `EtherType` in the 16 lower bits of `protocol`,
    /// in network byte order. Fails with ESOCKTNOSUPPORT for another kind than `SOCK_RAW` and
    /// `SOCK_DGRAM`.
    pub(super) fn open(kind: i32, protocol: i32) -> Result<Self, Errno> {
        if ![SOCK_RAW, SOCK_DGRAM].contains(&kind) {
            return Err(errno(System::SOCKTNOSUPPORT));
        }
        Ok(Self {
            has_link_header: kind == SOCK_RAW,
            bound: Bound {
                ether_type: u16::from_be(protocol.cast_unsigned() as u16),
                device: 0,
            },
        })
    }

    /// Binds the socket to the device and the protocol in a `struct sockaddr_ll`; the protocol 0
    /// leaves the socket's as it is.
    pub(super) fn bind(&mut self, address: &[u8]) -> Result<(), Errno> {
        if family(address) != Some(AF_PACKET) {
            return Err(Errno::EINVAL);
        }
        let Bound { ether_type, device } = parse(address)?;
        self.bound.device = device;
        if ether_type != 0 {
            self.bound.ether_type = ether_type;
        }
        Ok(())
    }

    /// Returns the address that the socket is bound to, as getsockname does. If it is bound to a
    /// device, the address has the link address of `eth0`, whatever the device.
    pub(super) fn name(&self) -> Vec<u8> {
        /// `ARPHRD_ETHER`.
        const KIND: u16 = 1;
        let mut address = self.bound.address();
        if self.bound.device == 0 {
            address.truncate(LINK_ADDRESS);
            return address;
        }
        address[8..10].copy_from_slice(&KIND.to_ne_bytes());
        address[LINK_ADDRESS - 1] = MAC.len() as u8;
        address.truncate(LINK_ADDRESS);
        address.extend(MAC);
        address
    }

    /// Returns an address for bytes that were sent to an address that was not seen. Its protocol is
    /// the socket's if that is IPv4 or IPv6; otherwise the IP version in the first byte; if that
    /// byte has neither, the socket's. Its device is the one that the socket is bound to, or else
    /// device 1.
    pub(super) fn named_by(&self, bytes: &[u8]) -> Vec<u8> {
        let ether_type = match (self.bound.ether_type, bytes.first().map(|first| first >> 4)) {
            (bound @ (IPV4 | IPV6), _) => bound,
            (_, Some(4)) => IPV4,
            (_, Some(6)) => IPV6,
            (bound, _) => bound,
        };
        let device = self.bound.device.max(1);
        Bound { ether_type, device }.address()
    }

    /// Returns the bytes that leave when a program sends `bytes` to `address`, or without one by
    /// the bound device, and the layer that they begin with. The bytes are those that were sent: an
    /// Ethernet frame from a `SOCK_RAW` socket, and otherwise a packet of the protocol in the
    /// address. Fails with the error with which the call fails.
    pub(super) fn send(&self, bytes: Vec<u8>, address: Option<&[u8]>) -> Result<(Vec<u8>, RawLayer), Errno> {
        let Bound { ether_type, device } = match address {
            Some(address) => parse(address)?,
            None => self.bound,
        };
        if device == 0 {
            return Err(errno(System::NXIO));
        }
        if self.has_link_header {
            // Only a whole header makes a frame.
            return (bytes.len() >= ETHERNET)
                .then_some((bytes, RawLayer::Ethernet))
                .ok_or(Errno::EINVAL);
        }
        if bytes.len() > super::ipv6::LONGEST {
            return Err(Errno::EMSGSIZE);
        }
        // A bound socket knows no link address to send to.
        address.ok_or(Errno::EINVAL)?;
        Ok((bytes, RawLayer::Network(ether_type)))
    }
}

impl Bound {
    /// Returns the `struct sockaddr_ll` of this protocol and device, without a link address.
    fn address(self) -> Vec<u8> {
        let family = (AF_PACKET as u16).to_ne_bytes();
        let mut bytes = [family, self.ether_type.to_be_bytes()].concat();
        bytes.extend(self.device.to_ne_bytes());
        bytes.resize(ADDRESS, 0);
        bytes
    }
}

/// Returns the protocol and the device in a `struct sockaddr_ll`. Fails if the address is shorter
/// than it, or than the link address that it states.
fn parse(address: &[u8]) -> Result<Bound, Errno> {
    let link_address_bytes = address.get(LINK_ADDRESS - 1).map_or(0, |bytes| usize::from(*bytes));
    if address.len() < ADDRESS.max(LINK_ADDRESS + link_address_bytes) {
        return Err(Errno::EINVAL);
    }
    Ok(Bound {
        ether_type: u16::from_be_bytes(part(address, 2)),
        device: i32::from_ne_bytes(part(address, 4)),
    })
}
