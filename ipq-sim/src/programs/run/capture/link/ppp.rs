//! PPP, as it is and over Ethernet, and Cisco's HDLC, which it shares a framing with.

use super::super::NotFed;
use super::{ethernet, split};

/// The packet of a PPP frame, with or without the address and control bytes of HDLC.
pub(super) fn frame(frame: &[u8]) -> Result<&[u8], NotFed> {
    match frame {
        [0xff, 0x03, rest @ ..] => payload(rest),
        // That is a serial line without PPP.
        [0x0f | 0x8f, 0x00, ..] => cisco(frame),
        _ => payload(frame),
    }
}

/// The packet after PPP's protocol number, whose first byte may have been left out: it is odd then.
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

/// The packet of a PPP session over Ethernet.
pub(super) fn over_ethernet(rest: &[u8]) -> Result<&[u8], NotFed> {
    let ([_, _, _, _, high, low], after) = split(rest)?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    // What follows is padding; less than that is seen from the packet's own length.
    payload(after.get(..length).unwrap_or(after))
}

/// The packet of a frame of Cisco's HDLC, which has an `EtherType`.
pub(super) fn cisco(frame: &[u8]) -> Result<&[u8], NotFed> {
    let ([_, _, high, low], rest) = split(frame)?;
    ethernet::payload(u16::from_be_bytes([*high, *low]), rest).map(|(_, packet)| packet)
}
