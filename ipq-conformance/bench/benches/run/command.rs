//! Measures a run of `ipq-sim run`.

use crate::clocks::Clocks;
use crate::measure::{Failed, Measured, Task};
use std::path::Path;
use std::process::{Command, Stdio};

/// The path of an `ipq-sim` command, and the directory of the libipq that `ipq-sim run` gives to
/// programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulator<'a> {
    pub(crate) command: &'a Path,
    pub(crate) library: &'a Path,
}

impl Simulator<'_> {
    /// Runs `ipq-sim run` with the program `program` on the task's capture, with the further
    /// arguments `more`. Returns the times, and how many packets the program did not accept: these
    /// count as lost.
    pub(crate) fn run(&self, program: &Path, task: &Task, more: &[&str]) -> Result<Measured, Failed> {
        let clocks = Clocks::start()?;
        let output = Command::new(self.command)
            .args(["run", "--pcap"])
            .arg(&task.capture)
            .arg("--library")
            .arg(self.library)
            .args(more)
            .arg("--")
            .arg(program)
            .env_remove("IPQ_TRANSPORT")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{} can't be run: {error}", self.command.display()))?;
        let times = clocks.times()?;
        let told = String::from_utf8_lossy(&output.stderr);
        let accepted = told.lines().find_map(|line| line.trim().strip_suffix("  accepted"));
        let accepted: u64 = accepted
            .ok_or_else(|| format!("{} says: {told}", self.command.display()))?
            .parse()?;
        Ok(Measured {
            times,
            lost: task.packets.saturating_sub(accepted),
        })
    }
}
