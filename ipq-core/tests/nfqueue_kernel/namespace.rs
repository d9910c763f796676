//! A child process in a network namespace of its own.

use crate::netlink;
use libtest_mimic::{Completion, Failed, Trial};
use rustix::thread::UnshareFlags;
use std::process::{Command, Stdio};

/// A test, and its name.
pub(crate) type Test = (&'static str, fn());

/// The environment variable that names the one test that a child runs.
pub(crate) const CHILD: &str = "IPQ_TEST_IN_NAMESPACE";

/// What a child exits with if it can't have a namespace.
const FORBIDDEN: i32 = 77;

/// A test by its name, run in a child.
pub(crate) fn trial(name: &'static str) -> Trial {
    Trial::ignorable_test(name, move || {
        let output = Command::new(std::env::current_exe()?)
            .env(CHILD, name)
            .stdin(Stdio::null())
            .output()?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match output.status.code() {
            Some(0) => Ok(Completion::Completed),
            Some(FORBIDDEN) if std::env::var_os("IPQ_REQUIRE_REAL").is_none_or(|value| value != "1") => {
                Ok(Completion::ignored_with(said.concat().trim().to_owned()))
            }
            _ => Err(Failed::from(said.concat())),
        }
    })
}

/// Runs the named one of `tests`, as the only thread of this process.
pub(crate) fn run_in_child(name: &str, tests: &[Test]) {
    let (_, test) = tests
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a test of this name");
    let mut namespaces = UnshareFlags::NEWNET;
    if !rustix::process::geteuid().is_root() {
        namespaces |= UnshareFlags::NEWUSER;
    }
    #[expect(
        deprecated,
        reason = "what is unsafe about it is unsharing descriptors, and they stay shared"
    )]
    let standing = rustix::thread::unshare(namespaces).map_err(|error| format!("no network namespace: {error}"));
    if let Err(reason) = standing.and_then(|()| netlink::probe()) {
        println!("this system forbids or lacks what a queue of one's own needs: {reason}");
        std::process::exit(FORBIDDEN);
    }
    netlink::set_up("lo", true);
    test();
}
