//! Messages that come as several slices, and datagrams that are sent as several.

use super::request::HEAD_BYTES;
use std::io::IoSlice;
use std::mem;

/// Splits a message into its first [`HEAD_BYTES`] and the rest. Returns `None` unless the message
/// comes in one or two slices, of which the first has exactly [`HEAD_BYTES`].
#[inline]
pub(crate) fn split_head<'a>(parts: &'a [IoSlice<'_>]) -> Option<(&'a [u8; HEAD_BYTES], &'a [u8])> {
    let (head, tail) = match parts {
        [head] => (head, &[][..]),
        [head, tail] => (head, &tail[..]),
        _ => return None,
    };
    Some((head[..].try_into().ok()?, tail))
}

/// Returns the number of bytes in `parts`.
#[inline(always)]
pub(crate) fn total_length(parts: &[IoSlice<'_>]) -> usize {
    match parts {
        [head, tail] => head.len() + tail.len(),
        _ => parts.iter().map(|part| part.len()).sum(),
    }
}

/// Returns the first bytes of `parts`, at most [`HEAD_BYTES`]. They are copied into `room` unless
/// the first part alone has at least [`HEAD_BYTES`].
#[inline]
pub(crate) fn head<'a>(parts: &'a [IoSlice<'_>], room: &'a mut [u8; HEAD_BYTES]) -> &'a [u8] {
    if let Some(whole) = parts.first().and_then(|first| first.get(..HEAD_BYTES)) {
        return whole;
    }
    let mut length = 0;
    for slice in slices_of(parts, 0, HEAD_BYTES) {
        room[length..length + slice.len()].copy_from_slice(slice);
        length += slice.len();
    }
    &room[..length]
}

/// Returns the bytes of a message after its first [`HEAD_BYTES`], at most `length` bytes, in slices
/// as they are in `parts`.
pub(crate) fn tail_slices<'a>(parts: &'a [IoSlice<'_>], length: usize) -> impl Iterator<Item = &'a [u8]> + Clone {
    slices_of(parts, HEAD_BYTES, length)
}

/// Returns the bytes of a message after its first `skipped` bytes, at most `length` bytes, in
/// slices as they are in `parts`.
fn slices_of<'a>(
    parts: &'a [IoSlice<'_>],
    mut skipped: usize,
    mut length: usize,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    parts.iter().filter_map(move |part| {
        let slice = part.get(skipped.min(part.len())..).unwrap_or_default();
        skipped -= part.len() - slice.len();
        let slice = slice.get(..length.min(slice.len())).unwrap_or_default();
        length -= slice.len();
        (!slice.is_empty()).then_some(slice)
    })
}

/// Returns the slices of a datagram: the `written` bytes, and between them the `inserted` slices,
/// each at the offset in `written` that comes with it. No offset may be less than the one before
/// it. Empty slices are left out.
pub(crate) fn interleave<'a>(
    written: &'a [u8],
    inserted: impl Iterator<Item = (usize, &'a [u8])> + Clone,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    inserted
        .chain([(written.len(), &[][..])])
        .scan(0, |from, (at, bytes)| {
            Some([&written[mem::replace(from, at)..at], bytes])
        })
        .flatten()
        .filter(|slice| !slice.is_empty())
}
