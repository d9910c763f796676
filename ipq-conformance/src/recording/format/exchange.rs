//! The two halves of a step's JSON: the question, which says what to do, and the answer, which says
//! what was seen after it.
//!
//! A recording has both in one object. A world in another process gets the question and sends the
//! answer.

use super::steps::StepJson;
use crate::world::{Account, Observation, Received, Step};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Returns the step's question: its `op` and arguments. `None` if recordings can't express the
/// step.
pub(crate) fn question(step: &Step) -> Option<Map<String, Value>> {
    let (question, _) = halves(step, &placeholder(step)?)?;
    Some(question)
}

/// Returns the answer `seen` in JSON, without the step's `op` and arguments. `None` if `seen` is no
/// answer to the step, or if recordings can't express one of the two.
pub(crate) fn answer(step: &Step, seen: &Observation) -> Option<Map<String, Value>> {
    let (_, answer) = halves(step, seen)?;
    Some(answer)
}

/// Returns the step that a question describes. Fails if the question is malformed, or if it has a
/// key that belongs to the answer.
pub(crate) fn step(mut question: Map<String, Value>) -> Result<Step, String> {
    let op = question.get("op").and_then(Value::as_str).unwrap_or_default();
    for (key, value) in required_answer(op) {
        if question.insert(key.clone(), value).is_some() {
            return Err(format!("`{key}` belongs to the answer of this step"));
        }
    }
    Ok(parse(question)?.step)
}

/// Returns the observation of an answer to `step`. Fails if recordings can't express the step, or
/// if the answer is malformed or has a key of the question.
pub(crate) fn observation(step: &Step, answer: Map<String, Value>) -> Result<Observation, String> {
    let mut whole = question(step).ok_or("there is no word for this step")?;
    for (key, value) in answer {
        if whole.insert(key.clone(), value).is_some() {
            return Err(format!("`{key}` belongs to the question"));
        }
    }
    Ok(parse(whole)?.seen)
}

fn parse(whole: Map<String, Value>) -> Result<super::super::RecordedStep, String> {
    let step: StepJson<'static> = serde_json::from_value(whole.into()).map_err(|error| error.to_string())?;
    step.into_step()
}

fn halves(step: &Step, seen: &Observation) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let whole = serde_json::to_value(StepJson::from_step(step, seen)?).ok()?;
    let Value::Object(whole) = whole else { return None };
    let op = whole.get("op")?.as_str()?.to_owned();
    let answers = |key: &str| {
        // The frame of a `recv` belongs to the answer; that of a `send` belongs to the question.
        required_answer(&op).contains_key(key) || (op == "recv" && matches!(key, "errno" | "sender" | "hex"))
    };
    let (answer, question) = whole.into_iter().partition(|(key, _)| answers(key));
    Some((question, answer))
}

/// Returns the shortest answer to a step with this `op`: every key that an answer must have, with
/// some value. Empty if the step's answer has no keys, or if there is no such `op`.
fn required_answer(op: &str) -> Map<String, Value> {
    let answer = match op {
        "open" => json!({ "failed_at": null, "errno": 0, "port_id": null }),
        "send" => json!({ "sent": 0, "errno": 0 }),
        "recv" => json!({ "result": "nothing" }),
        "drain" => json!({ "frames": 0, "packets": 0, "enobufs_before_frame": null }),
        "rcvbuf" | "sndbuf" => json!({ "actual": 0 }),
        "inject" | "inject_bridged" | "inject_offloaded" | "socket_error" => json!({ "errno": 0 }),
        "sniff" => json!({ "hex": null }),
        "proc" | "queues_proc" => json!({ "text": null }),
        "read_sysctl" => json!({ "value": null }),
        "bind" => json!({ "errno": 0, "bound": 0 }),
        "port_id" => json!({ "bound": 0 }),
        "poll" => json!({ "readable": false, "error": false, "waited_ns": 0 }),
        "add_rule" => json!({ "added": false }),
        "clock" => json!({ "since_begin_ns": 0 }),
        "account" => json!({ "entered": 0, "delivered": 0, "queued": 0, "dropped": {} }),
        _ => json!({}),
    };
    match answer {
        Value::Object(answer) => answer,
        _ => Map::new(),
    }
}

/// Returns an observation of the kind that answers `step`, with meaningless values; `None` for a
/// [`Step::Call`], which recordings do not have.
fn placeholder(step: &Step) -> Option<Observation> {
    Some(match step {
        Step::Open { .. } => Observation::Open {
            failed_at: None,
            errno: 0,
            port_id: None,
        },
        Step::Send { .. } => Observation::Send { sent: 0, errno: 0 },
        Step::Receive { .. } => Observation::Receive(Received::Nothing),
        Step::Drain { .. } => Observation::Drain {
            frames: 0,
            packets: 0,
            enobufs_before_frame: None,
        },
        Step::ReceiveBuffer { .. } | Step::SendBuffer { .. } => Observation::BufferSize { actual: 0 },
        Step::Inject { .. } | Step::InjectBridged { .. } | Step::InjectOffloaded { .. } => {
            Observation::Inject { errno: 0 }
        }
        Step::Sniff { .. } => Observation::Sniff { frame: None },
        Step::Proc { .. } | Step::QueuesProc | Step::ReadSysctl { .. } => Observation::Absent,
        Step::Bind { .. } | Step::PortId { .. } => Observation::Bind { errno: 0, port_id: 0 },
        Step::Poll { .. } => Observation::Poll {
            readable: false,
            error: false,
            waited: Duration::ZERO,
        },
        Step::SocketError { .. } => Observation::SocketError { errno: 0 },
        Step::Clock => Observation::Clock {
            since_begin: Duration::ZERO,
        },
        Step::AddRule { .. } => Observation::Rule { added: false },
        Step::Account => Observation::Account(Account::default()),
        Step::Close { .. }
        | Step::NoEnobufs { .. }
        | Step::CapAck { .. }
        | Step::ExtAck { .. }
        | Step::Output { .. }
        | Step::Sysctl { .. }
        | Step::Link { .. }
        | Step::NetAdmin { .. }
        | Step::Duplicate { .. }
        | Step::Advance { .. }
        | Step::Module { .. } => Observation::Done,
        Step::Call(_) => return None,
    })
}
