//! Does the same generated steps in two worlds, and finds the first step at which they differ.
//!
//! A [`Plan`] is a sequence of actions. For `ip_queue` it has no packet ids, since each world
//! chooses its own. The first world carries the plan out, which gives a recording. The second world
//! replays the recording. If they differ in an unknown way, actions and rules are left out of the
//! plan as long as the worlds still differ in an unknown way.

mod numbered;
mod performance;
mod plan;

use crate::recording::Recording;
use crate::replay::{Difference, ReplayError, replay};
use crate::suite::filter::Pattern;
use crate::world::{Capability, World, WorldError, WorldFactory};
use serde::Deserialize;

pub use plan::Plan;

/// The most times that a plan is carried out in order to shorten it.
const MOST_ATTEMPTS: usize = 400;

/// Two worlds to compare.
#[derive(Clone, Copy)]
pub struct Pair<'f> {
    /// The world that carries plans out first.
    pub first: &'f dyn WorldFactory,
    /// The world that is compared with the first.
    pub second: &'f dyn WorldFactory,
    /// The list of known differences, which count as expected.
    pub known: &'f KnownDivergences,
}

/// The result of one plan in two worlds.
#[derive(Clone, Debug)]
pub enum Compared {
    /// Both worlds answered alike.
    Equal,
    /// The worlds differ as a known divergence says, for this reason.
    Known(String),
    /// The worlds differ in a way that no known divergence explains.
    Different(Box<Divergence>),
}

/// A difference between two worlds, with the steps that show it.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The steps and the first world's answers. [`Pair::compare`] has shortened the steps: no
    /// single action or rule of the plan can be left out, unless 400 attempts were too few to find
    /// that.
    pub recording: Recording,
    /// The first answer in which the second world differs, and how it differs.
    pub difference: Difference,
}

/// Carries out `plan` in the fresh `world`. Returns the steps with the world's answers, as a
/// recording called `name` of the world's machine. Packet ids are never given twice if the world
/// can do that; the recording's line does not state it. Fails if the world can't begin, do a step
/// or end.
pub fn record(plan: &Plan, name: &str, world: &mut dyn World) -> Result<Recording, ReplayError> {
    let mut setup = plan.setup.clone();
    // If ids were reused, a verdict that is given twice could hit another packet in another world.
    setup.never_reuse_ids = world.capabilities().has(Capability::NeverReusedIds);
    let steps = performance::perform(plan, &setup, world)?;
    setup.machine = Some(world.machine(&setup));
    Ok(Recording {
        name: name.to_owned(),
        setup,
        steps,
    })
}

impl Pair<'_> {
    /// Carries out `plan` in both worlds, and compares their answers. If they differ in an unknown
    /// way, leaves out the parts of the plan that the difference does not need. `name` becomes the
    /// name of the recording. Fails if a world can't be created, begin, do a step or end.
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
        let mut recording = record(plan, name, first.as_mut())?;
        let machine = recording.setup.machine.take();
        recording.setup.never_reuse_ids = second.capabilities().has(Capability::NeverReusedIds);
        let replayed = replay(&recording, second.as_mut())?;
        // The recording names the machine on which it can be replayed: the second world's, if that
        // world can stand for other machines; otherwise the first world's.
        let other_machines = second.capabilities().has(Capability::OtherMachines);
        recording.setup.machine = if other_machines {
            Some(second.machine(&plan.setup))
        } else {
            machine
        };
        Ok(replayed
            .difference
            .map(|difference| Divergence { recording, difference }))
    }

    /// Leaves out actions and rules of the plan, at first many at a time and then fewer, as long as
    /// the worlds still differ in an unknown way. Ends when no single one can be left out, or after
    /// [`MOST_ATTEMPTS`] plans. Returns the difference that the shortest plan shows.
    fn shrink(&self, plan: &Plan, mut shortest: Divergence) -> Result<Divergence, ReplayError> {
        let mut plan = plan.clone();
        let name = shortest.recording.name.clone();
        let mut piece = plan.length().div_ceil(2).max(1);
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
            // A part that was needed before may not be needed after another has gone.
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

/// The known differences between worlds, each with its reason.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct KnownDivergences(Vec<KnownDivergence>);

/// An entry of [`KnownDivergences`]: two worlds, a pattern for the text of a difference between
/// them, and the reason for the difference.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDivergence {
    /// The names of the two worlds. The entry is also used when they are compared in the other
    /// order.
    pub worlds: [String; 2],
    /// The text of the difference when the first of these worlds is compared with the second. `*`
    /// stands for any text, and `?` for any one byte.
    pub difference: String,
    /// The reason why the worlds may differ.
    pub reason: String,
}

impl KnownDivergence {
    /// Returns whether the entry explains this difference between worlds with these names, in
    /// either order.
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

/// The error for a list of known divergences that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the list of known divergences can't be read: {0}")]
pub struct KnownDivergencesError(#[from] serde_json::Error);

impl KnownDivergences {
    /// Returns the known differences between the worlds that come with the suite, from
    /// `diff/known-divergences.json`. Fails if the file is not such a list.
    pub fn built_in() -> Result<Self, KnownDivergencesError> {
        Ok(serde_json::from_str(include_str!("diff/known-divergences.json"))?)
    }

    fn reason(&self, pair: &Pair<'_>, difference: &Difference) -> Option<&str> {
        let names = [pair.first.name(), pair.second.name()];
        let known = self.0.iter().find(|known| known.is(names, difference));
        known.map(|known| known.reason.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Capabilities, Description, Observation, Setup, Step, World};
    use crate::worlds::SimFactory;

    /// Emulators, and a frame that leaves by every device whenever somebody looks.
    struct Talkative;

    impl WorldFactory for Talkative {
        fn name(&self) -> &'static str {
            "talkative"
        }

        fn create(&self) -> Result<Box<dyn World>, WorldError> {
            SimFactory::default()
                .create()
                .map(|world| Box::new(TalkativeWorld(world)) as _)
        }
    }

    struct TalkativeWorld(Box<dyn World>);

    impl World for TalkativeWorld {
        fn describe(&self) -> Description {
            self.0.describe()
        }

        fn capabilities(&self) -> Capabilities {
            self.0.capabilities()
        }

        fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
            self.0.begin(setup)
        }

        fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
            match step {
                Step::Sniff { .. } => Ok(Observation::Sniff {
                    frame: Some(bytes::Bytes::from_static(&[0; 14])),
                }),
                step => self.0.step(step),
            }
        }
    }

    #[test]
    fn a_plan_without_actions_and_rules_can_not_become_shorter() {
        let pair = Pair {
            first: &SimFactory::default(),
            second: &Talkative,
            known: &KnownDivergences::default(),
        };
        let plan = Plan {
            setup: Setup::with_rules([]),
            actions: Vec::new(),
        };
        assert_eq!(plan.length(), 0);
        let compared = pair.compare(&plan, "empty").expect("both can be tried");
        let Compared::Different(divergence) = compared else {
            panic!("they differ: {compared:?}");
        };
        assert_eq!(divergence.difference.step, 1);
    }
}
