//! The recordings that the emulator is known not to reproduce: in these, the kernel's memory
//! allocator gave packet ids in an order that nothing before it in the recording predicts.

use super::Difference;
use crate::recording::Recording;
use serde::Deserialize;
use std::sync::OnceLock;

/// A scenario of a kernel, the step in which the order of packet ids shows, and the reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownOrder {
    kernel: String,
    scenario: String,
    step: usize,
    reason: String,
}

/// Returns the reason why the emulator is known to differ from the recording in the step of
/// `difference`. `None` if the built-in list lacks this kernel, scenario and step, or if the
/// recording names no machine. What differs in the step is not looked at.
#[must_use]
pub fn known_order(recording: &Recording, difference: &Difference) -> Option<&'static str> {
    static KNOWN: OnceLock<Vec<KnownOrder>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| serde_json::from_str(include_str!("known-orders.json")).unwrap_or_default());
    let kernel = &recording.setup.machine.as_ref()?.kernel;
    let found = known
        .iter()
        .find(|known| (&known.kernel, &known.scenario, known.step) == (kernel, &recording.name, difference.step));
    found.map(|known| known.reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read() {
        let known: Vec<KnownOrder> = serde_json::from_str(include_str!("known-orders.json")).expect("a list");
        assert!(!known.is_empty());
    }
}
