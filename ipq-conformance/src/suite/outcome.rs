//! The outcome of a case, and the reason why a case stops before its end.

use crate::world::WorldError;
use std::fmt;

/// The outcome of a case: whether its rule holds, or why that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The rule holds.
    Passed,
    /// The rule does not hold, the world panicked in a step, or the case went over its time limit:
    /// the implementation under test is wrong.
    Failed,
    /// The case was not run to its end: the world lacks something or does not support a step, or
    /// the case is not for the world's kernel or word size.
    Skipped,
    /// The case has no valid result, since the test environment or the case itself went wrong, or
    /// the world did at its beginning or end.
    Broken,
    /// The rule does not hold, and the list of known differences says why.
    ExpectedDifference,
    /// The rule holds, although the list of known differences says otherwise: the list is out of
    /// date.
    UnexpectedPass,
}

impl Outcome {
    /// All outcomes, in the order in which a summary lists them.
    pub const ALL: [Self; 6] = [
        Self::Passed,
        Self::Failed,
        Self::Skipped,
        Self::Broken,
        Self::ExpectedDifference,
        Self::UnexpectedPass,
    ];

    /// Returns the outcome's name in JSON, with underscores.
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

    /// Returns whether one case with this outcome makes the whole run fail: `true` for failed,
    /// broken and unexpected pass.
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

/// Why a case stopped before its end: the outcome, the reason in a sentence, details if there are
/// any, and the source line of the case if one is to blame.
///
/// The methods of [`Subject`](super::Subject) return this as an error, and a case passes it on with
/// `?`.
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

    /// Converts an error of the world: [`WorldError::Lacks`] and [`WorldError::Unsupported`] skip
    /// the case, and [`WorldError::Misuse`] and [`WorldError::Broken`] break it.
    #[track_caller]
    pub(crate) fn from_world(error: &WorldError) -> Self {
        match error {
            WorldError::Lacks(_) | WorldError::Unsupported(_) => {
                Self::without_place(Outcome::Skipped, error.to_string())
            }
            WorldError::Misuse(_) | WorldError::Broken(_) => Self::broken(error.to_string()),
        }
    }

    /// Returns a reason without a place: no line of the case is to blame.
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

    /// Returns whether the outcome is failed and a line of the case is to blame. Only such a
    /// failure can be a known difference. A hang or a panic of the world has no line.
    pub(crate) fn is_judgement(&self) -> bool {
        self.outcome == Outcome::Failed && self.place.is_some()
    }

    /// Replaces the place, the line of the case that is to blame, by `place`. A reason without a
    /// place stays without one.
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
