//! IP headers, as far as the model's host looks at them.

use ipq_core::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Returns an arriving packet, cut to the length that its header states (FWD-1, FWD-2). Returns
/// `None` if the header is wrong, or states more bytes than there are.
pub(crate) fn arriving(family: Family, bytes: &[u8]) -> Option<&[u8]> {
    match family {
        Family::Ipv4 => {
            let header = usize::from(bytes.first()? & 15) * 4;
            if bytes.len() < 20 || bytes[0] >> 4 != 4 || header < 20 || bytes.len() < header {
                return None;
            }
            let total = usize::from(u16_at(bytes, 2));
            let sound = checksum(&bytes[..header]) == 0 && total >= header && total <= bytes.len();
            sound.then(|| &bytes[..total])
        }
        Family::Ipv6 => {
            if bytes.len() < 40 || bytes[0] >> 4 != 6 || bytes[8] == 0xff {
                return None;
            }
            let total = 40 + usize::from(u16_at(bytes, 4));
            // A jumbogram states length 0, and is not cut.
            if total == 40 && bytes[6] == 0 {
                return Some(bytes);
            }
            (total <= bytes.len()).then(|| &bytes[..total])
        }
    }
}

/// Returns the internet checksum, which is 0 over a header whose own checksum is right.
pub(crate) fn checksum(header: &[u8]) -> u16 {
    let mut sum = 0;
    for pair in header.chunks_exact(2) {
        sum += u32::from(u16_at(pair, 0));
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    !(sum as u16)
}

pub(crate) fn addresses(family: Family, bytes: &[u8]) -> (IpAddr, IpAddr) {
    match family {
        Family::Ipv4 => {
            let at = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
            (at(12).into(), at(16).into())
        }
        Family::Ipv6 => {
            let at = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap());
            (at(8).into(), at(24).into())
        }
    }
}

pub(crate) fn hops(family: Family, bytes: &[u8]) -> u8 {
    match family {
        Family::Ipv4 => bytes[8],
        Family::Ipv6 => bytes[7],
    }
}

/// Takes 1 from the packet's TTL or hop limit, and adjusts the IPv4 checksum.
pub(crate) fn take_a_hop(family: Family, bytes: &mut [u8]) {
    match family {
        Family::Ipv4 => {
            bytes[8] -= 1;
            let sum = u32::from(u16_at(bytes, 10)) + 0x100;
            let sum = if sum >= 0xffff { sum + 1 } else { sum };
            bytes[10..12].copy_from_slice(&(sum as u16).to_be_bytes());
        }
        Family::Ipv6 => bytes[7] -= 1,
    }
}

/// Returns the number of the transport protocol and the offset of its header. Returns `None` if the
/// extension headers before it are not whole, or if the packet is a later fragment that begins with
/// an extension header.
pub(crate) fn transport(family: Family, bytes: &[u8]) -> Option<(u8, usize)> {
    if family == Family::Ipv4 {
        return Some((bytes[9], usize::from(bytes[0] & 15) * 4));
    }
    let (mut kind, mut at) = (bytes[6], 40);
    while [0, 43, 44, 51, 60].contains(&kind) {
        let next = *bytes.get(at)?;
        let length = usize::from(*bytes.get(at + 1)?);
        let end = at
            + match kind {
                44 => 8,
                51 => (length + 2) * 4,
                _ => (length + 1) * 8,
            };
        if end > bytes.len() {
            return None;
        }
        if kind == 44 && u16_at(bytes, at + 2) & 0xfff8 != 0 {
            // A later fragment: what follows its fragment header is no header.
            return (![0, 43, 44, 51, 60].contains(&next)).then_some((next, end));
        }
        (kind, at) = (next, end);
    }
    Some((kind, at))
}

/// Returns the transport protocol as a rule reads it, even if the extension headers before it are
/// not whole. Returns `None` if the bytes that state it are missing, or if the packet is a later
/// fragment that begins with an extension header.
pub(crate) fn protocol(family: Family, bytes: &[u8]) -> Option<u8> {
    if family == Family::Ipv4 {
        return Some(bytes[9]);
    }
    let extensions = [0, 43, 44, 51, 60];
    let (mut kind, mut at) = (bytes[6], 40);
    while extensions.contains(&kind) {
        let (next, length) = (*bytes.get(at)?, usize::from(*bytes.get(at + 1)?));
        if kind == 44 {
            bytes.get(at + 3)?;
            if u16_at(bytes, at + 2) & 0xfff8 != 0 {
                return Some(next).filter(|next| !extensions.contains(next));
            }
        }
        at += match kind {
            44 => 8,
            51 => (length + 2) * 4,
            _ => (length + 1) * 8,
        };
        kind = next;
    }
    Some(kind)
}

/// Returns `true` if the packet is a fragment of IPv4.
pub(crate) fn is_ipv4_fragment(family: Family, bytes: &[u8]) -> bool {
    family == Family::Ipv4 && u16_at(bytes, 6) & 0x3fff != 0
}

/// Returns `true` if an IPv6 packet is of neighbour discovery or of multicast listener discovery
/// (PKT-6).
pub(crate) fn is_discovery(bytes: &[u8]) -> bool {
    match transport(Family::Ipv6, bytes) {
        Some((58, at)) => matches!(bytes.get(at), Some(130..=137 | 143)),
        _ => false,
    }
}

pub(crate) fn dont_fragment(bytes: &[u8]) -> bool {
    bytes[6] & 0x40 != 0
}

/// Returns the fragments of an IPv4 packet for an MTU (FWD-4). Returns `None` if the stated header
/// length is impossible.
pub(crate) fn fragments(bytes: &[u8], mtu: usize) -> Option<Vec<Vec<u8>>> {
    let header = usize::from(bytes[0] & 15) * 4;
    if header < 20 || header >= bytes.len() {
        return None;
    }
    let (head, body) = bytes.split_at(header);
    let field = u16_at(head, 6);
    let first_offset = field & 0x1fff;
    let room = (mtu - header) / 8 * 8;
    // Only the last piece may fill the MTU to the byte; the others have a multiple of 8 bytes.
    let mut pieces = Vec::new();
    let mut rest = body;
    while rest.len() > mtu - header {
        pieces.push(&rest[..room]);
        rest = &rest[room..];
    }
    pieces.push(rest);
    let last = pieces.len() - 1;
    let fragments = pieces.iter().enumerate().map(|(number, piece)| {
        let mut head = head.to_vec();
        if number > 0 && first_offset == 0 {
            blank_options(&mut head[20..]);
        }
        let offset = first_offset.wrapping_add((number * room / 8) as u16) & 0x1fff;
        let more = if number < last { 0x2000 } else { field & 0x2000 };
        head[2..4].copy_from_slice(&((header + piece.len()) as u16).to_be_bytes());
        head[6..8].copy_from_slice(&(offset | more).to_be_bytes());
        head[10..12].fill(0);
        let sum = checksum(&head);
        head[10..12].copy_from_slice(&sum.to_be_bytes());
        [&head[..], piece].concat()
    });
    Some(fragments.collect())
}

/// Returns the fragments of an IPv6 packet for an MTU (FWD-4). Each repeats the headers up to the
/// last routing or hop-by-hop header. Returns `None` if the extension headers are not whole, or if
/// the MTU leaves no room for data.
pub(crate) fn fragments_ipv6(bytes: &[u8], mtu: usize, identification: u32) -> Option<Vec<Vec<u8>>> {
    let (mut kept, mut kept_next) = (40, 6);
    let (mut at, mut next) = (40, 6);
    while [0, 43, 60].contains(&bytes[next]) {
        let end = at + (usize::from(*bytes.get(at + 1)?) + 1) * 8;
        if bytes[next] != 60 {
            (kept, kept_next) = (end, at);
        }
        (at, next) = (end, at);
        if at >= bytes.len() {
            return None;
        }
    }
    let room = mtu.checked_sub(kept + 8)? / 8 * 8;
    if room == 0 {
        return None;
    }
    let (head, body) = bytes.split_at(kept);
    let pieces: Vec<&[u8]> = body.chunks(room).collect();
    let fragments = pieces.iter().enumerate().map(|(number, piece)| {
        let mut head = head.to_vec();
        let following = std::mem::replace(&mut head[kept_next], 44);
        let length = kept - 40 + 8 + piece.len();
        head[4..6].copy_from_slice(&(length as u16).to_be_bytes());
        let more = u16::from(number + 1 < pieces.len());
        let offset = (number * room) as u16 | more;
        let [offset, identification] = [&offset.to_be_bytes()[..], &identification.to_be_bytes()];
        [&head[..], &[following, 0], offset, identification, piece].concat()
    });
    Some(fragments.collect())
}

/// Replaces the options without the bit "copied" by no-operations, as in all fragments but the
/// first.
fn blank_options(options: &mut [u8]) {
    let mut at = 0;
    while at < options.len() {
        match options[at] {
            0 => return,
            1 => at += 1,
            kind => {
                let Some(&length) = options.get(at + 1) else { return };
                let end = at + usize::from(length);
                if length < 2 || end > options.len() {
                    return;
                }
                if kind < 0x80 {
                    options[at..end].fill(1);
                }
                at = end;
            }
        }
    }
}
