//! Writes what was done and seen as a recording, which `ipq-conformance replay` takes. The format
//! is that of `fixtures/recordings`, with further words for steps that only generated sequences
//! have.

use crate::emulator::named_by;
use crate::model::BEGINNING;
use crate::step::{Answer, DEVICES, Look, Rule, Setup, Step};
use ipq_core::Family;
use ipq_sim::DropReason;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A step, the bytes that it sent if it sent any, and its answer.
pub(crate) type Done = (Step, Option<Vec<u8>>, Answer);

/// Returns one scenario as a line of a recording. Returns `None` if the format has no word for one
/// of the steps or rules.
pub(crate) fn line(name: &str, setup: &Setup, done: &[Done]) -> Option<String> {
    let (_, kernel_and_arch) = setup.kernel.split_once('-')?;
    let (kernel, arch) = kernel_and_arch.rsplit_once('-')?;
    let word_bytes = if arch == "i386" { 4 } else { 8 };
    let steps: Vec<Value> = done.iter().map(step).collect::<Option<_>>()?;
    let scenario = json!({
        "name": name, "kernel": kernel, "arch": arch, "word_bytes": word_bytes, "byte_order": "little",
        "process_id": setup.process_id,
        "rules": setup.rules.iter().map(rule).collect::<Option<Vec<_>>>()?,
        "steps": steps,
    });
    Some(scenario.to_string())
}

fn rule(rule: &Rule) -> Option<Value> {
    let chains = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
    let mut value = json!({
        "family": match rule.family { Family::Ipv4 => "ipv4", Family::Ipv6 => "ipv6" },
        "table": if rule.filter { "filter" } else { "mangle" },
        "chain": chains[rule.hook as usize],
        "target": if rule.mark.is_some() { "MARK" } else { "QUEUE" },
    });
    if let Some(mark) = rule.mark {
        value["mark"] = mark.into();
    }
    match rule.protocol {
        None => {}
        Some(17) => value["protocol"] = "udp".into(),
        Some(6) => value["protocol"] = "tcp".into(),
        Some(1) => value["protocol"] = "icmp".into(),
        Some(58) => value["protocol"] = "icmpv6".into(),
        Some(_) => return None,
    }
    Some(value)
}

fn step((step, sent, answer): &Done) -> Option<Value> {
    let socket = |number: &usize| format!("s{number}");
    Some(match (step, answer) {
        (
            Step::Open {
                socket: number,
                protocol,
                bind,
            },
            Answer::Open {
                failed_at,
                errno,
                port_id,
            },
        ) => json!({
            "op": "open", "socket": socket(number), "protocol": protocol, "bind": bind,
            "failed_at": failed_at, "errno": errno, "port_id": port_id,
        }),
        (Step::Close { socket: number }, Answer::Done) => json!({"op": "close", "socket": socket(number)}),
        (Step::Send { socket: number, to, .. }, Answer::Send { sent: count, errno }) => {
            let mut value = json!({
                "op": "send", "socket": socket(number), "hex": hex::encode(sent.as_ref()?), "sent": count, "errno": errno,
            });
            if let Some(to) = to {
                value["to"] = (*to).into();
            }
            value
        }
        (Step::Receive { socket: number, size }, answer) => {
            let mut value = json!({"op": "recv", "socket": socket(number), "size": size});
            match answer {
                Answer::Nothing => value["result"] = "nothing".into(),
                Answer::Error { errno } => {
                    value["result"] = "error".into();
                    value["errno"] = (*errno).into();
                }
                Answer::Frame { bytes, sender } => {
                    value["result"] = "frame".into();
                    value["sender"] = (*sender).into();
                    value["hex"] = hex::encode(bytes).into();
                }
                _ => return None,
            }
            value
        }
        (
            Step::Drain { socket: number },
            Answer::Drain {
                frames,
                packets,
                enobufs_before_frame,
            },
        ) => json!({
            "op": "drain", "socket": socket(number), "frames": frames, "packets": packets,
            "enobufs_before_frame": enobufs_before_frame,
        }),
        (Step::ReceiveBuffer { socket: number, bytes }, Answer::BufferSize { actual }) => json!({
            "op": "rcvbuf", "socket": socket(number), "value": bytes.cast_signed(), "actual": actual,
        }),
        (Step::NoEnobufs { socket: number }, Answer::Done) => json!({"op": "no_enobufs", "socket": socket(number)}),
        (Step::Inject { device, frame, count }, Answer::Done) => json!({
            "op": "inject", "device": DEVICES[*device], "hex": hex::encode(frame), "count": count, "errno": 0,
        }),
        (Step::Output { packet }, Answer::Done) => json!({"op": "output", "device": "lo", "hex": hex::encode(packet)}),
        (Step::Sniff { device }, Answer::Sniff { frame }) => json!({
            "op": "sniff", "device": DEVICES[*device], "hex": frame.as_ref().map(hex::encode),
        }),
        (Step::Proc { family }, Answer::Text(text)) => json!({
            "op": "proc", "file": match family { Family::Ipv4 => "ip_queue", Family::Ipv6 => "ip6_queue" }, "text": text,
        }),
        (Step::Sysctl { family, value }, Answer::Done) => json!({
            "op": "sysctl", "name": sysctl(*family), "value": value.to_string(),
        }),
        (Step::ReadSysctl { family }, Answer::Text(value)) => json!({
            "op": "read_sysctl", "name": sysctl(*family), "value": value,
        }),
        (Step::Link { device, up }, Answer::Done) => json!({"op": "link", "device": DEVICES[*device], "up": up}),
        (Step::NetAdmin { held }, Answer::Done) => json!({"op": "net_admin", "held": held}),
        (step, answer) => return generated(step, answer),
    })
}

/// Returns the record of a step that only generated sequences have. Returns `None` for any other.
fn generated(step: &Step, answer: &Answer) -> Option<Value> {
    let socket = |number: &usize| format!("s{number}");
    Some(match (step, answer) {
        (
            Step::Bind {
                socket: number,
                port_id: wanted,
            },
            Answer::Bind { errno, port_id },
        ) => json!({"op": "bind", "socket": socket(number), "port_id": wanted, "errno": errno, "bound": port_id}),
        (Step::SocketError { socket: number }, Answer::SocketError { errno }) => {
            json!({"op": "socket_error", "socket": socket(number), "errno": errno})
        }
        (Step::Module { family, loaded }, Answer::Done) => json!({
            "op": "module", "family": match family { Family::Ipv4 => "ipv4", Family::Ipv6 => "ipv6" }, "loaded": loaded,
        }),
        (Step::Advance { by }, Answer::Done) => json!({"op": "advance", "ns": nanoseconds(*by)?}),
        (Step::Look(Look::PortId { socket: number }), Answer::PortId { port_id }) => {
            json!({"op": "port_id", "socket": socket(number), "bound": port_id})
        }
        (Step::Look(Look::Poll { socket: number }), Answer::Poll { readable, error }) => json!({
            "op": "poll", "socket": socket(number), "timeout_ns": 0, "readable": readable, "error": error, "waited_ns": 0,
        }),
        (Step::Look(Look::Clock), Answer::Clock { now }) => {
            json!({"op": "clock", "since_begin_ns": nanoseconds(now.checked_sub(BEGINNING)?)?})
        }
        (
            Step::Look(Look::Account),
            Answer::Account {
                entered,
                delivered,
                queued,
                dropped,
            },
        ) => {
            let mut by_reason = Map::new();
            for reason in DropReason::ALL {
                let count = named_by(*reason).map_or(0, |named| dropped[named as usize]);
                if count > 0 {
                    by_reason.insert(reason.to_string(), count.into());
                }
            }
            json!({
                "op": "account", "entered": entered, "delivered": delivered, "queued": queued, "dropped": by_reason,
            })
        }
        _ => return None,
    })
}

fn nanoseconds(time: Duration) -> Option<u64> {
    time.as_nanos().try_into().ok()
}

const fn sysctl(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "net.ipv4.ip_queue_maxlen",
        Family::Ipv6 => "net.ipv6.ip6_queue_maxlen",
    }
}
