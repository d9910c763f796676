//! The program's process, and everything that can go wrong with it.

use super::messages::{Answer, Request};
use crate::child::{Child, LONGEST_LINE, Line};
use crate::recording::without_line;
use crate::world::WorldError;
use std::process::Command;
use std::time::Duration;

/// The page that error messages refer to.
const PAGE: &str = "ipq-conformance/docs/world-protocol.md";
/// The longest part of a line that an error message quotes, in characters.
const MOST_QUOTED: usize = 200;

/// The process of a program.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    child: Child,
    /// The number of lines that the program has written.
    line: usize,
    /// The last request, and the form of its answer.
    request: String,
    expected: &'static str,
    /// The last line from the program.
    answer: String,
    over: bool,
}

impl Program {
    pub(super) fn start(command: &[String]) -> Result<Self, WorldError> {
        let name = command[0].clone();
        let started = Child::spawn(Command::new(&name).args(&command[1..]));
        let child = started.map_err(|error| {
            WorldError::Broken(format!(
                "{name} can't be started: {error}; name a program and its arguments"
            ))
        })?;
        Ok(Self {
            name,
            child,
            line: 0,
            request: String::new(),
            expected: "",
            answer: String::new(),
            over: false,
        })
    }

    /// Sends a request, and returns the answer, which may be of the wrong kind.
    pub(super) fn ask(&mut self, request: &Request, patience: Duration) -> Result<Answer, WorldError> {
        if self.over {
            return Err(WorldError::Broken(format!("{} is not running any more", self.name)));
        }
        if self.child.has_unread().map_err(|error| self.lost(&error))? {
            self.line += 1;
            return Err(self.end(format!(
                "{} breaks the protocol: its line {} came before it was asked for anything; it must \
                 write one line for each request. {PAGE} describes the protocol",
                self.name, self.line
            )));
        }
        self.request = serde_json::to_string(request).unwrap_or_default();
        self.expected = request.expected();
        let line = self.child.ask(request, patience, None);
        let line = match line.map_err(|error| self.lost(&error))? {
            Line::Read(line) => line,
            other => return Err(self.silent(&other, patience)),
        };
        self.line += 1;
        self.answer = String::from_utf8_lossy(&line).into_owned();
        serde_json::from_slice(&line).map_err(|error| self.breach(&without_line(&error)))
    }

    /// Expects the process to exit with status 0, after its last answer.
    pub(super) fn expect_exit(&mut self) -> Result<(), WorldError> {
        self.over = true;
        self.child.close_input();
        let status = self.child.end(&Line::Ended).map_err(|error| self.lost(&error))?;
        if status.success() {
            return Ok(());
        }
        let what = format!("{} ended with {status} after its last answer", self.name);
        Err(WorldError::Broken(self.with_printed(what)))
    }

    /// Takes and returns the text that the program has printed to standard error since the last
    /// call.
    pub(super) fn take_printed(&mut self) -> String {
        self.child.take_printed()
    }

    /// Ends the program for an answer that breaks the protocol.
    pub(super) fn breach(&mut self, what: &str) -> WorldError {
        self.end(format!(
            "{} breaks the protocol in its line {}: {what}\n  request:  {}\n  expected: {}\n  answer:   {}\n\
             {PAGE} describes the protocol",
            self.name,
            self.line,
            shortened(&self.request),
            self.expected,
            shortened(&self.answer),
        ))
    }

    /// Ends the program for an answer of a kind that does not fit the request.
    pub(super) fn wrong_kind(&mut self, answer: &Answer) -> WorldError {
        self.breach(&format!("the answer {:?} does not fit the request", answer.name()))
    }

    /// Ends the program for an answer that contradicts an earlier one.
    pub(super) fn contradiction(&mut self, what: &str) -> WorldError {
        self.end(format!(
            "{} contradicts itself in its line {}: {what}\n  request:  {}\n  answer:   {}",
            self.name,
            self.line,
            shortened(&self.request),
            shortened(&self.answer),
        ))
    }

    /// Ends the program because no whole line came from it.
    fn silent(&mut self, line: &Line, patience: Duration) -> WorldError {
        let number = self.line + 1;
        let request = shortened(&self.request);
        let what = match line {
            Line::Late => format!("{} hangs: its line {number} did not come in {patience:?}", self.name),
            Line::TooLong => format!(
                "{} breaks the protocol: its line {number} has more than {LONGEST_LINE} bytes",
                self.name
            ),
            Line::Ended | Line::Read(_) => {
                let status = self.child.end(line);
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                format!("{} ended ({status}) instead of writing its line {number}", self.name)
            }
        };
        self.end(format!("{what}\n  request:  {request}\n  expected: {}", self.expected))
    }

    fn lost(&mut self, error: &std::io::Error) -> WorldError {
        self.end(format!("the pipes of {} failed: {error}", self.name))
    }

    fn end(&mut self, what: String) -> WorldError {
        self.over = true;
        // The program may be over already.
        let _ = self.child.end(&Line::Late);
        WorldError::Broken(self.with_printed(what))
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
