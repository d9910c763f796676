//! Tests of the C library on the nfnetlink queues of the kernel that they run on. Each test has a
//! laboratory of its own, and so a process of its own.
//!
//! Where `make`, `pkg-config` or a C compiler is missing, or the system allows no laboratory, the
//! tests are skipped, with the reason. `IPQ_REQUIRE_C=1` and `IPQ_REQUIRE_REAL=1` make that a
//! failure.

#[cfg(target_os = "linux")]
#[path = "c_library/linux.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
