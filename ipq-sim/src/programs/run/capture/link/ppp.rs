//! PPP, alone and over Ethernet, and Cisco's HDLC, which is framed like PPP.

use super::super::NotFed;
use super::{ethernet, split};

/// Returns the packet of a PPP frame, with or without the address and control bytes of HDLC.
pub(super) fn frame(frame: &[u8]) -> Result<&[u8], NotFed> {
    match frame {
        [0xff, 0x03, rest @ ..] => payload(rest),
        // A serial line with Cisco's HDLC, without PPP.
        [0x0f | 0x8f, 0x00, ..] => cisco(frame),
        _ => payload(frame),
    }
}

/// Returns the packet after PPP's protocol number. If the number's first byte was left out, the
/// remaining byte is odd.
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

/// Returns the packet of a PPP session over Ethernet.
pub(super) fn over_ethernet(rest: &[u8]) -> Result<&[u8], NotFed> {
    let ([_, _, _, _, high, low], after) = split(rest)?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    // What follows is padding. If the frame is shorter, the packet's own length shows it.
    payload(after.get(..length).unwrap_or(after))
}

/// Returns the packet of a frame of Cisco's HDLC, which has an `EtherType`.
pub(super) fn cisco(frame: &[u8]) -> Result<&[u8], NotFed> {
    let ([_, _, high, low], rest) = split(frame)?;
    ethernet::payload(u16::from_be_bytes([*high, *low]), rest).map(|(_, packet)| packet)
}
