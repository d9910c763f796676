//! The comparison of two worlds: it finds seeded faults, and shortens the steps that show them.

use ipq_conformance::diff::{Compared, Divergence, KnownDivergences, Pair, Plan};
use ipq_conformance::replay::replay;
use ipq_conformance::world::{Step, World, WorldError, WorldFactory};
use ipq_conformance::worlds::SimFactory;
use ipq_sim::{Fault, Profile};
use pretty_assertions::assert_eq;

/// The number of seeds that are tried for each fault.
const SEEDS: u64 = 500;

/// Compares emulators without a fault with those that have `fault`, and returns the first unknown
/// difference; `None` if [`SEEDS`] plans show none.
fn find(fault: Fault, known: &KnownDivergences) -> Option<Divergence> {
    let (first, second) = (SimFactory::default(), SimFactory::with_fault(fault));
    let pair = Pair {
        first: &first,
        second: &second,
        known,
    };
    (0..SEEDS).find_map(|seed| {
        match pair
            .compare(&Plan::generate(seed), "generated")
            .expect("both can be tried")
        {
            Compared::Different(divergence) => Some(*divergence),
            Compared::Equal | Compared::Known(_) => None,
        }
    })
}

#[test]
fn a_seeded_fault_is_found_and_made_short() {
    let divergence = find(Fault::SuccessAcknowledged, &KnownDivergences::default()).expect("it is found");
    let seen: Vec<_> = divergence
        .recording
        .steps
        .iter()
        .map(|recorded| &recorded.step)
        .collect();
    assert!(
        matches!(
            seen[..],
            [Step::Open { .. }, Step::Send { .. }, Step::Receive { .. }, ..]
        ),
        "{seen:?}"
    );
    assert_eq!(divergence.difference.step, 3);
    assert_eq!(divergence.recording.setup.rules, []);
    insta::assert_snapshot!(divergence.difference);
}

#[test]
fn what_is_left_of_a_sequence_is_needed() {
    for fault in [Fault::GrowthCut, Fault::StopIsAccept, Fault::DownKeepsPackets] {
        let divergence = find(fault, &KnownDivergences::default()).expect("it is found");
        let line = divergence.recording.to_line().expect("it can be written");
        let differs = |factory: &SimFactory, recording: &_| {
            let mut world = factory.create().expect("there are always emulators");
            replay(recording, world.as_mut())
                .expect("it can be replayed")
                .difference
        };
        let recording = ipq_conformance::recording::Recording::parse(&line).expect("it can be read");
        assert_eq!(differs(&SimFactory::default(), &recording), None, "{line}");
        assert!(differs(&SimFactory::with_fault(fault), &recording).is_some(), "{line}");
        let packets = recording
            .steps
            .iter()
            .filter(|recorded| matches!(recorded.step, Step::Inject { .. }));
        assert_eq!(packets.count(), 1, "one packet shows it: {line}");
    }
}

/// Lists in a snapshot the faults of Linux 3.4.10 that generated steps do not find.
/// `MangleHasTwoChains` is not tried: with it the generated rules can't be added.
#[test]
fn most_faults_are_found() {
    let missed = Fault::ALL
        .iter()
        .filter(|fault| fault.kernel() == Profile::default() && **fault != Fault::MangleHasTwoChains)
        .filter(|fault| find(**fault, &KnownDivergences::default()).is_none());
    insta::assert_debug_snapshot!(missed.collect::<Vec<_>>());
}

#[test]
fn a_known_divergence_is_excepted_and_others_are_not() {
    let known = |difference: &str| {
        let entry = serde_json::json!([{ "worlds": ["sim", "sim"], "difference": difference, "reason": "on purpose" }]);
        serde_json::from_value::<KnownDivergences>(entry).expect("it is well formed")
    };
    assert!(find(Fault::SuccessAcknowledged, &known("generated, step * of *: *")).is_none());
    assert!(find(Fault::SuccessAcknowledged, &known("*the text differs*")).is_some());
}

/// A factory named `acknowledging`, of emulators that acknowledge every success.
struct Acknowledging;

impl WorldFactory for Acknowledging {
    fn name(&self) -> &'static str {
        "acknowledging"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        SimFactory::with_fault(Fault::SuccessAcknowledged).create()
    }
}

/// Checks that a known divergence is recognized whichever of its two worlds is the first of the
/// compared pair. With the two worlds exchanged in the entry itself, it is not recognized.
#[test]
fn a_known_divergence_is_one_in_either_order_of_the_worlds() {
    let known = |worlds: [&str; 2]| {
        let difference = "*recorded *→ nothing*here *+ *length = *";
        let entry = serde_json::json!([{ "worlds": worlds, "difference": difference, "reason": "on purpose" }]);
        serde_json::from_value::<KnownDivergences>(entry).expect("it is well formed")
    };
    let plain: &dyn WorldFactory = &SimFactory::default();
    let acknowledging: &dyn WorldFactory = &Acknowledging;
    let compared = |[first, second]: [&dyn WorldFactory; 2], known: &KnownDivergences| {
        let pair = Pair { first, second, known };
        let plans = (0..SEEDS).map(Plan::generate);
        let mut compared = plans.map(|plan| pair.compare(&plan, "generated").expect("both can be tried"));
        compared.find(|compared| !matches!(compared, Compared::Equal))
    };
    for worlds in [[plain, acknowledging], [acknowledging, plain]] {
        let right = compared(worlds, &known(["sim", "acknowledging"]));
        assert!(
            matches!(&right, Some(Compared::Known(reason)) if reason == "on purpose"),
            "{right:?}"
        );
        let wrong = compared(worlds, &known(["acknowledging", "sim"]));
        assert!(matches!(wrong, Some(Compared::Different(_))), "{wrong:?}");
    }
}

#[test]
fn every_known_divergence_has_a_reason() {
    KnownDivergences::built_in().expect("the list is right");
}
