//! What differs between kernels, as data: one constant for each kernel that the emulator can be.

use ipq_core::wire::Abi;

/// A kernel that the emulator can be. All that is particular to it stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Kernel and architecture, as recordings name them.
    pub name: &'static str,
    /// The kernel's version.
    pub kernel: &'static str,
    /// The architecture, as `uname -m` says it.
    pub architecture: &'static str,
    /// Whether the figures were measured on that kernel, or read in its sources.
    pub provenance: Provenance,
    /// How its frames are laid out.
    pub abi: Abi,
    /// What a datagram weighs in a receive buffer (SOCK-5).
    pub weight: Weight,
    /// The receive buffer of a new socket, in bytes.
    pub receive_buffer: u32,
    /// The largest request for a receive buffer that is granted, in bytes, before it is doubled.
    pub receive_buffer_limit: u32,
    /// The send buffer of a new socket, in bytes; a datagram may have 32 less (SOCK-9). It is also the largest request for one
    /// that is granted, before it is doubled.
    pub send_buffer: u32,
    /// How many packets a queue holds, unless the sysctl says otherwise (PKT-2).
    pub queue_length: u32,
    /// The address of each family's first queue entry; packet ids are such addresses, and the families' are apart (PKT-9).
    pub(crate) first_entry: [u64; 2],
    /// How far apart entries are, in bytes.
    pub(crate) entry_bytes: u64,
}

/// Where a profile's figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Measured on the kernel itself.
    Measured,
    /// Read in the kernel's sources, and never compared with a running one.
    Read,
}

/// What a datagram weighs in a receive buffer: its allocation, not its length (SOCK-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// What the allocator adds to the bytes before it picks an allocation size.
    pub shared_info: usize,
    /// What each datagram weighs beside its bytes.
    pub base: usize,
}

impl Weight {
    /// The weight of a datagram of `length` bytes.
    #[must_use]
    pub const fn of(self, length: usize) -> usize {
        let needed = length.next_multiple_of(64) + self.shared_info;
        needed.next_power_of_two() + self.base
    }
}

impl Profile {
    /// Linux 3.4.10 on x86-64, measured.
    pub const LINUX_3_4_10_X86_64: Self = Self {
        name: "linux-3.4.10-x86_64",
        kernel: "3.4.10",
        architecture: "x86_64",
        provenance: Provenance::Measured,
        abi: Abi::LP64_LITTLE,
        weight: Weight {
            shared_info: 320,
            base: 192,
        },
        receive_buffer: 196_608,
        receive_buffer_limit: 1_572_864,
        send_buffer: 196_608,
        queue_length: 1024,
        first_entry: [0xffff_8800_0e00_0000, 0xffff_8900_0e00_0000],
        entry_bytes: 96,
    };

    /// Linux 3.4.10 on i386, measured.
    pub const LINUX_3_4_10_I386: Self = Self {
        name: "linux-3.4.10-i386",
        architecture: "i386",
        abi: Abi::ILP32_LITTLE,
        weight: Weight {
            shared_info: 192,
            base: 160,
        },
        receive_buffer: 155_648,
        send_buffer: 155_648,
        first_entry: [0xc000_0000, 0xe000_0000],
        entry_bytes: 64,
        ..Self::LINUX_3_4_10_X86_64
    };

    /// All profiles.
    pub const ALL: &'static [Self] = &[Self::LINUX_3_4_10_X86_64, Self::LINUX_3_4_10_I386];

    /// The profile of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|profile| profile.name == name).copied()
    }

    /// What a receive buffer is after `requested` bytes were asked for: cut to the limit, doubled, and never less than
    /// what two small datagrams need (SOCK-4).
    #[must_use]
    pub fn granted_receive_buffer(&self, requested: u32) -> u32 {
        let doubled = requested.min(self.receive_buffer_limit).saturating_mul(2);
        doubled.max(2048 + self.weight.base as u32)
    }

    /// What a send buffer is after `requested` bytes were asked for: cut to the limit, doubled, and never less than 2048.
    #[must_use]
    pub fn granted_send_buffer(&self, requested: u32) -> u32 {
        requested.min(self.send_buffer).saturating_mul(2).max(2048)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::LINUX_3_4_10_X86_64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case::smallest(1, 704)]
    #[case::last_of_the_first_step(192, 704)]
    #[case::first_of_the_second(193, 1216)]
    #[case::last_of_the_second(704, 1216)]
    #[case::first_of_the_third(705, 2240)]
    #[case::last_of_the_third(1728, 2240)]
    fn a_datagram_weighs_what_was_measured_on_x86_64(#[case] length: usize, #[case] weight: usize) {
        assert_eq!(Profile::LINUX_3_4_10_X86_64.weight.of(length), weight);
    }

    #[rstest]
    #[case(320, 672)]
    #[case(321, 1184)]
    #[case(832, 1184)]
    #[case(833, 2208)]
    fn a_datagram_weighs_what_was_measured_on_i386(#[case] length: usize, #[case] weight: usize) {
        assert_eq!(Profile::LINUX_3_4_10_I386.weight.of(length), weight);
    }

    #[rstest]
    #[case::doubled(4096, 8192)]
    #[case::least(0, 2048 + 192)]
    #[case::most(u32::MAX, 2 * 1_572_864)]
    fn a_receive_buffer_is_doubled_within_limits(#[case] requested: u32, #[case] granted: u32) {
        assert_eq!(Profile::LINUX_3_4_10_X86_64.granted_receive_buffer(requested), granted);
    }
}
