//! The results of a measurement.

use crate::machine::Machine;
use crate::statistics::{Spread, ratios};
use serde::{Deserialize, Serialize};

/// A whole measurement: its workloads, and the circumstances.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// The machine that was measured on, and the day.
    pub machine: Machine,
    /// The command that runs the bench.
    pub command: String,
    /// The method, in a few sentences.
    pub method: String,
    /// The tasks that were measured.
    pub workloads: Vec<Workload>,
}

/// One task, which is the same for every contender.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Workload {
    /// The task's name.
    pub name: String,
    /// The unit of the numbers, such as "CPU ns per packet".
    pub unit: String,
    /// The names of the contenders with which every contender is compared.
    pub references: Vec<String>,
    /// The contenders, in the order in which they ran.
    pub contenders: Vec<Contender>,
}

/// One way to do a task, and what the task cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Contender {
    /// The contender's name.
    pub name: String,
    /// The costs, one number for each pass, in the workload's unit.
    pub passes: Vec<f64>,
    /// The number of packets that were given to the contender in all passes together; 0 if they
    /// were not counted.
    pub packets: u64,
    /// The number of these packets that did not come out as they should.
    pub lost: u64,
    /// The reason why the contender could not run, or not in every pass; `None` if there is none.
    pub skipped: Option<String>,
}

impl Contender {
    /// Returns a contender that has not run yet.
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

    /// Returns the spread of the costs of all passes; `None` if the contender did not run.
    #[must_use]
    pub fn cost(&self) -> Option<Spread> {
        Spread::of(&self.passes)
    }
}

impl Workload {
    /// Returns whether any contender of this workload was given packets that are counted, so that
    /// some may be lost.
    pub(crate) fn counts_packets(&self) -> bool {
        self.contenders.iter().any(|contender| contender.packets > 0)
    }

    /// Returns the spread of the costs of `of` divided, pass by pass, by those of the contender
    /// named `to`; `None` if there is no such contender, or either of the two did not run.
    #[must_use]
    pub fn ratio(&self, of: &Contender, to: &str) -> Option<Spread> {
        let reference = self.contenders.iter().find(|contender| contender.name == to)?;
        ratios(&of.passes, &reference.passes)
    }
}
