//! The laboratory: the devices and addresses around the queue, in every world and in the
//! recordings.
//!
//! ```text
//!   neighbour A           the host under test             neighbour B
//!   10.1.0.2 ──────── tap0 10.1.0.1    10.2.0.1 tap1 ──────── 10.2.0.2
//!   fd00:1::2              fd00:1::1  fd00:2::1               fd00:2::2
//!   02:00:00:00:20:01      …:10:01      …:10:02               02:00:00:00:20:02
//! ```
//!
//! There are two Ethernet devices, and `lo`. The MTU of the routes by an Ethernet device is 1500.
//! Forwarding is on for both families, the neighbours' link-layer addresses are known, and there is
//! no connection tracking. The program holds `CAP_NET_ADMIN`. Neither `ip_queue` has a peer, and
//! the maximum length of each is 1024.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet device of the host under test: its name and addresses, and those of the neighbour
/// behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// The device's name: `tap0` or `tap1`.
    pub name: &'static str,
    /// The device's link-layer address.
    pub mac: [u8; 6],
    /// The host's IPv4 address on the device, in a network of 24 bits.
    pub ipv4: Ipv4Addr,
    /// The host's IPv6 address on the device, in a network of 64 bits.
    pub ipv6: Ipv6Addr,
    /// The link-layer address of the neighbour behind the device.
    pub neighbour_mac: [u8; 6],
    /// The IPv4 address of the neighbour behind the device.
    pub neighbour_ipv4: Ipv4Addr,
    /// The IPv6 address of the neighbour behind the device.
    pub neighbour_ipv6: Ipv6Addr,
}

/// The device `tap0`, which leads to neighbour A.
pub const TAP0: Device = Device {
    name: "tap0",
    mac: [0x02, 0, 0, 0, 0x10, 0x01],
    ipv4: Ipv4Addr::new(10, 1, 0, 1),
    ipv6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1),
    neighbour_mac: [0x02, 0, 0, 0, 0x20, 0x01],
    neighbour_ipv4: Ipv4Addr::new(10, 1, 0, 2),
    neighbour_ipv6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2),
};

/// The device `tap1`, which leads to neighbour B.
pub const TAP1: Device = Device {
    name: "tap1",
    mac: [0x02, 0, 0, 0, 0x10, 0x02],
    ipv4: Ipv4Addr::new(10, 2, 0, 1),
    ipv6: Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 1),
    neighbour_mac: [0x02, 0, 0, 0, 0x20, 0x02],
    neighbour_ipv4: Ipv4Addr::new(10, 2, 0, 2),
    neighbour_ipv6: Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 2),
};

/// The name of the loopback device.
pub const LO: &str = "lo";

/// The names of all devices: both Ethernet devices, and `lo`.
pub const DEVICES: [&str; 3] = [TAP0.name, TAP1.name, LO];

/// The MTU, in bytes, of the routes by an Ethernet device. A longer packet can arrive.
pub const MTU: usize = 1500;
