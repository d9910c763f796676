//! Makes captures in the pcap format, and reads packets from them.

// Each test target uses a part of this.
#![allow(dead_code)]

/// The link type of raw IP.
pub(crate) const RAW_IP: u32 = 101;

/// Returns the header of a capture with that link type, in little-endian byte order and with
/// microseconds.
pub(crate) fn header(link: u32) -> Vec<u8> {
    words(&[0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 1 << 18, link])
}

/// Returns a record with that time, in seconds and microseconds. `missing` is the number of bytes
/// that the packet had beyond those captured.
pub(crate) fn record([seconds, microseconds]: [u32; 2], captured: &[u8], missing: u32) -> Vec<u8> {
    let length = captured.len() as u32;
    [&words(&[seconds, microseconds, length, length + missing]), captured].concat()
}

/// Returns a capture of raw IP with these packets, each at time 0.
pub(crate) fn raw_ip(packets: &[Vec<u8>]) -> Vec<u8> {
    let records = packets.iter().flat_map(|packet| record([0, 0], packet, 0));
    header(RAW_IP).into_iter().chain(records).collect()
}

/// Returns the packets of a capture in this machine's byte order; none if the file ends within its
/// header. Panics if a packet is cut.
pub(crate) fn packets(file: &[u8]) -> Vec<Vec<u8>> {
    const FILE_HEADER_BYTES: usize = 24;
    const RECORD_HEADER_BYTES: usize = 16;
    let mut rest = &file[FILE_HEADER_BYTES.min(file.len())..];
    let mut packets = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(RECORD_HEADER_BYTES) {
        let length = u32::from_ne_bytes(header[8..12].try_into().unwrap()) as usize;
        packets.push(after[..length].to_vec());
        rest = &after[length..];
    }
    packets
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
