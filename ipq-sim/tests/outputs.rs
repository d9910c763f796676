//! Tests what `ipq-sim run` reads and writes, with programs in C: among others captures from
//! standard input, and files that other tools open.
//!
//! A test is skipped, with the reason, if `make`, `pkg-config` or `cc` does not work; with
//! `IPQ_REQUIRE_C=1` it fails instead. One test is skipped without a tshark that knows the fields.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/pcap.rs"]
mod pcap;

use c_library::{LIBRARY, SCRATCH, compiled, have, missing_optional, pass, skipped};
use etherparse::PacketBuilder;
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn scratch(name: &str) -> PathBuf {
    Path::new(SCRATCH).join(name)
}

/// Returns the packet of that number: every third is TCP, the others UDP.
fn packet(number: usize) -> Vec<u8> {
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    let mut bytes = Vec::new();
    if number.is_multiple_of(3) {
        builder.tcp(4000, 80, 7, 1024).write(&mut bytes, b"hello").unwrap();
    } else {
        builder.udp(4000, 53).write(&mut bytes, b"hello").unwrap();
    }
    bytes
}

/// Returns a capture of that link type with these frames, a microsecond apart.
fn capture_of(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let records = (0..).zip(frames);
    let records = records.flat_map(|(number, frame)| pcap::record([1_700_000_000, number], frame, 0));
    pcap::header(link).into_iter().chain(records).collect()
}

/// Returns a capture of that many raw IP packets.
fn capture(packets: usize) -> Vec<u8> {
    capture_of(pcap::RAW_IP, &(0..packets).map(packet).collect::<Vec<_>>())
}

fn saved(name: &str, bytes: &[u8]) -> String {
    let path = scratch(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name)
}

/// Returns the command that is to run a program, with these options.
fn run(options: &[&str], program: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-sim"));
    command.args(["run", "--library"]).arg(LIBRARY.join("lib"));
    command.args(options).arg("--").arg(program);
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command, to whose standard input `write` writes. Returns what the command printed.
fn fed(command: &mut Command, write: impl FnOnce(&mut dyn std::io::Write)) -> Output {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    write(&mut child.stdin.take().unwrap());
    child.wait_with_output().unwrap()
}

#[rstest]
#[case::bytes(1)]
#[case::a_size_that_fits_no_record(7)]
#[case::all(1 << 20)]
fn a_capture_comes_by_standard_input_in_pieces_and_leaves_by_standard_output(#[case] size: usize) {
    if !have(&[]) {
        return;
    }
    // What the program prints must not get into the capture.
    let mut command = run(&["--pcap", "-", "--out", "-"], Path::new("sh"));
    command.args(["-c", "echo printed; exec \"$0\""]).arg(pass());
    let output = fed(&mut command, |input| {
        capture(20)
            .chunks(size)
            .for_each(|piece| input.write_all(piece).unwrap());
    });
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("printed\n"), "{errors}");
    let path = saved(&format!("standard-{size}.pcap"), &output.stdout);
    assert_eq!(output.stdout.len(), capture(20).len());
    // The written file can be read, and is written again without a change.
    let again = run(&["--pcap", &path, "--out", "-"], &pass()).output().unwrap();
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn a_capture_that_ends_within_a_record_is_fed_up_to_there_and_its_end_is_told() {
    if !have(&[]) {
        return;
    }
    let whole = capture(5);
    let path = saved("cut.pcap", &whole[..whole.len() - 3]);
    let output = run(&["--pcap", &path], &pass()).output().unwrap();
    let errors = errors(&output);
    assert!(errors.contains("         4  accepted\n"), "{errors}");
    assert!(
        errors.ends_with("the capture ends within a record; those before were fed\n"),
        "{errors}"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn memory_does_not_grow_with_a_capture() {
    if !have(&[]) {
        return;
    }
    // The capture has 286 MB. The process may use 205 MB of addresses, including threads and
    // libraries.
    let limited = format!("ulimit -v 200000; exec {} \"$@\"", env!("CARGO_BIN_EXE_ipq-sim"));
    let mut command = Command::new("sh");
    command
        .args(["-c", &limited, "sh", "run", "--library"])
        .arg(LIBRARY.join("lib"));
    command
        .args(["--pcap", "-", "--out", "/dev/null", "--log", "/dev/null", "--"])
        .arg(pass());
    let arp = [&[2; 12][..], &[8, 6], &[0; 1400]].concat();
    let ip = [&[2; 12][..], &[8, 0], &packet(1)].concat();
    let output = fed(&mut command, |input| {
        input.write_all(&capture_of(1, &[])).unwrap();
        let frames = [&vec![arp; 200][..], &[ip]].concat();
        let records = capture_of(1, &frames).split_off(24);
        (0..1000).for_each(|_| input.write_all(&records).unwrap());
    });
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(
        errors.contains("    200000  not fed: ARP\n      1000  accepted\n"),
        "{errors}"
    );
}

#[test]
fn out_log_and_trace_tell_what_became_of_every_packet() {
    let empty = saved("no-packet.pcap", &capture(0));
    let fields = [PACKET_FIELDS, MESSAGE_FIELDS].concat();
    if skipped(missing_optional("tshark", &tshark_arguments(&empty, &fields))) || !have(&[]) {
        return;
    }
    let input = saved("told.pcap", &capture(6));
    let [out, log, trace] = ["told.pcapng", "told.jsonl", "told-trace.pcap"].map(scratch);
    let [out, log, trace] = [&out, &log, &trace].map(|path| path.to_str().unwrap());
    let options = ["--pcap", &input, "--out", out, "--log", log, "--trace", trace];
    let output = run(&options, &compiled(&source("rewrite.c"), &[])).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));

    // The program drops TCP, and rewrites UDP.
    let dropped = |frame: usize| format!("2|frame {frame} of the capture: dropped: by verdict");
    let changed = |frame: usize| {
        format!(
            "0|frame {frame} of the capture: changed by its verdict: 33 bytes before, 38 now, different from byte 3 on"
        )
    };
    let expected: Vec<String> = (1..=6)
        .map(|frame| {
            let told = if frame % 3 == 1 { dropped(frame) } else { changed(frame) };
            format!("1700000000.00000{}000|{told}", frame - 1)
        })
        .collect();
    assert_eq!(tshark(out, PACKET_FIELDS), expected);

    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 6);
    let first = r#"{"packet":0,"time":1700000000.000000,"fate":"dropped: by verdict","length":45,"#;
    assert!(text.starts_with(first), "{text}");
    assert_eq!(lines[1]["source"], "10.0.0.1");
    assert_eq!(
        (&lines[1]["protocol"], &lines[1]["destination_port"]),
        (&"UDP".into(), &53.into())
    );
    assert_eq!(lines[1]["verdicts"][0]["replaced"], true);
    assert!(lines[1]["packet_id"].as_str().unwrap().starts_with("0x"), "{text}");
    let after = lines[1]["verdicts"][0]["after_microseconds"].to_string();
    let (_, decimals) = after.split_once('.').unwrap();
    assert!(decimals.len() <= 3, "a clock of nanoseconds does not tell {after}");

    // The messages are one mode message, and for each packet a packet message and a verdict.
    let messages = tshark(trace, MESSAGE_FIELDS);
    assert_eq!(messages.len(), 1 + 2 * 6);
    let count = |kinds: &[&str]| {
        let is_one = |message: &&String| kinds.iter().any(|kind| message.ends_with(kind));
        messages.iter().filter(is_one).count()
    };
    let counts = [&["|17", "|0x0011"], &["|18", "|0x0012"], &["|19", "|0x0013"]].map(|kinds| count(kinds));
    assert_eq!(counts, [1, 6, 6], "{messages:?}");
    assert!(
        messages
            .iter()
            .all(|message| message.starts_with("0x0003|") || message.starts_with("3|")),
        "{messages:?}"
    );
}

#[test]
fn a_trace_has_every_message_though_another_output_can_not_be_written() {
    if !have(&[]) || !Path::new("/dev/full").exists() {
        return;
    }
    let input = saved("full.pcap", &capture(6));
    let traces = [scratch("full.jsonl"), PathBuf::from("/dev/full")].map(|log| {
        let trace = scratch("full-trace.pcap");
        let [log, trace] = [&log, &trace].map(|path| path.to_str().unwrap());
        let options = ["--pcap", &input, "--log", log, "--trace", trace];
        let output = run(&options, &compiled(&source("rewrite.c"), &[])).output().unwrap();
        let expected = if log == "/dev/full" { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{}", errors(&output));
        std::fs::metadata(trace).unwrap().len()
    });
    assert_eq!(traces[0], traces[1]);
}

/// The fields of a packet that tshark prints. Old versions don't know all of them.
const PACKET_FIELDS: &[&str] = &["frame.time_epoch", "frame.verdict.ebpf_tc", "frame.comment"];
/// The fields of a netlink message that tshark prints. Old versions may lack some of them.
const MESSAGE_FIELDS: &[&str] = &["netlink.family", "netlink.hdr_type"];

fn tshark_arguments<'a>(file: &'a str, fields: &[&'a str]) -> Vec<&'a str> {
    let arguments = ["-r", file, "-T", "fields", "-E", "separator=|"];
    let fields = fields.iter().flat_map(|field| ["-e", field]);
    arguments.into_iter().chain(fields).collect()
}

/// Returns these fields of every frame of a file, as tshark prints them.
fn tshark(file: &str, fields: &[&str]) -> Vec<String> {
    let output = Command::new("tshark")
        .args(tshark_arguments(file, fields))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(ToOwned::to_owned).collect()
}

#[rstest]
#[case::always("always", "mode 2: Operation not permitted (EPERM, 1) (MSG-5:")]
#[case::after_open("after-open", "verdict ACCEPT on packet")]
fn a_program_that_lost_its_capability_is_refused_as_by_a_kernel(#[case] when: &str, #[case] expected: &str) {
    if !have(&[]) {
        return;
    }
    let input = saved(&format!("capability-{when}.pcap"), &capture(3));
    let log = scratch(&format!("capability-{when}.jsonl"));
    let options = [
        "--pcap",
        &input,
        "--log",
        log.to_str().unwrap(),
        "--drop-net-admin",
        when,
    ];
    let output = run(&options, &pass()).output().unwrap();
    let errors = errors(&output);
    assert!(errors.contains("of the program's messages; the first: "), "{errors}");
    assert!(errors.contains(expected), "{errors}");
    assert_eq!(output.status.code(), Some(1));
    if when == "after-open" {
        let text = std::fs::read_to_string(log).unwrap();
        assert!(text.contains(r#""errno":"EPERM","requirement":"MSG-5""#), "{text}");
    }
}

#[rstest]
#[case::of_ipv6(pcap::RAW_IP, vec![ipv6()], "packets went to the queue of IPv6, and the program listened to the queue of IPv4\n")]
#[case::of_arp(1, vec![[&[2; 12][..], &[8, 6], &[0; 28]].concat()], "nothing was fed: none of the capture's 1 packets could be\n")]
#[case::empty(1, vec![], "nothing was fed: the capture has no packets\n")]
fn a_capture_that_nobody_listens_to_or_that_has_no_packet_to_feed_is_no_success(
    #[case] link_type: u32,
    #[case] packets: Vec<Vec<u8>>,
    #[case] expected: &str,
) {
    if !have(&[]) {
        return;
    }
    let name = format!("untried-{link_type}-{}.pcap", packets.len());
    let path = saved(&name, &capture_of(link_type, &packets));
    let output = run(&["--patience", "3", "--pcap", &path], &pass()).output().unwrap();
    assert!(errors(&output).ends_with(expected), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(3));
}

fn ipv6() -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64).udp(1, 2);
    builder.write(&mut packet, b"hello").unwrap();
    packet
}

#[rstest]
#[case::without_a_verdict("v")]
#[case::at_once("a")]
#[case::a_little_later("as")]
fn a_program_that_fails_at_its_last_packet_is_told_each_time(#[case] how: &str) {
    let expected = "the program failed: exit status: 3\n";
    if !have(&[]) {
        return;
    }
    let input = saved(&format!("fails-last-{how}.pcap"), &capture(5));
    let program = compiled(&source("fails_last.c"), &[]);
    for _ in 0..10 {
        let output = run(&["--pcap", &input], &program).args(["5", how]).output().unwrap();
        assert!(errors(&output).contains(expected), "{}", errors(&output));
        assert_eq!(output.status.code(), Some(1));
    }
    let longest = u64::MAX.to_string();
    let mut patient = run(&["--pcap", &input, "--patience", &longest], &program);
    let output = patient.args(["5", how]).output().unwrap();
    assert!(errors(&output).contains(expected), "{}", errors(&output));
}
