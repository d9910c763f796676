//! Wi-Fi: data frames of IEEE 802.11, with or without a radiotap header before them.

use super::super::NotFed;
use super::{ByteOrder, Found, ethernet, split};

/// Returns the IP packet of an 802.11 frame without radiotap. The frame has no check sequence, and
/// no padding after its header.
pub(super) fn frame(frame: &[u8]) -> Result<Found<'_>, NotFed> {
    data(frame, false)
}

/// Returns the IP packet of an 802.11 frame that follows a radiotap header. The flags of the
/// radiotap header say whether the frame has a check sequence, and padding after its own header.
pub(super) fn after_radiotap(whole: &[u8]) -> Result<Found<'_>, NotFed> {
    const HAS_CHECK: u8 = 0x10;
    const IS_PADDED: u8 = 0x20;
    let length = usize::from(ByteOrder::Little.u16(split::<8>(whole)?.0, 2));
    let (header, frame) = whole.split_at_checked(length).ok_or(NotFed::Short)?;
    let flags = flags(header).unwrap_or(0);
    let check = if flags & HAS_CHECK != 0 { 4 } else { 0 };
    data(&frame[..frame.len().saturating_sub(check)], flags & IS_PADDED != 0)
}

/// Returns the field "flags" of a radiotap header. Returns `None` if the header has no such field.
/// Of the other fields only the time, 8 bytes at a multiple of 8, can come before it.
fn flags(header: &[u8]) -> Option<u8> {
    const TIME: u32 = 1;
    const FLAGS: u32 = 1 << 1;
    const MORE: u32 = 1 << 31;
    let mut at = 4;
    let present = ByteOrder::Little.u32(header, at);
    while ByteOrder::Little.u32(header, at) & MORE != 0 {
        at += 4;
    }
    let mut field = at + 4;
    if present & TIME != 0 {
        field = field.next_multiple_of(8) + 8;
    }
    header.get(field).copied().filter(|_| present & FLAGS != 0)
}

/// Returns the IP packet of an 802.11 data frame, and the header that the packet would have on
/// Ethernet. If `is_padded`, the frame's header is padded to a multiple of 4 bytes. Fails for
/// frames that are cut, encrypted, aggregated (A-MSDU), without data, or of another protocol.
fn data(frame: &[u8], is_padded: bool) -> Result<Found<'_>, NotFed> {
    const AGGREGATE: u8 = 0x80;
    let (control, _) = split::<2>(frame)?;
    let kind = control[0] >> 2 & 3;
    let subtype = control[0] >> 4;
    let [to_system, from_system, is_protected, has_order] = [0, 1, 6, 7].map(|bit| control[1] >> bit & 1 != 0);
    if kind != 2 || subtype & 4 != 0 {
        return Err(NotFed::WirelessControl);
    }
    let mut length = if to_system && from_system { 30 } else { 24 };
    let mut is_aggregate = false;
    if subtype & 8 != 0 {
        is_aggregate = frame.get(length).is_some_and(|quality| quality & AGGREGATE != 0);
        length += if has_order { 6 } else { 2 };
    }
    if is_padded {
        length = length.next_multiple_of(4);
    }
    let (header, body) = frame.split_at_checked(length).ok_or(NotFed::Short)?;
    if is_protected {
        return Err(NotFed::Encrypted);
    }
    if is_aggregate {
        return Err(NotFed::Aggregate);
    }
    let packet = ethernet::logical_link(body)?;
    let (destination, source) = match (to_system, from_system) {
        (false, false) => (4, 10),
        (false, true) => (4, 16),
        (true, false) => (16, 10),
        (true, true) => (16, 24),
    };
    let protocol = if packet.first().is_some_and(|first| first >> 4 == 6) {
        [0x86, 0xdd]
    } else {
        [8, 0]
    };
    let link_header = [
        &header[destination..destination + 6],
        &header[source..source + 6],
        &protocol,
    ]
    .concat();
    Ok(Found {
        packet,
        link_header: link_header.try_into().ok(),
    })
}
