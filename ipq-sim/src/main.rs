//! `ipq-sim`: runs programs that are written for packet queues on the packets of a capture, or
//! serves an emulated kernel to programs that are started elsewhere.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod command;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    command::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("ipq-sim: programs are run on Linux only");
    std::process::exit(2);
}
