#[path = "../support/c_library.rs"]
mod c_library;
#[path = "ping.rs"]
mod ping;
#[path = "program.rs"]
mod program;

use c_library::{CORE, compiled, lack, shown_in_readme};
use ipq_conformance::laboratory::{Laboratory, Place, Queues};
use ipq_conformance::suite::Packet;
use ipq_conformance::world::topology::{TAP0, TAP1};
use ipq_conformance::world::{Protocol, Rule, Table};
use ipq_core::{Family, Hook};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use ping::Ping;
use pretty_assertions::assert_eq;
use program::Program;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The argument that makes this program run one test. The test's name and the compiled program's
/// path follow.
const ONE: &str = "--in-a-laboratory";
/// The exit status of a process that can't have a laboratory.
const NOT_HERE: i32 = 77;

type Outcome = Result<(), Box<dyn Error>>;

/// A test of one program: its name, the path of the program's source from the folder of the package
/// ipq-core, and the function that runs the test.
type Test = (&'static str, &'static str, fn(&mut Laboratory, &Path) -> Outcome);

const PASS: &str = "tests/c/pass.c";
const WATCH: &str = "../ipq-conformance/tests/c/watch.c";
const HOLD: &str = "../ipq-conformance/tests/c/hold.c";
const NON_BLOCKING: &str = "tests/c/non_blocking.c";
const AWKWARD: &str = "../ipq-sim/tests/c/awkward.c";

const TESTS: &[Test] = &[
    (
        "a-ping-goes-through-with-the-example-and-not-without-it",
        PASS,
        ping_with_auto,
    ),
    (
        "a-ping-goes-through-with-the-example-on-nfqueue",
        PASS,
        ping_with_nfqueue,
    ),
    (
        "each-family-has-the-queue-of-its-number",
        WATCH,
        each_family_has_its_queue,
    ),
    (
        "a-packet-of-the-other-family-is-passed-over",
        WATCH,
        other_family_is_passed_over,
    ),
    (
        "without-the-capability-the-example-says-so",
        PASS,
        without_the_capability,
    ),
    (
        "beside-another-listener-the-example-says-so",
        PASS,
        beside_another_listener,
    ),
    (
        "a-non-blocking-descriptor-makes-an-idle-read-fail-with-eagain",
        NON_BLOCKING,
        non_blocking,
    ),
    (
        "settings-reach-the-queue-of-a-program-that-knows-none",
        HOLD,
        settings_reach_the_queue,
    ),
    (
        "a-receive-buffer-that-the-system-does-not-allow-is-an-error",
        HOLD,
        receive_buffer_not_allowed,
    ),
    ("awkward-uses-go-as-they-went-with-the-original", AWKWARD, awkward_uses),
];

pub(crate) fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(ONE) {
        let [name, program] = [arguments.next(), arguments.next()].map(Option::unwrap_or_default);
        return run_one(&name, Path::new(&program));
    }
    let trials = TESTS
        .iter()
        .map(|(name, source, _)| Trial::ignorable_test(*name, || in_a_process(name, source)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn in_a_process(name: &str, source: &str) -> Result<Completion, Failed> {
    if let Some(reason) = lack(&[]) {
        return Ok(Completion::ignored_with(reason));
    }
    let program: PathBuf = compiled(&Path::new(CORE).join(source), &[]);
    let output = Command::new("/proc/self/exe").args([ONE, name]).arg(program).output()?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Ok(Completion::Completed),
        Some(NOT_HERE) if std::env::var_os("IPQ_REQUIRE_REAL").is_none() => Ok(Completion::ignored_with(words)),
        _ => Err(format!("{}: {words}", output.status).into()),
    }
}

fn run_one(name: &str, program: &Path) -> ExitCode {
    let (_, _, test) = TESTS
        .iter()
        .find(|(known, ..)| *known == name)
        .expect("a test has this name");
    match Laboratory::set_up(Place::Private) {
        Ok(mut laboratory) => {
            test(&mut laboratory, program).expect("the program does what it is for");
            ExitCode::SUCCESS
        }
        Err(error) if error.is_of_the_system() => {
            eprint!("{error}");
            std::process::exit(NOT_HERE)
        }
        Err(error) => panic!("{error}"),
    }
}

/// The queues that rules with `-j QUEUE` send packets of both families to: queue 0.
const QUEUE: Queues = Queues::Numbered { ipv4: 0, ipv6: 0 };

/// Sets rules that queue all ICMP packets that this host sends, for IPv4 and for IPv6: its pings to
/// itself, and its replies. `queues` has the number of the queue for each family.
fn queue_pings(laboratory: &Laboratory, queues: Queues) -> Outcome {
    let rule = |family, protocol| Rule::queue(family, Table::Filter, Hook::Output, Some(protocol));
    let rules = [rule(Family::Ipv4, Protocol::ICMP), rule(Family::Ipv6, Protocol::ICMPV6)];
    Ok(laboratory.set_rules(&rules, queues)?)
}

fn ping_with_auto(laboratory: &mut Laboratory, program: &Path) -> Outcome {
    ping_with_and_without(laboratory, program, None)
}

fn ping_with_nfqueue(laboratory: &mut Laboratory, program: &Path) -> Outcome {
    ping_with_and_without(laboratory, program, Some("nfqueue"))
}

fn ping_with_and_without(laboratory: &Laboratory, program: &Path, transport: Option<&str>) -> Outcome {
    queue_pings(laboratory, QUEUE)?;
    let mut ping = Ping::open(Family::Ipv4)?;
    assert!(!ping.is_answered_at_once(laboratory)?, "nobody listens yet");
    let running = Program::start(program, transport, &[])?;
    ping.until_answered()?;
    drop(running);
    assert!(!ping.is_answered_at_once(laboratory)?, "nobody listens any more");
    laboratory.set_rules(&[], QUEUE)?;
    assert!(ping.is_answered_at_once(laboratory)?, "no rule queues it");
    Ok(())
}

fn each_family_has_its_queue(laboratory: &mut Laboratory, program: &Path) -> Outcome {
    queue_pings(laboratory, Queues::Numbered { ipv4: 4, ipv6: 6 })?;
    let mut running = Program::start(program, Some("nfqueue:4=4,6=6"), &["4", "6"])?;
    assert_eq!(running.line()?, "attached");
    for family in Family::ALL {
        Ping::open(family)?.until_answered()?;
    }
    Ok(())
}

/// Checks that a packet of the other family makes the descriptor readable, but is not given to the
/// program.
fn other_family_is_passed_over(laboratory: &mut Laboratory, program: &Path) -> Outcome {
    queue_pings(laboratory, QUEUE)?;
    let mut running = Program::start(program, Some("nfqueue"), &["4"])?;
    assert_eq!(running.line()?, "attached");
    assert!(!Ping::open(Family::Ipv6)?.is_answered_at_once(laboratory)?);
    assert_eq!(running.line()?, "Timeout");
    Ping::open(Family::Ipv4)?.until_answered()
}

fn without_the_capability(_: &mut Laboratory, program: &Path) -> Outcome {
    // The programs that are started from here on lack the capability.
    remove_capability_from_bounding_set(CapabilitySet::NET_ADMIN)?;
    for transport in [None, Some("nfqueue")] {
        let (status, printed) = Program::start(program, transport, &[])?.end()?;
        assert_eq!(printed, shown_in_readme("without `CAP_NET_ADMIN`"));
        assert_eq!(status.code(), Some(1));
    }
    Ok(())
}

fn beside_another_listener(laboratory: &mut Laboratory, program: &Path) -> Outcome {
    queue_pings(laboratory, QUEUE)?;
    let _listener = Program::start(program, None, &[])?;
    Ping::open(Family::Ipv4)?.until_answered()?;
    let (status, printed) = Program::start(program, None, &[])?.end()?;
    assert_eq!(printed, shown_in_readme("another program listens to the queue"));
    assert_eq!(status.code(), Some(1));
    Ok(())
}

fn non_blocking(laboratory: &mut Laboratory, program: &Path) -> Outcome {
    queue_pings(laboratory, QUEUE)?;
    let mut running = Program::start(program, Some("nfqueue"), &[])?;
    assert_eq!(running.line()?, "attached");
    let (status, printed) = running.end()?;
    assert!(status.success(), "{status}: {printed}");
    Ok(())
}

/// Checks that the settings in `IPQ_TRANSPORT` take effect, except `gso`, which is only accepted.
/// With the maximum length 2 two of five packets wait in the queue; the other three are dropped, or
/// accepted if `fail-open` is set. The kernel grants twice the receive buffer asked for.
fn settings_reach_the_queue(laboratory: &mut Laboratory, program: &Path) -> Outcome {
    let rule = Rule::queue(Family::Ipv4, Table::Filter, Hook::Forward, None);
    laboratory.set_rules(&[rule], Queues::Numbered { ipv4: 5, ipv6: 6 })?;
    for (settings, passed) in [("", 0), (",fail-open", 3)] {
        let transport = format!("nfqueue:4=5,max-length=2,receive-buffer=40000,gso{settings}");
        let mut running = Program::start(program, Some(&transport), &[])?;
        assert_eq!(running.line()?, "attached with 80000 bytes");
        laboratory.inject(TAP0.name, &Packet::udp4().frame(), 5)??;
        let mut found = 0;
        while laboratory.sniff(TAP1.name)?.is_some() {
            found += 1;
        }
        assert_eq!(found, passed, "{transport}");
    }
    Ok(())
}

fn receive_buffer_not_allowed(_: &mut Laboratory, program: &Path) -> Outcome {
    let (status, printed) = Program::start(program, Some("nfqueue:receive-buffer=2000000000"), &[])?.end()?;
    assert!(
        printed.starts_with(
            "hold: Unable to create netlink socket: the receive buffer can't have 2000000000 bytes: this system allows "
        ),
        "{printed}"
    );
    assert_eq!(status.code(), Some(1));
    Ok(())
}

/// Runs the program `awkward.c` once for each use of the library that it knows, except `daemon`,
/// `families` and `overrun`. Checks that it succeeds, and how many of ten packets pass;
/// `create-destroy` gets no packets.
fn awkward_uses(laboratory: &mut Laboratory, program: &Path) -> Outcome {
    let rule = Rule::queue(Family::Ipv4, Table::Filter, Hook::Forward, None);
    laboratory.set_rules(&[rule], QUEUE)?;
    for (name, accepted) in [
        ("select", 9),
        ("threads", 9),
        ("descriptors", 9),
        ("held", 9),
        ("twice", 4),
        ("small-buffer", 1),
        ("timeout", 0),
        ("fork", 9),
        ("signals", 0),
    ] {
        let mut running = Program::start(program, Some("nfqueue"), &[name, "tell"])?;
        assert_eq!(running.line()?, "attached", "{name}");
        laboratory.inject(TAP0.name, &Packet::udp4().frame(), 10)??;
        let (status, printed) = running.end()?;
        assert!(status.success(), "{name}: {status}, {printed}");
        let mut passed = 0;
        while laboratory.sniff(TAP1.name)?.is_some() {
            passed += 1;
        }
        assert_eq!(passed, accepted, "{name}");
    }
    let (status, printed) = Program::start(program, Some("nfqueue"), &["create-destroy"])?.end()?;
    assert!(status.success(), "create-destroy: {status}, {printed}");
    Ok(())
}
