//! Programs as clients: the example in Python, whole and broken on purpose, and breaches of the
//! protocol.

use crate::python::{lines_of_code, python};
use crate::schema::Schema;
use crate::{SUITE, outcomes};
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PYTHON_CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/client.py");

fn run(client: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(SUITE);
    command.args(["run", "--strict", "--client", &format!("exec:{client}")]);
    // Whether a skipped case is a failure must not depend on who runs these tests.
    command.env_remove("IPQ_REQUIRE_REAL").args(arguments);
    command.output().expect("the suite can be run")
}

#[test]
fn the_client_in_python_passes_what_it_claims_and_each_line_keeps_the_schema() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("there is room");
    let script = format!(
        "tee {0}/$$.in | {python} {PYTHON_CLIENT} | tee {0}/$$.out",
        folder.path().display()
    );
    let output = run(&format!("sh -c '{script}'"), &["--format", "json"]);
    let outcomes = outcomes(&output);
    let (c_only, library): (Vec<_>, Vec<_>) = outcomes.iter().partition(|(id, _)| id.starts_with("c-library/"));
    assert!(library.len() >= 19, "{library:?}");
    for (id, (outcome, reason)) in library {
        assert_eq!(outcome, "passed", "{id}: {reason:?}");
    }
    assert!(
        c_only.iter().all(|(_, (outcome, _))| outcome == "skipped"),
        "{c_only:?}"
    );
    assert_eq!(output.status.code(), Some(0));
    let lines = Schema::of_clients().expect_lines_of(folder.path());
    assert!(lines > 200, "{lines} lines");
}

#[test]
fn the_client_in_python_is_short() {
    assert!(lines_of_code(PYTHON_CLIENT) <= 300);
}

#[rstest]
#[case::rubbish("rubbish", "libipq/set-mode-bytes", "WIRE-7", "the request differs from byte 17 on")]
#[case::sequence("sequence", "libipq/request-header", "LIB-11", "sequence: expected 0, saw 1")]
#[case::cut_id("cut-id", "libipq/read-and-accept", "LIB-2", "the request differs from byte 29 on")]
#[case::forgets(
    "forgets",
    "libipq/success-keeps-the-error-number",
    "LIB-12",
    "saw \"Unknown error\""
)]
#[case::trusts("trusts", "libipq/foreign-datagram", "LIB-3", "expected -1, saw 40")]
#[case::cuts("cuts", "libipq/truncated", "LIB-3", "expected -1, saw 64")]
#[case::negative("negative", "libipq/error-number-is-positive", "ERR-4", "expected 22, saw -22")]
#[case::silent("silent", "libipq/overrun", "SOCK-4", "expected -1, saw 148")]
#[case::waits(
    "waits",
    "libipq/timeout",
    "LIB-3",
    "did not return: python3 hangs: its line 3 did not come"
)]
#[case::crashes(
    "crashes",
    "libipq/invalid-protocol",
    "LIB-1",
    "ipq_create_handle(0, 1) did not return: python3 ended (signal: 6 (SIGABRT)) instead"
)]
fn a_client_that_is_broken_on_purpose_is_found_out(
    #[case] broken: &str,
    #[case] case: &str,
    #[case] requirement: &str,
    #[case] why: &str,
) {
    let Some(python) = python() else { return };
    let client = format!("{python} {PYTHON_CLIENT} --break {broken}");
    let output = run(&client, &[case, "--format", "json"]);
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let line: Value = serde_json::from_str(line.lines().next().unwrap_or_default()).expect("it is JSON");
    assert_eq!(line["outcome"], "failed", "{line}");
    let cited = line["requirements"].as_array().expect("they are a list");
    assert!(cited.contains(&json!(requirement)), "{line}");
    let reason = line["reason"].as_str().unwrap_or_default().replace(python, "python3");
    assert!(reason.contains(why), "{reason}");
    assert_eq!(output.status.code(), Some(1));
}

/// A client in a shell script, which answers `request` with `line`, and all else well.
fn script(folder: &Path, request: &str, line: &str) -> String {
    let path = folder.join("client.sh");
    let text = format!(
        "while read -r line; do case $line in\n\
         *'{request}'*) {line};;\n\
         *'\"describe\"'*) echo '{{\"answer\":\"description\",\"protocol\":1,\"implementation\":\"x\",\"c_library\":false}}';;\n\
         *'ipq_create_handle'*) echo '{{\"answer\":\"returned\",\"value\":1,\"text\":\"Unknown error\"}}';;\n\
         *'ipq_read'*) echo '{{\"answer\":\"returned\",\"value\":0,\"text\":\"Timeout\"}}';;\n\
         *'\"end\"'*) echo '{{\"answer\":\"ended\"}}';;\n\
         esac; done\n"
    );
    fs::write(&path, text).expect("there is room for a script");
    format!("sh {}", path.display())
}

#[rstest]
#[case::nothing_wrong("?", "", 0, "1 passed")]
#[case::no_json(
    "\"describe\"",
    "echo hello",
    2,
    "breaks the protocol in its line 1: expected value (column 1)"
)]
#[case::another_version(
    "\"describe\"",
    "echo '{\"answer\":\"description\",\"protocol\":3,\"implementation\":\"x\",\"c_library\":false}'",
    2,
    "it speaks version 3 of the protocol, and this suite version 1"
)]
#[case::another_answer(
    "ipq_read",
    "echo '{\"answer\":\"ended\"}'",
    1,
    "breaks the protocol in its line 3: the answer \"ended\" does not fit the request"
)]
#[case::bytes_that_were_not_read(
    "ipq_read",
    "echo '{\"answer\":\"returned\",\"value\":40,\"text\":\"\",\"hex\":\"00\"}'",
    1,
    "breaks the protocol in its line 3: the read returned 40, and `hex` has 1 bytes"
)]
#[case::no_text(
    "ipq_create_handle",
    "echo '{\"answer\":\"returned\",\"value\":1}'",
    1,
    "breaks the protocol in its line 2: missing field `text`"
)]
#[case::no_function(
    "ipq_read",
    "echo '{\"answer\":\"error\",\"error\":\"missing\",\"what\":\"ipq_read\"}'",
    1,
    "the library has no ipq_read"
)]
#[case::not_here(
    "ipq_read",
    "echo '{\"answer\":\"error\",\"error\":\"unsupported\",\"what\":\"it is night\"}'",
    3,
    "skipped: it is night"
)]
#[case::broken(
    "ipq_read",
    "echo '{\"answer\":\"error\",\"error\":\"broken\",\"what\":\"no paper\"}'",
    1,
    "the laboratory failed: no paper"
)]
#[case::another_each_time(
    "\"describe\"",
    "echo '{\"answer\":\"description\",\"protocol\":1,\"implementation\":\"'$$'\",\"c_library\":false}'",
    1,
    "sh contradicts itself: at its first start it described another libipq"
)]
fn a_client_is_told_what_is_wrong(
    #[case] request: &str,
    #[case] line: &str,
    #[case] status: i32,
    #[case] expected: &str,
) {
    let folder = tempfile::tempdir().expect("there is room");
    let output = run(&script(folder.path(), request, line), &["libipq/timeout"]);
    let text = String::from_utf8_lossy(if status == 2 { &output.stderr } else { &output.stdout }).into_owned();
    assert!(text.contains(expected), "{text}");
    assert_eq!(output.status.code(), Some(status), "{text}");
}

#[rstest]
#[case::a_key_of_another_call(json!({ "request": "call", "call": "ipq_ctl", "handle": 1, "length": 5 }))]
#[case::an_id_as_a_number(
    json!({ "request": "call", "call": "ipq_set_verdict", "handle": 1, "packet_id": 7, "verdict": 1, "data_length": 0, "hex": null })
)]
#[case::an_unknown_call(json!({ "request": "call", "call": "ipq_dance" }))]
#[case::a_step_of_a_world(json!({ "answer": "seen", "seen": {} }))]
#[case::no_text(json!({ "answer": "returned", "value": 1 }))]
fn the_schema_refuses(#[case] line: Value) {
    assert!(!Schema::of_clients().accepts(&line), "{line}");
}
