//! Programs for nfnetlink's queues as they stand, with the client libraries that people use, started by the command without a
//! privilege on a capture of 240 packets. Each decides alike, by the number in a packet: see `nfqueue/decide.h`.
//!
//! Skipped, with the reason, where a library or a tool is missing. `IPQ_PYTHON` names an interpreter that has the packages of
//! `NetfilterQueue` and `fnfqueue`, such as that of a virtual environment.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/launching.rs"]
mod launching;
#[path = "support/pcap.rs"]
mod pcap;

use c_library::{SCRATCH, can_not, have, succeed};
use etherparse::PacketBuilder;
use launching::{can_launch, unprivileged};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKETS: u32 = 240;

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nfqueue").join(name)
}

/// The packet of that number: UDP between hosts of many addresses, with the number first in its payload.
fn packet(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(20 + number as usize * 37 % 1400, number as u8);
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, number as u8 % 7], [10, 0, 1, 2], 64)
        .udp(4000, 53)
        .write(&mut bytes, &payload)
        .unwrap();
    bytes
}

/// Where the files of one test are: a place that anybody may write to.
fn place(name: &str) -> PathBuf {
    let place = Path::new(SCRATCH).join(format!("nfqueue-{name}"));
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o777)).unwrap();
    place
}

const FILE_HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;

fn write_capture(path: &Path, packets: &[Vec<u8>]) {
    let records = packets
        .iter()
        .flat_map(|packet| pcap::record([1_700_000_000, 0], packet, 0));
    let bytes: Vec<u8> = pcap::header(pcap::RAW_IP).into_iter().chain(records).collect();
    std::fs::write(path, bytes).unwrap();
}

/// The packets of a capture in this machine's byte order.
fn read_capture(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).unwrap();
    let mut rest = &file[FILE_HEADER_BYTES.min(file.len())..];
    let mut packets = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(RECORD_HEADER_BYTES) {
        let length = u32::from_ne_bytes(header[8..12].try_into().unwrap()) as usize;
        packets.push(after[..length].to_vec());
        rest = &after[length..];
    }
    packets
}

/// What a run left.
struct Ran {
    errors: String,
    status: Option<i32>,
    /// The packets that got through.
    out: Vec<Vec<u8>>,
    /// By record of the capture: the fate, and the mark that was set last.
    log: Vec<(String, Option<u32>)>,
}

/// Runs the command on packets.
fn run(name: &str, packets: &[Vec<u8>], arguments: &[&str], program: &[&str]) -> Ran {
    let place = place(name);
    let file = |name| place.join(name);
    write_capture(&file("in.pcap"), packets);
    let output = unprivileged(env!("CARGO_BIN_EXE_ipq-sim"))
        .args(["run", "--patience", "20", "--pcap"])
        .arg(file("in.pcap"))
        .arg("--out")
        .arg(file("out.pcap"))
        .arg("--log")
        .arg(file("log.jsonl"))
        .args(arguments)
        .arg("--")
        .args(program)
        .current_dir(&place)
        .output()
        .unwrap();
    let log = std::fs::read_to_string(file("log.jsonl")).unwrap_or_default();
    let log = log.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let verdicts = line["verdicts"].as_array().into_iter().flatten();
        let mark = verdicts.filter_map(|verdict| verdict["mark"].as_u64()).next_back();
        (
            line["fate"].as_str().unwrap_or_default().to_owned(),
            mark.map(|mark| mark as u32),
        )
    });
    Ran {
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code(),
        out: read_capture(&file("out.pcap")),
        log: log.collect(),
    }
}

fn all_packets() -> Vec<Vec<u8>> {
    (0..PACKETS).map(packet).collect()
}

/// Of four packets the first is dropped, the second let through, the third marked, and the fourth changed.
fn assert_decided(ran: &Ran) {
    let Ran {
        errors,
        status,
        out,
        log,
    } = ran;
    let decided = (0..PACKETS).map(|number| match number % 4 {
        0 => ("dropped: by verdict".to_owned(), None),
        2 => ("accepted".to_owned(), Some(number)),
        _ => ("accepted".to_owned(), None),
    });
    assert_eq!(*log, decided.collect::<Vec<_>>(), "{errors}");
    let through = (0..PACKETS).filter(|number| number % 4 != 0).map(|number| {
        let mut packet = packet(number);
        if number % 4 == 3 {
            *packet.last_mut().unwrap() ^= 0xff;
        }
        packet
    });
    assert_eq!(*out, through.collect::<Vec<_>>(), "{errors}");
    assert!(
        errors.contains("kernel: linux-6.18-x86_64, since the program opened"),
        "{errors}"
    );
    assert_eq!(*status, Some(0), "{errors}");
}

/// A program in C with `libnetfilter_queue`; none if it can't be compiled here.
fn compiled(name: &str) -> Option<String> {
    if !have(&[]) || !can_launch() {
        return None;
    }
    let libraries = ["libnetfilter_queue", "libmnl"];
    if let Some(reason) = can_not("pkg-config", &[&["--exists"][..], &libraries].concat()) {
        eprintln!("skipped: {reason}");
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
        assert_decided(&ran);
        let told = format!("packets went to queue {queue}, which it listened to");
        assert!(ran.errors.contains(&told), "{}", ran.errors);
    }
}

#[test]
fn a_verdict_on_several_packets_is_each_ones() {
    if let Some(program) = compiled("old") {
        let ran = run("batch", &all_packets(), &[], &[&program, "3", "batch"]);
        let marked = (0..PACKETS).map(|number| ("accepted".to_owned(), Some(number | 7)));
        assert_eq!(ran.log, marked.collect::<Vec<_>>(), "{}", ran.errors);
        assert_eq!(ran.out, all_packets());
        assert_eq!(ran.status, Some(0), "{}", ran.errors);
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

#[test]
fn a_program_that_listens_to_another_queue_than_asked_for_is_told_of() {
    if let Some(program) = compiled("mnl") {
        let ran = run("deaf", &all_packets(), &["--queue-num", "9"], &[&program, "5"]);
        let told = "nobody listened to any packet: the program does not listen to queue 9";
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
        assert_decided(&ran);
    }
}

#[rstest]
#[case("netfilterqueue")]
#[case("fnfqueue")]
fn a_program_in_python_decides(#[case] package: &str) {
    let python = std::env::var("IPQ_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned());
    let import = format!("import {package}");
    let can = unprivileged(&python).args(["-c", &import]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no package {package}; IPQ_PYTHON names another interpreter");
        return;
    }
    if can_launch() {
        let script = source(&format!("{package}_filter.py"));
        let ran = run(package, &all_packets(), &[], &[&python, script.to_str().unwrap(), "4"]);
        assert_decided(&ran);
    }
}
