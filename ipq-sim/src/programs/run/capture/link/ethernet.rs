//! Ethernet, with the headers that may come between its own header and a packet.

use super::super::NotFed;
use super::{Found, ppp, split};

/// Returns the IP packet of an Ethernet frame. The returned header has the frame's addresses, and
/// the `EtherType` that the frame would have without tags and other headers before the packet.
/// Fails if the frame holds another protocol, or a header before the packet is not whole.
pub(super) fn frame(frame: &[u8]) -> Result<Found<'_>, NotFed> {
    let (header, rest) = split::<14>(frame)?;
    let mut header = *header;
    let protocol = u16::from_be_bytes([header[12], header[13]]);
    let (protocol, packet) = payload(protocol, rest)?;
    header[12..].copy_from_slice(&protocol.to_be_bytes());
    Ok(Found {
        packet,
        link_header: Some(header),
    })
}

/// Returns the IP packet in `rest`, the bytes after the `EtherType` `protocol` or after a length in
/// its place. Looks behind VLAN tags, MPLS labels, and headers of PPP, `PPPoE` and IEEE 802.2.
/// Returns also the `EtherType` that the packet would have if it followed the Ethernet header
/// directly. Fails if another protocol is found, or a header before the packet is not whole.
pub(super) fn payload(mut protocol: u16, mut rest: &[u8]) -> Result<(u16, &[u8]), NotFed> {
    let mut is_tagged = false;
    let packet = loop {
        break match protocol {
            0x0800 | 0x86dd => return Ok((protocol, rest)),
            // Tags of IEEE 802.1Q and 802.1ad, and two numbers that were used before 802.1ad.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let ([_, _, high, low], after) = split(rest)?;
                (protocol, rest) = (u16::from_be_bytes([*high, *low]), after);
                is_tagged = true;
                continue;
            }
            0x8847 | 0x8848 => labelled(rest),
            0x880b => ppp::frame(rest),
            0x8864 => ppp::over_ethernet(rest),
            length @ ..=1500 => logical_link(rest.get(..length.into()).unwrap_or(rest)),
            _ => Err(NotFed::not_ip(protocol)),
        };
    };
    match packet {
        Ok(packet) => Ok((
            if packet.first().is_some_and(|first| first >> 4 == 6) {
                0x86dd
            } else {
                0x0800
            },
            packet,
        )),
        // A tag may also stand behind one of these headers.
        Err(NotFed::NotIp {
            protocol,
            is_tagged: behind,
        }) => Err(NotFed::NotIp {
            protocol,
            is_tagged: is_tagged || behind,
        }),
        Err(other) => Err(other),
    }
}

/// Returns the IP packet in `rest`, which begins with a header of IEEE 802.2. A SNAP header may
/// follow that one. Fails with [`NotFed::LogicalLink`] if the first header stands for neither IP
/// nor SNAP, with [`NotFed::Organisation`] if the SNAP header does not hold an `EtherType`, with
/// [`NotFed::Short`] if a header is not whole, and as [`payload`] does for that `EtherType`.
pub(super) fn logical_link(rest: &[u8]) -> Result<&[u8], NotFed> {
    let (header, after) = split::<3>(rest)?;
    match *header {
        // The service access point of IP.
        [0x06, 0x06, 0x03] => Ok(after),
        [0xaa, 0xaa, 0x03] => {
            let ([organisation @ .., high, low], after) = split::<5>(after)?;
            match organisation {
                // The organisation codes of RFC 1042 and of IEEE 802.1H.
                [0, 0, 0 | 0xf8] => payload(u16::from_be_bytes([*high, *low]), after).map(|(_, packet)| packet),
                _ => Err(NotFed::Organisation),
            }
        }
        [service, ..] => Err(NotFed::LogicalLink(service)),
    }
}

/// Returns the bytes after MPLS labels if they begin with an IP version, 4 or 6. `rest` begins with
/// the first label. Fails with [`NotFed::Circuit`] if the bytes begin otherwise, and with
/// [`NotFed::Short`] if none follow the labels or a label is not whole.
pub(super) fn labelled(mut rest: &[u8]) -> Result<&[u8], NotFed> {
    loop {
        let ([_, _, bottom, _], after) = split(rest)?;
        rest = after;
        if bottom & 1 != 0 {
            break;
        }
    }
    // The labels do not state what follows them. Bytes that begin with an IP version are taken for
    // IP, as routers guess. All else belongs to a pseudowire.
    match rest.first().map(|first| first >> 4) {
        Some(4 | 6) => Ok(rest),
        Some(_) => Err(NotFed::Circuit),
        None => Err(NotFed::Short),
    }
}
