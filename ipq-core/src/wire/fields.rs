//! Numbers in and out of byte strings, in any ABI. The rest of `wire` states layouts; only this file touches bytes.

use super::abi::{Abi, ByteOrder, WordSize};

/// Reads fields at fixed offsets. An offset outside the bytes reads as zeros: callers check the length once, when they
/// parse, and the compiler removes the second check.
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

    /// An unsigned word, widened.
    #[inline(always)]
    pub(super) fn word(self, at: usize) -> u64 {
        match (self.abi.word, self.abi.order) {
            (WordSize::Four, _) => u64::from(self.u32(at)),
            (WordSize::Eight, ByteOrder::Little) => u64::from_le_bytes(self.array(at)),
            (WordSize::Eight, ByteOrder::Big) => u64::from_be_bytes(self.array(at)),
        }
    }

    /// A signed word, widened with its sign.
    #[inline(always)]
    pub(super) fn signed_word(self, at: usize) -> i64 {
        match self.abi.word {
            WordSize::Four => i64::from(self.u32(at).cast_signed()),
            WordSize::Eight => self.word(at).cast_signed(),
        }
    }

    /// What follows the first `at` bytes.
    #[inline(always)]
    pub(super) fn rest(self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    const BYTES: [u8; 8] = [0x81, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88];

    #[rstest]
    fn what_is_outside_the_bytes_reads_as_zero(#[values(1, 7, 8, 9, usize::MAX)] at: usize) {
        let fields = Fields::new(&BYTES, Abi::LP64_LITTLE);
        assert_eq!(fields.word(at), 0);
        assert_eq!(fields.array::<16>(at), [0; 16]);
        assert_eq!(fields.rest(at), BYTES.get(at..).unwrap_or_default());
    }
}
