mod emulator;
mod generated;
mod kernel;
mod message;
mod scripted;
mod step;

use ipq_conformance::laboratory::LaboratoryError;
use kernel::Kernel;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::{Command, ExitCode};

/// The argument that makes this program run one test; its name follows.
const ONE: &str = "--in-a-laboratory";
/// The exit status of a process that can't have a laboratory.
const NOT_HERE: i32 = 77;

type Test = fn(&mut Kernel);

fn tests() -> Vec<(&'static str, Test)> {
    let generated: (&str, Test) = ("generated-sequences-do-the-same", generated::do_the_same);
    [generated].into_iter().chain(scripted::TESTS.iter().copied()).collect()
}

pub(crate) fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(ONE) {
        return run_one(&arguments.next().unwrap_or_default());
    }
    let trials = tests().into_iter();
    let trials = trials.map(|(name, _)| Trial::ignorable_test(name, move || in_a_process(name)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn in_a_process(name: &str) -> Result<Completion, Failed> {
    let output = Command::new("/proc/self/exe").args([ONE, name]).output()?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => {
            eprint!("{words}");
            Ok(Completion::Completed)
        }
        Some(NOT_HERE) if std::env::var_os("IPQ_REQUIRE_REAL").is_none_or(|value| value != "1") => {
            Ok(Completion::ignored_with(words))
        }
        _ => Err(format!("{}: {words}", output.status).into()),
    }
}

fn run_one(name: &str) -> ExitCode {
    let tests = tests();
    let (_, test) = tests
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a test has this name");
    match Kernel::set_up() {
        Ok(mut kernel) => {
            test(&mut kernel);
            ExitCode::SUCCESS
        }
        Err(error) if is_of_the_system(&error) => {
            eprint!("{error}");
            std::process::exit(NOT_HERE)
        }
        Err(error) => panic!("{error}"),
    }
}

fn is_of_the_system(error: &LaboratoryError) -> bool {
    error.is_of_the_system()
}
