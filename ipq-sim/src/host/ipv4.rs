//! IPv4 headers, as far as a host that forwards looks at them.

use bytes::{Bytes, BytesMut};
use std::net::Ipv4Addr;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;
/// The length of a header without options, in bytes.
const FIXED_HEADER: usize = 20;
/// The option of one byte that does nothing.
const NO_OPERATION: u8 = 1;

/// Returns the length in bytes that the header states for the whole packet, to which an arriving
/// packet is cut (FWD-2). Returns `None` if the version, the header length or the checksum is
/// wrong, or if the packet's length is less than the header's or more than the bytes that are
/// there: an arriving packet is then dropped (FWD-1).
pub(crate) fn own_length(data: &[u8]) -> Option<usize> {
    let header_length = header_length(data);
    let total = usize::from(u16_at(data, 2));
    let sound = data.len() >= FIXED_HEADER
        && data[0] >> 4 == 4
        && header_length >= FIXED_HEADER
        && data.len() >= header_length
        && checksum(&data[..header_length]) == 0
        && (header_length..=data.len()).contains(&total);
    sound.then_some(total)
}

pub(crate) fn source(data: &[u8]) -> Ipv4Addr {
    let [.., a, b, c, d, _, _, _, _] = *fixed_header(data);
    Ipv4Addr::new(a, b, c, d)
}

pub(crate) fn destination(data: &[u8]) -> Ipv4Addr {
    let [.., a, b, c, d] = *fixed_header(data);
    Ipv4Addr::new(a, b, c, d)
}

/// Returns the packet's type-of-service byte.
pub(crate) fn tos(data: &[u8]) -> u8 {
    fixed_header(data)[1]
}

/// Returns the priority that forwarding derives from the type of service: 0, 2, 4 or 6 (NFQ-83).
pub(crate) fn priority(data: &[u8]) -> u32 {
    const BULK: u32 = 2;
    const INTERACTIVE_BULK: u32 = 4;
    const INTERACTIVE: u32 = 6;
    match tos(data) & 0x18 {
        0x08 => BULK,
        0x10 => INTERACTIVE,
        0x18 => INTERACTIVE_BULK,
        _ => 0,
    }
}

pub(crate) fn ttl(data: &[u8]) -> u8 {
    fixed_header(data)[8]
}

/// Returns the number of the protocol that the packet carries.
pub(crate) fn protocol(data: &[u8]) -> u8 {
    fixed_header(data)[9]
}

pub(crate) fn dont_fragment(data: &[u8]) -> bool {
    u16_at(data, 6) & DONT_FRAGMENT != 0
}

/// Returns `true` if the packet is a fragment, the first or a later one: it has MF set, or an
/// offset.
pub(crate) fn is_fragment(data: &[u8]) -> bool {
    u16_at(data, 6) & (OFFSET | MORE_FRAGMENTS) != 0
}

/// Returns `true` if the packet is a fragment other than the first: it has an offset.
pub(crate) fn is_later_fragment(data: &[u8]) -> bool {
    u16_at(data, 6) & OFFSET != 0
}

/// Returns the packet with its TTL decremented, and the header checksum changed to fit. A checksum
/// that was wrong stays wrong (VER-8). A TTL of 0 becomes 255, which the checksum then does not
/// fit.
pub(crate) fn with_decremented_ttl(data: Bytes) -> Bytes {
    let mut data = BytesMut::from(data);
    let sum = u32::from(u16_at(&data, 10)) + 0x0100;
    let sum = (sum + u32::from(sum >= 0xffff)) as u16;
    data[8] = data[8].wrapping_sub(1);
    data[10..12].copy_from_slice(&sum.to_be_bytes());
    data.freeze()
}

/// Returns the packet, which must have at least 20 bytes, with its header checksum computed anew. A
/// stated header length below 20 counts as 20, and one beyond the packet's end as its length.
pub(crate) fn with_mended_checksum(data: Bytes) -> Bytes {
    let header = header_length(&data).clamp(FIXED_HEADER, data.len());
    let mut data = BytesMut::from(data);
    mend_checksum(&mut data[..header]);
    data.freeze()
}

/// Splits a packet, or a fragment of one, into fragments of at most `mtu` bytes (FWD-4). All have
/// the packet's identification, and none has DF. All but the last carry a multiple of 8 bytes and
/// have MF set. The last has MF if the packet has it. Returns `None` if the header states less than
/// 20 bytes for itself, no bytes follow it, or `mtu` leaves no room for 8 of them.
pub(crate) fn fragments(data: &Bytes, mtu: usize) -> Option<Vec<Bytes>> {
    let header_length = header_length(data);
    if header_length < FIXED_HEADER || header_length >= data.len() || mtu < header_length + 8 {
        return None;
    }
    let (header, body) = data.split_at(header_length);
    let flags = u16_at(header, 6);
    let mut offset = usize::from(flags & OFFSET);
    let mut header = header.to_vec();
    let mut fragments = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let room = mtu - header_length;
        let length = if rest.len() > room { room & !7 } else { rest.len() };
        let (piece, after) = rest.split_at(length);
        let more = !after.is_empty() || flags & MORE_FRAGMENTS != 0;
        let field = (offset as u16 & OFFSET) | if more { MORE_FRAGMENTS } else { 0 };
        header[2..4].copy_from_slice(&((header_length + length) as u16).to_be_bytes());
        header[6..8].copy_from_slice(&field.to_be_bytes());
        mend_checksum(&mut header);
        fragments.push(Bytes::from([&header, piece].concat()));
        if fragments.len() == 1 && flags & OFFSET == 0 {
            blank_first_fragment_options(&mut header[FIXED_HEADER..]);
        }
        offset += length / 8;
        rest = after;
    }
    Some(fragments)
}

/// Makes the first fragment's options those of the fragments after it: overwrites with
/// no-operations each option that only the first fragment carries. Stops at the option that ends
/// the list, or at one whose length can't be right, and leaves the bytes from there on as they are.
fn blank_first_fragment_options(options: &mut [u8]) {
    const COPIED: u8 = 0x80;
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let length = match kind {
            0 => return,
            NO_OPERATION => {
                at += 1;
                continue;
            }
            _ => options.get(at + 1).map_or(0, |length| usize::from(*length)),
        };
        // An option has at least its kind and its length. What follows a shorter option can't be
        // made out.
        let Some(option) = options.get_mut(at..at + length).filter(|option| option.len() >= 2) else {
            return;
        };
        if kind & COPIED == 0 {
            option.fill(NO_OPERATION);
        }
        at += length;
    }
}

/// Returns the length in bytes that the header states for itself, from 0 to 60.
pub(crate) fn header_length(data: &[u8]) -> usize {
    usize::from(fixed_header(data)[0] & 0x0f) * 4
}

fn mend_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum = checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Returns the internet checksum of a header of any length. It is 0 if the header contains the
/// right checksum.
pub(crate) fn checksum(header: &[u8]) -> u16 {
    // Most headers have no options. Their length is known when this is compiled.
    let mut sum = match header.first_chunk::<FIXED_HEADER>() {
        Some(fixed) if header.len() == FIXED_HEADER => sum_of_words(fixed),
        _ => sum_of_words(header),
    };
    while let carry @ 1.. = sum >> 16 {
        sum = (sum & 0xffff) + carry;
    }
    !u16::from_be(sum as u16)
}

/// Returns the sum of the header's words of 32 bits, in this machine's byte order. The last word is
/// filled up with zeros.
#[inline]
fn sum_of_words(header: &[u8]) -> u64 {
    let (words, rest) = header.as_chunks();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let number = |word: &[u8; 4]| u64::from(u32::from_ne_bytes(*word));
    words.iter().map(number).sum::<u64>() + number(&last)
}

/// Returns the big-endian number of two bytes at offset `at` of the fixed header.
fn u16_at(data: &[u8], at: usize) -> u16 {
    let header = fixed_header(data);
    u16::from_be_bytes([header[at], header[at + 1]])
}

/// Returns the first 20 bytes of the packet; zeros if the packet is shorter.
fn fixed_header(data: &[u8]) -> &[u8; FIXED_HEADER] {
    data.first_chunk().unwrap_or(&[0; FIXED_HEADER])
}

#[cfg(test)]
mod tests;
