//! The machine and the day of a measurement.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;

/// The machine and the day of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Machine {
    /// The day, in UTC: `2026-11-24`.
    pub date: String,
    /// The kernel's name and version, and its architecture: `Linux 6.18.44 x86_64`.
    pub kernel: String,
    /// The processor: `AMD EPYC`.
    pub processor: String,
    /// The number of processors that this process may use.
    pub processors: usize,
    /// `true` if the kernel is known to run in a virtual machine.
    pub virtual_machine: bool,
}

impl Machine {
    /// Describes the machine that this program runs on, today. Texts that the system does not tell
    /// are "unknown".
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let information = read("/proc/cpuinfo");
        Self {
            date: chrono::Utc::now().date_naive().to_string(),
            kernel: format!(
                "Linux {} {}",
                known(read("/proc/sys/kernel/osrelease").trim()),
                std::env::consts::ARCH
            ),
            processor: known(value_of("model name", &information).unwrap_or_default()).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            virtual_machine: value_of("flags", &information)
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            kernel,
            processor,
            processors,
            virtual_machine,
        } = self;
        let place = if *virtual_machine { ", a virtual machine" } else { "" };
        write!(f, "{date}, {kernel}, {processors} x {processor}{place}")
    }
}

fn known(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

/// Returns the value of the first line of /proc/cpuinfo with this label; `None` if there is no such
/// line.
fn value_of<'a>(label: &str, information: &'a str) -> Option<&'a str> {
    let lines = information.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(found, value)| (found.trim(), value.trim()))
        .find_map(|(found, value)| (found == label).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_value_is_found_by_its_label() {
        let information = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu hypervisor\n";
        assert_eq!(value_of("model name", information), Some("Some CPU"));
        assert_eq!(value_of("model", information), None);
    }

    #[test]
    fn here_is_somewhere() {
        let here = Machine::here();
        assert_eq!(here.date.len(), "2026-11-24".len());
        assert!(here.processors > 0);
    }
}
