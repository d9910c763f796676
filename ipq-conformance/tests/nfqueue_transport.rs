//! Tests of the transport nfqueue on the kernel that they run on, with a handle on it as programs
//! have.
//!
//! Each test runs in a process of its own, since it takes over the whole process. Where the system
//! allows no laboratory the tests are skipped, with the reason. `IPQ_REQUIRE_REAL=1` makes that a
//! failure.

#[cfg(target_os = "linux")]
#[path = "nfqueue_transport/linux.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
