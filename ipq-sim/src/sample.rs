//! Packets for this package's tests.

use crate::books::Ledger;
use crate::frame::ETHERNET_HEADER_BYTES;
use crate::host::packet::{Link, Packet};
use crate::time::clock::ArrivalTime;
use bytes::Bytes;
use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder};
use ipq_core::Family;
use ipq_core::wire::EtherType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
pub(crate) const OTHER_NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
pub(crate) const NEIGHBOUR_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2);
pub(crate) const OTHER_NEIGHBOUR_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 2);
pub(crate) const OWN_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1);

/// Returns a UDP packet from port 4000 to port 5000. `hops` is its TTL or hop limit. Its payload is
/// `payload` bytes that count up from 0. In an IPv4 packet the flag DF is clear.
pub(crate) fn udp(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, hops: u8, payload: usize) -> Bytes {
    let builder = match (source.into(), destination.into()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            PacketBuilder::ipv4(source.octets(), destination.octets(), hops)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            PacketBuilder::ipv6(source.octets(), destination.octets(), hops)
        }
        (source, destination) => panic!("{source} and {destination} are of two families"),
    };
    let payload: Vec<u8> = (0..payload).map(|at| at as u8).collect();
    let mut packet = Vec::new();
    builder.udp(4000, 5000).write(&mut packet, &payload).unwrap();
    if let Ok((mut header, body)) = Ipv4Header::from_slice(&packet) {
        header.dont_fragment = false;
        header.header_checksum = header.calc_header_checksum();
        return [&header.to_bytes()[..], body].concat().into();
    }
    packet.into()
}

/// Returns an IPv4 UDP packet with `payload` bytes of payload, whose header `change` has changed.
/// After that, the header's length and checksum are set to the right values.
pub(crate) fn ipv4_with(change: impl FnOnce(&mut Ipv4Header), payload: usize) -> Bytes {
    let plain = udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, payload);
    let (mut header, body) = Ipv4Header::from_slice(&plain).unwrap();
    change(&mut header);
    header.set_payload_len(body.len()).unwrap();
    header.header_checksum = header.calc_header_checksum();
    [&header.to_bytes()[..], body].concat().into()
}

/// Returns an IPv4 fragment that is not the first of its packet.
pub(crate) fn later_fragment() -> Bytes {
    ipv4_with(|header| header.fragment_offset = IpFragOffset::try_new(2).unwrap(), 16)
}

/// Returns a packet as it is inside the host, just arrived in a frame for this host. The frame's
/// protocol is IPv4, even if `data` is an IPv6 packet.
pub(crate) fn packet(data: Bytes) -> Packet {
    let family = if data[0] >> 4 == 4 { Family::Ipv4 } else { Family::Ipv6 };
    Packet {
        serial: Ledger::new(1).enter(),
        family,
        data,
        mark: 0,
        priority: 0,
        arrival_time: ArrivalTime::default(),
        protocol: EtherType::IPV4,
        link: Some(Link {
            header: [0; ETHERNET_HEADER_BYTES],
            for_this_host: true,
        }),
    }
}
