//! Tests that each run in two worlds: on an emulated kernel, in memory, and on the kernel of this
//! machine.
//!
//! `two_worlds/programs.rs` has each test once, for both worlds: the transport is generic over its
//! socket. On this machine's kernel each test has a process and a network namespace of its own.

#[path = "two_worlds/emulator.rs"]
mod emulator;
#[path = "two_worlds/programs.rs"]
mod programs;

#[cfg(target_os = "linux")]
#[path = "support/in_a_laboratory.rs"]
mod in_a_laboratory;
#[cfg(target_os = "linux")]
#[path = "two_worlds/kernel.rs"]
mod kernel;

use emulator::Emulator;
use libtest_mimic::Trial;
use std::process::ExitCode;

fn main() -> ExitCode {
    let in_memory = programs::tests::<Emulator>().map(|(name, test)| {
        let body = move || {
            test(&mut Emulator::default());
            Ok(())
        };
        Trial::test(format!("{name}-in-memory"), body)
    });
    let in_memory = in_memory.into();
    #[cfg(target_os = "linux")]
    return in_a_laboratory::main(kernel::Kernel::set_up, &programs::tests(), in_memory);
    #[cfg(not(target_os = "linux"))]
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), in_memory).exit_code()
}
