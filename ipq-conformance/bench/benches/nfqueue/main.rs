//! The cost of a packet for the thread that listens to an nfnetlink queue: by `ipq-core`, by
//! `libnetfilter_queue`, by the crate `nfq`, and by the system calls alone.
//!
//! `cargo bench -p ipq-bench --bench nfqueue`. It uses this machine's kernel, with two devices in a
//! network namespace of its own, so it needs no privilege where users may make namespaces. Frames
//! arrive at one device, are queued while they are forwarded, and have to leave by the other. Each
//! listener is a process of its own with one thread that stays on one processor. All ask for the
//! same queue length and the same receive buffer, and get the same packets. The listeners take
//! turns: after each run of one, the next one runs. The bench also measures whole round trips of a
//! packet on one thread, on this kernel and on emulated ones.

#![allow(
    clippy::cast_precision_loss,
    reason = "numbers of packets and nanoseconds are far below where an f64 rounds"
)]

#[cfg(target_os = "linux")]
mod crate_nfq;
#[cfg(target_os = "linux")]
mod emulator;
#[cfg(target_os = "linux")]
mod floor;
#[cfg(target_os = "linux")]
mod ipq;
#[cfg(target_os = "linux")]
mod library;
#[cfg(target_os = "linux")]
mod listener;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod task;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use clap::Parser;
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, listen, name, meta, replace] = &arguments[..]
        && listen == measure::LISTEN
    {
        return listener::serve(name, format!("{meta} {replace}").parse()?);
    }
    measure::main(&measure::Arguments::parse())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the kernels that have these queues are Linux");
}
