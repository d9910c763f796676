//! Tests of `decode`: its output and its exit status, for captures, dumps and what is neither.

use crate::command_line::{printed, program};
use crate::reports;
use ipq_conformance::vectors;
use ipq_sim::pcapng::{Block, link, netlink_header};
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::Value;
use std::io::Write;
use tempfile::NamedTempFile;

fn file(contents: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("there is room for a file");
    file.write_all(contents).expect("there is room for its contents");
    file
}

/// Runs `decode` on a file with these contents. Returns the exit status, the output, and the errors
/// with `FILE` for the file's name.
fn decode(contents: &[u8], options: &[&str]) -> (Option<i32>, String, String) {
    let file = file(contents);
    let path = file.path().display().to_string();
    let output = program(&[&["decode", &path], options].concat());
    let (out, error) = printed(&output);
    (output.status.code(), out, error.replace(&path, "FILE"))
}

fn frame(name: &str) -> Vec<u8> {
    let vector = vectors::all().into_iter().find(|vector| vector["name"] == name);
    let vector = vector.expect("there is such a vector");
    hex::decode(vector["hex"].as_str().unwrap_or_default()).expect("it is hex")
}

#[test]
fn a_damaged_frame_of_a_capture_is_named_with_the_rule_that_it_breaks() {
    let mut block = Block::default();
    let mut capture = block.section("test").to_vec();
    capture.extend_from_slice(block.interface("netlink", link::NETLINK, 6));
    let frames = [
        (true, "mode PACKET, range 65535 (8 little)"),
        (false, "packet whose data_len is too large (8 little)"),
        (true, "verdict 1 (8 little)"),
    ];
    for (second, (to_kernel, name)) in (1..).zip(frames) {
        block.packet(0, second * 1_000_000, &[&netlink_header(to_kernel, 3), &frame(name)]);
        capture.extend_from_slice(block.end());
    }
    let (status, out, error) = decode(&capture, &[]);
    assert_eq!((status, &*error), (Some(1), ""));
    insta::assert_snapshot!(out);

    let (status, out, _) = decode(&capture, &["--format", "json"]);
    assert_eq!(status, Some(1));
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect();
    let rules = lines.iter().map(|line| line["breaks"][0]["rule"].as_str());
    assert_eq!(rules.collect::<Vec<_>>(), [None, Some("WIRE-4"), None, None]);
    assert_eq!(lines[1]["refused"], "payload_cut");
    assert_eq!(lines[2]["message"]["packet_id"], "77");
    assert_eq!(lines[3]["summary"]["broken"], 1);
}

#[test]
fn the_capture_of_a_transcript_is_explained() {
    let (status, out, error) = decode(&reports::failed().pcapng(), &[]);
    assert_eq!((status, &*error), (Some(0), ""));
    assert!(
        out.contains("frame 4: 5.000000 s, to a program, ip_queue, 148 bytes, 8-byte words, little-endian"),
        "{out}"
    );
    assert!(
        out.ends_with("\n4 frames, of which 0 break a rule, 1 record that is no netlink message\n"),
        "{out}"
    );
}

#[test]
fn a_dump_of_another_machine_is_explained_in_its_layout_or_in_that_which_is_stated() {
    let dump = hex::encode(frame("verdict 1 (4 big)"));
    let (status, out, _) = decode(dump.as_bytes(), &[]);
    assert_eq!(status, Some(0));
    assert!(
        out.starts_with("frame 1: 28 bytes, 4-byte words, big-endian\n  VERDICT ACCEPT for id 0x4d,"),
        "{out}"
    );
    let (status, out, _) = decode(dump.as_bytes(), &["--byte-order", "big", "--word-bytes", "8"]);
    assert_eq!(status, Some(1));
    assert!(
        out.contains("breaks MSG-7: a VERDICT message has at least 24 bytes after its header"),
        "{out}"
    );
}

#[rstest]
#[case::nothing(b"", Some(3), "")]
#[case::no_dump(
    b"not a dump",
    Some(2),
    "ipq-conformance: FILE: line 1: \"not\" is no pairs of hexadecimal digits: give a capture"
)]
#[case::a_cut_capture(
    b"\xd4\xc3\xb2\xa1\x02\0\x04\0",
    Some(2),
    "ipq-conformance: FILE: its header is damaged: capture again"
)]
fn what_is_no_capture_is_said_with_what_to_do(
    #[case] contents: &[u8],
    #[case] status: Option<i32>,
    #[case] words: &str,
) {
    let (found, out, error) = decode(contents, &[]);
    assert_eq!(found, status, "{out}{error}");
    assert!(error.starts_with(words), "{error}");
}
