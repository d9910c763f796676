//! The C library on the kernel that this runs on, through its nfnetlink queues: each test in a
//! laboratory of its own, so in a process of its own.
//!
//! Where there is no C compiler, or the system allows no laboratory, the tests are skipped, with
//! the reason; `IPQ_REQUIRE_C=1` and `IPQ_REQUIRE_REAL=1` make that a failure.

#[cfg(target_os = "linux")]
#[path = "c_library/linux.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}
