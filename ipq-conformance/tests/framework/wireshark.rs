//! Tests of the dissector for Wireshark, run in tshark, and skipped if there is no tshark with Lua.
//! For most PACKET, MODE and VERDICT messages among the test vectors, the dissector has to show the
//! fields that the vector lists. In a transcript's capture it has to name these messages, which
//! Wireshark without it shows as data.

use crate::reports;
use ipq_conformance::vectors;
use ipq_sim::pcapng::{Block, link, netlink_header};
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use tempfile::NamedTempFile;

const DISSECTOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wireshark/ip_queue.lua");

/// The fields of a message that are compared: the dissector's name and that in the vectors.
const FIELDS: [(&str, &str); 14] = [
    ("packet_id", "packet_id"),
    ("mark", "mark"),
    ("timestamp_sec", "timestamp_sec"),
    ("timestamp_usec", "timestamp_usec"),
    ("hook", "hook"),
    ("hw_protocol", "hw_protocol"),
    ("hw_type", "hw_type"),
    ("hw_addr", "hw_addr"),
    ("indev", "indev_name"),
    ("outdev", "outdev_name"),
    ("mode", "value"),
    ("range", "range"),
    ("verdict", "value"),
    ("data_len", "data_len"),
];

/// Runs tshark on a capture. Returns a row for each frame, with the text of each of `fields`, empty
/// if the frame has no such field. `None` if there is no tshark with Lua.
fn tshark(capture: &Path, with_dissector: bool, fields: &[String]) -> Option<Vec<Vec<String>>> {
    let version = Command::new("tshark").arg("--version").output().ok();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if !version.is_some_and(|version| version.contains("with Lua")) {
        eprintln!("skipped: there is no tshark with Lua to run {DISSECTOR}");
        return None;
    }
    let mut command = Command::new("tshark");
    // With another home, no user's plugins and preferences apply.
    let home = tempfile::tempdir().expect("there is room for a folder");
    command.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    if with_dissector {
        command.arg("-X").arg(format!("lua_script:{DISSECTOR}"));
    }
    command
        .arg("-r")
        .arg(capture)
        .args(["-T", "fields", "-E", "separator=|"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = command.output().expect("it can be run");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !errors.contains("Lua"), "{errors}");
    let text = String::from_utf8(output.stdout).expect("it is text");
    Some(
        text.lines()
            .map(|line| line.split('|').map(str::to_owned).collect())
            .collect(),
    )
}

fn file(capture: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("there is room for a file");
    file.write_all(capture).expect("there is room for the capture");
    file
}

/// Reads a decimal number, or a hexadecimal one after `0x`; `None` if the text is neither.
fn number(text: &str) -> Option<i128> {
    match text.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[rstest]
fn each_frame_has_the_fields_of_its_vector(
    #[values(4, 8)] word_bytes: u8,
    #[values("little", "big")] byte_order: &str,
) {
    let is_message = |vector: &Value| {
        let kind = vector["message"]["kind"].as_str();
        kind.is_some_and(|kind| ["packet", "mode", "verdict"].contains(&kind))
    };
    let of_layout = |vector: &Value| vector["word_bytes"] == word_bytes && vector["byte_order"] == byte_order;
    // Wireshark also shows a second message in a datagram, though no queue looks at it.
    let is_alone = |vector: &Value| {
        !vector["name"]
            .as_str()
            .is_some_and(|name| name.contains("another message"))
    };
    let vectors = vectors::all().into_iter();
    let vectors: Vec<_> = vectors
        .filter(|vector| of_layout(vector) && is_message(vector) && is_alone(vector))
        .collect();
    assert!(vectors.len() > 40, "{}", vectors.len());
    let mut block = Block::default();
    let mut capture = block.section("test").to_vec();
    capture.extend_from_slice(block.interface("netlink", link::NETLINK, 6));
    for vector in &vectors {
        let bytes = hex::decode(vector["hex"].as_str().unwrap_or_default()).expect("it is hex");
        let to_kernel = vector["message"]["kind"] != "packet";
        block.packet(0, 0, &[&netlink_header(to_kernel, 3), &bytes]);
        capture.extend_from_slice(block.end());
    }
    let names = ["word_bytes", "big_endian"]
        .into_iter()
        .chain(FIELDS.map(|(name, _)| name));
    let names: Vec<_> = names.map(|name| format!("ip_queue.{name}")).collect();
    let Some(rows) = tshark(file(&capture).path(), true, &names) else {
        return;
    };
    assert_eq!(rows.len(), vectors.len());
    for (vector, row) in vectors.iter().zip(rows) {
        let name = &vector["name"];
        let message = &vector["message"];
        let kind = message["kind"].as_str().unwrap_or_default();
        // A replacement that is not as long as announced leaves open which words the verdict has.
        let announced = message["data_len"].as_str().map(str::to_owned);
        let found = message["following"]
            .as_str()
            .map(|digits| (digits.len() / 2).to_string());
        if kind == "verdict" && announced != found {
            continue;
        }
        assert_eq!(row[0], word_bytes.to_string(), "{name}");
        assert_eq!(number(&row[1]), Some((byte_order == "big").into()), "{name}");
        for ((field, key), shown) in FIELDS.iter().zip(&row[2..]) {
            let belongs = match *field {
                "mode" | "range" => kind == "mode",
                "verdict" => kind == "verdict",
                "packet_id" | "data_len" => kind != "mode",
                _ => kind == "packet",
            };
            if !belongs {
                assert_eq!(shown, "", "{name}: {field}");
                continue;
            }
            let expected = match (*field, &message[*key]) {
                ("data_len", Value::Null) => message["payload"].as_str().map(|digits| (digits.len() / 2).to_string()),
                ("indev" | "outdev", Value::String(digits)) => {
                    let bytes = hex::decode(digits).expect("it is hex");
                    Some(String::from_utf8(bytes).expect("the names are text"))
                }
                (_, Value::String(text)) => Some(text.clone()),
                (_, value) => Some(value.to_string()),
            };
            let expected = expected.unwrap_or_default();
            let same = *shown == expected || (number(shown).is_some() && number(shown) == number(&expected));
            assert!(same, "{name}: {field} is {shown:?}, not {expected:?}");
        }
    }
}

#[test]
fn a_transcript_reads_as_messages_with_the_dissector_and_as_data_without() {
    let capture = file(&reports::failed().pcapng());
    let columns = ["_ws.col.Protocol", "_ws.col.Info", "ip_queue.packet_id", "ip.src"].map(str::to_owned);
    let Some(with) = tshark(capture.path(), true, &columns) else {
        return;
    };
    let without = tshark(capture.path(), false, &columns[..2]).expect("tshark is there");
    let protocols = |rows: &[Vec<String>]| rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(protocols(&without), ["Netlink", "UDP", "Netlink", "Netlink", "Netlink"]);
    // The packet in a message is dissected, too. An error is still shown by Wireshark itself.
    let with: Vec<_> = with.iter().map(|row| row.join("|")).collect();
    assert_eq!(
        with,
        [
            "ip_queue|MODE PACKET||",
            "UDP|4000 → 5000 Len=8||10.1.0.2",
            "ip_queue|VERDICT ACCEPT|0x0000000000000007|",
            "ip_queue|PACKET at FORWARD|0xffff88000e000000|10.1.0.2",
            "Netlink|||",
        ]
    );
}
