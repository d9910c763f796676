//! Runs tests that need a laboratory each: a network namespace with devices and rules. Each test
//! has a process of its own, since that process enters the namespace.
//!
//! Where the system allows no laboratory the tests are skipped, with the reason.
//! `IPQ_REQUIRE_REAL=1` makes that a failure.

use ipq_conformance::laboratory::LaboratoryError;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::{Command, ExitCode, Termination};

/// The argument that makes this program run one test. The test's name follows.
const ONE: &str = "--in-a-laboratory";
/// The exit status of a test's process if the system allows no laboratory.
const NOT_HERE: i32 = 77;

/// A test: its name and its function. It passes if the function does not panic, and returns a value
/// that means success as the result of a program's `main`, such as `()` or `Ok(())`.
pub(crate) type Test<L, R = ()> = (&'static str, fn(&mut L) -> R);

/// Runs `tests`, each in a process of its own with the laboratory that `set_up` makes, and runs
/// `others` beside them in this process. Such a process is this program with the argument [`ONE`]:
/// it runs one test alone. Returns the exit status of the program.
pub(crate) fn main<L, R: Termination>(
    set_up: fn() -> Result<L, LaboratoryError>,
    tests: &[Test<L, R>],
    others: Vec<Trial>,
) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(ONE) {
        return run_one(set_up, tests, &arguments.next().unwrap_or_default());
    }
    let names = tests.iter().map(|(name, _)| *name);
    let trials = names.map(|name| Trial::ignorable_test(name, move || in_a_process(name)));
    libtest_mimic::run(&Arguments::from_args(), trials.chain(others).collect()).exit_code()
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

fn run_one<L, R: Termination>(
    set_up: fn() -> Result<L, LaboratoryError>,
    tests: &[Test<L, R>],
    name: &str,
) -> ExitCode {
    let test = tests.iter().find(|(known, _)| *known == name);
    let (_, test) = test.expect("a test has this name");
    match set_up() {
        Ok(mut laboratory) => test(&mut laboratory).report(),
        Err(error) if error.is_of_the_system() => {
            eprint!("{error}");
            std::process::exit(NOT_HERE)
        }
        Err(error) => panic!("{error}"),
    }
}
