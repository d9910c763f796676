//! Runs cases, each in a world of its own and on a thread of its own, several at a time if the
//! world allows it.
//!
//! A case that panics is *broken*, since the case itself is wrong. A case is *failed* if the world
//! panics in a step, or if the case begins a step after its time limit. A case that has not ended
//! one second after its limit is *failed*, too: the runner goes on, and leaves the case's thread
//! running. None of this ends the run.

use crate::partition::Partition;
use crate::recording::{RecordedStep, Recording};
use crate::suite::isolation::isolate;
use crate::suite::{Case, KnownDifferences, Outcome, Stopped, Subject, kernels};
use crate::transcript::Transcript;
use crate::world::{Capability, Machine, QueueProtocol, Setup, WorldFactory};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// The time after a case's time limit for which the runner still waits for the case to end.
const GRACE: Duration = Duration::from_secs(1);

/// The result of a case, for the report.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The case that was run, or skipped.
    pub case: Case,
    /// The outcome of the case, with known differences considered.
    pub outcome: Outcome,
    /// The reason for the outcome; `None` if it is [`Outcome::Passed`]. It begins with the line of
    /// the case if one is to blame. For an expected difference that line is in `details`.
    pub reason: Option<String>,
    /// Details of the reason, over several lines, such as both byte strings; for an expected
    /// difference, how the case failed. `None` if there are none.
    pub details: Option<String>,
    /// The transcript of a case that failed, is broken or differs as expected. `None` for any other
    /// outcome, and if there is no transcript: for example if the world did not begin, or if the
    /// runner stopped waiting for the case.
    pub transcript: Option<Transcript>,
    /// The time until the case ended, or until the runner stopped waiting for it.
    pub elapsed: Duration,
}

/// The summary of a run: the number of cases with each outcome, and facts about the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    counts: BTreeMap<Outcome, usize>,
    /// A sentence for each pattern in the list of known differences for this world that matches no
    /// case.
    pub stale: Vec<String>,
    /// The part of the chosen cases that was run; `None` if all were run.
    pub partition: Option<Partition>,
    /// The time that the run took.
    pub elapsed: Duration,
}

impl Summary {
    /// Returns the number of cases with this outcome.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.counts.get(&outcome).copied().unwrap_or_default()
    }

    /// Returns the number of cases with any outcome.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.counts.values().sum()
    }

    /// Returns whether the run succeeded: no case failed, is broken or passed unexpectedly, and
    /// [`stale`](Self::stale) is empty.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.stale.is_empty()
            && self
                .counts
                .iter()
                .all(|(outcome, count)| *count == 0 || !outcome.is_bad())
    }

    /// Returns whether every case was skipped; `true` also if there were no cases.
    #[must_use]
    pub fn nothing_ran(&self) -> bool {
        self.cases() == self.count(Outcome::Skipped)
    }

    fn add(&mut self, report: &CaseReport) {
        *self.counts.entry(report.outcome).or_default() += 1;
    }
}

/// A runner of cases in one kind of world.
#[derive(Clone)]
pub struct Runner {
    factory: Arc<dyn WorldFactory>,
    known: KnownDifferences,
    seed: u64,
}

impl Runner {
    /// Returns a runner for worlds of `factory`. `known` lists known differences. `seed` is for
    /// cases that use random numbers.
    #[must_use]
    pub fn new(factory: Arc<dyn WorldFactory>, known: KnownDifferences, seed: u64) -> Self {
        Self { factory, known, seed }
    }

    /// Runs one case in a fresh world on a thread of its own, and waits until the case ends, at
    /// most one second beyond its time limit. Returns its report, with known differences
    /// considered.
    #[must_use]
    pub fn run_case(&self, case: &Case) -> CaseReport {
        let begun = Instant::now();
        let attempted = self.attempt(case);
        self.judge(*case, attempted, begun.elapsed())
    }

    /// Runs one case as [`run_case`](Self::run_case) does. Returns the steps that it did, with the
    /// world's answers, as a recording of the world's machine with the case's id as its name.
    ///
    /// Fails with the case's report if the case did not pass, also if it differs as expected. A
    /// case can't be recorded either if it did more steps than a transcript keeps, or if its setup
    /// sets something that recordings do not state; then the report says that the case passed.
    pub fn record_case(&self, case: &Case) -> Result<Recording, Box<CaseReport>> {
        let begun = Instant::now();
        let attempted = self.attempt(case);
        let recording = attempted.recording(case);
        recording.ok_or_else(|| Box::new(self.judge(*case, attempted, begun.elapsed())))
    }

    /// Runs one case in a fresh world on a thread of its own, and waits until the case ends, at
    /// most one second beyond its time limit.
    fn attempt(&self, case: &Case) -> Attempt {
        let (sender, receiver) = mpsc::channel();
        let (factory, seed, body) = (Arc::clone(&self.factory), self.seed, *case);
        let spawned = thread::Builder::new().name(case.id.to_owned()).spawn(move || {
            // Nobody receives the result any more if the case was left behind.
            let _ = sender.send(attempt(&body, factory.as_ref(), seed));
        });
        match spawned {
            Ok(_) => receiver.recv_timeout(case.time_limit + GRACE).unwrap_or_else(|_| {
                let limit = case.time_limit;
                let reason = format!("over its time limit of {limit:?}: a step did not come back");
                Attempt::stopped(Outcome::Failed, reason)
            }),
            Err(error) => Attempt::stopped(Outcome::Broken, format!("no thread to run on: {error}")),
        }
    }

    /// Runs `cases`, several at a time if the world allows it. Passes each report to `report`, in
    /// the order of the cases, and returns the summary. Its `stale` is empty and its `partition` is
    /// `None`, whatever `cases` are.
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

    /// Returns a sentence for each pattern in the list of known differences for this world that
    /// matches none of `cases`.
    #[must_use]
    pub fn stale(&self, cases: &[Case]) -> Vec<String> {
        let ids: Vec<_> = cases.iter().map(|case| case.id).collect();
        self.known.stale(self.factory.name(), &ids)
    }

    fn judge(&self, case: Case, attempted: Attempt, elapsed: Duration) -> CaseReport {
        let Attempt {
            stopped,
            mut transcript,
            ..
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
        if !matches!(outcome, Outcome::Failed | Outcome::Broken | Outcome::ExpectedDifference) {
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

/// The result of a case before known differences are considered. The case passed if nothing stopped
/// it.
struct Attempt {
    stopped: Option<Stopped>,
    transcript: Option<Transcript>,
    /// The machine that the world stood for; `None` if there is no transcript.
    machine: Option<Machine>,
}

impl Attempt {
    fn stopped(outcome: Outcome, reason: String) -> Self {
        Self::not_begun(Stopped::without_place(outcome, reason))
    }

    const fn not_begun(stopped: Stopped) -> Self {
        Self {
            stopped: Some(stopped),
            transcript: None,
            machine: None,
        }
    }

    /// Returns the steps of `case`, which was attempted, with their observations. Returns `None`
    /// if the case did not pass, if the transcript has forgotten steps, or if the case's setup sets
    /// something that recordings do not state.
    fn recording(&self, case: &Case) -> Option<Recording> {
        let transcript = self.transcript.as_ref().filter(|_| self.stopped.is_none())?;
        let setup = Setup {
            machine: Some(self.machine.clone()?),
            ..(case.setup)()
        };
        let is_stated = !setup.never_reuse_ids && !setup.earlier_peer_died;
        (is_stated && transcript.is_whole()).then(|| Recording {
            name: case.id.to_owned(),
            setup,
            steps: transcript.events().iter().map(RecordedStep::of).collect(),
        })
    }
}

fn attempt(case: &Case, factory: &dyn WorldFactory, seed: u64) -> Attempt {
    let attempted = isolate(|| {
        let subject = match begin(case, factory, seed) {
            Ok(subject) => subject,
            Err(stopped) => return Attempt::not_begun(stopped),
        };
        let result = isolate(|| (case.run)(&subject));
        let stopped = match result {
            // If a handle's transport kept a reason, that is the cause of whatever the case
            // returned.
            Ok(result) => subject.take_stopped().or(result.err()).or_else(|| subject.end().err()),
            Err(panic) => Some(Stopped::without_place(
                Outcome::Broken,
                format!("the case panicked at {panic}"),
            )),
        };
        Attempt {
            transcript: Some(subject.transcript()),
            machine: Some(subject.machine().clone()),
            stopped,
        }
    });
    attempted.unwrap_or_else(|panic| Attempt::stopped(Outcome::Broken, format!("the world panicked at {panic}")))
}

fn begin(case: &Case, factory: &dyn WorldFactory, seed: u64) -> Result<Subject, Stopped> {
    let setup = (case.setup)();
    let world = factory.create().map_err(|error| Stopped::from_world(&error))?;
    if let Some(reason) = kernels::excluded(case.id, &world.machine(&setup).kernel) {
        return Err(Stopped::without_place(Outcome::Skipped, reason));
    }
    let capabilities = world.capabilities();
    let missing = capabilities.first_missing(&needs_of(&setup));
    if let Some(missing) = missing.or_else(|| capabilities.first_missing(case.needs)) {
        let reason = format!(
            "needs {missing}: a world that {}{}",
            missing.description(),
            missing.advice()
        );
        return Err(Stopped::without_place(Outcome::Skipped, reason));
    }
    Subject::begin(world, &setup, seed, Some(Instant::now() + case.time_limit))
}

/// Returns the capabilities that `setup` needs: for numbered queues, packet ids that are never
/// reused, and another machine.
fn needs_of(setup: &Setup) -> Vec<Capability> {
    let needs = [
        (setup.queues == QueueProtocol::Nfnetlink, Capability::NumberedQueues),
        (setup.never_reuse_ids, Capability::NeverReusedIds),
        (setup.machine.is_some(), Capability::OtherMachines),
    ];
    let needed = needs.into_iter().filter(|(needed, _)| *needed);
    needed.map(|(_, capability)| capability).collect()
}
