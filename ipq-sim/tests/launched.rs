//! Programs as they stand, started by the command without a privilege: each kind gets its emulated socket from the system, and
//! nothing is asked of it.
//!
//! Skipped, with the reason, where there is no C compiler or a kind's tool is missing; a failure there with `IPQ_REQUIRE_C=1`.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;

use c_library::{CORE, LIBRARY, SCRATCH, can_not, compiled, have, pass, succeed};
use etherparse::PacketBuilder;
use ipq_sim::programs::run::{Launcher, Run};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PACKETS: usize = 40;

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name)
}

/// A capture of raw IP.
fn capture() -> PathBuf {
    let path = Path::new(SCRATCH).join(format!("launched-{}.pcap", std::process::id()));
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes = words(&[0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 65_535, 101]);
    for number in 0..PACKETS {
        let mut packet = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(1, 2)
            .write(&mut packet, &[number as u8])
            .unwrap();
        let length = packet.len() as u32;
        bytes.extend(words(&[0, 0, length, length]));
        bytes.extend(packet);
    }
    let unfinished = path.with_extension(format!("{:?}", std::thread::current().id()));
    std::fs::write(&unfinished, bytes).unwrap();
    std::fs::rename(unfinished, &path).unwrap();
    path
}

/// Runs the command as a user without any privilege: as nobody, if this is root.
fn run(arguments: &[&str], program: &[&str]) -> Output {
    let command = env!("CARGO_BIN_EXE_ipq-sim");
    let mut run = if rustix::process::geteuid().is_root() {
        let mut run = Command::new("setpriv");
        run.args(["--reuid=65534", "--regid=65534", "--clear-groups", command]);
        run
    } else {
        Command::new(command)
    };
    run.args(["run", "--patience", "20", "--pcap"])
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

/// Whether the system lets programs be launched by seccomp. If not, says that a test is skipped.
fn can_launch() -> bool {
    let choice = Run::new(capture(), "true").launcher(Launcher::Seccomp).choice();
    if let Err(error) = &choice {
        eprintln!("skipped: {error}");
    }
    choice.is_ok()
}

/// Every packet got through, by that launcher, and the program ended well or was ended by the runner.
fn assert_all_accepted(output: &Output, launcher: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains(&format!("launcher: {launcher}, ")), "{errors}");
    assert!(errors.contains(&format!("{PACKETS:>10}  accepted\n")), "{errors}");
    assert_eq!(output.status.code(), Some(0), "{errors}");
}

/// How a program in C is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linked {
    Dynamically,
    Statically,
    StaticallyWithMusl,
}

/// The program that makes all calls itself; none if it can't be compiled here.
fn kinds(linked: Linked) -> Option<PathBuf> {
    if !have(&[]) || !can_launch() {
        return None;
    }
    match linked {
        Linked::Dynamically => Some(compiled(&source("kinds.c"), &["-Wl,--as-needed"])),
        Linked::Statically => Some(compiled(&source("kinds.c"), &["-static"])),
        Linked::StaticallyWithMusl => {
            if let Some(reason) = can_not("musl-gcc", &["--version"]) {
                eprintln!("skipped: {reason}");
                return None;
            }
            let program = Path::new(SCRATCH).join(format!("kinds-musl-{}", std::process::id()));
            let unfinished = program.with_extension(format!("{:?}", std::thread::current().id()));
            // The kernel's headers are those of the machine.
            let headers = ["/usr/include", "/usr/include/x86_64-linux-gnu"].map(|path| format!("-idirafter{path}"));
            succeed(
                Command::new("musl-gcc")
                    .args(["-O1", "-static", "-o"])
                    .arg(&unfinished)
                    .arg(source("kinds.c"))
                    .args(headers),
            );
            std::fs::rename(unfinished, &program).unwrap();
            Some(program)
        }
    }
}

#[rstest]
fn a_program_with_code_of_its_own_is_given_its_socket_however_it_lives(
    #[values(
        "plain",
        "clearenv",
        "close-all",
        "daemon",
        "daemon-after",
        "worker",
        "copy",
        "select",
        "drop",
        "drop-after",
        "chroot",
        "hidden"
    )]
    how: &str,
    #[values(Linked::Dynamically, Linked::Statically, Linked::StaticallyWithMusl)] linked: Linked,
) {
    if let Some(program) = kinds(linked) {
        let output = run(&[], &[program.to_str().unwrap(), how]);
        assert_all_accepted(&output, "seccomp");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("got EPROTONOSUPPORT"), "{errors}");
    }
}

#[rstest]
#[case::loaded(&[])]
#[case::linked_in(&["-static"])]
fn this_projects_libipq_needs_no_variable_to_find_the_emulator(#[case] flags: &[&str]) {
    if have(&[]) && can_launch() {
        let program = match flags {
            [] => pass(),
            flags => compiled(&Path::new(CORE).join("tests/c/pass.c"), flags),
        };
        assert_all_accepted(&run(&[], &[program.to_str().unwrap()]), "seccomp");
        assert_all_accepted(
            &run(&["--launcher", "transport"], &[program.to_str().unwrap()]),
            "transport",
        );
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_program_that_makes_system_calls_of_its_own_is_given_its_socket() {
    if have(&[]) && can_launch() {
        let program = Path::new(SCRATCH).join("own_calls");
        succeed(
            Command::new("cc")
                .args(["-O1", "-nostdlib", "-static", "-fno-stack-protector", "-o"])
                .arg(&program)
                .arg(source("own_calls.c")),
        );
        assert_all_accepted(&run(&[], &[program.to_str().unwrap()]), "seccomp");
    }
}

#[test]
fn a_program_in_python_is_given_its_socket() {
    if let Some(reason) = can_not("/usr/bin/python3", &["--version"]) {
        eprintln!("skipped: {reason}");
        return;
    }
    if !have(&[]) || !can_launch() {
        return;
    }
    let output = run(&[], &["/usr/bin/python3", source("queue.py").to_str().unwrap()]);
    assert_all_accepted(&output, "seccomp");
}

#[test]
fn a_program_behind_a_script_is_given_its_socket() {
    if let Some(program) = kinds(Linked::Dynamically) {
        let script = format!("cd /; {} plain; echo ended >&2", program.display());
        assert_all_accepted(&run(&[], &["sh", "-c", &script]), "seccomp");
    }
}

#[test]
fn a_programs_own_verdict_count_and_end_are_seen_with_its_status() {
    if let Some(program) = kinds(Linked::Dynamically) {
        let output = run(&[], &[program.to_str().unwrap(), "plain", "7"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("         7  accepted\n"), "{errors}");
        assert_eq!(output.status.code(), Some(1), "{errors}");
    }
}

#[test]
fn a_program_that_ends_early_has_the_same_outcome_however_far_ahead_packets_are_fed() {
    let Some(program) = kinds(Linked::Statically) else {
        return;
    };
    let outcome = |arguments: &[&str]| {
        let output = run(arguments, &[program.to_str().unwrap(), "plain", "7"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = errors.lines().filter(|line| !line.starts_with("time per verdict"));
        (told.map(str::to_owned).collect::<Vec<_>>(), output.status.code())
    };
    let expected = outcome(&["--in-flight", "1"]);
    let not_fed = format!("{:>10}  not fed: the run had ended", PACKETS - 7);
    assert!(expected.0.contains(&not_fed), "{expected:?}");
    for arguments in [&["--in-flight", "8"][..], &[], &[], &[]] {
        assert_eq!(outcome(arguments), expected);
    }
}

#[test]
fn a_program_that_the_system_does_not_give_its_socket_is_kept_from_the_machines_queues() {
    let Some(program) = kinds(Linked::Statically) else {
        return;
    };
    let output = run(&["--launcher", "transport"], &[program.to_str().unwrap(), "clearenv"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("launcher: transport, "), "{errors}");
    // The first socket that it asks for.
    assert!(errors.contains("errno 93"), "{errors}");
    assert_ne!(output.status.code(), Some(0), "{errors}");
}
