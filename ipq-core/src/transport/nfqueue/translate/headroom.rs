//! The place where a datagram is received, and the way of its bytes to their place in the frame.
//!
//! In a datagram of nfnetlink a packet's bytes follow attributes of varying length; in a frame of
//! `ip_queue` they follow a fixed part. There are two ways to bring them there:
//!
//! - A buffer that is long enough for any datagram is received into with *headroom*: so far from
//!   its start that the packet's bytes land in their place, if the attributes before them are as
//!   long as those of the last packet. If not, the bytes are moved.
//! - For a shorter buffer, the first 512 bytes of the datagram are received into a *bounce buffer*,
//!   and the rest into the buffer from [`FRAME_HEAD`] on, where a packet's bytes begin in a frame.
//!   So nothing is cut off that the frame has room for.
//!
//! Either way each byte is copied at most once after the kernel has delivered it.

use crate::wire::PacketMetadata;
use crate::wire::nfnetlink::Span;
use std::io::IoSliceMut;

/// The size of a bounce buffer in bytes. All that a kernel says about a packet, which comes before
/// the packet's bytes, is shorter than this.
pub(crate) const BOUNCE_BYTES: usize = 512;

/// The size in bytes of a PACKET frame's fixed part on this machine, the netlink header included. A
/// packet's bytes begin there.
pub(crate) const FRAME_HEAD: usize = PacketMetadata::HEAD_BYTES;

/// The first 512 bytes of a datagram, received apart from the rest.
pub(crate) type BounceBuffer = [u8; BOUNCE_BYTES];

/// The place where a datagram was received: a buffer, or a bounce buffer and a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin<'a> {
    /// The datagram is in the buffer, after this number of bytes of headroom: at most
    /// [`FRAME_HEAD`].
    InBuffer(usize),
    /// The first bytes of the datagram are here, and the rest is in the buffer from [`FRAME_HEAD`]
    /// on.
    Bounced(&'a BounceBuffer),
}

/// Returns the headroom with which a packet's bytes land in their place in the frame, if `before`
/// bytes of the datagram come before them. Returns 0 if `before` is over [`FRAME_HEAD`]: then the
/// bytes must be moved. Headroom does not cut a datagram: it is used only in a buffer that is at
/// least [`BOUNCE_BYTES`] longer than the longest packet that can come.
pub(crate) const fn headroom(before: usize) -> usize {
    FRAME_HEAD.saturating_sub(before)
}

/// Returns the two parts that a datagram is received into if `buffer` may be too short for it: the
/// bounce buffer, and `buffer` from [`FRAME_HEAD`] on.
pub(crate) fn parts<'a>(bounce: &'a mut BounceBuffer, buffer: &'a mut [u8]) -> [IoSliceMut<'a>; 2] {
    let rest = buffer.get_mut(FRAME_HEAD..).unwrap_or_default();
    [IoSliceMut::new(bounce), IoSliceMut::new(rest)]
}

/// Returns the first bytes of a datagram from the place where it was received: at most
/// [`BOUNCE_BYTES`], and at most `copied`, the number of bytes that were received.
pub(crate) fn front<'a>(origin: Origin<'a>, buffer: &'a [u8], copied: usize) -> &'a [u8] {
    let front = match origin {
        Origin::InBuffer(at) => buffer.get(at..).unwrap_or_default(),
        Origin::Bounced(bounce) => bounce,
    };
    front.get(..copied.min(BOUNCE_BYTES)).unwrap_or(front)
}

/// Copies the bytes `from` of the datagram to byte `to` of the buffer. They may lie in the bounce
/// buffer, in the buffer, or in both. Leaves out bytes at the end that were cut off when the
/// datagram was received, or that would go beyond the buffer's end.
pub(crate) fn place(origin: Origin<'_>, buffer: &mut [u8], from: Span, to: usize) {
    // The offset in the buffer of the datagram's bytes after the bounce buffer.
    let (bounce, rest) = match origin {
        Origin::InBuffer(at) => (&[][..], at),
        Origin::Bounced(bounce) => (&bounce[..], FRAME_HEAD),
    };
    let end = from.start.saturating_add(from.length);
    let in_buffer = from.start.max(bounce.len());
    let source = rest.saturating_add(in_buffer - bounce.len());
    let target = to.saturating_add(in_buffer - from.start);
    let room = buffer.len().saturating_sub(source.max(target));
    let count = end.saturating_sub(in_buffer).min(room);
    if count > 0 && source != target {
        buffer.copy_within(source..source + count, target);
    }
    if let Some(bounced) = bounce.get(from.start..end.min(bounce.len())) {
        write(buffer, bounced, to);
    }
}

/// Writes `bytes` into the buffer at byte `to`, and leaves out those that do not fit.
#[inline(always)]
pub(crate) fn write(buffer: &mut [u8], bytes: &[u8], to: usize) {
    let target = buffer.get_mut(to..).unwrap_or_default();
    if let Some(target) = target.get_mut(..bytes.len()) {
        // A copy of a length that the compiler knows is no call.
        target.copy_from_slice(bytes);
    } else {
        target.copy_from_slice(&bytes[..target.len()]);
    }
}

/// Receives `datagram` into [`parts`] as a socket would, and returns the number of bytes that fit.
#[cfg(any(fuzzing, test))]
pub(crate) fn fill(bounce: &mut BounceBuffer, buffer: &mut [u8], mut datagram: &[u8]) -> usize {
    let filled = std::io::Read::read_vectored(&mut datagram, &mut parts(bounce, buffer));
    filled.expect("bytes in memory can be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_of_a_packet_are_received_where_they_belong() {
        for before in 0..=FRAME_HEAD {
            assert_eq!(headroom(before) + before, FRAME_HEAD);
        }
        assert_eq!(
            headroom(FRAME_HEAD + 1),
            0,
            "too much comes before them, so they are moved"
        );
    }

    proptest! {
        #[test]
        fn bytes_arrive_where_they_belong(
            datagram in prop::collection::vec(any::<u8>(), 0..2000),
            room in 0_usize..2500,
            (start, length, to) in (0..BOUNCE_BYTES, 0_usize..2000, 0..=FRAME_HEAD),
            before in 0..BOUNCE_BYTES,
        ) {
            let mut bounce = [0; BOUNCE_BYTES];
            let mut buffer = vec![0; room];
            fill(&mut bounce, &mut buffer, &datagram);
            let span = Span { start, length: length.min(datagram.len().saturating_sub(start)) };
            place(Origin::Bounced(&bounce), &mut buffer, span, to);
            let expected = datagram.get(start..start + span.length).unwrap_or_default();
            if datagram.len() <= room {
                let at = headroom(before).min(room - datagram.len());
                let mut whole = vec![0; room];
                whole[at..at + datagram.len()].copy_from_slice(&datagram);
                place(Origin::InBuffer(at), &mut whole, span, to);
                let fitting = expected.len().min(room.saturating_sub(to));
                prop_assert_eq!(whole.get(to..to + fitting).unwrap_or_default(), &expected[..fitting]);
            }
            let fitting = expected.len().min(room.saturating_sub(to));
            // If bytes moved towards the buffer's front, there would be room for some that were cut
            // off.
            prop_assume!(to + BOUNCE_BYTES >= start + FRAME_HEAD || start + span.length <= BOUNCE_BYTES);
            prop_assert_eq!(buffer.get(to..to + fitting).unwrap_or_default(), &expected[..fitting]);
        }

        #[test]
        fn any_span_is_within_bounds(start in any::<usize>(), length in any::<usize>(), to in 0_usize..200, room in 0_usize..300) {
            place(Origin::Bounced(&[0; BOUNCE_BYTES]), &mut vec![0; room], Span { start, length }, to);
            place(Origin::InBuffer(to), &mut vec![0; room], Span { start, length }, to);
        }
    }
}
