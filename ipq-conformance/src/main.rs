//! The conformance suite as a program: see `ipq-conformance --help`.

#[cfg(target_os = "linux")]
use ipq_conformance::{cli, vm, worlds};
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        vm::run_if_first_process();
        worlds::serve_if_asked();
    }
    cli::main(&worlds::all())
}
