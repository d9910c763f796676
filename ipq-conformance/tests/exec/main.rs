//! Programs as worlds and as clients: the protocols of the pipe, their pages and schemas, and
//! examples in Python.
#![cfg(target_os = "linux")]

mod breaches;
mod clients;
mod python;
mod reference;
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
use std::process::{Command, Output};
use std::time::Duration;

const PAGE: &str = include_str!("../../docs/world-protocol.md");
const SUITE: &str = env!("CARGO_BIN_EXE_ipq-conformance");

fn run(world: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(SUITE);
    command.args(["run", "--strict", "--world", &format!("exec:{world}")]);
    // Whether a skipped case is a failure must not depend on the environment of these tests.
    command.env_remove("IPQ_REQUIRE_REAL").args(arguments);
    command.output().expect("the suite can be run")
}

/// Returns the outcome and the reason of each case in a report of JSON lines, by the case's id.
fn outcomes(output: &Output) -> BTreeMap<String, (String, Option<String>)> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).expect("it is JSON");
        let text = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((text("id")?, (text("outcome")?, text("reason"))))
    });
    lines.collect()
}

/// Returns the rows of a table in a page, without its head, as lists of cells. The comment `mark`
/// stands before the table. Panics if the page has no such table.
fn table(page: &'static str, mark: &str) -> Vec<Vec<&'static str>> {
    let (_, table) = page
        .split_once(&format!("<!-- {mark} -->"))
        .expect("the table is there");
    let (table, _) = table.split_once("<!-- end -->").expect("the table ends");
    let rows = table.trim().lines().skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// Looks up `breach` in the page's table of breaches. Returns what the user is told, and the exit
/// status. Panics if the table lacks the breach.
fn breach_on(page: &'static str, breach: &str) -> (&'static str, i32) {
    let row = table(page, "breaches").into_iter().find(|row| row[0] == breach);
    let row = row.expect("the page lists it");
    let told = row[1].trim_matches('`').trim_end_matches([' ', '`']);
    (told, row[2].parse().expect("a status is a number"))
}

/// Returns the words of a cell that stand between grave accents. A word keeps the question mark
/// that follows it.
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
    let listed: Vec<_> = table(PAGE, "capabilities")
        .into_iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].to_owned()))
        .collect();
    let known = Capability::ALL.iter().filter(|known| **known != Capability::CLibrary);
    let known: Vec<_> = known
        .map(|known| (known.name().to_owned(), known.description().to_owned()))
        .collect();
    assert_eq!(listed, known);
}

/// A world that does every step, and answers each with some observation.
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

/// Returns the answer of the world [`Willing`] to one request.
fn asked(request: &Value) -> Value {
    let mut output = Vec::new();
    exec::serve(&Factory, request.to_string().as_bytes(), &mut output).expect("it is a request");
    serde_json::from_slice(&output).expect("the answer is JSON")
}

/// Returns a valid value for the argument `key` of a step.
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
    let rows = table(PAGE, "steps");
    // Serde's error for an unknown step lists all steps.
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
            "nfq",
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
    let lines = Schema::of_worlds().expect_lines_of(folder.path());
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
    assert!(!Schema::of_worlds().accepts(&line), "{line}");
}
