//! Runs the suite on the kernel that this test runs on. No case may fail, be broken or pass
//! unexpectedly. Cases for other kernels aside, those that are skipped or known to differ have few
//! reasons together, and one of level *must* may be skipped only for a capability in `LACKING`.

use ipq_conformance::suite::runner::Runner;
use ipq_conformance::suite::{KnownDifferences, Level, Outcome, cases};
use ipq_conformance::world::Capability;
use ipq_conformance::worlds::NfQueueFactory;
use libtest_mimic::{Completion, Failed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The greatest number of different reasons for which cases may not pass. Cases that are for other
/// kernels are left out.
const MOST_REASONS: usize = 14;
/// The least number of cases that must pass.
const FEWEST_PASSED: usize = 100;
/// The capabilities that a case of level *must* may be skipped for if the world lacks them.
const LACKING: [Capability; 9] = [
    Capability::ProcText,
    Capability::Sysctl,
    Capability::ModuleLoading,
    Capability::DatagramWeights,
    Capability::ForeignPortId,
    Capability::IdReuse,
    Capability::BothFamilies,
    Capability::SocketPortIds,
    Capability::LaterRules,
];
/// The beginning of the reason for which a case that is for other kernels is skipped.
const FOR_OTHER_KERNELS: &str = "holds for Linux ";

pub(super) fn exceptions_have_few_reasons() -> Result<Completion, Failed> {
    let runner = Runner::new(Arc::new(NfQueueFactory), KnownDifferences::built_in()?, 0);
    let mut passed = 0;
    let mut reasons = BTreeMap::<String, Vec<&str>>::new();
    let mut wrong = Vec::new();
    runner.run(&cases::all(), &mut |report| {
        let case = &report.case;
        match report.outcome {
            Outcome::Passed => passed += 1,
            Outcome::Skipped | Outcome::ExpectedDifference => {
                let reason = report.reason.clone().unwrap_or_default();
                if reason.starts_with(FOR_OTHER_KERNELS) {
                    return;
                }
                let lacking = LACKING.iter().find(|lacking| case.needs.contains(lacking));
                let named = lacking.is_some_and(|lacking| reason.starts_with(&format!("needs {lacking}: ")));
                if case.level == Level::Must && !named {
                    wrong.push(format!("{} is a must, and {}: {reason}", case.id, report.outcome));
                }
                reasons.entry(reason).or_default().push(case.id);
            }
            other => wrong.push(format!("{}: {other}", case.id)),
        }
    });
    if passed == 0 && reasons.len() == 1 && std::env::var_os("IPQ_REQUIRE_REAL").is_none() {
        return Ok(Completion::ignored_with(reasons.into_keys().collect::<String>()));
    }
    if reasons.len() > MOST_REASONS || reasons.contains_key("") {
        wrong.push(format!("{} reasons: {reasons:#?}", reasons.len()));
    }
    if passed < FEWEST_PASSED {
        wrong.push(format!("{passed} passed: {reasons:#?}"));
    }
    if wrong.is_empty() {
        Ok(Completion::Completed)
    } else {
        Err(wrong.join("\n").into())
    }
}
