//! Files that are cut, damaged, or no captures.

use super::*;
use pretty_assertions::assert_eq;
use rstest::rstest;

#[test]
fn a_file_that_ends_within_a_record_is_read_up_to_there() {
    let packet = ip(Family::Ipv4);
    let frames = [(&packet[..], packet.len() as u32); 2];
    let classic = LITTLE.pcap(MICROSECONDS, 101, &frames);
    let enhanced = LITTLE.enhanced(0, 0, &packet, packet.len());
    let pcapng = [LITTLE.section(), LITTLE.interface(101, 0, &[]), enhanced.repeat(2)].concat();
    for (file, record) in [(classic, 16 + packet.len()), (pcapng, enhanced.len())] {
        for missing in 0..=record {
            let (records, end) = read(&file[..file.len() - missing]);
            let (whole, expected) = match missing {
                0 => (2, CaptureEnd::Whole),
                _ if missing == record => (1, CaptureEnd::Whole),
                _ => (1, CaptureEnd::WithinRecord),
            };
            assert_eq!((records.len(), end), (whole, expected), "{missing} bytes missing");
        }
    }
}

#[rstest]
#[case::a_block_of_8_bytes(&LITTLE.words(&[6, 8, 8]), "a block states 8 bytes, fewer than every block has")]
#[case::a_block_of_none(&LITTLE.words(&[6, 0, 0, 0]), "a block states 0 bytes, fewer than every block has")]
#[case::a_short_packet(&LITTLE.words(&[6, 20, 0, 0, 20]), "a packet's block states 20 bytes")]
#[case::a_short_interface(&LITTLE.words(&[1, 16, 0, 16]), "an interface's block states 16 bytes")]
#[case::lengths_that_differ(&LITTLE.words(&[4, 12, 16]), "a block states 12 bytes at its beginning and 16 at its end")]
#[case::a_packet_beyond_its_block(
    &LITTLE.words(&[6, 36, 0, 0, 0, 100, 100, 0, 36]),
    "a block of 36 bytes states a packet of 100 bytes"
)]
#[case::a_section_without_order(&LITTLE.words(&[0x0a0d_0d0a, 28, 7, 1, 0, 0, 28]), "without the magic number")]
#[case::a_section_of_a_later_version(&LITTLE.words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 2, 0, 0, 28]), "version 2, not 1")]
fn damage_ends_a_capture_and_is_named(#[case] damage: &[u8], #[case] expected: &str) {
    let packet = ip(Family::Ipv4);
    let enhanced = LITTLE.enhanced(0, 0, &packet, packet.len());
    let file = [
        &LITTLE.section()[..],
        &LITTLE.interface(101, 0, &[]),
        &enhanced,
        damage,
        &enhanced,
    ]
    .concat();
    let (records, end) = read(&file);
    assert_eq!(records.len(), 1);
    let CaptureEnd::Damaged(reason) = end else {
        panic!("{end:?}")
    };
    assert!(reason.contains(expected), "{reason}");
}

#[test]
fn a_record_of_a_gigabyte_is_damage() {
    let mut file = LITTLE.pcap(MICROSECONDS, 101, &[]);
    file.extend(LITTLE.words(&[0, 0, 1 << 30, 1 << 30]));
    let (_, end) = read(&file);
    assert_eq!(end, CaptureEnd::Damaged(format!("a record states {} bytes", 1 << 30)));
}

#[rstest]
#[case::empty(b"", "it is empty")]
#[case::three_bytes(b"abc", "it is too short")]
#[case::text(b"#!/bin/sh\n", "it begins as neither does")]
#[case::a_header_cut(&MICROSECONDS.to_le_bytes(), "it ends within its header")]
#[case::xz(
    b"\xfd7zXZ\0",
    "it is compressed by xz; decompress it first: `xz -dc FILE | ipq-sim run --pcap - …`"
)]
fn what_is_no_capture_is_refused(#[case] bytes: &[u8], #[case] expected: &str) {
    let refused = read_all(Box::new(Cursor::new(bytes.to_vec()))).unwrap_err();
    assert_eq!(refused, expected);
}

#[test]
fn interfaces_have_a_bound() {
    let interface = LITTLE.interface(101, 0, &[]);
    let file = [LITTLE.section(), interface.repeat((1 << 16) + 1)].concat();
    let (_, end) = read(&file);
    assert_eq!(
        end,
        CaptureEnd::Damaged("a section has more than 65536 interfaces".to_owned())
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        start in proptest::sample::select(vec![MICROSECONDS, NANOSECONDS, 0x0a0d_0d0a, 0xfd2f_b528, 0x8b1f]),
        bytes: Vec<u8>,
    ) {
        let file = [&start.to_le_bytes()[..], &bytes].concat();
        let _ = read_all(Box::new(Cursor::new(file)));
    }

    #[test]
    fn no_frame_makes_it_panic(link in 0..300_u32, frame: Vec<u8>) {
        read(&one_frame(link, &frame));
    }
}
