//! Compares the emulator's `nfnetlink_queue` with that of the kernel that the tests run on. Both
//! get the same messages and packets. Answers, packet messages, errors of calls, frames that leave,
//! and lines of the /proc text, if it can be read, have to be equal, byte for byte except for the
//! times of packets.
//!
//! Each test runs in a process of its own, which enters a laboratory: a new network namespace with
//! devices and rules. Where the system does not allow that, the tests are skipped, with the reason.
//! `IPQ_REQUIRE_REAL=1` makes that a failure. `IPQ_SEQUENCES` is the number of generated sequences,
//! and `IPQ_SEED` is their seed.

#[cfg(target_os = "linux")]
#[path = "nfnetlink_queue/linux.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
