mod emulator;
mod generated;
#[path = "../support/in_a_laboratory.rs"]
mod in_a_laboratory;
mod kernel;
mod message;
mod scripted;
mod step;

use in_a_laboratory::Test;
use kernel::Kernel;
use std::process::ExitCode;

pub(crate) fn main() -> ExitCode {
    let generated: Test<Kernel> = ("generated-sequences-do-the-same", generated::do_the_same);
    let tests = [&[generated], scripted::TESTS].concat();
    in_a_laboratory::main(Kernel::set_up, &tests, Vec::new())
}
