//! Tests of the suite itself. Each seeded fault makes the emulator break one rule or a few. The
//! cases that cite these rules are run on it, and those that fail are listed in
//! `found-faults.json`.

use ipq_conformance::suite::requirements::{Coverage, FoundFault};
use ipq_conformance::suite::runner::Runner;
use ipq_conformance::suite::{KnownDifferences, Outcome, cases};
use ipq_conformance::worlds::SimFactory;
use ipq_sim::Fault;
use pretty_assertions::assert_eq;
use serde::Deserialize;
use std::sync::Arc;

/// An environment variable. If it is set, `found-faults.json` is written anew instead of compared.
/// That is needed after cases or faults have changed.
const UPDATE: &str = "UPDATE_FOUND_FAULTS";

/// Returns an entry for every seeded fault. It lists the cases that cite a rule which the fault
/// breaks and that fail on an emulator with the fault; none if no case finds it.
fn find_faults() -> Vec<FoundFault> {
    let cases = cases::all();
    let found = Fault::ALL.iter().map(|fault| {
        let citing: Vec<_> = cases
            .iter()
            .filter(|case| fault.requirements().any(|id| case.requirements.contains(&id)))
            .copied()
            .collect();
        let runner = Runner::new(Arc::new(SimFactory::with_fault(*fault)), KnownDifferences::default(), 0);
        let mut failing = Vec::new();
        runner.run(&citing, &mut |report| {
            if report.outcome == Outcome::Failed {
                failing.push(report.case.id.to_owned());
            }
        });
        FoundFault {
            requirements: fault.requirements().map(str::to_owned).collect(),
            fault: format!("{fault:?}"),
            kernel: fault.kernel().name.to_owned(),
            description: fault.description().to_owned(),
            cases: failing,
        }
    });
    found.collect()
}

/// Returns the table in JSON, one entry a line, so that changes of different topics can be merged.
fn to_json(found: &[FoundFault]) -> String {
    let lines = found
        .iter()
        .map(|fault| serde_json::to_string(fault).expect("it is plain data"));
    format!("[\n{}\n]\n", lines.collect::<Vec<_>>().join(",\n"))
}

#[test]
fn the_table_of_found_faults_is_up_to_date() {
    let found = find_faults();
    if std::env::var_os(UPDATE).is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/suite/data/found-faults.json");
        std::fs::write(path, to_json(&found)).expect("the table can be written");
        return;
    }
    let table = Coverage::faults().expect("the table is right");
    assert_eq!(
        to_json(&table),
        to_json(&found),
        "run this test with {UPDATE}=1 to write the table anew"
    );
}

/// An entry of `unearned-citations.json`: a case and a requirement that it cites, although no
/// seeded fault that breaks the requirement makes the case fail. `reason` says why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unearned {
    case: String,
    requirement: String,
    reason: String,
}

/// Checks that each case fails for at least one seeded fault of each requirement that it cites, or
/// that `unearned-citations.json` or `unchecked.json` gives a reason why not. Cases `nfq-…` are
/// left out, and of cases `older/…` only the requirements `ERA-…` are looked at.
#[test]
fn every_citation_is_earned_or_excused() {
    let earned = Coverage::faults().expect("the table is right");
    let unchecked = Coverage::unchecked().expect("the table is right");
    let excused: Vec<Unearned> =
        serde_json::from_str(include_str!("unearned-citations.json")).expect("the list is right");
    assert!(
        excused.iter().all(|unearned| unearned.reason.ends_with('.')),
        "{excused:#?}"
    );
    let mut unearned = Vec::new();
    for case in cases::all() {
        // `kernels.rs` shows that the cases for older kernels fail on the newer ones. That earns
        // their citations of the newer kernels' rules.
        let of_its_kernels = |id: &&&str| !case.id.starts_with("older/") || id.starts_with("ERA-");
        // The cases for numbered queues check more than the seeded faults break: a rule has one or
        // two faults, and many sides.
        if case.id.starts_with("nfq-") {
            continue;
        }
        for requirement in case.requirements.iter().filter(of_its_kernels) {
            let found = earned.iter().filter(|fault| fault.breaks(requirement));
            let found = found.flat_map(|fault| &fault.cases).any(|found| found == case.id);
            let impossible = unchecked.iter().any(|unchecked| unchecked.requirement == *requirement);
            if !found && !impossible {
                unearned.push((case.id.to_owned(), (*requirement).to_owned()));
            }
        }
    }
    let excused = excused
        .into_iter()
        .map(|unearned| (unearned.case, unearned.requirement));
    assert_eq!(
        excused.collect::<Vec<_>>(),
        unearned,
        "the list has to name these, in this order"
    );
}

#[test]
fn every_requirement_without_a_fault_has_a_reason_and_no_other() {
    let unchecked = Coverage::unchecked().expect("the table is right");
    for requirement in ipq_conformance::suite::requirements::Requirement::all() {
        let broken = Fault::ALL
            .iter()
            .any(|fault| fault.requirements().any(|id| id == requirement.id));
        let excused = unchecked
            .iter()
            .any(|unchecked| unchecked.requirement == requirement.id);
        assert!(
            broken != excused,
            "{}: a fault breaks it: {broken}, a reason excuses it: {excused}",
            requirement.id
        );
    }
}

#[test]
fn every_requirement_is_covered() {
    let coverage = Coverage::of(&cases::all()).expect("the tables are right");
    let uncovered: Vec<_> = coverage.uncovered().map(|row| row.requirement.id).collect();
    assert_eq!(uncovered, [""; 0]);
}
