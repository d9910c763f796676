//! Tests of the reports in each format of `run`, for a run in which each outcome occurs once, and
//! of the capture that a transcript becomes.

use crate::sample_cases::{KNOWN, cases};
use ipq_conformance::Transcript;
use ipq_conformance::report::{Head, Human, JsonLines, Junit, Reporter, Tap};
use ipq_conformance::suite::KnownDifferences;
use ipq_conformance::suite::runner::{CaseReport, Runner, Summary};
use ipq_conformance::world::WorldFactory;
use ipq_conformance::worlds::SimFactory;
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Runs the sample cases on the emulator. Returns the results, with a fixed date and fixed times,
/// and with the places of panics shortened, so that they are the same in every run and every build.
fn run() -> (Head, Vec<CaseReport>, Summary) {
    let factory = Arc::new(SimFactory::default());
    let world = factory.create().expect("the emulator is there");
    let head = Head {
        world: factory.name().to_owned(),
        choice: format!("--world {}", factory.name()),
        description: world.describe(),
        capabilities: world.capabilities(),
        seed: 7,
        cases: cases().len(),
        date: Some("2026-11-30T12:00:00Z".to_owned()),
    };
    let runner = Runner::new(
        factory,
        KnownDifferences::parse(KNOWN).expect("the list is right"),
        head.seed,
    );
    let mut reports = Vec::new();
    let mut summary = runner.run(&cases(), &mut |report| reports.push(report.clone()));
    summary.elapsed = Duration::from_millis(1234);
    summary.stale = runner.stale(&cases());
    for report in &mut reports {
        report.elapsed = Duration::ZERO;
        report.reason = report.reason.take().map(|reason| without_place(&reason));
        report.details = report.details.take().map(|details| without_place(&details));
    }
    (head, reports, summary)
}

/// Returns `reason` with the place of a panic shortened to `sample_cases.rs:`, without the folder
/// before it and the line number behind it.
fn without_place(reason: &str) -> String {
    let words = reason.split(' ');
    let words = words.map(|word| {
        if word.contains("sample_cases.rs:") {
            "sample_cases.rs:"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Runs the sample cases, and hands the results to `reporter`. Returns its first error.
pub(crate) fn reported(reporter: &mut dyn Reporter) -> io::Result<()> {
    let (head, reports, summary) = run();
    reporter.begin(&head)?;
    for report in &reports {
        reporter.case(report)?;
    }
    reporter.end(&summary)
}

/// Returns the transcript of the sample case that fails.
pub(crate) fn failed() -> Transcript {
    let (_, reports, _) = run();
    let transcripts = reports.into_iter().filter_map(|report| report.transcript);
    transcripts.into_iter().next().expect("a case failed")
}

fn text(report: impl FnOnce(&mut dyn io::Write)) -> String {
    let mut output = Vec::new();
    report(&mut output);
    String::from_utf8(anstream::adapter::strip_bytes(&output).into_vec()).expect("a report is text")
}

#[test]
fn for_people() {
    insta::assert_snapshot!(text(
        |output| reported(&mut Human::new(output)).expect("it can be written")
    ));
}

#[test]
fn in_json_lines() {
    insta::assert_snapshot!(text(
        |output| reported(&mut JsonLines::new(output)).expect("it can be written")
    ));
}

#[test]
fn as_junit() {
    insta::assert_snapshot!(text(
        |output| reported(&mut Junit::new(output)).expect("it can be written")
    ));
}

#[test]
fn as_tap() {
    insta::assert_snapshot!(text(
        |output| reported(&mut Tap::new(output)).expect("it can be written")
    ));
}

#[test]
fn a_capture_has_the_messages_and_the_packets_in_the_order_of_the_steps() {
    let capture = failed().pcapng();
    let mut reader = create_reader(1 << 16, &capture[..]).expect("it is a capture");
    let (mut links, mut records) = (Vec::new(), Vec::new());
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                match block {
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => links.push(interface.linktype.0),
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let comment = String::from_utf8_lossy(&packet.options[0].value).into_owned();
                        let data = packet.packet_data().to_vec();
                        records.push((links[packet.if_id as usize], packet.ts_low / 1_000_000, data, comment));
                    }
                    _ => {}
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => break,
            Err(PcapError::Incomplete(_)) => reader.refill().expect("the rest can be read"),
            Err(error) => panic!("the capture is damaged: {error}"),
        }
    }
    assert_eq!(links, [253, 1]);
    let seen: Vec<_> = records
        .iter()
        .map(|(link, step, data, _)| (*link, *step, data.len()))
        .collect();
    // These are a mode message, the packet, a verdict, the packet's message, and the answer to the
    // verdict.
    assert_eq!(
        seen,
        [(253, 2, 56), (1, 3, 50), (253, 4, 56), (253, 5, 164), (253, 6, 76)]
    );
    assert_eq!(records[1].2, ipq_conformance::suite::Packet::udp4().frame());
    // The heads say whether a program sent or received the message, and the netlink protocol.
    let heads: Vec<_> = records
        .iter()
        .filter(|record| record.0 == 253)
        .map(|(_, _, data, _)| (data[1], data[15]))
        .collect();
    assert_eq!(heads, [(4, 3), (4, 3), (0, 3), (0, 3)]);
    assert!(
        records[4]
            .3
            .starts_with("receive from a into 131072 bytes → error No such file"),
        "{}",
        records[4].3
    );
}
