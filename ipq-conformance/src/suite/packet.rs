//! Packets to try a queue with.

use crate::world::topology::{Device, TAP0, TAP1};
use bytes::Bytes;
use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, UdpHeader};
use ipq_core::Family;
use std::net::IpAddr;

/// The length of an Ethernet header in bytes.
const ETHERNET_BYTES: usize = 14;

/// A packet as a neighbour of the laboratory sends it.
///
/// It begins as a well-formed UDP packet from neighbour A to neighbour B, which the host forwards, and which the usual rules
/// queue on the way. Each method gives a packet that differs in one thing; lengths and checksums follow. For one that is not
/// well-formed take [`frame`](Packet::frame) and change its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    destination_mac: [u8; 6],
    source_mac: [u8; 6],
    network: Network,
    transport: Transport,
    payload: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Network {
    V4(Ipv4Header),
    V6(Ipv6Header),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp { source: u16, destination: u16 },
    None(u8),
}

impl Packet {
    /// UDP from neighbour A's port 4000 to neighbour B's port 5000, with 8 bytes of payload: 36 or 56 bytes in all.
    #[must_use]
    pub fn udp(family: Family) -> Self {
        let network = match family {
            Family::Ipv4 => Network::V4(Ipv4Header {
                time_to_live: 64,
                protocol: IpNumber::UDP,
                identification: 1,
                dont_fragment: false,
                source: TAP0.neighbour_ipv4.octets(),
                destination: TAP1.neighbour_ipv4.octets(),
                ..Ipv4Header::default()
            }),
            Family::Ipv6 => Network::V6(Ipv6Header {
                hop_limit: 64,
                next_header: IpNumber::UDP,
                flow_label: Ipv6FlowLabel::ZERO,
                source: TAP0.neighbour_ipv6.octets(),
                destination: TAP1.neighbour_ipv6.octets(),
                ..Ipv6Header::default()
            }),
        };
        Self {
            destination_mac: TAP0.mac,
            source_mac: TAP0.neighbour_mac,
            network,
            transport: Transport::Udp {
                source: 4000,
                destination: 5000,
            },
            payload: b"ip_queue".to_vec(),
        }
    }

    /// The same in IPv4.
    #[must_use]
    pub fn udp4() -> Self {
        Self::udp(Family::Ipv4)
    }

    /// The same in IPv6.
    #[must_use]
    pub fn udp6() -> Self {
        Self::udp(Family::Ipv6)
    }

    /// With another payload.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// With zeros as payload, so that the packet has `length` bytes from its network header on, or as few as it can.
    #[must_use]
    pub fn length(self, length: usize) -> Self {
        let empty = self.payload(Vec::new());
        let payload = length.saturating_sub(empty.ip().len());
        empty.payload(vec![0; payload])
    }

    /// From another address. One of the other family changes nothing.
    #[must_use]
    pub fn source(mut self, address: impl Into<IpAddr>) -> Self {
        match (&mut self.network, address.into()) {
            (Network::V4(header), IpAddr::V4(address)) => header.source = address.octets(),
            (Network::V6(header), IpAddr::V6(address)) => header.source = address.octets(),
            _ => {}
        }
        self
    }

    /// To another address. One of the other family changes nothing.
    #[must_use]
    pub fn destination(mut self, address: impl Into<IpAddr>) -> Self {
        match (&mut self.network, address.into()) {
            (Network::V4(header), IpAddr::V4(address)) => header.destination = address.octets(),
            (Network::V6(header), IpAddr::V6(address)) => header.destination = address.octets(),
            _ => {}
        }
        self
    }

    /// From neighbour B to neighbour A.
    #[must_use]
    pub fn back(mut self) -> Self {
        (self.destination_mac, self.source_mac) = (TAP1.mac, TAP1.neighbour_mac);
        match self.network {
            Network::V4(_) => self.source(TAP1.neighbour_ipv4).destination(TAP0.neighbour_ipv4),
            Network::V6(_) => self.source(TAP1.neighbour_ipv6).destination(TAP0.neighbour_ipv6),
        }
    }

    /// To the host itself, at the device that it arrives on.
    #[must_use]
    pub fn to_host(self) -> Self {
        match self.network {
            Network::V4(_) => self.destination(TAP0.ipv4),
            Network::V6(_) => self.destination(TAP0.ipv6),
        }
    }

    /// With other UDP ports.
    #[must_use]
    pub fn ports(mut self, source: u16, destination: u16) -> Self {
        self.transport = Transport::Udp { source, destination };
        self
    }

    /// With another transport protocol, and the payload in the place of a transport header.
    #[must_use]
    pub fn protocol(mut self, number: u8) -> Self {
        self.transport = if number == IpNumber::UDP.0 {
            Transport::Udp {
                source: 4000,
                destination: 5000,
            }
        } else {
            Transport::None(number)
        };
        match &mut self.network {
            Network::V4(header) => header.protocol = IpNumber(number),
            Network::V6(header) => header.next_header = IpNumber(number),
        }
        self
    }

    /// With another time to live, or hop limit.
    #[must_use]
    pub fn ttl(mut self, hops: u8) -> Self {
        match &mut self.network {
            Network::V4(header) => header.time_to_live = hops,
            Network::V6(header) => header.hop_limit = hops,
        }
        self
    }

    /// With another type of service, or traffic class.
    #[must_use]
    pub fn tos(mut self, tos: u8) -> Self {
        match &mut self.network {
            Network::V4(header) => {
                header.dscp = etherparse::IpDscp::try_new(tos >> 2).unwrap_or_default();
                header.ecn = etherparse::IpEcn::try_new(tos & 3).unwrap_or_default();
            }
            Network::V6(header) => header.traffic_class = tos,
        }
        self
    }

    /// With another identification; IPv6 has none.
    #[must_use]
    pub fn identification(mut self, identification: u16) -> Self {
        if let Network::V4(header) = &mut self.network {
            header.identification = identification;
        }
        self
    }

    /// Not to be fragmented, which goes without saying in IPv6.
    #[must_use]
    pub fn dont_fragment(mut self) -> Self {
        if let Network::V4(header) = &mut self.network {
            header.dont_fragment = true;
        }
        self
    }

    /// A fragment of IPv4, `offset` bytes (a multiple of 8) from the start. A later fragment has its payload in the place of
    /// a transport header.
    #[must_use]
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        if let Network::V4(header) = &mut self.network {
            header.fragment_offset = IpFragOffset::try_new(offset / 8).unwrap_or_default();
            header.more_fragments = more;
            if offset > 0 {
                self.transport = Transport::None(header.protocol.0);
            }
        }
        self
    }

    /// To another link-layer address than the device's.
    #[must_use]
    pub const fn destination_mac(mut self, address: [u8; 6]) -> Self {
        self.destination_mac = address;
        self
    }

    /// From another link-layer address than the neighbour's.
    #[must_use]
    pub const fn source_mac(mut self, address: [u8; 6]) -> Self {
        self.source_mac = address;
        self
    }

    /// Whose packet it is.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.network {
            Network::V4(_) => Family::Ipv4,
            Network::V6(_) => Family::Ipv6,
        }
    }

    /// As it leaves the host again: a hop less, and in a frame for the next neighbour.
    #[must_use]
    pub fn forwarded(&self) -> Self {
        let (hops, out) = match &self.network {
            Network::V4(header) => (
                header.time_to_live,
                route(header.destination == TAP0.neighbour_ipv4.octets()),
            ),
            Network::V6(header) => (
                header.hop_limit,
                route(header.destination == TAP0.neighbour_ipv6.octets()),
            ),
        };
        self.clone()
            .destination_mac(out.neighbour_mac)
            .source_mac(out.mac)
            .ttl(hops.saturating_sub(1))
    }

    /// Whether it is addressed to this link-layer address.
    pub(crate) fn arrives_at(&self, mac: [u8; 6]) -> bool {
        self.destination_mac == mac
    }

    /// Whether it comes from this link-layer address.
    pub(crate) fn comes_from(&self, mac: [u8; 6]) -> bool {
        self.source_mac == mac
    }

    /// Its bytes from the network header on.
    #[must_use]
    pub fn ip(&self) -> Bytes {
        let mut transport = Vec::with_capacity(UdpHeader::LEN + self.payload.len());
        if let Transport::Udp { source, destination } = self.transport {
            let mut header = UdpHeader {
                source_port: source,
                destination_port: destination,
                length: (UdpHeader::LEN + self.payload.len()) as u16,
                checksum: 0,
            };
            header.checksum = match &self.network {
                Network::V4(network) => header.calc_checksum_ipv4(network, &self.payload),
                Network::V6(network) => header.calc_checksum_ipv6(network, &self.payload),
            }
            .unwrap_or_default();
            transport.extend_from_slice(&header.to_bytes());
        }
        transport.extend_from_slice(&self.payload);
        let mut bytes = match self.network.clone() {
            Network::V4(mut header) => {
                header.total_len = (header.header_len() + transport.len()) as u16;
                header.header_checksum = header.calc_header_checksum();
                header.to_bytes().to_vec()
            }
            Network::V6(mut header) => {
                header.payload_length = transport.len() as u16;
                header.to_bytes().to_vec()
            }
        };
        bytes.append(&mut transport);
        bytes.into()
    }

    /// Its bytes from the Ethernet destination address on.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        ethernet(self.destination_mac, self.source_mac, &self.ip())
    }
}

/// The device that leads to neighbour A, or else to B.
const fn route(to_a: bool) -> &'static Device {
    if to_a { &TAP0 } else { &TAP1 }
}

/// The frame in which the host sends the packet `ip` to the neighbour behind `device`.
#[must_use]
pub fn frame_to_neighbour(device: &Device, ip: &[u8]) -> Bytes {
    ethernet(device.neighbour_mac, device.mac, ip)
}

fn ethernet(destination: [u8; 6], source: [u8; 6], ip: &[u8]) -> Bytes {
    let ether_type: u16 = if ip.first().is_some_and(|byte| byte >> 4 == 6) {
        0x86dd
    } else {
        0x0800
    };
    let mut frame = Vec::with_capacity(ETHERNET_BYTES + ip.len());
    frame.extend_from_slice(&destination);
    frame.extend_from_slice(&source);
    frame.extend_from_slice(&ether_type.to_be_bytes());
    frame.extend_from_slice(ip);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[test]
    fn the_plain_packet_is_that_of_the_recordings() {
        let expected = hex::decode("020000001001020000002001080045000024000100004011").expect("hex");
        assert_eq!(Packet::udp4().frame()[..24], expected);
        assert_eq!((Packet::udp4().ip().len(), Packet::udp6().ip().len()), (36, 56));
    }

    #[rstest]
    #[case(Packet::udp4().length(1500), 1500)]
    #[case(Packet::udp6().length(1280), 1280)]
    #[case::as_few_as_it_can(Packet::udp4().length(0), 28)]
    #[case::without_a_transport_header(Packet::udp4().protocol(253).length(20), 20)]
    fn a_packet_has_the_length_that_it_is_given(#[case] packet: Packet, #[case] length: usize) {
        assert_eq!(packet.ip().len(), length);
    }

    #[test]
    fn a_forwarded_packet_has_a_hop_less_and_goes_to_the_next_neighbour() {
        let forwarded = Packet::udp4().forwarded().frame();
        assert_eq!(forwarded[..12], [TAP1.neighbour_mac, TAP1.mac].concat());
        let header = Ipv4Header::from_slice(&forwarded[14..]).expect("an IPv4 header").0;
        assert_eq!(
            (header.time_to_live, header.header_checksum),
            (63, header.calc_header_checksum())
        );
        let back = Packet::udp6().back().forwarded().frame();
        assert_eq!(back[..12], [TAP0.neighbour_mac, TAP0.mac].concat());
    }

    #[test]
    fn a_later_fragment_has_no_transport_header() {
        let fragment = Packet::udp4().fragment(8, false).payload(*b"12345678");
        assert_eq!(fragment.ip().len(), 28);
        assert_eq!(fragment.ip()[6..8], [0, 1]);
        assert_eq!(Packet::udp4().fragment(0, true).ip()[6..8], [0x20, 0]);
    }
}
