//! The nfqueue transport on the kernel that this runs on, with a handle above it as programs have.
//!
//! Each test runs in a child process with a network namespace of its own (and a user namespace, if
//! it is not root). So it needs no privilege and leaves nothing behind. Where the system forbids
//! that, the test is skipped with the reason; with `IPQ_REQUIRE_REAL=1` in the environment it
//! fails.

/// Lists the tests of a module by their names.
#[cfg(target_os = "linux")]
macro_rules! tests {
    [$($name:ident,)*] => {
        pub(crate) const TESTS: &[crate::namespace::Test] = &[$((stringify!($name), $name)),*];
    };
}

#[cfg(target_os = "linux")]
mod answers;
#[cfg(target_os = "linux")]
mod attaching;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod many;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
mod packets;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod several_queues;
#[cfg(target_os = "linux")]
mod verdicts;

#[cfg(target_os = "linux")]
fn main() {
    let tests = [
        packets::TESTS,
        verdicts::TESTS,
        answers::TESTS,
        attaching::TESTS,
        limits::TESTS,
        many::TESTS,
        several_queues::TESTS,
    ]
    .concat();
    if let Some(name) = std::env::var_os(namespace::CHILD) {
        namespace::run_in_child(&name.to_string_lossy(), &tests);
        return;
    }
    let trials = tests.iter().map(|(name, _)| namespace::trial(name)).collect();
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), trials).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}
