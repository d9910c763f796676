//! Where a datagram of nfnetlink's is received, and how its bytes get to where `ip_queue`'s would be.
//!
//! A packet's bytes come after attributes of varying length, and belong behind a PACKET frame's fixed part. In a buffer that
//! has room for whatever may come, a datagram is received so far from the beginning that they are where they belong, if they
//! come after as much as those of the packet before; else they are moved there. Of one that might not fit the first 512 bytes
//! are received beside the caller's buffer, and the rest into it, at the place where a packet's bytes begin; so nothing is cut
//! off that `ip_queue`'s frame would have had. Either way each byte is copied once at the most after the kernel has delivered
//! it.

use crate::wire::PacketMetadata;
use std::io::IoSliceMut;

use super::message::Span;

/// How many bytes of a datagram can be received beside the caller's buffer: more than any kernel says about a packet.
pub(super) const BESIDE: usize = 512;

/// Where in the caller's buffer a packet's bytes begin.
pub(super) const FIXED: usize = PacketMetadata::HEAD_BYTES;

/// A datagram's first bytes.
pub(super) type Beside = [u8; BESIDE];

/// Where a datagram was received.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'a> {
    /// In the buffer, from this byte on, which is at most [`FIXED`].
    Within(usize),
    /// Its first bytes here, and the rest in the buffer, from [`FIXED`] on.
    Beside(&'a Beside),
}

/// How far from the beginning of a buffer a datagram is to be received, so that the bytes of its packet, which come after `before`
/// others, are where they belong: at most [`FIXED`]. Whatever a kernel says about a packet, or answers, has room behind that in
/// the [`BESIDE`] bytes that the buffer has for it.
pub(super) const fn ahead(before: usize) -> usize {
    FIXED.saturating_sub(before)
}

/// The two parts that a datagram is received into where the buffer may be too short for it.
pub(super) fn parts<'a>(beside: &'a mut Beside, buffer: &'a mut [u8]) -> [IoSliceMut<'a>; 2] {
    let rest = buffer.get_mut(FIXED..).unwrap_or_default();
    [IoSliceMut::new(beside), IoSliceMut::new(rest)]
}

/// The first [`BESIDE`] bytes of a datagram of which `copied` bytes were received.
pub(super) fn start<'a>(origin: Origin<'a>, buffer: &'a [u8], copied: usize) -> &'a [u8] {
    let start = match origin {
        Origin::Within(at) => buffer.get(at..).unwrap_or_default(),
        Origin::Beside(beside) => beside,
    };
    start.get(..copied.min(BESIDE)).unwrap_or(start)
}

/// Moves the bytes `from` of the datagram to `to` in the buffer. What does not fit the buffer is left out; and since the
/// buffer had room for all but what is beside it, nothing that fits is missing.
pub(super) fn place(origin: Origin<'_>, buffer: &mut [u8], from: Span, to: usize) {
    // The first byte that is not beside the buffer is the first of the datagram in it.
    let (beside, rest) = match origin {
        Origin::Within(at) => (&[][..], at),
        Origin::Beside(beside) => (&beside[..], FIXED),
    };
    let end = from.start.saturating_add(from.length);
    let in_buffer = from.start.max(beside.len());
    let source = rest.saturating_add(in_buffer - beside.len());
    let target = to.saturating_add(in_buffer - from.start);
    let room = buffer.len().saturating_sub(source.max(target));
    let count = end.saturating_sub(in_buffer).min(room);
    if count > 0 && source != target {
        buffer.copy_within(source..source + count, target);
    }
    if let Some(beside) = beside.get(from.start..end.min(beside.len())) {
        write(buffer, beside, to);
    }
}

/// Writes `bytes` into the buffer at `to`, as far as they fit.
#[inline(always)]
pub(super) fn write(buffer: &mut [u8], bytes: &[u8], to: usize) {
    let target = buffer.get_mut(to..).unwrap_or_default();
    if let Some(target) = target.get_mut(..bytes.len()) {
        // Where their number is known to the compiler, this is no call.
        target.copy_from_slice(bytes);
    } else {
        target.copy_from_slice(&bytes[..target.len()]);
    }
}

/// Puts `datagram` where a socket would, with its start beside the buffer, and returns how many of its bytes there was room for.
#[cfg(any(fuzzing, test))]
pub(super) fn fill(beside: &mut Beside, buffer: &mut [u8], mut datagram: &[u8]) -> usize {
    let filled = std::io::Read::read_vectored(&mut datagram, &mut parts(beside, buffer));
    filled.expect("bytes in memory can be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_of_a_packet_are_received_where_they_belong() {
        for before in 0..=FIXED {
            assert_eq!(ahead(before) + before, FIXED);
        }
        assert_eq!(ahead(FIXED + 1), 0, "too much comes before them, so they are moved");
    }

    proptest! {
        #[test]
        fn bytes_arrive_where_they_belong(
            datagram in prop::collection::vec(any::<u8>(), 0..2000),
            room in 0_usize..2500,
            (start, length, to) in (0..BESIDE, 0_usize..2000, 0..=FIXED),
            before in 0..BESIDE,
        ) {
            let mut beside = [0; BESIDE];
            let mut buffer = vec![0; room];
            fill(&mut beside, &mut buffer, &datagram);
            let span = Span { start, length: length.min(datagram.len().saturating_sub(start)) };
            place(Origin::Beside(&beside), &mut buffer, span, to);
            let expected = datagram.get(start..start + span.length).unwrap_or_default();
            if datagram.len() <= room {
                let at = ahead(before).min(room - datagram.len());
                let mut whole = vec![0; room];
                whole[at..at + datagram.len()].copy_from_slice(&datagram);
                place(Origin::Within(at), &mut whole, span, to);
                let fitting = expected.len().min(room.saturating_sub(to));
                prop_assert_eq!(whole.get(to..to + fitting).unwrap_or_default(), &expected[..fitting]);
            }
            let fitting = expected.len().min(room.saturating_sub(to));
            // Bytes move towards the front by no more than the room beside the buffer has.
            prop_assume!(to + BESIDE >= start + FIXED || start + span.length <= BESIDE);
            prop_assert_eq!(buffer.get(to..to + fitting).unwrap_or_default(), &expected[..fitting]);
        }

        #[test]
        fn any_span_is_within_bounds(start in any::<usize>(), length in any::<usize>(), to in 0_usize..200, room in 0_usize..300) {
            place(Origin::Beside(&[0; BESIDE]), &mut vec![0; room], Span { start, length }, to);
            place(Origin::Within(to), &mut vec![0; room], Span { start, length }, to);
        }
    }
}
