//! The kernels that the emulator can be: one constant each, a file for each version.
//!
//! A file says what its kernel does otherwise than the next newer one.

mod linux_2_4_0;
mod linux_2_4_16;
mod linux_2_4_32;
mod linux_2_6_18;
mod linux_2_6_27;
mod linux_2_6_32;
mod linux_3_0;
mod linux_3_4;
mod linux_6;
mod nearest;

pub use nearest::{Nearest, Nearness, NoProfile};

use crate::behaviour::Behaviour;
use crate::per_family::PerFamily;
use ipq_core::wire::Abi;
use nearest::Span;

/// A kernel that the emulator can be: the rules that it follows, and its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The profile's name: kernel and architecture, as recordings name them.
    pub name: &'static str,
    /// The kernel's version.
    pub kernel: &'static str,
    /// The architecture, as `uname -m` says it.
    pub architecture: &'static str,
    /// The source of the profile's rules and figures: measured on that kernel, or read in its
    /// sources.
    pub provenance: Provenance,
    /// The layout of the kernel's frames.
    pub abi: Abi,
    /// The weight of a datagram in a receive buffer (SOCK-5).
    pub weight: Weight,
    /// The receive buffer of a new socket, in bytes.
    pub receive_buffer: u32,
    /// The largest request for a receive buffer that is granted, in bytes, before it is doubled.
    pub receive_buffer_limit: u32,
    /// The least size of a receive buffer, in bytes, however little was asked for.
    pub receive_buffer_least: u32,
    /// The send buffer of a new socket, in bytes; a datagram may have 32 less (SOCK-9). It is also
    /// the largest request for a send buffer that is granted, before it is doubled.
    pub send_buffer: u32,
    /// The number of packets that a queue holds, unless the sysctl says otherwise (PKT-2).
    pub queue_length: u32,
    /// The address of the first queue entry of each family's pool; packet ids are such addresses,
    /// and the pools are apart (PKT-9).
    pub(crate) first_entry: PerFamily<u64>,
    /// The distance between queue entries, in bytes.
    pub(crate) entry_bytes: u64,
    /// The versions that the profile stands for.
    pub(crate) spans: &'static [Span],
    /// The kernel's rules.
    pub(crate) behaviour: Behaviour,
}

/// The source of a profile's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The figures were measured on the kernel itself.
    Measured,
    /// The figures were read in the kernel's sources, and never compared with a running kernel.
    /// Figures that depend on how a kernel was built are those of the nearest kernel that was
    /// measured.
    Read,
}

/// The weight of a datagram in a receive buffer: its allocation, not its length (SOCK-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The datagram's bytes, rounded up to a multiple of 64, and `shared_info` are allocated
    /// together, in a size that is a power of two.
    PowerOfTwo {
        /// The bytes that are added before an allocation size is chosen.
        shared_info: usize,
        /// The weight of a datagram without its bytes.
        base: usize,
    },
    /// The weight is as with [`PowerOfTwo`](Self::PowerOfTwo), but all datagrams of at most `small`
    /// bytes have allocations of one size.
    SmallHeads {
        /// The most bytes that an allocation of that size has room for.
        small: usize,
        /// The bytes that the allocator adds.
        shared_info: usize,
        /// The weight of each datagram beside its bytes.
        base: usize,
    },
    /// The datagram's bytes are rounded up to a multiple of `to`.
    RoundedUp {
        /// The multiple to which the datagram's bytes are rounded, in bytes.
        to: usize,
        /// The weight of a datagram without its bytes.
        base: usize,
    },
}

impl Weight {
    /// Returns the weight of a datagram of `length` bytes.
    #[must_use]
    #[inline]
    pub const fn of(self, length: usize) -> usize {
        match self {
            Self::PowerOfTwo { shared_info, base } => {
                let needed = length.next_multiple_of(64) + shared_info;
                needed.next_power_of_two() + base
            }
            Self::SmallHeads {
                small,
                shared_info,
                base,
            } if length <= small => small + shared_info + base,
            Self::SmallHeads { shared_info, base, .. } => Self::PowerOfTwo { shared_info, base }.of(length),
            Self::RoundedUp { to, base } => length.next_multiple_of(to) + base,
        }
    }
}

impl Profile {
    /// All profiles. The newest kernel comes first, and of two profiles of one kernel the one of 64
    /// bits.
    pub const ALL: &'static [Self] = &[
        Self::LINUX_6_18_X86_64,
        Self::LINUX_6_1_X86_64,
        Self::LINUX_3_4_10_X86_64,
        Self::LINUX_3_4_10_I386,
        Self::LINUX_3_0_X86_64,
        Self::LINUX_2_6_32_X86_64,
        Self::LINUX_2_6_27_X86_64,
        Self::LINUX_2_6_27_I386,
        Self::LINUX_2_6_18_X86_64,
        Self::LINUX_2_6_18_I386,
        Self::LINUX_2_4_32_I386,
        Self::LINUX_2_4_16_I386,
        Self::LINUX_2_4_0_I386,
    ];

    /// Returns the profile of that name. Returns `None` if there is none.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|profile| profile.name == name).copied()
    }

    /// Returns `true` if the kernel has `ip_queue`, and not queues with numbers.
    #[must_use]
    pub const fn has_ip_queue(&self) -> bool {
        self.behaviour.modules.numbered.is_none()
    }

    /// Returns the receive buffer that is granted for a request of `requested` bytes: cut to the
    /// limit, doubled, and never less than the least there is (SOCK-4).
    #[must_use]
    pub fn granted_receive_buffer(&self, requested: u32) -> u32 {
        let doubled = requested.min(self.receive_buffer_limit).saturating_mul(2);
        doubled.max(self.receive_buffer_least)
    }

    /// Returns the send buffer that is granted for a request of `requested` bytes: cut to the
    /// limit, doubled, and never less than 2048.
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
    #[case(1, 32 + 156)]
    #[case(32, 32 + 156)]
    #[case(33, 64 + 156)]
    fn without_allocation_sizes_a_datagram_weighs_its_length_rounded_up(#[case] length: usize, #[case] weight: usize) {
        assert_eq!(Weight::RoundedUp { to: 32, base: 156 }.of(length), weight);
    }

    #[rstest]
    #[case::doubled(4096, 8192)]
    #[case::least(0, 2048 + 192)]
    #[case::most(u32::MAX, 2 * 1_572_864)]
    fn a_receive_buffer_is_doubled_within_limits(#[case] requested: u32, #[case] granted: u32) {
        assert_eq!(Profile::LINUX_3_4_10_X86_64.granted_receive_buffer(requested), granted);
    }
}
