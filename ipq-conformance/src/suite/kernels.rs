//! The kernels that a case holds for.
//!
//! Most cases hold for all kernels. The table `data/kernels.json` lists the other cases: it states
//! the kernels that each is for, with the reason. A case in several rows holds for the kernels of
//! any of these rows. On a kernel that it is not for, a case is skipped with the reason.

use crate::suite::filter::Pattern;
use serde::Deserialize;
use std::sync::OnceLock;

/// A row of the table: cases that hold for some kernels only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The first version that the cases hold for; `None` if there is no lower limit.
    #[serde(default)]
    pub since: Option<String>,
    /// The last version that the cases hold for, with its point releases; `None` if there is no
    /// upper limit.
    #[serde(default)]
    pub until: Option<String>,
    /// The reason why the cases hold for no other kernels, as a sentence for the report.
    pub reason: String,
    /// The ids of the cases, as patterns in which `*` stands for any text and `?` for any
    /// character.
    pub cases: Vec<String>,
}

impl Held {
    /// Returns the rows of the table `data/kernels.json`.
    #[must_use]
    pub fn all() -> &'static [Self] {
        static TABLE: OnceLock<Vec<Held>> = OnceLock::new();
        TABLE.get_or_init(|| serde_json::from_str(include_str!("data/kernels.json")).unwrap_or_default())
    }

    /// Returns whether one of the row's patterns matches this case id.
    #[must_use]
    pub fn is_about(&self, case: &str) -> bool {
        self.cases.iter().any(|pattern| Pattern::whole(pattern).matches(case))
    }

    /// Returns the row's versions in words, such as `2.4.18 to 2.6.9` or `up to 3.0`.
    fn range(&self) -> String {
        match (&self.since, &self.until) {
            (Some(since), Some(until)) => format!("{since} to {until}"),
            (Some(since), None) => format!("{since} and later"),
            (None, Some(until)) => format!("up to {until}"),
            (None, None) => "of any version".to_owned(),
        }
    }

    /// Returns whether the version `kernel` is in the row's range.
    #[must_use]
    pub fn holds_for(&self, kernel: &str) -> bool {
        let since = self.since.as_deref().is_none_or(|since| !is_before(kernel, since));
        let until = self.until.as_deref().is_none_or(|until| !is_after(kernel, until));
        since && until
    }
}

/// Returns the kernels that a case holds for, in words such as `Linux 2.4.18 to 2.6.9`; `None` if
/// the case is in no row, and so holds for every kernel.
#[must_use]
pub fn range(case: &str) -> Option<String> {
    let ranges = Held::all().iter().filter(|held| held.is_about(case)).map(Held::range);
    let ranges: Vec<String> = ranges.collect();
    (!ranges.is_empty()).then(|| format!("Linux {}", ranges.join(", and ")))
}

/// Returns the reason why a case does not hold for the version `kernel`; `None` if the case holds
/// for it, or is in no row. The text names the versions that the case is for, then `kernel`, then
/// the `reason` of the first row about the case.
#[must_use]
pub fn excluded(case: &str, kernel: &str) -> Option<String> {
    let mut about = Held::all().iter().filter(|held| held.is_about(case));
    let first = about.clone().next()?;
    if about.any(|held| held.holds_for(kernel)) {
        return None;
    }
    let range = range(case)?;
    Some(format!("holds for {range}, and this is {kernel}: {}", first.reason))
}

/// Returns whether the version `kernel` is older than `other`, by the first three numbers of each.
pub(crate) fn is_before(kernel: &str, other: &str) -> bool {
    numbers(kernel) < numbers(other)
}

/// Returns whether the version `kernel` is newer than `other` and all point releases of `other`.
fn is_after(kernel: &str, other: &str) -> bool {
    let other = numbers(other);
    let front: Vec<u32> = numbers(kernel).into_iter().take(other.len()).collect();
    front > other
}

/// Returns the numbers that a version begins with, at most three: 2, 6 and 32 for `2.6.32-5-amd64`.
fn numbers(version: &str) -> Vec<u32> {
    let numbers = version.split(|letter: char| !letter.is_ascii_digit());
    numbers.map_while(|number| number.parse().ok()).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2.4.16", Some("2.4.18"), None, false)]
    #[case("2.4.32", Some("2.4.18"), None, true)]
    #[case("2.6.18", None, Some("2.6.9"), false)]
    #[case("3.0.101", None, Some("3.0"), true)]
    #[case("3.4.10", None, Some("3.0"), false)]
    #[case("6.1.0-rc1", Some("2.6.29"), None, true)]
    fn a_version_is_in_a_range_or_not(
        #[case] kernel: &str,
        #[case] since: Option<&str>,
        #[case] until: Option<&str>,
        #[case] holds: bool,
    ) {
        let held = Held {
            since: since.map(Into::into),
            until: until.map(Into::into),
            reason: String::new(),
            cases: Vec::new(),
        };
        assert_eq!(held.holds_for(kernel), holds);
    }

    #[test]
    fn the_table_can_be_read_and_names_cases_that_there_are() {
        let table: Vec<Held> = serde_json::from_str(include_str!("data/kernels.json")).expect("a table");
        let cases = crate::suite::cases::every();
        for held in &table {
            for pattern in &held.cases {
                let matches = cases.iter().any(|case| Pattern::whole(pattern).matches(case.id));
                assert!(matches, "no case is {pattern}");
            }
        }
        assert!(!table.is_empty());
    }
}
