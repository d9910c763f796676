//! Raw sockets: which packet leaves a machine when a program sends bytes by one. No I/O.
//!
//! Three kinds of sockets send packets that a program has made itself: raw sockets of IPv4 and of
//! IPv6, whose IP header the program or the kernel makes, and packet sockets, which send frames or
//! network packets. No packet reaches a network, and the sockets receive none.
//!
//! | module | what it does |
//! |---|---|
//! | `ipv4`, `ipv6` | raw sockets of IP, and the headers that the kernel would make or complete |
//! | `packet` | packet sockets |
//! | `options` | the options of a socket |

mod ipv4;
mod ipv6;
mod options;
mod packet;

use bytes::Bytes;
use ipq_core::Errno;
use ipv4::Ipv4;
use ipv6::Ipv6;
use options::Options;
use packet::PacketSocket;
use rustix::io::Errno as System;
use rustix::net::{AddressFamily, SocketType};

/// A packet that a program sent by a raw socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPacket {
    /// The bytes that would leave the machine. They should begin with the header that `layer`
    /// names; a header that the program made is hardly checked.
    pub bytes: Bytes,
    /// The kind of header that the bytes begin with.
    pub layer: RawLayer,
    /// The mark that the socket gives its packets (`SO_MARK`); `None` if it gives none.
    pub mark: Option<u32>,
}

/// The kind of header that a sent packet's bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawLayer {
    /// An Ethernet header.
    Ethernet,
    /// A network header of the protocol with this `EtherType`.
    Network(u16),
}

/// An emulated raw socket or packet socket.
#[derive(Debug)]
pub(super) struct RawSocket {
    kind: Kind,
    options: Options,
}

#[derive(Debug)]
enum Kind {
    Ipv4(Ipv4),
    Ipv6(Ipv6),
    Packet(PacketSocket),
}

const AF_UNSPEC: i32 = AddressFamily::UNSPEC.as_raw() as i32;
const AF_INET: i32 = AddressFamily::INET.as_raw() as i32;
const AF_INET6: i32 = AddressFamily::INET6.as_raw() as i32;
const AF_PACKET: i32 = AddressFamily::PACKET.as_raw() as i32;
const SOCK_RAW: i32 = SocketType::RAW.as_raw().cast_signed();

const MSG_OOB: i32 = 1;

impl RawSocket {
    /// Opens the socket that `socket(domain, kind, protocol)` asks for, `kind` without flags. Fails
    /// with the error with which that call fails.
    pub(super) fn open(domain: i32, kind: i32, protocol: i32) -> Result<Self, Errno> {
        Ok(Self {
            options: Options::new(domain, kind, protocol),
            kind: match (domain, kind) {
                (AF_PACKET, _) => Kind::Packet(PacketSocket::open(kind, protocol)?),
                (AF_INET, SOCK_RAW) => Kind::Ipv4(Ipv4::new(ip_protocol(protocol)?)),
                (AF_INET6, SOCK_RAW) => Kind::Ipv6(Ipv6::new(ip_protocol(protocol)?)),
                _ => return Err(errno(System::SOCKTNOSUPPORT)),
            },
        })
    }

    /// Binds the socket to an address. Any address counts as one of the emulated host's.
    pub(super) fn bind(&mut self, address: &[u8]) -> Result<(), Errno> {
        match &mut self.kind {
            Kind::Ipv4(socket) => socket.bind(address),
            Kind::Ipv6(socket) => socket.bind(address),
            Kind::Packet(socket) => socket.bind(address),
        }
    }

    /// Sets the destination of packets that are sent without an address. An address of `AF_UNSPEC`
    /// takes the destination away. Fails with EOPNOTSUPP for a packet socket.
    pub(super) fn connect(&mut self, address: &[u8]) -> Result<(), Errno> {
        match &mut self.kind {
            Kind::Ipv4(socket) => socket.connect(address),
            Kind::Ipv6(socket) => socket.connect(address),
            Kind::Packet(_) => Err(Errno::EOPNOTSUPP),
        }
    }

    /// Returns the socket's own address, as getsockname does.
    pub(super) fn name(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Ipv4(socket) => socket.name(),
            Kind::Ipv6(socket) => socket.name(),
            Kind::Packet(socket) => socket.name(),
        }
    }

    /// Returns the address that the socket is connected to, as getpeername does. Fails with
    /// ENOTCONN if there is none or its port is 0, and with EOPNOTSUPP for a packet socket.
    pub(super) fn peer(&self) -> Result<Vec<u8>, Errno> {
        match &self.kind {
            Kind::Ipv4(socket) => socket.peer(),
            Kind::Ipv6(socket) => socket.peer(),
            Kind::Packet(_) => Err(Errno::EOPNOTSUPP),
        }
    }

    /// Sets an option, and returns `true`. Returns `false` without setting it if it is an option of
    /// `SOL_SOCKET` that is left to the Unix socket in the emulated one's place.
    pub(super) fn set_option(&mut self, level: i32, name: i32, value: &[u8]) -> Result<bool, Errno> {
        self.options.set(level, name, value)
    }

    /// Returns an option's value; `None` if the option is left to the Unix socket in the emulated
    /// one's place.
    pub(super) fn option(&self, level: i32, name: i32) -> Result<Option<i32>, Errno> {
        self.options.value(level, name)
    }

    /// Returns the most bytes that may be sent in one datagram.
    pub(super) fn longest(&self) -> usize {
        match &self.kind {
            Kind::Ipv4(_) => ipv4::LONGEST,
            Kind::Ipv6(_) => ipv6::LONGEST,
            Kind::Packet(_) => packet::LONGEST,
        }
    }

    /// Returns the packet that leaves when a program sends `bytes` to `address`, or, without one,
    /// to the address that the socket is connected or bound to. Fails with the error with which the
    /// call fails.
    pub(super) fn send(&mut self, bytes: Vec<u8>, address: Option<&[u8]>, flags: i32) -> Result<RawPacket, Errno> {
        if bytes.len() > self.longest() {
            return Err(Errno::EMSGSIZE);
        }
        let (bytes, layer) = match &mut self.kind {
            Kind::Packet(socket) => socket.send(bytes, address)?,
            _ if flags & MSG_OOB != 0 => return Err(Errno::EOPNOTSUPP),
            Kind::Ipv4(socket) => (socket.send(bytes, address, &self.options)?, RawLayer::Network(IPV4)),
            Kind::Ipv6(socket) => (socket.send(bytes, address, &self.options)?, RawLayer::Network(IPV6)),
        };
        Ok(RawPacket {
            bytes: bytes.into(),
            layer,
            mark: self.options.mark(),
        })
    }

    /// Returns the packet that leaves when a program sends `bytes` to an address that was not seen.
    /// Takes the address from the IP header if the bytes have one, makes one up for a packet
    /// socket, and otherwise takes the address that the socket is connected to.
    pub(super) fn send_somewhere(&mut self, bytes: Vec<u8>) -> Result<RawPacket, Errno> {
        let named = match &self.kind {
            Kind::Packet(socket) => Some(socket.named_by(&bytes)),
            _ if !self.options.header_included() => None,
            Kind::Ipv4(_) => Some(ipv4::named_by(&bytes)),
            Kind::Ipv6(_) => Some(ipv6::named_by(&bytes)),
        };
        self.send(bytes, named.as_deref(), 0)
    }
}

/// The `EtherType` of IPv4. The next constant is that of IPv6.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// `IPPROTO_RAW`, the protocol of a raw socket on which the program sends packets with their IP
/// header.
const RAW: u16 = 255;

/// Returns the protocol of a raw socket of IP from the argument of `socket`. Fails with
/// EPROTONOSUPPORT for 0, and with EINVAL for a number that no protocol can have.
fn ip_protocol(protocol: i32) -> Result<u16, Errno> {
    /// `IPPROTO_MAX` of today's kernels, which number protocols of their own beyond 255.
    const END: i32 = 263;
    match protocol {
        0 => Err(Errno::EPROTONOSUPPORT),
        1..END => Ok(protocol.cast_unsigned() as u16),
        _ => Err(Errno::EINVAL),
    }
}

/// Returns the address family that an address begins with; `None` if it is too short for one.
fn family(address: &[u8]) -> Option<i32> {
    address.first_chunk().map(|family| u16::from_ne_bytes(*family).into())
}

/// Returns the `N` bytes of an address from the offset `at` on; only zeros if the address does not
/// have them all.
fn part<const N: usize>(address: &[u8], at: usize) -> [u8; N] {
    let part = address.get(at..).and_then(<[u8]>::first_chunk);
    part.copied().unwrap_or([0; N])
}

fn errno(error: System) -> Errno {
    Errno(error.raw_os_error())
}

#[cfg(test)]
mod tests;
