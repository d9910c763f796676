//! A world in a process of its own.
//!
//! The laboratory of a real kernel takes over the whole process, so it gets one: this program once
//! more. A process that does not answer in time is killed, as is one that is no longer needed; with
//! it go its sockets, its devices and its namespaces.

use crate::child::{self, Child, Line};
use crate::world::{Observation, QueueProtocol, Rule, Setup, Step, WorldError};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead};
use std::time::Duration;

/// The argument that makes this program serve a world. The world's name follows.
const SERVE: &str = "--serve-world";
/// The time limit of a request, and the extra time for each injected frame.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_PER_FRAME: Duration = Duration::from_micros(200);

/// A world, inside its process.
pub(super) trait Served {
    /// Sets up everything, with these rules, and queues of this protocol.
    fn begin(rules: &[Rule], queues: QueueProtocol) -> Result<Self, WorldError>
    where
        Self: Sized;

    /// Does one step.
    fn step(&mut self, step: &Step) -> Result<Observation, WorldError>;
}

#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Begin(Vec<Rule>, QueueProtocol),
    Step(Step),
}

type Answer = Result<Observation, WorldError>;

/// Returns the name of the world that this program was started to serve, if it was.
pub(super) fn asked_for() -> Option<String> {
    child::asked_for(SERVE)?.into_string().ok()
}

/// Answers requests until there are no more.
pub(super) fn serve<S: Served>() -> io::Result<()> {
    let mut served: Option<S> = None;
    for line in io::stdin().lock().lines() {
        let answer: Answer = match serde_json::from_str(&line?)? {
            Request::Begin(rules, queues) => S::begin(&rules, queues).map(|begun| {
                served = Some(begun);
                Observation::Done
            }),
            Request::Step(step) => match &mut served {
                Some(served) => served.step(&step),
                None => Err(WorldError::Misuse("this world has not begun".into())),
            },
        };
        child::answer(&answer)?;
    }
    Ok(())
}

/// The process, as its parent sees it.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts a process for the world `name`, and has it set up everything.
    pub(super) fn begin(name: &str, setup: &Setup) -> Result<Self, WorldError> {
        let started = Child::spawn(&mut child::this_program(SERVE, name));
        let mut process = Self(
            started.map_err(|error| WorldError::Broken(format!("the world's process can't be started: {error}")))?,
        );
        process.ask(&Request::Begin(setup.rules.clone(), setup.queues), PATIENCE)?;
        Ok(process)
    }

    /// Has the process do a step.
    pub(super) fn step(&mut self, step: &Step) -> Answer {
        let patience = match step {
            Step::Inject { count, .. } => PATIENCE + PATIENCE_PER_FRAME * *count,
            Step::Poll { timeout, .. } => PATIENCE.saturating_add(*timeout),
            _ => PATIENCE,
        };
        self.ask(&Request::Step(step.clone()), patience)
    }

    fn ask(&mut self, request: &Request, patience: Duration) -> Answer {
        match self.0.ask(request, patience, None) {
            Ok(Line::Read(line)) => serde_json::from_slice(&line).unwrap_or_else(|error| {
                Err(WorldError::Broken(format!(
                    "the world's process answers nonsense: {error}"
                )))
            }),
            Ok(other) => Err(WorldError::Broken(self.end(&other, request, patience))),
            Err(error) => Err(WorldError::Broken(format!(
                "the world's process can't be asked: {error}"
            ))),
        }
    }

    /// Ends a process that gave `line` instead of an answer, and says what became of it.
    fn end(&mut self, line: &Line, request: &Request, patience: Duration) -> String {
        let status = self.0.end(line);
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let why = match line {
            Line::Late => format!("no answer in {patience:?}"),
            Line::TooLong => "an answer without end".to_owned(),
            Line::Ended | Line::Read(_) => "no answer".to_owned(),
        };
        let doing = match request {
            Request::Begin(..) => "setting up".to_owned(),
            Request::Step(step) => format!("{step:?}"),
        };
        format!(
            "the world's process ended ({status}; {why}) while doing this: {doing}\n{}",
            self.0.take_printed().trim_end()
        )
    }
}
