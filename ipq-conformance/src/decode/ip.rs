//! The fields of packets, and of the Ethernet frames around them.

use super::Cursor;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) fn decode_ethernet(cursor: &mut Cursor<'_>) {
    cursor.field("eth.destination", 6, address);
    cursor.field("eth.source", 6, address);
    cursor.field("eth.type", 2, prefixed);
    decode(cursor);
}

pub(super) fn decode(cursor: &mut Cursor<'_>) {
    let transport = match cursor.remaining().first().map(|byte| byte >> 4) {
        Some(4) => decode_ipv4(cursor),
        Some(6) => decode_ipv6(cursor),
        _ => None,
    };
    match transport {
        Some(17) => {
            cursor.field("udp.source", 2, number);
            cursor.field("udp.destination", 2, number);
            cursor.field("udp.length", 2, number);
            cursor.field("udp.checksum", 2, prefixed);
        }
        Some(1 | 58) => {
            cursor.field("icmp.type", 1, number);
            cursor.field("icmp.code", 1, number);
            cursor.field("icmp.checksum", 2, prefixed);
        }
        _ => {}
    }
    cursor.rest("payload");
}

/// Names the fields of an IPv4 header. Returns the transport protocol; `None` if the header is cut
/// before it, or for a later fragment, which has no transport header.
fn decode_ipv4(cursor: &mut Cursor<'_>) -> Option<u64> {
    let first = cursor.field("ip.version_and_length", 1, prefixed)?;
    cursor.field("ip.tos", 1, prefixed);
    cursor.field("ip.total_length", 2, number);
    cursor.field("ip.identification", 2, prefixed);
    let fragment = cursor.field("ip.fragment", 2, |bytes| {
        let word = number(bytes);
        let flag = |bit: u64, name| if word & bit == 0 { "" } else { name };
        format!(
            "{}{}offset {}",
            flag(0x4000, "DF "),
            flag(0x2000, "MF "),
            (word & 0x1fff) * 8
        )
    });
    cursor.field("ip.ttl", 1, number);
    let protocol = cursor.field("ip.protocol", 1, number);
    cursor.field("ip.checksum", 2, prefixed);
    for name in ["ip.source", "ip.destination"] {
        cursor.field(name, 4, |bytes| {
            bytes
                .first_chunk()
                .map(|address: &[u8; 4]| Ipv4Addr::from(*address).to_string())
                .unwrap_or_default()
        });
    }
    let options = usize::from(first[0] & 15).saturating_mul(4).saturating_sub(20);
    cursor.field("ip.options", options, hex::encode);
    let offset = fragment.map_or(0, |bytes| number(bytes) & 0x1fff);
    protocol.filter(|_| offset == 0).map(number)
}

fn decode_ipv6(cursor: &mut Cursor<'_>) -> Option<u64> {
    cursor.field("ip.version_class_label", 4, prefixed);
    cursor.field("ip.payload_length", 2, number);
    let next = cursor.field("ip.next_header", 1, number);
    cursor.field("ip.hop_limit", 1, number);
    for name in ["ip.source", "ip.destination"] {
        cursor.field(name, 16, |bytes| {
            bytes
                .first_chunk()
                .map(|address: &[u8; 16]| Ipv6Addr::from(*address).to_string())
                .unwrap_or_default()
        });
    }
    next.map(number)
}

fn address(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

fn prefixed(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Returns the number that the bytes are in big-endian order, which all packets have.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}
