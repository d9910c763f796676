//! Packets and frames as plans of what is special about each, so that a failure shrinks to what
//! matters.

use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6FragmentHeader, Ipv6Header, UdpHeader};
use ipq_core::Family;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A plan for an IP packet, plain except for what the fields say.
#[derive(Clone, Debug)]
pub(crate) struct PacketPlan {
    pub(crate) family: Family,
    /// The index of the source address in [`IPV4`] or [`IPV6`].
    source: usize,
    destination: usize,
    hops: u8,
    tos: u8,
    protocol: u8,
    body: usize,
    dont_fragment: bool,
    /// The packet's place among fragments, if it is one: its offset in units of 8 bytes, and
    /// whether more fragments follow.
    fragment: Option<(u16, bool)>,
    /// The bytes of the IPv4 options. An IPv6 packet has a hop-by-hop header if this is not empty.
    options: Vec<u8>,
    damage: Damage,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug)]
enum Damage {
    None,
    Checksum,
    Version,
    HeaderLength,
    /// The header states so many bytes more than there are, or fewer if negative.
    Length(i16),
    Cut(usize),
}

/// A plan for an Ethernet frame: its destination, its type, its padding and its packet.
#[derive(Clone, Debug)]
pub(crate) struct FramePlan {
    destination: Destination,
    other_type: Option<u16>,
    padding: usize,
    pub(crate) packet: PacketPlan,
}

#[derive(Clone, Copy, Debug)]
enum Destination {
    Own,
    Another,
    Everybody,
    Group,
}

const IPV4: [Ipv4Addr; 14] = [
    Ipv4Addr::new(10, 1, 0, 2),
    Ipv4Addr::new(10, 2, 0, 2),
    Ipv4Addr::new(10, 1, 0, 1),
    Ipv4Addr::new(10, 2, 0, 1),
    Ipv4Addr::new(10, 2, 0, 77),
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::BROADCAST,
    Ipv4Addr::new(224, 0, 0, 1),
    Ipv4Addr::new(224, 0, 0, 9),
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::new(10, 2, 0, 255),
    Ipv4Addr::new(10, 2, 0, 0),
    Ipv4Addr::new(127, 9, 9, 9),
];

const IPV6: [Ipv6Addr; 14] = [
    Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 0x77),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::LOCALHOST,
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 9),
    Ipv6Addr::UNSPECIFIED,
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77),
    Ipv6Addr::new(0xfd00, 3, 0, 0, 0, 0, 0, 1),
];

/// Returns the strategy for a packet's plan. Most of its fields have usual values.
pub(crate) fn packet() -> impl Strategy<Value = PacketPlan> {
    let address = |usual: usize| prop_oneof![8 => Just(usual), 8 => 0..4_usize, 2 => 0..IPV4.len()];
    let body = prop_oneof![
        12 => select(vec![8_usize, 0, 1, 9, 100, 333]),
        3 => select(vec![1432_usize, 1433, 1452, 1453, 1472, 1473]),
        1 => select(vec![2000_usize, 4000, 17_000, 64_000]),
    ];
    let options = prop_oneof![
        12 => Just(vec![]),
        1 => Just(vec![1, 1, 1, 0]),
        // Record route, which is not copied to later fragments, and a stream id, which is.
        1 => Just(vec![7, 7, 4, 0, 0, 0, 0, 1, 0x88, 4, 1, 2]),
        1 => prop::collection::vec(any::<u8>(), 4),
        1 => Just(vec![1, 9, 1, 7]),
    ];
    let damage = prop_oneof![
        30 => Just(Damage::None),
        1 => Just(Damage::Checksum),
        1 => Just(Damage::Version),
        1 => Just(Damage::HeaderLength),
        1 => prop_oneof![Just(1_i16), -30..30_i16].prop_map(Damage::Length),
        1 => (0..60_usize).prop_map(Damage::Cut),
    ];
    let family = select(Family::ALL.to_vec());
    let hops = prop_oneof![9 => Just(64_u8), 2 => 0..3_u8];
    let protocol = prop_oneof![8 => Just(17_u8), 2 => Just(6), 1 => Just(1), 2 => Just(58)];
    let fragment = prop_oneof![8 => Just(None), 1 => (0..3_u16, any::<bool>()).prop_map(Some)];
    (
        family,
        (address(0), address(1)),
        (hops, prop_oneof![4 => Just(0_u8), 1 => any::<u8>()]),
        protocol,
        body,
        (prop::bool::weighted(0.3), fragment),
        options,
        damage,
    )
        .prop_map(
            |(
                family,
                (source, destination),
                (hops, tos),
                protocol,
                body,
                (dont_fragment, fragment),
                options,
                damage,
            )| {
                PacketPlan {
                    family,
                    source,
                    destination,
                    hops,
                    tos,
                    protocol,
                    body,
                    dont_fragment,
                    fragment,
                    options,
                    damage,
                }
            },
        )
}

pub(crate) fn frame() -> impl Strategy<Value = FramePlan> {
    let destination = prop_oneof![
        20 => Just(Destination::Own),
        1 => Just(Destination::Another),
        1 => Just(Destination::Everybody),
        1 => Just(Destination::Group),
    ];
    let other_type = prop_oneof![20 => Just(None), 1 => select(vec![Some(0x0806), Some(0x0800), Some(0x86dd)])];
    let padding = prop_oneof![5 => Just(0_usize), 1 => 1..40_usize];
    (destination, other_type, padding, packet()).prop_map(|(destination, other_type, padding, packet)| FramePlan {
        destination,
        other_type,
        padding,
        packet,
    })
}

impl PacketPlan {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = match self.family {
            Family::Ipv4 => self.ipv4(),
            Family::Ipv6 => self.ipv6(),
        };
        match self.damage {
            Damage::None => {}
            Damage::Checksum if self.family == Family::Ipv4 => bytes[10] ^= 0x11,
            Damage::Checksum => bytes[3] ^= 0x11,
            Damage::Version => bytes[0] ^= 0x30,
            Damage::HeaderLength => bytes[0] = bytes[0] & 0xf0 | 4,
            Damage::Length(by) => {
                let at = if self.family == Family::Ipv4 { 2 } else { 4 };
                let stated = u16::from_be_bytes([bytes[at], bytes[at + 1]]).wrapping_add_signed(by);
                bytes[at..at + 2].copy_from_slice(&stated.to_be_bytes());
            }
            Damage::Cut(length) => bytes.truncate(length),
        }
        bytes
    }

    /// Returns the packet as a local sender may give it to the kernel: with the version of its
    /// family and a whole fixed header. Other damage stays.
    pub(crate) fn sendable(&self) -> Vec<u8> {
        match self.damage {
            Damage::Version | Damage::Cut(_) => Self {
                damage: Damage::None,
                ..self.clone()
            }
            .bytes(),
            _ => self.bytes(),
        }
    }

    /// Returns the packet's body: a UDP header, whatever the protocol, and bytes that count up.
    /// With protocol `ICMPv6`, a type replaces the first byte.
    fn body(&self) -> Vec<u8> {
        let mut body = UdpHeader {
            source_port: 4000,
            destination_port: 5000,
            length: 8 + self.body as u16,
            checksum: 0,
        }
        .to_bytes()
        .to_vec();
        if self.protocol == 58 {
            // Neighbour solicitations if the TOS is even, which it mostly is, and otherwise echo
            // requests.
            body[0] = if self.tos.is_multiple_of(2) { 135 } else { 128 };
        }
        body.extend((0..self.body).map(|at| at as u8));
        body
    }

    fn ipv4(&self) -> Vec<u8> {
        let body = self.body();
        let mut header = Ipv4Header::new(
            body.len() as u16,
            self.hops,
            IpNumber(self.protocol),
            IPV4[self.source].octets(),
            IPV4[self.destination].octets(),
        )
        .unwrap();
        header.identification = 0x1234;
        header.options = Ipv4Options::try_from(&self.options[..]).unwrap();
        header.dont_fragment = self.dont_fragment;
        if let Some((offset, more)) = self.fragment {
            header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
            header.more_fragments = more;
        }
        header.header_checksum = header.calc_header_checksum();
        let mut bytes = header.to_bytes().to_vec();
        if self.tos != 0 {
            bytes[1] = self.tos;
            bytes[10..12].fill(0);
            let sum = Ipv4Header::from_slice(&bytes).unwrap().0.calc_header_checksum();
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        bytes.extend(body);
        bytes
    }

    fn ipv6(&self) -> Vec<u8> {
        let body = self.body();
        let mut next = IpNumber(self.protocol);
        let mut extensions = Vec::new();
        if let Some((offset, more)) = self.fragment {
            let offset = IpFragOffset::try_new(offset).unwrap();
            extensions = Ipv6FragmentHeader::new(next, offset, more, 0x1234).to_bytes().to_vec();
            next = IpNumber::IPV6_FRAGMENTATION_HEADER;
        }
        if !self.options.is_empty() {
            // A hop-by-hop header that holds padding alone.
            extensions.splice(0..0, [next.0, 0, 1, 4, 0, 0, 0, 0]);
            next = IpNumber::IPV6_HEADER_HOP_BY_HOP;
        }
        let header = Ipv6Header {
            traffic_class: self.tos,
            payload_length: (extensions.len() + body.len()) as u16,
            next_header: next,
            hop_limit: self.hops,
            source: IPV6[self.source].octets(),
            destination: IPV6[self.destination].octets(),
            ..Ipv6Header::default()
        };
        [&header.to_bytes()[..], &extensions, &body].concat()
    }
}

impl FramePlan {
    /// Returns the frame as it arrives at the tap device of that number.
    pub(crate) fn bytes(&self, device: usize) -> Vec<u8> {
        let number = device as u8;
        let destination = match self.destination {
            Destination::Own => [2, 0, 0, 0, 0x10, number],
            Destination::Another => [2, 0, 0, 0, 0x30, 9],
            Destination::Everybody => [0xff; 6],
            Destination::Group => [0x33, 0x33, 0, 0, 0, 1],
        };
        let ether_type = self.other_type.unwrap_or(match self.packet.family {
            Family::Ipv4 => 0x0800,
            Family::Ipv6 => 0x86dd,
        });
        let mut frame = destination.to_vec();
        frame.extend([2, 0, 0, 0, 0x20, number]);
        frame.extend(ether_type.to_be_bytes());
        frame.extend(self.packet.bytes());
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }
}
