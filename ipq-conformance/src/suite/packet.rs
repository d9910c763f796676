//! Builds packets for cases to inject or send: Ethernet frames with IPv4 or IPv6, mostly with UDP.

use crate::world::topology::{Device, TAP0, TAP1};
use bytes::Bytes;
use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, UdpHeader};
use ipq_core::Family;
use std::net::IpAddr;

/// The length of an Ethernet header in bytes.
const ETHERNET_BYTES: usize = 14;

/// A packet in an Ethernet frame. Most are as one of the two machines beside the host under test,
/// neighbour A or neighbour B, sends them.
///
/// A new packet is a well-formed UDP packet from neighbour A to neighbour B. The host forwards it,
/// and the usual rules queue it. Each method that sets something returns the changed packet;
/// lengths and checksums follow. For a malformed packet change the bytes of
/// [`frame`](Packet::frame).
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
    /// Returns a UDP packet from neighbour A's port 4000 to neighbour B's port 5000, with 8 bytes
    /// of payload: 36 bytes (IPv4) or 56 bytes (IPv6) in all.
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

    /// Returns the packet of [`udp`](Packet::udp) for IPv4.
    #[must_use]
    pub fn udp4() -> Self {
        Self::udp(Family::Ipv4)
    }

    /// Returns the packet of [`udp`](Packet::udp) for IPv6.
    #[must_use]
    pub fn udp6() -> Self {
        Self::udp(Family::Ipv6)
    }

    /// Sets the payload: the bytes after the UDP header, or after the network header if there is
    /// none.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Sets a payload of zeros that makes the IP packet `length` bytes long. If that is too short
    /// for the headers, the payload is empty.
    #[must_use]
    pub fn length(self, length: usize) -> Self {
        let empty = self.payload(Vec::new());
        let payload = length.saturating_sub(empty.ip().len());
        empty.payload(vec![0; payload])
    }

    /// Sets the source address. An address of the other family changes nothing.
    #[must_use]
    pub fn source(mut self, address: impl Into<IpAddr>) -> Self {
        match (&mut self.network, address.into()) {
            (Network::V4(header), IpAddr::V4(address)) => header.source = address.octets(),
            (Network::V6(header), IpAddr::V6(address)) => header.source = address.octets(),
            _ => {}
        }
        self
    }

    /// Sets the destination address. An address of the other family changes nothing.
    #[must_use]
    pub fn destination(mut self, address: impl Into<IpAddr>) -> Self {
        match (&mut self.network, address.into()) {
            (Network::V4(header), IpAddr::V4(address)) => header.destination = address.octets(),
            (Network::V6(header), IpAddr::V6(address)) => header.destination = address.octets(),
            _ => {}
        }
        self
    }

    /// Makes the packet go from neighbour B to neighbour A, whatever its addresses were: sets the
    /// link-layer and the IP addresses. The ports stay.
    #[must_use]
    pub fn back(mut self) -> Self {
        (self.destination_mac, self.source_mac) = (TAP1.mac, TAP1.neighbour_mac);
        match self.network {
            Network::V4(_) => self.source(TAP1.neighbour_ipv4).destination(TAP0.neighbour_ipv4),
            Network::V6(_) => self.source(TAP1.neighbour_ipv6).destination(TAP0.neighbour_ipv6),
        }
    }

    /// Sets the destination to the host's own IP address on tap0. The link-layer addresses stay.
    #[must_use]
    pub fn to_host(self) -> Self {
        match self.network {
            Network::V4(_) => self.destination(TAP0.ipv4),
            Network::V6(_) => self.destination(TAP0.ipv6),
        }
    }

    /// Sets the UDP ports, and makes the packet one of UDP if it is not.
    #[must_use]
    pub fn ports(self, source: u16, destination: u16) -> Self {
        Self {
            transport: Transport::Udp { source, destination },
            ..self.protocol(IpNumber::UDP.0)
        }
    }

    /// Sets the transport protocol. With UDP the ports become 4000 and 5000. With any other
    /// protocol the payload takes the place of a transport header.
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

    /// Sets the time to live (IPv4), or the hop limit (IPv6).
    #[must_use]
    pub fn ttl(mut self, hops: u8) -> Self {
        match &mut self.network {
            Network::V4(header) => header.time_to_live = hops,
            Network::V6(header) => header.hop_limit = hops,
        }
        self
    }

    /// Sets the type of service (IPv4), or the traffic class (IPv6).
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

    /// Sets the identification of IPv4. Changes nothing for IPv6.
    #[must_use]
    pub fn identification(mut self, identification: u16) -> Self {
        if let Network::V4(header) = &mut self.network {
            header.identification = identification;
        }
        self
    }

    /// Sets the flag DF of IPv4. Changes nothing for IPv6.
    #[must_use]
    pub fn dont_fragment(mut self) -> Self {
        if let Network::V4(header) = &mut self.network {
            header.dont_fragment = true;
        }
        self
    }

    /// Makes the packet an IPv4 fragment that begins `offset` bytes, a multiple of 8, into the data
    /// of the whole packet; `more` says whether further fragments follow. With an offset above 0
    /// the packet has no transport header: its payload follows the IPv4 header at once. Changes
    /// nothing for IPv6.
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

    /// Sets the destination link-layer address of the frame.
    #[must_use]
    pub const fn destination_mac(mut self, address: [u8; 6]) -> Self {
        self.destination_mac = address;
        self
    }

    /// Sets the source link-layer address of the frame.
    #[must_use]
    pub const fn source_mac(mut self, address: [u8; 6]) -> Self {
        self.source_mac = address;
        self
    }

    /// Returns the packet's family.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.network {
            Network::V4(_) => Family::Ipv4,
            Network::V6(_) => Family::Ipv6,
        }
    }

    /// Returns the packet as the host forwards it: with one hop less, and in a frame from the
    /// outgoing device to the neighbour behind it. That is neighbour A if the destination is A's
    /// address, and otherwise B.
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

    /// Returns whether `mac` is the destination link-layer address of the frame.
    pub(crate) fn arrives_at(&self, mac: [u8; 6]) -> bool {
        self.destination_mac == mac
    }

    /// Returns whether `mac` is the source link-layer address of the frame.
    pub(crate) fn comes_from(&self, mac: [u8; 6]) -> bool {
        self.source_mac == mac
    }

    /// Returns the packet's bytes from the network header on, with lengths and checksums filled in.
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

    /// Returns the whole Ethernet frame, from its destination address on, without check sequence.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        ethernet(self.destination_mac, self.source_mac, &self.ip())
    }
}

/// Returns the device that leads to neighbour A if `to_a`, and otherwise the one to neighbour B.
const fn route(to_a: bool) -> &'static Device {
    if to_a { &TAP0 } else { &TAP1 }
}

/// Returns the Ethernet frame with the packet `ip` that the host sends by `device`: from the
/// device's link-layer address to that of the neighbour behind the device.
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

    #[rstest]
    #[case(Packet::udp4())]
    #[case(Packet::udp6())]
    fn a_packet_that_gets_ports_is_of_udp(#[case] packet: Packet) {
        let other = packet.clone().protocol(253);
        assert_eq!(other.ports(4000, 5000).ip(), packet.ip());
    }

    #[test]
    fn a_later_fragment_has_no_transport_header() {
        let fragment = Packet::udp4().fragment(8, false).payload(*b"12345678");
        assert_eq!(fragment.ip().len(), 28);
        assert_eq!(fragment.ip()[6..8], [0, 1]);
        assert_eq!(Packet::udp4().fragment(0, true).ip()[6..8], [0x20, 0]);
    }
}
