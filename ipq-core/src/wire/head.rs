//! Writing the fixed part of a frame.

use super::abi::{Abi, ByteOrder, WordSize};
use std::borrow::BorrowMut;
use std::fmt;
use std::ops::Deref;

/// The fixed part of a frame: the netlink header and the message up to where its payload begins.
///
/// It is what a message is written as. A sender passes it on as the first part of a datagram, with the payload, if
/// there is one, as the second: see [`Transport::send`](crate::Transport::send).
#[derive(Clone, Copy)]
pub struct Head {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl Head {
    /// The longest: the header and the packet message of a 64-bit machine.
    const CAPACITY: usize = Abi::HEADER_BYTES + Abi::LP64_LITTLE.packet_message_bytes();
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

/// Fills a [`Head`], or room that somebody else has for one, which is all zeros, from its start. What would not fit is left out; the
/// layouts of this module all fit.
pub(super) struct HeadWriter<B = [u8; Head::CAPACITY]> {
    room: B,
    length: usize,
    abi: Abi,
}

impl HeadWriter {
    #[inline(always)]
    pub(super) const fn new(abi: Abi) -> Self {
        Self {
            room: [0; Head::CAPACITY],
            length: 0,
            abi,
        }
    }

    #[inline(always)]
    pub(super) const fn finish(&self) -> Head {
        Head {
            bytes: self.room,
            length: self.length,
        }
    }
}

impl<'a> HeadWriter<&'a mut [u8]> {
    #[inline(always)]
    pub(super) const fn over(room: &'a mut [u8], abi: Abi) -> Self {
        Self { room, length: 0, abi }
    }
}

impl<B: BorrowMut<[u8]>> HeadWriter<B> {
    #[inline(always)]
    pub(super) const fn abi(&self) -> Abi {
        self.abi
    }

    #[inline(always)]
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.length + bytes.len();
        debug_assert!(end <= Head::CAPACITY, "a head holds every layout of this module");
        if let Some(target) = self.room.borrow_mut().get_mut(self.length..end) {
            target.copy_from_slice(bytes);
            self.length = end;
        }
        self
    }

    #[inline(always)]
    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        match self.abi.order {
            ByteOrder::Little => self.bytes(&value.to_le_bytes()),
            ByteOrder::Big => self.bytes(&value.to_be_bytes()),
        }
    }

    #[inline(always)]
    pub(super) fn u16_big_endian(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    #[inline(always)]
    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        match self.abi.order {
            ByteOrder::Little => self.bytes(&value.to_le_bytes()),
            ByteOrder::Big => self.bytes(&value.to_be_bytes()),
        }
    }

    /// A word: the low half only, where words have four bytes.
    #[inline(always)]
    pub(super) fn word(&mut self, value: u64) -> &mut Self {
        match (self.abi.word, self.abi.order) {
            (WordSize::Four, _) => self.u32(value as u32),
            (WordSize::Eight, ByteOrder::Little) => self.bytes(&value.to_le_bytes()),
            (WordSize::Eight, ByteOrder::Big) => self.bytes(&value.to_be_bytes()),
        }
    }

    /// Zeros, which is what there is, up to the next multiple of a word. The netlink header is one, so counting from the
    /// frame's start is right.
    #[inline(always)]
    pub(super) fn pad_to_word(&mut self) -> &mut Self {
        self.length = self.length.next_multiple_of(self.abi.word_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::Fields;
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const BYTES: [u8; 8] = [0x81, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88];

    #[rstest]
    #[case(Abi::LP64_LITTLE, 0x0281, 0x0403_0281, 0x8807_0605_0403_0281)]
    #[case(Abi::LP64_BIG, 0x8102, 0x8102_0304, 0x8102_0304_0506_0788)]
    #[case(Abi::ILP32_LITTLE, 0x0281, 0x0403_0281, 0x0403_0281)]
    #[case(Abi::ILP32_BIG, 0x8102, 0x8102_0304, 0x8102_0304)]
    fn numbers_are_read_and_written_in_the_order_and_size_of_the_abi(
        #[case] abi: Abi,
        #[case] two: u16,
        #[case] four: u32,
        #[case] word: u64,
    ) {
        let fields = Fields::new(&BYTES, abi);
        assert_eq!(fields.u16(0), two);
        assert_eq!(fields.u16_big_endian(0), 0x8102);
        assert_eq!(fields.u32(0), four);
        assert_eq!(fields.word(0), word);

        assert_eq!(HeadWriter::new(abi).u16(two).finish()[..], BYTES[..2]);
        assert_eq!(HeadWriter::new(abi).u16_big_endian(0x8102).finish()[..], BYTES[..2]);
        assert_eq!(HeadWriter::new(abi).u32(four).finish()[..], BYTES[..4]);
        assert_eq!(HeadWriter::new(abi).word(word).finish()[..], BYTES[..abi.word_bytes()]);
    }

    #[rstest]
    fn a_signed_word_keeps_its_sign(#[values(-1, -2, 0, 1, i64::from(i32::MIN), i64::from(i32::MAX))] value: i64) {
        for abi in Abi::ALL {
            let head = HeadWriter::new(abi).word(value.cast_unsigned()).finish();
            assert_eq!(Fields::new(&head, abi).signed_word(0), value, "{abi:?}");
        }
    }

    #[test]
    fn a_word_of_four_bytes_is_the_low_half() {
        let head = HeadWriter::new(Abi::ILP32_BIG).word(0x1122_3344_5566_7788).finish();
        assert_eq!(head[..], [0x55, 0x66, 0x77, 0x88]);
    }

    #[rstest]
    #[case(Abi::LP64_LITTLE, &[1, 0, 0, 0, 0, 0, 0, 0])]
    #[case(Abi::ILP32_LITTLE, &[1, 0, 0, 0])]
    fn padding_ends_at_a_word(#[case] abi: Abi, #[case] expected: &[u8]) {
        let padded = HeadWriter::new(abi).bytes(&[1]).pad_to_word().finish();
        assert_eq!(padded[..], *expected);
        assert_eq!(HeadWriter::new(abi).bytes(&padded).pad_to_word().finish(), padded);
    }

    #[test]
    fn heads_are_equal_by_their_bytes() {
        let head = |bytes: &[u8]| HeadWriter::new(Abi::NATIVE).bytes(bytes).finish();
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
        let head = HeadWriter::new(Abi::NATIVE).bytes(&[1, 0xff]).finish();
        assert_eq!(format!("{head:?}"), "Head([01, ff])");
        assert_eq!(head.as_ref(), [1, 0xff]);
    }
}
