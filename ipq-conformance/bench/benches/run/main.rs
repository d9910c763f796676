//! The cost of a packet under `ipq-sim run`, beside an older `ipq-sim`, and beside the same program
//! on this kernel's queue.
//!
//! `cargo bench -p ipq-bench --bench run`, and `-- --before PATH --before-library DIR` for an older
//! command with the libipq that belongs to it. The program is the accept loop of libipq(3) in C,
//! and beside it one with the old interface of `libnetfilter_queue`. `ipq-sim run` has its default
//! options, but for one contender that has `--out` and `--log`. Each contender runs once in each
//! pass, so that the machine's other load affects all of them alike. A contender that can't be
//! measured is skipped with its reason.

#![allow(
    clippy::cast_precision_loss,
    reason = "numbers of packets and nanoseconds are far below where an f64 rounds"
)]

#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
mod clocks;
#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
#[path = "../nfqueue/sys.rs"]
mod sys;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use clap::Parser;
    measure::main(&measure::Arguments::parse())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("skipped: programs are run on Linux only");
}
