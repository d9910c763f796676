//! What was measured.

use crate::machine::Machine;
use crate::statistics::{Spread, ratios};
use serde::{Deserialize, Serialize};

/// A whole measurement.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// Where and when.
    pub machine: Machine,
    /// The command that measures it again.
    pub command: String,
    /// How it was done, in a sentence or two.
    pub method: String,
    /// What was measured.
    pub workloads: Vec<Workload>,
}

/// One task that every contender does.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Workload {
    /// What the task is.
    pub name: String,
    /// What a number counts: "CPU ns per packet".
    pub unit: String,
    /// The names of the contenders that others are compared with.
    pub references: Vec<String>,
    /// Who did it, in the order in which they ran.
    pub contenders: Vec<Contender>,
}

/// One way to do a task, and what it cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Contender {
    /// What does it.
    pub name: String,
    /// One number a pass.
    pub passes: Vec<f64>,
    /// How many packets were given to it in all passes together.
    pub packets: u64,
    /// How many of them did not come out as they should.
    pub lost: u64,
    /// Why it did not run, if it did not.
    pub skipped: Option<String>,
}

impl Contender {
    /// One that has not run yet.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            passes: Vec::new(),
            packets: 0,
            lost: 0,
            skipped: None,
        }
    }

    /// The middle of its passes.
    #[must_use]
    pub fn cost(&self) -> Option<Spread> {
        Spread::of(&self.passes)
    }
}

impl Workload {
    /// Whether packets are counted in it, and might be lost.
    pub(crate) fn counts_packets(&self) -> bool {
        self.contenders.iter().any(|contender| contender.packets > 0)
    }

    /// A contender's cost as a multiple of a reference's, if both ran.
    #[must_use]
    pub fn ratio(&self, of: &Contender, to: &str) -> Option<Spread> {
        let reference = self.contenders.iter().find(|contender| contender.name == to)?;
        ratios(&of.passes, &reference.passes)
    }
}
