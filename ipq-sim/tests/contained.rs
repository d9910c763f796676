//! Tests a system that gives no seccomp listener, as in many containers: another launcher is chosen
//! and named, or the reason is given.
//!
//! A test is skipped, with the reason, if `make`, `pkg-config` or `cc` does not work. With
//! `IPQ_REQUIRE_C=1` it fails instead.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/launching.rs"]
mod launching;
#[path = "support/pcap.rs"]
mod pcap;
#[path = "support/preload.rs"]
mod preload;

use c_library::{LIBRARY, compiled, have, pass};
use launching::{PACKETS, assert_all_accepted, capture, run_line, run_under, source};
use preload::PRELOAD;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A container's filter: the error number with which it refuses seccomp's listener, and that
/// error's text.
#[derive(Clone, Copy, Debug)]
struct Filter {
    errno: &'static str,
    said: &'static str,
}

const REFUSED: Filter = Filter {
    errno: "1",
    said: "Operation not permitted",
};
const UNKNOWN: Filter = Filter {
    errno: "38",
    said: "Function not implemented",
};

impl Filter {
    fn program() -> PathBuf {
        compiled(&source("no_listener.c"), &["-Wl,--as-needed"])
    }

    fn run(self, arguments: &[&str], program: &[&str]) -> Output {
        run_under(&[Self::program().to_str().unwrap(), self.errno], arguments, program)
    }

    /// Asserts that the command says why it did not choose seccomp.
    fn assert_said(self, output: &Output) {
        let errors = String::from_utf8_lossy(&output.stderr);
        let reason = format!("(seccomp can't be had here: {}", self.said);
        let line = errors.lines().next().unwrap_or_default();
        assert!(line.starts_with("launcher: ") && line.contains(&reason), "{errors}");
    }
}

#[rstest]
fn a_program_with_this_projects_libipq_is_sent_by_the_variable(#[values(REFUSED, UNKNOWN)] filter: Filter) {
    if have(&[]) {
        let output = filter.run(&[], &[pass().to_str().unwrap()]);
        assert_all_accepted(&output, "transport");
        filter.assert_said(&output);
    }
}

#[rstest]
fn a_program_of_its_own_has_the_object_loaded(#[values(REFUSED, UNKNOWN)] filter: Filter) {
    if have(&[]) {
        // The object is found beside the command. Any user may read both in this directory.
        let directory = std::env::temp_dir().join(format!("ipq-sim-{}-{}", std::process::id(), filter.errno));
        std::fs::create_dir_all(&directory).unwrap();
        let [command, object] = ["ipq-sim", "libipq_preload.so"].map(|name| directory.join(name));
        std::fs::copy(env!("CARGO_BIN_EXE_ipq-sim"), &command).unwrap();
        std::fs::copy(&*PRELOAD, object).unwrap();
        let program = compiled(&source("ways.c"), &["-Wl,--as-needed"]);
        let filter_program = Filter::program();
        let line = [
            filter_program.to_str().unwrap(),
            filter.errno,
            command.to_str().unwrap(),
        ];
        let count = PACKETS.to_string();
        let program = [program.to_str().unwrap(), "messages", &count];
        let output = run_line(&line, &[], &program);
        std::fs::remove_dir_all(&directory).unwrap();
        assert_all_accepted(&output, "preload");
        filter.assert_said(&output);
    }
}

#[rstest]
fn who_insists_on_seccomp_is_told_why_it_can_not_be(#[values(REFUSED, UNKNOWN)] filter: Filter) {
    if have(&[]) {
        let output = filter.run(&["--launcher", "seccomp"], &[pass().to_str().unwrap()]);
        let errors = String::from_utf8_lossy(&output.stderr);
        let expected = format!("seccomp's user notification can't be had here: {}", filter.said);
        assert!(errors.contains(&expected), "{errors}");
        assert!(errors.contains("use the launcher preload"), "{errors}");
        assert_eq!(output.status.code(), Some(2), "{errors}");
    }
}

#[rstest]
fn programs_that_are_started_elsewhere_are_served_as_anywhere(#[values(REFUSED, UNKNOWN)] filter: Filter) {
    if !have(&[]) {
        return;
    }
    let socket = Path::new(c_library::SCRATCH).join(format!("contained-{}.socket", filter.errno));
    let mut command = Command::new(Filter::program())
        .args([filter.errno, env!("CARGO_BIN_EXE_ipq-sim"), "serve", "--pcap"])
        .arg(capture())
        .arg("--socket")
        .arg(&socket)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !socket.exists() && command.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let mut program = Command::new(pass())
        .env("IPQ_TRANSPORT", format!("unix:{}", socket.display()))
        .env("LD_LIBRARY_PATH", LIBRARY.join("lib"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = command.wait_with_output().unwrap();
    program.wait().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains(&format!("{PACKETS:>10}  accepted\n")), "{errors}");
    assert_eq!(output.status.code(), Some(0), "{errors}");
}
