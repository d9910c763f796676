//! Tests of the laboratory, which is a network namespace with devices and rules, on the kernel that
//! they run on. Each has a process of its own, since that process enters the namespace. One more
//! test runs the suite on that kernel.
//!
//! Where the system allows no laboratory the tests are skipped, with the reason.
//! `IPQ_REQUIRE_REAL=1` makes that a failure.

#[cfg(target_os = "linux")]
#[path = "laboratory/linux.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
