//! Tests programs that send packets of their own by raw sockets, most of them started by the
//! command with the option `--raw-sockets`, without privileges: what they send as IP is in the
//! outputs, whole and in its place, or is told to be lost.
//!
//! A test is skipped, with the reason, if a tool that it needs is missing, or if programs can't be
//! launched by seccomp. With `IPQ_REQUIRE_C=1` most tests fail instead if `make`, `pkg-config` or
//! `cc` does not work.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/launching.rs"]
mod launching;
#[path = "support/pcap.rs"]
mod pcap;

use c_library::{SCRATCH, compiled, have, missing_optional, missing_optional_compiler, skipped, succeed};
use launching::{PACKETS, can_launch, run, source, unprivileged};
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Returns the path of the program that answers, compiled. Returns `None` if it can't be compiled
/// or launched here.
fn answer() -> Option<PathBuf> {
    (have(&[]) && can_launch()).then(|| compiled(&source("answer.c"), &[]))
}

/// A file for the command, which may run as another user. Removed when this is dropped.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("raw-sockets-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn read(&self) -> Vec<u8> {
        std::fs::read(&self.0).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns the answer to the UDP packet of this number in the capture. Without `is_answer`, it has
/// the addresses and ports of the packet itself. The kernel numbers answers from 1.
fn packet(number: usize, is_answer: bool, dont_fragment: bool) -> Vec<u8> {
    let [mut addresses, mut ports] = [[[10, 0, 0, 1], [10, 0, 0, 2]].concat(), vec![0, 1, 0, 2]];
    if is_answer {
        addresses.rotate_left(4);
        ports.rotate_left(2);
    }
    let flags = if dont_fragment { 0x40 } else { 0 };
    let mut packet = vec![0x45, 0, 0, 29, 0, number as u8 + 1, flags, 0, 64, 17, 0, 0];
    packet.extend(&addresses);
    let sum: u32 = packet
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(&ports);
    packet.extend([0, 9, 0, 0, number as u8]);
    packet
}

#[rstest]
fn each_answer_is_in_the_outputs_as_the_kernel_would_send_it(
    #[values(
        "sendto",
        "included",
        "kernel",
        "frame",
        "packet",
        "write",
        "writev",
        "sendmsg",
        "sendmmsg",
        "child",
        "low",
        "frame-low"
    )]
    way: &str,
    #[values(false, true)] with_pcapng: bool,
) {
    let Some(program) = answer() else { return };
    let extension = if with_pcapng { "pcapng" } else { "pcap" };
    let [out, log] = [
        Place::new(&format!("{way}.{extension}")),
        Place::new(&format!("{way}-{extension}.jsonl")),
    ];
    let output = run(
        &["--raw-sockets", "--out", out.path(), "--log", log.path()],
        &[program.to_str().unwrap(), way],
    );
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("        40  dropped: by verdict\n"), "{errors}");
    assert!(
        errors.contains("        40  sent by the program itself, by raw sockets\n"),
        "{errors}"
    );
    let expected = (0..PACKETS).map(|number| packet(number, true, way == "kernel"));
    let expected: Vec<_> = expected.collect();
    if with_pcapng {
        let packets: Vec<_> = blocks(&out.read());
        let own = packets
            .iter()
            .filter(|(_, comment)| comment == "sent by the program itself, by a raw socket with the mark 0x7");
        assert_eq!(own.map(|(packet, _)| packet.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(packets.len(), 2 * PACKETS);
    } else {
        assert_eq!(pcap::packets(&out.read()), expected);
    }

    let text = String::from_utf8(log.read()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let own: Vec<_> = lines.iter().filter(|line| line["own_packet"].is_u64()).collect();
    assert_eq!((own.len(), lines.len()), (PACKETS, 2 * PACKETS));
    for (number, line) in own.into_iter().enumerate() {
        assert_eq!(line["own_packet"], number);
        assert_eq!(line["fate"], "sent by the program");
        assert_eq!(
            (&line["source"], &line["destination"]),
            (&"10.0.0.2".into(), &"10.0.0.1".into())
        );
        assert_eq!((&line["length"], &line["protocol"]), (&29.into(), &"UDP".into()));
        assert_eq!(line["mark"], 7);
    }
}

/// Returns the packets of a pcapng file in this machine's byte order, each with its comment, or
/// with an empty text if its first option is no comment.
fn blocks(file: &[u8]) -> Vec<(Vec<u8>, String)> {
    let word = |bytes: &[u8], at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut packets = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(word(rest, 4));
        if word(block, 0) == 6 {
            let length = word(block, 20);
            let options = &block[28 + length.next_multiple_of(4)..];
            let is_comment = u16::from_ne_bytes([options[0], options[1]]) == 1;
            let bytes = usize::from(u16::from_ne_bytes([options[2], options[3]]));
            let comment = if is_comment { &options[4..4 + bytes] } else { &[] };
            packets.push((
                block[28..28 + length].to_vec(),
                String::from_utf8(comment.to_vec()).unwrap(),
            ));
        }
        rest = after;
    }
    packets
}

#[test]
fn answers_have_their_places_among_the_packets_whatever_is_in_flight() {
    let Some(program) = answer() else { return };
    let mut files = BTreeSet::new();
    for (number, in_flight) in [&["--in-flight", "1"][..], &["--in-flight", "8"], &[]]
        .repeat(4)
        .iter()
        .enumerate()
    {
        let out = Place::new(&format!("place-{number}.pcap"));
        let arguments = [in_flight, &["--raw-sockets", "--out", out.path()][..]].concat();
        let output = run(&arguments, &[program.to_str().unwrap(), "sendto", "odd"]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        files.insert(out.read());
    }
    let [file] = &files.into_iter().collect::<Vec<_>>()[..] else {
        panic!("the same program leaves one file");
    };
    let addresses = pcap::packets(file)
        .iter()
        .map(|packet| (packet[28], packet[15]))
        .collect::<Vec<_>>();
    let expected = (0..PACKETS as u8).map(|number| (number, if number % 2 == 0 { 1 } else { 2 }));
    assert_eq!(addresses, expected.collect::<Vec<_>>());
}

/// Runs the program that answers in one way, and returns what was told and the packets in OUT.
/// Panics if the exit status is not 0.
fn answered(program: &Path, way: &str) -> (String, Vec<Vec<u8>>) {
    let out = Place::new(&format!("{way}.pcap"));
    let output = run(
        &["--raw-sockets", "--out", out.path()],
        &[program.to_str().unwrap(), way],
    );
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    (errors, pcap::packets(&out.read()))
}

#[test]
fn a_frame_that_is_no_ip_is_counted_and_not_in_the_capture() {
    let Some(program) = answer() else { return };
    let (errors, out) = answered(&program, "arp");
    assert!(
        errors.contains("        40  sent by the program itself, and not IP\n"),
        "{errors}"
    );
    assert_eq!(out, Vec::<Vec<u8>>::new());
}

#[test]
fn a_packet_whose_destination_is_not_seen_is_told_to_be_lost() {
    let Some(program) = answer() else { return };
    let (errors, out) = answered(&program, "kernel-low");
    assert!(
        errors.contains("a packet that the program sent by a raw socket was lost"),
        "{errors}"
    );
    assert_eq!(out, Vec::<Vec<u8>>::new());
}

#[test]
fn what_is_longer_than_any_packet_is_told_to_be_lost_and_the_rest_is_sent() {
    let Some(program) = answer() else { return };
    let (errors, out) = answered(&program, "long-low");
    assert!(
        errors.contains("a packet that the program sent by a raw socket was lost"),
        "{errors}"
    );
    let expected = (0..PACKETS).map(|number| packet(number, true, false));
    assert_eq!(out, expected.collect::<Vec<_>>());
}

#[test]
fn what_a_program_sends_when_it_is_told_to_end_comes_last() {
    let Some(program) = answer() else { return };
    let (errors, out) = answered(&program, "at-end");
    let mut last = packet(PACKETS - 1, true, false);
    // The kernel numbers packets, and this is the socket's first.
    last[5] = 1;
    let sum = u16::from_be_bytes([last[10], last[11]]) + PACKETS as u16 - 1;
    last[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(out, [last], "{errors}");
}

#[test]
fn a_program_on_scapy_answers() {
    let python = "/usr/bin/python3";
    let imports = "import scapy.all, scapy.supersocket, socket; socket.AF_NETLINK";
    let reason = missing_optional(python, &["-c", imports]);
    let reason = reason.map(|reason| format!("{reason}: apt-get install python3-scapy"));
    if skipped(reason) || !have(&[]) || !can_launch() {
        return;
    }
    let out = Place::new("scapy.pcap");
    let script = source("scapy_answer.py");
    let output = run(
        &["--raw-sockets", "--out", out.path()],
        // Isolated, since the directory has a queue.py that is not the library's.
        &[python, "-I", script.to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    // The time to live, the addresses, the ports and the payload.
    let seen = |packet: Vec<u8>| (packet[8], packet[12..24].to_vec(), packet[28]);
    let answers: Vec<_> = pcap::packets(&out.read()).into_iter().map(seen).collect();
    let expected = (0..PACKETS).map(|number| {
        let (_, addressed, payload) = seen(packet(number, true, false));
        (7, addressed, payload)
    });
    assert_eq!(answers, expected.collect::<Vec<_>>(), "{}", errors(&output));
}

#[test]
fn a_program_of_few_descriptors_gets_a_raw_socket_all_the_same() {
    let Some(program) = answer() else { return };
    let line = format!("ulimit -n 64; exec {} few", program.display());
    let output = run(&["--raw-sockets"], &["sh", "-c", &line]);
    let errors = errors(&output);
    assert!(
        errors.contains("        40  sent by the program itself, by raw sockets\n"),
        "{errors}"
    );
    assert_eq!(output.status.code(), Some(0), "{errors}");
}

#[test]
fn without_the_option_the_machine_refuses_a_raw_socket_as_ever() {
    let Some(program) = answer() else { return };
    let output = run(&[], &[program.to_str().unwrap(), "sendto"]);
    assert!(errors(&output).contains("fd >= 0 (errno 1)"), "{}", errors(&output));
}

#[rstest]
fn another_launcher_says_that_it_has_no_raw_sockets(#[values("preload", "transport")] launcher: &str) {
    if !have(&[]) {
        return;
    }
    let output = run(&["--raw-sockets", "--launcher", launcher], &["true"]);
    let told = format!("the launcher {launcher} has no emulated raw sockets");
    assert!(errors(&output).contains(&told), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(2));
}

/// The lines of a program about what its calls return.
fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

/// The arguments of `unshare` that start a program as root of a network namespace of its own, with
/// its loopback device up.
const IN_A_NAMESPACE: [&str; 4] = ["-rn", "sh", "-c", "ip link set lo up && exec \"$0\""];

/// Returns the path of the program that says what calls return, compiled with these flags. Returns
/// `None` if it can't be compiled or launched here.
fn calls(flags: &[&str]) -> Option<PathBuf> {
    if !have(&[]) || skipped(missing_optional_compiler("cc", flags)) || !can_launch() {
        return None;
    }
    let program = Path::new(SCRATCH).join(format!("raw_calls{}-{}", flags.concat(), std::process::id()));
    succeed(
        Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"])
            .arg(&program)
            .arg(source("raw_calls.c"))
            .args(flags),
    );
    Some(program)
}

#[rstest]
#[case::of_this_machines_words(&[])]
#[case::of_32_bits(&["-m32"])]
fn calls_on_raw_sockets_return_what_this_kernel_returns(#[case] flags: &[&str]) {
    let Some(program) = calls(flags) else { return };
    let emulated = run(&["--raw-sockets"], &[program.to_str().unwrap()]);
    let told = errors(&emulated);
    let emulated = lines(&emulated);
    assert!(emulated.len() > 140, "{told}");
    let start = [&IN_A_NAMESPACE[..], &["true"]].concat();
    if !skipped(missing_optional("unshare", &start)) {
        let real = unprivileged("unshare").args(IN_A_NAMESPACE).arg(&program).output();
        assert_eq!(emulated, lines(&real.unwrap()), "{told}");
    }
    std::fs::remove_file(program).unwrap();
}
