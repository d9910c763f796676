//! Compares the emulator's `nfnetlink_queue` with the kernel's. Both get the same messages and
//! packets. Every answer, packet message, frame and line of the /proc text is compared, byte for
//! byte.
//!
//! Each test runs in a process of its own, since it takes over the whole process. Where the system
//! allows no laboratory the tests are skipped, with the reason. `IPQ_REQUIRE_REAL=1` makes that a
//! failure. `IPQ_SEQUENCES` is the number of generated sequences, and `IPQ_SEED` is their seed.

#[cfg(target_os = "linux")]
#[path = "nfnetlink_queue/linux.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
