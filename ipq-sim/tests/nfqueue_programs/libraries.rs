//! Tests programs with client libraries for nfnetlink's queues. In most of the tests they decide by
//! the number in a packet: see `programs/decide.h`.

use crate::c_library::{SCRATCH, can_not, have, succeed};
use crate::launching::{can_launch, unprivileged};
use crate::running::{PACKETS, Ran, accepted, all_packets, dropped, packet, run, source};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Asserts what the programs decide. Of four packets the first is dropped, the second let through,
/// the third marked if `marks`, and the fourth changed in its last byte.
fn assert_decided(ran: &Ran, marks: bool) {
    let fates = (0..PACKETS).map(|number| match number % 4 {
        0 => dropped(),
        2 if marks => accepted(Some(number)),
        _ => accepted(None),
    });
    let through = (0..PACKETS).filter(|number| number % 4 != 0).map(|number| {
        let mut packet = packet(number);
        if number % 4 == 3 {
            *packet.last_mut().unwrap() ^= 0xff;
        }
        packet
    });
    ran.assert(&fates.collect::<Vec<_>>(), &through.collect::<Vec<_>>());
}

/// Returns the path of a program in C, compiled with `libnetfilter_queue` and `libmnl` from the
/// source of that name. Returns `None` if a tool or library is missing, or if it can't be launched
/// here.
pub(crate) fn compiled(name: &str) -> Option<String> {
    if !have(&[]) || !can_launch() {
        return None;
    }
    let libraries = ["libnetfilter_queue", "libmnl"];
    if let Some(reason) = can_not("pkg-config", &[&["--exists"][..], &libraries].concat()) {
        eprintln!("skipped: {reason}: apt-get install libnetfilter-queue-dev libmnl-dev");
        return None;
    }
    let flags = succeed(Command::new("pkg-config").args(["--cflags", "--libs"]).args(libraries));
    let program = Path::new(SCRATCH).join(format!("nfqueue-{name}-program"));
    let unfinished = program.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
    succeed(
        Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-g", "-o"])
            .arg(&unfinished)
            .arg(source(&format!("{name}.c")))
            .args(String::from_utf8_lossy(&flags.stdout).split_whitespace()),
    );
    std::fs::rename(unfinished, &program).unwrap();
    Some(program.to_str().unwrap().to_owned())
}

#[rstest]
#[case::first("old", "0")]
#[case::another("old", "65535")]
#[case::first_with_libmnl("mnl", "0")]
#[case::another_with_libmnl("mnl", "7")]
fn a_program_with_libnetfilter_queue_decides(#[case] source: &str, #[case] queue: &str) {
    if let Some(program) = compiled(source) {
        let ran = run(&format!("{source}-{queue}"), &all_packets(), &[], &[&program, queue]);
        assert_decided(&ran, true);
        let told = format!("packets went to queue {queue}, which it listened to");
        assert!(ran.errors.contains(&told), "{}", ran.errors);
    }
}

#[test]
fn a_verdict_on_several_packets_is_each_ones() {
    if let Some(program) = compiled("old") {
        let ran = run("batch", &all_packets(), &[], &[&program, "3", "batch"]);
        let marked = (0..PACKETS).map(|number| accepted(Some(number | 7)));
        ran.assert(&marked.collect::<Vec<_>>(), &all_packets());
    }
}

#[rstest]
#[case::one_at_a_time(&["--in-flight", "1"])]
#[case::an_older_kernel(&["--kernel", "linux-6.1-x86_64", "--queue-num", "5"])]
fn what_is_decided_does_not_depend_on_how_packets_are_fed(#[case] arguments: &[&str]) {
    if let Some(program) = compiled("mnl") {
        let name = arguments.concat();
        let ran = run(&name, &all_packets(), arguments, &[&program, "5"]);
        assert_eq!(ran.log.len(), PACKETS as usize, "{}", ran.errors);
        assert_eq!(ran.out.len(), PACKETS as usize * 3 / 4, "{}", ran.errors);
        assert_eq!(ran.status, Some(0), "{}", ran.errors);
    }
}

/// Returns the expected fate and mark of a packet: as `mnl.c` decides, or passed for this reason if
/// the program does not see the packet.
fn fate(number: u32, is_decided: bool, reason: &str) -> (String, Option<u32>) {
    match number % 4 {
        _ if !is_decided => (format!("passed: {reason}"), None),
        0 => dropped(),
        2 => accepted(Some(number)),
        _ => accepted(None),
    }
}

#[rstest]
#[case::addresses(&["-s 10.0.0.3 -j NFQUEUE --queue-num 5"], |host| host == 3)]
#[case::ports(&["-p udp -m multiport --dports 80,53 ! -s 10.0.0.1/32 -j NFQUEUE --queue-num 5"], |host| host != 1)]
#[case::other_ports(&["-p udp --sport 53 -j NFQUEUE --queue-num 9", "-i eth0 -j NFQUEUE --queue-num 5"], |_| true)]
#[case::bypass(
    &["-s 10.0.0.2 -j NFQUEUE --queue-num 9 --queue-bypass", "-p udp --dport 53 -j NFQUEUE --queue-num 5"],
    |host| host != 2
)]
#[case::marks(&["-s 10.0.0.4/30 -j MARK --set-mark 7", "-m mark --mark 7 -j NFQUEUE --queue-num 5"], |host| host >= 4)]
fn rules_choose_the_packets_that_are_queued(#[case] rules: &[&str], #[case] is_decided: fn(u32) -> bool) {
    let Some(program) = compiled("mnl") else { return };
    let name = rules.concat().replace(['/', ' '], "");
    let arguments: Vec<_> = rules.iter().flat_map(|rule| ["--rule", rule]).collect();
    let ran = run(&name, &all_packets(), &arguments, &[&program, "5"]);
    let reason = if name.contains("bypass") {
        "no listener (--queue-bypass)"
    } else {
        "no rule queued it"
    };
    let fates = (0..PACKETS).map(|number| fate(number, is_decided(number % 7), reason));
    assert_eq!(ran.log, fates.collect::<Vec<_>>(), "{}", ran.errors);
    assert_eq!(ran.status, Some(0), "{}", ran.errors);
}

#[rstest]
#[case(
    "-p udp --dprt 53 -j NFQUEUE",
    "the rule '-p udp --dprt 53 -j NFQUEUE': a rule has no --dprt here: it may have -A,"
)]
#[case("-o eth1 -j NFQUEUE", "a packet at INPUT has no device for -o")]
fn a_rule_that_is_none_is_refused_before_anything_is_started(#[case] rule: &str, #[case] expected: &str) {
    let ran = run(
        &rule.replace(' ', ""),
        &all_packets(),
        &["--rule", rule],
        &["/nonexistent"],
    );
    assert!(ran.errors.contains(expected), "{}", ran.errors);
    assert_eq!(ran.status, Some(2), "{}", ran.errors);
}

#[test]
fn a_program_that_listens_to_another_queue_than_asked_for_is_told_of() {
    if let Some(program) = compiled("mnl") {
        let ran = run("deaf", &all_packets(), &["--queue-num", "9"], &[&program, "5"]);
        let told = "no packet reached the program: packets went to queue 9, and the program listened to queue 5\n";
        assert!(ran.errors.contains(told), "{}", ran.errors);
        assert_eq!(ran.status, Some(3), "{}", ran.errors);
    }
}

#[test]
fn a_program_without_the_capability_is_refused_with_the_rule() {
    if let Some(program) = compiled("old") {
        let ran = run("capability", &all_packets(), &["--drop-net-admin"], &[&program, "0"]);
        assert!(ran.errors.contains("(NFQ-53, NFQ-23: "), "{}", ran.errors);
        assert_eq!(ran.status, Some(1), "{}", ran.errors);
    }
}

#[test]
fn the_crate_nfq_decides() {
    if can_launch() {
        let example = std::env::current_exe().unwrap();
        let example = example.ancestors().nth(2).unwrap().join("examples/nfq_crate");
        if !example.is_file() {
            eprintln!("skipped: {} is built by a test of the whole package", example.display());
            return;
        }
        let ran = run("crate", &all_packets(), &[], &[example.to_str().unwrap(), "0"]);
        assert_decided(&ran, true);
    }
}

/// Returns the paths of the Python interpreters that may have the packages: the one that
/// `IPQ_PYTHON` names, that of the virtual environment `python` in the target directory, and the
/// system's.
fn interpreters() -> Vec<PathBuf> {
    let named = std::env::var_os("IPQ_PYTHON").map(PathBuf::from);
    let environment = Path::new(SCRATCH)
        .parent()
        .map(|target| target.join("python/bin/python3"));
    let system = PathBuf::from("/usr/bin/python3");
    named.into_iter().chain(environment).chain([system]).collect()
}

/// Returns the path of the first interpreter that can import that version of a package as a user
/// without privileges. Returns `None`, and says that a test is skipped, if there is none.
fn python_with(package: &str, version: &str) -> Option<String> {
    let import = format!("import importlib.metadata as m, {package}; assert m.version({package:?}) == {version:?}");
    let found = interpreters().into_iter().find(|python| {
        let can = unprivileged(&python.to_string_lossy()).args(["-c", &import]).output();
        can.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        eprintln!(
            "skipped: no Python has {package} {version}: python3 -m venv target/python && target/python/bin/pip install \
             NetfilterQueue==1.1.0 fnfqueue==1.1.2 (or IPQ_PYTHON names an interpreter)"
        );
    }
    found?.to_str().map(str::to_owned)
}

#[rstest]
#[case("netfilterqueue", "1.1.0")]
#[case("fnfqueue", "1.1.2")]
fn a_program_in_python_decides(#[case] package: &str, #[case] version: &str) {
    if let Some(python) = python_with(package, version).filter(|_| can_launch()) {
        let script = source(&format!("{package}_filter.py"));
        let ran = run(package, &all_packets(), &[], &[&python, script.to_str().unwrap(), "4"]);
        assert_decided(&ran, true);
    }
}

/// Marks are not expected, since the library can't set any.
#[test]
fn a_program_in_ruby_decides() {
    let ruby = "/usr/bin/ruby";
    let imports = unprivileged(ruby).args(["-e", "require 'nfqueue'"]).output();
    if !imports.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no nfqueue for Ruby: apt-get install ruby-nfqueue");
    } else if can_launch() {
        let script = source("nfqueue_filter.rb");
        let ran = run("ruby", &all_packets(), &[], &[ruby, script.to_str().unwrap(), "6"]);
        assert_decided(&ran, false);
    }
}

/// The `go` command with the libraries of Debian's packages, and without those of the network.
fn go(arguments: &[&str]) -> Command {
    let mut go = Command::new("go");
    go.args(arguments)
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOCACHE", Path::new(SCRATCH).join("go-cache"))
        .env("CGO_ENABLED", "0");
    go
}

/// Returns the path of the filter in Go, compiled. Returns `None` if the library is missing, or if
/// programs can't be launched here.
fn filter_in_go() -> Option<String> {
    let library = go(&["build", "github.com/mdlayher/netlink"]).output();
    if !library.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: there is no Go with github.com/mdlayher/netlink: apt-get install golang-go \
             golang-github-mdlayher-netlink-dev"
        );
        return None;
    }
    if !can_launch() {
        return None;
    }
    let program = Path::new(SCRATCH).join("nfqueue-mdlayher-program");
    let unfinished = program.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
    succeed(go(&["build", "-o"]).arg(&unfinished).arg(source("mdlayher_filter.go")));
    std::fs::rename(unfinished, &program).unwrap();
    Some(program.to_str().unwrap().to_owned())
}

#[test]
fn a_static_program_in_go_decides() {
    if let Some(program) = filter_in_go() {
        let ran = run("go", &all_packets(), &[], &[&program, "8"]);
        assert_decided(&ran, true);
    }
}

#[test]
fn a_packet_before_the_answer_to_a_request_ends_a_program_in_go() {
    if let Some(program) = filter_in_go() {
        let ran = run("go-at-once", &all_packets(), &["--at-once"], &[&program, "8"]);
        let told = "netlink validate: mismatched sequence in netlink reply";
        assert!(ran.errors.contains(told), "{}", ran.errors);
        assert_eq!(ran.status, Some(1), "{}", ran.errors);
    }
}
