/// Defines `TESTS`, the list of the module's tests: each function with its name.
macro_rules! tests {
    [$($name:ident,)*] => {
        pub(crate) const TESTS: &[super::in_a_laboratory::Test<super::host::Host>] = &[$((stringify!($name), $name)),*];
    };
}

mod answers;
mod attaching;
mod host;
#[path = "../support/in_a_laboratory.rs"]
mod in_a_laboratory;
mod limits;
mod many;
mod packets;
mod program;
mod several_queues;
mod verdicts;

use host::Host;
use std::process::ExitCode;

pub(crate) fn main() -> ExitCode {
    let tests = [
        packets::TESTS,
        verdicts::TESTS,
        answers::TESTS,
        attaching::TESTS,
        limits::TESTS,
        many::TESTS,
        several_queues::TESTS,
    ];
    in_a_laboratory::main(Host::set_up, &tests.concat(), Vec::new())
}
