//! Numbers in and out of bytes, in any ABI. The messages of `ip_queue` state layouts, and this file
//! knows how a number is written.

use super::abi::{Abi, ByteOrder, WordSize};

/// A reader of fields at fixed offsets. A field that reaches beyond the end reads as zeros: callers
/// check the length once, when they parse, and the compiler removes the second check.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    abi: Abi,
}

impl<'a> Fields<'a> {
    #[inline(always)]
    pub(super) const fn new(bytes: &'a [u8], abi: Abi) -> Self {
        Self { bytes, abi }
    }

    /// Returns a reader of the same bytes in another ABI.
    #[inline(always)]
    pub(super) const fn of(self, abi: Abi) -> Self {
        Self { abi, ..self }
    }

    #[inline(always)]
    pub(super) const fn abi(self) -> Abi {
        self.abi
    }

    #[inline(always)]
    pub(super) fn array<const N: usize>(self, at: usize) -> [u8; N] {
        self.bytes
            .get(at..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .unwrap_or([0; N])
    }

    #[inline(always)]
    pub(super) fn u8(self, at: usize) -> u8 {
        self.array::<1>(at)[0]
    }

    #[inline(always)]
    pub(super) fn u16(self, at: usize) -> u16 {
        match self.abi.order {
            ByteOrder::Little => u16::from_le_bytes(self.array(at)),
            ByteOrder::Big => u16::from_be_bytes(self.array(at)),
        }
    }

    #[inline(always)]
    pub(super) fn u16_big_endian(self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    #[inline(always)]
    pub(super) fn u32(self, at: usize) -> u32 {
        match self.abi.order {
            ByteOrder::Little => u32::from_le_bytes(self.array(at)),
            ByteOrder::Big => u32::from_be_bytes(self.array(at)),
        }
    }

    /// Reads the unsigned word at offset `at`, and widens it to 64 bits.
    #[inline(always)]
    pub(super) fn word(self, at: usize) -> u64 {
        match (self.abi.word, self.abi.order) {
            (WordSize::Four, _) => u64::from(self.u32(at)),
            (WordSize::Eight, ByteOrder::Little) => u64::from_le_bytes(self.array(at)),
            (WordSize::Eight, ByteOrder::Big) => u64::from_be_bytes(self.array(at)),
        }
    }

    /// Reads the signed word at offset `at`, and widens it to 64 bits with its sign.
    #[inline(always)]
    pub(super) fn signed_word(self, at: usize) -> i64 {
        match self.abi.word {
            WordSize::Four => i64::from(self.u32(at).cast_signed()),
            WordSize::Eight => self.word(at).cast_signed(),
        }
    }

    /// Returns the bytes after the first `at`; none if there are no more.
    #[inline(always)]
    pub(super) fn rest(self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }
}

/// A writer of fields at fixed offsets, over whatever is there. The layouts of this module all fit
/// into their bytes. A field that would not fit is left out, or panics in a debug build.
pub(super) struct FieldsMut<'a> {
    bytes: &'a mut [u8],
    abi: Abi,
}

impl<'a> FieldsMut<'a> {
    #[inline(always)]
    pub(super) const fn new(bytes: &'a mut [u8], abi: Abi) -> Self {
        Self { bytes, abi }
    }

    #[inline(always)]
    pub(super) fn bytes(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        let target = self.bytes.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        debug_assert!(target.is_some(), "every layout fits the bytes that it is written to");
        if let Some(target) = target {
            target.copy_from_slice(bytes);
        }
        self
    }

    #[inline(always)]
    pub(super) fn u16(&mut self, at: usize, value: u16) -> &mut Self {
        match self.abi.order {
            ByteOrder::Little => self.bytes(at, &value.to_le_bytes()),
            ByteOrder::Big => self.bytes(at, &value.to_be_bytes()),
        }
    }

    #[inline(always)]
    pub(super) fn u16_big_endian(&mut self, at: usize, value: u16) -> &mut Self {
        self.bytes(at, &value.to_be_bytes())
    }

    #[inline(always)]
    pub(super) fn u32(&mut self, at: usize, value: u32) -> &mut Self {
        match self.abi.order {
            ByteOrder::Little => self.bytes(at, &value.to_le_bytes()),
            ByteOrder::Big => self.bytes(at, &value.to_be_bytes()),
        }
    }

    /// Writes a word at offset `at`: the low half of `value`, if words have four bytes.
    #[inline(always)]
    pub(super) fn word(&mut self, at: usize, value: u64) -> &mut Self {
        match (self.abi.word, self.abi.order) {
            (WordSize::Four, _) => self.u32(at, value as u32),
            (WordSize::Eight, ByteOrder::Little) => self.bytes(at, &value.to_le_bytes()),
            (WordSize::Eight, ByteOrder::Big) => self.bytes(at, &value.to_be_bytes()),
        }
    }

    /// Writes `value`, a number of `bits` bits, at offset `at`, and zeros in the rest of the word
    /// that begins there.
    #[inline(always)]
    pub(super) fn padded_to_word(&mut self, at: usize, value: u32, bits: u32) -> &mut Self {
        let word_bits = 8 * self.abi.word_bytes() as u32;
        match self.abi.order {
            ByteOrder::Little => self.word(at, value.into()),
            ByteOrder::Big => self.word(at, u64::from(value) << (word_bits - bits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const BYTES: [u8; 8] = [0x81, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88];

    /// Returns the result of `write` on eight bytes of 0xee.
    fn written(abi: Abi, write: impl FnOnce(&mut FieldsMut<'_>)) -> [u8; 8] {
        let mut bytes = [0xee; 8];
        write(&mut FieldsMut::new(&mut bytes, abi));
        bytes
    }

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

        let start_of = |count: usize| [&BYTES[..count], &[0xee; 8][count..]].concat();
        assert_eq!(written(abi, |fields| _ = fields.u16(0, two))[..], start_of(2));
        assert_eq!(
            written(abi, |fields| _ = fields.u16_big_endian(0, 0x8102))[..],
            start_of(2)
        );
        assert_eq!(written(abi, |fields| _ = fields.u32(0, four))[..], start_of(4));
        assert_eq!(
            written(abi, |fields| _ = fields.word(0, word))[..],
            start_of(abi.word_bytes())
        );
    }

    #[rstest]
    fn a_signed_word_keeps_its_sign(#[values(-1, -2, 0, 1, i64::from(i32::MIN), i64::from(i32::MAX))] value: i64) {
        for abi in Abi::ALL {
            let bytes = written(abi, |fields| _ = fields.word(0, value.cast_unsigned()));
            assert_eq!(Fields::new(&bytes, abi).signed_word(0), value, "{abi:?}");
        }
    }

    #[test]
    fn a_word_of_four_bytes_is_the_low_half() {
        let bytes = written(Abi::ILP32_BIG, |fields| _ = fields.word(0, 0x1122_3344_5566_7788));
        assert_eq!(bytes, [0x55, 0x66, 0x77, 0x88, 0xee, 0xee, 0xee, 0xee]);
    }

    #[rstest]
    #[case(Abi::LP64_LITTLE, [4, 3, 2, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0])]
    #[case(Abi::LP64_BIG, [1, 2, 3, 4, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0])]
    #[case(Abi::ILP32_LITTLE, [4, 3, 2, 1, 0xee, 0xee, 0xee, 0xee], [1, 0, 0, 0, 0xee, 0xee, 0xee, 0xee])]
    #[case(Abi::ILP32_BIG, [1, 2, 3, 4, 0xee, 0xee, 0xee, 0xee], [1, 0, 0, 0, 0xee, 0xee, 0xee, 0xee])]
    fn padding_ends_at_a_word(#[case] abi: Abi, #[case] four: [u8; 8], #[case] one: [u8; 8]) {
        assert_eq!(
            written(abi, |fields| _ = fields.padded_to_word(0, 0x0102_0304, 32)),
            four
        );
        assert_eq!(written(abi, |fields| _ = fields.padded_to_word(0, 1, 8)), one);
    }

    #[rstest]
    fn what_is_outside_the_bytes_reads_as_zero(#[values(1, 7, 8, 9, usize::MAX)] at: usize) {
        let fields = Fields::new(&BYTES, Abi::LP64_LITTLE);
        assert_eq!(fields.word(at), 0);
        assert_eq!(fields.array::<16>(at), [0; 16]);
        assert_eq!(fields.rest(at), BYTES.get(at..).unwrap_or_default());
    }
}
