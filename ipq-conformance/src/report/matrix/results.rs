//! Results of runs, from a run of this program or from JSON lines.
//!
//! A file may have been cut, mixed up or forged since a program wrote it. Every line is checked,
//! and the summary against the lines before it. Control characters other than line feeds are
//! replaced, so that no text can control the terminal that shows it.
//!
//! | limit | at most |
//! |---|---|
//! | a line | [`MOST_LINE_BYTES`] |
//! | cases in a file | [`MOST_CASES`] |

use crate::report::{CaseLine, Counts, Environment, Head, LastLine, Reporter};
use crate::suite::runner::{CaseReport, Summary};
use crate::suite::{Level, Outcome};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The length of the longest line that is read, in bytes, with its line end.
pub const MOST_LINE_BYTES: usize = 16 << 20;

/// The most cases that a file may have, all worlds together.
pub const MOST_CASES: usize = 100_000;

/// The results of one run in one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// The name of the file or other input that the results were read from; `None` for a run of
    /// this program.
    pub(super) source: Option<String>,
    pub(super) environment: Environment,
    pub(super) cases: Vec<Tried>,
    /// A sentence for each pattern in the list of known differences that matches no case.
    pub(super) out_of_date: Vec<String>,
}

/// The result of one case, as a line of a report has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) topic: String,
    pub(super) level: Level,
    pub(super) requirements: Vec<String>,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<String>,
    pub(super) details: Option<String>,
    pub(super) transcript: Option<String>,
}

impl Results {
    /// Reads a file that `run --format json` wrote, and returns the results of one or more runs, in
    /// the order of the file. Fails if the file can't be opened, and where [`read`](Self::read)
    /// fails.
    pub fn open(path: &Path) -> Result<Vec<Self>, ResultsError> {
        let source = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::read(&source, BufReader::new(file)),
            Err(error) => Err(ResultsError {
                source_name: source,
                line: None,
                problem: ResultsProblem::Unopened(error.to_string()),
            }),
        }
    }

    /// Reads the output of `run --format json` from `input` to its end, and returns the results of
    /// one or more runs, in order. Fails at the first line that can't be read, is malformed,
    /// contradicts the lines before it, or brings the number of cases above [`MOST_CASES`]. Also
    /// fails if there are no results, or if the last ones lack their summary. Errors call the input
    /// `source`.
    pub fn read(source: &str, mut input: impl BufRead) -> Result<Vec<Self>, ResultsError> {
        let mut lines = Lines::default();
        let mut number = 0;
        loop {
            number += 1;
            let error = |problem| ResultsError {
                source_name: source.to_owned(),
                line: Some(number),
                problem,
            };
            match read_line(&mut input).map_err(error)? {
                Some(line) => lines.take(source, number, &line).map_err(error)?,
                None => return lines.end().map_err(error),
            }
        }
    }
}

/// The results that were read so far.
#[derive(Default)]
struct Lines {
    runs: Vec<Results>,
    /// The cases of the run whose summary has not come yet.
    cases: Vec<Tried>,
    /// The number of the line, from 1, of each case in `cases`, by the case's id.
    seen: HashMap<String, usize>,
    all: usize,
}

impl Lines {
    fn take(&mut self, source: &str, number: usize, line: &str) -> Result<(), ResultsProblem> {
        let value: Value = serde_json::from_str(line.trim_end()).map_err(|error| {
            // Serde counts lines in its text, which is one line without its end. The line's number
            // in the file is added later.
            ResultsProblem::NoJson(error.to_string().replacen(" at line 1 column ", " at its byte ", 1))
        })?;
        if value.get("summary").is_some() {
            if value["summary"].get("equal").is_some() {
                return Err(ResultsProblem::Foreign("a replay's summary"));
            }
            let last = serde_json::from_value(value).map_err(|error| ResultsProblem::Summary(error.to_string()))?;
            return self.end_of_run(source, last);
        }
        if value.get("id").is_none() {
            return Err(ResultsProblem::Foreign("neither the result of a case nor a summary"));
        }
        let case: CaseLine = serde_json::from_value(value).map_err(|error| ResultsProblem::Case(error.to_string()))?;
        let case = Tried::try_from(case)?;
        if let Some(earlier) = self.seen.insert(case.id.clone(), number) {
            return Err(ResultsProblem::Twice { id: case.id, earlier });
        }
        self.all += 1;
        if self.all > MOST_CASES {
            return Err(ResultsProblem::TooManyCases);
        }
        self.cases.push(case);
        Ok(())
    }

    fn end_of_run(&mut self, source: &str, last: LastLine) -> Result<(), ResultsProblem> {
        let cases = std::mem::take(&mut self.cases);
        self.seen.clear();
        let counted = Counts::of(|outcome| cases.iter().filter(|case| case.outcome == outcome).count());
        if counted != last.summary {
            return Err(ResultsProblem::Miscounted);
        }
        self.runs.push(Results {
            source: Some(one_line(source)),
            environment: last.environment.printable(),
            cases,
            out_of_date: last.out_of_date.iter().map(|text| one_line(text)).collect(),
        });
        Ok(())
    }

    fn end(self) -> Result<Vec<Results>, ResultsProblem> {
        if !self.cases.is_empty() {
            return Err(ResultsProblem::CutShort);
        }
        if self.runs.is_empty() {
            return Err(ResultsProblem::Empty);
        }
        Ok(self.runs)
    }
}

fn read_line(input: &mut impl BufRead) -> Result<Option<String>, ResultsProblem> {
    let mut bytes = Vec::new();
    let limit = MOST_LINE_BYTES as u64 + 1;
    match input.take(limit).read_until(b'\n', &mut bytes) {
        Err(error) => Err(ResultsProblem::Unreadable(error.to_string())),
        Ok(0) => Ok(None),
        Ok(_) if bytes.len() > MOST_LINE_BYTES => Err(ResultsProblem::LineTooLong),
        Ok(_) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|error| ResultsProblem::NoText(error.utf8_error().to_string())),
    }
}

impl TryFrom<CaseLine> for Tried {
    type Error = ResultsProblem;

    fn try_from(line: CaseLine) -> Result<Self, ResultsProblem> {
        let level = Level::ALL.into_iter().find(|level| level.name() == line.level);
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.name() == line.outcome);
        let unknown = |what, word: &str| ResultsProblem::Case(format!("there is no {what} {word:?}"));
        Ok(Self {
            level: level.ok_or_else(|| unknown("level", &line.level))?,
            outcome: outcome.ok_or_else(|| unknown("outcome", &line.outcome))?,
            topic: one_line(line.topic.as_deref().unwrap_or("?")),
            id: one_line(&line.id),
            title: one_line(&line.title),
            requirements: line.requirements.iter().map(|id| one_line(id)).collect(),
            reason: line.reason.as_deref().map(printable),
            details: line.details.as_deref().map(printable),
            transcript: line.transcript.as_deref().map(printable),
        })
    }
}

impl Environment {
    fn printable(self) -> Self {
        Self {
            suite: one_line(&self.suite),
            world: one_line(&self.world),
            implementation: one_line(&self.implementation),
            kernel: one_line(&self.kernel),
            arch: one_line(&self.arch),
            byte_order: one_line(&self.byte_order),
            date: self.date.as_deref().map(one_line),
            choice: self.choice.as_deref().map(one_line),
            capabilities: self.capabilities.iter().map(|name| one_line(name)).collect(),
            ..self
        }
    }
}

/// Returns a text with U+FFFD in place of each control character, and of each character that
/// controls the direction of writing. Line feeds stay.
fn printable(text: &str) -> String {
    let turns = |letter| matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|letter| match letter {
            '\n' => '\n',
            letter if letter.is_control() || turns(letter) => char::REPLACEMENT_CHARACTER,
            letter => letter,
        })
        .collect()
}

/// Returns a text with control characters replaced as by [`printable`], and with a space in place
/// of each line feed.
fn one_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

/// A reporter that keeps the results of a run, for a [`Matrix`](super::Matrix).
#[derive(Debug, Default)]
pub struct Collector {
    environment: Option<Environment>,
    cases: Vec<Tried>,
    results: Option<Results>,
}

impl Collector {
    /// Returns the results of the run; `None` if it has not ended.
    #[must_use]
    pub fn results(self) -> Option<Results> {
        self.results
    }
}

impl Reporter for Collector {
    fn begin(&mut self, head: &Head) -> io::Result<()> {
        self.environment = Some(Environment::from(head).printable());
        Ok(())
    }

    fn case(&mut self, report: &CaseReport) -> io::Result<()> {
        let tried = Tried::try_from(CaseLine::from(report)).map_err(io::Error::other)?;
        self.cases.push(tried);
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        self.results = self.environment.take().map(|environment| Results {
            source: None,
            environment,
            cases: std::mem::take(&mut self.cases),
            out_of_date: summary.stale.clone(),
        });
        Ok(())
    }
}

/// The error for results that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ResultsError {
    /// The name of the file or other input.
    pub source_name: String,
    /// The number of the line at which reading ended, from 1; `None` if the file could not be
    /// opened. If something is missing at the end, it is one more than the number of lines.
    pub line: Option<usize>,
    /// The problem. Its text also says what to do, unless it is [`ResultsProblem::Unreadable`].
    pub problem: ResultsProblem,
}

/// A problem in results. Its text also says what to do, except for
/// [`Unreadable`](Self::Unreadable).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsProblem {
    /// The file could not be opened, for the reason that the system gives.
    #[error("can't be opened: {0}; name a file that `ipq-conformance run --format json` has written")]
    Unopened(String),
    /// Reading the input failed, for the reason that the system gives.
    #[error("can't be read: {0}")]
    Unreadable(String),
    /// The input has no line.
    #[error("there are no results in it; write some with `ipq-conformance run --format json`")]
    Empty,
    /// A line is longer than [`MOST_LINE_BYTES`].
    #[error("the line has more than {MOST_LINE_BYTES} bytes, and no result is so long; name a file of results")]
    LineTooLong,
    /// The input has more than [`MOST_CASES`] cases, all runs together.
    #[error("the file has more than {MOST_CASES} cases; give the results of each world in a file of their own")]
    TooManyCases,
    /// The line is not UTF-8 text.
    #[error("the line is no UTF-8 text: {0}; name a file of results, not compressed")]
    NoText(String),
    /// The line is text, but not JSON.
    #[error(
        "the line is no JSON: {0}; if these are results in another format, write them with `ipq-conformance run --format json`, \
         and if the file was damaged, write it again"
    )]
    NoJson(String),
    /// The line is JSON, but neither the result of a case nor the summary of a run of cases. A
    /// replay's summary is such a line.
    #[error("the line is {0}; name a file that `ipq-conformance run --format json` has written")]
    Foreign(&'static str),
    /// The line of a case lacks a key, or has an impossible value.
    #[error(
        "the line is no result of a case: {0}; if a newer version of the suite wrote it, use that version, and otherwise run it \
         again"
    )]
    Case(String),
    /// The same case has two results in one run.
    #[error("{id:?} has a result already, in line {earlier}: two runs are mixed up; give each run a file of its own")]
    Twice {
        /// The id of the case.
        id: String,
        /// The number of the line with the case's first result, from 1.
        earlier: usize,
    },
    /// The summary of a run lacks a key, or has an impossible value.
    #[error("the line is no summary of a run: {0}; run it again")]
    Summary(String),
    /// The summary's number of cases with some outcome is not that of the cases before the summary:
    /// it belongs to another run, or lines are missing or were changed.
    #[error("the summary counts other cases than stand before it: lines are missing or were changed; run it again")]
    Miscounted,
    /// The input ends after cases without the summary of their run.
    #[error(
        "the results end without their summary: the run was ended before its time, or the file was cut; run it again"
    )]
    CutShort,
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;
    use rstest::rstest;

    const CASE: &str = r#"{"id":"wire/a","title":"A","topic":"wire","level":"must","requirements":["WIRE-1"],"outcome":"passed","reason":null}"#;
    const LAST: &str = r#"{"summary":{"passed":1,"failed":0,"skipped":0,"broken":0,"expected_difference":0,"unexpected_pass":0},"environment":{"suite":"0.1.0","world":"sim","implementation":"i","kernel":"3.4","arch":"x86_64","word_bytes":8,"byte_order":"little","capabilities":[],"seed":0,"world_seed":null}}"#;

    fn read(text: &str) -> Result<Vec<Results>, ResultsError> {
        Results::read("file", text.as_bytes())
    }

    #[test]
    fn a_file_may_have_several_worlds() {
        let read = read(&format!("{CASE}\n{LAST}\r\n{CASE}\n{LAST}")).expect("it is right");
        assert_eq!(read.len(), 2);
        assert!(read.iter().all(|results| results.cases.len() == 1));
    }

    #[rstest]
    #[case::nothing("", 1, "there are no results in it")]
    #[case::another_format("TAP version 14\n", 1, "the line is no JSON: expected value")]
    #[case::cut_in_a_line(&format!("{CASE}\n{}", &CASE[..40]), 2, "the line is no JSON: EOF while parsing")]
    #[case::cut_between_lines(&format!("{CASE}\n"), 2, "the results end without their summary")]
    #[case::a_case_is_missing(&format!("{LAST}\n"), 1, "the summary counts other cases")]
    #[case::an_outcome_was_changed(&format!("{}\n{LAST}", CASE.replace("passed", "failed")), 2, "the summary counts")]
    #[case::twice(&format!("{CASE}\n{CASE}\n{LAST}"), 2, "\"wire/a\" has a result already, in line 1")]
    #[case::a_field_is_missing(&CASE.replace("outcome", "result"), 1, "the line is no result of a case: missing field `outcome`")]
    #[case::unknown_outcome(&CASE.replace("passed", "great"), 1, "the line is no result of a case: there is no outcome \"great\"")]
    #[case::unknown_level(&CASE.replace("must", "should"), 1, "the line is no result of a case: there is no level \"should\"")]
    #[case::no_environment(r#"{"summary":{"passed":0}}"#, 1, "the line is no summary of a run: missing field")]
    #[case::of_a_replay(
        r#"{"summary":{"equal":349,"different":0,"frames":1314}}"#,
        1,
        "the line is a replay's summary"
    )]
    #[case::foreign(r#"{"name":"x"}"#, 1, "the line is neither the result of a case nor a summary")]
    #[case::no_object("[1, 2]", 1, "the line is neither the result of a case nor a summary")]
    #[case::an_empty_line(&format!("{CASE}\n\n{LAST}"), 2, "the line is no JSON: EOF while parsing a value at its byte 0")]
    fn what_is_wrong_is_said_with_its_line(#[case] text: &str, #[case] line: usize, #[case] words: &str) {
        let error = read(text).expect_err("it is wrong").to_string();
        assert!(error.starts_with(&format!("file:{line}: {words}")), "{error}");
        assert!(
            error.contains(" again") || error.contains("; "),
            "what to do is missing: {error}"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let error = Results::read("file", &b"\xff\xfe"[..]).expect_err("it is wrong");
        assert!(matches!(error.problem, ResultsProblem::NoText(_)), "{error}");
    }

    #[test]
    fn a_line_without_an_end_is_read_to_a_limit() {
        let error = Results::read("file", BufReader::new(io::repeat(b' '))).expect_err("it is too long");
        assert_eq!(error.problem, ResultsProblem::LineTooLong);
    }

    #[test]
    fn no_text_commands_a_terminal() {
        let text = "\u{1b}]0;title\u{7}\r\u{202e}\u{9b}31m ok\n";
        assert_eq!(
            printable(text),
            "\u{fffd}]0;title\u{fffd}\u{fffd}\u{fffd}\u{fffd}31m ok\n"
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = Results::read("file", &bytes[..]);
        }

        #[test]
        fn no_damage_is_overlooked(at in 0..CASE.len(), byte in b' '..=b'~') {
            let mut damaged = CASE.as_bytes().to_vec();
            damaged[at] = byte;
            // The text is refused, or it states something else, which nobody can notice. It is
            // never read as half a result.
            if let Ok(read) = Results::read("file", &[&damaged, &b"\n"[..], LAST.as_bytes()].concat()[..]) {
                prop_assert_eq!(read[0].cases[0].outcome, Outcome::Passed);
            }
        }
    }
}
