//! Programs as worlds: the protocol of the pipe, its page, its schema, and a world in Python.
#![cfg(target_os = "linux")]

mod schema;

use ipq_conformance::world::{
    Account, Capabilities, Capability, Description, Machine, Observation, Received, Setup, Step, World, WorldError,
    WorldFactory,
};
use ipq_conformance::worlds::exec;
use pretty_assertions::assert_eq;
use rstest::rstest;
use schema::Schema;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const PAGE: &str = include_str!("../../docs/world-protocol.md");
const SUITE: &str = env!("CARGO_BIN_EXE_ipq-conformance");
const PYTHON_WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/world.py");

fn run(world: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(SUITE);
    command.args(["run", "--strict", "--world", &format!("exec:{world}")]);
    command.args(arguments).output().expect("the suite can be run")
}

/// Runs cases, and returns their outcomes by id.
fn outcomes(output: &Output) -> BTreeMap<String, (String, Option<String>)> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).expect("it is JSON");
        let text = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((text("id")?, (text("outcome")?, text("reason"))))
    });
    lines.collect()
}

/// The rows of the table of the page that begins at `mark`.
fn table(mark: &str) -> Vec<Vec<&'static str>> {
    let (_, table) = PAGE
        .split_once(&format!("<!-- {mark} -->"))
        .expect("the table is there");
    let (table, _) = table.split_once("<!-- end -->").expect("the table ends");
    let rows = table.trim().lines().skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The words of a cell that stand between grave accents, with the question mark behind them.
fn words(cell: &str) -> BTreeSet<String> {
    let parts: Vec<_> = cell.split('`').collect();
    let words = parts.iter().enumerate().filter(|(number, _)| number % 2 == 1);
    words
        .map(|(number, word)| {
            let optional = parts.get(number + 1).is_some_and(|rest| rest.starts_with('?'));
            format!("{word}{}", if optional { "?" } else { "" })
        })
        .collect()
}

#[test]
fn the_page_lists_the_capabilities_that_a_program_can_have() {
    let listed: Vec<_> = table("capabilities")
        .into_iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].to_owned()))
        .collect();
    let known = Capability::ALL.iter().filter(|known| **known != Capability::CLibrary);
    let known: Vec<_> = known
        .map(|known| (known.name().to_owned(), known.description().to_owned()))
        .collect();
    assert_eq!(listed, known);
}

/// A world that does every step.
struct Willing;

impl World for Willing {
    fn describe(&self) -> Description {
        Description {
            implementation: "willing".into(),
            machine: Machine::linux_3_4_x86_64(),
            seed: None,
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    fn begin(&mut self, _: &Setup) -> Result<(), WorldError> {
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        Ok(match step {
            Step::Open { .. } => Observation::Open {
                failed_at: None,
                errno: 0,
                port_id: Some(7),
            },
            Step::Send { .. } => Observation::Send { sent: 1, errno: 0 },
            Step::Receive { size: 0, .. } => Observation::Receive(Received::Error { errno: 105 }),
            Step::Receive { .. } => Observation::Receive(Received::Frame {
                bytes: vec![1].into(),
                sender: 0,
            }),
            Step::Drain { .. } => Observation::Drain {
                frames: 2,
                packets: 1,
                enobufs_before_frame: None,
            },
            Step::ReceiveBuffer { .. } | Step::SendBuffer { .. } => Observation::BufferSize { actual: 9 },
            Step::Inject { .. } | Step::InjectBridged { .. } | Step::InjectOffloaded { .. } => {
                Observation::Inject { errno: 0 }
            }
            Step::Sniff { .. } => Observation::Sniff { frame: None },
            Step::Proc { .. } | Step::QueuesProc | Step::ReadSysctl { .. } => Observation::Text("1024".into()),
            Step::Bind { .. } | Step::PortId { .. } => Observation::Bind { errno: 0, port_id: 7 },
            Step::Poll { .. } => Observation::Poll {
                readable: true,
                error: false,
                waited: Duration::ZERO,
            },
            Step::SocketError { .. } => Observation::SocketError { errno: 0 },
            Step::Clock => Observation::Clock {
                since_begin: Duration::ZERO,
            },
            Step::AddRule { .. } => Observation::Rule { added: true },
            Step::Account => Observation::Account(Account::default()),
            _ => Observation::Done,
        })
    }
}

struct Factory;

impl WorldFactory for Factory {
    fn name(&self) -> &'static str {
        "willing"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        Ok(Box::new(Willing))
    }
}

/// The answer of the willing world to one request.
fn asked(request: &Value) -> Value {
    let mut output = Vec::new();
    exec::serve(&Factory, request.to_string().as_bytes(), &mut output).expect("it is a request");
    serde_json::from_slice(&output).expect("the answer is JSON")
}

/// A value for an argument of a step.
fn sample(op: &str, key: &str) -> Value {
    match (op, key) {
        ("rcvbuf" | "sndbuf", "value") => json!(4096),
        ("inject_offloaded" | "open", "segment_bytes" | "bind") => Value::Null,
        (_, "protocol" | "count" | "size" | "to" | "timeout_ns" | "ns" | "port_id") => json!(3),
        (_, "up" | "held" | "loaded") => json!(true),
        (_, "hex") => json!("00ff"),
        (_, "file") => json!("ip_queue"),
        (_, "family") => json!("ipv6"),
        (_, "rule") => json!({ "family": "ipv4", "table": "mangle", "chain": "INPUT", "target": "QUEUE" }),
        _ => json!("a"),
    }
}

#[test]
fn the_page_lists_every_step_with_its_arguments_and_what_is_seen() {
    let rows = table("steps");
    // serde's error for an unknown step lists all steps.
    let unknown = asked(&json!({ "request": "step", "step": { "op": "?" } }));
    let all = words(unknown["what"].as_str().expect("it says why"));
    let listed: BTreeSet<_> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let listed = listed.into_iter().chain(["?".to_owned()]).collect::<BTreeSet<_>>();
    assert_eq!(listed, all);

    for row in rows {
        let op = row[0].trim_matches('`');
        let arguments = words(row[1]);
        let mut step = serde_json::Map::from_iter([("op".to_owned(), json!(op))]);
        step.extend(
            arguments
                .iter()
                .map(|key| key.trim_end_matches('?'))
                .map(|key| (key.to_owned(), sample(op, key))),
        );
        let whole = asked(&json!({ "request": "step", "step": step }));
        assert_eq!(whole["answer"], "seen", "{op}: {whole}");
        for key in &arguments {
            let mut without = step.clone();
            without.remove(key.trim_end_matches('?'));
            let answer = asked(&json!({ "request": "step", "step": without }));
            let optional = key.ends_with('?');
            assert_eq!(answer["answer"] == "seen", optional, "{op} without {key}: {answer}");
        }
        let mut seen: BTreeSet<String> = keys(&whole["seen"]);
        if op == "recv" {
            step.insert("size".into(), json!(0));
            let error = asked(&json!({ "request": "step", "step": step }));
            seen.extend(keys(&error["seen"]));
        }
        let listed = words(row[2]);
        let listed: BTreeSet<_> = listed.iter().map(|key| key.trim_end_matches('?').to_owned()).collect();
        assert_eq!(listed, seen, "{op}");
    }
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().expect("it is an object").keys().cloned().collect()
}

#[test]
fn every_line_of_a_run_keeps_the_schema() {
    let folder = tempfile::tempdir().expect("there is room");
    let script = format!(
        "tee {0}/$$.in | {SUITE} world sim | tee {0}/$$.out",
        folder.path().display()
    );
    let world = format!("sh -c '{script}'");
    let output = run(
        &world,
        &[
            "verdicts",
            "overrun",
            "sockets",
            "events",
            "limits/arrival",
            "--format",
            "json",
        ],
    );
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let schema = Schema::of_the_protocol();
    let mut lines = 0;
    for file in fs::read_dir(folder.path()).expect("the lines were kept") {
        let text = fs::read_to_string(file.expect("it is there").path()).expect("it is text");
        for line in text.lines() {
            lines += 1;
            assert!(
                schema.accepts(&serde_json::from_str(line).expect("it is JSON")),
                "{line}"
            );
        }
    }
    assert!(lines > 500, "{lines} lines");
}

#[rstest]
#[case::no_kind(json!({}))]
#[case::an_unknown_kind(json!({ "answer": "hello" }))]
#[case::another_version(json!({ "request": "describe", "protocol": 2 }))]
#[case::an_unknown_key(json!({ "answer": "begun", "at": 5 }))]
#[case::an_unknown_capability(json!({ "answer": "capabilities", "capabilities": ["magic"] }))]
#[case::an_unknown_step(json!({ "request": "step", "step": { "op": "dance" } }))]
#[case::a_missing_argument(json!({ "request": "step", "step": { "op": "close" } }))]
#[case::bad_hex(json!({ "answer": "seen", "seen": { "hex": "0" } }))]
#[case::half_an_answer(json!({ "answer": "seen", "seen": { "sent": 5 } }))]
#[case::a_number_for_text(json!({ "answer": "error", "error": "broken", "what": 5 }))]
fn the_schema_refuses(#[case] line: Value) {
    assert!(!Schema::of_the_protocol().accepts(&line), "{line}");
}

#[test]
fn the_emulator_over_a_pipe_is_the_emulator() {
    let direct = Command::new(SUITE)
        .args(["run", "--strict", "--format", "json"])
        .output();
    let direct = outcomes(&direct.expect("the suite can be run"));
    let piped = run(&format!("{SUITE} world sim"), &["--format", "json"]);
    // Over a pipe it is one machine, and so has one kind of queue.
    let (numbered, of_ip_queue): (BTreeMap<_, _>, BTreeMap<_, _>) =
        direct.into_iter().partition(|(id, _)| id.starts_with("nfq-"));
    let (skipped, others): (BTreeMap<_, _>, BTreeMap<_, _>) = outcomes(&piped)
        .into_iter()
        .partition(|(id, _)| numbered.contains_key(id));
    assert_eq!(others, of_ip_queue);
    assert!(skipped.values().all(|(outcome, _)| outcome == "skipped"));
    assert_eq!(piped.status.code(), Some(0));
}

/// A world in a shell script, which answers `request` with `line`, and all else well.
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
#[case::no_json(
    "\"describe\"",
    "echo hello",
    2,
    "breaks the protocol in its line 1: expected value (column 1)"
)]
#[case::no_answer(
    "\"describe\"",
    "echo '{}'",
    2,
    "breaks the protocol in its line 1: missing field `answer`"
)]
#[case::another_version(
    "\"describe\"",
    "echo '{\"answer\":\"description\",\"protocol\":2,\"implementation\":\"x\",\"seed\":null,\"parallel\":true,\"machine\":{\"kernel\":\"\",\"arch\":\"\",\"word_bytes\":8,\"byte_order\":\"little\"}}'",
    2,
    "it speaks version 2 of the protocol, and this suite version 1"
)]
#[case::an_unknown_capability(
    "\"capabilities\"",
    "echo '{\"answer\":\"capabilities\",\"capabilities\":[\"magic\"]}'",
    2,
    "there is no capability \"magic\"; the capabilities are: proc-text, "
)]
#[case::the_wrong_answer(
    "\"begin\"",
    "echo '{\"answer\":\"ended\"}'",
    1,
    "in its line 3: the answer \"ended\" does not fit the request"
)]
#[case::a_missing_key(
    "\"send\"",
    "echo '{\"answer\":\"seen\",\"seen\":{\"sent\":5}}'",
    1,
    "in its line 5: missing field `errno`"
)]
#[case::an_unknown_key(
    "\"send\"",
    "echo '{\"answer\":\"seen\",\"seen\":{\"sent\":5,\"errno\":0,\"x\":1}}'",
    1,
    "in its line 5: unknown field `x`"
)]
#[case::a_key_of_the_question(
    "\"send\"",
    "echo '{\"answer\":\"seen\",\"seen\":{\"sent\":5,\"errno\":0,\"hex\":\"00\"}}'",
    1,
    "in its line 5: `hex` belongs to the question"
)]
#[case::a_line_too_many(
    "\"open\"",
    // Both lines in one write, so that the second is there when the first is read.
    "printf '%s\\n' '{\"answer\":\"seen\",\"seen\":{\"failed_at\":null,\"errno\":0,\"port_id\":4242}}' more; sleep 1",
    1,
    "breaks the protocol: its line 5 came before it was asked for anything"
)]
#[case::an_early_end(
    "\"send\"",
    "echo bye >&2; exit 3",
    1,
    "ended (exit status: 3) instead of writing its line 5"
)]
#[case::a_bad_end(
    "\"end\"",
    "echo '{\"answer\":\"ended\"}'; exit 4",
    2,
    "ended with exit status: 4 after its last answer"
)]
#[case::a_hang("\"send\"", "exec sleep 60", 1, "hangs: its line 5 did not come in 5s")]
#[case::a_contradiction(
    "\"proc\"",
    "echo '{\"answer\":\"error\",\"error\":\"lacks\",\"what\":\"proc-text\"}'",
    1,
    "contradicts itself in its line 4: it listed the capability proc-text, and now answers that it lacks it"
)]
fn a_breach_of_the_protocol_is_named(
    #[case] request: &str,
    #[case] line: &str,
    #[case] status: i32,
    #[case] expected: &str,
) {
    let folder = tempfile::tempdir().expect("there is room");
    let world = script(folder.path(), request, line);
    let case = if request == "\"proc\"" {
        "proc/ipv4-idle"
    } else {
        "verdicts/accept-goes-on-with-the-hook"
    };
    let output = run(&world, &[case]);
    let text = String::from_utf8_lossy(if status == 2 { &output.stderr } else { &output.stdout }).into_owned();
    assert!(text.contains(expected), "{text}");
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(status == 2 || text.contains("1 broken"), "{text}");
}

#[test]
fn a_program_that_changes_its_mind_contradicts_itself() {
    let folder = tempfile::tempdir().expect("there is room");
    let answer =
        "echo '{\"answer\":\"capabilities\",\"capabilities\":['$(test -e seen && echo '\"sysctl\"')']}'; : >seen";
    let world = script(folder.path(), "\"capabilities\"", answer);
    let output = Command::new(SUITE)
        .current_dir(folder.path())
        .args(["run", "--world", &format!("exec:{world}"), "wire"])
        .output()
        .expect("the suite can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("sh contradicts itself: at its first start"), "{text}");
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
    // The line on standard error may come after the answer: the next step has it at the latest.
    let world = script(
        folder.path(),
        "\"send\"",
        &line.replace("echo '{", "echo out of ink >&2; echo '{"),
    );
    let output = run(&world, &["verdicts/drop", "verdicts/accept-goes-on-with-the-hook"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("printed: out of ink"), "{text}");
}

/// The interpreter, if there is one that runs the example.
fn python() -> Option<&'static str> {
    let found = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let probe = Command::new(python)
            .args(["-c", "import json, struct, sys; sys.exit(sys.version_info < (3, 8))"])
            .output();
        probe.is_ok_and(|probe| probe.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: there is no Python 3.8 or later to run {PYTHON_WORLD}");
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
    let text = fs::read_to_string(PYTHON_WORLD).expect("it is there");
    let mut in_text = false;
    let code = text.lines().filter(|line| {
        let quotes = line.matches("\"\"\"").count();
        let documents = in_text || quotes > 0;
        in_text ^= quotes == 1;
        !documents && !line.trim().is_empty() && !line.trim().starts_with('#')
    });
    assert!(code.count() <= 300);
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
