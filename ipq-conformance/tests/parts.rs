//! Tests of runs that are divided into parts, and of merging their reports.

use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const PARTS: [&str; 3] = ["1/3", "2/3", "3/3"];

fn suite(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-conformance"));
    command.args(arguments).output().expect("the suite can be run")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("it is text")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room")
}

/// Runs the suite's program with `arguments`, and writes its standard output to the file `name` in
/// `folder`. Returns the file's path and the exit status; `None` if a signal ended it.
fn kept(folder: &Path, name: &str, arguments: &[&str]) -> (PathBuf, Option<i32>) {
    let output = suite(arguments);
    let path = folder.join(name);
    fs::write(&path, output.stdout).expect("there is room");
    (path, output.status.code())
}

/// Runs the suite's program with `arguments` for each of three parts, writes the reports to files
/// in `folder`, and returns their paths in the order of the parts.
fn parts(folder: &Path, arguments: &[&str]) -> Vec<PathBuf> {
    let parts = PARTS.iter().map(|part| {
        let arguments = [arguments, &["--partition", part]].concat();
        kept(folder, &part.replace('/', "-of-"), &arguments).0
    });
    parts.collect()
}

fn merge(reports: &[PathBuf]) -> Output {
    let reports: Vec<_> = reports.iter().map(|path| path.to_str().expect("it is text")).collect();
    suite(&[&["merge"], &reports[..]].concat())
}

/// Returns the lines of a JSON report, parsed and without the date of the run.
fn lines(report: &str) -> Vec<Value> {
    let lines = report.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).expect("it is JSON");
        if let Some(environment) = line.get_mut("environment").and_then(Value::as_object_mut) {
            environment.remove("date");
        }
        line
    });
    lines.collect()
}

#[rstest]
#[case::of_the_suite(&["run", "--strict", "--format", "json"])]
#[case::of_an_older_kernel(&["run", "--kernel", "2.4.16", "--seed", "7", "--format", "json"])]
#[case::of_some_cases(&["run", "verdicts", "libipq", "--format", "json"])]
#[case::of_a_client(&["run", "--client", "rust", "--format", "json"])]
#[case::of_recordings(&["replay", "--format", "json"])]
fn three_parts_that_are_merged_are_the_whole(#[case] arguments: &[&str]) {
    let folder = folder();
    let (whole, status) = kept(folder.path(), "whole", arguments);
    let whole = fs::read_to_string(whole).expect("it is there");
    let parts = parts(folder.path(), arguments);
    for part in &parts {
        let part = fs::read_to_string(part).expect("it is there");
        let count = part.lines().count();
        assert!(count > 1 && count < whole.lines().count(), "{count}");
    }
    let merged = merge(&parts);
    assert_eq!(merged.status.code(), status);
    assert_eq!(lines(&text(merged.stdout)), lines(&whole));
    // The parts can be merged in any order.
    let merged = merge(&[parts[2].clone(), parts[0].clone(), parts[1].clone()]);
    assert_eq!(lines(&text(merged.stdout)).len(), whole.lines().count());
}

#[test]
fn what_the_parts_record_is_what_the_whole_records() {
    let recorded = |arguments: &[&str]| {
        let output = suite(&[&["record", "--world", "sim"], arguments].concat());
        assert_eq!(output.status.code(), Some(0));
        text(output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut whole = recorded(&[]);
    let mut parts: Vec<_> = PARTS.iter().flat_map(|part| recorded(&["--partition", part])).collect();
    whole.sort();
    parts.sort();
    assert!(whole == parts, "{} and {} scenarios", whole.len(), parts.len());
}

#[test]
fn cases_of_several_runs_are_merged_without_partitions() {
    let folder = folder();
    let run = |filter| kept(folder.path(), filter, &["run", filter, "--format", "json"]).0;
    let merged = merge(&[run("wire"), run("attaching")]);
    assert_eq!(merged.status.code(), Some(0));
    let whole = suite(&["run", "wire", "attaching", "--format", "json"]);
    assert_eq!(lines(&text(merged.stdout)), lines(&text(whole.stdout)));
}

#[test]
fn a_part_with_none_of_the_cases_is_merged_too() {
    let folder = folder();
    let arguments = ["run", "verdicts/drop", "--format", "json"];
    let parts = parts(folder.path(), &arguments);
    let merged = merge(&parts);
    assert_eq!(merged.status.code(), Some(0));
    assert_eq!(lines(&text(merged.stdout)), lines(&text(suite(&arguments).stdout)));
    let statuses = PARTS.map(|part| suite(&[&arguments[..], &["--partition", part]].concat()).status.code());
    assert_eq!(
        statuses.iter().filter(|status| **status == Some(3)).count(),
        2,
        "{statuses:?}"
    );
}

#[rstest]
#[case::a_part_is_missing(
    ["wire --partition 1/3", "wire --partition 3/3"],
    "part 2/3 is missing: run it with --partition 2/3, and name its report, too"
)]
#[case::a_part_comes_twice(
    ["wire --partition 1/2", "wire --partition 1/2"],
    "are both part 1/2"
)]
#[case::parts_of_two_divisions(
    ["wire --partition 1/2", "wire --partition 2/3"],
    "is part 2/3: merge the parts of one run"
)]
#[case::a_whole_run(["wire --partition 1/2", "wire"], "is no part: merge the parts of one run")]
#[case::the_same_cases(["wire", "wire"], "wire/packet-type was run in")]
#[case::another_seed(
    ["wire --partition 1/2", "wire --partition 2/2 --seed 5"],
    "were not run alike: seed is 0 in one and 5 in the other"
)]
fn reports_that_are_not_of_one_run_are_refused(#[case] runs: [&str; 2], #[case] problem: &str) {
    let folder = folder();
    let reports = ["first", "second"].into_iter().zip(runs).map(|(name, run)| {
        let arguments: Vec<_> = "run --format json".split(' ').chain(run.split(' ')).collect();
        kept(folder.path(), name, &arguments).0
    });
    let merged = merge(&reports.collect::<Vec<_>>());
    let error = text(merged.stderr);
    assert!(error.contains(problem), "{error}");
    assert_eq!((merged.status.code(), merged.stdout.len()), (Some(2), 0));
}

#[rstest]
#[case::nothing("", "/report:1: ")]
#[case::no_json(
    "hello\n",
    "/report:1: expected value (column 1); name reports that `--format json` has written"
)]
#[case::no_summary("{\"id\":\"wire/one\"}\n", "/report:1: the report ends without its summary")]
#[case::a_report_that_was_cut("{}\n{\"summary\":{\"passed\":1}}\n", "/report:1: ")]
fn what_is_no_report_is_refused(#[case] content: &str, #[case] problem: &str) {
    let folder = folder();
    let path = folder.path().join("report");
    fs::write(&path, content).expect("there is room");
    let merged = merge(&[path]);
    let error = text(merged.stderr);
    assert!(error.contains(problem), "{error}");
    assert_eq!(merged.status.code(), Some(2));
}

#[test]
fn reports_of_two_commands_are_refused() {
    let folder = folder();
    let (run, _) = kept(folder.path(), "run", &["run", "wire", "--format", "json"]);
    let recordings = concat!(env!("CARGO_MANIFEST_DIR"), "/recordings");
    let file = fs::read_dir(recordings)
        .expect("they are there")
        .next()
        .expect("there is one");
    let file = file.expect("it can be listed").path();
    let file = file.to_str().expect("it is text");
    let (replay, _) = kept(folder.path(), "replay", &["replay", file, "--format", "json"]);
    let error = text(merge(&[run, replay]).stderr);
    assert!(
        error.contains("are reports of two commands: merge those of one"),
        "{error}"
    );
}

#[rstest]
#[case::counted_from_0("0/3")]
#[case::too_many("4/3")]
#[case::no_parts("1")]
fn a_part_that_is_none_is_an_error_of_usage(#[case] part: &str) {
    let output = suite(&["run", "--partition", part]);
    let error = text(output.stderr);
    assert!(
        error.contains("write K/N, such as 1/3: part K of N parts, counted from 1"),
        "{error}"
    );
    assert_eq!(output.status.code(), Some(2));
}
