//! The C ABI of a machine: the size of a word and the order of bytes.

/// The word size and byte order of a frame's machine.
///
/// Frames have the layout of the C ABI of the kernel that makes or takes them (WIRE-2, WIRE-3). The
/// default, [`Abi::NATIVE`], is that of the machine that the program is compiled for. The others
/// are for recordings from other machines, and for emulating such machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Abi {
    /// The size of `unsigned long`, `long` and `size_t`.
    pub word: WordSize,
    /// The order of bytes in every field but `hw_protocol`, which is big-endian everywhere.
    pub order: ByteOrder,
}

/// The size of a C `unsigned long`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WordSize {
    /// Four bytes: ILP32 (i386, arm, …).
    Four,
    /// Eight bytes: LP64 (x86-64, arm64, …).
    Eight,
}

/// The order of bytes in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Abi {
    /// 64-bit words, little-endian: x86-64, arm64, riscv64.
    pub const LP64_LITTLE: Self = Self {
        word: WordSize::Eight,
        order: ByteOrder::Little,
    };
    /// 64-bit words, big-endian: s390x, ppc64.
    pub const LP64_BIG: Self = Self {
        word: WordSize::Eight,
        order: ByteOrder::Big,
    };
    /// 32-bit words, little-endian: i386, arm.
    pub const ILP32_LITTLE: Self = Self {
        word: WordSize::Four,
        order: ByteOrder::Little,
    };
    /// 32-bit words, big-endian: mips, ppc.
    pub const ILP32_BIG: Self = Self {
        word: WordSize::Four,
        order: ByteOrder::Big,
    };

    /// All four ABIs, for tests and tools that try each.
    pub const ALL: [Self; 4] = [Self::LP64_LITTLE, Self::LP64_BIG, Self::ILP32_LITTLE, Self::ILP32_BIG];

    /// The ABI of the machine that the program is compiled for.
    pub const NATIVE: Self = Self {
        word: if size_of::<usize>() == 8 {
            WordSize::Eight
        } else {
            WordSize::Four
        },
        order: if cfg!(target_endian = "little") {
            ByteOrder::Little
        } else {
            ByteOrder::Big
        },
    };

    /// The size of a netlink header in bytes, which is the same on every machine.
    pub(super) const HEADER_BYTES: usize = 16;

    /// Returns the size of a word in bytes: 8 or 4.
    #[must_use]
    #[inline]
    pub const fn word_bytes(self) -> usize {
        match self.word {
            WordSize::Four => 4,
            WordSize::Eight => 8,
        }
    }

    /// Returns the size of a packet message without payload and without netlink header: 96 or 72
    /// bytes (WIRE-2).
    #[doc(alias = "ipq_packet_msg_t")]
    #[must_use]
    #[inline]
    pub const fn packet_message_bytes(self) -> usize {
        match self.word {
            WordSize::Four => 72,
            WordSize::Eight => 96,
        }
    }

    /// Returns the size of a mode or verdict message, without payload and without netlink header:
    /// 24 or 12 bytes (WIRE-3).
    #[doc(alias = "ipq_peer_msg_t")]
    #[must_use]
    #[inline]
    pub const fn request_bytes(self) -> usize {
        match self.word {
            WordSize::Four => 12,
            WordSize::Eight => 24,
        }
    }
}

impl Abi {
    /// Calls `with` with this ABI, and returns its result. There is a call for each of the four
    /// ABIs, with the ABI as a constant, so the compiler makes code for each.
    #[inline(always)]
    pub(super) fn folded<R>(self, with: impl FnOnce(Self) -> R) -> R {
        match self {
            Self::LP64_LITTLE => with(Self::LP64_LITTLE),
            Self::LP64_BIG => with(Self::LP64_BIG),
            Self::ILP32_LITTLE => with(Self::ILP32_LITTLE),
            Self::ILP32_BIG => with(Self::ILP32_BIG),
        }
    }
}

impl Default for Abi {
    fn default() -> Self {
        Self::NATIVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Abi::LP64_LITTLE, 8, 96, 24)]
    #[case(Abi::LP64_BIG, 8, 96, 24)]
    #[case(Abi::ILP32_LITTLE, 4, 72, 12)]
    #[case(Abi::ILP32_BIG, 4, 72, 12)]
    fn sizes_are_those_of_the_c_structures(
        #[case] abi: Abi,
        #[case] word: usize,
        #[case] packet: usize,
        #[case] request: usize,
    ) {
        assert_eq!(abi.word_bytes(), word);
        assert_eq!(abi.packet_message_bytes(), packet);
        assert_eq!(abi.request_bytes(), request);
    }

    #[test]
    fn the_native_abi_is_this_machine() {
        assert_eq!(Abi::NATIVE.word_bytes(), size_of::<usize>());
        assert_eq!(Abi::NATIVE.order == ByteOrder::Little, 1_u16.to_ne_bytes() == [1, 0]);
        assert_eq!(Abi::default(), Abi::NATIVE);
    }
}
