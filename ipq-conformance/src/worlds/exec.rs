//! A program as a world: it speaks JSON lines on its standard input and output.
//!
//! `docs/world-protocol.md` of this package describes the protocol completely. A program that keeps
//! it can be written in any language. [`serve`] is the other end of the pipe: it offers any world
//! of this crate to whoever speaks the protocol.
//!
//! A program that breaks the protocol, hangs, or contradicts itself makes a case *broken*, with the
//! line and what was expected there. It never makes a case *failed*: that is left for answers which
//! keep the protocol of the pipe and break a rule of the queue.

mod messages;
mod program;
mod serve;
mod truth;

pub use messages::VERSION;
pub use serve::serve;

use crate::world::{
    Capabilities, Description, Machine, Observation, QueueProtocol, Setup, Step, World, WorldError, WorldFactory,
};
use messages::{About, Answer, BeginRequest, Request};
use program::Program;
use std::time::Duration;

/// The prefix that selects a program as a world on the command line.
pub const PREFIX: &str = "exec:";

/// The time limit of an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The extra time for each frame that a step injects.
const PATIENCE_PER_FRAME: Duration = Duration::from_micros(500);

/// Starts a program for each world.
#[derive(Debug)]
pub struct ExecFactory {
    name: String,
    command: Vec<String>,
    /// The program's first words about itself. All that follow must be the same.
    about: About,
    capabilities: Capabilities,
}

/// The reason why a program can't be a world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The command line can't be split into words.
    #[error("{0:?} is no command: write a program and its arguments, with quotes closed")]
    Command(String),
    /// The program can't be started, or does not keep the protocol.
    #[error("{0}")]
    Program(String),
}

impl ExecFactory {
    /// Returns a factory for the program that `command` starts, with arguments as in a shell.
    ///
    /// Starts the program once, to read its description of itself.
    pub fn new(command: &str) -> Result<Self, ExecError> {
        let words = shlex::split(command).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| ExecError::Command(command.to_owned()))?;
        let begun = Begun::start(&words).and_then(|mut begun| {
            begun.end()?;
            Ok(begun)
        });
        let begun = begun.map_err(|error| {
            ExecError::Program(match error {
                WorldError::Broken(what) => what,
                other => other.to_string(),
            })
        })?;
        Ok(Self {
            name: format!("{PREFIX}{command}"),
            command: words,
            about: begun.about,
            capabilities: begun.capabilities,
        })
    }
}

impl WorldFactory for ExecFactory {
    fn name(&self) -> &str {
        &self.name
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        let begun = Begun::start(&self.command)?;
        if (&begun.about, &begun.capabilities) != (&self.about, &self.capabilities) {
            return Err(WorldError::Broken(format!(
                "{} contradicts itself: at its first start it described another implementation, \
                 or had other capabilities; they must be the same at each start",
                self.command[0]
            )));
        }
        Ok(Box::new(ExecWorld {
            begun,
            printed: String::new(),
        }))
    }

    fn parallel(&self) -> bool {
        self.about.parallel
    }
}

/// A program that has described itself.
#[derive(Debug)]
struct Begun {
    program: Program,
    about: About,
    capabilities: Capabilities,
}

impl Begun {
    fn start(command: &[String]) -> Result<Self, WorldError> {
        let mut program = Program::start(command)?;
        let about = match program.ask(&Request::Describe { protocol: VERSION }, PATIENCE)? {
            Answer::Description(description) => description.read().map_err(|what| program.breach(&what))?,
            other => return Err(program.wrong_kind(&other)),
        };
        let capabilities = match program.ask(&Request::Capabilities, PATIENCE)? {
            Answer::Capabilities { capabilities } => {
                messages::read_capabilities(&capabilities).map_err(|what| program.breach(&what))?
            }
            other => return Err(program.wrong_kind(&other)),
        };
        Ok(Self {
            program,
            about,
            capabilities,
        })
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        let request = BeginRequest::new(setup)
            .ok_or_else(|| WorldError::Unsupported("the protocol of the pipe has no word for this setup".into()))?;
        match self.program.ask(&Request::Begin(request), PATIENCE)? {
            Answer::Begun => Ok(()),
            Answer::Error(error) => Err(self.refused(error)),
            other => Err(self.program.wrong_kind(&other)),
        }
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let question = crate::recording::question(step).ok_or_else(|| {
            WorldError::Unsupported(format!("the protocol of the pipe has no word for the step {step:?}"))
        })?;
        match self.program.ask(&Request::Step { step: question }, patience(step))? {
            Answer::Seen { seen } => {
                let seen = crate::recording::observation(step, seen).map_err(|what| self.program.breach(&what))?;
                truth::impossible(step, &seen).map_or(Ok(seen), |what| Err(self.program.contradiction(&what)))
            }
            Answer::Error(error) => Err(self.refused(error)),
            other => Err(self.program.wrong_kind(&other)),
        }
    }

    fn end(&mut self) -> Result<(), WorldError> {
        match self.program.ask(&Request::End, PATIENCE)? {
            Answer::Ended => self.program.expect_exit(),
            Answer::Error(error) => Err(self.refused(error)),
            other => Err(self.program.wrong_kind(&other)),
        }
    }

    /// Converts an error that the program answered. The program may lack only capabilities that it
    /// did not list.
    fn refused(&mut self, error: messages::ErrorAnswer) -> WorldError {
        match error.read() {
            Ok(WorldError::Lacks(capability)) if self.capabilities.has(capability) => self.program.contradiction(
                &format!("it listed the capability {capability}, and now answers that it lacks it"),
            ),
            Ok(error) => error,
            Err(what) => self.program.breach(&what),
        }
    }
}

/// Returns the time limit of a step.
fn patience(step: &Step) -> Duration {
    match step {
        Step::Inject { count, .. } => PATIENCE + PATIENCE_PER_FRAME * *count,
        Step::Poll { timeout, .. } => PATIENCE.saturating_add(*timeout),
        _ => PATIENCE,
    }
}

/// A program, as a world.
#[derive(Debug)]
struct ExecWorld {
    begun: Begun,
    /// The text that the program printed and that has not been taken yet.
    printed: String,
}

impl ExecWorld {
    fn keep_printed(&mut self) {
        self.printed.push_str(&self.begun.program.take_printed());
    }
}

impl World for ExecWorld {
    fn describe(&self) -> Description {
        self.begun.about.description.clone()
    }

    fn machine(&self, setup: &Setup) -> Machine {
        let About {
            description,
            nfnetlink_machine,
            ..
        } = &self.begun.about;
        let numbered = nfnetlink_machine
            .as_ref()
            .filter(|_| setup.queues == QueueProtocol::Nfnetlink);
        let machine = setup.machine.as_ref().or(numbered);
        machine.unwrap_or(&description.machine).clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.begun.capabilities.clone()
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        self.begun.begin(setup)?;
        self.keep_printed();
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let seen = self.begun.step(step)?;
        self.keep_printed();
        Ok(seen)
    }

    fn end(&mut self) -> Result<(), WorldError> {
        self.begun.end()
    }

    fn take_printed(&mut self) -> String {
        std::mem::take(&mut self.printed)
    }
}
