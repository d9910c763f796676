//! Parses the headers of a queued packet and repairs its checksums, through the crate `etherparse`.

use super::QueuedPacket;
use etherparse::checksum::Sum16BitWords;
use etherparse::err::ip::{LaxHeaderSliceError, SliceError};
use etherparse::{IpNumber, IpSlice, LaxSlicedPacket, LenSource};
use std::net::IpAddr;

/// The offset of the header checksum in an IPv4 packet.
const IPV4_CHECKSUM: usize = 10;

impl QueuedPacket<'_> {
    /// Parses the packet's IP header and the headers after it, as far as the copy range let them
    /// through. Returns an error if not even the IP header can be parsed.
    ///
    /// ```
    /// use etherparse::TransportSlice;
    /// use ipq_core::{Verdict, handle::QueuedPacket};
    ///
    /// /// Drops queries for names.
    /// fn decide(packet: &mut QueuedPacket<'_>) -> Verdict {
    ///     match packet.headers().map(|headers| headers.transport) {
    ///         Ok(Some(TransportSlice::Udp(udp))) if udp.destination_port() == 53 => Verdict::Drop,
    ///         _ => Verdict::Accept,
    ///     }
    /// }
    /// ```
    pub fn headers(&self) -> Result<LaxSlicedPacket<'_>, LaxHeaderSliceError> {
        LaxSlicedPacket::from_ip(self.payload())
    }

    /// Computes the packet's checksums anew, as [`repair_checksums`] does. The bytes with these
    /// checksums replace the packet when the verdict is given, as after
    /// [`payload_mut`](Self::payload_mut). A call that returns an error has no effect.
    pub fn repair_checksums(&mut self) -> Result<(), SliceError> {
        let checksums = Checksums::of(self.payload())?;
        checksums.write(self.payload_mut());
        Ok(())
    }
}

/// Computes the checksums of an IP packet anew: of its IPv4 header, and of TCP, UDP, ICMP or
/// `ICMPv6`.
///
/// The packet must be whole: a cut packet, or one whose headers can't be parsed, is an error and is
/// not changed. In a fragment only the IPv4 header's checksum is computed, since TCP's and the
/// others are over the whole packet; so it is with another protocol, and in a packet that has no
/// room for the other checksum. A UDP checksum of 0 over IPv4 stays, since 0 means that there is
/// none. An IPv6 packet with a payload length of 0 is not changed: it ends after its header, or is
/// a jumbogram, which is too long for a queue. The final destination in an IPv6 routing header is
/// not looked at: the destination in the IPv6 header counts.
pub fn repair_checksums(packet: &mut [u8]) -> Result<(), SliceError> {
    Checksums::of(packet)?.write(packet);
    Ok(())
}

/// The computed checksums of a packet.
struct Checksums {
    /// The checksum of the IPv4 header; `None` for IPv6.
    header: Option<[u8; 2]>,
    /// The offset in the packet of the TCP, UDP, ICMP or `ICMPv6` checksum, and its value; `None`
    /// if none is to be written.
    payload: Option<(usize, [u8; 2])>,
}

impl Checksums {
    fn of(packet: &[u8]) -> Result<Self, SliceError> {
        let ip = IpSlice::from_slice(packet)?;
        let header = ip.ipv4().map(|ipv4| ipv4.header().slice());
        Ok(Self {
            header: header.map(|header| checksum(Sum16BitWords::new(), header, IPV4_CHECKSUM)),
            payload: payload_checksum(&ip),
        })
    }

    /// Writes the checksums into `packet`, from which they were computed.
    fn write(self, packet: &mut [u8]) {
        let header = self.header.map(|sum| (IPV4_CHECKSUM, sum));
        for (offset, sum) in header.into_iter().chain(self.payload) {
            packet[offset..][..2].copy_from_slice(&sum);
        }
    }
}

/// Returns the offset in the packet of the TCP, UDP, ICMP or `ICMPv6` checksum, and its computed
/// value. Returns `None` for other protocols (ICMP over IPv6 and `ICMPv6` over IPv4 among them),
/// for a fragment, for a packet without room for the checksum, for a UDP checksum of 0 over IPv4,
/// and for an IPv6 payload length of 0.
fn payload_checksum(ip: &IpSlice<'_>) -> Option<(usize, [u8; 2])> {
    let carried = ip.payload();
    let is_ipv4 = ip.ipv4().is_some();
    let place = match carried.ip_number {
        IpNumber::TCP => 16,
        IpNumber::UDP => 6,
        IpNumber::ICMP if is_ipv4 => 2,
        IpNumber::IPV6_ICMP if !is_ipv4 => 2,
        _ => return None,
    };
    let bytes = carried.payload;
    let present = bytes.get(place..place + 2)?;
    let optional = carried.ip_number == IpNumber::UDP && is_ipv4;
    // The parser takes an IPv6 payload length of 0 to mean all the bytes that there are.
    let states_its_length = carried.len_source != LenSource::Slice;
    if carried.fragmented || !states_its_length || (optional && present == [0, 0]) {
        return None;
    }
    let begin = if carried.ip_number == IpNumber::ICMP {
        Sum16BitWords::new()
    } else {
        pseudo_header(ip, bytes.len())
    };
    let mut sum = checksum(begin, bytes, place);
    if carried.ip_number == IpNumber::UDP && sum == [0, 0] {
        sum = [0xff, 0xff];
    }
    Some((headers_length(ip) + place, sum))
}

/// Returns the length in bytes of an IP header with its options or extension headers.
fn headers_length(ip: &IpSlice<'_>) -> usize {
    match ip {
        IpSlice::Ipv4(ipv4) => {
            let authentication = ipv4.extensions().auth;
            ipv4.header().slice().len() + authentication.map_or(0, |header| header.slice().len())
        }
        IpSlice::Ipv6(ipv6) => ipv6.header().slice().len() + ipv6.extensions().slice().len(),
    }
}

/// Returns the sum over the pseudo-header: the addresses, the carried `length` and the protocol.
/// The checksums of TCP, UDP and `ICMPv6` include it.
fn pseudo_header(ip: &IpSlice<'_>, length: usize) -> Sum16BitWords {
    let mut sum = Sum16BitWords::new();
    for address in [ip.source_addr(), ip.destination_addr()] {
        sum = match address {
            IpAddr::V4(address) => sum.add_4bytes(address.octets()),
            IpAddr::V6(address) => sum.add_16bytes(address.octets()),
        };
    }
    sum.add_4bytes((length as u32).to_be_bytes())
        .add_2bytes([0, ip.payload().ip_number.0])
}

/// Returns the internet checksum over the sum `begin` and `bytes`, in the byte order of the packet.
/// The two bytes at `place`, where the checksum itself stands, are left out.
fn checksum(begin: Sum16BitWords, bytes: &[u8], place: usize) -> [u8; 2] {
    begin
        .add_slice(&bytes[..place])
        .add_slice(&bytes[place + 2..])
        .ones_complement()
        .to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder};
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const V6: ([u8; 16], [u8; 16]) = ([0xfd; 16], [0xfe; 16]);

    fn udp(body: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64).udp(4000, 53);
        builder.write(&mut packet, body).unwrap();
        packet
    }

    fn tcp(body: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64).tcp(4000, 80, 1, 9);
        builder.write(&mut packet, body).unwrap();
        packet
    }

    fn ping(body: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let echo = Icmpv4Type::EchoRequest(etherparse::IcmpEchoHeader { id: 1, seq: 2 });
        let builder = PacketBuilder::ipv4([10, 1, 0, 2], [10, 2, 0, 2], 64).icmpv4(echo);
        builder.write(&mut packet, body).unwrap();
        packet
    }

    fn udp6(body: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv6(V6.0, V6.1, 64).udp(4000, 53);
        builder.write(&mut packet, body).unwrap();
        packet
    }

    fn ping6(body: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let echo = Icmpv6Type::EchoRequest(etherparse::IcmpEchoHeader { id: 1, seq: 2 });
        let builder = PacketBuilder::ipv6(V6.0, V6.1, 64).icmpv6(echo);
        builder.write(&mut packet, body).unwrap();
        packet
    }

    /// Builds each packet with right checksums, spoils the one at `place` and the IPv4 header's,
    /// and expects that the repair restores both.
    #[rstest]
    #[case::udp(udp, 26)]
    #[case::tcp(tcp, 36)]
    #[case::icmp(ping, 22)]
    #[case::udp_over_ipv6(udp6, 46)]
    #[case::icmpv6(ping6, 42)]
    fn spoilt_checksums_become_those_that_another_implementation_computes(
        #[case] make: fn(&[u8]) -> Vec<u8>,
        #[case] place: usize,
        #[values(b"", b"odd", b"even")] body: &[u8],
    ) {
        let right = make(body);
        let mut packet = right.clone();
        packet[place..place + 2].copy_from_slice(&[0x55, 0xaa]);
        if packet[0] >> 4 == 4 {
            packet[10] ^= 0xff;
        }
        repair_checksums(&mut packet).unwrap();
        assert_eq!(packet, right);
    }

    #[test]
    fn a_udp_packet_without_a_checksum_stays_so() {
        let mut packet = udp(b"query");
        packet[26..28].copy_from_slice(&[0, 0]);
        let before = packet.clone();
        repair_checksums(&mut packet).unwrap();
        assert_eq!(packet, before);
    }

    /// Repairs a UDP packet over IPv4 whose computed checksum is 0, and checks that the field is
    /// 0xffff. With 0 it would say that there is no checksum.
    #[test]
    fn a_udp_checksum_of_0_is_written_as_0xffff() {
        let mut packet = udp(&[0, 0]);
        let sum = u16::from_be_bytes([packet[26], packet[27]]);
        packet[28..30].copy_from_slice(&sum.to_be_bytes());
        repair_checksums(&mut packet).unwrap();
        assert_eq!(packet[26..28], [0xff, 0xff]);
    }

    #[test]
    fn of_a_fragment_only_the_header_is_made_right() {
        let mut packet = udp(b"a fragment");
        packet[6] = 0x20;
        packet[26..28].copy_from_slice(&[1, 2]);
        repair_checksums(&mut packet).unwrap();
        assert_eq!(packet[26..28], [1, 2]);
        assert_eq!(checksum(Sum16BitWords::new(), &packet[..20], 10), packet[10..12]);
    }

    #[test]
    fn a_packet_that_is_not_whole_is_refused_and_not_changed() {
        for length in 0..33 {
            let mut packet = udp(b"query")[..length.min(32)].to_vec();
            let before = packet.clone();
            assert!(repair_checksums(&mut packet).is_err(), "{length}");
            assert_eq!(packet, before);
        }
    }

    /// Repairs IPv6 packets with a payload length of 0, and checks that they stay as they are. A
    /// kernel takes such a packet to end after its header.
    #[rstest]
    fn an_ipv6_packet_that_states_no_length_is_not_changed(
        #[values(udp6, ping6)] make: fn(&[u8]) -> Vec<u8>,
        #[values(0, 32, 100)] length: usize,
    ) {
        let mut packet = make(&vec![1; length]);
        packet[4..6].copy_from_slice(&[0, 0]);
        let before = packet.clone();
        repair_checksums(&mut packet).unwrap();
        assert_eq!(packet, before);
    }

    #[rstest]
    fn an_ipv4_packet_that_states_less_than_its_header_is_refused(#[values(0, 19)] stated: u8) {
        let mut packet = udp(b"query");
        packet[3] = stated;
        let before = packet.clone();
        assert!(repair_checksums(&mut packet).is_err());
        assert_eq!(packet, before);
    }

    proptest::proptest! {
        /// Repairs random bytes with the beginning of an IP packet, and checks that this does not
        /// panic. They state few bytes, and a protocol that is known or an extension header, so
        /// that many of them can be parsed.
        #[test]
        fn a_packet_of_any_length_is_borne(
            mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 40..200),
            is_ipv6 in proptest::bool::ANY,
            stated in 0_u8..200,
            protocol in proptest::sample::select(vec![0, 1, 6, 17, 43, 44, 51, 58, 60, 135]),
        ) {
            let (first, lengths, protocol_at) = if is_ipv6 { (0x60, 4, 6) } else { (0x45, 2, 9) };
            bytes[0] = first;
            bytes[lengths..lengths + 2].copy_from_slice(&[0, stated]);
            bytes[protocol_at] = protocol;
            let _ = repair_checksums(&mut bytes);
        }

        #[test]
        fn any_bytes_are_borne(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..120), first in 0x40_u8..0x70) {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            let _ = repair_checksums(&mut bytes);
        }
    }
}
