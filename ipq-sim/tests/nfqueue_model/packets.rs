//! The packets of the test, as they arrive and after they were routed.

use etherparse::{IpNumber, Ipv4Header};

/// Returns a UDP packet of 36 bytes from the neighbour at tap0 to the one at tap1.
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

/// Returns the packet as it arrives, with TTL 64.
pub(crate) fn arriving(identification: u16) -> Vec<u8> {
    packet(identification, 64)
}

/// Returns the packet after it was routed, with TTL 63.
pub(crate) fn forwarded(identification: u16) -> Vec<u8> {
    packet(identification, 63)
}
