//! Compares the emulator over the pipe with the emulator itself.

use crate::SUITE;
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::Value;
use std::process::Command;

/// Runs every case with the options `choice`. Returns the report's lines for the cases, and its
/// summary.
fn report(choice: &[&str]) -> (Vec<Value>, Value) {
    let mut command = Command::new(SUITE);
    command.args(["run", "--strict", "--format", "json"]).args(choice);
    let output = command.output().expect("the suite can be run");
    assert_eq!(output.status.code(), Some(0), "{choice:?}");
    let text = String::from_utf8(output.stdout).expect("a report is text");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("it is JSON"));
    let mut lines: Vec<Value> = lines.collect();
    let last = lines.pop().expect("there is a summary");
    (lines, last)
}

#[rstest]
#[case::by_default(&["--world", "sim"], "")]
#[case::of_the_oldest_kernel(&["--kernel", "2.4.0"], "--kernel 2.4.0")]
#[case::of_todays_kernel(&["--kernel", "linux-6.1-x86_64"], "linux-6.1-x86_64")]
fn the_emulator_over_a_pipe_is_the_emulator(#[case] choice: &[&str], #[case] served: &str) {
    let (cases, mut last) = report(choice);
    let (piped, mut piped_last) = report(&["--world", &format!("exec:{SUITE} world {served}")]);
    assert!(cases.len() > 400, "{} cases", cases.len());
    assert_eq!(piped, cases);
    for last in [&mut last, &mut piped_last] {
        let environment = last["environment"].as_object_mut().expect("it is an object");
        for own in ["world", "choice", "date"] {
            environment.remove(own).expect("each run has its own");
        }
    }
    assert_eq!(piped_last, last);
}
