//! Tests of `vectors/frames.jsonl`, a file of messages with their meaning for parsers in any
//! language: that it is up to date and has every kind of message and refusal, and that our parser
//! and one in Python read each message as the file says.

use ipq_conformance::vectors;
use ipq_core::wire::{Abi, ByteOrder, WordSize};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/frames.jsonl");

fn in_the_file() -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(FILE).expect("the file is there");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("each line is an object")
}

#[test]
fn the_file_is_what_the_command_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_ipq-conformance"))
        .arg("vectors")
        .output();
    let printed = output.expect("the command can be run").stdout;
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(FILE, &printed).expect("the file can be written");
    }
    let file = fs::read(FILE).expect("the file is there");
    let differs = "the vectors have changed: look at them, and write them with UPDATE_VECTORS=1";
    assert!(printed == file, "{differs}");
}

#[test]
fn our_parser_reads_each_frame_as_the_file_says() {
    for vector in in_the_file() {
        let word = match vector["word_bytes"].as_u64() {
            Some(4) => WordSize::Four,
            _ => WordSize::Eight,
        };
        let order = match vector["byte_order"].as_str() {
            Some("big") => ByteOrder::Big,
            _ => ByteOrder::Little,
        };
        let frame = hex::decode(vector["hex"].as_str().expect("it is text")).expect("it is hex");
        let mut expected = vector.clone();
        expected.retain(|key, _| !["name", "word_bytes", "byte_order", "hex"].contains(&key.as_str()));
        assert_eq!(
            vectors::read(&frame, Abi { word, order }),
            expected,
            "{}",
            vector["name"]
        );
    }
}

#[test]
fn every_kind_and_every_refusal_is_there_in_every_layout() {
    let mut found = BTreeSet::new();
    let mut names = BTreeSet::new();
    for vector in in_the_file() {
        let kind = vector
            .get("message")
            .map_or_else(|| &vector["refused"], |message| &message["kind"]);
        let kind = kind.as_str().expect("it is a word").to_owned();
        found.insert((
            vector["word_bytes"].to_string() + &vector["byte_order"].to_string(),
            kind,
        ));
        assert!(
            names.insert(vector["name"].to_string()),
            "{} is there twice",
            vector["name"]
        );
    }
    let kinds = [
        "packet",
        "mode",
        "verdict",
        "error",
        "unknown",
        "no_header",
        "header_length",
        "body_too_short",
        "payload_cut",
        "hardware_address",
    ];
    let missing: Vec<_> = ["4\"big\"", "4\"little\"", "8\"big\"", "8\"little\""]
        .into_iter()
        .flat_map(|layout| kinds.map(|kind| (layout.to_owned(), kind.to_owned())))
        .filter(|wanted| !found.contains(wanted))
        .collect();
    assert_eq!(missing, []);
}

#[test]
fn a_reader_in_python_reads_them_by_the_layouts_of_the_page() {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/read_vectors.py");
    let python = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let probe = Command::new(python).args(["-c", "import json, struct"]).output();
        probe.is_ok_and(|probe| probe.status.success())
    });
    let Some(python) = python else {
        eprintln!("skipped: there is no Python 3 to run {reader}");
        return;
    };
    let output = Command::new(python)
        .args([reader, FILE])
        .output()
        .expect("it can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let expected = format!("{} frames read\n", in_the_file().len());
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
}
