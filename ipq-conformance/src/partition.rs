//! Parts of a run, so that several machines can share it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

/// One of N parts into which the cases, recordings or sequences of a run are divided: `2/3` is the
/// second of three parts.
///
/// The part of a case or recording depends on its name and the number of parts alone: not on the
/// other cases, the filter, or the version of the suite. So each is in exactly one part of a run.
/// The part of a sequence that is compared in two worlds depends on its number and the number of
/// parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Partition {
    /// The part, from 1.
    part: u64,
    /// The number of parts.
    of: u64,
}

impl Partition {
    /// Returns all parts of the division that this part belongs to, in order and with this part
    /// itself.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (1..=self.of).map(move |part| Self { part, of: self.of })
    }

    /// Returns whether the case or recording with this name is in the part.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        // FNV-1a has the same result everywhere and for ever.
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(name.as_bytes());
        self.has_number(hasher.finish())
    }

    /// Returns whether the sequence with this number is in the part: numbers go to the parts in
    /// turn, and 0 to the first.
    #[must_use]
    pub const fn has_number(self, number: u64) -> bool {
        number % self.of == self.part - 1
    }
}

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Self, PartitionError> {
        let parsed = text.split_once('/').and_then(|(part, of)| {
            let (part, of) = (part.parse().ok()?, of.parse().ok()?);
            (1 <= part && part <= of).then_some(Self { part, of })
        });
        parsed.ok_or(PartitionError)
    }
}

/// The error for a text that is no [`Partition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write K/N, such as 1/3: part K of N parts, counted from 1")]
pub struct PartitionError;

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

impl TryFrom<String> for Partition {
    type Error = PartitionError;

    fn try_from(text: String) -> Result<Self, PartitionError> {
        text.parse()
    }
}

impl From<Partition> for String {
    fn from(partition: Partition) -> Self {
        partition.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case::the_first("1/3", true)]
    #[case::the_last("3/3", true)]
    #[case::the_whole("1/1", true)]
    #[case::counted_from_0("0/3", false)]
    #[case::more_than_there_are("4/3", false)]
    #[case::no_parts("0/0", false)]
    #[case::no_number("a/3", false)]
    #[case::half("1", false)]
    #[case::too_large("1/18446744073709551616", false)]
    fn a_part_is_a_number_of_a_number(#[case] text: &str, #[case] is: bool) {
        let parsed: Result<Partition, _> = text.parse();
        assert_eq!(
            parsed.map(|partition| partition.to_string()),
            if is { Ok(text.to_owned()) } else { Err(PartitionError) }
        );
    }

    #[test]
    fn each_name_is_in_one_part() {
        let cases = crate::suite::cases::every();
        for of in [1, 2, 3, 7] {
            let first: Partition = format!("1/{of}").parse().expect("it is right");
            for case in &cases {
                assert_eq!(first.all().filter(|part| part.has(case.id)).count(), 1, "{}", case.id);
            }
            for part in first.all() {
                let count = cases.iter().filter(|case| part.has(case.id)).count();
                let even = cases.len() / of;
                assert!(
                    (even / 2..=even * 2).contains(&count),
                    "{part} has {count} of {}",
                    cases.len()
                );
            }
        }
    }

    /// A name must keep its part in all versions of the suite.
    #[rstest]
    #[case("verdicts/accept-goes-on-with-the-hook", "1/7")]
    #[case("libipq/timeout", "1/7")]
    fn the_part_of_a_name_never_changes(#[case] name: &str, #[case] expected: Partition) {
        let part = expected.all().find(|part| part.has(name));
        assert_eq!(part, Some(expected));
    }
}
