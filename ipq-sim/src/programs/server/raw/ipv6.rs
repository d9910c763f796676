//! Raw sockets of IPv6.

use super::options::Options;
use super::{AF_INET6, AF_UNSPEC, RAW, errno, family, part};
use crate::host::ipv4::checksum;
use ipq_core::Errno;
use rustix::io::Errno as System;
use std::net::Ipv6Addr;

/// The most bytes that one call may send: a header, and as many bytes as it can state.
pub(super) const LONGEST: usize = HEADER + 0xffff;

/// The bytes of the fixed header.
const HEADER: usize = 40;

/// The sizes of `struct sockaddr_in6`: of today, and the shortest that the kernel takes.
const ADDRESS: usize = 28;
const SHORTEST_ADDRESS: usize = 24;

/// The address that a packet gets that has none: the one of the emulated `eth0`.
const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

const UDP: u16 = 17;

/// A raw socket of IPv6.
#[derive(Debug)]
pub(super) struct Ipv6 {
    protocol: u16,
    /// The address that the socket is bound to; unspecified if it is bound to none.
    local: Ipv6Addr,
    /// The address that the socket is connected to, and its port, which names a protocol.
    peer: Option<(Ipv6Addr, u16)>,
}

impl Ipv6 {
    pub(super) const fn new(protocol: u16) -> Self {
        Self {
            protocol,
            local: Ipv6Addr::UNSPECIFIED,
            peer: None,
        }
    }

    /// Binds the socket to the address in a `struct sockaddr_in6`, from which packets then come.
    /// Fails if it is no such structure.
    pub(super) fn bind(&mut self, address: &[u8]) -> Result<(), Errno> {
        if family(address) != Some(AF_INET6) {
            return Err(Errno::EINVAL);
        }
        (self.local, _) = parse(address)?;
        Ok(())
    }

    /// Connects the socket to the address in a `struct sockaddr_in6`, to which packets without an
    /// address then go. Ends the connection if the structure's family is `AF_UNSPEC`.
    pub(super) fn connect(&mut self, address: &[u8]) -> Result<(), Errno> {
        self.peer = match family(address) {
            Some(AF_UNSPEC) => None,
            _ => Some(parse(address)?),
        };
        if self.peer.is_some() && self.local.is_unspecified() {
            self.local = SOURCE;
        }
        Ok(())
    }

    /// Returns the socket's address. Its port is the protocol.
    pub(super) fn name(&self) -> Vec<u8> {
        address(self.local, self.protocol)
    }

    /// Returns the `struct sockaddr_in6` that the socket is connected to. Fails with ENOTCONN if
    /// there is none, or if its port is 0.
    pub(super) fn peer(&self) -> Result<Vec<u8>, Errno> {
        match self.peer {
            Some((peer, port @ 1..)) => Ok(address(peer, port)),
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Returns the packet that leaves when `bytes` are sent. A header that comes from the program
    /// is left as it is.
    pub(super) fn send(&self, bytes: Vec<u8>, address: Option<&[u8]>, options: &Options) -> Result<Vec<u8>, Errno> {
        let (destination, protocol) = match address {
            Some(address) => self.destination(parse(address)?)?,
            None => self.destination(self.peer.ok_or(errno(System::DESTADDRREQ))?)?,
        };
        if !options.header_included() {
            return self.with_header(&bytes, destination, protocol, options);
        }
        if bytes.len() < HEADER {
            return Err(Errno::EINVAL);
        }
        Ok(bytes)
    }

    /// Returns the address that a packet goes to, and the packet's protocol. The port of an address
    /// names the protocol, if it is not 0.
    fn destination(&self, (address, port): (Ipv6Addr, u16)) -> Result<(Ipv6Addr, u16), Errno> {
        match port {
            0 => Ok((address, self.protocol)),
            1..=0xff if port == self.protocol || self.protocol == RAW => Ok((address, port)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Puts the kernel's header before what comes without one, and fills in the checksum where the
    /// kernel does.
    fn with_header(
        &self,
        payload: &[u8],
        destination: Ipv6Addr,
        protocol: u16,
        options: &Options,
    ) -> Result<Vec<u8>, Errno> {
        let length = u16::try_from(payload.len()).map_err(|_| Errno::EMSGSIZE)?;
        let hop_limit = if destination.is_multicast() {
            options.multicast_hops()
        } else {
            options.hops()
        };
        let source = if self.local.is_unspecified() {
            SOURCE
        } else {
            self.local
        };
        let traffic_class = options.traffic_class();
        let mut packet = vec![0x60 | traffic_class >> 4, traffic_class << 4, 0, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([protocol as u8, hop_limit]);
        packet.extend(source.octets());
        packet.extend(destination.octets());
        packet.extend(payload);
        if let Some(at) = options.checksum_offset() {
            fill_checksum(&mut packet, protocol, at)?;
        }
        Ok(packet)
    }
}

/// Fills in the checksum of a packet's payload, at offset `at` of the payload.
fn fill_checksum(packet: &mut [u8], protocol: u16, at: usize) -> Result<(), Errno> {
    let length = packet.len() - HEADER;
    let field = packet.get_mut(HEADER..).and_then(|payload| payload.get_mut(at..at + 2));
    field.ok_or(Errno::EINVAL)?.fill(0);
    // The addresses, the length and the protocol, and then the payload.
    let mut summed = packet[8..HEADER].to_vec();
    summed.extend((length as u32).to_be_bytes());
    summed.extend(u32::from(protocol).to_be_bytes());
    summed.extend(&packet[HEADER..]);
    let sum = match checksum(&summed) {
        // With UDP, 0 means that there is no checksum.
        0 if protocol == UDP => 0xffff,
        sum => sum,
    };
    packet[HEADER + at..HEADER + at + 2].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

/// Returns the address that a packet is for by its own header.
pub(super) fn named_by(packet: &[u8]) -> Vec<u8> {
    address(part::<16>(packet, 24).into(), 0)
}

/// Returns the address and the port in a `struct sockaddr_in6`.
fn parse(address: &[u8]) -> Result<(Ipv6Addr, u16), Errno> {
    if address.len() < SHORTEST_ADDRESS {
        return Err(Errno::EINVAL);
    }
    match family(address) {
        Some(AF_INET6 | AF_UNSPEC) => Ok((part::<16>(address, 8).into(), u16::from_be_bytes(part(address, 2)))),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// Returns the `struct sockaddr_in6` of an address and a port.
fn address(address: Ipv6Addr, port: u16) -> Vec<u8> {
    let family = (AF_INET6 as u16).to_ne_bytes();
    let mut bytes = [family, port.to_be_bytes(), [0; 2], [0; 2]].concat();
    bytes.extend(address.octets());
    bytes.resize(ADDRESS, 0);
    bytes
}
