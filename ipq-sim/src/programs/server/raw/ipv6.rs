//! Raw sockets of IPv6.

use super::options::Options;
use super::{AF_INET6, AF_UNSPEC, RAW, errno, family, part};
use crate::host::ipv4::checksum;
use ipq_core::Errno;
use rustix::io::Errno as System;
use std::net::Ipv6Addr;

/// The most bytes that may be sent in one datagram: a header, and the most bytes that its length
/// field can state.
pub(super) const LONGEST: usize = HEADER + 0xffff;

/// The length of the fixed header, in bytes.
const HEADER: usize = 40;

/// The size of `struct sockaddr_in6`, in bytes. The next constant is the shortest size that the
/// kernel takes.
const ADDRESS: usize = 28;
const SHORTEST_ADDRESS: usize = 24;

/// The source address of packets for which the program has chosen none: that of the emulated
/// `eth0`.
const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

const UDP: u16 = 17;

/// A raw socket of IPv6.
#[derive(Debug)]
pub(super) struct Ipv6 {
    protocol: u16,
    /// The socket's own address: `::` until a bind or a connect sets it.
    local: Ipv6Addr,
    /// The address and the port that the socket is connected to; `None` if there is none. A port
    /// other than 0 names the protocol of packets.
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
    /// address then go. An unbound socket gets the address of `eth0`. Ends the connection if the
    /// structure's family is `AF_UNSPEC`. Fails if the bytes are no such structure.
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

    /// Returns the `struct sockaddr_in6` of the socket's own address. Its port is the socket's
    /// protocol.
    pub(super) fn name(&self) -> Vec<u8> {
        address(self.local, self.protocol)
    }

    /// Returns the `struct sockaddr_in6` that the socket is connected to. Fails with ENOTCONN if
    /// the socket is not connected, or if it is connected to port 0.
    pub(super) fn peer(&self) -> Result<Vec<u8>, Errno> {
        match self.peer {
            Some((peer, port @ 1..)) => Ok(address(peer, port)),
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Returns the packet that leaves when a program sends `bytes` to `address`, or without one to
    /// the connected address. If the options say that the bytes begin with an IPv6 header, they are
    /// the packet. If not, the packet has a new header before the bytes. Fails, among others,
    /// without any address, and if a header that should be there is cut.
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

    /// Returns the address that a packet goes to, and the packet's protocol: the port if it is not
    /// 0, and otherwise the socket's protocol. Fails with EINVAL for a port above 255, and for one
    /// that is not the socket's protocol, unless that is `IPPROTO_RAW`.
    fn destination(&self, (address, port): (Ipv6Addr, u16)) -> Result<(Ipv6Addr, u16), Errno> {
        match port {
            0 => Ok((address, self.protocol)),
            1..=0xff if port == self.protocol || self.protocol == RAW => Ok((address, port)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Returns a packet with `payload` behind a header that the kernel would make. Fills in the
    /// payload's checksum if the options say at which offset. Fails with EMSGSIZE if the payload is
    /// longer than 65,535 bytes, and with EINVAL if it ends before its checksum does.
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

/// Fills in the checksum of a packet's payload, at offset `at` of the payload. Fails with EINVAL if
/// the payload ends before the checksum does.
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

/// Returns the `struct sockaddr_in6` of the destination in a packet's IPv6 header.
pub(super) fn named_by(packet: &[u8]) -> Vec<u8> {
    address(part::<16>(packet, 24).into(), 0)
}

/// Returns the address and the port in a `struct sockaddr_in6`. Fails with EINVAL if the bytes are
/// too few, and with EAFNOSUPPORT for another family than `AF_INET6` and `AF_UNSPEC`.
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
