//! Known differences: the cases that a world is known to fail, each with the reason.

use crate::suite::filter::Pattern;
use serde::Deserialize;

/// A list of known differences. It is data, so that it can be read, counted, and checked for being
/// up to date.
///
/// A run in a world fails if a pattern of an entry for that world matches no case of the suite; the
/// cases of topic `c-library` do not count. The run also fails if a case that such an entry matches
/// passes, unless the entry says that the result varies.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct KnownDifferences(Vec<KnownDifference>);

/// A known difference: one reason, and the cases that it explains.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDifference {
    /// The name of the world that fails the cases.
    pub world: String,
    /// The ids of the cases, as patterns in which `*` stands for any text and `?` for any
    /// character.
    pub cases: Vec<String>,
    /// The reason why the world fails the cases, as a sentence for the report.
    pub reason: String,
    /// `true` if the result depends on the version of the implementation, so that a pass does not
    /// fail the run.
    #[serde(default)]
    pub varies: bool,
}

/// The error for a list of known differences that is not the JSON that [`KnownDifferences::parse`]
/// reads.
#[derive(Debug, thiserror::Error)]
#[error("the list of known differences can't be read: {0}")]
pub struct KnownDifferencesError(#[from] serde_json::Error);

impl KnownDifferences {
    /// Returns the known differences of the worlds that come with the suite, from
    /// `data/known-differences.json`. Fails if the file is not such a list.
    pub fn built_in() -> Result<Self, KnownDifferencesError> {
        Self::parse(include_str!("data/known-differences.json"))
    }

    /// Parses a list: a JSON array of objects with `world`, `cases`, `reason`, and optionally
    /// `varies`.
    pub fn parse(json: &str) -> Result<Self, KnownDifferencesError> {
        Ok(serde_json::from_str(json)?)
    }

    /// Returns the first known difference that explains why `case` fails in `world`; `None` if the
    /// list has none.
    #[must_use]
    pub fn of_case(&self, world: &str, case: &str) -> Option<&KnownDifference> {
        self.of(world)
            .find(|known| known.patterns().any(|pattern| pattern.matches(case)))
    }

    /// Returns a sentence for each pattern in `world`'s entries that matches none of `cases`.
    pub(crate) fn stale(&self, world: &str, cases: &[&str]) -> Vec<String> {
        let named = self.of(world).flat_map(|known| &known.cases);
        let stale = named.filter(|name| !cases.iter().any(|case| Pattern::whole(name).matches(case)));
        stale
            .map(|name| format!("a known difference of world {world} names {name}, and no case matches that"))
            .collect()
    }

    fn of(&self, world: &str) -> impl Iterator<Item = &KnownDifference> {
        self.0.iter().filter(move |known| known.world == world)
    }
}

impl KnownDifference {
    fn patterns(&self) -> impl Iterator<Item = Pattern> {
        self.cases.iter().map(|name| Pattern::whole(name))
    }
}
