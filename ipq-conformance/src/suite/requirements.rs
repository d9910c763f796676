//! The requirements: the rules of the protocols, each in one sentence or a few. Cases check the
//! rules. To check the cases, faults are seeded into the emulator, each of which breaks one or more
//! rules: at least one case that cites one of these rules must then fail. A few rules have no such
//! fault.

use crate::suite::Case;
use serde::{Deserialize, Serialize};

/// A rule of the protocol, with the id by which cases cite the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The requirement's id: a group and a number, such as `VER-3`.
    pub id: &'static str,
    /// The rule, in one sentence or a few.
    pub text: &'static str,
}

/// The highest number of requirements that may lack a seeded fault; a test of the suite checks
/// this.
pub const MOST_UNCHECKED: usize = 11;

impl Requirement {
    /// Returns all requirements, in the order of `data/requirements.txt`: group by group.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let lines = include_str!("data/requirements.txt").lines();
        lines
            .filter_map(|line| line.split_once(' '))
            .map(|(id, text)| Self { id, text })
            .collect()
    }

    /// Returns the requirement with this id, in upper or lower case; `None` if there is none.
    #[must_use]
    pub fn named(id: &str) -> Option<Self> {
        Self::all().into_iter().find(|known| known.id.eq_ignore_ascii_case(id))
    }
}

/// Returns the URL of the rule with this id, on the page of its protocol in the repository.
#[must_use]
pub fn page(id: &str) -> String {
    let repository = env!("CARGO_PKG_REPOSITORY");
    let name = if id.starts_with("NFQ-") {
        "nfnetlink_queue"
    } else {
        "protocol"
    };
    format!("{repository}/blob/main/ipq-core/docs/{name}.md#{id}")
}

/// A requirement that no seeded fault breaks, with the reason.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Unchecked {
    /// The id of the requirement that no fault breaks.
    pub requirement: String,
    /// The reason why no fault breaks the requirement, in a sentence.
    pub reason: String,
}

/// A fault that was seeded into the emulator, with the requirements that it breaks and the cases
/// that find it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct FoundFault {
    /// The ids of the requirements that the fault breaks.
    pub requirements: Vec<String>,
    /// The name of the fault.
    pub fault: String,
    /// The name of the profile of the kernel that the fault was seeded into.
    pub kernel: String,
    /// The behaviour of the emulator with the fault, in words.
    pub description: String,
    /// The ids of the cases that cite one of the requirements and fail with the fault.
    pub cases: Vec<String>,
}

impl FoundFault {
    /// Returns whether the fault breaks the requirement with this id.
    #[must_use]
    pub fn breaks(&self, requirement: &str) -> bool {
        self.requirements.iter().any(|broken| broken == requirement)
    }
}

/// The coverage of the requirements by cases and faults.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// One row for each requirement, in the order of [`Requirement::all`].
    pub rows: Vec<Covered>,
}

/// The coverage of one requirement.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The requirement, with its text.
    pub requirement: Requirement,
    /// The ids of the cases that cite the requirement.
    pub cases: Vec<&'static str>,
    /// The faults that break the requirement, each with the cases that found it.
    pub faults: Vec<FoundFault>,
    /// The reason why no seeded fault breaks the requirement; `None` if no reason is recorded.
    pub reason: Option<String>,
}

impl Covered {
    /// Returns whether the requirement is covered: a reason says why no fault breaks it, or there
    /// are faults that break it and each was found by a case. Whether a case cites it is not asked.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        let found = !self.faults.is_empty() && self.faults.iter().all(|fault| !fault.cases.is_empty());
        self.reason.is_some() || found
    }
}

impl Coverage {
    /// Returns the coverage of all requirements by `cases`, from the suite's tables of faults and
    /// reasons. Fails if a table can't be parsed.
    pub fn of(cases: &[Case]) -> Result<Self, serde_json::Error> {
        let faults = Self::faults()?;
        let unchecked = Self::unchecked()?;
        let rows = Requirement::all().into_iter().map(|requirement| {
            let citing = cases.iter().filter(|case| case.requirements.contains(&requirement.id));
            let breaking = faults.iter().filter(|fault| fault.breaks(requirement.id));
            let excused = unchecked
                .iter()
                .find(|unchecked| unchecked.requirement == requirement.id);
            Covered {
                requirement,
                cases: citing.map(|case| case.id).collect(),
                faults: breaking.cloned().collect(),
                reason: excused.map(|unchecked| unchecked.reason.clone()),
            }
        });
        Ok(Self { rows: rows.collect() })
    }

    /// Returns the table of faults, each with the cases that found it. A test of the suite writes
    /// the table and keeps it up to date. Fails if the table can't be parsed.
    pub fn faults() -> Result<Vec<FoundFault>, serde_json::Error> {
        serde_json::from_str(include_str!("data/found-faults.json"))
    }

    /// Returns the requirements that no fault breaks, each with the reason: [`MOST_UNCHECKED`] at
    /// most. Fails if the table can't be parsed.
    pub fn unchecked() -> Result<Vec<Unchecked>, serde_json::Error> {
        serde_json::from_str(include_str!("data/unchecked.json"))
    }

    /// Iterates over the requirements that are not covered.
    pub fn uncovered(&self) -> impl Iterator<Item = &Covered> {
        self.rows.iter().filter(|row| !row.is_covered())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::cases;
    use pretty_assertions::assert_eq;
    use std::collections::HashSet;

    #[test]
    fn each_requirement_is_there_once_with_a_sentence() {
        let all = Requirement::all();
        let ids: HashSet<_> = all.iter().map(|requirement| requirement.id).collect();
        assert_eq!((all.len(), ids.len()), (178, 178));
        for Requirement { id, text } in all {
            let (group, number) = id.split_once('-').expect("group and number");
            assert!(
                group.bytes().all(|byte| byte.is_ascii_uppercase()) && number.parse::<u8>().is_ok(),
                "{id}"
            );
            assert!(text.ends_with('.'), "{id}: {text}");
        }
    }

    #[test]
    fn cases_cite_requirements_that_there_are() {
        for case in cases::every() {
            assert!(!case.requirements.is_empty(), "{} cites nothing", case.id);
            for id in case.requirements {
                assert!(
                    Requirement::all().iter().any(|known| known.id == *id),
                    "{} cites {id}",
                    case.id
                );
            }
        }
    }

    #[test]
    fn few_requirements_go_without_a_fault_and_each_with_its_reason() {
        let unchecked = Coverage::unchecked().expect("the table is right");
        assert!(unchecked.len() <= MOST_UNCHECKED, "{}", unchecked.len());
        for Unchecked { requirement, reason } in unchecked {
            assert!(Requirement::named(&requirement).is_some(), "{requirement}");
            assert!(reason.ends_with('.'), "{requirement}: {reason}");
        }
    }
}
