//! The fixed part of a frame, as it is written.

use super::abi::Abi;
use std::fmt;
use std::ops::Deref;

/// The fixed part of a frame: the netlink header, and the message up to where its payload begins;
/// or a header alone.
///
/// A message is written as its head. A sender passes it on as the first part of a datagram, and the
/// payload, if there is one, as the second: see [`Transport::send`](crate::Transport::send).
#[derive(Clone, Copy)]
pub struct Head {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl Head {
    /// The size of the longest head in bytes: the header and the packet message of a 64-bit
    /// machine.
    const CAPACITY: usize = Abi::HEADER_BYTES + Abi::LP64_LITTLE.packet_message_bytes();

    /// Makes a head of `length` bytes, which `write` fills in.
    #[inline(always)]
    pub(super) fn written(length: usize, write: impl FnOnce(&mut [u8])) -> Self {
        debug_assert!(length <= Self::CAPACITY, "a head holds every layout of this module");
        let mut bytes = [0; Self::CAPACITY];
        write(&mut bytes);
        Self { bytes, length }
    }
}

impl Deref for Head {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Head {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Head {}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({:02x?})", &self[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    fn head(bytes: &[u8]) -> Head {
        Head::written(bytes.len(), |room| room[..bytes.len()].copy_from_slice(bytes))
    }

    #[test]
    fn heads_are_equal_by_their_bytes() {
        assert_eq!(head(&[1, 2]), head(&[1, 2]));
        for other in [&[1, 3][..], &[1], &[1, 2, 0], &[]] {
            assert_ne!(head(&[1, 2]), head(other));
        }
    }

    #[test]
    fn a_head_has_room_for_the_longest_layout_and_no_more() {
        let longest = Abi::ALL
            .map(|abi| Abi::HEADER_BYTES + abi.packet_message_bytes())
            .into_iter()
            .max();
        assert_eq!(Some(Head::CAPACITY), longest);
    }

    #[test]
    fn a_head_shows_its_bytes_and_nothing_of_its_spare_room() {
        let head = head(&[1, 0xff]);
        assert_eq!(format!("{head:?}"), "Head([01, ff])");
        assert_eq!(head.as_ref(), [1, 0xff]);
    }
}
