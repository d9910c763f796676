//! A world in a process of its own.
//!
//! The laboratory of a real kernel changes the namespaces and privileges of a whole process, so it
//! gets one of its own: this program, started once more. The parent kills that process if an answer
//! is late or without end, and when the world is dropped. Its sockets, its TAP devices and the
//! namespaces of its own vanish with it.

use crate::child::{self, Child, Line};
use crate::world::{Observation, QueueProtocol, Rule, Setup, Step, WorldError};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead};
use std::time::Duration;

/// The argument that makes this program serve a world. The world's name is the next argument.
const SERVE: &str = "--serve-world";
/// The time limit of a request. Injected frames and a poll's own time limit add to it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time that each injected frame adds to the time limit of its request.
const PATIENCE_PER_FRAME: Duration = Duration::from_micros(200);

/// The part of a world that lives in the world's own process, and does the steps.
pub(super) trait Served {
    /// Sets up the laboratory in this process, with these rules and with queues of this protocol.
    /// Fails if that is not possible.
    fn begin(rules: &[Rule], queues: QueueProtocol) -> Result<Self, WorldError>
    where
        Self: Sized;

    /// Does one step in this process, and returns the observation.
    fn step(&mut self, step: &Step) -> Result<Observation, WorldError>;
}

#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Begin(Vec<Rule>, QueueProtocol),
    Step(Step),
}

type Answer = Result<Observation, WorldError>;

/// Returns the name of the world that this program was started to serve; `None` if it was not
/// started for that, or if the name is not UTF-8.
pub(super) fn asked_for() -> Option<String> {
    child::asked_for(SERVE)?.into_string().ok()
}

/// Reads requests from standard input, and writes the answers of a world of type `S` to standard
/// output, until the input ends. Fails if a line is no request, or if standard input or output
/// fails.
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

/// The process of a world, as the parent process sees it.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts a process for the world `name`, and makes it set up the laboratory with the rules and
    /// queues of `setup`. Fails if the process can't be started, or the laboratory can't be set up.
    pub(super) fn begin(name: &str, setup: &Setup) -> Result<Self, WorldError> {
        let started = Child::spawn(&mut child::this_program(SERVE, name));
        let mut process = Self(
            started.map_err(|error| WorldError::Broken(format!("the world's process can't be started: {error}")))?,
        );
        process.ask(&Request::Begin(setup.rules.clone(), setup.queues), PATIENCE)?;
        Ok(process)
    }

    /// Makes the process do a step, and returns its answer, which may be an error of the world.
    /// Fails with `Broken` if the process ends, is late, or answers without end or with what can't
    /// be read.
    pub(super) fn step(&mut self, step: &Step) -> Answer {
        let patience = match step {
            Step::Inject { count, .. } => PATIENCE + PATIENCE_PER_FRAME * *count,
            Step::Poll { timeout, .. } => PATIENCE.saturating_add(*timeout),
            _ => PATIENCE,
        };
        self.ask(&Request::Step(step.clone()), patience)
    }

    /// Kills the process without waiting for its end. Only for a world that shares nothing with the
    /// next one, since sockets and devices of this process vanish a little later.
    pub(super) fn leave(self) {
        self.0.leave();
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

    /// Ends a process that gave `line` instead of an answer. Returns a text for the error: how the
    /// process ended, why, during which request, and what it printed.
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
