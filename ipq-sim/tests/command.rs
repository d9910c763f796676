//! The command `ipq-sim`: what it prints, writes and returns, with a program that needs no compiler.

#![cfg(target_os = "linux")]

use pretty_assertions::assert_eq;
use std::path::Path;
use std::process::{Command, Output};

fn ipq_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipq-sim"))
        .args(arguments)
        .output()
        .unwrap()
}

/// A capture without a packet.
fn empty_capture() -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty.pcap");
    let words: [u32; 6] = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 65_535, 101];
    std::fs::write(&path, words.map(u32::to_le_bytes).concat()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_empty_capture_ends_at_once_with_a_summary_and_files() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty-out.pcap");
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty-log.jsonl");
    let [out_name, log_name] = [&out, &log].map(|path| path.to_str().unwrap());
    let capture = empty_capture();
    let output = ipq_sim(&[
        "run", "--pcap", &capture, "--out", out_name, "--log", log_name, "--", "sleep", "60",
    ]);
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @r"
             0  packets in the capture
             0  accepted
             0  still queued
             0  replaced
             0  messages refused
             0  overruns told (ENOBUFS)
    ");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(std::fs::read(out).unwrap().len(), 24);
    assert_eq!(std::fs::read(log).unwrap(), b"");
}

#[test]
fn what_can_not_be_done_is_exit_code_2_with_its_reason() {
    let capture = empty_capture();
    for (arguments, reason) in [
        (
            &["run", "--pcap", "nowhere.pcap", "--", "true"][..],
            "nowhere.pcap can't be opened",
        ),
        (
            &["run", "--pcap", &capture, "--", "./no-such-program"],
            "./no-such-program can't be started",
        ),
        (
            &["run", "--pcap", &capture, "--rate", "0", "--", "true"],
            "above 0, or max",
        ),
        (
            &["run", "--pcap", &capture, "--kernel", "linux-6", "--", "true"],
            "there are linux-3.4.10-x86_64 and",
        ),
        (
            &["run", "--pcap", &capture, "--kernel", "linux-3.4.10-i386", "--", "true"],
            "another architecture than this machine",
        ),
    ] {
        let output = ipq_sim(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(reason), "{stderr}");
        assert_eq!(output.status.code(), Some(2));
    }
}
