use super::*;
use etherparse::PacketBuilder;
use ipq_core::{Errno, Family, Verdict};
use ipq_sim::programs::run::{Packet, Record, Request, Requirement};
use pretty_assertions::assert_eq;
use serde_json::Value;
use std::collections::BTreeSet;

/// Adds the keys of all objects in a JSON value to `keys`, each after `prefix`. The key of an inner
/// object stands after that of the outer one, as in `verdicts[].mark`.
fn collect(value: &Value, prefix: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = format!("{prefix}{key}");
                collect(value, &format!("{key}[]."), keys);
                keys.insert(key);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, prefix, keys)),
        _ => {}
    }
}

/// Returns the keys of a line of the log with a number of this kind and the fields of `rest`.
fn keys(kind: &str, rest: &impl Serialize) -> BTreeSet<String> {
    let mut line = Vec::new();
    fill(&mut line, kind, 0, CaptureTime::default(), rest).unwrap();
    let mut keys = BTreeSet::new();
    collect(&serde_json::from_slice(&line).unwrap(), "", &mut keys);
    keys
}

/// Returns the keys in the first column of the table below this heading in `docs/log.md`.
fn documented(heading: &str) -> BTreeSet<String> {
    let page = include_str!("../../../../docs/log.md");
    let (_, section) = page.split_once(&format!("## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

fn udp() -> bytes::Bytes {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(4000, 53);
    builder.write(&mut bytes, b"hello").unwrap();
    bytes.into()
}

#[test]
fn the_page_has_each_key_of_a_packets_line_and_no_other() {
    let report = PacketReport {
        index: 0,
        record: Record {
            time: CaptureTime::default(),
            packet: Ok(Packet {
                family: Family::Ipv4,
                data: udp(),
                link_header: None,
            }),
        },
        packet_id: Some(PacketId(1)),
        verdicts: vec![VerdictReport {
            verdict: Verdict::Accept,
            replaced: false,
            mark: Some(7),
            after: Duration::from_micros(5),
        }],
        refusals: vec![Refusal {
            request: Request::Other(ipq_core::wire::MessageType::Verdict),
            errno: Errno::EPERM,
            requirement: Some(Requirement {
                id: "MSG-5",
                says: "a rule",
            }),
        }],
        fate: Some(Fate::Queued),
        unqueued: None,
    };
    assert_eq!(
        documented("A packet of the capture"),
        keys("packet", &Rest::of(&report))
    );
}

#[test]
fn the_page_has_each_key_of_an_own_packets_line_and_no_other() {
    let own = |packet| OwnPacket {
        number: 0,
        time: CaptureTime::default(),
        packet,
        mark: Some(7),
    };
    let written = keys("own_packet", &Own::of(&own(Ok(udp()))));
    let not_written = keys("own_packet", &Own::of(&own(Err(NotFed::Short))));
    let all: BTreeSet<_> = written.union(&not_written).cloned().collect();
    assert_eq!(documented("A packet that the program sent itself"), all);
}
