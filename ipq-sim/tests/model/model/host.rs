//! The host around the queue (FWD-1 to FWD-7): what rules, routing and hooks do to a packet.

use super::rules::{Grown, Rules};
use super::{Model, ip};
use crate::step::{DEVICES, Device, Reason};
use ipq_core::Family;
use ipq_core::wire::{EtherType, HardwareAddress, Hook, InterfaceName, Mark, PacketId, PacketMetadata, Timestamp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

const LO: Device = 0;
const MACS: [[u8; 6]; 3] = [[0; 6], [2, 0, 0, 0, 0x10, 1], [2, 0, 0, 0, 0x10, 2]];
const NEIGHBOUR_MACS: [[u8; 6]; 3] = [[0; 6], [2, 0, 0, 0, 0x20, 1], [2, 0, 0, 0, 0x20, 2]];
const MTUS: [usize; 3] = [16_436, 1500, 1500];

const PREROUTING: u32 = 0;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

/// A packet, and how far it has come through the hooks.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) family: Family,
    pub(crate) bytes: Vec<u8>,
    pub(crate) indev: Option<Device>,
    pub(crate) outdev: Option<Device>,
    /// The index of the packet's function in the hook's list: 0 is mangle, 1 is filter at a hook
    /// that has a filter chain.
    pub(crate) function: usize,
    hook: u32,
    mark: u32,
    /// The time of arrival, `None` if none was taken (PKT-8).
    arrived: Option<Duration>,
    /// The microseconds of the timestamp if no time was taken (ERA-8).
    left_microseconds: u32,
    protocol: u16,
    /// The hardware type of the incoming device and the source address of the link-layer header
    /// (PKT-7). `None` for a packet without one.
    link: Option<(u16, [u8; 6])>,
    /// `true` if the frame's destination was this host's own address, or if this host sent the
    /// packet.
    for_this_host: bool,
    route: Option<Route>,
    /// The addresses, the TOS and the mark when the packet was queued at OUTPUT (VER-10). `None` if
    /// it was last queued at another hook, or was not queued yet.
    noted: Option<(IpAddr, IpAddr, u8, u32)>,
}

#[derive(Clone, Copy, Debug)]
enum Route {
    Local,
    Via(Device, IpAddr),
}

impl Packet {
    /// Notes what decides the route, if the packet is queued at OUTPUT (VER-10).
    pub(crate) fn note_route(&mut self) {
        self.noted = (self.hook == OUTPUT).then(|| self.routed_by());
    }

    fn routed_by(&self) -> (IpAddr, IpAddr, u8, u32) {
        let (source, destination) = ip::addresses(self.family, &self.bytes);
        let tos = if self.family == Family::Ipv4 { self.bytes[1] } else { 0 };
        (source, destination, tos, self.mark)
    }

    /// Returns the fields of the packet's PACKET message (PKT-6 to PKT-8).
    pub(crate) fn metadata(&self, packet_id: PacketId, law: &Rules) -> PacketMetadata {
        let name = |device: Option<Device>| match device {
            Some(device) => InterfaceName::from_str(DEVICES[device]).unwrap(),
            None => InterfaceName::NONE,
        };
        let (hw_type, hw_address) = match self.link.filter(|_| law.has_link_addresses) {
            Some((kind, _)) if self.indev == Some(LO) => {
                let length = usize::from(law.loopback_address_length);
                (kind, HardwareAddress::try_from(&[0; 6][..length]).unwrap())
            }
            Some((kind, address)) if self.indev.is_some() => (kind, HardwareAddress::from(address)),
            _ => (0, HardwareAddress::NONE),
        };
        let timestamp = match self.arrived {
            Some(time) => Timestamp {
                seconds: time.as_secs().try_into().unwrap(),
                microseconds: time.subsec_micros().into(),
            },
            None => Timestamp {
                seconds: 0,
                microseconds: self.left_microseconds.into(),
            },
        };
        PacketMetadata {
            packet_id,
            mark: Mark(self.mark.into()),
            timestamp,
            hook: Hook::from_wire(self.hook),
            indev_name: name(self.indev),
            outdev_name: name(self.outdev),
            hw_protocol: EtherType(self.protocol),
            hw_type,
            hw_address,
        }
    }

    fn go_to(&mut self, hook: u32, indev: Option<Device>, outdev: Option<Device>) {
        (self.hook, self.indev, self.outdev, self.function) = (hook, indev, outdev, 0);
    }
}

impl Model {
    /// Takes a frame that arrives at a device (FWD-1, FWD-2): drops it, or sends its packet through
    /// the hooks from PREROUTING on.
    pub(super) fn arrive(&mut self, device: Device, frame: &[u8]) {
        self.entered += 1;
        if !self.up[device] {
            return self.drop_packet(Reason::DeviceDown);
        }
        let protocol = ip::u16_at(frame, 12);
        let family = match protocol {
            0x0800 => Family::Ipv4,
            0x86dd => Family::Ipv6,
            _ => return self.drop_packet(Reason::NotIp),
        };
        let for_this_host = frame[..6] == MACS[device];
        let for_many = frame[0] & 1 == 1;
        if !for_this_host && !for_many {
            return self.drop_packet(Reason::OtherHost);
        }
        let Some(bytes) = ip::arriving(family, &frame[14..]) else {
            return self.drop_packet(Reason::Malformed);
        };
        if device != LO && ip::addresses(family, bytes).1 == IpAddr::V6(Ipv6Addr::LOCALHOST) {
            return self.drop_packet(Reason::Martian);
        }
        self.travel(Packet {
            family,
            bytes: bytes.to_vec(),
            indev: Some(device),
            outdev: None,
            function: 0,
            hook: PREROUTING,
            mark: 0,
            arrived: self.time_stamp(),
            left_microseconds: 0,
            protocol,
            link: Some((if device == LO { 772 } else { 1 }, frame[6..12].try_into().unwrap())),
            for_this_host,
            route: None,
            noted: None,
        });
    }

    /// Returns the time of arrival that a packet gets now. Returns `None` if no queue has a peer,
    /// since timestamps are then off (PKT-8, EVT-3).
    fn time_stamp(&self) -> Option<Duration> {
        self.queues.iter().any(|queue| queue.peer != 0).then_some(self.now)
    }

    pub(super) fn output(&mut self, bytes: &[u8]) {
        let family = if bytes[0] >> 4 == 4 { Family::Ipv4 } else { Family::Ipv6 };
        self.entered += 1;
        let (_, destination) = ip::addresses(family, bytes);
        let Some(route) = self.route_to(destination) else {
            return self.drop_packet(Reason::NoRoute);
        };
        let outdev = match route {
            Route::Local => LO,
            Route::Via(device, _) => device,
        };
        self.travel(Packet {
            family,
            bytes: bytes.to_vec(),
            indev: None,
            outdev: Some(outdev),
            function: 0,
            hook: OUTPUT,
            mark: 0,
            arrived: None,
            left_microseconds: if self.law.own_packets_have_microseconds {
                self.now.subsec_micros().max(1)
            } else {
                0
            },
            // The protocol that the PACKET message states (PKT-6).
            protocol: if family == Family::Ipv6 && ip::is_discovery(bytes) {
                0x86dd
            } else if family == Family::Ipv4 {
                self.law.protocol_at_output
            } else {
                0
            },
            link: None,
            for_this_host: true,
            route: Some(route),
            noted: None,
        });
    }

    /// Carries out the verdicts ACCEPT and REPEAT (VER-4). On a kernel that does so, routes a
    /// packet again whose addresses, mark or TOS changed at OUTPUT, and drops it if that fails
    /// (VER-10). The packet goes on `skip` functions later.
    pub(super) fn accept(&mut self, mut packet: Packet, skip: usize) {
        if self.law.reroutes && packet.noted.is_some_and(|noted| noted != packet.routed_by()) {
            let (_, destination) = ip::addresses(packet.family, &packet.bytes);
            packet.route = self.route_to(destination);
            if packet.route.is_none() {
                return self.drop_packet(Reason::NotReroutable);
            }
        }
        packet.function += skip;
        self.travel(packet);
    }

    /// Sends a packet on through the functions and hooks, until it is queued or has its fate.
    pub(super) fn travel(&mut self, mut packet: Packet) {
        loop {
            let functions: &[bool] = match packet.hook {
                INPUT | FORWARD | OUTPUT => &[false, true],
                _ => &[false],
            };
            while packet.function < functions.len() {
                match self.is_queued_by(functions[packet.function], &mut packet) {
                    Ok(false) => {}
                    Ok(true) => return self.enqueue(packet),
                    Err(reason) => return self.drop_packet(reason),
                }
                packet.function += 1;
            }
            match packet.hook {
                PREROUTING => {
                    if let Err(reason) = self.route_arriving(&mut packet) {
                        return self.drop_packet(reason);
                    }
                }
                INPUT => {
                    self.delivered += 1;
                    return;
                }
                FORWARD => {
                    let outdev = packet.outdev;
                    packet.go_to(POSTROUTING, None, outdev);
                }
                OUTPUT => {
                    let outdev = match packet.route {
                        Some(Route::Via(device, _)) => device,
                        _ => LO,
                    };
                    if packet.family == Family::Ipv4 {
                        packet.protocol = 0x0800;
                    }
                    packet.go_to(POSTROUTING, None, Some(outdev));
                }
                _ => return self.leave(&packet),
            }
        }
    }

    /// Returns `true` if a rule of the table queues the packet. Goes through the rules in order;
    /// one with a mark sets the mark, and the next rule follows. Fails with [`Reason::Malformed`],
    /// so that the packet is dropped, if a rule asks for a protocol that can't be read.
    fn is_queued_by(&self, filter: bool, packet: &mut Packet) -> Result<bool, Reason> {
        for rule in &self.rules {
            if rule.family != packet.family || rule.filter != filter || rule.hook != packet.hook {
                continue;
            }
            if rule.protocol.is_some() {
                let found = ip::protocol(packet.family, &packet.bytes).ok_or(Reason::Malformed)?;
                if rule.protocol != Some(found) {
                    continue;
                }
            }
            match rule.mark {
                Some(mark) => packet.mark = mark,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Routes a packet after PREROUTING, and sends it to INPUT or FORWARD (FWD-3 to FWD-5). The
    /// error is the reason to drop it.
    fn route_arriving(&self, packet: &mut Packet) -> Result<(), Reason> {
        let route = match packet.route {
            Some(route) => route,
            None => self.route_of_arriving(packet)?,
        };
        packet.route = Some(route);
        let indev = packet.indev;
        let Route::Via(device, _) = route else {
            if ip::is_ipv4_fragment(packet.family, &packet.bytes) {
                return Err(Reason::Unassembled);
            }
            packet.go_to(INPUT, indev, None);
            return Ok(());
        };
        if !packet.for_this_host {
            return Err(Reason::OtherHost);
        }
        if ip::hops(packet.family, &packet.bytes) <= 1 {
            return Err(Reason::HopLimit);
        }
        let too_long = packet.bytes.len() > MTUS[device];
        if too_long && (packet.family == Family::Ipv6 || ip::dont_fragment(&packet.bytes)) {
            return Err(Reason::TooLong);
        }
        ip::take_a_hop(packet.family, &mut packet.bytes);
        packet.go_to(FORWARD, indev, Some(device));
        Ok(())
    }

    /// Sends a packet out by its device, in fragments if it is too long (FWD-4), and counts it. On
    /// lo, the packet or its fragments arrive again (FWD-7). Drops a packet that can't leave, such
    /// as one whose next hop is no known neighbour.
    fn leave(&mut self, packet: &Packet) {
        let device = packet.outdev.unwrap();
        let pieces = if packet.bytes.len() <= MTUS[device] {
            vec![packet.bytes.clone()]
        } else {
            match self.pieces(packet, MTUS[device]) {
                Some(pieces) => pieces,
                None => return self.drop_packet(Reason::TooLong),
            }
        };
        if !self.up[device] {
            return self.drop_packet(Reason::DeviceDown);
        }
        let ether_type: u16 = match packet.family {
            Family::Ipv4 => 0x0800,
            Family::Ipv6 => 0x86dd,
        };
        let next_hop = match packet.route {
            Some(Route::Via(_, next_hop)) => next_hop,
            _ => ip::addresses(packet.family, &packet.bytes).1,
        };
        let neighbour = if device == LO {
            Some([0; 6])
        } else {
            (next_hop == neighbour(packet.family, device)).then_some(NEIGHBOUR_MACS[device])
        };
        let Some(mac) = neighbour else {
            return self.drop_packet(Reason::NoNeighbour);
        };
        for piece in &pieces {
            let header = [&mac[..], &MACS[device], &ether_type.to_be_bytes()].concat();
            self.sent[device].push([&header[..], piece].concat());
        }
        if device != LO {
            self.delivered += 1;
            return;
        }
        if pieces.len() > 1 {
            // The whole packet counts as delivered. Its fragments arrive as packets of their own.
            self.delivered += 1;
            self.entered += pieces.len() as u64;
        }
        for piece in &pieces {
            self.return_by_loopback(packet, piece, ether_type);
        }
    }

    /// Returns the packets in which a packet longer than the MTU leaves: its fragments, or the
    /// packet itself. Returns `None` if it is dropped (FWD-4).
    fn pieces(&mut self, packet: &Packet, mtu: usize) -> Option<Vec<Vec<u8>>> {
        match (packet.family, self.law.grown_ipv6) {
            (Family::Ipv4, _) => {
                let kept_whole = ip::dont_fragment(&packet.bytes) && !self.law.grown_df_is_fragmented;
                (!kept_whole).then(|| ip::fragments(&packet.bytes, mtu))?
            }
            (Family::Ipv6, Grown::Whole) => Some(vec![packet.bytes.clone()]),
            (Family::Ipv6, Grown::Fragments) => {
                self.fragmented += 1;
                ip::fragments_ipv6(&packet.bytes, mtu, self.fragmented)
            }
            (Family::Ipv6, Grown::Dropped) => None,
        }
    }

    fn return_by_loopback(&mut self, packet: &Packet, bytes: &[u8], ether_type: u16) {
        let Some(bytes) = ip::arriving(packet.family, bytes) else {
            return self.drop_packet(Reason::Malformed);
        };
        self.travel(Packet {
            family: packet.family,
            bytes: bytes.to_vec(),
            indev: Some(LO),
            outdev: None,
            function: 0,
            hook: PREROUTING,
            mark: packet.mark,
            arrived: self.time_stamp(),
            left_microseconds: 0,
            protocol: ether_type,
            link: Some((772, [0; 6])),
            for_this_host: true,
            route: Some(Route::Local),
            noted: None,
        });
    }

    /// Returns the tap devices that are up. The networks of device N are 10.N.0.0/24 and
    /// `fd00:N::/64`.
    fn up_taps(&self) -> impl Iterator<Item = Device> {
        (1..3).filter(|device| self.up[*device])
    }

    /// Returns `true` if the address is one of this host's. A device that is down loses only its
    /// IPv6 address.
    fn is_own(&self, address: IpAddr) -> bool {
        let has = |device: Device| self.up[device] || address.is_ipv4();
        (1..3).any(|device| has(device) && own(address, device) == address) || (has(LO) && address == loopback(address))
    }

    fn route_to(&self, destination: IpAddr) -> Option<Route> {
        if self.is_own(destination) || destination.is_loopback() {
            return Some(Route::Local);
        }
        self.up_taps()
            .find(|device| same_network(own(destination, *device), destination))
            .map(|device| Route::Via(device, destination))
    }

    fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        let [a, b, c, d] = address.octets();
        self.up_taps().any(|device| [a, b, c] == [10, device as u8, 0]) && (d == 0 || d == 255)
    }

    fn route_of_arriving(&self, packet: &Packet) -> Result<Route, Reason> {
        match ip::addresses(packet.family, &packet.bytes) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.route_of_arriving_ipv4(source, destination),
            (IpAddr::V6(source), IpAddr::V6(destination)) => self.route_of_arriving_ipv6(source, destination),
            _ => unreachable!("both addresses are of one family"),
        }
    }

    fn route_of_arriving_ipv4(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Result<Route, Reason> {
        let zero = |address: Ipv4Addr| address.octets()[0] == 0;
        if source.is_multicast() || source == Ipv4Addr::BROADCAST || source.is_loopback() {
            return Err(Reason::Martian);
        }
        let own = self.is_own(source.into()) || self.is_broadcast(source);
        let to_all_hosts = destination == Ipv4Addr::BROADCAST || destination == Ipv4Addr::new(224, 0, 0, 1);
        if to_all_hosts || (source.is_unspecified() && destination.is_unspecified()) {
            let impossible = own && !zero(source);
            return if impossible {
                Err(Reason::Martian)
            } else {
                Ok(Route::Local)
            };
        }
        if destination.is_multicast() {
            return Err(Reason::NoRoute);
        }
        if zero(source) || zero(destination) || destination.is_loopback() {
            return Err(Reason::Martian);
        }
        if own {
            return Err(Reason::Martian);
        }
        if self.is_broadcast(destination) {
            return Ok(Route::Local);
        }
        self.route_to(destination.into()).ok_or(Reason::NoRoute)
    }

    fn route_of_arriving_ipv6(&self, source: Ipv6Addr, destination: Ipv6Addr) -> Result<Route, Reason> {
        if destination.is_multicast() {
            let nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            let routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
            let joined = destination == nodes || destination == routers;
            return if joined { Ok(Route::Local) } else { Err(Reason::NoRoute) };
        }
        let route = self.route_to(destination.into()).ok_or(Reason::NoRoute)?;
        let unforwardable = source.is_unspecified() || source == Ipv6Addr::LOCALHOST || source.is_unicast_link_local();
        match route {
            Route::Via(..) if unforwardable => Err(Reason::Martian),
            route => Ok(route),
        }
    }
}

/// Returns the address that this host has on a tap device, in the family of `like`.
fn own(like: IpAddr, device: Device) -> IpAddr {
    let number = device as u8;
    match like {
        IpAddr::V4(_) => Ipv4Addr::new(10, number, 0, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xfd00, number.into(), 0, 0, 0, 0, 0, 1).into(),
    }
}

fn loopback(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Returns the address of the only neighbour at a tap device.
fn neighbour(family: Family, device: Device) -> IpAddr {
    let number = device as u8;
    match family {
        Family::Ipv4 => Ipv4Addr::new(10, number, 0, 2).into(),
        Family::Ipv6 => Ipv6Addr::new(0xfd00, number.into(), 0, 0, 0, 0, 0, 2).into(),
    }
}

/// Returns `true` if both addresses are in one network: /24 for IPv4, /64 for IPv6.
fn same_network(own: IpAddr, other: IpAddr) -> bool {
    match (own, other) {
        (IpAddr::V4(own), IpAddr::V4(other)) => own.octets()[..3] == other.octets()[..3],
        (IpAddr::V6(own), IpAddr::V6(other)) => own.octets()[..8] == other.octets()[..8],
        _ => false,
    }
}
