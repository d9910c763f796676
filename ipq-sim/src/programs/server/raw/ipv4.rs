//! Raw sockets of IPv4 (raw(7)).

use super::options::Options;
use super::{AF_INET, AF_UNSPEC, errno, family, part};
use crate::host::ipv4::checksum;
use ipq_core::Errno;
use rustix::io::Errno as System;
use std::net::Ipv4Addr;

/// The most bytes that may be sent in one datagram.
pub(super) const LONGEST: usize = 0xffff;

/// The length of a header without options, in bytes.
const HEADER: usize = 20;

/// The size of `struct sockaddr_in`, in bytes.
const ADDRESS: usize = 16;

/// The source address of packets for which the program has chosen none: that of the emulated
/// `eth0`.
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const DONT_FRAGMENT: u8 = 0x40;

/// A raw socket of IPv4.
#[derive(Debug)]
pub(super) struct Ipv4 {
    protocol: u16,
    /// The socket's own address: 0.0.0.0 until a bind or a connect sets it.
    local: Ipv4Addr,
    /// The address and the port that the socket is connected to; `None` if there is none. The port
    /// has no effect on packets.
    peer: Option<(Ipv4Addr, u16)>,
    /// The IP identification that was last given to a packet; 0 if none was.
    identification: u16,
}

impl Ipv4 {
    pub(super) const fn new(protocol: u16) -> Self {
        Self {
            protocol,
            local: Ipv4Addr::UNSPECIFIED,
            peer: None,
            identification: 0,
        }
    }

    /// Binds the socket to the address in a `struct sockaddr_in`, from which packets then come.
    /// Fails if it is no such structure.
    pub(super) fn bind(&mut self, address: &[u8]) -> Result<(), Errno> {
        (self.local, _) = parse(address)?;
        Ok(())
    }

    /// Connects the socket to the address in a `struct sockaddr_in`, to which packets without an
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

    /// Returns the `struct sockaddr_in` of the socket's own address. Its port is the socket's
    /// protocol.
    pub(super) fn name(&self) -> Vec<u8> {
        address(self.local, self.protocol)
    }

    /// Returns the `struct sockaddr_in` that the socket is connected to. Fails with ENOTCONN if the
    /// socket is not connected, or if it is connected to port 0.
    pub(super) fn peer(&self) -> Result<Vec<u8>, Errno> {
        match self.peer {
            Some((peer, port @ 1..)) => Ok(address(peer, port)),
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Returns the packet that leaves when a program sends `bytes` to `address`, or without one to
    /// the connected address. By the options, the bytes have an IPv4 header, which is completed, or
    /// get one. Fails, among others, without any address, and for 255.255.255.255 if the options do
    /// not allow broadcasts.
    pub(super) fn send(&mut self, bytes: Vec<u8>, address: Option<&[u8]>, options: &Options) -> Result<Vec<u8>, Errno> {
        let destination = match address {
            Some(address) => parse(address)?.0,
            None => self.peer.ok_or(errno(System::DESTADDRREQ))?.0,
        };
        if destination.is_broadcast() && !options.may_broadcast() {
            return Err(Errno::EACCES);
        }
        if options.header_included() {
            self.complete(bytes)
        } else {
            self.with_header(&bytes, destination, options)
        }
    }

    fn source(&self) -> Ipv4Addr {
        if self.local.is_unspecified() {
            SOURCE
        } else {
            self.local
        }
    }

    const fn next_identification(&mut self) -> u16 {
        self.identification = self.identification.wrapping_add(1);
        self.identification
    }

    /// Fills in what the kernel fills in of a header that comes from the program: the length and
    /// the checksum always; the source if it is 0; the identification if it is 0 and the header
    /// allows fragments. Fails with EINVAL if the header is shorter than 20 bytes, or the packet
    /// shorter than its header.
    fn complete(&mut self, mut packet: Vec<u8>) -> Result<Vec<u8>, Errno> {
        let header_length = packet.first().map_or(0, |first| usize::from(first & 0xf) * 4);
        if header_length < HEADER || packet.len() < header_length {
            return Err(Errno::EINVAL);
        }
        let length = packet.len() as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        if packet[4..6] == [0, 0] && packet[6] & DONT_FRAGMENT == 0 {
            packet[4..6].copy_from_slice(&self.next_identification().to_be_bytes());
        }
        if packet[12..16] == [0; 4] {
            packet[12..16].copy_from_slice(&self.source().octets());
        }
        packet[10..12].fill(0);
        let sum = checksum(&packet[..header_length]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        Ok(packet)
    }

    /// Returns a packet with `payload` behind a header that the kernel would make. Fails with
    /// EMSGSIZE if the packet is longer than 65,535 bytes.
    fn with_header(&mut self, payload: &[u8], destination: Ipv4Addr, options: &Options) -> Result<Vec<u8>, Errno> {
        let length = u16::try_from(HEADER + payload.len()).map_err(|_| Errno::EMSGSIZE)?;
        let time_to_live = if destination.is_multicast() {
            options.multicast_hops()
        } else {
            options.hops()
        };
        let flags = if options.may_fragment() { 0 } else { DONT_FRAGMENT };
        let mut packet = vec![0x45, options.traffic_class()];
        packet.extend(length.to_be_bytes());
        packet.extend(self.next_identification().to_be_bytes());
        packet.extend([flags, 0, time_to_live, self.protocol as u8, 0, 0]);
        packet.extend(self.source().octets());
        packet.extend(destination.octets());
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(payload);
        Ok(packet)
    }
}

/// Returns the `struct sockaddr_in` of the destination in a packet's IPv4 header.
pub(super) fn named_by(packet: &[u8]) -> Vec<u8> {
    address(part::<4>(packet, 16).into(), 0)
}

/// Returns the address and the port in a `struct sockaddr_in`. Fails with EINVAL if the bytes are
/// too few, and with EAFNOSUPPORT for another family than `AF_INET` and `AF_UNSPEC`.
fn parse(address: &[u8]) -> Result<(Ipv4Addr, u16), Errno> {
    if address.len() < ADDRESS {
        return Err(Errno::EINVAL);
    }
    match family(address) {
        Some(AF_INET | AF_UNSPEC) => Ok((part::<4>(address, 4).into(), u16::from_be_bytes(part(address, 2)))),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// Returns the `struct sockaddr_in` of an address and a port.
fn address(address: Ipv4Addr, port: u16) -> Vec<u8> {
    let family = (AF_INET as u16).to_ne_bytes();
    let mut bytes = [family, port.to_be_bytes()].concat();
    bytes.extend(address.octets());
    bytes.resize(ADDRESS, 0);
    bytes
}
