//! Runs the command without privileges on a small capture.

// Each test target uses a part of this.
#![allow(dead_code)]

use crate::c_library::{LIBRARY, SCRATCH, missing_optional, skipped};
use crate::pcap;
use etherparse::PacketBuilder;
use ipq_sim::programs::run::{Launcher, Run};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The number of packets in the capture.
pub(crate) const PACKETS: usize = 40;

/// Returns the path of a program's source.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name)
}

/// Writes the capture of [`PACKETS`] raw IP packets, and returns its path.
pub(crate) fn capture() -> PathBuf {
    let path = Path::new(SCRATCH).join(format!("launched-{}.pcap", std::process::id()));
    let packets = (0..PACKETS).map(|number| {
        let mut packet = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(1, 2)
            .write(&mut packet, &[number as u8])
            .unwrap();
        packet
    });
    let unfinished = path.with_extension(format!("{:?}", std::thread::current().id()));
    std::fs::write(&unfinished, pcap::raw_ip(&packets.collect::<Vec<_>>())).unwrap();
    std::fs::rename(unfinished, &path).unwrap();
    path
}

/// The command `setpriv` and its arguments, by which the rest of a command line runs as nobody.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Returns a command that runs as a user without privileges: as this user, or as nobody if this
/// user is root.
pub(crate) fn unprivileged(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new(AS_NOBODY[0]);
    command.args(&AS_NOBODY[1..]).arg(program);
    command
}

/// Runs the command `ipq-sim run` on the capture, as [`unprivileged`] does. Returns its output.
pub(crate) fn run(arguments: &[&str], program: &[&str]) -> Output {
    run_under(&[], arguments, program)
}

/// Runs the command as [`run`] does, started by another program: `starter` is that program and its
/// first arguments.
pub(crate) fn run_under(starter: &[&str], arguments: &[&str], program: &[&str]) -> Output {
    let command = env!("CARGO_BIN_EXE_ipq-sim");
    run_line(&[starter, &[command]].concat(), arguments, program)
}

/// Runs `ipq-sim run` on the capture, as [`unprivileged`] does. `starter` is the beginning of the
/// command line, up to the path of `ipq-sim`.
pub(crate) fn run_line(starter: &[&str], arguments: &[&str], program: &[&str]) -> Output {
    unprivileged(starter[0])
        .args(&starter[1..])
        .args(["run", "--patience", "20", "--pcap"])
        .arg(capture())
        .arg("--library")
        .arg(LIBRARY.join("lib"))
        .args(arguments)
        .arg("--")
        .args(program)
        .env_remove("IPQ_TRANSPORT")
        .output()
        .unwrap()
}

/// Returns `true` if programs can be launched by seccomp, without privileges. Otherwise says that a
/// test is skipped.
pub(crate) fn can_launch() -> bool {
    let choice = Run::new(capture(), "true").launcher(Launcher::Seccomp).choice();
    !skipped(choice.err().map(|error| error.to_string())) && can_drop_privileges()
}

/// Returns `true` if this user is not root, or if `setpriv` can run a command as nobody. Otherwise
/// says that a test is skipped.
fn can_drop_privileges() -> bool {
    !rustix::process::geteuid().is_root()
        || !skipped(missing_optional(AS_NOBODY[0], &[&AS_NOBODY[1..], &["true"]].concat()))
}

/// Asserts that every packet got through by that launcher, and that the exit status is 0.
pub(crate) fn assert_all_accepted(output: &Output, launcher: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains(&format!("launcher: {launcher}, ")), "{errors}");
    assert!(errors.contains(&format!("{PACKETS:>10}  accepted\n")), "{errors}");
    assert_eq!(output.status.code(), Some(0), "{errors}");
}
