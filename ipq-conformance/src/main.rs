//! The conformance suite as a program: see `ipq-conformance --help`.

use ipq_conformance::{cli, worlds};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(&worlds::all())
}
