//! Programs as clients: the example in Python, whole and broken on purpose, and programs that break
//! the protocol.

use crate::python::{lines_of_code, python};
use crate::schema::Schema;
use crate::{SUITE, breach_on, outcomes, table};
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PAGE: &str = include_str!("../../docs/client-protocol.md");
/// The case that the programs are tried with, unless a breach needs another one.
const CASE: &str = "libipq/timeout";
const CASE_THAT_SENDS: &str = "libipq/set-mode-bytes";
const PYTHON_CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/client.py");

fn run(client: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(SUITE);
    command.args(["run", "--strict", "--client", &format!("exec:{client}")]);
    // Whether a skipped case is a failure must not depend on the environment of these tests.
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

/// Writes a client as a shell script, and returns the command that runs it. If a request contains
/// the text `request`, the script runs the shell command `line`. It answers the other requests of
/// [`CASE`] as a client should.
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

#[test]
fn a_client_that_keeps_the_protocol_passes() {
    let folder = tempfile::tempdir().expect("there is room");
    let output = run(&script(folder.path(), "?", ""), &[CASE]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("1 passed"), "{text}");
    assert_eq!(output.status.code(), Some(0));
}

#[rstest]
#[case("writes no JSON", "\"describe\"", "echo hello")]
#[case(
    "speaks another version",
    "\"describe\"",
    "echo '{\"answer\":\"description\",\"protocol\":3,\"implementation\":\"x\",\"c_library\":false}'"
)]
#[case("gives an answer to another request", "ipq_read", "echo '{\"answer\":\"ended\"}'")]
#[case(
    "returns other bytes than it read",
    "ipq_read",
    "echo '{\"answer\":\"returned\",\"value\":40,\"text\":\"\",\"hex\":\"00\"}'"
)]
#[case(
    "leaves a key out",
    "ipq_create_handle",
    "echo '{\"answer\":\"returned\",\"value\":1}'"
)]
#[case(
    "adds a key",
    "ipq_create_handle",
    "echo '{\"answer\":\"returned\",\"value\":1,\"text\":\"\",\"x\":1}'"
)]
#[case(
    "says that it sent what it did not send",
    "ipq_set_mode",
    "echo '{\"answer\":\"returned\",\"value\":40,\"text\":\"Unknown error\"}'"
)]
#[case("does not return from a call", "ipq_read", "exec sleep 60")]
#[case("exits in a call", "ipq_read", "exit 3")]
#[case(
    "lacks a function",
    "ipq_read",
    "echo '{\"answer\":\"error\",\"error\":\"missing\",\"what\":\"ipq_read\"}'"
)]
#[case(
    "can't do what surrounds a call",
    "ipq_read",
    "echo '{\"answer\":\"error\",\"error\":\"unsupported\",\"what\":\"it is night\"}'"
)]
#[case(
    "goes wrong itself",
    "ipq_read",
    "echo '{\"answer\":\"error\",\"error\":\"broken\",\"what\":\"no paper\"}'"
)]
#[case(
    "describes itself in two ways",
    "\"describe\"",
    "echo '{\"answer\":\"description\",\"protocol\":1,\"implementation\":\"'$$'\",\"c_library\":false}'"
)]
fn a_breach_of_the_protocol_is_named(#[case] breach: &str, #[case] request: &str, #[case] line: &str) {
    let (told, status) = breach_on(PAGE, breach);
    let folder = tempfile::tempdir().expect("there is room");
    let case = if request == "ipq_set_mode" {
        CASE_THAT_SENDS
    } else {
        CASE
    };
    let output = run(&script(folder.path(), request, line), &[case]);
    let text = String::from_utf8_lossy(if status == 2 { &output.stderr } else { &output.stdout }).into_owned();
    assert!(text.contains(told), "{text}");
    assert_eq!(output.status.code(), Some(status), "{text}");
}

#[test]
fn each_breach_on_the_page_is_tried() {
    let tried = include_str!("clients.rs");
    for row in table(PAGE, "breaches") {
        assert!(tried.contains(&format!("\"{}\"", row[0])), "{row:?}");
    }
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
