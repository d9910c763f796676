//! A world in a process of its own: what a real kernel's has to be in, since its laboratory takes over the whole process.
//!
//! The process is this very program once more. It gets one request a line by its standard input, and gives one answer a line
//! by its standard output. When it does not answer in time, or this end is dropped, it is killed; with it go its sockets,
//! its devices, and its namespaces.

use crate::world::{Observation, Rule, Step, WorldError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The argument that makes a program serve a world; the world's name follows.
const SERVE: &str = "--serve-world";
/// How long a request may take, and how much more each frame of an inject may.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_PER_FRAME: Duration = Duration::from_micros(200);
/// How much of what a process said before its end goes into a report.
const MOST_LAST_WORDS: u64 = 4096;

/// What the process does.
pub(super) trait Served {
    /// Sets up everything, with these rules.
    fn begin(rules: &[Rule]) -> Result<Self, WorldError>
    where
        Self: Sized;

    /// Does one step.
    fn step(&mut self, step: &Step) -> Result<Observation, WorldError>;
}

#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Begin(Vec<Rule>),
    Step(Step),
}

type Answer = Result<Observation, WorldError>;

/// The name of the world that this program was started to serve, if it was.
pub(super) fn asked_for() -> Option<String> {
    let mut arguments = std::env::args_os().skip(1);
    let serves = arguments.next().is_some_and(|argument| argument == SERVE);
    serves.then(|| arguments.next())??.into_string().ok()
}

/// Answers requests until there are no more.
pub(super) fn serve<S: Served>() -> io::Result<()> {
    let mut served: Option<S> = None;
    for line in io::stdin().lock().lines() {
        let answer: Answer = match serde_json::from_str(&line?)? {
            Request::Begin(rules) => S::begin(&rules).map(|begun| {
                served = Some(begun);
                Observation::Done
            }),
            Request::Step(step) => match &mut served {
                Some(served) => served.step(&step),
                None => Err(WorldError::Misuse("this world has not begun".into())),
            },
        };
        let mut output = io::stdout().lock();
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

/// The process, from the outside.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    unread: Vec<u8>,
}

impl Process {
    /// Starts one for the world `name`, and has it set up everything.
    pub(super) fn begin(name: &str, rules: &[Rule]) -> Result<Self, WorldError> {
        let started = Command::new("/proc/self/exe")
            .args([SERVE, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child =
            started.map_err(|error| WorldError::Broken(format!("the world's process can't be started: {error}")))?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(WorldError::Broken("the world's process has no pipes".into()));
        };
        let mut process = Self {
            child,
            requests,
            answers,
            unread: Vec::new(),
        };
        process.ask(&Request::Begin(rules.to_vec()), PATIENCE)?;
        Ok(process)
    }

    /// Has it do a step.
    pub(super) fn step(&mut self, step: &Step) -> Answer {
        let patience = match step {
            Step::Inject { count, .. } => PATIENCE + PATIENCE_PER_FRAME * *count,
            Step::Poll { timeout, .. } => PATIENCE.saturating_add(*timeout),
            _ => PATIENCE,
        };
        self.ask(&Request::Step(step.clone()), patience)
    }

    fn ask(&mut self, request: &Request, patience: Duration) -> Answer {
        let asked = serde_json::to_vec(request)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                self.requests.write_all(&line)
            });
        match asked.and_then(|()| self.read_line(patience)) {
            Ok(line) => serde_json::from_slice(&line).unwrap_or_else(|error| {
                Err(WorldError::Broken(format!(
                    "the world's process answers nonsense: {error}"
                )))
            }),
            Err(error) => Err(WorldError::Broken(self.end(&error, request))),
        }
    }

    fn read_line(&mut self, patience: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let rest = self.unread.split_off(end + 1);
                return Ok(std::mem::replace(&mut self.unread, rest));
            }
            let remaining = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(remaining).map_err(io::Error::other)?;
            let mut pipes = [PollFd::from_borrowed_fd(self.answers.as_fd(), PollFlags::IN)];
            if poll(&mut pipes, Some(&timeout))? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no answer in {patience:?}"),
                ));
            }
            let mut piece = [0; 8192];
            match self.answers.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.unread.extend_from_slice(&piece[..length]),
            }
        }
    }

    /// Kills the process, and says what became of it.
    fn end(&mut self, error: &io::Error, request: &Request) -> String {
        // It may be over already.
        let _ = self.child.kill();
        let state = self
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        let mut words = String::new();
        if let Some(errors) = self.child.stderr.take() {
            let _ = errors.take(MOST_LAST_WORDS).read_to_string(&mut words);
        }
        let doing = match request {
            Request::Begin(_) => "setting up".to_owned(),
            Request::Step(step) => format!("{step:?}"),
        };
        format!(
            "the world's process ended ({state}; {error}) while doing this: {doing}\n{}",
            words.trim_end()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is over already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
