//! Tests that a file that is no capture is refused before anything is run, and that a run on a
//! capture without packets ends.

#![cfg(target_os = "linux")]

#[path = "support/pcap.rs"]
mod pcap;

use ipq_sim::programs::run::{Run, RunError};
use rstest::rstest;
use std::io::Write as _;
use std::time::Duration;

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
