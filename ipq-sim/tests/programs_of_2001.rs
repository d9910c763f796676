//! Tests programs of 32 bits, run by the command on kernels of i386 from 2.4.0 to 2.6.18: a second
//! peer takes the queue over, the queue is full, the peer is dead. A program of 64 bits gets no
//! socket on such a kernel.
//!
//! A test is skipped, with the reason, if the compiler can't make its kind of program, or if
//! seccomp can't launch it. With `IPQ_REQUIRE_C=1` it fails instead if the compiler can't.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/pcap.rs"]
mod pcap;

use c_library::{CORE, SCRATCH, can_not, succeed};
use etherparse::PacketBuilder;
use ipq_sim::programs::run::{Launcher, Run};
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// The way in which a program is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Built {
    /// For words of 32 bits, with a dynamic loader.
    Narrow,
    /// For words of 32 bits, linked statically.
    NarrowAndStatic,
    /// For words of 64 bits, as this machine has.
    Wide,
}

impl Built {
    const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Narrow => &["-m32"],
            Self::NarrowAndStatic => &["-m32", "-static"],
            Self::Wide => &["-m64"],
        }
    }

    /// Compiles a test's source, which needs no library but C's. Returns `None`, with the reason
    /// printed, if it can't be compiled or launched here.
    fn program(self, source: &str) -> Option<PathBuf> {
        let directory = tempfile::tempdir_in(SCRATCH).unwrap();
        let probe = directory.path().join("probe.c");
        std::fs::write(&probe, "int main(void) { return 0; }\n").unwrap();
        let output = directory.path().join("probe");
        let files = [probe.to_str().unwrap(), "-o", output.to_str().unwrap()];
        if let Some(reason) = can_not("cc", &[self.flags(), &files].concat()) {
            eprintln!("skipped: {reason}");
            return None;
        }
        let choice = Run::new("-", "true").launcher(Launcher::Seccomp).choice();
        if let Err(error) = choice {
            eprintln!("skipped: {error}");
            return None;
        }
        let program = Path::new(SCRATCH).join(format!("{source}-{self:?}-{}", std::process::id()));
        let unfinished = directory.path().join("program");
        succeed(
            Command::new("cc")
                .args(["-std=gnu89", "-Wall", "-Wextra", "-Werror", "-O1"])
                .args(self.flags())
                .arg(format!("-I{CORE}/include"))
                .arg("-o")
                .arg(&unfinished)
                .arg(format!("{}/tests/c/{source}.c", env!("CARGO_MANIFEST_DIR"))),
        );
        std::fs::rename(unfinished, &program).unwrap();
        Some(program)
    }
}

/// Returns the record of a UDP packet in a capture, with the number as its payload.
fn record(number: u8) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut packet, &[number])
        .unwrap();
    pcap::record([0, 0], &packet, 0)
}

fn command(kernel: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-sim"));
    command
        .args(["run", "--patience", "20", "--kernel", kernel, "--pcap", "-"])
        .env_remove("IPQ_TRANSPORT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Runs `program`, with `how` as its argument, in `ipq-sim run` on a capture of so many packets.
/// `arguments` are further options of the command. Returns what the command and the program
/// printed.
fn run(kernel: &str, packets: u8, arguments: &[&str], program: &Path, how: &str) -> Output {
    let mut run = command(kernel)
        .args(arguments)
        .arg("--")
        .arg(program)
        .arg(how)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut capture = pcap::header(pcap::RAW_IP);
    (0..packets).for_each(|number| capture.extend(record(number)));
    // If the command refuses to run, it does not read the capture.
    let _ = run.stdin.take().unwrap().write_all(&capture);
    run.wait_with_output().unwrap()
}

/// A program that is running, the capture that gives it packets one by one, and the lines that it
/// prints.
struct Dialogue {
    run: Child,
    capture: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    packets: u8,
}

impl Dialogue {
    fn begin(kernel: &str, program: &Path, how: &str) -> Self {
        let mut run = command(kernel).arg("--").arg(program).arg(how).spawn().unwrap();
        let mut capture = run.stdin.take().unwrap();
        capture.write_all(&pcap::header(pcap::RAW_IP)).unwrap();
        let lines = BufReader::new(run.stdout.take().unwrap()).lines();
        let mut dialogue = Self {
            run,
            capture,
            lines,
            packets: 0,
        };
        dialogue.expect("words of 32 bits");
        dialogue
    }

    /// Lets one more packet arrive.
    fn feed(&mut self) {
        self.packets += 1;
        self.capture.write_all(&record(self.packets)).unwrap();
        self.capture.flush().unwrap();
    }

    fn expect(&mut self, line: &str) {
        let printed = self.lines.next().map(Result::unwrap);
        assert_eq!(printed.as_deref(), Some(line));
    }

    /// Ends the capture, and asserts that the program prints nothing more.
    fn end(self) {
        let Self {
            mut run,
            capture,
            mut lines,
            ..
        } = self;
        drop(capture);
        assert!(lines.next().is_none());
        run.wait().unwrap();
    }
}

#[rstest]
fn a_program_is_taken_over_by_a_second_and_takes_its_queue_back_with_a_verdict(
    #[values("2.4.0", "2.4.16")] kernel: &str,
    #[values(Built::Narrow, Built::NarrowAndStatic)] built: Built,
) {
    let Some(program) = built.program("era") else { return };
    let mut dialogue = Dialogue::begin(kernel, &program, "taken-over");
    dialogue.feed();
    dialogue.expect("first: a packet");
    // The second program attaches, and gets an acknowledgement.
    dialogue.expect("second: errno 0 in 36 bytes");
    dialogue.feed();
    dialogue.expect("second: a packet");
    dialogue.expect("first: the peer is the second, and nothing comes");
    dialogue.expect("first: errno 2 in 36 bytes");
    dialogue.expect("first: the peer is the first");
    dialogue.feed();
    dialogue.expect("first: a packet");
    dialogue.expect("second: nothing more");
    dialogue.expect("second: errno 2 in 36 bytes");
    dialogue.expect("first: errno 2 in 36 bytes");
    dialogue.feed();
    dialogue.expect("first: a packet, accepted");
    dialogue.end();
}

#[rstest]
#[case::dropped_first("2.4.16", "3 packets shown, 3 queued, -1 counted as dropped", 0)]
#[case::shown_and_dropped("2.4.32", "10 packets shown, 3 queued, -1 counted as dropped", 7)]
#[case::counted("2.6.18", "3 packets shown, 3 queued, 7 counted as dropped", 0)]
fn a_program_whose_queue_was_full_sees_what_its_kernel_shows(
    #[case] kernel: &str,
    #[case] told: &str,
    #[case] refused: usize,
) {
    let Some(program) = Built::Narrow.program("era") else {
        return;
    };
    let output = run(kernel, 10, &["--rate", "max", "--queue-len", "3"], &program, "full");
    let refused = format!("{refused} verdicts answered with ENOENT");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        printed.lines().collect::<Vec<_>>(),
        ["words of 32 bits", told, &refused]
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    for line in ["         3  accepted\n", "         7  dropped: queue full\n"] {
        assert!(errors.contains(line), "{errors}");
    }
}

#[test]
fn a_peer_that_died_is_noticed_at_the_next_packet() {
    let Some(program) = Built::Narrow.program("era") else {
        return;
    };
    let mut dialogue = Dialogue::begin("2.4.16", &program, "dead");
    dialogue.feed();
    dialogue.expect("first: a packet");
    dialogue.expect("second: the peer is still the first");
    dialogue.feed();
    dialogue.expect("second: peer 0, died 1, 0 queued");
    dialogue.feed();
    dialogue.expect("second: died 0; a packet, accepted");
    dialogue.end();
}

#[test]
fn a_program_of_another_word_size_than_the_kernel_is_told_which_to_choose() {
    let Some(program) = Built::Wide.program("era") else {
        return;
    };
    let output = run("linux-2.4.16-i386", 1, &[], &program, "dead");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("a program of 64 bits asked for a queue's socket, and got EPROTONOSUPPORT"),
        "{errors}"
    );
    assert_ne!(output.status.code(), Some(0), "{errors}");
}

#[rstest]
#[case::preload(&["--launcher", "preload", "--preload", "/dev/null"])]
#[case::transport(&["--launcher", "transport"])]
fn a_program_of_32_bits_takes_the_launcher_that_can_run_it(#[case] arguments: &[&str]) {
    let Some(program) = Built::Narrow.program("era") else {
        return;
    };
    let output = run("2.4.16", 1, arguments, &program, "dead");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("the launcher seccomp alone"), "{errors}");
}
