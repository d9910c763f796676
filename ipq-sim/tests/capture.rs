//! Tests that a file that is no capture is refused before anything is run, and when a run on a
//! capture ends.

#![cfg(target_os = "linux")]

#[path = "support/pcap.rs"]
mod pcap;

use ipq_core::transport::unix::Unix;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Family, Handle, Verdict, Wait};
use ipq_sim::programs::run::{Run, RunError};
use rstest::rstest;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Returns a packet of UDP without data.
fn packet() -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    builder.udp(1, 2).write(&mut bytes, &[]).unwrap();
    bytes
}

#[rstest]
#[case::empty(b"", "it is empty")]
#[case::text(b"#!/bin/sh\n", "it begins as neither does")]
#[case::cut(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0], "it ends within its header")]
#[case::another_compression(b"BZh91AY&SY", "it is compressed by bzip2")]
fn what_is_no_capture_is_refused(#[case] bytes: &[u8], #[case] expected: &str) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    match Run::new(file.path(), "/no/program").go() {
        Err(RunError::Capture(error)) => assert!(error.to_string().contains(expected), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_served_run_on_a_capture_without_packets_ends() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&pcap::raw_ip(&[])).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let run = Run::serving(file.path(), directory.path().join("socket")).patience(Duration::from_millis(50));
    assert_eq!(run.go().unwrap().summary.records, 0);
}

#[test]
fn a_program_that_connects_late_to_a_served_run_has_the_whole_patience() {
    const PATIENCE: Duration = Duration::from_secs(2);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // The first record has no packet, so it is never fed.
    file.write_all(&pcap::raw_ip(&[vec![0x55], packet()])).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let run = Run::serving(file.path(), &socket).patience(PATIENCE);
    let summary = std::thread::scope(|scope| {
        let running = scope.spawn(|| run.go().unwrap().summary);
        sleep(PATIENCE + PATIENCE / 10);
        let handle = Handle::new(Unix::open(&socket, Family::Ipv4).unwrap());
        handle.set_mode(CopyMode::Packet, 0).unwrap();
        let mut buffer = [0; 2048];
        let Ok(Message::Packet(queued)) = handle.read(&mut buffer, Wait::Forever) else {
            panic!("the packet was to come");
        };
        sleep(PATIENCE / 10);
        handle.set_verdict(queued.packet_id(), Verdict::Accept, None).unwrap();
        running.join().unwrap()
    });
    assert_eq!(summary.accepted, 1);
}

#[test]
fn standard_input_is_not_read_to_its_end_because_of_a_file_named_like_it() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("-"), pcap::raw_ip(&[])).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-sim"))
        .args(["run", "--pcap", "-", "--", "true"])
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = command.stdin.take().unwrap();
    input.write_all(&pcap::raw_ip(&[packet()])).unwrap();
    // The input stays open, so the run ends only if it does not wait for more.
    let deadline = Instant::now() + Duration::from_secs(30);
    while command.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            command.kill().unwrap();
            panic!("the run was to end");
        }
        sleep(Duration::from_millis(10));
    }
}
