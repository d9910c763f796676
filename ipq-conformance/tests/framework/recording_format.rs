//! Tests of the format of recordings: every recording can be read and is written back as equal
//! JSON. A file, line or step that is wrong is refused, and the error says what is wrong with it.

use crate::support;
use ipq_conformance::recording::{Embedded, Reader, Recording};
use ipq_conformance::world::Observation;
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use rstest::rstest;
use std::path::Path;

#[test]
fn every_recording_reads_and_writes_back_as_an_equivalent_line() {
    let mut scenarios = 0;
    for path in support::recording_files() {
        let text = std::fs::read_to_string(&path).expect("a recording can be read");
        for line in text.lines() {
            let recording = Recording::parse(line).expect("a recording parses");
            assert_eq!(recording.misuse(), None);
            let written = recording.to_line().expect("what was read can be written");
            let value = |text| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
            assert_eq!(value(&written), value(line));
            scenarios += 1;
        }
    }
    assert_eq!(scenarios, support::RECORDINGS);
}

#[test]
fn every_file_of_recordings_is_embedded() {
    let files = support::recording_files();
    let names: Vec<_> = files
        .iter()
        .map(|path| path.file_name().and_then(|name| name.to_str()))
        .collect();
    let embedded: Vec<_> = Embedded::ALL.iter().map(|file| Some(file.name)).collect();
    assert_eq!(embedded, names);
}

/// Returns the line of a recording, in JSON. `steps` are its steps in JSON, separated by commas;
/// the rest is always the same.
fn scenario(steps: &str) -> String {
    format!(
        r#"{{"name":"n","kernel":"3.4.10","arch":"mips","word_bytes":4,"byte_order":"big","rules":[],"steps":[{steps}]}}"#
    )
}

const OPEN: &str = r#"{"op":"open","socket":"a","protocol":3,"bind":1,"failed_at":null,"errno":0,"port_id":1}"#;

#[rstest]
#[case::broken_json(r#"{"op":"proc""#, "expected `,` or `}`")]
#[case::unknown_op(r#"{"op":"jump"}"#, "step 1: unknown variant `jump`")]
#[case::missing_op(r#"{"socket":"a"}"#, "step 1: missing field `op`")]
#[case::missing_key(r#"{"op":"link","device":"lo"}"#, "step 1: missing field `up`")]
#[case::missing_nullable_key(r#"{"op":"sniff","device":"tap0"}"#, "step 1: missing field `hex`")]
#[case::unknown_key(
    r#"{"op":"link","device":"lo","up":true,"down":false}"#,
    "step 1: unknown field `down`"
)]
#[case::repeated_key(r#"{"op":"link","device":"lo","up":true,"up":true}"#, "step 1: duplicate field `up`")]
#[case::odd_hex(
    r#"{"op":"output","device":"lo","hex":"456"}"#,
    "step 1: bad hex: Odd number of digits"
)]
#[case::no_hex(
    r#"{"op":"output","device":"lo","hex":"4z"}"#,
    "step 1: bad hex: Invalid character 'z'"
)]
#[case::number_as_text(
    r#"{"op":"inject","device":"tap0","hex":"","count":"1","errno":0}"#,
    "step 1: invalid type"
)]
#[case::fraction(
    r#"{"op":"inject","device":"tap0","hex":"","count":1.5,"errno":0}"#,
    "step 1: invalid type"
)]
#[case::negative_size(
    r#"{"op":"recv","socket":"a","size":-1,"result":"nothing"}"#,
    "step 1: invalid value"
)]
#[case::unknown_device(
    r#"{"op":"sniff","device":"eth0","hex":null}"#,
    "step 1: there is no device \"eth0\""
)]
#[case::unknown_file(r#"{"op":"proc","file":"arp","text":""}"#, "step 1: there is no file \"arp\"")]
#[case::too_many_frames(
    r#"{"op":"inject","device":"tap0","hex":"","count":1000001,"errno":0}"#,
    "step 1: count is 1000001"
)]
#[case::never_opened(
    r#"{"op":"drain","socket":"a","frames":0,"packets":0,"enobufs_before_frame":null}"#,
    "step 1: the socket \"a\" was never opened"
)]
#[case::frame_without_bytes(&format!(r#"{OPEN},{{"op":"recv","socket":"a","size":9,"result":"frame","sender":0}}"#), "step 2: the result \"frame\" has")]
#[case::nothing_with_bytes(&format!(r#"{OPEN},{{"op":"recv","socket":"a","size":9,"result":"nothing","hex":""}}"#), "step 2: the result \"nothing\" has no")]
#[case::closed_twice(&format!(r#"{OPEN},{{"op":"close","socket":"a"}},{{"op":"close","socket":"a"}}"#), "step 3: the socket \"a\" is closed")]
#[case::no_steps("", "a scenario has at least one step")]
fn a_wrong_step_is_refused_with_its_place(#[case] steps: &str, #[case] expected: &str) {
    let problem = Recording::parse(&scenario(steps)).expect_err("it is wrong").to_string();
    assert!(
        problem.starts_with(expected),
        "{problem:?} begins otherwise than {expected:?}"
    );
}

#[rstest]
#[case::word_size(r#""word_bytes":4"#, r#""word_bytes":6"#, "word_bytes is 4 or 8")]
#[case::byte_order(r#""byte_order":"big""#, r#""byte_order":"middle""#, "unknown variant `middle`")]
#[case::missing_key(r#""arch":"mips","#, "", "missing field `arch`")]
#[case::unknown_key(r#""arch":"#, r#""comment":"","arch":"#, "unknown field `comment`")]
#[case::mark_without_mark(
    "[]",
    r#"[{"family":"ipv4","table":"mangle","chain":"INPUT","target":"MARK"}]"#,
    "a rule with target MARK has no mark"
)]
#[case::filter_has_no_prerouting(
    "[]",
    r#"[{"family":"ipv4","table":"filter","chain":"PREROUTING","target":"QUEUE"}]"#,
    "the filter table has no chain PREROUTING"
)]
#[case::protocol(
    "[]",
    r#"[{"family":"ipv4","table":"filter","chain":"INPUT","protocol":"ddp","target":"QUEUE"}]"#,
    "a rule's protocol is \"ddp\""
)]
fn a_wrong_scenario_is_refused(#[case] right: &str, #[case] wrong: &str, #[case] expected: &str) {
    let line = scenario(OPEN).replacen(right, wrong, 1);
    let problem = Recording::parse(&line).expect_err("it is wrong").to_string();
    assert!(
        problem.starts_with(expected),
        "{problem:?} begins otherwise than {expected:?}"
    );
}

#[test]
fn a_scenario_of_another_machine_and_other_rules_reads_and_writes_back() {
    let rules =
        r#"[{"family":"ipv6","table":"mangle","chain":"POSTROUTING","protocol":"tcp","target":"MARK","mark":7}]"#;
    let line = scenario(OPEN)
        .replacen("[]", rules, 1)
        .replacen("\"rules\"", "\"process_id\":77,\"rules\"", 1);
    let recording = Recording::parse(&line).expect("it is right");
    let again = Recording::parse(&recording.to_line().expect("it can be written")).expect("it is still right");
    assert_eq!(again, recording);
    assert_eq!(recording.setup.process_id, Some(77));
}

#[test]
fn a_file_in_proc_that_is_not_there_reads_and_writes_back() {
    for step in [
        r#"{"op":"proc","file":"ip_queue","text":null}"#,
        r#"{"op":"queues_proc","text":null}"#,
    ] {
        let recording = Recording::parse(&scenario(step)).expect("it is right");
        assert_eq!(recording.steps[0].seen, Observation::Absent);
        let again = Recording::parse(&recording.to_line().expect("it can be written")).expect("it is still right");
        assert_eq!(again, recording);
    }
}

#[test]
fn a_step_on_a_socket_that_could_not_be_opened_is_misuse() {
    let failed = OPEN.replace("null", "\"socket\"");
    let line = scenario(&format!(r#"{failed},{{"op":"no_enobufs","socket":"a"}}"#));
    let misuse = Recording::parse(&line)
        .expect("each step is right")
        .misuse()
        .expect("it can't be done");
    assert_eq!(misuse.step, 2);
    let line = scenario(&format!("{OPEN},{OPEN}"));
    let misuse = Recording::parse(&line)
        .expect("each step is right")
        .misuse()
        .expect("it can't be done");
    assert_eq!(
        (misuse.step, misuse.what.as_str()),
        (2, "the socket \"a\" is open already")
    );
}

#[test]
fn an_error_names_file_line_and_step_and_ends_the_reading() {
    let good = scenario(OPEN);
    let text = format!("{good}\n{}\n{good}\n", scenario(r#"{"op":"jump"}"#));
    let mut reader = Reader::new("some.jsonl", text.as_bytes());
    assert!(reader.next().is_some_and(|first| first.is_ok()));
    let error = reader
        .next()
        .expect("there is a second")
        .expect_err("it is wrong")
        .to_string();
    assert!(error.starts_with("some.jsonl:2: step 1: unknown variant"), "{error}");
    assert!(reader.next().is_none());
}

#[rstest]
#[case::empty(b"".as_slice(), "some.jsonl:1: there is no scenario in it")]
#[case::no_text(b"\xff\n".as_slice(), "some.jsonl:1: the line is no UTF-8 text")]
#[case::blank_line(b"\n".as_slice(), "some.jsonl:1: EOF while parsing")]
fn a_wrong_file_is_refused(#[case] bytes: &[u8], #[case] expected: &str) {
    let error = Reader::new("some.jsonl", bytes)
        .next()
        .expect("an error")
        .expect_err("it is wrong");
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn a_line_without_end_is_given_up() {
    let endless = std::io::BufReader::new(std::io::repeat(b'['));
    let error = Reader::new("endless", endless)
        .next()
        .expect("an error")
        .expect_err("it is wrong");
    assert!(error.to_string().contains("more than 16777216 bytes"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Reader::open(Path::new("nowhere.jsonl")).expect_err("it is not there");
    assert!(
        error.to_string().starts_with("nowhere.jsonl: can't be opened"),
        "{error}"
    );
}

proptest! {
    /// Replaces a byte of a recording's line by any byte. Checks that reading the line succeeds or
    /// is refused, and that what was read can be written, and is read again as the same.
    #[test]
    fn any_damage_is_read_or_refused(index in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8) {
        let text = std::fs::read_to_string(&support::recording_files()[0]).expect("a recording can be read");
        let lines: Vec<_> = text.lines().collect();
        let mut line = index.get(&lines).as_bytes().to_vec();
        let at = at.index(line.len());
        line[at] = byte;
        for recording in Reader::new("damaged", line.as_slice()).take(2).flatten() {
            let written = recording.to_line().expect("what was read can be written");
            prop_assert_eq!(Recording::parse(&written).expect("what was written can be read"), recording);
        }
    }
}
