//! Programs that break the protocol of worlds. The protocol's page has a table of what the user is
//! told of each breach.

use crate::{PAGE, SUITE, breach_on, run, table};
use rstest::rstest;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The case that the programs are tried with, unless a breach needs another one.
const CASE: &str = "verdicts/accept-goes-on-with-the-hook";
const CASE_WITH_PROC: &str = "proc/ipv4-idle";

/// Writes a world as a shell script, and returns the command that runs it. If a request contains
/// the text `request`, the script runs the shell command `line`. It answers every other request as
/// a world should.
fn script(folder: &Path, request: &str, line: &str) -> String {
    let description = json!({
        "answer": "description", "protocol": 1, "implementation": "a script", "seed": null, "parallel": true,
        "machine": { "kernel": "3.4.10", "arch": "x86_64", "word_bytes": 8, "byte_order": "little" },
    });
    let path = folder.join("world.sh");
    let text = format!(
        "while read -r line; do case $line in\n\
         *'{request}'*) {line};;\n\
         *'\"describe\"'*) echo '{description}';;\n\
         *'\"capabilities\"'*) echo '{{\"answer\":\"capabilities\",\"capabilities\":[\"proc-text\"]}}';;\n\
         *'\"begin\"'*) echo '{{\"answer\":\"begun\"}}';;\n\
         *'\"open\"'*) echo '{{\"answer\":\"seen\",\"seen\":{{\"failed_at\":null,\"errno\":0,\"port_id\":4242}}}}';;\n\
         *'\"send\"'*) echo '{{\"answer\":\"seen\",\"seen\":{{\"sent\":40,\"errno\":0}}}}';;\n\
         *'\"end\"'*) echo '{{\"answer\":\"ended\"}}';;\n\
         *) echo '{{\"answer\":\"error\",\"error\":\"unsupported\",\"what\":\"no\"}}';;\n\
         esac; done\n"
    );
    fs::write(&path, text).expect("there is room for a script");
    format!("sh {}", path.display())
}

#[rstest]
#[case("writes no JSON", "\"describe\"", "echo hello")]
#[case("writes JSON that is no answer", "\"describe\"", "echo '{}'")]
#[case(
    "speaks another version",
    "\"describe\"",
    "echo '{\"answer\":\"description\",\"protocol\":2,\"implementation\":\"x\",\"seed\":null,\"parallel\":true,\"machine\":{\"kernel\":\"\",\"arch\":\"\",\"word_bytes\":8,\"byte_order\":\"little\"}}'"
)]
#[case(
    "lists a capability that does not exist",
    "\"capabilities\"",
    "echo '{\"answer\":\"capabilities\",\"capabilities\":[\"magic\"]}'"
)]
#[case("gives an answer to another request", "\"begin\"", "echo '{\"answer\":\"ended\"}'")]
#[case(
    "refuses without a known word",
    "\"begin\"",
    "echo '{\"answer\":\"error\",\"error\":\"tired\",\"what\":\"x\"}'"
)]
#[case(
    "answers another step",
    "\"send\"",
    "echo '{\"answer\":\"seen\",\"seen\":{\"result\":\"nothing\"}}'"
)]
#[case("leaves a key out", "\"send\"", "echo '{\"answer\":\"seen\",\"seen\":{\"sent\":5}}'")]
#[case(
    "adds a key",
    "\"send\"",
    "echo '{\"answer\":\"seen\",\"seen\":{\"sent\":5,\"errno\":0,\"x\":1}}'"
)]
#[case(
    "repeats a key of the step",
    "\"send\"",
    "echo '{\"answer\":\"seen\",\"seen\":{\"sent\":5,\"errno\":0,\"hex\":\"00\"}}'"
)]
#[case(
    "writes a line too many",
    "\"open\"",
    // Both lines are written at once, so that the second is there when the first is read.
    "printf '%s\\n' '{\"answer\":\"seen\",\"seen\":{\"failed_at\":null,\"errno\":0,\"port_id\":4242}}' more; sleep 1"
)]
#[case("writes a line without end", "\"send\"", "exec tr '\\0' x </dev/zero")]
#[case("exits early", "\"send\"", "echo bye >&2; exit 3")]
#[case("exits with an error", "\"end\"", "echo '{\"answer\":\"ended\"}'; exit 4")]
#[case("does not answer", "\"send\"", "exec sleep 60")]
#[case(
    "lacks what it listed",
    "\"proc\"",
    "echo '{\"answer\":\"error\",\"error\":\"lacks\",\"what\":\"proc-text\"}'"
)]
#[case(
    "says what can't be true",
    "\"open\"",
    "echo '{\"answer\":\"seen\",\"seen\":{\"failed_at\":null,\"errno\":13,\"port_id\":4242}}'"
)]
#[case(
    "describes itself in two ways",
    "\"capabilities\"",
    "echo '{\"answer\":\"capabilities\",\"capabilities\":['$(test -e seen && echo '\"sysctl\"')']}'; : >seen"
)]
fn a_breach_of_the_protocol_is_named(#[case] breach: &str, #[case] request: &str, #[case] line: &str) {
    let (told, status) = breach_on(PAGE, breach);
    let folder = tempfile::tempdir().expect("there is room");
    let world = script(folder.path(), request, line);
    let case = if request == "\"proc\"" { CASE_WITH_PROC } else { CASE };
    let output = Command::new(SUITE)
        .current_dir(folder.path())
        .args(["run", "--strict", "--world", &format!("exec:{world}"), case])
        .output()
        .expect("the suite can be run");
    assert_eq!(output.status.code(), Some(status));
    let (text, broken) = match status {
        2 => (output.stderr, ""),
        _ => (output.stdout, "1 broken"),
    };
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains(told) && text.contains(broken), "{text}");
}

#[test]
fn each_breach_on_the_page_is_tried() {
    let tried = include_str!("breaches.rs");
    for row in table(PAGE, "breaches") {
        assert!(tried.contains(&format!("\"{}\"", row[0])), "{row:?}");
    }
}

#[test]
fn a_breach_shows_the_request_the_answer_and_the_expected_form() {
    let folder = tempfile::tempdir().expect("there is room");
    let world = script(
        folder.path(),
        "\"send\"",
        "echo out of ink >&2; echo '{\"answer\":\"begun\"}'",
    );
    let text = String::from_utf8(run(&world, &[CASE]).stdout).expect("a report is text");
    let expected = [
        "in its line 5: the answer \"begun\" does not fit the request",
        "  request:  {\"request\":\"step\",\"step\":{\"hex\":\"",
        "  expected: {\"answer\":\"seen\",\"seen\":{…}} or {\"answer\":\"error\",…}",
        "  answer:   {\"answer\":\"begun\"}",
        "  it printed: out of ink",
    ];
    for expected in expected {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[rstest]
#[case::no_program("nowhere-at-all", "nowhere-at-all can't be started: No such file or directory")]
#[case::no_command("", "\"\" is no command")]
#[case::an_open_quote("'sh", "\"'sh\" is no command")]
fn a_program_that_is_none_is_an_error_of_usage(#[case] world: &str, #[case] expected: &str) {
    let output = run(world, &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(expected), "{text}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn printed_text_is_in_the_transcript() {
    let folder = tempfile::tempdir().expect("there is room");
    let line = "echo '{\"answer\":\"seen\",\"seen\":{\"sent\":-1,\"errno\":1}}'; echo out of ink >&2";
    // The script prints the line before its answer as well, so that it is read with the answer.
    let world = script(
        folder.path(),
        "\"send\"",
        &line.replace("echo '{", "echo out of ink >&2; echo '{"),
    );
    let output = run(&world, &["verdicts/drop", "verdicts/accept-goes-on-with-the-hook"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("printed: out of ink"), "{text}");
}
