use super::*;
use crate::sample::{NEIGHBOUR_6, OTHER_NEIGHBOUR_6, udp};
use etherparse::PacketBuilder;
use pretty_assertions::assert_eq;
use rstest::rstest;

fn plain() -> Bytes {
    udp(NEIGHBOUR_6, OTHER_NEIGHBOUR_6, 64, 8)
}

/// Returns a packet with these extension headers, of which the first has type `first`, before 8
/// bytes of UDP.
fn extended(first: u8, extensions: &[u8]) -> Vec<u8> {
    let mut bytes = plain()[..48].to_vec();
    bytes.splice(40..40, extensions.iter().copied());
    bytes[4..6].copy_from_slice(&(8 + extensions.len() as u16).to_be_bytes());
    bytes[6] = first;
    bytes
}

fn changed(changes: &[(usize, u8)]) -> Bytes {
    let mut bytes = plain().to_vec();
    for (at, byte) in changes {
        bytes[*at] = *byte;
    }
    bytes.into()
}

#[rstest]
#[case::plain(plain(), true)]
#[case::nothing(Bytes::new(), false)]
#[case::cut_in_the_header(plain().slice(..39), false)]
#[case::cut_behind_it(plain().slice(..55), false)]
#[case::version_4(changed(&[(0, 0x45)]), false)]
#[case::from_a_group(changed(&[(8, 0xff)]), false)]
#[case::longer_than_it_is(changed(&[(5, 17)]), false)]
#[case::shorter_than_it_is(changed(&[(5, 15)]), true)]
fn a_packet_is_taken_if_its_header_is_right(#[case] data: Bytes, #[case] taken: bool) {
    assert_eq!(own_length(&data).is_some(), taken);
}

#[test]
fn what_follows_the_packets_own_length_is_not_counted_but_that_of_a_jumbogram_is() {
    let padded = [&plain()[..], &[0xee; 6]].concat();
    assert_eq!(own_length(&padded), Some(plain().len()));
    let empty = changed(&[(5, 0)]);
    assert_eq!(own_length(&empty), Some(40));
    let jumbo = changed(&[(5, 0), (6, 0)]);
    assert_eq!(own_length(&jumbo), Some(jumbo.len()));
}

#[rstest]
#[case::none(17, &[], Some(17))]
#[case::hop_by_hop(0, &[17, 0, 1, 4, 0, 0, 0, 0], Some(17))]
#[case::two(60, &[43, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0], Some(17))]
#[case::long(60, &[17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Some(17))]
#[case::authentication(51, &[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Some(17))]
#[case::first_fragment(44, &[17, 0, 0, 1, 0, 0, 0, 1], Some(17))]
#[case::later_fragment(44, &[17, 0, 0, 9, 0, 0, 0, 1], Some(17))]
#[case::later_fragment_of_an_extension(44, &[60, 0, 0, 9, 0, 0, 0, 1], None)]
#[case::over_the_end(60, &[17, 9, 1, 4, 0, 0, 0, 0], Some(17))]
#[case::no_next_header(59, &[], Some(59))]
fn the_transport_protocol_is_found_behind_extension_headers(
    #[case] first: u8,
    #[case] extensions: &[u8],
    #[case] expected: Option<u8>,
) {
    assert_eq!(protocol(&extended(first, extensions)), expected);
}

#[rstest]
#[case::none(17, &[], true)]
#[case::long(60, &[17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], true)]
#[case::authentication(51, &[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], true)]
#[case::fragment_with_something_reserved(44, &[17, 7, 0, 1, 0, 0, 0, 1], true)]
#[case::over_the_end(60, &[17, 9, 1, 4, 0, 0, 0, 0], false)]
fn the_transport_header_begins_where_the_extension_headers_end(
    #[case] first: u8,
    #[case] extensions: &[u8],
    #[case] is_there: bool,
) {
    let expected = is_there.then_some((17, FIXED_HEADER + extensions.len()));
    assert_eq!(transport(&extended(first, extensions)), expected);
}

#[rstest]
#[case::none(17, &[], false)]
#[case::first(44, &[17, 0, 0, 1, 0, 0, 0, 1], false)]
#[case::later(44, &[17, 0, 0, 9, 0, 0, 0, 1], true)]
#[case::far_later(44, &[17, 0, 0x10, 0, 0, 0, 0, 1], true)]
#[case::behind_another(0, &[44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 9, 0, 0, 0, 1], true)]
fn a_later_fragment_is_one_with_an_offset(#[case] first: u8, #[case] extensions: &[u8], #[case] expected: bool) {
    assert_eq!(is_later_fragment(&extended(first, extensions)), expected);
}

#[rstest]
#[case::echo_request(128, false)]
#[case::listener_query(130, true)]
#[case::neighbour_solicitation(135, true)]
#[case::redirect(137, true)]
#[case::beyond(138, false)]
#[case::second_listener_report(143, true)]
fn neighbour_and_listener_discovery_is_known_by_its_types(#[case] kind: u8, #[case] expected: bool) {
    let mut packet = Vec::new();
    PacketBuilder::ipv6(NEIGHBOUR_6.octets(), OTHER_NEIGHBOUR_6.octets(), 255)
        .icmpv6_raw(kind, 0, [0; 4])
        .write(&mut packet, &[])
        .unwrap();
    assert_eq!(is_discovery(&packet), expected);
    assert!(!is_discovery(&packet[..40]), "there is no type");
    assert!(!is_discovery(&plain()));
}

#[test]
fn the_hop_limit_is_one_less_and_nothing_else_changes() {
    let forwarded = with_decremented_hop_limit(plain());
    assert_eq!(forwarded, changed(&[(7, 63)]));
    assert_eq!(hop_limit(&forwarded), 63);
    assert_eq!(
        (source(&forwarded), destination(&forwarded)),
        (NEIGHBOUR_6, OTHER_NEIGHBOUR_6)
    );
}

#[test]
fn no_header_chain_is_endless() {
    // Each hop-by-hop header says that another one follows.
    let chain = [0, 0, 1, 4, 0, 0, 0, 0].repeat(1000);
    let packet = extended(0, &chain);
    assert_eq!(protocol(&packet[..40 + chain.len()]), None);
}

#[rstest]
#[case::header(0, 41)]
#[case::fragment(44, 43)]
fn a_protocol_is_not_said_where_the_packet_ends_before_it(#[case] first: u8, #[case] length: usize) {
    let packet = extended(first, &[17, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(protocol(&packet[..length]), None);
    assert_eq!(protocol(&packet[..=length]), Some(17));
}
