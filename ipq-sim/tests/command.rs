//! Tests the command `ipq-sim`: what it prints, writes and returns. No test needs a C compiler.

#![cfg(target_os = "linux")]

#[path = "support/pcap.rs"]
mod pcap;

use etherparse::PacketBuilder;
use ipq_core::transport::unix::Unix;
use ipq_core::wire::Message;
use ipq_core::{CopyMode, Family, Handle, PacketId, Verdict, Wait};
use pretty_assertions::assert_eq;
use rustix::net::{self, AddressFamily, RecvFlags, SocketAddrUnix, SocketType};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn ipq_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipq-sim"))
        .args(arguments)
        .output()
        .unwrap()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Writes a capture without packets, and returns its path.
fn empty_capture() -> String {
    capture("empty", &[])
}

/// Writes a capture of raw IP packets, and returns its path.
fn capture(name: &str, packets: &[Vec<u8>]) -> String {
    let path = scratch(&format!("{name}.pcap"));
    std::fs::write(&path, pcap::raw_ip(packets)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn packet(number: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut bytes, &[number])
        .unwrap();
    bytes
}

#[test]
fn an_empty_capture_lets_the_program_run_and_leaves_a_summary_and_files() {
    let [out, log] = ["empty-out.pcap", "empty-log.jsonl"].map(scratch);
    let [out_name, log_name] = [&out, &log].map(|path| path.to_str().unwrap());
    let capture = empty_capture();
    let output = ipq_sim(&[
        "run",
        "--patience",
        "1",
        "--pcap",
        &capture,
        "--out",
        out_name,
        "--log",
        log_name,
        "--",
        "sleep",
        "60",
    ]);
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @r"
    launcher: seccomp, the system gives the program its emulated sockets
    kernel: linux-3.4.10-x86_64, since the program opened no nfnetlink socket (--kernel names another); packets went to no queue
             0  packets in the capture
             0  accepted
             0  still queued
             0  replaced
             0  messages refused
             0  overruns told (ENOBUFS)
    the program never opened a queue in 1s: is it written for ip_queue or nfnetlink_queue, and was it told to begin? (--launcher says how it gets its sockets)
    nothing was fed: the capture has no packets
    ");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read(out).unwrap().len(), 24);
    assert_eq!(std::fs::read(log).unwrap(), b"");
}

#[test]
fn what_can_not_be_done_is_exit_code_2_with_its_reason() {
    let capture = empty_capture();
    for (arguments, reason) in [
        (
            &["run", "--pcap", "nowhere.pcap", "--", "true"][..],
            "nowhere.pcap can't be opened",
        ),
        (
            &["run", "--pcap", &capture, "--", "./no-such-program"],
            "./no-such-program can't be started",
        ),
        (
            &["run", "--pcap", &capture, "--preload", "/nowhere.so", "--", "true"],
            "invalid value '/nowhere.so' for '--preload <OBJECT>': No such file",
        ),
        (
            &["run", "--pcap", &capture, "--preload", "/", "--", "true"],
            "invalid value '/' for '--preload <OBJECT>': is a directory",
        ),
        (
            &["rum", "--pcap", &capture, "--", "true"],
            "tip: a similar subcommand exists: 'run'",
        ),
        (
            &["run", "--pcap", &capture, "--rate", "0", "--", "true"],
            "above 0, or max",
        ),
        (
            &["run", "--pcap", &capture, "--kernel", "linux-6", "--", "true"],
            "the emulator can be Linux 2.4.0 to 2.4.x, 2.6.x, and 3.0 to 3.4",
        ),
        (
            &[
                "run",
                "--pcap",
                &capture,
                "--kernel",
                "linux-3.4.10-i386",
                "--launcher",
                "transport",
                "--",
                "true",
            ],
            "has words of another size than this machine's",
        ),
        (
            &["run", "--pcap", &capture, "--out", "/nowhere/out.pcap", "--", "true"],
            "ipq-sim: /nowhere/out.pcap can't be written: No such file",
        ),
        (
            &["run", "--pcap", "/dev/null", "--", "true"],
            "/dev/null is no pcap or pcapng file: it is empty",
        ),
        (
            &["run", "--pcap", &capture, "--out", &capture, "--", "true"],
            "empty.pcap is the capture that is read: write to another file",
        ),
        (
            &["run", "--pcap", &capture, "--out", "-", "--log", "-", "--", "true"],
            "ipq-sim: - can't hold two outputs: give each a file of its own",
        ),
        (
            &["run", "--pcap", &capture, "--drop-net-admin", "sometimes", "--", "true"],
            "[possible values: always, after-open]",
        ),
        (
            &["run", "--pcap", &capture],
            "required arguments were not provided:\n  <PROGRAM>...",
        ),
        (
            &["run", "--pcap", &capture, "./filter", "-v"],
            "Usage: ipq-sim run [OPTIONS] --pcap <IN.pcap> -- <PROGRAM>...",
        ),
        (
            &["run", "--pcap", &capture, "./filter", "-v"],
            "put -- before the program, as in: ipq-sim run --pcap in.pcap -- ./filter\n",
        ),
        (
            &["serve", "--socket", "unused.socket", "--out", "out.pcap"],
            "required arguments were not provided:\n  --pcap",
        ),
        (
            &["serve", "--socket", "/dev/null"],
            "ipq-sim: programs can't be waited for at /dev/null: Address already in use",
        ),
    ] {
        let output = ipq_sim(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(reason), "{stderr}");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn a_program_that_fails_makes_the_run_fail_and_files_are_written_over_only_then() {
    let log = scratch("written-over.jsonl");
    std::fs::write(&log, "from before").unwrap();
    let log_name = log.to_str().unwrap();
    let output = ipq_sim(&["run", "--pcap", "nowhere.pcap", "--log", log_name, "--", "true"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "from before");

    let one = capture("fails", &[packet(1)]);
    let output = ipq_sim(&["run", "--pcap", &one, "--log", log_name, "--", "sh", "-c", "exit 3"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.ends_with("the program ended before every packet had a verdict: exit status: 3\n"),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        std::fs::read_to_string(&log)
            .unwrap()
            .contains(r#""fate":"not fed: the run had ended""#)
    );
}

#[test]
fn more_connections_than_descriptors_are_closed_and_those_that_there_are_go_on() {
    let socket = scratch("few-descriptors.socket");
    let limited = format!(
        "ulimit -n 40; exec {} serve --socket {}",
        env!("CARGO_BIN_EXE_ipq-sim"),
        socket.display()
    );
    let mut command = Killed(
        Command::new("sh")
            .args(["-c", &limited])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    let mut errors = BufReader::new(command.0.stderr.take().unwrap());
    errors.read_line(&mut line).unwrap();
    assert_eq!(line, format!("IPQ_TRANSPORT=unix:{}\n", socket.display()));
    // The command listens by the time it prints the line.
    let handle = Handle::new(Unix::open(&socket, Family::Ipv4).unwrap());
    let address = SocketAddrUnix::new(&socket).unwrap();
    let idle: Vec<_> = (0..100)
        .map(|_| {
            let connection = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
            net::connect(&connection, &address).unwrap();
            connection
        })
        .collect();
    // The emulator closes the last connection, which it comes to after all others.
    assert_eq!(net::recv(&idle[99], &mut [0; 8], RecvFlags::empty()), Ok((0, 0)));
    handle.set_mode(CopyMode::Meta, 0).unwrap();
    handle.set_verdict(PacketId(7), Verdict::Drop, None).unwrap();
    let mut buffer = [0; 256];
    assert!(matches!(handle.read(&mut buffer, Wait::Forever), Ok(Message::Error(_))));
    drop((handle, idle));
    connected(&socket);
}

/// A process that is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_interruption_ends_a_run_with_its_summary_and_files() {
    let capture = capture("interrupted", &[packet(1), packet(2)]);
    let out = scratch("interrupted-out.pcap");
    // When the program prints its line, the command already listens for signals.
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-sim"))
        .args(["run", "--patience", "600", "--pcap", &capture, "--out"])
        .arg(&out)
        .args(["--", "sh", "-c", "echo begun; exec sleep 600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(command.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "begun\n");
    let process = Pid::from_raw(command.id().cast_signed()).unwrap();
    kill_process(process, Signal::INT).unwrap();
    let output = command.wait_with_output().unwrap();
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @r"
    launcher: seccomp, the system gives the program its emulated sockets
    kernel: linux-3.4.10-x86_64, since the program opened no nfnetlink socket (--kernel names another); packets went to no queue
             2  packets in the capture
             2  not fed: the run had ended
             0  accepted
             0  still queued
             0  replaced
             0  messages refused
             0  overruns told (ENOBUFS)
    the run was interrupted
    ");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read(out).unwrap().len(), 24);
}

#[test]
fn a_program_that_is_started_elsewhere_is_served_a_capture() {
    let capture = capture("served", &[packet(1), packet(2), packet(3)]);
    let [socket, out] = ["served.socket", "served-out.pcap"].map(scratch);
    let command = Command::new(env!("CARGO_BIN_EXE_ipq-sim"))
        .args(["serve", "--pcap", &capture, "--socket"])
        .arg(&socket)
        .arg("--out")
        .arg(&out)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let handle = Handle::new(connected(&socket));
    handle.set_mode(CopyMode::Packet, 0).unwrap();
    let mut buffer = [0; 2048];
    for number in 1..=3 {
        let Ok(Message::Packet(queued)) = handle.read(&mut buffer, Wait::Forever) else {
            panic!("packet {number} was to come");
        };
        assert_eq!(queued.payload(), packet(number));
        let verdict = if number == 2 { Verdict::Drop } else { Verdict::Accept };
        handle.set_verdict(queued.packet_id(), verdict, None).unwrap();
    }
    let output = command.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.starts_with(&format!("IPQ_TRANSPORT=unix:{}\n", socket.display())),
        "{stderr}"
    );
    for line in ["         2  accepted\n", "         1  dropped: "] {
        assert!(stderr.contains(line), "{stderr}");
    }
    assert_eq!(output.status.code(), Some(0));
    let written = std::fs::read(out).unwrap();
    assert_eq!(written.len(), 24 + 2 * (16 + packet(1).len()));
    assert!(written.ends_with(&packet(3)));
}

/// Returns a transport to an emulator at a path. Tries again for 30 s, since the emulator may be
/// starting, or have no room yet.
fn connected(socket: &Path) -> Unix {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Unix::open(socket, Family::Ipv4) {
            Ok(transport) => return transport,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn manual_pages_name_every_option_and_completions_are_a_script() {
    let directory = scratch("man1");
    let written = ipq_sim(&["manual", directory.to_str().unwrap()]);
    assert!(written.status.success(), "{written:?}");
    let page = std::fs::read_to_string(directory.join("ipq-sim-run.1")).unwrap();
    let synopsis = page.split(".SH DESCRIPTION").next().unwrap_or_default();
    assert!(
        synopsis.contains("\\-\\-pcap <IN.pcap> \\-\\- <PROGRAM>..."),
        "{synopsis}"
    );
    for option in ["pcap", "library", "patience"] {
        assert!(page.contains(&format!("\\-\\-{option}")), "{option}: {page}");
    }
    let script = ipq_sim(&["completions", "bash"]);
    assert!(script.status.success(), "{script:?}");
    let script = String::from_utf8_lossy(&script.stdout);
    let registers = |line: &str| line.trim().starts_with("complete -F ") && line.ends_with(" ipq-sim");
    assert!(script.lines().any(registers), "{script}");
}

#[test]
fn a_directory_for_the_manual_that_cannot_be_made_is_named() {
    let failed = ipq_sim(&["manual", "/dev/null/man1"]);
    assert_eq!(failed.status.code(), Some(2));
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(said.starts_with("ipq-sim: /dev/null/man1 can't be written: "), "{said}");
}

/// Runs the command with its standard error, or with `errors` false its standard output, on a pipe
/// that nobody reads. Returns the exit status.
fn status_unread(arguments: &[&str], errors: bool) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-sim"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    if errors {
        command.stderr(writer);
    } else {
        command.stdout(writer);
    }
    command.status().unwrap().code()
}

#[test]
fn an_output_that_nobody_reads_ends_nothing_early() {
    let capture = empty_capture();
    let run = ["run", "--pcap", &capture, "--", "true"];
    let expected = ipq_sim(&run).status.code();
    assert_eq!(status_unread(&run, true), expected);
    assert_eq!(status_unread(&["completions", "bash"], false), Some(2));
}

#[test]
fn the_readme_and_the_help_say_the_same_about_the_exit_status() {
    let readme = include_str!("../README.md");
    let (_, block) = readme.split_once("```text\nExit status:").unwrap();
    let block = block.split("```").next().unwrap();
    for action in ["run", "serve"] {
        let help = ipq_sim(&[action, "--help"]);
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(help.ends_with(&format!("Exit status:{block}")), "{help}");
    }
}
