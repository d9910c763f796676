//! The packets that arrive, and what becomes of them on the way.

use etherparse::{IpNumber, Ipv4Header};

/// A UDP packet between the neighbours, of 36 bytes.
fn packet(identification: u16, hops: u8) -> Vec<u8> {
    let mut header = Ipv4Header {
        total_len: 36,
        time_to_live: hops,
        protocol: IpNumber::UDP,
        identification,
        source: [10, 1, 0, 2],
        destination: [10, 2, 0, 2],
        ..Ipv4Header::default()
    };
    header.header_checksum = header.calc_header_checksum();
    let udp = [0x0f, 0xa0, 0x13, 0x88, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    [&header.to_bytes()[..], &udp].concat()
}

/// A packet as it arrives.
pub(crate) fn arriving(identification: u16) -> Vec<u8> {
    packet(identification, 64)
}

/// The same packet once it was routed.
pub(crate) fn forwarded(identification: u16) -> Vec<u8> {
    packet(identification, 63)
}
