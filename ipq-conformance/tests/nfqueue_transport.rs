//! Tests of the transport nfqueue, on the kernel that they run on and mostly through a handle.
//!
//! Each test runs in a process of its own, which enters a laboratory: a new network namespace with
//! devices and rules. Where the system does not allow that, the tests are skipped, with the reason.
//! `IPQ_REQUIRE_REAL=1` makes that a failure.

#[cfg(target_os = "linux")]
#[path = "nfqueue_transport/linux.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
