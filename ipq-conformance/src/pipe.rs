//! Runs a program in any language, sends it requests through a pipe, reads its answers, and reports
//! what is wrong with them.
//!
//! A request is a line of JSON, and so is its answer. The requests are those for a world
//! ([`worlds::exec`](crate::worlds::exec)) or those for an implementation of libipq
//! ([`libipq`](crate::libipq)).

use crate::child::{Beside, Child, LONGEST_LINE, Line};
use crate::recording::without_line;
use crate::world::WorldError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::process::Command;
use std::time::Duration;

/// The prefix of a value of `--world` that names a program: after it comes the program's command
/// line.
pub const PREFIX: &str = "exec:";
/// The version of both protocols for programs: that for worlds and that for implementations of
/// libipq. The suite refuses a program that speaks another version.
pub const VERSION: u32 = 1;
/// The time limit for a program's answer. Requests that take time, such as a poll or a read with a
/// timeout, have more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// The most characters of a request or an answer that an error message quotes.
const MOST_QUOTED: usize = 200;

/// A request to a program, which is sent as a line of JSON.
pub(crate) trait Request: Serialize {
    /// The type of the answers to this type of request.
    type Answer: Answer;

    /// Returns the form of a right answer to the request, as error messages show it.
    fn expected(&self) -> &'static str;
}

/// An answer from a program, which came as a line of JSON.
pub(crate) trait Answer: DeserializeOwned {
    /// Returns the kind of the answer, as the JSON names it: the value of the key `answer`.
    fn name(&self) -> &'static str;
}

/// The reason why a program can't be tested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// This command line can't be split into words, or has no word.
    #[error("{0:?} is no command: write a program and its arguments, with quotes closed")]
    Command(String),
    /// The program can't be started, or goes wrong before the first case. The text says what
    /// happened.
    #[error("{0}")]
    Program(String),
}

impl From<WorldError> for ExecError {
    fn from(error: WorldError) -> Self {
        Self::Program(match error {
            WorldError::Broken(what) => what,
            other => other.to_string(),
        })
    }
}

/// Returns the error message for a program that speaks `version` of its protocol, which is not
/// [`VERSION`].
pub(crate) fn other_version(version: u32) -> String {
    format!("it speaks version {version} of the protocol, and this suite version {VERSION}")
}

/// Splits a command line into a program and its arguments, as a shell does. Fails if a quotation
/// mark is not closed, if the line ends with a backslash, or if there is no word.
pub(crate) fn words(command: &str) -> Result<Vec<String>, ExecError> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    words.ok_or_else(|| ExecError::Command(command.to_owned()))
}

/// A fault of a program. Its text is the whole error message, with the request and the answer that
/// show the fault, if there are any.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The program wrote something that the protocol forbids, or something that can't be true.
    #[error("{0}")]
    Breach(String),
    /// The program did not answer within the time limit.
    #[error("{0}")]
    Hang(String),
    /// The program could not be started, has ended, or did not end with exit status 0 after its
    /// last answer; or its pipes failed, or the task beside it.
    #[error("{0}")]
    End(String),
}

impl From<Fault> for WorldError {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault.to_string())
    }
}

/// A program that was started and answers requests, with what error messages say about it.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    /// The file that describes the program's protocol, in the folder of this package. Some error
    /// messages name it.
    page: &'static str,
    child: Child,
    /// The number of lines that came from the program.
    line: usize,
    /// The last request, in JSON.
    request: String,
    expected: &'static str,
    /// The last line that was read from the program.
    answer: String,
    over: bool,
}

impl Program {
    /// Starts a program. `page` is the file that describes its protocol, in the folder of this
    /// package.
    pub(crate) fn start(command: &mut Command, page: &'static str) -> Result<Self, Fault> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = Child::spawn(command).map_err(|error| {
            Fault::End(format!(
                "{name} can't be started: {error}; name a program and its arguments"
            ))
        })?;
        Ok(Self {
            name,
            page,
            child,
            line: 0,
            request: String::new(),
            expected: "",
            answer: String::new(),
            over: false,
        })
    }

    /// Sends a request, and returns the answer, whose kind is not checked against the request.
    /// Waits for the answer `patience` at most, and serves the task `beside` meanwhile.
    ///
    /// It is a fault, among others, if the program wrote a line before the request, or answers with
    /// no line, a late one or one that can't be parsed. After a fault the program is no longer
    /// running, and every further request fails.
    pub(crate) fn ask<R: Request>(
        &mut self,
        request: &R,
        patience: Duration,
        beside: Option<&mut dyn Beside>,
    ) -> Result<R::Answer, Fault> {
        if self.over {
            return Err(Fault::End(format!("{} is not running any more", self.name)));
        }
        if self.child.has_unread().map_err(|error| self.lost(&error))? {
            self.line += 1;
            return Err(Fault::Breach(self.end(format!(
                "{} breaks the protocol: its line {} came before it was asked for anything; it must \
                 write one line for each request. ipq-conformance/{} describes the protocol",
                self.name, self.line, self.page
            ))));
        }
        self.request = serde_json::to_string(request).unwrap_or_default();
        self.expected = request.expected();
        let line = self.child.ask(request, patience, beside);
        let line = match line.map_err(|error| self.lost(&error))? {
            Line::Read(line) => line,
            other => return Err(self.silent(&other, patience)),
        };
        self.line += 1;
        self.answer = String::from_utf8_lossy(&line).into_owned();
        serde_json::from_slice(&line).map_err(|error| self.breach(&without_line(&error)))
    }

    /// Closes the program's input after its last answer, and waits for the program to exit. It is a
    /// fault if the exit status is not 0, or if the program runs for 5 more seconds.
    pub(crate) fn expect_exit(&mut self) -> Result<(), Fault> {
        self.over = true;
        self.child.close_input();
        let status = self.child.end(&Line::Ended).map_err(|error| self.lost(&error))?;
        if status.success() {
            return Ok(());
        }
        let what = format!("{} ended with {status} after its last answer", self.name);
        Err(Fault::End(self.with_printed(what)))
    }

    /// Takes and returns the text that the program has printed to standard error since the last
    /// call, but no more than the first 16 KiB.
    pub(crate) fn take_printed(&mut self) -> String {
        self.child.take_printed()
    }

    /// Kills the program because its last answer breaks the protocol, and returns the fault. `what`
    /// says what is wrong.
    pub(crate) fn breach(&mut self, what: &str) -> Fault {
        Fault::Breach(self.end(format!(
            "{} breaks the protocol in its line {}: {what}\n  request:  {}\n  expected: {}\n  answer:   {}\n\
             ipq-conformance/{} describes the protocol",
            self.name,
            self.line,
            shortened(&self.request),
            self.expected,
            shortened(&self.answer),
            self.page,
        )))
    }

    /// Kills the program because its last answer is of a kind that does not fit the request, and
    /// returns the fault.
    pub(crate) fn wrong_kind(&mut self, answer: &impl Answer) -> Fault {
        self.breach(&format!("the answer {:?} does not fit the request", answer.name()))
    }

    /// Kills the program because its last answer can't be true or contradicts an earlier one, and
    /// returns the fault. `what` says what is wrong.
    pub(crate) fn contradiction(&mut self, what: &str) -> Fault {
        Fault::Breach(self.end(format!(
            "{} contradicts itself in its line {}: {what}\n  request:  {}\n  answer:   {}",
            self.name,
            self.line,
            shortened(&self.request),
            shortened(&self.answer),
        )))
    }

    /// Kills the program because no whole line came from it, for the reason in `line`, and returns
    /// the fault.
    fn silent(&mut self, line: &Line, patience: Duration) -> Fault {
        let number = self.line + 1;
        let (kind, what): (fn(String) -> Fault, _) = match line {
            Line::Late => (
                Fault::Hang,
                format!("{} hangs: its line {number} did not come in {patience:?}", self.name),
            ),
            Line::TooLong => (
                Fault::Breach,
                format!(
                    "{} breaks the protocol: its line {number} has more than {LONGEST_LINE} bytes",
                    self.name
                ),
            ),
            Line::Ended | Line::Read(_) => {
                let status = self.child.end(line);
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                (
                    Fault::End,
                    format!("{} ended ({status}) instead of writing its line {number}", self.name),
                )
            }
        };
        let (request, expected) = (shortened(&self.request), self.expected);
        kind(self.end(format!("{what}\n  request:  {request}\n  expected: {expected}")))
    }

    fn lost(&mut self, error: &std::io::Error) -> Fault {
        Fault::End(self.end(format!("the pipes of {} failed: {error}", self.name)))
    }

    /// Kills the program, and returns `what` followed by the text that the program printed to
    /// standard error.
    fn end(&mut self, what: String) -> String {
        self.over = true;
        // The program may be over already.
        let _ = self.child.end(&Line::Late);
        self.with_printed(what)
    }

    fn with_printed(&mut self, what: String) -> String {
        let printed = self.child.take_printed();
        match printed.trim_end() {
            "" => what,
            printed => format!("{what}\n  it printed: {printed}"),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_QUOTED) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}
