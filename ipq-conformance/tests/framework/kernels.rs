//! The suite on each kernel that the emulator can be, and the cases that hold for some of them.

use ipq_conformance::suite::kernels::Held;
use ipq_conformance::suite::runner::Runner;
use ipq_conformance::suite::{Case, KnownDifferences, Outcome, Subject, cases};
use ipq_conformance::world::WorldFactory;
use ipq_conformance::worlds::SimFactory;
use ipq_core::wire::WordSize;
use ipq_sim::Profile;
use std::sync::Arc;

/// Cases that are about words of 8 bytes.
const OF_64_BITS: [&str; 2] = ["limits/arrival-after-2038-and-2106", "overrun/forty-packets-on-x86-64"];

/// Whether a case passes on a kernel, whatever the table says of it.
fn passes(case: &Case, profile: &Profile) -> bool {
    let world = SimFactory::of(*profile).create().expect("an emulator");
    let subject = Subject::begin(world, &(case.setup)(), 0, None);
    subject.is_ok_and(|subject| (case.run)(&subject).is_ok())
}

#[test]
fn every_case_holds_on_each_kernel_that_it_is_for() {
    let cases = cases::all();
    for profile in Profile::ALL {
        let factory: Arc<dyn WorldFactory> = Arc::new(SimFactory::of(*profile));
        let runner = Runner::new(factory, KnownDifferences::default(), 0);
        let mut bad = Vec::new();
        let summary = runner.run(&cases, &mut |report| {
            if report.outcome.is_bad() && !(profile.abi.word == WordSize::Four && OF_64_BITS.contains(&report.case.id))
            {
                bad.push(format!(
                    "{}: {}",
                    report.case.id,
                    report.reason.clone().unwrap_or_default()
                ));
            }
        });
        assert_eq!(bad, [""; 0], "{}", profile.name);
        println!("{}: {} passed", profile.name, summary.count(Outcome::Passed));
    }
}

/// A rule that differs has a case on each side, and each finds the other side's kernels out.
#[test]
fn what_only_older_kernels_do_is_found_missing_in_the_others() {
    let mut unsharp = Vec::new();
    for case in cases::all().iter().filter(|case| case.id.starts_with("older/")) {
        let held = Held::all()
            .iter()
            .find(|held| held.is_about(case.id))
            .expect("it is in the table");
        for profile in Profile::ALL.iter().filter(|profile| !held.holds_for(profile.kernel)) {
            if passes(case, profile) {
                unsharp.push((case.id, profile.name));
            }
        }
    }
    assert_eq!(unsharp, []);
}
