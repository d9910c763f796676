//! The conformance suite as a program: see `ipq-conformance --help`.

use ipq_conformance::{cli, worlds};
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    worlds::serve_if_asked();
    cli::main(&worlds::all())
}
