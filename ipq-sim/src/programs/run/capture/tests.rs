use super::*;
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::io::Write as _;

fn ip(family: Family) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = match family {
        Family::Ipv4 => etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64),
        Family::Ipv6 => etherparse::PacketBuilder::ipv6([1; 16], [2; 16], 64),
    };
    builder.udp(1, 2).write(&mut bytes, b"hello").unwrap();
    bytes
}

const ETHERNET: i32 = 1;
const RAW: i32 = 101;
const COOKED: i32 = 113;
const COOKED_2: i32 = 276;

#[rstest]
#[case::raw(RAW, &[], Family::Ipv4)]
#[case::raw_of_openbsd(12, &[], Family::Ipv6)]
#[case::ipv4(228, &[], Family::Ipv4)]
#[case::ipv6(229, &[], Family::Ipv6)]
#[case::ethernet(ETHERNET, &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0], Family::Ipv4)]
#[case::ethernet_ipv6(ETHERNET, &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd], Family::Ipv6)]
#[case::cooked(COOKED, &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0], Family::Ipv4)]
#[case::cooked_2(COOKED_2, &[0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], Family::Ipv6)]
fn the_packet_of_every_link_layer_is_found(#[case] link: i32, #[case] header: &[u8], #[case] family: Family) {
    let found = packet(Linktype(link), &[header, &ip(family)].concat()).unwrap();
    assert_eq!(found.family, family);
    assert_eq!(found.data, ip(family));
    assert_eq!(found.link_header.is_some(), link == ETHERNET);
}

#[rstest]
#[case::wireless(105, &[0; 60], NotFed::LinkLayer)]
#[case::arp(ETHERNET, &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0x45, 0], NotFed::NotIp)]
#[case::cooked_arp(COOKED, &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 6, 0x45, 0], NotFed::NotIp)]
#[case::nothing(RAW, &[], NotFed::NotIp)]
#[case::less_than_a_header(ETHERNET, &[2, 0, 0, 0, 0, 1], NotFed::NotIp)]
#[case::version_5(RAW, &[0x55; 40], NotFed::NotIp)]
fn what_holds_no_packet_is_not_fed(#[case] link: i32, #[case] frame: &[u8], #[case] expected: NotFed) {
    assert_eq!(packet(Linktype(link), frame).unwrap_err(), expected);
}

fn read_bytes(bytes: &[u8]) -> Result<Vec<Record>, CaptureError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    read(file.path())
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A pcap file with these records of raw IP: how much of the packet was captured, and its length.
fn pcap(magic: u32, records: &[(usize, usize)]) -> Vec<u8> {
    let mut bytes = words(&[magic, 2 | 4 << 16, 0, 0, 1 << 18, 101]);
    for (captured, length) in records {
        bytes.extend(words(&[1000, 7, *captured as u32, *length as u32]));
        bytes.extend(&ip(Family::Ipv4)[..*captured]);
    }
    bytes
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

#[rstest]
#[case(MICROSECONDS, 7000)]
#[case(NANOSECONDS, 7)]
fn times_have_the_units_that_the_file_says(#[case] magic: u32, #[case] nanoseconds: u32) {
    let records = read_bytes(&pcap(magic, &[(33, 33)])).unwrap();
    assert_eq!(records[0].time, Duration::new(1000, nanoseconds));
    assert_eq!(records[0].packet.as_ref().unwrap().data, ip(Family::Ipv4));
}

#[test]
fn a_packet_that_the_capture_cut_is_not_fed() {
    let records = read_bytes(&pcap(MICROSECONDS, &[(20, 33), (33, 33)])).unwrap();
    assert_eq!(records[0].packet.as_ref().unwrap_err(), &NotFed::Cut);
    assert!(records[1].packet.is_ok());
}

/// A block of a pcapng file.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = padded as u32 + 12;
    [
        &words(&[kind, length])[..],
        body,
        &[0; 3][..padded - body.len()],
        &words(&[length]),
    ]
    .concat()
}

#[test]
fn blocks_of_pcapng_are_read_as_their_interfaces_say() {
    let section = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    // The second has times in nanoseconds: option 9 of one byte, and the end of options.
    let raw = block(1, &words(&[101, 0]));
    let cooked = block(
        1,
        &[&words(&[113, 0])[..], &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]].concat(),
    );
    let cooked_header = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let packet = ip(Family::Ipv4);
    let enhanced = |interface: u32, frame: &[u8], captured: usize| {
        let head = words(&[interface, 0, 2_000_000_000, captured as u32, frame.len() as u32]);
        block(6, &[&head[..], &frame[..captured]].concat())
    };
    let simple = block(3, &[&words(&[packet.len() as u32])[..], &packet].concat());
    // Name resolution: none of our business.
    let names = block(4, &[0; 4]);
    let file = [
        section,
        raw,
        cooked,
        names,
        enhanced(0, &packet, packet.len()),
        enhanced(1, &[&cooked_header[..], &packet].concat(), 16 + packet.len()),
        enhanced(0, &packet, 20),
        enhanced(7, &packet, packet.len()),
        simple,
    ];
    let records = read_bytes(&file.concat()).unwrap();
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record.time.as_secs(),
                record
                    .packet
                    .as_ref()
                    .map(|packet| &packet.data[..])
                    .map_err(|reason| *reason),
            )
        })
        .collect();
    let expected = [
        (2000, Ok(&packet[..])),
        (2, Ok(&packet[..])),
        (2000, Err(NotFed::Cut)),
        (2000, Err(NotFed::LinkLayer)),
        (0, Ok(&packet[..])),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_file_that_ends_within_a_record_is_damaged() {
    let whole = pcap(MICROSECONDS, &[(33, 33), (33, 33)]);
    let error = read_bytes(&whole[..whole.len() - 1]).unwrap_err();
    assert!(matches!(error, CaptureError::Format { records: 1, .. }), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(start in proptest::sample::select(vec![MICROSECONDS, NANOSECONDS, 0x0a0d_0d0a]), bytes: Vec<u8>) {
        let _ = read_bytes(&[&start.to_le_bytes()[..], &bytes].concat());
    }
}
