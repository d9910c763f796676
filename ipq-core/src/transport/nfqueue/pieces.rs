//! A message in the pieces that the program has it in, and a datagram with some of them in it.

use super::request::START;
use crate::transport::netlink::Netlink;
use crate::transport::{Transport, TransportError};
use arrayvec::ArrayVec;
use std::io::IoSlice;
use std::mem;

/// The bytes of `written`, and before the stated ones those that follow there.
pub(super) fn interleaved<'a>(
    written: &'a [u8],
    following: impl Iterator<Item = (usize, &'a [u8])> + Clone,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    following
        .chain([(written.len(), &[][..])])
        .scan(0, |from, (at, bytes)| {
            Some([&written[mem::replace(from, at)..at], bytes])
        })
        .flatten()
        .filter(|piece| !piece.is_empty())
}

/// Sends the datagram that `pieces` make up without gluing them, if there are at most `MOST`.
pub(super) fn send<'a, const MOST: usize>(
    socket: &Netlink,
    pieces: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<(), TransportError> {
    if pieces.clone().nth(MOST).is_some() {
        let glued: Vec<u8> = pieces.flatten().copied().collect();
        return socket.send(&[IoSlice::new(&glued)]).map(drop);
    }
    let mut vectors = ArrayVec::<_, MOST>::new();
    vectors.extend(pieces.map(IoSlice::new));
    socket.send(&vectors).map(drop)
}

/// The message's first [`START`] bytes and what follows them, if that is how it comes.
#[inline]
pub(super) fn in_two<'a>(parts: &'a [IoSlice<'_>]) -> Option<(&'a [u8; START], &'a [u8])> {
    let (start, following) = match parts {
        [start] => (start, &[][..]),
        [start, following] => (start, &following[..]),
        _ => return None,
    };
    Some((start[..].try_into().ok()?, following))
}

/// How many bytes `parts` have.
#[inline(always)]
pub(super) fn length_of(parts: &[IoSlice<'_>]) -> usize {
    match parts {
        [start, following] => start.len() + following.len(),
        _ => parts.iter().map(|part| part.len()).sum(),
    }
}

/// The first bytes of `parts`, as many as there are and `start` has room for; they are copied there if they are in pieces.
#[inline]
pub(super) fn beginning<'a>(parts: &'a [IoSlice<'_>], start: &'a mut [u8; START]) -> &'a [u8] {
    if let Some(whole) = parts.first().and_then(|first| first.get(..START)) {
        return whole;
    }
    let mut length = 0;
    for part in within(parts, 0, START) {
        start[length..length + part.len()].copy_from_slice(part);
        length += part.len();
    }
    &start[..length]
}

/// The bytes of `parts` that follow the first `skipped`, at most `length`, in as many pieces.
pub(super) fn within<'a>(
    parts: &'a [IoSlice<'_>],
    mut skipped: usize,
    mut length: usize,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    parts.iter().filter_map(move |part| {
        let piece = part.get(skipped.min(part.len())..).unwrap_or_default();
        skipped -= part.len() - piece.len();
        let piece = piece.get(..length.min(piece.len())).unwrap_or_default();
        length -= piece.len();
        (!piece.is_empty()).then_some(piece)
    })
}
