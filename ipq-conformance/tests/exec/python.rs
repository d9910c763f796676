//! The example of a world in Python, run as it is and with faults.

use crate::{outcomes, run};
use rstest::rstest;
use std::fs;
use std::process::Command;

const PYTHON_WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/world.py");

/// Returns the name of a Python interpreter that can run the examples. If there is none, says that
/// a test is skipped, and returns `None`.
pub(crate) fn python() -> Option<&'static str> {
    let found = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let probe = Command::new(python)
            .args(["-c", "import json, struct, sys; sys.exit(sys.version_info < (3, 8))"])
            .output();
        probe.is_ok_and(|probe| probe.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: there is no Python 3.8 or later to run the examples");
    }
    found
}

#[test]
fn the_world_in_python_passes_all_that_it_claims() {
    let Some(python) = python() else { return };
    let output = run(&format!("{python} {PYTHON_WORLD}"), &["--format", "json"]);
    let outcomes = outcomes(&output);
    let count = |wanted: &str| outcomes.values().filter(|(outcome, _)| outcome == wanted).count();
    assert_eq!(count("failed") + count("broken"), 0, "{outcomes:?}");
    assert!(count("passed") >= 170, "{} passed", count("passed"));
    assert!(count("skipped") >= 20, "{} skipped", count("skipped"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_world_in_python_is_short() {
    assert!(lines_of_code(PYTHON_WORLD) <= 300);
}

/// Returns the number of lines of a Python program that are not empty, a comment or documentation.
pub(crate) fn lines_of_code(path: &str) -> usize {
    let text = fs::read_to_string(path).expect("it is there");
    let mut in_text = false;
    let code = text.lines().filter(|line| {
        let quotes = line.matches("\"\"\"").count();
        let documents = in_text || quotes > 0;
        in_text ^= quotes == 1;
        !documents && !line.trim().is_empty() && !line.trim().starts_with('#')
    });
    code.count()
}

#[rstest]
#[case::replies_to_the_wrong_port("wrong-port", "replies/error-goes-to-sender", "failed", "differs from byte 12 on")]
#[case::no_latch("no-latch", "overrun/forty-packets-on-x86-64", "failed", "and not nothing")]
#[case::a_hang(
    "hang",
    "verdicts/accept-goes-on-with-the-hook",
    "broken",
    "hangs: its line 6 did not come"
)]
fn a_world_that_is_broken_on_purpose_is_found_out(
    #[case] broken: &str,
    #[case] case: &str,
    #[case] expected: &str,
    #[case] why: &str,
) {
    let Some(python) = python() else { return };
    let world = format!("{python} {PYTHON_WORLD} --break {broken}");
    let output = run(&world, &[case, "--format", "json"]);
    let outcomes = outcomes(&output);
    let (outcome, reason) = &outcomes[case];
    assert_eq!(outcome, expected);
    let reason = reason.as_deref().unwrap_or_default();
    assert!(reason.contains(why), "{reason}");
    assert_eq!(output.status.code(), Some(1));
}
