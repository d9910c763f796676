//! A program as a world: it speaks JSON lines on its standard input and output.
//!
//! `docs/world-protocol.md` of this package describes the protocol completely. The program can be
//! written in any language. [`serve`] is the program's end of the pipe for the worlds of this
//! crate: it lets another process use such a world.
//!
//! A program that breaks the protocol, hangs, or contradicts itself makes a case *broken*, and the
//! report says why. A case *fails* only by answers that keep the protocol of the pipe and break a
//! rule of the queue.

mod messages;
mod serve;
mod truth;

pub use crate::pipe::{ExecError, PREFIX, VERSION};
pub use serve::serve;

use crate::pipe::{self, PATIENCE, Program};
use crate::world::{
    Capabilities, Description, Machine, Observation, QueueProtocol, Setup, Step, World, WorldError, WorldFactory,
};
use messages::{About, Answer, BeginRequest, Request};
use std::process::Command;
use std::time::Duration;

/// The file that describes the protocol of the pipe, for error messages.
const PAGE: &str = "docs/world-protocol.md";
/// The time that each frame of a [`Step::Inject`] adds to the step's time limit.
const PATIENCE_PER_FRAME: Duration = Duration::from_micros(500);

/// Creates worlds that are programs over a pipe: starts the program anew for each world.
#[derive(Debug)]
pub struct ExecFactory {
    name: String,
    command: Vec<String>,
    /// The program's description of itself at its first start. If a later start gives another, the
    /// world can't be created.
    about: About,
    capabilities: Capabilities,
}

impl ExecFactory {
    /// Returns a factory for the program that `command` starts, with arguments as in a shell.
    ///
    /// Starts the program once, to read its description of itself and its capabilities, and ends
    /// it. Fails if `command` is no command, the program can't be started, it breaks the protocol,
    /// or it does not end with the exit status 0.
    pub fn new(command: &str) -> Result<Self, ExecError> {
        let words = pipe::words(command)?;
        let mut begun = Begun::start(&words)?;
        begun.end()?;
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

/// A running program, with its description of itself and its capabilities.
#[derive(Debug)]
struct Begun {
    program: Program,
    about: About,
    capabilities: Capabilities,
}

impl Begun {
    fn start(command: &[String]) -> Result<Self, WorldError> {
        let mut program = Program::start(Command::new(&command[0]).args(&command[1..]), PAGE)?;
        let about = match program.ask(&Request::Describe { protocol: VERSION }, PATIENCE, None)? {
            Answer::Description(description) => description.read().map_err(|what| program.breach(&what))?,
            other => return Err(program.wrong_kind(&other).into()),
        };
        let capabilities = match program.ask(&Request::Capabilities, PATIENCE, None)? {
            Answer::Capabilities { capabilities } => {
                messages::read_capabilities(&capabilities).map_err(|what| program.breach(&what))?
            }
            other => return Err(program.wrong_kind(&other).into()),
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
        match self.program.ask(&Request::Begin(request), PATIENCE, None)? {
            Answer::Begun => Ok(()),
            Answer::Error(error) => Err(self.refused(error)),
            other => Err(self.program.wrong_kind(&other).into()),
        }
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let question = crate::recording::question(step).ok_or_else(|| {
            WorldError::Unsupported(format!("the protocol of the pipe has no word for the step {step:?}"))
        })?;
        let request = Request::Step { step: question };
        match self.program.ask(&request, patience(step), None)? {
            Answer::Seen { seen } => {
                let seen = crate::recording::observation(step, seen).map_err(|what| self.program.breach(&what))?;
                match truth::impossible(step, &seen) {
                    Some(what) => Err(self.program.contradiction(&what).into()),
                    None => Ok(seen),
                }
            }
            Answer::Error(error) => Err(self.refused(error)),
            other => Err(self.program.wrong_kind(&other).into()),
        }
    }

    fn end(&mut self) -> Result<(), WorldError> {
        match self.program.ask(&Request::End, PATIENCE, None)? {
            Answer::Ended => Ok(self.program.expect_exit()?),
            Answer::Error(error) => Err(self.refused(error)),
            other => Err(self.program.wrong_kind(&other).into()),
        }
    }

    /// Converts the answer `error` of the program into an error of the world. If the program says
    /// that it lacks a capability that it listed, or the answer can't be read, kills the program,
    /// and returns an error that shows the answer.
    fn refused(&mut self, error: messages::ErrorAnswer) -> WorldError {
        match error.read() {
            Ok(WorldError::Lacks(capability)) if self.capabilities.has(capability) => {
                let what = format!("it listed the capability {capability}, and now answers that it lacks it");
                self.program.contradiction(&what).into()
            }
            Ok(error) => error,
            Err(what) => self.program.breach(&what).into(),
        }
    }
}

/// Returns the time limit of a step: 5 seconds, for a [`Step::Inject`] 500 µs more for each frame,
/// and for a [`Step::Poll`] its own time limit more.
fn patience(step: &Step) -> Duration {
    match step {
        Step::Inject { count, .. } => PATIENCE + PATIENCE_PER_FRAME * *count,
        Step::Poll { timeout, .. } => PATIENCE.saturating_add(*timeout),
        _ => PATIENCE,
    }
}

/// A program over a pipe, as a world.
#[derive(Debug)]
struct ExecWorld {
    begun: Begun,
    /// The text that the program has printed to standard error and that has not been taken yet.
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
