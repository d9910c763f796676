//! The devices and their wires. A frame that is put on a wire arrives at the wire's device. A frame
//! that leaves by the device can be taken from its wire.

use super::rtnetlink::Rtnetlink;
use super::{LaboratoryError, sys};
use crate::world::topology::{Device, MTU, TAP0, TAP1};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

/// The MTU of a veth pair: the length of the longest IPv4 packet. So a packet longer than [`MTU`]
/// can arrive.
const PAIR_MTU: u32 = 65_535;
/// The length of the longest frame on a wire, in bytes.
const FRAME_BYTES: usize = 14 + 65_535;
const EVERY_ETHER_TYPE: u16 = 3;
/// The `ETHTOOL` commands that turn offloads off: RX and TX checksums, SG, TSO, GSO and GRO.
const OFFLOADS: [u32; 6] = [0x15, 0x17, 0x19, 0x1f, 0x24, 0x2c];

/// A device of the host under test, and its wire.
#[derive(Debug)]
pub(super) struct Wired {
    device: Device,
    index: u32,
    wire: Wire,
    up: bool,
    buffer: Vec<u8>,
}

/// The end of a device's wire where the laboratory sends and receives frames.
#[derive(Debug)]
enum Wire {
    /// A TAP device's descriptor. The device vanishes when the descriptor is closed.
    Tap(OwnedFd),
    /// A packet socket on the peer of a veth device. Both devices vanish with the namespace, or
    /// are removed by [`remove_pairs`].
    Pair(OwnedFd),
}

impl Wired {
    /// Creates the device with its addresses and neighbours, and sets it up. It is a TAP device if
    /// this process may open `/dev/net/tun`, otherwise a veth device.
    pub(super) fn create(device: Device, rtnetlink: &Rtnetlink) -> Result<Self, LaboratoryError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let wire = match rustix::fs::open("/dev/net/tun", flags, Mode::empty()) {
            Ok(tun) => {
                let made = sys::make_tap(tun.as_fd(), device.name);
                made.map_err(|error| LaboratoryError::io(format!("make the TAP device {}", device.name), error))?;
                Wire::Tap(tun)
            }
            Err(_) => Wire::Pair(create_pair(&device, rtnetlink)?),
        };
        let index = rtnetlink.index_of(device.name)?;
        if matches!(wire, Wire::Tap(_)) {
            rtnetlink.set_mac(index, device.mac)?;
        }
        let mut wired = Self {
            device,
            index,
            wire,
            up: false,
            buffer: vec![0; FRAME_BYTES],
        };
        wired.set_up(true, rtnetlink)?;
        Ok(wired)
    }

    /// Returns the device's name.
    pub(super) const fn name(&self) -> &'static str {
        self.device.name
    }

    /// Returns the device's IPv6 address.
    pub(super) const fn ipv6(&self) -> Ipv6Addr {
        self.device.ipv6
    }

    /// Sets the device up or down. When it comes up, gives it its addresses and neighbours, most of
    /// which it loses when it goes down. Also limits the routes of a veth device to [`MTU`] then.
    pub(super) fn set_up(&mut self, up: bool, rtnetlink: &Rtnetlink) -> Result<(), LaboratoryError> {
        rtnetlink.set_up(self.index, up)?;
        self.up = up;
        if !up {
            return Ok(());
        }
        let Device { ipv4, ipv6, .. } = self.device;
        rtnetlink.add_address(self.index, ipv4.into(), 24)?;
        rtnetlink.add_address(self.index, ipv6.into(), 64)?;
        let mac = self.device.neighbour_mac;
        rtnetlink.add_neighbour(self.index, self.device.neighbour_ipv4.into(), mac)?;
        rtnetlink.add_neighbour(self.index, self.device.neighbour_ipv6.into(), mac)?;
        if matches!(self.wire, Wire::Pair(_)) {
            rtnetlink.limit_route(self.index, network_of_ipv4(ipv4), 24, MTU as u32)?;
            rtnetlink.limit_route(self.index, network_of_ipv6(ipv6), 64, MTU as u32)?;
        }
        Ok(())
    }

    /// Gives the device the name `name`. The device must be down.
    pub(super) fn rename(&self, name: &str, rtnetlink: &Rtnetlink) -> Result<(), LaboratoryError> {
        rtnetlink.rename(self.index, name)
    }

    /// Puts a frame on the wire, so that it arrives at the device. Fails if the device refuses the
    /// frame. A device that is down loses the frame without an error.
    pub(super) fn inject(&self, frame: &[u8]) -> Result<(), Errno> {
        match &self.wire {
            // The kernels that had ip_queue lose the frame without an error; newer TAP devices
            // return EIO.
            _ if !self.up => Ok(()),
            Wire::Tap(tun) => rustix::io::write(tun, frame).map(drop),
            Wire::Pair(socket) => net::send(socket, frame, SendFlags::empty()).map(drop),
        }
    }

    /// Takes and returns the next frame that left by the device; `None` if there is none. A TAP
    /// device that is down also gives `None`.
    pub(super) fn take_frame(&mut self) -> Result<Option<&[u8]>, Errno> {
        let taken = match &self.wire {
            Wire::Tap(tun) => rustix::io::read(tun, &mut self.buffer[..]),
            Wire::Pair(socket) => {
                net::recv(socket, &mut self.buffer[..], RecvFlags::DONTWAIT).map(|(_, length)| length)
            }
        };
        match taken {
            Ok(length) => Ok(Some(&self.buffer[..length.min(FRAME_BYTES)])),
            // A TAP device that is down returns EIO.
            Err(Errno::AGAIN | Errno::IO | Errno::NETDOWN) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Creates a veth pair whose offloads are off. Returns a packet socket on the device's peer, which
/// has no addresses.
pub(super) fn create_pair(device: &Device, rtnetlink: &Rtnetlink) -> Result<OwnedFd, LaboratoryError> {
    let peer = peer_of(device);
    rtnetlink.create_pair(device.name, device.mac, PAIR_MTU, &peer)?;
    super::sysctls::write(&format!("net/ipv6/conf/{peer}/disable_ipv6"), "1")?;
    let index = rtnetlink.index_of(&peer)?;
    // A socket that is bound to a device that is down gets an error.
    rtnetlink.set_up(index, true)?;
    let socket = packet_socket(index, EVERY_ETHER_TYPE)?;
    for name in [device.name, &peer] {
        for command in OFFLOADS {
            // A device without an offload refuses the command.
            let _ = sys::switch_offload_off(socket.as_fd(), name, command);
        }
    }
    Ok(socket)
}

/// Returns the name of the peer of a veth device.
fn peer_of(device: &Device) -> String {
    format!("wire-{}", device.name)
}

/// Removes the veth pairs of a laboratory from the current network namespace. Goes on after a
/// failure, and returns the first.
pub(super) fn remove_pairs() -> Result<(), LaboratoryError> {
    let rtnetlink = Rtnetlink::open()?;
    // A case may have renamed the device, but not its peer.
    let peers = [TAP0, TAP1].map(|device| rtnetlink.index_of(&peer_of(&device)));
    let removed = peers.into_iter().flatten().map(|peer| rtnetlink.remove(peer));
    removed.fold(Ok(()), Result::and)
}

/// Returns a packet socket for frames of `ether_type` on the device with this index.
pub(super) fn packet_socket(index: u32, ether_type: u16) -> Result<OwnedFd, LaboratoryError> {
    // With protocol 0 the socket receives nothing before it is bound.
    let socket = net::socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None);
    let socket = socket.map_err(|error| LaboratoryError::system("open a packet socket", error))?;
    let bound = sys::bind_to_device(socket.as_fd(), index, ether_type);
    bound.map_err(|error| LaboratoryError::io(format!("bind a packet socket to device {index}"), error))?;
    Ok(socket)
}

fn network_of_ipv4(address: Ipv4Addr) -> IpAddr {
    Ipv4Addr::from_bits(address.to_bits() & !0xff).into()
}

fn network_of_ipv6(address: Ipv6Addr) -> IpAddr {
    Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()
}
