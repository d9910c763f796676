//! IPv6 headers, as far as a host that forwards looks at them.

use bytes::{Bytes, BytesMut};
use std::net::Ipv6Addr;

const FIXED_HEADER: usize = 40;
const FRAGMENT_HEADER: usize = 8;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const ICMPV6: u8 = 58;

/// Returns the length in bytes that the header states for the whole packet, to which an arriving
/// packet is cut (FWD-2). For a jumbogram, whose header states 0, returns the length of `data`.
/// Returns `None` if the version is wrong, the header is cut off, the packet is longer than `data`,
/// or its source is a multicast address: an arriving packet is then dropped.
pub(crate) fn own_length(data: &[u8]) -> Option<usize> {
    let sound = data.len() >= FIXED_HEADER && data[0] >> 4 == 6 && !source(data).is_multicast();
    let stated = usize::from(u16::from_be_bytes([*data.get(4)?, *data.get(5)?]));
    if !sound || stated + FIXED_HEADER > data.len() {
        return None;
    }
    // A payload of 0 bytes before hop-by-hop options announces a jumbogram.
    let jumbo = stated == 0 && data[6] == HOP_BY_HOP;
    Some(if jumbo { data.len() } else { FIXED_HEADER + stated })
}

pub(crate) fn source(data: &[u8]) -> Ipv6Addr {
    address_at(data, 8)
}

pub(crate) fn destination(data: &[u8]) -> Ipv6Addr {
    address_at(data, 24)
}

pub(crate) fn hop_limit(data: &[u8]) -> u8 {
    data.get(7).copied().unwrap_or_default()
}

pub(crate) fn with_decremented_hop_limit(data: Bytes) -> Bytes {
    let mut data = BytesMut::from(data);
    data[7] = data[7].wrapping_sub(1);
    data.freeze()
}

/// Returns the number of the protocol after the extension headers. Returns `None` if the packet
/// ends before the length of an extension header or the offset of a fragment header. Returns
/// `None`, too, for a later fragment whose fragment header names an extension header.
pub(crate) fn protocol(data: &[u8]) -> Option<u8> {
    let protocol = match extension_headers(data).last() {
        Some(header) => header.next,
        None => *data.get(6)?,
    };
    (!is_extension(protocol)).then_some(protocol)
}

/// Returns `true` if the packet has a whole fragment header, and is a fragment other than the
/// first.
pub(crate) fn is_later_fragment(data: &[u8]) -> bool {
    extension_headers(data).any(|header| header.is_of_later_fragment && header.end <= data.len())
}

/// Returns `true` if the packet is neighbour discovery or multicast listener discovery (PKT-6): it
/// carries `ICMPv6` of a type from 130 to 137, or 143.
pub(crate) fn is_discovery(data: &[u8]) -> bool {
    transport(data)
        .filter(|(protocol, _)| *protocol == ICMPV6)
        .and_then(|(_, at)| data.get(at))
        .is_some_and(|kind| matches!(kind, 130..=137 | 143))
}

/// Splits a packet into fragments of at most `mtu` bytes with this identification (ERA-10). Each
/// repeats the headers that routers on the way look at, followed by a fragment header. All but the
/// last carry the same number of bytes, a multiple of 8. Returns `None` if the headers are wrong,
/// or if `mtu` leaves no room for 8 bytes after them.
pub(crate) fn fragments(data: &[u8], mtu: usize, identification: u32) -> Option<Vec<Bytes>> {
    let (kept, next_header) = unfragmentable(data)?;
    let room = mtu.checked_sub(kept + FRAGMENT_HEADER)? & !7;
    if room == 0 {
        return None;
    }
    let (head, body) = data.split_at(kept);
    let mut head = head.to_vec();
    let following = std::mem::replace(&mut head[next_header], FRAGMENT);
    let mut fragments = Vec::new();
    let mut offset = 0;
    while offset < body.len() {
        let piece = &body[offset..body.len().min(offset + room)];
        let length = kept - FIXED_HEADER + FRAGMENT_HEADER + piece.len();
        head[4..6].copy_from_slice(&(length as u16).to_be_bytes());
        let more = u16::from(offset + piece.len() < body.len());
        let place = (offset as u16 | more).to_be_bytes();
        let fragment = [&head, &[following, 0][..], &place, &identification.to_be_bytes(), piece].concat();
        fragments.push(Bytes::from(fragment));
        offset += room;
    }
    Some(fragments)
}

/// Returns the length in bytes of the headers that each fragment repeats, and the offset of the
/// byte in them that names the next header. The last of these headers is the last routing header;
/// without one, the hop-by-hop options; and without those, the fixed header. Returns `None` if the
/// packet ends within an extension header or directly after one.
fn unfragmentable(data: &[u8]) -> Option<(usize, usize)> {
    let mut repeated = (FIXED_HEADER, 6);
    let (mut at, mut kind_at) = repeated;
    loop {
        let kind = *data.get(kind_at)?;
        if !matches!(kind, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS) {
            return Some(repeated);
        }
        let end = at + extension_bytes(kind, *data.get(at + 1)?);
        if end >= data.len() {
            return None;
        }
        (at, kind_at) = (end, at);
        if kind != DESTINATION_OPTIONS {
            repeated = (at, kind_at);
        }
    }
}

struct ExtensionHeader {
    next: u8,
    end: usize,
    is_of_later_fragment: bool,
}

/// Returns the number of the transport protocol, and the offset of its header, or of the bytes
/// after the fragment header in a fragment other than the first. Returns `None` if the packet ends
/// before that offset, or if no header names a transport protocol.
pub(crate) fn transport(data: &[u8]) -> Option<(u8, usize)> {
    let last = extension_headers(data).last();
    let (protocol, at) = match last {
        Some(header) => (header.next, header.end),
        None => (*data.get(6)?, FIXED_HEADER),
    };
    (!is_extension(protocol) && at <= data.len()).then_some((protocol, at))
}

/// Returns the extension headers in order, as far as their types and lengths are there, and the
/// offset of a fragment header. The last may reach beyond the packet's end. In a fragment other
/// than the first, none is read after the fragment header.
fn extension_headers(data: &[u8]) -> impl Iterator<Item = ExtensionHeader> {
    let mut kind = data.get(6).copied().unwrap_or_default();
    let mut at = FIXED_HEADER;
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended || !is_extension(kind) {
            return None;
        }
        let [next, length] = *data.get(at..)?.first_chunk()?;
        ended = kind == FRAGMENT && u16::from_be_bytes(*data.get(at + 2..)?.first_chunk()?) & !7 != 0;
        at += extension_bytes(kind, length);
        kind = next;
        Some(ExtensionHeader {
            next,
            end: at,
            is_of_later_fragment: ended,
        })
    })
}

/// Returns the size in bytes of an extension header of type `kind` whose length field is `length`.
fn extension_bytes(kind: u8, length: u8) -> usize {
    match kind {
        FRAGMENT => 8,
        AUTHENTICATION => (usize::from(length) + 2) * 4,
        _ => (usize::from(length) + 1) * 8,
    }
}

const fn is_extension(kind: u8) -> bool {
    matches!(
        kind,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS
    )
}

fn address_at(data: &[u8], at: usize) -> Ipv6Addr {
    let bytes: [u8; 16] = data
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .unwrap_or_default();
    Ipv6Addr::from(bytes)
}

#[cfg(test)]
mod tests;
