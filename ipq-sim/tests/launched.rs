//! Tests unchanged programs, most of them started by the command without privileges: each kind of
//! program gets its emulated socket from the system, without help of its own.
//!
//! A test is skipped, with the reason, if a tool that it needs is missing, or if programs can't be
//! launched by seccomp. With `IPQ_REQUIRE_C=1` it fails instead if `make`, `pkg-config` or `cc`
//! does not work.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/launching.rs"]
mod launching;
#[path = "support/pcap.rs"]
mod pcap;

use c_library::{CORE, SCRATCH, compiled, have, missing_optional, missing_optional_compiler, pass, skipped, succeed};
use ipq_core::Family;
use ipq_core::wire::Abi;
use ipq_launcher::{Launched, Watch, launch};
use ipq_sim::programs::run::Run;
use ipq_sim::programs::server::{Remark, Server};
use ipq_sim::{Kernel, Profile};
use launching::{PACKETS, assert_all_accepted, can_launch, capture, run, source, unprivileged};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The arguments for a kernel without `nfnetlink_queue`.
const OF_IP_QUEUE: [&str; 2] = ["--kernel", "3.4.10"];

/// The way in which a program in C is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linked {
    Dynamically,
    Statically,
    StaticallyWithMusl,
}

/// Compiles `kinds.c`, a program that makes all calls on its socket itself, and returns the
/// program's path. Returns `None` if it can't be compiled or launched here.
fn kinds(linked: Linked) -> Option<PathBuf> {
    let flags: &[&str] = match linked {
        Linked::Dynamically => &["-Wl,--as-needed"],
        Linked::Statically => &["-static"],
        Linked::StaticallyWithMusl => &[],
    };
    if !have(flags) || !can_launch() {
        return None;
    }
    match linked {
        Linked::Dynamically | Linked::Statically => Some(compiled(&source("kinds.c"), flags)),
        Linked::StaticallyWithMusl => {
            // The headers are those of the machine's own kernel, which musl lacks.
            let headers = ["-idirafter/usr/include", "-idirafter/usr/include/x86_64-linux-gnu"];
            if skipped(missing_optional_compiler(
                "musl-gcc",
                &[&["-static"], &headers[..]].concat(),
            )) {
                return None;
            }
            let program = Path::new(SCRATCH).join(format!("kinds-musl-{}", std::process::id()));
            let unfinished = program.with_extension(format!("{:?}", std::thread::current().id()));
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
        // The program first asks for a socket of nfnetlink, which would otherwise choose the
        // kernel.
        let output = run(&OF_IP_QUEUE, &[program.to_str().unwrap(), how]);
        assert_all_accepted(&output, "seccomp");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("got EPROTONOSUPPORT"), "{errors}");
    }
}

#[test]
fn a_program_that_hides_is_not_told_to_have_given_up_a_privilege() {
    if let Some(program) = kinds(Linked::Dynamically) {
        let output = run(&OF_IP_QUEUE, &[program.to_str().unwrap(), "hidden"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("prctl"), "{errors}");
    }
}

#[rstest]
#[case::loaded(&[])]
#[case::linked_in(&["-static"])]
fn this_projects_libipq_needs_no_variable_to_find_the_emulator(#[case] flags: &[&str]) {
    if have(flags) && can_launch() {
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
    let imports = "import os, socket, struct, sys; socket.AF_NETLINK";
    if skipped(missing_optional("/usr/bin/python3", &["-c", imports])) {
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
        assert_all_accepted(&run(&OF_IP_QUEUE, &["sh", "-c", &script]), "seccomp");
    }
}

#[test]
fn a_program_has_no_descriptors_but_those_of_the_command() {
    if !have(&[]) || !can_launch() {
        return;
    }
    let script = ["sh", "-c", "ls /proc/$$/fd; :"];
    let [descriptors, expected] = [
        run(&[], &script),
        unprivileged(script[0]).args(&script[1..]).output().unwrap(),
    ]
    .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(expected.lines().any(|descriptor| descriptor == "2"), "{expected}");
    assert_eq!(descriptors, expected);
}

#[test]
fn a_programs_own_verdict_count_and_end_are_seen_with_its_status() {
    if let Some(program) = kinds(Linked::Dynamically) {
        let output = run(&OF_IP_QUEUE, &[program.to_str().unwrap(), "plain", "7"]);
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
        let output = run(
            &[&OF_IP_QUEUE, arguments].concat(),
            &[program.to_str().unwrap(), "plain", "7"],
        );
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
    // The first socket that the program asks for fails with EPROTONOSUPPORT.
    assert!(errors.contains("errno 93"), "{errors}");
    assert_ne!(output.status.code(), Some(0), "{errors}");
}

#[rstest]
fn every_way_to_use_a_socket_goes_as_on_a_kernel(
    #[values(
        "plain",
        "write",
        "vectors",
        "messages",
        "many",
        "poll",
        "ppoll",
        "pselect",
        "epoll",
        "edge",
        "drain",
        "fionbio",
        "peek",
        "threads",
        "reader",
        "time-out",
        "alarm",
        "connected",
        "pass",
        "vfork",
        "spawn",
        "close-range",
        "double-fork",
        "others",
        "dup2",
        "several"
    )]
    how: &str,
    #[values(&[], &["--in-flight", "1"], &["--rate", "2000"])] fed: &[&str],
) {
    if have(&[]) && can_launch() {
        let program = compiled(&source("ways.c"), &["-Wl,--as-needed"]);
        let output = run(fed, &[program.to_str().unwrap(), how, &PACKETS.to_string()]);
        assert_all_accepted(&output, "seccomp");
    }
}

#[test]
fn a_program_in_go_which_makes_its_own_system_calls_is_given_its_socket() {
    if skipped(missing_optional("go", &["version"])) || !have(&[]) || !can_launch() {
        return;
    }
    let program = Path::new(SCRATCH).join("queue-go");
    succeed(
        Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/queue.go"))
            .env("CGO_ENABLED", "0")
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "")
            .env("GOCACHE", Path::new(SCRATCH).join("go-cache")),
    );
    assert_all_accepted(&run(&[], &[program.to_str().unwrap()]), "seccomp");
}

#[rstest]
#[case::that_opens_any_protocol("2.6.18", 0, Remark::NoQueue(Family::Ipv6))]
#[case::that_has_unloaded_it("3.4.10", 93, Remark::NotLoaded(Family::Ipv6))]
#[case::that_has_numbered_queues("6.18", 93, Remark::IpQueue)]
fn a_socket_for_a_queue_that_the_kernel_lacks_gets_one_remark(
    #[case] kernel: &str,
    #[case] status: i32,
    #[case] remark: Remark,
) {
    if !have(&[]) || !can_launch() {
        return;
    }
    let profile = Profile::nearest(kernel, "x86_64", Abi::NATIVE).unwrap().profile;
    let mut kernel = Kernel::builder().profile(profile).build().unwrap();
    kernel.unload(Family::Ipv6);
    let mut server = Server::new().unwrap();
    let mut program = Command::new(compiled(&source("open.c"), &["-Wl,--as-needed"]));
    program.arg("13");
    let watch = Watch {
        protocols: vec![3, 12, 13],
        ..Watch::default()
    };
    let Launched { mut child, listener } = launch(program, &watch).unwrap();
    server.launch(listener).unwrap();
    while !server.launched_has_ended() {
        server
            .turn(&mut kernel, Some(Duration::from_millis(10)), &mut |_| {})
            .unwrap();
    }
    assert_eq!(server.remarks(), BTreeSet::from([remark]));
    assert_eq!(child.wait().unwrap().code(), Some(status));
}

#[test]
fn programs_that_come_one_after_the_other_leave_one_file_however_many_packets_are_in_flight() {
    if !have(&[]) || !can_launch() {
        return;
    }
    let program = compiled(&source("ways.c"), &["-Wl,--as-needed"]);
    // Each program is given packets ahead, and ends after its third verdict.
    let all = format!(
        "for n in 1 2 3 4 5 6 7 8 9; do {} plain 3 || exit 1; done",
        program.display()
    );
    let mut files = BTreeSet::new();
    for (number, in_flight) in [&["--in-flight", "1"][..], &["--in-flight", "8"], &[]]
        .repeat(5)
        .iter()
        .enumerate()
    {
        // The command may run as another user, so the file is where any user may write.
        let out = std::env::temp_dir().join(format!("one-file-{}-{number}.pcapng", std::process::id()));
        let arguments = [in_flight, &["--out", out.to_str().unwrap()][..]].concat();
        let output = run(&arguments, &["sh", "-c", &all]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("        27  accepted\n"), "{errors}");
        files.insert(std::fs::read(&out).unwrap());
        std::fs::remove_file(&out).unwrap();
    }
    assert_eq!(files.len(), 1);
}

#[rstest]
#[case::of_ip_queue("3", Profile::LINUX_3_4_10_X86_64)]
#[case::of_nfnetlink("12", Profile::LINUX_6_18_X86_64)]
fn a_kernel_for_ip_queue_leaves_the_one_that_was_set_for_nfnetlink(#[case] protocol: &str, #[case] kernel: Profile) {
    if !have(&[]) || !can_launch() {
        return;
    }
    let report = Run::new(capture(), compiled(&source("open.c"), &[]))
        .argument(protocol)
        .profile(Profile::LINUX_6_18_X86_64)
        .ip_queue_profile(Profile::LINUX_3_4_10_X86_64)
        .go()
        .unwrap();
    assert_eq!(report.kernel.profile, kernel.name);
}
