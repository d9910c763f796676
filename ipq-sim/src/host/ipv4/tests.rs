use super::*;
use crate::sample::{NEIGHBOUR, OTHER_NEIGHBOUR, ipv4_with, udp};
use etherparse::{IpFragOffset, Ipv4Header, Ipv4HeaderSlice, Ipv4Options, Ipv4Slice};
use pretty_assertions::assert_eq;
use rstest::rstest;

fn plain(payload: usize) -> Bytes {
    udp(NEIGHBOUR, OTHER_NEIGHBOUR, 64, payload)
}

/// Returns a UDP packet with bytes changed, each given by its offset and its new value. The header
/// checksum is then computed anew.
fn changed(changes: &[(usize, u8)]) -> Bytes {
    let mut bytes = plain(8).to_vec();
    for (at, byte) in changes {
        bytes[*at] = *byte;
    }
    mend_checksum(&mut bytes[..20]);
    bytes.into()
}

#[rstest]
#[case::plain(plain(8), true)]
#[case::nothing(Bytes::new(), false)]
#[case::cut_in_the_header(plain(8).slice(..19), false)]
#[case::cut_behind_it(plain(8).slice(..35), false)]
#[case::version_6(changed(&[(0, 0x65)]), false)]
#[case::version_0(changed(&[(0, 0x05)]), false)]
#[case::header_of_16(changed(&[(0, 0x44)]), false)]
#[case::header_longer_than_the_packet(changed(&[(0, 0x4f)]), false)]
#[case::total_under_the_header(changed(&[(3, 19)]), false)]
#[case::header_alone(changed(&[(3, 20)]), true)]
#[case::total_over_what_arrived(changed(&[(3, 37)]), false)]
fn a_packet_is_taken_if_its_header_is_right(#[case] data: Bytes, #[case] taken: bool) {
    assert_eq!(own_length(&data).is_some(), taken);
}

#[test]
fn each_wrong_bit_of_a_header_is_found_by_the_checksum() {
    for bit in 0..160 {
        let mut bytes = plain(8).to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(own_length(&bytes), None, "bit {bit}");
    }
}

#[rstest]
#[case::of_nothing(&[0; 20], 0xffff)]
#[case::of_ones(&[0xff; 60], 0)]
#[case::of_an_odd_length(&[0x12, 0x34, 0x56], 0x97cb)]
#[case::with_a_carry(&[0xff, 0xff, 0, 2], 0xfffd)]
#[case::with_a_carry_of_the_carry(&[0xff, 0xff, 0xff, 0xff, 0, 1], 0xfffe)]
#[case::of_a_fragment(
    &[0x45, 0, 5, 0xdc, 0, 0, 0x20, 0, 0x3f, 17, 0, 0, 192, 168, 0, 2, 187, 70, 218, 33],
    0xfffe
)]
fn a_checksum_is_the_ones_complement_of_the_sum_in_ones_complement(#[case] header: &[u8], #[case] expected: u16) {
    assert_eq!(checksum(header), expected);
}

#[test]
fn what_follows_the_packets_own_length_is_not_counted() {
    let padded = [&plain(2)[..], &[0xee; 16]].concat();
    assert_eq!(own_length(&padded), Some(plain(2).len()));
}

#[rstest]
fn the_ttl_is_one_less_and_the_checksum_as_right_as_it_was(
    #[values(2, 64, 255)] ttl: u8,
    #[values(0, 1, 0xff00, 0xfeff)] identification: u16,
    #[values(0, 0x0101, 0xffff)] error: u16,
) {
    let right = ipv4_with(
        |header| (header.time_to_live, header.identification) = (ttl, identification),
        8,
    );
    let mut wrong = right.to_vec();
    let sum = u16_at(&right, 10) ^ error;
    wrong[10..12].copy_from_slice(&sum.to_be_bytes());
    let forwarded = with_decremented_ttl(wrong.into());
    assert_eq!(forwarded[8], ttl - 1);
    assert_eq!(checksum(&forwarded[..20]) == 0, error == 0);
    assert_eq!(forwarded[20..], right[20..]);
}

#[rstest]
#[case::to_the_byte(1472, &[1480])]
#[case::one_over(1473, &[1480, 1])]
#[case::two_and_a_bit(3000, &[1480, 1480, 48])]
fn a_packet_over_the_mtu_is_cut_into_multiples_of_eight(#[case] payload: usize, #[case] lengths: &[usize]) {
    let whole = plain(payload);
    let fragments = fragments(&whole, 1500).unwrap();
    let mut together: Vec<u8> = Vec::new();
    for (number, fragment) in fragments.iter().enumerate() {
        let header = Ipv4HeaderSlice::from_slice(fragment).unwrap();
        assert_eq!(usize::from(header.fragments_offset().byte_offset()), together.len());
        assert_eq!(header.more_fragments(), number + 1 < lengths.len());
        assert_eq!(usize::from(header.total_len()), fragment.len());
        assert_eq!(checksum(&fragment[..20]), 0);
        assert!(!header.dont_fragment());
        together.extend(&fragment[20..]);
    }
    assert_eq!(
        fragments.iter().map(|fragment| fragment.len() - 20).collect::<Vec<_>>(),
        lengths
    );
    assert_eq!(together, whole[20..]);
}

#[test]
fn a_fragment_is_cut_further_where_it_is() {
    let middle = ipv4_with(
        |header| {
            header.fragment_offset = IpFragOffset::try_new(100).unwrap();
            header.more_fragments = true;
        },
        1600,
    );
    let seen: Vec<_> = fragments(&middle, 1500)
        .unwrap()
        .iter()
        .map(|fragment| {
            let header = Ipv4Slice::from_slice(fragment).unwrap();
            let header = header.header();
            (header.fragments_offset().value(), header.more_fragments())
        })
        .collect();
    assert_eq!(seen, [(100, true), (285, true)]);
}

#[rstest]
#[case::none_that_is_not_copied(&[0x88, 4, 1, 2], &[0x88, 4, 1, 2])]
#[case::record_route(&[7, 7, 4, 0, 0, 0, 0, 1], &[1, 1, 1, 1, 1, 1, 1, 1])]
#[case::after_a_no_operation(&[1, 7, 3, 4], &[1, 1, 1, 1])]
#[case::nothing_behind_the_end(&[0, 7, 3, 4], &[0, 7, 3, 4])]
#[case::both_kinds(&[0x44, 4, 5, 0, 0x88, 4, 1, 2], &[1, 1, 1, 1, 0x88, 4, 1, 2])]
#[case::length_over_the_header(&[7, 9, 4, 0], &[7, 9, 4, 0])]
#[case::length_1(&[7, 1, 7, 2], &[7, 1, 7, 2])]
#[case::length_0(&[7, 0, 7, 2], &[7, 0, 7, 2])]
#[case::no_length(&[1, 1, 1, 7], &[1, 1, 1, 7])]
fn options_that_are_not_copied_are_blanked_behind_the_first_fragment(#[case] options: &[u8], #[case] later: &[u8]) {
    let whole = ipv4_with(|header| header.options = Ipv4Options::try_from(options).unwrap(), 2000);
    let fragments = fragments(&whole, 1500).unwrap();
    let end = 20 + options.len();
    assert_eq!(fragments.len(), 2);
    assert_eq!(fragments[0][20..end], *options);
    assert_eq!(fragments[1][20..end], *later);
    assert!(fragments.iter().all(|fragment| checksum(&fragment[..end]) == 0));
}

#[rstest]
#[case::no_header(&[0x41; 2000], 1500)]
#[case::nothing_but_a_header(&[0x4f; 60], 59)]
#[case::no_room_for_anything(&[0x45; 2000], 27)]
fn what_can_not_be_cut_is_not(#[case] data: &'static [u8], #[case] mtu: usize) {
    assert_eq!(fragments(&Bytes::from_static(data), mtu), None);
}

#[test]
fn fields_are_read_where_they_are() {
    let packet = ipv4_with(
        |header| {
            header.dont_fragment = true;
            header.time_to_live = 9;
        },
        8,
    );
    let parsed = Ipv4Header::from_slice(&packet).unwrap().0;
    assert_eq!(source(&packet).octets(), parsed.source);
    assert_eq!(destination(&packet).octets(), parsed.destination);
    assert_eq!((ttl(&packet), protocol(&packet), tos(&packet)), (9, 17, 0));
    assert!(dont_fragment(&packet) && !is_later_fragment(&packet));
    assert!(is_later_fragment(&crate::sample::later_fragment()));
}

#[test]
fn bytes_that_are_not_there_are_zeros() {
    assert_eq!((ttl(&[]), protocol(&[]), tos(&[])), (0, 0, 0));
    assert!(source(&[]).is_unspecified() && destination(&[0; 17]).is_unspecified());
}
