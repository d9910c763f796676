//! Checks the IP packet itself: whether it is whole and sound.

use super::super::NotFed;
use crate::host::ipv4::checksum;
use bytes::Bytes;
use ipq_core::Family;

/// The greatest number that the length field of an IP header can hold, in bytes. IPv6 does not
/// count its fixed header.
const LONGEST: usize = 0xffff;

/// Returns the IP packet that `bytes` begins with, and its family. Leaves out what follows the
/// packet, such as padding. Fails with the reason if the packet is not whole, or its header not
/// sound. A packet of IPv4, or of TCP over IPv6, that states length 0 was captured before it was
/// cut into segments (offloading). The length of `bytes` is filled in there, unless `is_cut` says
/// that the capture has only a part of the frame.
pub(super) fn packet(bytes: &[u8], is_cut: bool) -> Result<(Family, Bytes), NotFed> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => version_4(bytes, is_cut).map(|packet| (Family::Ipv4, packet)),
        Some(6) => version_6(bytes, is_cut).map(|packet| (Family::Ipv6, packet)),
        Some(version) => Err(NotFed::Version(version)),
        None => Err(NotFed::Short),
    }
}

fn version_4(bytes: &[u8], is_cut: bool) -> Result<Bytes, NotFed> {
    let header_length = usize::from(bytes[0] & 0xf) * 4;
    let total = bytes
        .get(2..4)
        .map_or(0, |total| usize::from(u16::from_be_bytes([total[0], total[1]])));
    if header_length < Family::Ipv4.header_length() {
        return Err(NotFed::Malformed);
    }
    let header = bytes.get(..header_length).ok_or(NotFed::Short)?;
    if total == 0 && !is_cut {
        return offloaded(bytes, header_length);
    }
    if checksum(header) != 0 {
        return Err(NotFed::Checksum);
    }
    if total < header_length {
        return Err(NotFed::Malformed);
    }
    whole(bytes, total)
}

/// Returns an IPv4 packet that was captured before it was cut into segments, and whose header
/// states length 0. Fills in the length of `bytes`, and the header's checksum. Fails if the length
/// is over 65,535.
fn offloaded(bytes: &[u8], header_length: usize) -> Result<Bytes, NotFed> {
    let total = u16::try_from(bytes.len()).map_err(|_| NotFed::TooLong)?;
    let mut packet = bytes.to_vec();
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet[10..12].fill(0);
    let sum = checksum(&packet[..header_length]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    Ok(packet.into())
}

fn version_6(bytes: &[u8], is_cut: bool) -> Result<Bytes, NotFed> {
    const HOP_BY_HOP: u8 = 0;
    const TCP: u8 = 6;
    let header_length = Family::Ipv6.header_length();
    let header = bytes.get(..header_length).ok_or(NotFed::Short)?;
    match (usize::from(u16::from_be_bytes([header[4], header[5]])), header[6]) {
        // A jumbogram states its length in an option. It is longer than a queue can carry.
        (0, HOP_BY_HOP) => Err(NotFed::TooLong),
        (0, TCP) if !is_cut && bytes.len() > header_length => {
            let stated = u16::try_from(bytes.len() - header_length).map_err(|_| NotFed::TooLong)?;
            let mut packet = bytes.to_vec();
            packet[4..6].copy_from_slice(&stated.to_be_bytes());
            Ok(packet.into())
        }
        (stated, _) => whole(bytes, header_length + stated),
    }
}

fn whole(bytes: &[u8], length: usize) -> Result<Bytes, NotFed> {
    debug_assert!(length <= LONGEST + Family::Ipv6.header_length());
    let packet = bytes.get(..length).ok_or(NotFed::Malformed)?;
    Ok(Bytes::copy_from_slice(packet))
}
