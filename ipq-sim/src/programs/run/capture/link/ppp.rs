//! PPP, alone and over Ethernet, and Cisco's HDLC, whose frames look like PPP's.

use super::super::NotFed;
use super::{ethernet, split};

/// Returns the IP packet of a PPP frame, with or without the address and control bytes of HDLC
/// before it, or of a frame of Cisco's HDLC. Fails if the frame holds another protocol, or a header
/// before the packet is not whole.
pub(super) fn frame(frame: &[u8]) -> Result<&[u8], NotFed> {
    match frame {
        [0xff, 0x03, rest @ ..] => payload(rest),
        // A frame of Cisco's HDLC on a serial line, without PPP.
        [0x0f | 0x8f, 0x00, ..] => cisco(frame),
        _ => payload(frame),
    }
}

/// Returns the IP packet after PPP's protocol number, or after MPLS labels that follow the number.
/// The number has 1 byte if the first byte is odd, and otherwise 2. Fails with [`NotFed::Ppp`] for
/// another protocol.
fn payload(rest: &[u8]) -> Result<&[u8], NotFed> {
    let (protocol, packet) = match rest {
        [short, packet @ ..] if short & 1 != 0 => (u16::from(*short), packet),
        [high, low, packet @ ..] => (u16::from_be_bytes([*high, *low]), packet),
        _ => return Err(NotFed::Short),
    };
    match protocol {
        0x0021 | 0x0057 => Ok(packet),
        0x0281 | 0x0283 => ethernet::labelled(packet),
        _ => Err(NotFed::Ppp(protocol)),
    }
}

/// Returns the IP packet of a frame of a PPP session over Ethernet. `rest` begins with the `PPPoE`
/// header, and bytes beyond the length that it states are left out.
pub(super) fn over_ethernet(rest: &[u8]) -> Result<&[u8], NotFed> {
    let ([_, _, _, _, high, low], after) = split(rest)?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    // The bytes after `length` are padding. If fewer bytes are there, the packet's own header shows
    // it.
    payload(after.get(..length).unwrap_or(after))
}

/// Returns the IP packet of a frame of Cisco's HDLC, whose header of 4 bytes ends with an
/// `EtherType`.
pub(super) fn cisco(frame: &[u8]) -> Result<&[u8], NotFed> {
    let ([_, _, high, low], rest) = split(frame)?;
    ethernet::payload(u16::from_be_bytes([*high, *low]), rest).map(|(_, packet)| packet)
}
