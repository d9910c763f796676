//! Tries two worlds with the same generated sequences of steps, and finds where they part.
//!
//! A [`Plan`] says what is done without naming packet ids, which each world chooses. It is carried out in the first world; what
//! came of it is a recording; and that is replayed in the second. Where they differ, what is not needed for it is taken
//! out of the plan, until nothing more can go.

mod performance;
mod plan;

use crate::recording::Recording;
use crate::replay::{Difference, ReplayError, replay};
use crate::suite::filter::Pattern;
use crate::world::{Capability, WorldError, WorldFactory};
use serde::Deserialize;

pub use plan::Plan;

/// How many times a plan that makes two worlds differ is carried out to make it shorter.
const MOST_ATTEMPTS: usize = 400;

/// Two worlds to be compared.
#[derive(Clone, Copy)]
pub struct Pair<'f> {
    /// Where plans are carried out first.
    pub first: &'f dyn WorldFactory,
    /// What is compared with it.
    pub second: &'f dyn WorldFactory,
    /// How they are known to differ.
    pub known: &'f KnownDivergences,
}

/// What came of one plan.
#[derive(Clone, Debug)]
pub enum Compared {
    /// Both worlds did the same.
    Equal,
    /// They differ, as is known, for this reason.
    Known(String),
    /// They differ.
    Different(Box<Divergence>),
}

/// Where two worlds part.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The steps, and what the first world answered: as few as there can be.
    pub recording: Recording,
    /// Where the second does otherwise.
    pub difference: Difference,
}

impl Pair<'_> {
    /// Carries out `plan` in both worlds; the recording gets `name`.
    pub fn compare(&self, plan: &Plan, name: &str) -> Result<Compared, ReplayError> {
        let Some(divergence) = self.divergence(plan, name)? else {
            return Ok(Compared::Equal);
        };
        if let Some(reason) = self.known.reason(self, &divergence.difference) {
            return Ok(Compared::Known(reason.to_owned()));
        }
        self.shrink(plan, divergence)
            .map(|shortest| Compared::Different(Box::new(shortest)))
    }

    fn divergence(&self, plan: &Plan, name: &str) -> Result<Option<Divergence>, ReplayError> {
        let unable = |error: WorldError| ReplayError::World { step: None, error };
        let mut first = self.first.create().map_err(unable)?;
        let mut second = self.second.create().map_err(unable)?;
        let mut setup = plan.setup.clone();
        // An id that is handed out twice would make a verdict that is given twice hit another packet, in one world only.
        setup.never_reuse_ids = first.capabilities().has(Capability::NeverReusedIds);
        let steps = performance::perform(plan, &setup, first.as_mut())?;
        setup.never_reuse_ids = second.capabilities().has(Capability::NeverReusedIds);
        let mut recording = Recording {
            name: name.to_owned(),
            setup,
            steps,
        };
        let replayed = replay(&recording, second.as_mut())?;
        // Of the machine that recorded it, or, where that matters to whoever replays it, of one that can.
        let other_machines = second.capabilities().has(Capability::OtherMachines);
        let describing = if other_machines { &second } else { &first };
        recording.setup.machine = Some(describing.describe().machine);
        Ok(replayed
            .difference
            .map(|difference| Divergence { recording, difference }))
    }

    /// Takes ever smaller pieces out of the plan, as long as the worlds still differ in a way that is not known.
    fn shrink(&self, plan: &Plan, mut shortest: Divergence) -> Result<Divergence, ReplayError> {
        let mut plan = plan.clone();
        let name = shortest.recording.name.clone();
        let mut piece = plan.length().div_ceil(2);
        let mut attempts = 0;
        loop {
            let before = plan.length();
            let mut start = 0;
            while start < plan.length() && attempts < MOST_ATTEMPTS {
                attempts += 1;
                let shorter = plan.without(start..start + piece);
                match self.divergence(&shorter, &name)? {
                    Some(divergence) if self.known.reason(self, &divergence.difference).is_none() => {
                        (plan, shortest) = (shorter, divergence);
                    }
                    _ => start += piece,
                }
            }
            // What was needed once may be needed no more after something else has gone.
            if piece == 1 && plan.length() == before {
                return Ok(shortest);
            }
            piece = piece.div_ceil(2);
        }
    }
}

impl std::fmt::Debug for Pair<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pair({}, {})", self.first.name(), self.second.name())
    }
}

/// Where two worlds are known to part: data, with a reason each.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct KnownDivergences(Vec<KnownDivergence>);

/// One reason, and the differences that it explains.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDivergence {
    /// The worlds' names. It holds whichever of them is recorded when they are compared.
    pub worlds: [String; 2],
    /// The difference as it is shown when the first of them is the one that is recorded, in which `*` stands for anything.
    pub difference: String,
    /// Why.
    pub reason: String,
}

impl KnownDivergence {
    /// Whether it is this difference, of worlds with these names.
    fn is(&self, names: [&str; 2], difference: &Difference) -> bool {
        let [first, second] = self.worlds.each_ref().map(String::as_str);
        let shown = if names == [first, second] {
            Some(difference.to_string())
        } else if names == [second, first] {
            difference.mirrored().map(|mirrored| mirrored.to_string())
        } else {
            None
        };
        shown.is_some_and(|shown| Pattern::whole(&self.difference).matches(&shown))
    }
}

/// A list of known divergences that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the list of known divergences can't be read: {0}")]
pub struct KnownDivergencesError(#[from] serde_json::Error);

impl KnownDivergences {
    /// Those of the worlds that come with the suite.
    pub fn built_in() -> Result<Self, KnownDivergencesError> {
        Ok(serde_json::from_str(include_str!("diff/known-divergences.json"))?)
    }

    fn reason(&self, pair: &Pair<'_>, difference: &Difference) -> Option<&str> {
        let names = [pair.first.name(), pair.second.name()];
        let known = self.0.iter().find(|known| known.is(names, difference));
        known.map(|known| known.reason.as_str())
    }
}
