//! The kernels that the emulator can be: one constant each, in a file of its own.

mod linux_3_4;

use crate::behaviour::Behaviour;
use ipq_core::wire::Abi;
use std::fmt;

/// A kernel that the emulator can be: the rules that it follows, and its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Kernel and architecture, as recordings name them.
    pub name: &'static str,
    /// The kernel's version.
    pub kernel: &'static str,
    /// The architecture, as `uname -m` says it.
    pub architecture: &'static str,
    /// The source of the figures: measured on that kernel, or read in its sources.
    pub provenance: Provenance,
    /// The layout of its frames.
    pub abi: Abi,
    /// The weight of a datagram in a receive buffer (SOCK-5).
    pub weight: Weight,
    /// The receive buffer of a new socket, in bytes.
    pub receive_buffer: u32,
    /// The largest request for a receive buffer that is granted, in bytes, before it is doubled.
    pub receive_buffer_limit: u32,
    /// The send buffer of a new socket, in bytes; a datagram may have 32 less (SOCK-9). It is also
    /// the largest request for one that is granted, before it is doubled.
    pub send_buffer: u32,
    /// The number of packets that a queue holds, unless the sysctl says otherwise (PKT-2).
    pub queue_length: u32,
    /// The address of each family's first queue entry; packet ids are such addresses, and the
    /// families' are apart (PKT-9).
    pub(crate) first_entry: [u64; 2],
    /// The distance between entries, in bytes.
    pub(crate) entry_bytes: u64,
    /// The versions, such as "3.4", whose rules these are, point releases included.
    pub(crate) versions: &'static [&'static str],
    /// The rules.
    pub(crate) behaviour: Behaviour,
}

/// The source of a profile's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Measured on the kernel itself.
    Measured,
    /// Read in the kernel's sources, and never compared with a running one.
    Read,
}

/// The weight of a datagram in a receive buffer: its allocation, not its length (SOCK-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Its bytes, rounded up to 64, and `shared_info` are allocated together, in a size that is a
    /// power of two.
    PowerOfTwo {
        /// The bytes that are added before an allocation size is chosen.
        shared_info: usize,
        /// The weight of a datagram without its bytes.
        base: usize,
    },
    /// Its bytes are rounded up.
    RoundedUp {
        /// The multiple to which they are rounded, in bytes.
        to: usize,
        /// The weight of a datagram without its bytes.
        base: usize,
    },
}

impl Weight {
    /// Returns the weight of a datagram of `length` bytes.
    #[must_use]
    pub const fn of(self, length: usize) -> usize {
        match self {
            Self::PowerOfTwo { shared_info, base } => {
                let needed = length.next_multiple_of(64) + shared_info;
                needed.next_power_of_two() + base
            }
            Self::RoundedUp { to, base } => length.next_multiple_of(to) + base,
        }
    }

    /// The weight of a datagram without its bytes.
    const fn base(self) -> usize {
        match self {
            Self::PowerOfTwo { base, .. } | Self::RoundedUp { base, .. } => base,
        }
    }
}

/// A profile that stands in for some kernel, and how near it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The profile, with the frames of that kernel.
    pub profile: Profile,
    /// Its nearness.
    pub nearness: Nearness,
}

/// The nearness of a profile to the kernel that it stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearness {
    /// It is that kernel's own.
    Own,
    /// It is of another kernel with the same rules and the same word size: only figures, such as
    /// what a datagram weighs, may differ.
    SameRules,
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.profile.name;
        match self.nearness {
            Nearness::Own => write!(f, "{name}, the kernel's own profile"),
            Nearness::SameRules => write!(f, "{name}, which has the same rules; its figures may differ"),
        }
    }
}

/// No profile has a kernel's rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the emulator behaves as Linux {}, and this is {kernel}: name one of those",
    known_versions()
)]
pub struct NoProfile {
    /// The version that was asked for.
    pub kernel: String,
}

fn known_versions() -> String {
    let mut versions: Vec<&str> = Profile::ALL
        .iter()
        .flat_map(|profile| profile.versions)
        .copied()
        .collect();
    versions.sort_unstable();
    versions.dedup();
    versions.join(", ")
}

impl Profile {
    /// All profiles.
    pub const ALL: &'static [Self] = &[Self::LINUX_3_4_10_X86_64, Self::LINUX_3_4_10_I386];

    /// Returns the profile of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|profile| profile.name == name).copied()
    }

    /// The profile nearest to the kernel of that version and architecture, as `uname -r` and `uname
    /// -m` say them: its own, or else one with its rules and the word size of `abi`. Its frames are
    /// laid out as `abi` says.
    pub fn nearest(kernel: &str, architecture: &str, abi: Abi) -> Result<Nearest, NoProfile> {
        let own = |profile: &&Self| profile.kernel == kernel && profile.architecture == architecture;
        let same_rules = |profile: &&Self| profile.abi.word == abi.word && profile.has_rules_of(kernel);
        let found = Self::ALL.iter().find(own).map(|profile| (profile, Nearness::Own));
        let found = found.or_else(|| {
            let near = Self::ALL.iter().find(same_rules);
            near.map(|profile| (profile, Nearness::SameRules))
        });
        let (profile, nearness) = found.ok_or_else(|| NoProfile {
            kernel: kernel.to_owned(),
        })?;
        Ok(Nearest {
            profile: Self { abi, ..*profile },
            nearness,
        })
    }

    /// Returns whether `kernel` is one of this profile's versions, or a point release of one.
    fn has_rules_of(&self, kernel: &str) -> bool {
        self.versions.iter().any(|version| {
            let rest = kernel.strip_prefix(version);
            rest.is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_ascii_digit()))
        })
    }

    /// Returns the receive buffer that is granted for a request of so many bytes: cut to the limit,
    /// doubled, and never less than two small datagrams need (SOCK-4).
    #[must_use]
    pub fn granted_receive_buffer(&self, requested: u32) -> u32 {
        let doubled = requested.min(self.receive_buffer_limit).saturating_mul(2);
        doubled.max(2048 + self.weight.base() as u32)
    }

    /// Returns the send buffer that is granted for a request of so many bytes: cut to the limit,
    /// doubled, and never less than 2048.
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
    #[case::own("3.4.10", "x86_64", Abi::LP64_LITTLE, "linux-3.4.10-x86_64", Nearness::Own)]
    #[case::own_of_four_bytes("3.4.10", "i386", Abi::ILP32_LITTLE, "linux-3.4.10-i386", Nearness::Own)]
    #[case::another_release("3.4.113", "x86_64", Abi::LP64_LITTLE, "linux-3.4.10-x86_64", Nearness::SameRules)]
    #[case::another_machine("3.1", "ppc", Abi::ILP32_BIG, "linux-3.4.10-i386", Nearness::SameRules)]
    fn the_nearest_profile_is_the_kernels_own_or_has_its_rules_and_word_size(
        #[case] kernel: &str,
        #[case] architecture: &str,
        #[case] abi: Abi,
        #[case] name: &str,
        #[case] nearness: Nearness,
    ) {
        let nearest = Profile::nearest(kernel, architecture, abi).unwrap();
        assert_eq!((nearest.profile.name, nearest.nearness), (name, nearness));
        assert_eq!(nearest.profile.abi, abi);
    }

    #[rstest]
    #[case("3.5.1")]
    #[case("3.40")]
    #[case("")]
    fn a_kernel_with_other_rules_has_no_profile(#[case] kernel: &str) {
        let error = Profile::nearest(kernel, "x86_64", Abi::LP64_LITTLE).unwrap_err();
        assert!(error.to_string().contains("3.1, 3.2, 3.3, 3.4"), "{error}");
    }

    #[rstest]
    #[case::doubled(4096, 8192)]
    #[case::least(0, 2048 + 192)]
    #[case::most(u32::MAX, 2 * 1_572_864)]
    fn a_receive_buffer_is_doubled_within_limits(#[case] requested: u32, #[case] granted: u32) {
        assert_eq!(Profile::LINUX_3_4_10_X86_64.granted_receive_buffer(requested), granted);
    }
}
