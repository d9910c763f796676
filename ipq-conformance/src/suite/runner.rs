//! Runs cases, each in a world of its own, on several threads.
//!
//! A case that panics is *broken*, since it says that the case itself is wrong; a world that panics while it does a step
//! makes its case *failed*. A case that is over its time limit is *failed*: it ends at its next step, or, if a step does not
//! come back, it is left behind on its thread. None of this reaches another case.

use crate::suite::isolation::isolate;
use crate::suite::{Case, KnownDifferences, Outcome, Stopped, Subject};
use crate::transcript::Transcript;
use crate::world::{Capability, Setup, WorldFactory};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long a case that does not come back may be over its time limit before it is left behind.
const GRACE: Duration = Duration::from_secs(1);

/// What came of a case, for the report.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The case.
    pub case: Case,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, unless it passed: the place in the case, and what was wrong.
    pub reason: Option<String>,
    /// Both byte strings, or what else there is to see, over several lines.
    pub details: Option<String>,
    /// What was done and seen, if it did not go as it should.
    pub transcript: Option<Transcript>,
    /// How long it took.
    pub elapsed: Duration,
}

/// How many cases came to which end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    counts: BTreeMap<Outcome, usize>,
    /// What is wrong with the list of known differences, each as a sentence.
    pub stale: Vec<String>,
    /// How long the run took.
    pub elapsed: Duration,
}

impl Summary {
    /// How many cases came to this end.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.counts.get(&outcome).copied().unwrap_or_default()
    }

    /// How many cases there were.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.counts.values().sum()
    }

    /// Whether nothing is wrong: with what was tried, with the laboratory, or with the list of known differences.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.stale.is_empty()
            && self
                .counts
                .iter()
                .all(|(outcome, count)| *count == 0 || !outcome.is_bad())
    }

    /// Whether no case was tried: there was none, or all were skipped.
    #[must_use]
    pub fn nothing_ran(&self) -> bool {
        self.cases() == self.count(Outcome::Skipped)
    }

    fn add(&mut self, report: &CaseReport) {
        *self.counts.entry(report.outcome).or_default() += 1;
    }
}

/// A run of cases in one kind of world.
#[derive(Clone)]
pub struct Runner {
    factory: Arc<dyn WorldFactory>,
    known: KnownDifferences,
    seed: u64,
}

impl Runner {
    /// Runs in worlds of `factory`. What is known to be different there is in `known`; `seed` is what cases that leave
    /// something to chance begin with.
    #[must_use]
    pub fn new(factory: Arc<dyn WorldFactory>, known: KnownDifferences, seed: u64) -> Self {
        Self { factory, known, seed }
    }

    /// Runs one case, on a thread of its own.
    #[must_use]
    pub fn run_case(&self, case: &Case) -> CaseReport {
        let begun = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let (factory, seed, body) = (Arc::clone(&self.factory), self.seed, *case);
        let spawned = thread::Builder::new().name(case.id.to_owned()).spawn(move || {
            // Nobody listens any more if the case is over its time.
            let _ = sender.send(attempt(&body, factory.as_ref(), seed));
        });
        let attempted = match spawned {
            Ok(_) => receiver.recv_timeout(case.time_limit + GRACE).unwrap_or_else(|_| {
                let limit = case.time_limit;
                let reason = format!("over its time limit of {limit:?}: a step did not come back");
                Attempt::stopped(Outcome::Failed, reason)
            }),
            Err(error) => Attempt::stopped(Outcome::Broken, format!("no thread to run on: {error}")),
        };
        self.judge(*case, attempted, begun.elapsed())
    }

    /// Runs `cases`, several at a time if the world allows it, and hands each one's report to `report`, in their order.
    pub fn run(&self, cases: &[Case], report: &mut dyn FnMut(&CaseReport)) -> Summary {
        let begun = Instant::now();
        let workers = if self.factory.parallel() {
            thread::available_parallelism().map_or(1, NonZero::get).min(cases.len())
        } else {
            1
        };
        let mut summary = Summary::default();
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..workers {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some((index, case)) = take(cases, next) {
                        if sender.send((index, self.run_case(case))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut waiting = BTreeMap::new();
            let mut reported = 0;
            for (index, case_report) in receiver {
                waiting.insert(index, case_report);
                while let Some(ready) = waiting.remove(&reported) {
                    summary.add(&ready);
                    report(&ready);
                    reported += 1;
                }
            }
        });
        summary.elapsed = begun.elapsed();
        summary
    }

    /// What is out of date in the list of known differences of this world, against every case that there is.
    #[must_use]
    pub fn stale(&self, cases: &[Case]) -> Vec<String> {
        let ids: Vec<_> = cases.iter().map(|case| case.id).collect();
        self.known.stale(self.factory.name(), &ids)
    }

    fn judge(&self, case: Case, attempted: Attempt, elapsed: Duration) -> CaseReport {
        let Attempt {
            stopped,
            mut transcript,
        } = attempted;
        let known = self.known.of_case(self.factory.name(), case.id);
        let (outcome, reason, details) = match (stopped, known) {
            (None, Some(known)) if !known.varies => {
                let reason = format!("it passes, and is known to be different: {}", known.reason);
                (Outcome::UnexpectedPass, Some(reason), None)
            }
            (None, _) => (Outcome::Passed, None, None),
            (Some(stopped), Some(known)) if stopped.is_judgement() => (
                Outcome::ExpectedDifference,
                Some(known.reason.clone()),
                Some(stopped.to_string()),
            ),
            (Some(stopped), _) => (stopped.outcome, Some(stopped.to_string()), stopped.details),
        };
        if !matches!(outcome, Outcome::Failed | Outcome::Broken) {
            transcript = None;
        }
        CaseReport {
            case,
            outcome,
            reason,
            details,
            transcript,
            elapsed,
        }
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("world", &self.factory.name())
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

fn take<'c>(cases: &'c [Case], next: &AtomicUsize) -> Option<(usize, &'c Case)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, cases.get(index)?))
}

/// What came of a case, before what is known about it is looked at.
struct Attempt {
    stopped: Option<Stopped>,
    transcript: Option<Transcript>,
}

impl Attempt {
    fn stopped(outcome: Outcome, reason: String) -> Self {
        Self {
            stopped: Some(Stopped::without_place(outcome, reason)),
            transcript: None,
        }
    }
}

fn attempt(case: &Case, factory: &dyn WorldFactory, seed: u64) -> Attempt {
    let attempted = isolate(|| {
        let subject = match begin(case, factory, seed) {
            Ok(subject) => subject,
            Err(stopped) => {
                return Attempt {
                    stopped: Some(stopped),
                    transcript: None,
                };
            }
        };
        let result = isolate(|| (case.run)(&subject));
        let stopped = match result {
            // What stopped a handle's transport is the cause of whatever else the case says.
            Ok(result) => subject.take_stopped().or(result.err()),
            Err(panic) => Some(Stopped::without_place(
                Outcome::Broken,
                format!("the case panicked at {panic}"),
            )),
        };
        Attempt {
            transcript: Some(subject.transcript()),
            stopped,
        }
    });
    attempted.unwrap_or_else(|panic| Attempt::stopped(Outcome::Broken, format!("the world panicked at {panic}")))
}

fn begin(case: &Case, factory: &dyn WorldFactory, seed: u64) -> Result<Subject, Stopped> {
    let setup = (case.setup)();
    let world = factory.create().map_err(|error| Stopped::from_world(&error))?;
    let capabilities = world.capabilities();
    let missing = capabilities.first_missing(case.needs);
    if let Some(missing) = missing.or_else(|| capabilities.first_missing(needs_of(&setup))) {
        let reason = format!("needs {missing}: a world that {}", missing.description());
        return Err(Stopped::without_place(Outcome::Skipped, reason));
    }
    Subject::begin(world, &setup, seed, Some(Instant::now() + case.time_limit))
}

/// What a world needs to be as `setup` says.
const fn needs_of(setup: &Setup) -> &'static [Capability] {
    match (setup.never_reuse_ids, setup.machine.is_some()) {
        (false, false) => &[],
        (true, false) => &[Capability::NeverReusedIds],
        (false, true) => &[Capability::OtherMachines],
        (true, true) => &[Capability::NeverReusedIds, Capability::OtherMachines],
    }
}
