//! The two formats, plain and compressed, and read in pieces of any size.

use super::*;
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::io::{Read, Write as _};
use std::time::Duration;

#[rstest]
#[case(MICROSECONDS, 7000)]
#[case(NANOSECONDS, 7)]
fn times_have_the_units_that_the_file_says(
    #[case] magic: u32,
    #[case] nanoseconds: u32,
    #[values(LITTLE, BIG)] order: Writer,
) {
    let packet = ip(Family::Ipv4);
    let (records, end) = read(&order.pcap(magic, 101, &[(&packet, packet.len() as u32)]));
    assert_eq!(records[0].time.since_epoch(), Duration::new(1000, nanoseconds));
    assert_eq!(records[0].packet.as_ref().unwrap().data, packet);
    assert_eq!(end, CaptureEnd::Whole);
}

#[test]
fn a_file_of_the_patched_libpcap_is_read() {
    let packet = ip(Family::Ipv4);
    let mut bytes = LITTLE.pcap(0xa1b2_cd34, 101, &[]);
    for _ in 0..2 {
        bytes.extend(LITTLE.words(&[1000, 7, packet.len() as u32, packet.len() as u32, 3, 0x0800]));
        bytes.extend(&packet);
    }
    assert_eq!(packets(&bytes), [Ok(packet.clone()), Ok(packet)]);
}

#[test]
fn a_packet_that_the_capture_cut_is_not_fed() {
    let packet = ip(Family::Ipv4);
    let whole = packet.len() as u32;
    let padded = [&packet[..], &[0; 6]].concat();
    let cut = [
        (&packet[..20], whole),
        (&packet[..10], whole),
        (&padded[..], whole + 20),
    ];
    // The last record lacks only a part of the padding after the packet.
    let expected = [Err(NotFed::Cut), Err(NotFed::Cut), Ok(packet.clone())];
    assert_eq!(packets(&LITTLE.pcap(MICROSECONDS, 101, &cut)), expected);
}

#[rstest]
fn blocks_of_pcapng_are_read_as_their_interfaces_say(#[values(LITTLE, BIG)] order: Writer) {
    let cooked_header = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let packet = ip(Family::Ipv4);
    let length = packet.len();
    let cooked = [&cooked_header[..], &packet].concat();
    let nanoseconds = [order.option(2, b"eth7"), order.option(9, &[9]), order.option(0, &[])].concat();
    let offset = 100_i64;
    let offset = if order.is_big {
        offset.to_be_bytes()
    } else {
        offset.to_le_bytes()
    };
    let seconds_from_100 = [order.option(9, &[0]), order.option(14, &offset)].concat();
    let obsolete = |interface: u16| {
        let head = [
            order.halves(&[interface, 0]),
            order.words(&[0, 2_000_000_000, length as u32, length as u32]),
        ];
        order.block(2, &[head.concat(), packet.clone()].concat())
    };
    let simple = |captured: usize| order.block(3, &[&order.words(&[length as u32])[..], &packet[..captured]].concat());
    let file = [
        order.section(),
        order.interface(101, 0, &[]),
        order.interface(113, 0, &nanoseconds),
        order.interface(101, 0, &seconds_from_100),
        // A block of names, which is skipped.
        order.block(4, &[0; 4]),
        order.enhanced(0, 2_000_000_000, &packet, length),
        order.enhanced(1, 2_000_000_000, &cooked, cooked.len()),
        order.enhanced(2, 7, &packet, length),
        order.enhanced(0, 2_000_000_000, &packet[..20], length),
        order.enhanced(7, 2_000_000_000, &packet, length),
        obsolete(0),
        simple(length),
        // Another section begins, in the other byte order.
        BIG.section(),
        BIG.interface(101, 20, &[]),
        BIG.block(3, &[&BIG.words(&[length as u32])[..], &packet[..20]].concat()),
    ];
    let (records, end) = read(&file.concat());
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            let packet = record.packet.as_ref().map(|packet| &packet.data[..]);
            (record.time.to_string(), packet.map_err(|reason| *reason))
        })
        .collect();
    let expected = [
        ("2000.000000", Ok(&packet[..])),
        ("2.000000000", Ok(&packet[..])),
        ("107", Ok(&packet[..])),
        ("2000.000000", Err(NotFed::Cut)),
        ("2000.000000", Err(NotFed::NoInterface)),
        ("2000.000000", Ok(&packet[..])),
        ("0.000000", Ok(&packet[..])),
        ("0.000000", Err(NotFed::Cut)),
    ];
    assert_eq!(seen, expected.map(|(time, packet)| (time.to_owned(), packet)));
    assert_eq!(end, CaptureEnd::Whole);
}

#[test]
fn blocks_of_any_size_are_gone_past_and_long_frames_are_looked_into() {
    let packet = ip(Family::Ipv4);
    let long = [&packet[..], &vec![0; 3 << 20]].concat();
    let secrets = [&LITTLE.words(&[0x544c_534b, 5 << 20])[..], &vec![b'x'; 5 << 20]].concat();
    let file = [
        LITTLE.section(),
        LITTLE.block(10, &secrets),
        LITTLE.interface(101, 0, &LITTLE.option(1, &vec![b'y'; 60_000]).repeat(30)),
        LITTLE.enhanced(0, 0, &long, long.len()),
        LITTLE.enhanced(0, 0, &packet, packet.len()),
    ];
    let allocated = allocation_counter::measure(|| {
        let (records, end) = read_all(Box::new(Pieces::new(file.concat(), 1 << 20))).unwrap();
        assert_eq!((records.len(), end), (2, CaptureEnd::Whole));
        assert!(
            records
                .iter()
                .all(|record| record.packet.as_ref().unwrap().data == packet)
        );
    });
    // The test itself holds the file's bytes.
    let file_bytes: usize = file.iter().map(Vec::len).sum();
    let read = allocated.bytes_max - file_bytes as u64;
    assert!(read < 1 << 20, "{read}");
}

/// A source that returns at most `size` bytes at a time.
struct Pieces {
    bytes: Cursor<Vec<u8>>,
    size: usize,
}

impl Pieces {
    fn new(bytes: Vec<u8>, size: usize) -> Self {
        Self {
            bytes: Cursor::new(bytes),
            size,
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.size.min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[rstest]
#[case::plain(|bytes: &[u8]| bytes.to_vec())]
#[case::gzip(gzip)]
#[case::gzip_of_two_members(|bytes: &[u8]| [gzip(&bytes[..50]), gzip(&bytes[50..])].concat())]
#[case::zstd(zstd)]
#[case::zstd_of_two_frames_and_one_to_skip(|bytes: &[u8]| {
    [zstd(&bytes[..50]), vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], zstd(&bytes[50..])].concat()
})]
fn files_are_read_compressed_and_in_pieces_of_any_size(
    #[case] compress: fn(&[u8]) -> Vec<u8>,
    #[values(1, 7, 1 << 20)] size: usize,
) {
    let packet = ip(Family::Ipv6);
    let file = LITTLE.pcap(MICROSECONDS, 101, &[(&packet[..], packet.len() as u32); 20]);
    let compressed = compress(&file);
    let (records, end) = read_all(Box::new(Pieces::new(compressed.clone(), size))).unwrap();
    assert_eq!((records.len(), end), (20, CaptureEnd::Whole));
}

#[rstest]
#[case::gzip(gzip)]
#[case::zstd(|bytes: &[u8]| [zstd(&bytes[..200]), zstd(&bytes[200..])].concat())]
fn a_compressed_file_that_is_cut_is_read_up_to_there(#[case] compress: fn(&[u8]) -> Vec<u8>) {
    let packet = ip(Family::Ipv6);
    let compressed = compress(&LITTLE.pcap(MICROSECONDS, 101, &[(&packet[..], packet.len() as u32); 20]));
    let cut = compressed[..compressed.len() - 5].to_vec();
    let (records, end) = read_all(Box::new(Cursor::new(cut))).unwrap();
    assert!((1..=20).contains(&records.len()), "{}", records.len());
    assert_eq!(end, CaptureEnd::WithinRecord);
}
