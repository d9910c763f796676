//! Tests programs in C, most of them as people wrote them for libipq, run on the emulator. They
//! test the library, the socket between the processes, and the runner.
//!
//! A test is skipped, with the reason, if a tool that it needs does not work: `make`, `pkg-config`,
//! `cc` or `valgrind`. With `IPQ_REQUIRE_C=1` it fails instead.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;
#[path = "support/pcap.rs"]
mod pcap;
#[path = "support/preload.rs"]
mod preload;

use c_library::{CORE, LIBRARY, SCRATCH, can_not, compiled, have, pass, skipped};
use etherparse::PacketBuilder;
use ipq_core::Hook;
use ipq_sim::programs::run::{Finding, Launcher, NotFed, PacketReport, ProgramEnd, Rate, Report, Run};
use ipq_sim::{DropReason, Fate};
use preload::PRELOAD;
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name)
}

/// Returns the packet of that number: every third is TCP, the others UDP.
fn packet(number: usize) -> Vec<u8> {
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    let payload = vec![number as u8; 20 + number * 37 % 1400];
    let mut bytes = Vec::new();
    if number.is_multiple_of(3) {
        builder.tcp(4000, 80, 7, 1024).write(&mut bytes, &payload).unwrap();
    } else {
        builder.udp(4000, 53).write(&mut bytes, &payload).unwrap();
    }
    bytes
}

/// Writes a capture with that link type, and returns its path. Each record is the captured bytes,
/// and the number of bytes that the packet had beyond them.
fn capture(name: &str, link: u32, records: &[(Vec<u8>, u32)]) -> PathBuf {
    let records = (0..).zip(records);
    let records =
        records.flat_map(|(number, (record, missing))| pcap::record([1_700_000_000, number], record, *missing));
    let bytes: Vec<u8> = pcap::header(link).into_iter().chain(records).collect();
    let path = Path::new(SCRATCH).join(format!("{name}.pcap"));
    std::fs::write(&path, bytes).unwrap();
    path
}

fn packets(name: &str, count: usize) -> PathBuf {
    let records: Vec<_> = (0..count).map(|number| (packet(number), 0)).collect();
    capture(name, pcap::RAW_IP, &records)
}

/// The reason why an ARP frame is not fed.
const ARP: NotFed = NotFed::NotIp {
    protocol: 0x0806,
    is_tagged: false,
};

/// The tool that watches a program while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Under {
    Nothing,
    /// The compiler's address sanitizer, which also looks for leaks at the end.
    AddressSanitizer,
    /// Valgrind. It ends the program at the first error, or with status 9 if memory leaked.
    Valgrind,
}

impl Under {
    /// Returns a run of the program that is compiled from this source. If a tool is missing,
    /// returns `None` with the reason printed, or with `IPQ_REQUIRE_C=1` panics.
    fn run(self, capture: PathBuf, source: &Path) -> Option<Run> {
        let flags: &[&str] = match self {
            Self::Nothing | Self::Valgrind => &[],
            // The sanitizer's library is linked in, so that it comes before objects that are loaded
            // first.
            Self::AddressSanitizer => &["-fsanitize=address", "-static-libasan"],
        };
        // Valgrind does not start on every system that has it.
        let is_missing = self == Self::Valgrind && skipped(can_not("valgrind", &["--quiet", "true"]));
        if is_missing || !have(flags) {
            return None;
        }
        let run = match self {
            Self::Nothing | Self::AddressSanitizer => Run::new(capture, compiled(source, flags)),
            Self::Valgrind => Run::new(capture, "valgrind")
                .argument("--quiet")
                .argument("--error-exitcode=9")
                .argument("--exit-on-first-error=yes")
                .argument("--leak-check=full")
                .argument("--errors-for-leak-kinds=definite")
                .argument(compiled(source, &[])),
        };
        Some(run.library(LIBRARY.join("lib")))
    }
}

/// Returns `true` if the program ended by itself with status 0.
fn has_ended_well(report: &Report) -> bool {
    matches!(report.program, ProgramEnd::ByItself(status) if status.success())
}

/// Asserts that the runner ended the program, or that it ended by itself with status 0.
fn assert_well_ended(report: &Report) {
    assert!(
        matches!(report.program, ProgramEnd::OnTerm(_)) || has_ended_well(report),
        "{:?}: {}",
        report.program,
        report.summary
    );
}

/// Runs the program. Returns the report, and the report on each packet.
fn go(run: &Run) -> (Report, Vec<PacketReport>) {
    let mut packets = Vec::new();
    let report = run.go_watched(&mut packets).unwrap();
    (report, packets)
}

fn delivered(packets: &[PacketReport]) -> Vec<Vec<u8>> {
    let delivered = packets.iter().flat_map(PacketReport::delivered);
    delivered.map(<[u8]>::to_vec).collect()
}

#[rstest]
#[case(Hook::Prerouting, Under::Nothing)]
#[case(Hook::Input, Under::Nothing)]
#[case(Hook::Output, Under::Nothing)]
#[case(Hook::Postrouting, Under::Nothing)]
#[case(Hook::Input, Under::AddressSanitizer)]
#[case(Hook::Input, Under::Valgrind)]
fn the_manuals_example_lets_every_packet_through_unchanged(#[case] hook: Hook, #[case] under: Under) {
    let capture = packets(&format!("example-{hook}-{under:?}"), 150);
    if let Some(run) = under.run(capture, &Path::new(CORE).join("tests/c/pass.c")) {
        let (report, packets) = go(&run.hook(hook));
        assert_well_ended(&report);
        assert_eq!(report.summary.accepted, 150);
        assert_eq!(delivered(&packets), (0..150).map(packet).collect::<Vec<_>>());
    }
}

#[rstest]
#[case(&["-std=c89"])]
#[case(&["-std=c17"])]
#[case(&["-std=c++17", "-xc++"])]
fn the_manuals_example_is_c_of_any_standard_and_cplusplus(#[case] flags: &[&str]) {
    if have(flags) {
        let flags = [flags, &["-pedantic"]].concat();
        let program = compiled(&Path::new(CORE).join("tests/c/pass.c"), &flags);
        let capture = packets(&format!("example{}", flags.concat()), 100);
        let (_, packets) = go(&Run::new(capture, program).library(LIBRARY.join("lib")));
        assert_eq!(delivered(&packets), (0..100).map(packet).collect::<Vec<_>>());
    }
}

#[test]
fn at_forward_a_packet_is_a_hop_older() {
    if have(&[]) {
        let run = Run::new(packets("forward", 120), pass());
        let (_, packets) = go(&run.library(LIBRARY.join("lib")).hook(Hook::Forward));
        let older = |number| {
            let mut bytes = packet(number);
            bytes[8] -= 1;
            let sum = u32::from(u16::from_be_bytes([bytes[10], bytes[11]])) + 0x100;
            let folded = ((sum & 0xffff) + (sum >> 16)) as u16;
            bytes[10..12].copy_from_slice(&folded.to_be_bytes());
            bytes
        };
        assert_eq!(delivered(&packets), (0..120).map(older).collect::<Vec<_>>());
    }
}

#[rstest]
fn a_program_drops_one_protocol_and_rewrites_the_payloads_of_another(
    #[values(Under::Nothing, Under::AddressSanitizer, Under::Valgrind)] under: Under,
) {
    let capture = packets(&format!("rewrite-{under:?}"), 120);
    if let Some(run) = under.run(capture, &source("rewrite.c")) {
        let (report, packets) = go(&run);
        assert_well_ended(&report);
        let rewritten = |number| {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
                .udp(4000, 53)
                .write(&mut bytes, b"rewritten\0")
                .unwrap();
            bytes[26..28].fill(0);
            (number % 3 != 0).then_some(bytes)
        };
        assert_eq!(delivered(&packets), (0..120).filter_map(rewritten).collect::<Vec<_>>());
        assert_eq!(report.summary.dropped[&DropReason::Verdict], 40);
        assert_eq!(report.summary.replaced, 80);
    }
}

#[rstest]
#[case::select("select", 9)]
#[case::two_threads("threads", 9)]
#[case::more_descriptors_than_select_can_have("descriptors", 9)]
#[case::held_verdicts("held", 9)]
#[case::verdicts_twice_stolen_and_stop("twice", 4)]
#[case::small_buffers("small-buffer", 1)]
#[case::time_out("timeout", 0)]
#[case::fork("fork", 9)]
#[case::fork_and_leave_it_to_the_child("daemon", 9)]
#[case::signals_and_siglongjmp("signals", 0)]
#[case::a_handle_for_each_family("families", 1)]
#[case::create_and_destroy("create-destroy", 0)]
fn awkward_uses_go_as_they_went_with_the_original(
    #[case] name: &str,
    #[case] accepted: u64,
    #[values(Under::Nothing, Under::AddressSanitizer, Under::Valgrind)] under: Under,
) {
    let capture = packets(&format!("awkward-{name}-{under:?}"), 10);
    if let Some(run) = under.run(capture, &source("awkward.c")) {
        let report = run.argument(name).go().unwrap();
        assert!(has_ended_well(&report), "{:?}", report.program);
        assert_eq!(report.summary.accepted, accepted);
    }
}

/// Makes ten thousand handles, or as many as the environment variable `IPQ_HANDLES` says.
#[test]
fn thousands_of_handles_leave_no_memory_and_no_descriptor_behind() {
    let handles: u32 =
        std::env::var("IPQ_HANDLES").map_or(10_000, |number| number.parse().expect("IPQ_HANDLES is a number"));
    let capture = packets("cycles", 1);
    if let Some(run) = Under::AddressSanitizer.run(capture, &source("awkward.c")) {
        let report = run
            .argument("create-destroy")
            .argument(handles.to_string())
            // No packet comes to this program, so the run waits for its end.
            .patience(Duration::from_mins(5))
            .go()
            .unwrap();
        assert!(has_ended_well(&report), "{:?}", report.program);
    }
}

#[rstest]
fn a_client_of_its_own_on_a_raw_socket_runs_with_the_object_loaded(
    #[values(Under::Nothing, Under::AddressSanitizer, Under::Valgrind)] under: Under,
) {
    let capture = packets(&format!("raw-{under:?}"), 10);
    if let Some(run) = under.run(capture, &source("raw_client.c")) {
        assert_raw_client_runs(run);
    }
}

/// With fortified calls, the program calls checking variants in the C library.
#[test]
fn a_client_that_is_compiled_with_fortified_calls_runs_with_the_object_loaded() {
    if have(&[]) {
        let program = compiled(&source("raw_client.c"), &["-O2", "-D_FORTIFY_SOURCE=2"]);
        assert_raw_client_runs(Run::new(packets("raw-fortified", 10), program));
    }
}

fn assert_raw_client_runs(run: Run) {
    let report = run.preload(&*PRELOAD).launcher(Launcher::Preload).go().unwrap();
    assert!(has_ended_well(&report), "{:?}", report.program);
    assert_eq!(report.summary.accepted, 9);
}

#[test]
fn an_object_for_a_static_program_is_refused() {
    if have(&["-static"]) {
        let program = compiled(&source("raw_client.c"), &["-static"]);
        let error = Run::new(packets("static", 1), program)
            .preload("object.so")
            .launcher(Launcher::Preload)
            .go()
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is linked statically as a whole, so object.so can't be loaded"),
            "{error}"
        );
    }
}

#[test]
fn a_non_blocking_descriptor_makes_an_idle_read_fail_with_eagain() {
    let source = Path::new(CORE).join("tests/c/non_blocking.c");
    let Some(run) = Under::Nothing.run(packets("non-blocking", 10), &source) else {
        return;
    };
    // At this rate the program ends long before the last packet: at the first read that finds none.
    let report = run.rate(Rate::PerSecond(1.0)).go().unwrap();
    assert!(has_ended_well(&report), "{}", report.summary);
}

#[test]
fn the_static_library_and_calls_from_before_iptables_1_2_5_are_served_too() {
    if have(&["-static"]) {
        let old = Path::new(SCRATCH).join("one_argument.c");
        let text = std::fs::read_to_string(Path::new(CORE).join("tests/c/pass.c")).unwrap();
        std::fs::write(
            &old,
            text.replace("ipq_create_handle(0, PF_INET)", "ipq_create_handle(0)"),
        )
        .unwrap();
        let program = compiled(&old, &["-DIPQ_PRE_1_2_5", "-static"]);
        let report = Run::new(packets("one-argument", 5), program).go().unwrap();
        assert_eq!(report.summary.accepted, 5);
    }
}

#[rstest]
fn a_slow_program_is_told_of_its_overrun_and_every_packet_is_accounted_for(
    #[values(Under::Nothing, Under::AddressSanitizer, Under::Valgrind)] under: Under,
) {
    let capture = packets(&format!("overrun-{under:?}"), 3000);
    if let Some(run) = under.run(capture, &source("awkward.c")) {
        let report = run.argument("overrun").rate(Rate::Max).go().unwrap();
        assert_well_ended(&report);
        let summary = &report.summary;
        let lost = summary.dropped[&DropReason::Undeliverable];
        assert!(lost > 0 && summary.overruns > 0, "{summary}");
        assert_eq!(
            summary.accepted + summary.dropped.values().sum::<u64>() + summary.still_queued,
            3000
        );
    }
}

#[test]
fn what_is_no_whole_ip_packet_is_not_fed_and_ethernet_padding_is_cut_off() {
    if have(&[]) {
        let header = |protocol: [u8; 2]| [&[0; 12][..], &protocol].concat();
        let framed = |number| [header([8, 0]), packet(number), vec![0; 6]].concat();
        let mut wrong = framed(4);
        wrong[14 + 10] ^= 1;
        let records = [
            (framed(1), 0),
            (framed(2)[..40].to_vec(), 5),
            ([header([8, 6]), vec![0; 28]].concat(), 0),
            (wrong, 0),
            (framed(5), 0),
        ];
        let run = Run::new(capture("not-fed", 1, &records), pass());
        let (report, packets) = go(&run.library(LIBRARY.join("lib")));
        assert_eq!(delivered(&packets), [packet(1), packet(5)]);
        assert_eq!(packets[0].fate, Some(Fate::DeliveredHere(packet(1).into())));
        let not_fed: Vec<_> = report
            .summary
            .not_fed
            .iter()
            .map(|(reason, count)| (*reason, *count))
            .collect();
        assert_eq!(not_fed, [(NotFed::Cut, 1), (ARP, 1), (NotFed::Checksum, 1)]);
    }
}

#[test]
fn a_program_that_gives_no_verdict_is_waited_for_only_so_long() {
    let patience = Duration::from_millis(50);
    let run = Run::new(packets("idle", 3), "sleep").argument("60").patience(patience);
    let report = run.go().unwrap();
    let never_opened = Finding::NeverOpened {
        ip_queue_alone: run.choice().unwrap().launcher != Launcher::Seccomp,
        waited: Some(patience),
    };
    assert_eq!(report.findings, [never_opened]);
    assert_eq!(report.summary.not_fed[&NotFed::RunEnded], 3);
}

#[rstest]
#[case("no-such-file", "can't be opened")]
#[case("c_programs.rs", "no pcap or pcapng file")]
fn a_capture_that_is_none_is_said_to_be(#[case] name: &str, #[case] expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let error = Run::new(path, "true").go().unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}
