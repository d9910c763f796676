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

/// What is known before the first case runs.
#[derive(Clone, Debug)]
pub struct Head {
    /// The world's name.
    pub world: String,
    /// What chooses it on the command line: `--world sim`.
    pub choice: String,
    /// What it is made of.
    pub description: Description,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What cases that leave something to chance begin with.
    pub seed: u64,
    /// How many cases are to run.
    pub cases: usize,
}

impl Head {
    /// The command that runs one case again as it ran.
    #[must_use]
    pub fn command(&self, case: &str) -> String {
        format!("ipq-conformance run {} --seed {} {case}", self.choice, self.seed)
    }
}

/// Takes a run as it goes on, and tells of it.
pub trait Reporter {
    /// The run begins.
    fn begin(&mut self, head: &Head) -> io::Result<()>;

    /// A case has come to its end. They come topic by topic.
    fn case(&mut self, report: &CaseReport) -> io::Result<()>;

    /// The run is over.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}
