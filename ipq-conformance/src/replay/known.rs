//! The recordings that the emulator is known not to reproduce, since a kernel's allocator handed
//! packet ids out in an order that nothing before tells.

use super::Difference;
use crate::recording::Recording;
use serde::Deserialize;
use std::sync::OnceLock;

/// A scenario of a kernel, and the step where the order of its ids shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownOrder {
    kernel: String,
    scenario: String,
    step: usize,
    reason: String,
}

/// Returns why the emulator is known to differ in that step of a recording, if it is.
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
