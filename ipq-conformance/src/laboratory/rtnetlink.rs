//! The few requests of rtnetlink that set up devices, addresses, neighbours and routes.
//!
//! Each request is one message. The call returns when the kernel has answered it.

use super::LaboratoryError;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

const HEADER_BYTES: usize = 16;

const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;

const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const REPLACE: u16 = 0x100;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;

const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const TABLE_MAIN: u8 = 254;
const SCOPE_LINK: u8 = 253;
/// The protocol number that marks a route as the kernel's own.
const PROTOCOL_KERNEL: u8 = 2;
const KERNEL_METRIC: u32 = 256;

/// The multicast group that reports changes of IPv6 routes.
const IPV6_ROUTE_CHANGES: u32 = 1 << 10;

const NO_DUPLICATE_DETECTION: u8 = 2;
const NEIGHBOUR_IS_PERMANENT: u16 = 0x80;
const INTERFACE_IS_UP: u32 = 1;

/// The sockets by which this process sets up devices: one for rtnetlink, and one for an ioctl.
#[derive(Debug)]
pub(super) struct Rtnetlink {
    socket: OwnedFd,
    /// A socket for the ioctl that looks up a device's index. Old kernels refuse it on a netlink
    /// socket.
    inquiries: OwnedFd,
    sequence: Cell<u32>,
}

impl Rtnetlink {
    /// Opens the sockets in the current network namespace of this process.
    pub(super) fn open() -> Result<Self, LaboratoryError> {
        let inquiries = net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        Ok(Self {
            socket: socket(0)?,
            inquiries: inquiries.map_err(|error| LaboratoryError::system("open a socket", error))?,
            sequence: Cell::new(1),
        })
    }

    /// Returns the index of the device `name`; an error if there is none.
    pub(super) fn index_of(&self, name: &str) -> Result<u32, LaboratoryError> {
        let index = net::netdevice::name_to_index(self.inquiries.as_fd(), name);
        index.map_err(|error| LaboratoryError::system(format!("find the device {name}"), error))
    }

    /// Creates a veth pair: the devices `name` and `peer`, each of which receives what the other
    /// sends. `name` has the link-layer address `mac`. Both have the MTU `mtu`.
    pub(super) fn create_pair(&self, name: &str, mac: [u8; 6], mtu: u32, peer: &str) -> Result<(), LaboratoryError> {
        let mut message = Message::new(RTM_NEWLINK, CREATE | EXCLUSIVE, &link_body(0, 0, 0));
        message.attribute(3, &name_bytes(name));
        message.attribute(1, &mac);
        message.attribute(4, &mtu.to_ne_bytes());
        message.nested(18, |info| {
            info.attribute(1, b"veth");
            info.nested(2, |data| {
                data.nested(1, |other| {
                    other.bytes.extend(link_body(0, 0, 0));
                    other.attribute(3, &name_bytes(peer));
                    other.attribute(4, &mtu.to_ne_bytes());
                });
            });
        });
        self.request(message, &format!("make the devices {name} and {peer}"))
    }

    /// Removes a device. With one device of a veth pair, removes both.
    pub(super) fn remove(&self, index: u32) -> Result<(), LaboratoryError> {
        let message = Message::new(RTM_DELLINK, 0, &link_body(index, 0, 0));
        self.request(message, &format!("remove device {index}"))
    }

    /// Gives a device the link-layer address `mac`.
    pub(super) fn set_mac(&self, index: u32, mac: [u8; 6]) -> Result<(), LaboratoryError> {
        let mut message = Message::new(RTM_NEWLINK, 0, &link_body(index, 0, 0));
        message.attribute(1, &mac);
        self.request(message, &format!("set the address of device {index}"))
    }

    /// Gives a device that is down the name `name`.
    pub(super) fn rename(&self, index: u32, name: &str) -> Result<(), LaboratoryError> {
        let mut message = Message::new(RTM_NEWLINK, 0, &link_body(index, 0, 0));
        message.attribute(3, &name_bytes(name));
        self.request(message, &format!("rename device {index} to {name}"))
    }

    /// Returns whether a device is set up.
    pub(super) fn is_up(&self, index: u32) -> Result<bool, LaboratoryError> {
        let message = Message::new(RTM_GETLINK, 0, &link_body(index, 0, 0));
        let answer = self.exchange(message, 0, &format!("look up the state of device {index}"))?;
        let flags = answer.body.get(8..).and_then(|flags| flags.first_chunk());
        Ok(flags.is_some_and(|flags| u32::from_ne_bytes(*flags) & INTERFACE_IS_UP != 0))
    }

    /// Sets a device up or down.
    pub(super) fn set_up(&self, index: u32, up: bool) -> Result<(), LaboratoryError> {
        let flags = if up { INTERFACE_IS_UP } else { 0 };
        let message = Message::new(RTM_NEWLINK, 0, &link_body(index, flags, INTERFACE_IS_UP));
        let state = if up { "up" } else { "down" };
        self.request(message, &format!("set device {index} {state}"))
    }

    /// Gives a device an address in a network of `prefix` bits. Succeeds if the device has the
    /// address already.
    pub(super) fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> Result<(), LaboratoryError> {
        let mut body = vec![family_of(address), prefix, NO_DUPLICATE_DETECTION, 0];
        body.extend(index.to_ne_bytes());
        let mut message = Message::new(RTM_NEWADDR, CREATE | REPLACE, &body);
        message.attribute(2, &octets(address));
        message.attribute(1, &octets(address));
        match self.request(message, &format!("give device {index} the address {address}")) {
            // Kernels up to 3.8 return this for an IPv4 address that is there already.
            Err(LaboratoryError::Failed { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            given => given,
        }
    }

    /// Gives a device a permanent neighbour `address` with the link-layer address `mac`.
    pub(super) fn add_neighbour(&self, index: u32, address: IpAddr, mac: [u8; 6]) -> Result<(), LaboratoryError> {
        let mut body = vec![family_of(address), 0, 0, 0];
        body.extend(index.to_ne_bytes());
        body.extend(NEIGHBOUR_IS_PERMANENT.to_ne_bytes());
        body.extend([0, 0]);
        let mut message = Message::new(RTM_NEWNEIGH, CREATE | REPLACE, &body);
        message.attribute(1, &octets(address));
        message.attribute(2, &mac);
        self.request(message, &format!("make the neighbour {address} known"))
    }

    /// Lets no packet of more than `mtu` bytes go through a device to `network`, even if the device
    /// could carry it. `prefix` is the length of the network's prefix in bits. Replaces the
    /// kernel's own route to the network.
    pub(super) fn limit_route(&self, index: u32, network: IpAddr, prefix: u8, mtu: u32) -> Result<(), LaboratoryError> {
        let scope = if network.is_ipv4() { SCOPE_LINK } else { 0 };
        let mut body = route_body(network, prefix);
        body[4..8].copy_from_slice(&[TABLE_MAIN, PROTOCOL_KERNEL, scope, RTN_UNICAST]);
        let mut message = Message::new(RTM_NEWROUTE, CREATE | REPLACE, &body);
        message.attribute(1, &octets(network));
        message.attribute(4, &index.to_ne_bytes());
        if network.is_ipv6() {
            message.attribute(6, &KERNEL_METRIC.to_ne_bytes());
        }
        message.nested(8, |metrics| metrics.attribute(2, &mtu.to_ne_bytes()));
        self.request(message, &format!("limit the packets to {network}/{prefix}"))
    }

    /// Waits until the kernel delivers packets to `address` on this host. An error if it announces
    /// no change of routes for 5 seconds.
    pub(super) fn await_local(&self, address: Ipv6Addr) -> Result<(), LaboratoryError> {
        // This socket listens before the first look, so that no change is missed in between.
        let changes = socket(IPV6_ROUTE_CHANGES)?;
        while !self.is_local(address)? {
            super::await_readable(&changes, &format!("the route to the own address {address}"))?;
            let taken = net::recv(&changes, &mut [0; 512][..], RecvFlags::empty());
            taken.map_err(|error| LaboratoryError::system("hear of new routes", error))?;
        }
        Ok(())
    }

    fn is_local(&self, address: Ipv6Addr) -> Result<bool, LaboratoryError> {
        let address = IpAddr::from(address);
        let mut message = Message::new(RTM_GETROUTE, 0, &route_body(address, 128));
        message.attribute(1, &octets(address));
        let what = format!("look up the route to {address}");
        let answer = self.exchange(message, 0, &what)?;
        Ok(answer.kind == RTM_NEWROUTE && answer.body.get(7) == Some(&RTN_LOCAL))
    }

    /// Sends a request, and waits for its acknowledgement. A refusal by the kernel is an error.
    /// `what` names the request in errors.
    fn request(&self, message: Message, what: &str) -> Result<(), LaboratoryError> {
        self.exchange(message, ACKNOWLEDGE, what).map(drop)
    }

    /// Sends a message, and returns the kernel's answer to it: the one with its sequence number. A
    /// refusal by the kernel is an error. `what` names the message in errors.
    fn exchange(&self, message: Message, flags: u16, what: &str) -> Result<Answer, LaboratoryError> {
        let failed = |error| LaboratoryError::system(what, error);
        let sequence = self.sequence.replace(self.sequence.get().wrapping_add(1));
        let bytes = message.finish(REQUEST | flags, sequence);
        net::send(&self.socket, &bytes, SendFlags::empty()).map_err(failed)?;
        let mut buffer = [0; 4096];
        loop {
            let (_, length) = net::recv(&self.socket, &mut buffer[..], RecvFlags::empty()).map_err(failed)?;
            let answer = Answer::parse(&buffer[..length.min(buffer.len())]);
            let Some(answer) = answer.filter(|answer| answer.sequence == sequence) else {
                continue;
            };
            if answer.kind != NLMSG_ERROR {
                return Ok(answer);
            }
            let error = answer.body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
            return match error {
                0 => Ok(answer),
                negative => Err(LaboratoryError::Failed {
                    what: what.to_owned(),
                    source: io::Error::from_raw_os_error(negative.wrapping_neg()).into(),
                }),
            };
        }
    }
}

/// Opens an rtnetlink socket that receives the multicast groups in the bits of `groups`.
fn socket(groups: u32) -> Result<OwnedFd, LaboratoryError> {
    let failed = |error| LaboratoryError::system("open a socket for rtnetlink", error);
    // Protocol 0 is rtnetlink.
    let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None);
    let socket = socket.map_err(failed)?;
    net::bind(&socket, &netlink::SocketAddrNetlink::new(0, groups)).map_err(failed)?;
    Ok(socket)
}

/// The first message of a datagram from the kernel.
struct Answer {
    kind: u16,
    sequence: u32,
    body: Vec<u8>,
}

impl Answer {
    fn parse(datagram: &[u8]) -> Option<Self> {
        let (header, body) = datagram.split_at_checked(HEADER_BYTES)?;
        Some(Self {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            body: body.to_vec(),
        })
    }
}

/// A netlink message under construction.
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend(body);
        Self { bytes }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend((value.len() as u16 + 4).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
    }

    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let begin = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend(kind.to_ne_bytes());
        fill(self);
        let length = (self.bytes.len() - begin) as u16;
        self.bytes[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self, flags: u16, sequence: u32) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        let flags = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) | flags;
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

fn link_body(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&flags.to_ne_bytes());
    body[12..].copy_from_slice(&change.to_ne_bytes());
    body
}

fn route_body(address: IpAddr, prefix: u8) -> [u8; 12] {
    [family_of(address), prefix, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn family_of(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    family.as_raw() as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn name_bytes(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}
