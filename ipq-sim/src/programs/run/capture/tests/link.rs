//! Packets in the frames of the link layers that are read, and frames that hold no packet to feed.

use super::*;
use pretty_assertions::assert_eq;
use rstest::rstest;

const ETHERNET: u32 = 1;
const COOKED: u32 = 113;
const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// Returns a frame: the bytes of `header`, and `packet` after them. `header` is hexadecimal digits,
/// in which spaces are ignored and `macs` stands for two hardware addresses.
fn frame(header: &str, packet: &[u8]) -> Vec<u8> {
    let header = header.replace("macs", &hex::encode(MACS)).replace(' ', "");
    [hex::decode(header).unwrap(), packet.to_vec()].concat()
}

#[rstest]
#[case::raw(101, "", Family::Ipv4)]
#[case::raw_of_most_systems(12, "", Family::Ipv6)]
#[case::raw_of_openbsd(14, "", Family::Ipv4)]
#[case::ipv4(228, "", Family::Ipv4)]
#[case::ipv6(229, "", Family::Ipv6)]
#[case::ethernet(ETHERNET, "macs 0800", Family::Ipv4)]
#[case::ethernet_ipv6(ETHERNET, "macs 86dd", Family::Ipv6)]
#[case::tagged(ETHERNET, "macs 8100 0005 0800", Family::Ipv4)]
#[case::tagged_twice(ETHERNET, "macs 88a8 0005 8100 0006 86dd", Family::Ipv6)]
#[case::tagged_as_once(ETHERNET, "macs 9100 0005 9200 0006 0800", Family::Ipv4)]
#[case::pppoe(ETHERNET, "macs 8864 1100 0001 0023 0021", Family::Ipv4)]
#[case::tagged_pppoe_ipv6(ETHERNET, "macs 8100 0007 8864 1100 0001 0037 0057", Family::Ipv6)]
#[case::mpls(ETHERNET, "macs 8847 00010040 00020140", Family::Ipv4)]
#[case::snap(ETHERNET, "macs 0029 aaaa03 000000 0800", Family::Ipv4)]
#[case::snap_of_bridges(ETHERNET, "macs 0029 aaaa03 0000f8 0800", Family::Ipv4)]
#[case::logical_link(ETHERNET, "macs 0024 060603", Family::Ipv4)]
#[case::ppp_over_ethertype(ETHERNET, "macs 880b 0021", Family::Ipv4)]
#[case::ppp(9, "0021", Family::Ipv4)]
#[case::ppp_framed(9, "ff03 0057", Family::Ipv6)]
#[case::ppp_compressed(9, "21", Family::Ipv4)]
#[case::ppp_framed_and_compressed(50, "ff03 57", Family::Ipv6)]
#[case::ppp_on_a_line_of_ciscos(50, "0f00 0800", Family::Ipv4)]
#[case::ppp_with_mpls(9, "0281 00010140", Family::Ipv4)]
#[case::ppp_over_ethernet_alone(51, "1100 0001 0023 0021", Family::Ipv4)]
#[case::ppp_with_direction(204, "01 ff03 0021", Family::Ipv4)]
#[case::hdlc_of_ciscos(104, "8f00 86dd", Family::Ipv6)]
#[case::atm(100, "aaaa03 000000 0800", Family::Ipv4)]
#[case::mpls_alone(219, "00010140", Family::Ipv6)]
#[case::cooked(COOKED, "0000 0001 0006 020000000001 0000 0800", Family::Ipv4)]
#[case::cooked_and_tagged(COOKED, "0000 0001 0006 020000000001 0000 8100 0005 86dd", Family::Ipv6)]
#[case::cooked_logical_link(COOKED, "0000 0001 0006 020000000001 0000 0004 aaaa03 000000 0800", Family::Ipv4)]
#[case::cooked_2(276, "86dd 0000 00000002 0001 00 06 0200000000010000", Family::Ipv6)]
#[case::cooked_2_and_tagged(276, "8100 0000 00000002 0001 00 06 0200000000010000 0005 0800", Family::Ipv4)]
#[case::null(0, "02000000", Family::Ipv4)]
#[case::null_of_the_other_order(0, "00000002", Family::Ipv4)]
#[case::null_ipv6_of_linux(0, "0a000000", Family::Ipv6)]
#[case::null_ipv6_of_openbsd(0, "18000000", Family::Ipv6)]
#[case::null_ipv6_of_freebsd(0, "0000001c", Family::Ipv6)]
#[case::null_ipv6_of_darwin(0, "1e000000", Family::Ipv6)]
#[case::loopback(108, "00000002", Family::Ipv4)]
#[case::loopback_ipv6(108, "00000018", Family::Ipv6)]
#[case::nflog(239, "0200 0000 0800 0100 08000100 0500 0a00 61 000000 2500 0900", Family::Ipv4)]
#[case::wifi(
    105,
    "0800 0000 020000000001 020000000002 020000000003 0000 aaaa03 000000 0800",
    Family::Ipv4
)]
#[case::wifi_with_quality(
    105,
    "8801 0000 020000000001 020000000002 020000000003 0000 0000 aaaa03 000000 0800",
    Family::Ipv4
)]
#[case::wifi_bridged(
    105,
    "0803 0000 020000000001 020000000002 020000000003 0000 020000000004 aaaa03 000000 86dd",
    Family::Ipv6
)]
#[case::radiotap(
    127,
    "0000 0800 00000000 0802 0000 020000000001 020000000002 020000000003 0000 aaaa03 000000 0800",
    Family::Ipv4
)]
#[case::radiotap_and_padding(
    127,
    "0000 1900 03000080 00000000 00000000 0000000000000000 20 8801 0000 020000000001 020000000002 020000000003 0000 0000 0000 \
     aaaa03 000000 0800",
    Family::Ipv4
)]
fn the_packet_of_every_link_layer_is_found(#[case] link: u32, #[case] header: &str, #[case] family: Family) {
    let expected = ip(family);
    assert_eq!(packets(&one_frame(link, &frame(header, &expected))), [Ok(expected)]);
}

#[rstest]
#[case::ethernet(ETHERNET, "macs 0800", Family::Ipv4, [&MACS[..], &[8, 0]].concat())]
#[case::no_tag(ETHERNET, "macs 8100 0005 86dd", Family::Ipv6, [&MACS[..], &[0x86, 0xdd]].concat())]
#[case::pppoe(ETHERNET, "macs 8864 1100 0001 0037 0057", Family::Ipv6, [&MACS[..], &[0x86, 0xdd]].concat())]
#[case::wifi(
    105,
    "0801 0000 0a0000000001 020000000002 020000000001 0000 aaaa03 000000 0800",
    Family::Ipv4,
    hex::decode("0200000000010200000000020800").unwrap()
)]
fn the_link_header_is_what_a_kernel_shows(
    #[case] link: u32,
    #[case] header: &str,
    #[case] family: Family,
    #[case] expected: Vec<u8>,
) {
    let (records, _) = read(&one_frame(link, &frame(header, &ip(family))));
    let packet = records[0].packet.as_ref().unwrap();
    assert_eq!(packet.link_header.map(Vec::from), Some(expected));
}

#[rstest]
#[case::unread_link(189, "00", "USB_LINUX (link type 189)")]
#[case::unknown_link(999, "00", "link type 999, which is not read")]
#[case::arp(ETHERNET, "macs 0806", "ARP")]
#[case::arp_in_a_vlan(ETHERNET, "macs 8100 0005 0806", "ARP in a VLAN")]
#[case::arp_in_a_vlan_behind_snap(ETHERNET, "macs 0028 aaaa03 000000 8100 0005 0806", "ARP in a VLAN")]
#[case::lldp(ETHERNET, "macs 88cc", "LLDP")]
#[case::other(ETHERNET, "macs 4242", "not IP: EtherType 0x4242")]
#[case::spanning_tree(ETHERNET, "macs 0026 424203", "STP")]
#[case::cdp(
    ETHERNET,
    "macs 0026 aaaa03 00000c 2000",
    "not IP: a protocol of one organisation's (SNAP)"
)]
#[case::session(ETHERNET, "macs 8863 1109 0000 0004", "PPPoE discovery")]
#[case::lcp(ETHERNET, "macs 8864 1100 0001 0006 c021", "PPP: LCP")]
#[case::pseudowire(ETHERNET, "macs 8847 00010140 00000000", "MPLS without IP")]
#[case::cooked_arp(COOKED, "0000 0001 0006 020000000001 0000 0806", "ARP")]
#[case::cooked_can(COOKED, "0000 0118 0000 0000000000000000 000c", "not IP: EtherType 0x000c")]
#[case::null(0, "07000000", "not IP: address family 7")]
#[case::beacon(
    105,
    "8000 0000 ffffffffffff 020000000002 020000000002 0000",
    "a Wi-Fi frame without data"
)]
#[case::encrypted(
    105,
    "0842 0000 020000000001 020000000002 020000000003 0000 0000",
    "an encrypted Wi-Fi frame"
)]
#[case::aggregate(
    105,
    "8802 0000 020000000001 020000000002 020000000003 0000 8000 020000000001",
    "a Wi-Fi frame of several packets (A-MSDU)"
)]
#[case::nothing(101, "", "the frame ends before a packet's header does")]
#[case::less_than_a_header(ETHERNET, "020000000001", "the frame ends before a packet's header does")]
#[case::version_5(101, "55", "IP version 5")]
fn what_is_not_fed_has_a_reason_that_names_it(#[case] link: u32, #[case] header: &str, #[case] expected: &str) {
    let padding: &[u8] = if header.len() < 14 { &[] } else { &[0; 40] };
    let found = packets(&one_frame(link, &frame(header, padding)));
    let reason = found[0].as_ref().unwrap_err();
    assert_eq!(reason.to_string(), expected);
}

#[test]
fn a_wrong_checksum_is_said_to_be_one() {
    let mut packet = ip(Family::Ipv4);
    packet[10] ^= 1;
    assert_eq!(packets(&one_frame(101, &packet)), [Err(NotFed::Checksum)]);
}

#[test]
fn padding_and_check_sequences_are_no_part_of_a_packet() {
    let packet = ip(Family::Ipv4);
    let padded = frame("macs 0800", &[&packet[..], &[0; 13]].concat());
    // Bit 26 of the link type says that each frame ends with a check sequence, whose length of 2
    // units of 2 bytes is in the highest 4 bits.
    let checked = 1 << 26 | 2 << 28 | ETHERNET;
    assert_eq!(packets(&one_frame(ETHERNET, &padded)), [Ok(packet.clone())]);
    assert_eq!(packets(&one_frame(checked, &padded)), [Ok(packet)]);
}

#[test]
fn a_packet_that_was_to_be_segmented_is_as_long_as_its_frame() {
    for (family, length_at) in [(Family::Ipv4, 2), (Family::Ipv6, 4)] {
        let mut expected = Vec::new();
        let builder = match family {
            Family::Ipv4 => etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64),
            Family::Ipv6 => etherparse::PacketBuilder::ipv6([1; 16], [2; 16], 64),
        };
        builder.tcp(1, 80, 0, 0).write(&mut expected, &[7; 9000]).unwrap();
        let mut captured = expected.clone();
        captured[length_at..length_at + 2].fill(0);
        let protocol = if family == Family::Ipv4 {
            "macs 0800"
        } else {
            "macs 86dd"
        };
        // A check sequence does not count for the packet's length.
        let with_check = frame(protocol, &[&captured[..], &[9; 4]].concat());
        assert_eq!(
            packets(&one_frame(1 << 26 | 2 << 28 | ETHERNET, &with_check)),
            [Ok(expected)]
        );
    }
}
