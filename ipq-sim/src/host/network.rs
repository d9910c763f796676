//! The host's devices, their addresses and neighbours, and the routes that follow from them.

use super::recent::Recent;
use crate::books::DropReason;
use crate::frame::{MacAddress, OutgoingFrame, ethernet_header};
use bytes::Bytes;
use ipq_core::wire::{EtherType, InterfaceName, InvalidInterfaceName};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

/// The description of a network device for the emulated host: its name, MTU, addresses, and the
/// neighbours and gateway that it knows.
///
/// ```
/// use ipq_sim::Device;
/// use std::net::Ipv4Addr;
///
/// let device = Device::ethernet("eth0", [2, 0, 0, 0, 0, 1])
///     .address(Ipv4Addr::new(192, 0, 2, 1), 24)
///     .neighbour(Ipv4Addr::new(192, 0, 2, 9), [2, 0, 0, 0, 0, 9]);
/// # let _ = device;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    name: String,
    kind: Kind,
    mtu: usize,
    addresses: Vec<(IpAddr, u8)>,
    ipv4_neighbours: BTreeMap<Ipv4Addr, MacAddress>,
    ipv6_neighbours: BTreeMap<Ipv6Addr, MacAddress>,
    gateway: Option<MacAddress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Loopback,
    Ethernet(MacAddress),
}

/// The reason why the host can't have a device that was described, or why a device name is unknown
/// to the host.
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The host has no device of that name.
    #[error("the host has no device {name:?}; it has {}", .has.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names of the host's devices.
        has: Vec<String>,
    },
    /// Two devices have the same name. One may be `lo`, which every host has.
    #[error("there are two devices {name:?}: give each a name of its own")]
    Duplicate {
        /// The name that both devices have.
        name: String,
    },
    /// There are more than 65,534 devices beside `lo`.
    #[error("a host has {} devices at most beside lo, and these are {count}: describe fewer", DeviceId::MANY - 1)]
    TooMany {
        /// The number of devices that were given, without `lo`.
        count: usize,
    },
    /// A device has no name.
    #[error("a device has no name, and in frames that stands for no device: give it one")]
    Nameless,
    /// The name can't be that of a network device.
    #[error("{name:?} can't be a device: {source}")]
    InvalidName {
        /// The name that was given.
        name: String,
        /// The error in the name.
        source: InvalidInterfaceName,
    },
}

impl fmt::Debug for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Device {
    /// Returns an Ethernet device with an MTU of 1500 bytes, and without addresses, neighbours or a
    /// gateway. It is up in a new host.
    #[must_use]
    pub fn ethernet(name: &str, mac: MacAddress) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Ethernet(mac),
            mtu: 1500,
            addresses: Vec::new(),
            ipv4_neighbours: BTreeMap::new(),
            ipv6_neighbours: BTreeMap::new(),
            gateway: None,
        }
    }

    /// Returns the loopback device `lo`, with the addresses 127.0.0.1/8 and `::1` and an MTU of
    /// 16,436 bytes. Every emulated host has one.
    pub(crate) fn loopback() -> Self {
        Self {
            kind: Kind::Loopback,
            mtu: 16_436,
            ..Self::ethernet("lo", [0; 6])
        }
        .address(Ipv4Addr::LOCALHOST, 8)
        .address(Ipv6Addr::LOCALHOST, 128)
    }

    /// Adds an address to the device's own, and with it the network of all addresses that share the
    /// first `prefix` bits: packets to other hosts in that network leave by the device, unless a
    /// smaller network of another device holds them, too. A `prefix` larger than the address has
    /// bits stands for all its bits.
    #[must_use]
    pub fn address(mut self, address: impl Into<IpAddr>, prefix: u8) -> Self {
        self.addresses.push((address.into(), prefix));
        self
    }

    /// Tells the device the link-layer address of a neighbour, so that packets to the neighbour can
    /// leave. A further call for the same neighbour replaces that address.
    #[must_use]
    pub fn neighbour(mut self, address: impl Into<IpAddr>, mac: MacAddress) -> Self {
        match address.into() {
            IpAddr::V4(address) => self.ipv4_neighbours.insert(address, mac),
            IpAddr::V6(address) => self.ipv6_neighbours.insert(address, mac),
        };
        self
    }

    /// Sets the link-layer address of the device's gateway. A packet to a single host that leaves
    /// by the device goes there if that host is no known neighbour. This adds no route: no further
    /// packets are routed to the device.
    #[must_use]
    pub fn gateway(mut self, mac: MacAddress) -> Self {
        self.gateway = Some(mac);
        self
    }

    /// Sets the MTU, the length in bytes of the longest packet that leaves in one piece. A number
    /// below 68 counts as 68.
    #[must_use]
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = bytes.max(68);
        self
    }
}

/// The number of a device of the host, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DeviceId(NonZeroU16);

impl DeviceId {
    /// The number of the device `lo`, which is always the first.
    pub(crate) const LOOPBACK: Self = Self(NonZeroU16::MIN);

    /// Returns the device's number, which is the kernel's interface index.
    pub(crate) const fn number(self) -> u16 {
        self.0.get()
    }

    /// The most devices that a host can have, `lo` included.
    const MANY: usize = u16::MAX as usize;

    /// Returns the number of the device at this index, from 0 on, in the list of devices: the index
    /// plus 1.
    const fn at(index: usize) -> Self {
        Self(NonZeroU16::MIN.saturating_add(index as u16))
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The way of a packet: to this host, or out by a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The packet is for this host.
    Local,
    /// The packet leaves by this device.
    Via(DeviceId),
}

/// The most frames that a device keeps of those that left by it, until they are taken. A further
/// frame replaces the oldest.
const FRAMES_KEPT: usize = 65_536;

/// The route of the IPv4 packet that arrived last, or the reason to drop it, by its source and its
/// destination.
pub(super) type RecentRoute = Recent<[Ipv4Addr; 2], Result<Route, DropReason>>;

/// The devices of the host, and the tables that are made of their addresses.
pub(crate) struct Network {
    devices: Vec<State>,
    /// The devices' IPv4 addresses with their networks, the smallest network first, and of networks
    /// of one size that of the first device.
    ipv4: Vec<Ipv4Network>,
    recent_route: RecentRoute,
    /// The link-layer address that was found last for an IPv4 packet to leave to, or `None` if none
    /// was known, by the device and the packet's destination.
    recent_hop: Recent<(DeviceId, Ipv4Addr), Option<MacAddress>>,
}

struct State {
    device: Device,
    name: InterfaceName,
    up: bool,
    sent: VecDeque<OutgoingFrame>,
}

/// An IPv4 address of the host, and the network that it is in.
#[derive(Clone, Copy)]
struct Ipv4Network {
    device: DeviceId,
    own: u32,
    mask: u32,
    /// The network's two broadcast addresses: the last of the network, and the first, which is an
    /// older form. A network of one or two addresses, or of loopback addresses, has no broadcast.
    /// There, both places hold the host's own address.
    broadcast: [u32; 2],
}

impl Ipv4Network {
    fn new(device: DeviceId, own: Ipv4Addr, prefix: u8) -> Self {
        let mask = !u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
        let has_broadcast = !mask > 1 && !own.is_loopback();
        let own = own.to_bits();
        Self {
            device,
            own,
            mask,
            broadcast: if has_broadcast {
                [own | !mask, own & mask]
            } else {
                [own; 2]
            },
        }
    }

    const fn holds(self, address: u32) -> bool {
        (self.own ^ address) & self.mask == 0
    }
}

impl Network {
    pub(crate) fn new(devices: Vec<Device>) -> Result<Self, DeviceError> {
        let count = devices.len();
        if count >= DeviceId::MANY {
            return Err(DeviceError::TooMany { count });
        }
        let mut network = Self {
            devices: Vec::new(),
            ipv4: Vec::new(),
            recent_route: RecentRoute::default(),
            recent_hop: Recent::default(),
        };
        for device in std::iter::once(Device::loopback()).chain(devices) {
            let name = InterfaceName::from_str(&device.name).map_err(|source| DeviceError::InvalidName {
                name: device.name.clone(),
                source,
            })?;
            if name == InterfaceName::NONE {
                return Err(DeviceError::Nameless);
            }
            if network.devices.iter().any(|other| other.name == name) {
                return Err(DeviceError::Duplicate { name: device.name });
            }
            let id = DeviceId::at(network.devices.len());
            network
                .ipv4
                .extend(device.addresses.iter().filter_map(|(own, prefix)| match own {
                    IpAddr::V4(own) => Some(Ipv4Network::new(id, *own, *prefix)),
                    IpAddr::V6(_) => None,
                }));
            network.devices.push(State {
                device,
                name,
                up: true,
                sent: VecDeque::new(),
            });
        }
        // Of networks of the same size, that of the first device comes first.
        network.ipv4.sort_by_key(|network| std::cmp::Reverse(network.mask));
        Ok(network)
    }

    pub(crate) fn by_name(&self, name: &str) -> Result<DeviceId, DeviceError> {
        let place = self.devices.iter().position(|state| state.device.name == name);
        place.map(DeviceId::at).ok_or_else(|| self.unknown(name))
    }

    #[cold]
    fn unknown(&self, name: &str) -> DeviceError {
        DeviceError::Unknown {
            name: name.to_owned(),
            has: self.devices.iter().map(|state| state.device.name.clone()).collect(),
        }
    }

    /// Writes each device on a line, `lo` first: name, state, MTU and addresses.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for State { device, up, .. } in &self.devices {
            let state = if *up { "UP" } else { "DOWN" };
            write!(f, "{:<6} {state:<4} mtu {:<6}", device.name, device.mtu)?;
            for (address, prefix) in &device.addresses {
                write!(f, " {address}/{prefix}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    pub(crate) fn name(&self, device: Option<DeviceId>) -> InterfaceName {
        device.map_or(InterfaceName::NONE, |device| self.state(device).name)
    }

    /// Returns the device with that interface number, counted from 1. Returns `None` if there is
    /// none.
    pub(crate) fn numbered(&self, number: u32) -> Option<DeviceId> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        (index < self.devices.len()).then(|| DeviceId::at(index))
    }

    pub(crate) fn mtu(&self, device: DeviceId) -> usize {
        self.state(device).device.mtu
    }

    pub(crate) fn is_up(&self, device: DeviceId) -> bool {
        self.state(device).up
    }

    pub(crate) fn set_up(&mut self, device: DeviceId, up: bool) {
        self.state_mut(device).up = up;
        self.recent_route.forget();
        self.recent_hop.forget();
    }

    /// Returns the hardware type of a device: 1 for Ethernet, 772 for loopback (PKT-7).
    pub(crate) fn hw_type(&self, device: DeviceId) -> u16 {
        match self.state(device).device.kind {
            Kind::Ethernet(_) => 1,
            Kind::Loopback => 772,
        }
    }

    /// Returns whom a frame with this destination is for: the device's own address, or several
    /// hosts, if it is a broadcast or multicast address. Returns `None` if it is for another host
    /// (FWD-1).
    pub(crate) fn takes(&self, device: DeviceId, destination: MacAddress) -> Option<Taken> {
        if destination == self.mac(device) {
            Some(Taken::OwnAddress)
        } else if destination[0] & 1 != 0 {
            Some(Taken::Broadcast)
        } else {
            None
        }
    }

    pub(crate) fn mac(&self, device: DeviceId) -> MacAddress {
        match self.state(device).device.kind {
            Kind::Ethernet(mac) => mac,
            Kind::Loopback => [0; 6],
        }
    }

    /// Returns the link-layer address of one of the device's neighbours, the smallest, for a frame
    /// that is made up as if it came from there. If no neighbour is known, returns the gateway's,
    /// and without a gateway zeros.
    pub(crate) fn some_neighbour(&self, device: DeviceId) -> MacAddress {
        let device = &self.state(device).device;
        let neighbours = device.ipv4_neighbours.values().chain(device.ipv6_neighbours.values());
        neighbours.min().copied().or(device.gateway).unwrap_or_default()
    }

    /// Returns `true` if an address is this host's, on any device. While a device is down, its IPv4
    /// addresses count and its IPv6 addresses do not.
    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4.iter().any(|network| network.own == address.to_bits()),
            IpAddr::V6(_) => {
                let mut addresses = self.up().flat_map(|(_, state)| &state.device.addresses);
                addresses.any(|(own, _)| *own == address)
            }
        }
    }

    /// Returns `true` if an IPv4 address is this host's, or a broadcast address of a network whose
    /// device is up: the network's last address or, in an older form, its first.
    #[inline]
    pub(crate) fn is_local(&self, address: Ipv4Addr) -> bool {
        let address = address.to_bits();
        self.ipv4.iter().any(|network| {
            network.own == address || (network.broadcast.contains(&address) && self.is_up(network.device))
        })
    }

    /// Returns the route to an address: `Local` if it is this host's own or a loopback address, and
    /// otherwise `Via` the device that is up and whose network holds the address. Of several such
    /// networks, the one with the longest prefix counts. Returns `None` if no such network holds
    /// the address.
    pub(crate) fn route(&self, destination: IpAddr) -> Option<Route> {
        if self.is_own(destination) || destination.is_loopback() {
            return Some(Route::Local);
        }
        self.device_to(destination).map(Route::Via)
    }

    /// Returns the device, of those that are up, whose network holds the address of another host.
    /// Of several, returns the one with the longest prefix, and of equals the first. Returns `None`
    /// if no network of theirs holds the address.
    pub(crate) fn device_to(&self, destination: IpAddr) -> Option<DeviceId> {
        match destination {
            IpAddr::V4(address) => self.device_to_ipv4(address),
            IpAddr::V6(address) => longest_prefix(self.up().flat_map(|(id, state)| {
                let networks = state.device.addresses.iter();
                let networks = networks.filter(move |(own, prefix)| shares_prefix(*own, address, *prefix));
                networks.map(move |(_, prefix)| (*prefix, id))
            })),
        }
    }

    /// Returns the device, of those that are up, with the smallest IPv4 network that holds the
    /// address of another host, and of equals the first. Returns `None` if no network of theirs
    /// holds the address.
    #[inline]
    pub(crate) fn device_to_ipv4(&self, destination: Ipv4Addr) -> Option<DeviceId> {
        let destination = destination.to_bits();
        let mut networks = self.ipv4.iter();
        let longest = networks.find(|network| network.holds(destination) && self.is_up(network.device));
        longest.map(|network| network.device)
    }

    /// Returns the memory of the route that was found last for an arriving IPv4 packet.
    pub(super) const fn recent_route(&self) -> &RecentRoute {
        &self.recent_route
    }

    /// Returns the link-layer address of the neighbour with this IP address, or else that of the
    /// device's gateway. Returns `None` if the device knows neither.
    pub(crate) fn neighbour(&self, device: DeviceId, address: IpAddr) -> Option<MacAddress> {
        let device = &self.state(device).device;
        let known = match address {
            IpAddr::V4(address) => device.ipv4_neighbours.get(&address),
            IpAddr::V6(address) => device.ipv6_neighbours.get(&address),
        };
        known.copied().or(device.gateway)
    }

    /// Returns the link-layer address that a packet with this destination leaves to (NFQ-72): that
    /// of the multicast group, ff:ff:ff:ff:ff:ff for an IPv4 broadcast, or else that of the
    /// neighbour or the device's gateway. Returns `None` if the device knows neither of these two.
    pub(crate) fn next_hop(&self, device: DeviceId, address: IpAddr) -> Option<MacAddress> {
        match address {
            IpAddr::V4(address) => {
                let find = || self.next_hop_ipv4(device, address);
                self.recent_hop.or_find((device, address), find)
            }
            IpAddr::V6(address) if address.is_multicast() => {
                let [.., a, b, c, d] = address.octets();
                Some([0x33, 0x33, a, b, c, d])
            }
            IpAddr::V6(_) => self.neighbour(device, address),
        }
    }

    fn next_hop_ipv4(&self, device: DeviceId, address: Ipv4Addr) -> Option<MacAddress> {
        if address.is_multicast() {
            let [_, high, middle, low] = address.octets();
            Some([0x01, 0x00, 0x5e, high & 0x7f, middle, low])
        } else if self.is_broadcast(address) {
            Some([0xff; 6])
        } else {
            self.neighbour(device, address.into())
        }
    }

    /// Returns `true` for 255.255.255.255, for 0.0.0.0, and for the broadcast address of a network
    /// whose device is up, unless that is the host's own address there. The broadcast address is
    /// the network's last one. A network of one or two addresses, or of loopback addresses, has
    /// none.
    fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        let bits = address.to_bits();
        let mut networks = self.ipv4.iter();
        let is_a_networks =
            networks.any(|network| network.own != bits && network.broadcast[0] == bits && self.is_up(network.device));
        address.is_unspecified() || address.is_broadcast() || is_a_networks
    }

    /// Lets a packet leave by a device in an Ethernet frame to the link-layer address `to`, and
    /// returns the frame. The device keeps the frame until it is taken. If the device has 65,536
    /// frames already, it forgets the oldest.
    pub(crate) fn transmit(
        &mut self,
        device: DeviceId,
        to: MacAddress,
        protocol: EtherType,
        packet: Bytes,
    ) -> &OutgoingFrame {
        let frame = OutgoingFrame::new(ethernet_header(to, self.mac(device), protocol), packet);
        let sent = &mut self.state_mut(device).sent;
        if sent.len() == FRAMES_KEPT {
            sent.pop_front();
        }
        sent.push_back_mut(frame)
    }

    /// Takes the oldest frame that left by a device and has not been taken yet. Returns `None` if
    /// there is none.
    pub(crate) fn take_sent(&mut self, device: DeviceId) -> Option<OutgoingFrame> {
        self.state_mut(device).sent.pop_front()
    }

    fn state(&self, device: DeviceId) -> &State {
        &self.devices[device.index()]
    }

    fn state_mut(&mut self, device: DeviceId) -> &mut State {
        &mut self.devices[device.index()]
    }

    fn up(&self) -> impl Iterator<Item = (DeviceId, &State)> {
        let devices = self.devices.iter().enumerate();
        devices
            .filter(|(_, state)| state.up)
            .map(|(index, state)| (DeviceId::at(index), state))
    }
}

/// The addressee of a frame that a device takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    OwnAddress,
    /// The frame is for several hosts: broadcast or multicast.
    Broadcast,
}

/// Returns the device of the network with the longest prefix. If several networks have that prefix
/// length, returns the device with the lowest number. Returns `None` if there are no networks.
fn longest_prefix(networks: impl Iterator<Item = (u8, DeviceId)>) -> Option<DeviceId> {
    let longest = networks.max_by_key(|(prefix, device)| (*prefix, std::cmp::Reverse(device.index())));
    longest.map(|(_, device)| device)
}

fn shares_prefix(own: IpAddr, other: Ipv6Addr, prefix: u8) -> bool {
    let IpAddr::V6(own) = own else { return false };
    let distance = own.to_bits() ^ other.to_bits();
    distance.leading_zeros() >= u32::from(prefix.min(128))
}

#[cfg(test)]
mod tests;
