use super::*;
use crate::programs::run::NotFed;
use crate::programs::run::{Request, Unqueued};
use ipq_core::wire::MessageType;
use ipq_core::{Errno, Family};
use pretty_assertions::assert_eq;
use rstest::rstest;

fn exit(code: i32) -> ProgramEnd {
    ProgramEnd::ByItself(ExitStatus::from_raw(code << 8))
}

fn on_term(raw: i32) -> ProgramEnd {
    ProgramEnd::OnTerm(ExitStatus::from_raw(raw))
}

const TERMINATED: i32 = 15;
const PATIENCE: Over = Over::Patience(Duration::from_secs(10));

/// Returns the summary of a run in which these numbers of packets were accepted, stayed queued, and
/// were not fed because the run had ended. Each accepted packet got one verdict.
fn summary(accepted: u64, still_queued: u64, not_fed: u64) -> Summary {
    let mut summary = Summary {
        records: accepted + still_queued + not_fed,
        accepted,
        still_queued,
        ..Summary::default()
    };
    for _ in 0..accepted {
        summary.times.add(Duration::from_micros(1));
    }
    if not_fed > 0 {
        summary.not_fed.insert(NotFed::RunEnded, not_fed);
    }
    summary
}

/// Returns the conduct of a program that listened to IPv4's queue of `ip_queue` and was given
/// `handed` packets. Unless `unread` is 0, the program left messages unread.
fn listener(handed: u64, unread: u64) -> Conduct {
    Conduct {
        has_opened: true,
        has_listened: BTreeSet::from([QueueId::IpQueue(Family::Ipv4)]),
        modes: 1,
        handed,
        has_unread: unread > 0,
        ..Conduct::default()
    }
}

fn opener() -> Conduct {
    Conduct {
        has_opened: true,
        ..Conduct::default()
    }
}

#[rstest]
#[case::all_well(summary(5, 0, 0), listener(5, 0), Over::Done, on_term(TERMINATED), &[], Outcome::Success)]
#[case::ended_well(summary(5, 0, 0), listener(5, 0), Over::Done, exit(0), &[], Outcome::Success)]
#[case::failed_after_its_last_verdict(
    summary(5, 0, 0), listener(5, 0), Over::Done, exit(3),
    &["the program failed: exit status: 3"], Outcome::Failure
)]
#[case::failed_on_term(
    summary(5, 0, 0), listener(5, 0), Over::Done, on_term(3 << 8),
    &["the program failed: exit status: 3, when it was told to end by SIGTERM"], Outcome::Failure
)]
#[case::crashed(
    summary(5, 0, 0), listener(5, 0), Over::Done, ProgramEnd::ByItself(ExitStatus::from_raw(11)),
    &["the program failed: signal: 11 (SIGSEGV)"], Outcome::Failure
)]
#[case::killed(
    summary(5, 0, 0), listener(5, 0), Over::Done, ProgramEnd::Killed,
    &["the program did not end on SIGTERM, and was killed"], Outcome::Success
)]
#[case::interrupted(
    summary(2, 1, 2), listener(3, 0), Over::Stopped, on_term(TERMINATED), &["the run was interrupted"], Outcome::Failure
)]
#[case::never_bound(
    summary(0, 0, 5), Conduct { queues: Queues::Unbound, ..opener() }, PATIENCE, on_term(TERMINATED),
    &["the program opened an nfnetlink socket and bound no queue; packets come only to a queue that is bound (NFQ-11)"],
    Outcome::Failure
)]
#[case::bound_and_never_set_a_mode(
    summary(0, 0, 5), Conduct { queues: Queues::Bound, ..opener() }, PATIENCE, on_term(TERMINATED),
    &["the program bound a queue and set no copy mode; packets come only after a message with the mode META or PACKET (NFQ-10)"],
    Outcome::Failure
)]
#[case::never_opened(
    summary(0, 0, 5), Conduct::default(), Over::Done, exit(0),
    &[
        "the program never opened a queue: is it written for ip_queue or nfnetlink_queue, and was it told to begin? (--launcher says how it gets its \
         sockets)",
        "the program ended before every packet had a verdict: exit status: 0"
    ],
    Outcome::Failure
)]
#[case::never_opened_by_a_launcher_of_ip_queue(
    summary(0, 0, 5), Conduct { ip_queue_alone: true, ..Conduct::default() }, PATIENCE, on_term(TERMINATED),
    &[
        "the program never opened a queue in 10s: was it told to begin, and is it written for ip_queue? The launchers preload and \
         transport serve ip_queue alone: run a program of nfnetlink_queue by `ipq-sim run` with the launcher seccomp (Linux 5.14)"
    ],
    Outcome::Failure
)]
#[case::never_set_a_mode(
    summary(0, 0, 5), opener(), PATIENCE, on_term(TERMINATED),
    &["the program opened a queue and set no copy mode; packets come only after ipq_set_mode (ATT-6)"], Outcome::Failure
)]
#[case::read_and_gave_no_verdict(
    summary(0, 5, 0), listener(5, 0), PATIENCE, on_term(TERMINATED),
    &["the program was given 5 packets and gave no verdict for 10s (--patience gives it longer)"], Outcome::Failure
)]
#[case::read_one_and_ended(
    summary(0, 5, 0), listener(5, 5), Over::Done, exit(0),
    &["the program was given 5 packets and gave no verdict", "the program ended before every packet had a verdict: exit status: 0"],
    Outcome::Failure
)]
#[case::stopped_reading(
    summary(2, 3, 0), listener(5, 3), PATIENCE, on_term(TERMINATED),
    &["the program stopped reading for 10s, and left packets in its receive buffer (--patience gives it longer)"], Outcome::Failure
)]
#[case::slow(
    summary(2, 3, 4), listener(5, 0), PATIENCE, on_term(TERMINATED),
    &["the program is slow: it decided on 2 packets, and then on none for 10s, while 7 were left (--patience gives it longer)"],
    Outcome::Failure
)]
#[case::ended_early(
    summary(2, 1, 2), listener(3, 0), Over::Done, exit(7),
    &["the program ended before every packet had a verdict: exit status: 7"], Outcome::Failure
)]
#[case::ended_before_it_was_loaded(
    summary(2, 0, 2), Conduct::default(), Over::Done, exit(127),
    &[
        "the program never opened a queue: is it written for ip_queue or nfnetlink_queue, and was it told to begin? (--launcher says how it gets its sockets)",
        "the program ended before every packet had a verdict: exit status: 127, as of a program whose libraries were not found (--library names the directory of libipq.so.0)"
    ], Outcome::Failure
)]
#[case::empty_capture(
    summary(0, 0, 0), listener(0, 0), PATIENCE, on_term(TERMINATED),
    &["nothing was fed: the capture has no packets"], Outcome::NothingTried
)]
#[case::empty_capture_and_a_program_that_ends(
    summary(0, 0, 0), listener(0, 0), Over::Done, exit(0),
    &["nothing was fed: the capture has no packets"], Outcome::NothingTried
)]
fn each_situation_has_its_own_sentence(
    #[case] summary: Summary,
    #[case] conduct: Conduct,
    #[case] over: Over,
    #[case] program: ProgramEnd,
    #[case] expected: &[&str],
    #[case] outcome: Outcome,
) {
    let found = findings(&summary, &conduct, over, program, Some(&CaptureEnd::Whole));
    let sentences: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(sentences, expected);
    let worst = found.iter().map(Finding::outcome).max().unwrap_or(Outcome::Success);
    assert_eq!(worst, outcome);
}

#[test]
fn packets_that_went_to_nobody_are_no_success() {
    let mut summary = summary(0, 0, 0);
    summary.records = 3;
    summary.dropped.insert(DropReason::NoListener, 3);
    let conduct = Conduct {
        has_listened: BTreeSet::from([QueueId::IpQueue(Family::Ipv6)]),
        used: BTreeSet::from([QueueId::IpQueue(Family::Ipv4)]),
        modes: 1,
        ..opener()
    };
    let found = findings(
        &summary,
        &conduct,
        Over::Done,
        on_term(TERMINATED),
        Some(&CaptureEnd::Whole),
    );
    let sentence = "no packet reached the program: packets went to the queue of IPv4, and the program listened to the queue of IPv6";
    assert_eq!(found[0].to_string(), sentence);
    assert_eq!((found.len(), found[0].outcome()), (1, Outcome::NothingTried));
}

/// Returns the findings about a run with nfnetlink's queues. The program listened to queue 0, and
/// the rules sent packets to the queues in `used`.
fn ruled(summary: &Summary, used: &[u16]) -> Vec<Finding> {
    let numbered = |numbers: &[u16]| numbers.iter().copied().map(QueueId::Numbered).collect();
    let conduct = Conduct {
        has_listened: numbered(&[0]),
        used: numbered(used),
        modes: 1,
        queues: Queues::Bound,
        ..opener()
    };
    findings(
        summary,
        &conduct,
        Over::Done,
        on_term(TERMINATED),
        Some(&CaptureEnd::Whole),
    )
}

#[rstest]
#[case::another_queue(
    40, Unqueued::NoRule, 20, &[3],
    "no packet reached the program: packets went to queue 3, and the program listened to queue 0"
)]
#[case::bypassed(
    0, Unqueued::Bypass, 20, &[1, 2, 3, 4, 5, 6],
    "no packet reached the program: packets went to queue 1, queue 2, queue 3, queue 4 and 2 more, and the program listened to queue 0"
)]
#[case::closed(
    40, Unqueued::NoRule, 20, &[0], "no packet reached the program: packets went to queue 0, which it had closed"
)]
#[case::fail_open(
    0, Unqueued::FailOpen, 20, &[0],
    "no packet reached the program: its queue was full each time, so 20 packets passed without it (fail open)"
)]
#[case::no_rule(
    0, Unqueued::NoRule, 20, &[],
    "no packet reached the program: no rule queued any, so 20 packets passed without it; check the conditions of --rule"
)]
fn a_run_in_which_no_packet_reached_the_program_is_no_success(
    #[case] lost: u64,
    #[case] why: Unqueued,
    #[case] passed: u64,
    #[case] used: &[u16],
    #[case] sentence: &str,
) {
    let mut summary = summary(0, 0, 0);
    summary.passed.insert(why, passed);
    summary.dropped.insert(DropReason::NoListener, lost);
    let found = ruled(&summary, used);
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [sentence]);
    assert_eq!(found[0].outcome(), Outcome::NothingTried);
    // A single packet that reached the program is enough.
    summary.accepted = 1;
    assert_eq!(ruled(&summary, used), []);
}

#[test]
fn packets_that_a_listener_left_without_a_verdict_are_a_failure() {
    let mut summary = summary(33, 0, 0);
    summary.dropped.insert(DropReason::PeerClosed, 7);
    let found = ruled(&summary, &[0]);
    assert_eq!(found, [Finding::ClosedUnjudged(7)]);
    assert_eq!(found[0].outcome(), Outcome::Failure);
    assert_eq!(
        found[0].to_string(),
        "the program closed its queue before it gave a verdict on 7 packets that it had; the kernel dropped them"
    );
}

#[test]
fn a_refused_mode_is_the_cause_and_one_refused_verdict_is_no_failure() {
    let refusal = Refusal {
        request: Request::Other(MessageType::Mode),
        errno: Errno::EPERM,
        requirement: None,
    };
    let refused = |mut summary: Summary| {
        summary.refused = 1;
        summary.first_refusal = Some(refusal);
        summary
    };
    let found = findings(
        &refused(summary(0, 0, 5)),
        &opener(),
        Over::Done,
        exit(1),
        Some(&CaptureEnd::Whole),
    );
    assert_eq!(found, [Finding::Refused(1, refusal), Finding::EndedEarly(exit(1))]);
    // A program that does not mind the refusal, and waits for packets that never come.
    let found = findings(
        &refused(summary(0, 0, 5)),
        &opener(),
        PATIENCE,
        on_term(TERMINATED),
        Some(&CaptureEnd::Whole),
    );
    let never = Finding::NeverSetMode { numbered: false };
    assert_eq!(found, [never, Finding::Refused(1, refusal)]);
    assert_eq!(found[0].outcome(), Outcome::Failure);
    let found = findings(
        &refused(summary(5, 0, 0)),
        &listener(5, 0),
        Over::Done,
        exit(0),
        Some(&CaptureEnd::Whole),
    );
    assert_eq!(found, [Finding::Refused(1, refusal)]);
    assert_eq!(found[0].outcome(), Outcome::Success);
}

#[rstest]
#[case(CaptureEnd::WithinRecord, Outcome::Success)]
#[case(CaptureEnd::Damaged("why".to_owned()), Outcome::Failure)]
fn how_the_capture_ended_is_told(#[case] end: CaptureEnd, #[case] outcome: Outcome) {
    let found = findings(&summary(5, 0, 0), &listener(5, 0), Over::Done, exit(0), Some(&end));
    assert_eq!(found, [Finding::Capture(end)]);
    assert_eq!(found[0].outcome(), outcome);
}
