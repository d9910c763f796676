//! The kernels that the emulator can be: a constant of [`Profile`] for each, and a file for each
//! version. Linux 6.18 and 6.1 share a file.
//!
//! `linux_3_4` states every rule. The file of an older kernel says what that kernel does otherwise
//! than the next newer one, and `linux_6` what Linux 6.18 and 6.1 do otherwise than Linux 3.4.

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
    /// The profile's name: kernel and architecture, such as `linux-3.4.10-x86_64`.
    pub name: &'static str,
    /// The kernel's version, such as "3.4.10".
    pub kernel: &'static str,
    /// The architecture: `x86_64` or `i386`.
    pub architecture: &'static str,
    /// The source of the profile's rules and figures: measured on that kernel, or read in its
    /// sources.
    pub provenance: Provenance,
    /// The word size and the byte order in the kernel's frames.
    pub abi: Abi,
    /// The rule for the weight of a datagram in a receive buffer (SOCK-5).
    pub weight: Weight,
    /// The receive buffer of a new socket, in bytes as `SO_RCVBUF` reads it.
    pub receive_buffer: u32,
    /// The greatest request for a receive buffer (`SO_RCVBUF`) that is granted in full, in bytes:
    /// twice the request is granted. A greater request is granted only twice this limit.
    pub receive_buffer_limit: u32,
    /// The least receive buffer that is granted, in bytes, however little was asked for.
    pub receive_buffer_least: u32,
    /// The send buffer of a new socket, in bytes. The longest datagram that can be sent has 32
    /// bytes less (SOCK-9). It is also the greatest request for a send buffer (`SO_SNDBUF`) that is
    /// granted in full: twice the request is granted. A greater request is granted only twice this
    /// size.
    pub send_buffer: u32,
    /// The maximum length of each queue of `ip_queue`, in packets, unless the sysctl says otherwise
    /// (PKT-2). Numbered queues of nfnetlink do not use it.
    pub queue_length: u32,
    /// The address of the first entry in each family's pool of queue entries. The packet ids of
    /// `ip_queue` are such addresses, and the two pools do not overlap (PKT-9). A kernel with one
    /// pool for both families uses IPv4's address alone.
    pub(crate) first_entry: PerFamily<u64>,
    /// The distance between the addresses of neighbouring queue entries, in bytes.
    pub(crate) entry_bytes: u64,
    /// The ranges of kernel versions that the profile stands for. It stands for its own `kernel` in
    /// any case.
    pub(crate) spans: &'static [Span],
    /// The kernel's rules.
    pub(crate) behaviour: Behaviour,
}

/// The source of a profile's rules and figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The rules and figures were measured on the kernel itself, except for some that were read in
    /// its sources.
    Measured,
    /// The rules and figures were read in the kernel's sources, and never compared with a running
    /// kernel of this architecture. Figures that depend on how a kernel was built, such as the
    /// addresses of queue entries, may differ from those of a running kernel.
    Read,
}

/// The rule for the weight of a datagram in a receive buffer. It depends on what the kernel
/// allocates, which is more than the datagram's length (SOCK-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The weight is `base` plus the size of an allocation. The datagram's length is rounded up to
    /// a multiple of 64, and `shared_info` is added. The size is the least power of two that is not
    /// smaller than this sum.
    PowerOfTwo {
        /// The number of bytes that the allocation holds beside the datagram's.
        shared_info: usize,
        /// The number of bytes that each datagram weighs beside its allocation.
        base: usize,
    },
    /// A datagram of at most `small` bytes weighs `small` plus `shared_info` plus `base`. A longer
    /// one weighs what [`PowerOfTwo`](Self::PowerOfTwo) says with the same `shared_info` and
    /// `base`.
    SmallHeads {
        /// The length of the longest datagram that gets the small allocation, in bytes.
        small: usize,
        /// The number of bytes that each allocation holds beside the datagram's.
        shared_info: usize,
        /// The number of bytes that each datagram weighs beside its allocation.
        base: usize,
    },
    /// The weight is the datagram's length, rounded up to a multiple of `to`, plus `base`.
    RoundedUp {
        /// The number of bytes to a multiple of which the datagram's length is rounded up.
        to: usize,
        /// The number of bytes that each datagram weighs beside its own.
        base: usize,
    },
}

impl Weight {
    /// Returns the weight, in bytes, of a datagram for which the kernel needs `length` bytes.
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
    /// All profiles, newest kernel first. Of two profiles of one kernel, the one of 64 bits comes
    /// first.
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

    /// Returns the profile with exactly this name. Returns `None` if there is none.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|profile| profile.name == name).copied()
    }

    /// Returns `true` if the kernel has `ip_queue`, and `false` if it has the numbered queues of
    /// nfnetlink instead.
    #[must_use]
    pub const fn has_ip_queue(&self) -> bool {
        self.behaviour.modules.numbered.is_none()
    }

    /// Returns the receive buffer, in bytes, that is granted for a request of `requested` bytes:
    /// twice the request or twice `receive_buffer_limit`, whichever is less, but at least
    /// `receive_buffer_least`.
    #[must_use]
    pub fn granted_receive_buffer(&self, requested: u32) -> u32 {
        let doubled = requested.min(self.receive_buffer_limit).saturating_mul(2);
        doubled.max(self.receive_buffer_least)
    }

    /// Returns the send buffer, in bytes, that is granted for a request of `requested` bytes: twice
    /// the request or twice `send_buffer`, whichever is less, but at least 2048.
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
