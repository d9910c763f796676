//! Known differences: where a world is known not to do what a case asks, and why.

use crate::suite::filter::Pattern;
use serde::Deserialize;

/// What is known to be different, in which worlds, and why: data, so that it can be read, counted, and found out of date.
///
/// An entry that no case matches, and one whose case passes after all, make a run fail; the latter unless it varies.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct KnownDifferences(Vec<KnownDifference>);

/// One reason, and the cases that it explains.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDifference {
    /// The world's name.
    pub world: String,
    /// The cases: ids, in which `*` stands for anything.
    pub cases: Vec<String>,
    /// Why, as a sentence for the report.
    pub reason: String,
    /// Whether it depends on the version of what is tried: then it is no news that a case passes.
    #[serde(default)]
    pub varies: bool,
}

/// A list of known differences that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the list of known differences can't be read: {0}")]
pub struct KnownDifferencesError(#[from] serde_json::Error);

impl KnownDifferences {
    /// Those of the worlds that come with the suite.
    pub fn built_in() -> Result<Self, KnownDifferencesError> {
        Self::parse(include_str!("data/known-differences.json"))
    }

    /// Reads a list: a JSON array of objects with `world`, `cases`, `reason`, and perhaps `varies`.
    pub fn parse(json: &str) -> Result<Self, KnownDifferencesError> {
        Ok(serde_json::from_str(json)?)
    }

    /// Why the case is known to be different in the world, if it is.
    #[must_use]
    pub fn of_case(&self, world: &str, case: &str) -> Option<&KnownDifference> {
        self.of(world)
            .find(|known| known.patterns().any(|pattern| pattern.matches(case)))
    }

    /// What the entries of `world` name that is none of `cases`, each as a sentence.
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
