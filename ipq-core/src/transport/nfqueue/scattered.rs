//! Where a datagram of nfnetlink's is received, and how its bytes get to where `ip_queue`'s would be.
//!
//! A packet's bytes come after attributes of varying length, and belong behind a PACKET frame's fixed part. So the first 512
//! bytes of a datagram are received beside the caller's buffer, and the rest into it, at the place where a packet's bytes
//! begin: each byte is copied once at the most after the kernel has delivered it.

use crate::wire::{Abi, Header};
use std::io::IoSliceMut;

use super::message::Span;

/// How many bytes of a datagram are received beside the caller's buffer: more than any kernel says about a packet.
pub(super) const BESIDE: usize = 512;

/// Where in the caller's buffer a packet's bytes begin.
pub(super) const FIXED: usize = Header::BYTES + Abi::NATIVE.packet_message_bytes();

/// A datagram's first bytes.
pub(super) type Beside = [u8; BESIDE];

/// The two parts that a datagram is received into.
pub(super) fn parts<'a>(beside: &'a mut Beside, buffer: &'a mut [u8]) -> [IoSliceMut<'a>; 2] {
    let rest = buffer.get_mut(FIXED..).unwrap_or_default();
    [IoSliceMut::new(beside), IoSliceMut::new(rest)]
}

/// Moves the bytes `from` of the datagram to `to` in the buffer. What does not fit the buffer is left out; and since the
/// buffer had room for all but the first [`BESIDE`] bytes, nothing that fits is missing.
pub(super) fn place(beside: &Beside, buffer: &mut [u8], from: Span, to: usize) {
    let end = from.start.saturating_add(from.length);
    let in_buffer = from.start.max(BESIDE);
    let source = FIXED.saturating_add(in_buffer - BESIDE);
    let target = to.saturating_add(in_buffer - from.start);
    let room = buffer.len().saturating_sub(source.max(target));
    let count = end.saturating_sub(in_buffer).min(room);
    if count > 0 {
        buffer.copy_within(source..source + count, target);
    }
    let beside = beside.get(from.start..end.min(BESIDE)).unwrap_or_default();
    write(buffer, beside, to);
}

/// Writes `bytes` into the buffer at `to`, as far as they fit.
pub(super) fn write(buffer: &mut [u8], bytes: &[u8], to: usize) {
    let target = buffer.get_mut(to..).unwrap_or_default();
    let count = target.len().min(bytes.len());
    target[..count].copy_from_slice(&bytes[..count]);
}

/// Puts `datagram` where a socket would, and returns how many of its bytes there was room for.
#[cfg(any(fuzzing, test))]
pub(super) fn fill(beside: &mut Beside, buffer: &mut [u8], mut datagram: &[u8]) -> usize {
    let filled = std::io::Read::read_vectored(&mut datagram, &mut parts(beside, buffer));
    filled.expect("bytes in memory can be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_arrive_where_they_belong(
            datagram in prop::collection::vec(any::<u8>(), 0..2000),
            room in 0_usize..2500,
            (start, length, to) in (0..BESIDE, 0_usize..2000, 0..=FIXED),
        ) {
            let mut beside = [0; BESIDE];
            let mut buffer = vec![0; room];
            fill(&mut beside, &mut buffer, &datagram);
            let span = Span { start, length: length.min(datagram.len().saturating_sub(start)) };
            place(&beside, &mut buffer, span, to);
            let expected = datagram.get(start..start + span.length).unwrap_or_default();
            let fitting = expected.len().min(room.saturating_sub(to));
            // Bytes move towards the front by no more than the room beside the buffer has.
            prop_assume!(to + BESIDE >= start + FIXED || start + span.length <= BESIDE);
            prop_assert_eq!(buffer.get(to..to + fitting).unwrap_or_default(), &expected[..fitting]);
        }

        #[test]
        fn any_span_is_within_bounds(start in any::<usize>(), length in any::<usize>(), to in 0_usize..200, room in 0_usize..300) {
            place(&[0; BESIDE], &mut vec![0; room], Span { start, length }, to);
        }
    }
}
