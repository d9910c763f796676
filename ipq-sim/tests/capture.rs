//! Captures that are none, or damaged: refused with a reason, whatever is wrong with them.

#![cfg(target_os = "linux")]

use ipq_sim::programs::run::{Run, RunError};
use rstest::rstest;
use std::io::Write as _;

/// A section header of a pcapng file.
const SECTION: [u8; 28] = [
    0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 28, 0, 0, 0,
];

/// What is wrong with the capture `bytes`.
fn refusal(bytes: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    match Run::new(file.path(), "/no/program").go() {
        Err(RunError::Capture(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::nothing(&[0, 0, 0, 0])]
#[case::little_endian(&[4, 0, 0, 0])]
#[case::big_endian(&[0, 0, 0, 11])]
fn a_block_that_states_fewer_bytes_than_a_block_has_is_refused(
    #[case] length: &[u8],
    #[values(1, 3, 6, 0x8000_0001, 99)] block_type: u32,
) {
    let damaged = [&SECTION[..], &block_type.to_le_bytes(), length, &[0; 40]].concat();
    let refusal = refusal(&damaged);
    assert!(refusal.contains("fewer bytes than every block has"), "{refusal}");
}
