//! The profile for a kernel that is named by its version.

use super::{Profile, Provenance};
use ipq_core::wire::Abi;
use std::fmt;

/// A kernel's version in three numbers, such as 2.4.16. The third is `u32::MAX` if the version has
/// only two, as 3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u32; 3]);

impl Version {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self([major, minor, patch])
    }

    /// Reads a version from what `uname -r` prints. A missing third number stands for the last
    /// release, and what follows the numbers is ignored. Returns `None` if the text does not
    /// begin with two numbers and a dot between them, or if a number has more than 32 bits.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut numbers = [0, 0, u32::MAX];
        for (place, number) in numbers.iter_mut().enumerate() {
            let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            let (front, after) = rest.split_at(digits);
            *number = front.parse().ok()?;
            match after.strip_prefix('.') {
                Some(following) if following.starts_with(|letter: char| letter.is_ascii_digit()) => rest = following,
                _ if place == 0 => return None,
                _ => break,
            }
        }
        Some(Self(numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [major, minor, u32::MAX] => write!(f, "{major}.{minor}"),
            [major, minor, patch] => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

/// A range of kernel versions that a profile stands for, `first` and `last` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Version,
    pub(crate) last: Version,
    /// The reason to take the profile's rules for those of these versions.
    pub(crate) known: Known,
}

/// The reason to take a profile's rules for those of a kernel version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// As far as sources and recordings show, the version's rules are the profile's.
    Same,
    /// The version's rules were not checked, or not fully, against the profile's. The text says why
    /// this profile stands for the version.
    Assumed(&'static str),
}

/// The profile that was found for a kernel, and how near it is to that kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The profile, with the frame layout that was asked for.
    pub profile: Profile,
    /// The nearness of the profile to the kernel that was asked for.
    pub nearness: Nearness,
}

/// The nearness of a profile to the kernel that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearness {
    /// The profile has the version and the architecture that were asked for, or was asked for by
    /// its own name.
    Own,
    /// The profile is of another version or architecture with the same word size and, as far as is
    /// known, the same rules. Figures, such as what a datagram weighs, may differ.
    SameRules,
    /// The profile is of another version or architecture with, as far as is known, the same rules,
    /// but of another word size. Its figures, such as what a datagram weighs, are those of that
    /// word size.
    OtherWordSize,
    /// The rules of the version that was asked for were not checked, or not fully, against the
    /// profile's. The text says why this profile stands for it. The profile's word size may be
    /// another, too.
    Assumed(&'static str),
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.profile.name;
        match self.nearness {
            Nearness::Own if self.profile.provenance == Provenance::Read => {
                write!(f, "{name}, which was read in the kernel's sources and never measured")
            }
            Nearness::Own => write!(f, "{name}, the kernel's own profile"),
            Nearness::SameRules => write!(f, "{name}, which has the same rules; its figures may differ"),
            Nearness::OtherWordSize => {
                write!(
                    f,
                    "{name}, which has the same rules; its figures are those of another word size"
                )
            }
            Nearness::Assumed(why) => write!(f, "{name}: {why}"),
        }
    }
}

/// The error of asking for a kernel that no profile stands for.
///
/// Its `Debug` output is the same sentence as its `Display` output.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the emulator can be Linux 2.4.0 to 2.4.x, 2.6.x, and 3.0 to 3.4, which have ip_queue, and this is {kernel:?}: name one \
     of those, or 6.1 or 6.18 for a program on nfnetlink_queue, or a profile: {}",
    names()
)]
pub struct NoProfile {
    /// What was asked for: a version, or the name of a profile.
    pub kernel: String,
}

impl fmt::Debug for NoProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn names() -> String {
    let names: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name).collect();
    names.join(", ")
}

impl Profile {
    /// Returns the profile nearest to the kernel with this version (what `uname -r` prints) and
    /// architecture (what `uname -m` prints). A profile with exactly this version and architecture
    /// comes first. Otherwise it is one that stands for the version: one with the word size of
    /// `abi` if there is one, or else one of 64 bits if there is one. `abi` replaces the profile's
    /// own layout of frames. Fails if there is no such profile.
    ///
    /// A version of two numbers, such as "2.4", means the last release of that series, unless a
    /// profile has exactly this version.
    pub fn nearest(kernel: &str, architecture: &str, abi: Abi) -> Result<Nearest, NoProfile> {
        let own = |profile: &&Self| profile.kernel == kernel && profile.architecture == architecture;
        if let Some(profile) = Self::ALL.iter().find(own) {
            return Ok(profile.standing_in(abi, Nearness::Own));
        }
        let candidates = Self::standing_for(kernel)?;
        let fits = |(profile, _): &&(&Self, Known)| profile.abi.word == abi.word;
        let (profile, known) = candidates.iter().find(fits).unwrap_or(&candidates[0]);
        let nearness = match known {
            Known::Assumed(why) => Nearness::Assumed(why),
            Known::Same if profile.abi.word == abi.word => Nearness::SameRules,
            Known::Same => Nearness::OtherWordSize,
        };
        Ok(profile.standing_in(abi, nearness))
    }

    /// Returns the profile of that name, or one that stands for a kernel of that version: a
    /// measured one before one that was only read, and of two measured or two read ones that of 64
    /// bits. Fails if there is none.
    pub fn of_kernel(kernel: &str) -> Result<Nearest, NoProfile> {
        if let Some(profile) = Self::by_name(kernel) {
            return Ok(profile.standing_in(profile.abi, Nearness::Own));
        }
        let candidates = Self::standing_for(kernel)?;
        let measured = |(profile, _): &&(&Self, Known)| profile.provenance == Provenance::Measured;
        let (profile, _) = candidates.iter().find(measured).unwrap_or(&candidates[0]);
        Self::nearest(kernel, profile.architecture, profile.abi)
    }

    /// Returns the profiles that stand for a version, those of 64 bits first, each with the reason
    /// why. Fails if there is none, as for a text that is no version.
    fn standing_for(kernel: &str) -> Result<Vec<(&'static Self, Known)>, NoProfile> {
        let version = Version::parse(kernel);
        let found: Vec<(&Self, Known)> = Self::ALL
            .iter()
            .filter_map(|profile| {
                // A profile stands for its own kernel, even without a span.
                if profile.kernel == kernel {
                    return Some((profile, Known::Same));
                }
                let holds = |span: &&Span| version.is_some_and(|version| span.first <= version && version <= span.last);
                Some((profile, profile.spans.iter().find(holds)?.known))
            })
            .collect();
        if found.is_empty() {
            return Err(NoProfile {
                kernel: kernel.to_owned(),
            });
        }
        Ok(found)
    }

    const fn standing_in(self, abi: Abi, nearness: Nearness) -> Nearest {
        Nearest {
            profile: Self { abi, ..self },
            nearness,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case::own("3.4.10", "x86_64", Abi::LP64_LITTLE, "linux-3.4.10-x86_64", Nearness::Own)]
    #[case::own_of_four_bytes("2.4.16", "i386", Abi::ILP32_LITTLE, "linux-2.4.16-i386", Nearness::Own)]
    #[case::another_release("3.4.9", "x86_64", Abi::LP64_LITTLE, "linux-3.4.10-x86_64", Nearness::SameRules)]
    #[case::another_machine("3.1", "ppc", Abi::ILP32_BIG, "linux-3.4.10-i386", Nearness::SameRules)]
    #[case::with_a_suffix(
        "2.6.32-5-amd64",
        "x86_64",
        Abi::LP64_LITTLE,
        "linux-2.6.32-x86_64",
        Nearness::SameRules
    )]
    #[case::no_such_word_size("2.4.32", "x86_64", Abi::LP64_LITTLE, "linux-2.4.32-i386", Nearness::OtherWordSize)]
    #[case::numbered_queues("6.1.192", "i386", Abi::ILP32_LITTLE, "linux-6.1-x86_64", Nearness::OtherWordSize)]
    fn the_nearest_profile_is_the_kernels_own_or_has_its_rules(
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

    /// Checks releases of a measured series whose rules are known to differ from the profile's.
    #[rstest]
    #[case::that_asks_for_a_capability(
        "3.4.113",
        "x86_64",
        "linux-3.4.10-x86_64: from 3.4.11 on a program needs CAP_NET_ADMIN"
    )]
    #[case::that_answers_another_number("6.1.176", "x86_64", "linux-6.1-x86_64: 6.1.176 answers an unknown command")]
    fn a_release_with_another_rule_is_told_from_its_series(
        #[case] kernel: &str,
        #[case] architecture: &str,
        #[case] told: &str,
    ) {
        let nearest = Profile::nearest(kernel, architecture, Abi::LP64_LITTLE).unwrap();
        assert!(nearest.to_string().starts_with(told), "{nearest}");
    }

    #[test]
    fn every_release_from_2_4_0_to_3_4_has_a_profile_that_says_why() {
        let mut told = Vec::new();
        for (series, releases) in [("2.4", 0..38), ("2.6", 0..40), ("3", 0..5)] {
            for release in releases {
                let kernel = format!("{series}.{release}");
                let nearest = Profile::nearest(&kernel, "i386", Abi::ILP32_LITTLE).unwrap();
                told.push((kernel, nearest.to_string()));
            }
        }
        told.dedup_by(|later, first| later.1 == first.1);
        let told: Vec<String> = told
            .iter()
            .map(|(kernel, why)| format!("from {kernel}: {why}"))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        from 2.4.0: linux-2.4.0-i386, the kernel's own profile
        from 2.4.1: linux-2.4.0-i386: nobody has looked between 2.4.0 and 2.4.16; 2.4.0 is nearer
        from 2.4.9: linux-2.4.16-i386: nobody has looked between 2.4.0 and 2.4.16; 2.4.16 is nearer
        from 2.4.16: linux-2.4.16-i386, the kernel's own profile
        from 2.4.17: linux-2.4.16-i386, which has the same rules; its figures may differ
        from 2.4.18: linux-2.4.32-i386: 2.4.17 is as 2.4.16, by its sources, and nobody has looked between it and 2.4.32; mangle had all five chains from 2.4.18 on
        from 2.4.32: linux-2.4.32-i386, the kernel's own profile
        from 2.4.33: linux-2.4.32-i386: nobody has looked after 2.4.32, when 2.4 got corrections alone
        from 2.6.0: linux-2.4.32-i386: 2.6.9 is as 2.4.32, by its sources; nobody has run it or one before it
        from 2.6.10: linux-2.6.18-i386: nobody has looked between 2.6.9, which is as 2.4.32, and 2.6.18; 2.6.18 is nearer
        from 2.6.18: linux-2.6.18-i386, the kernel's own profile
        from 2.6.19: linux-2.6.18-i386: nobody has looked between 2.6.18 and 2.6.27; 2.6.18 is nearer
        from 2.6.23: linux-2.6.27-i386: nobody has looked between 2.6.18 and 2.6.27; 2.6.27 is nearer
        from 2.6.27: linux-2.6.27-i386, the kernel's own profile
        from 2.6.28: linux-2.6.27-i386: 2.6.28 quotes only the header in an error, as 2.6.27 does; nobody has run it
        from 2.6.29: linux-2.6.32-x86_64: 2.6.28 still quoted only the header in an error, by its sources, and 2.6.32 quotes all; nobody has looked between them
        from 2.6.32: linux-2.6.32-x86_64, which has the same rules; its figures are those of another word size
        from 2.6.33: linux-2.6.32-x86_64: nobody has looked between 2.6.32 and 3.0, which differ in what opens a socket alone
        from 3.0: linux-3.0-x86_64, which has the same rules; its figures are those of another word size
        from 3.1: linux-3.4.10-i386, which has the same rules; its figures may differ
        from 3.4: linux-3.4.10-i386: from 3.4.11 on a program needs CAP_NET_ADMIN to send to another's port id; all else is as in 3.4.10
        ");
    }

    #[rstest]
    #[case::own("2.4.16", "linux-2.4.16-i386")]
    #[case::series("2.4", "linux-2.4.32-i386")]
    #[case::measured_before_read("2.6.18", "linux-2.6.18-i386")]
    #[case::of_64_bits("3.4", "linux-3.4.10-x86_64")]
    #[case::with_numbered_queues("6.18", "linux-6.18-x86_64")]
    #[case::with_a_suffix("6.1.0-57-cloud-amd64", "linux-6.1-x86_64")]
    #[case::a_profile("linux-2.6.18-x86_64", "linux-2.6.18-x86_64")]
    #[case::with_numbered_queues("6.18", "linux-6.18-x86_64")]
    #[case::with_numbered_queues_and_older("6.1", "linux-6.1-x86_64")]
    fn a_kernel_is_named_by_its_version_or_its_profile(#[case] kernel: &str, #[case] name: &str) {
        assert_eq!(Profile::of_kernel(kernel).unwrap().profile.name, name);
    }

    #[rstest]
    #[case("3.5.1")]
    #[case("3.40")]
    #[case("6.2")]
    #[case("2.2.20")]
    #[case("2.5.70")]
    #[case("3")]
    #[case("99999999999.1")]
    #[case("")]
    fn a_kernel_with_other_rules_has_no_profile(#[case] kernel: &str) {
        let error = Profile::nearest(kernel, "x86_64", Abi::LP64_LITTLE).unwrap_err();
        assert!(
            error.to_string().contains("2.4.0 to 2.4.x, 2.6.x, and 3.0 to 3.4"),
            "{error}"
        );
    }
}
