//! The outcome of a case.

use crate::world::WorldError;
use std::fmt;

/// The outcome of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The rule holds.
    Passed,
    /// The rule does not hold: the implementation under test is wrong.
    Failed,
    /// The case was not run, since the world lacks something.
    Skipped,
    /// The case could not be run to its end: the laboratory or the case itself is wrong.
    Broken,
    /// The rule does not hold, and a known difference says why.
    ExpectedDifference,
    /// The rule holds although a known difference says otherwise: the list is out of date.
    UnexpectedPass,
}

impl Outcome {
    /// All outcomes, in the order of summaries.
    pub const ALL: [Self; 6] = [
        Self::Passed,
        Self::Failed,
        Self::Skipped,
        Self::Broken,
        Self::ExpectedDifference,
        Self::UnexpectedPass,
    ];

    /// Returns the outcome's name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Broken => "broken",
            Self::ExpectedDifference => "expected_difference",
            Self::UnexpectedPass => "unexpected_pass",
        }
    }

    /// Returns whether the outcome makes the whole run fail.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Broken | Self::UnexpectedPass)
    }
}

/// Writes the outcome's name, with spaces.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ExpectedDifference => "expected difference",
            Self::UnexpectedPass => "unexpected pass",
            other => other.name(),
        })
    }
}

/// The reason why a case stopped before its end.
///
/// The methods of [`Subject`](super::Subject) return it, and a case passes it on with `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) details: Option<String>,
    pub(crate) place: Option<String>,
}

impl Stopped {
    #[track_caller]
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::here(Outcome::Failed, reason)
    }

    /// Converts an error of the world: a case that needs what the world lacks is skipped, and any
    /// other error breaks it.
    #[track_caller]
    pub(crate) fn from_world(error: &WorldError) -> Self {
        match error {
            WorldError::Lacks(_) | WorldError::Unsupported(_) => {
                Self::without_place(Outcome::Skipped, error.to_string())
            }
            WorldError::Misuse(_) | WorldError::Broken(_) => Self::broken(error.to_string()),
        }
    }

    /// Creates a reason that blames no line of a case.
    pub(crate) fn without_place(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            outcome,
            reason: reason.into(),
            details: None,
            place: None,
        }
    }

    #[track_caller]
    pub(crate) fn broken(reason: impl Into<String>) -> Self {
        Self::here(Outcome::Broken, reason)
    }

    #[track_caller]
    fn here(outcome: Outcome, reason: impl Into<String>) -> Self {
        let place = std::panic::Location::caller();
        Self {
            place: Some(format!("{}:{}", place.file(), place.line())),
            ..Self::without_place(outcome, reason)
        }
    }

    /// Returns whether the case found a rule broken. Only such a failure can be a known difference;
    /// a hang or a panic can't.
    pub(crate) fn is_judgement(&self) -> bool {
        self.outcome == Outcome::Failed && self.place.is_some()
    }

    /// Returns the same reason with `place` to blame, if it blames a line of a case at all.
    pub(crate) fn at(mut self, place: &std::panic::Location<'_>) -> Self {
        self.place = self.place.map(|_| format!("{}:{}", place.file(), place.line()));
        self
    }

    pub(crate) fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}
