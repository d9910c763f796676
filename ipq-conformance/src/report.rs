//! Reports of a run, for people and for programs.

mod human;
mod json;
#[cfg(feature = "reports")]
mod junit;
#[cfg(feature = "reports")]
pub mod matrix;
mod tap;

pub use human::Human;
pub use json::JsonLines;
#[cfg(feature = "reports")]
pub(crate) use json::{CaseLine, Counts, Environment, LastLine};
#[cfg(feature = "reports")]
pub use junit::Junit;
pub use tap::Tap;

use crate::suite::runner::{CaseReport, Summary};
use crate::world::{Capabilities, Description};
use std::io;

/// The version of the suite, for reports.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The facts about a run that are known before its first case.
#[derive(Clone, Debug)]
pub struct Head {
    /// The world's name.
    pub world: String,
    /// The options that select the world or the libipq on the command line, such as `--world sim`.
    pub choice: String,
    /// The world's description.
    pub description: Description,
    /// The world's capabilities.
    pub capabilities: Capabilities,
    /// The seed of cases that use random numbers.
    pub seed: u64,
    /// The number of cases that the run has, skipped ones included.
    pub cases: usize,
    /// The time at which the run begins, in UTC, as RFC 3339 has it; `None` if it is not known.
    pub date: Option<String>,
}

impl Head {
    /// Returns the command line that runs one case again in the same world and with the same seed.
    #[must_use]
    pub fn command(&self, case: &str) -> String {
        command(&self.choice, self.seed, case)
    }
}

/// Returns the command line that runs one case with this seed. `choice` are the options that select
/// the world or the libipq.
fn command(choice: &str, seed: u64, case: &str) -> String {
    format!("ipq-conformance run {choice} --seed {seed} {case}")
}

/// A receiver of the events of one run, which writes a report of them. `begin` is called once, then
/// `case` for each case, then `end` once. The methods fail if the report can't be written.
pub trait Reporter {
    /// Takes the facts about the run, before its first case.
    fn begin(&mut self, head: &Head) -> io::Result<()>;

    /// Takes the report of a case that has ended. Cases come topic by topic.
    fn case(&mut self, report: &CaseReport) -> io::Result<()>;

    /// Takes the summary of the run, which is over.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}
