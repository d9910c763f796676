//! Runs the suite on the emulator as each kernel that it has a profile of. Checks the cases that
//! hold for some kernels only, and keeps the page `docs/kernels.md`, which says which case checks
//! which difference between kernels.

use ipq_conformance::suite::kernels::excluded;
use ipq_conformance::suite::requirements::{Coverage, Requirement};
use ipq_conformance::suite::runner::Runner;
use ipq_conformance::suite::{Case, KnownDifferences, Outcome, Subject, cases};
use ipq_conformance::world::WorldFactory;
use ipq_conformance::worlds::SimFactory;
use ipq_sim::Profile;
use pretty_assertions::assert_eq;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

/// An environment variable. If it is set, the page `docs/kernels.md` is written anew instead of
/// compared. That may be needed after cases, faults or profiles have changed.
const UPDATE: &str = "UPDATE_KERNELS_PAGE";

/// The beginning of the page, before the differences.
const INTRODUCTION: &str = "\
# What checks the differences between kernels

Each rule of `ipq-core/docs/protocol.md` that says where kernels differ, with the cases that check it on each side, the
profiles of the emulator on which they ran and passed, and the faults that were seeded into the emulator with the cases that
found them. A test of the suite writes this page and keeps it up to date.
";

/// The results of every case on every kernel.
struct Results {
    /// The names of the profiles on which a case passed, by the case's id.
    passed: BTreeMap<&'static str, Vec<&'static str>>,
    /// A line for each run of a case that failed, broke, or passed unexpectedly: the profile, the
    /// case and the reason.
    bad: Vec<String>,
}

static RESULTS: LazyLock<Results> = LazyLock::new(|| {
    let mut results = Results {
        passed: BTreeMap::new(),
        bad: Vec::new(),
    };
    for profile in Profile::ALL.iter().rev() {
        let factory: Arc<dyn WorldFactory> = Arc::new(SimFactory::of(*profile));
        let runner = Runner::new(factory, KnownDifferences::default(), 0);
        runner.run(&cases::all(), &mut |report| {
            let case = report.case.id;
            if report.outcome == Outcome::Passed {
                results.passed.entry(case).or_default().push(profile.name);
            } else if report.outcome.is_bad() {
                let reason = report.reason.clone().unwrap_or_default();
                results.bad.push(format!("{}: {case}: {reason}", profile.name));
            }
        });
    }
    results
});

/// Returns the profiles that have an `ip_queue`, the oldest first.
fn kernels() -> impl DoubleEndedIterator<Item = &'static Profile> {
    Profile::ALL.iter().rev().filter(|profile| profile.has_ip_queue())
}

/// Runs a case on the emulator with this profile, even if the suite's table says that the case is
/// not for that kernel. Returns whether it passes.
fn passes(case: &Case, profile: &Profile) -> bool {
    let world = SimFactory::of(*profile).create().expect("an emulator");
    let subject = Subject::begin(world, &(case.setup)(), 0, None);
    subject.is_ok_and(|subject| (case.run)(&subject).is_ok())
}

#[test]
fn every_case_holds_on_each_kernel_that_it_is_for() {
    assert_eq!(RESULTS.bad, [""; 0]);
}

/// Checks that each case `older/…` fails on every kernel for which the suite's table excludes it,
/// and that the table excludes at least one. Only kernels with an `ip_queue` are tried.
#[test]
fn what_only_older_kernels_do_is_found_missing_in_the_others() {
    let mut unsharp = Vec::new();
    for case in cases::all().iter().filter(|case| case.id.starts_with("older/")) {
        let mut others = 0;
        for profile in kernels().filter(|profile| excluded(case.id, profile.kernel).is_some()) {
            others += 1;
            if passes(case, profile) {
                unsharp.push((case.id, profile.name));
            }
        }
        assert_ne!(others, 0, "{} is for every kernel", case.id);
    }
    assert_eq!(unsharp, []);
}

/// Checks each requirement `ERA-…`, which is about a difference between kernels. Cases `older/…`
/// and other cases have to cite it, and each of these cases has to pass on some kernel. Every
/// seeded fault of it has to be found by some case. At least one has to be found by one of these
/// cases `older/…`, and at least one by one of the others.
#[test]
fn every_difference_is_checked_on_each_side() {
    let coverage = Coverage::of(&cases::all()).expect("the tables are right");
    for row in coverage
        .rows
        .iter()
        .filter(|row| row.requirement.id.starts_with("ERA-"))
    {
        let id = row.requirement.id;
        let (older, newer): (Vec<_>, Vec<_>) = row.cases.iter().partition(|case| case.starts_with("older/"));
        assert!(!older.is_empty() && !newer.is_empty(), "{id}: {:?}", row.cases);
        for case in &row.cases {
            assert!(RESULTS.passed.contains_key(case), "{id}: {case} ran on no kernel");
        }
        let faults = &row.faults;
        for (side, cases) in [("older", older), ("newer", newer)] {
            let found = faults
                .iter()
                .any(|fault| fault.cases.iter().any(|found| cases.contains(&&&**found)));
            assert!(found, "{id}: no fault is found by a case for {side} kernels");
        }
        let unfound: Vec<_> = faults.iter().filter(|fault| fault.cases.is_empty()).collect();
        assert!(unfound.is_empty(), "{id}: {unfound:?}");
    }
}

#[test]
fn the_page_of_the_differences_is_up_to_date() {
    let page = page();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kernels.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, page).expect("the page can be written");
        return;
    }
    let written = std::fs::read_to_string(path).expect("there is a page");
    assert_eq!(written, page, "run this test with {UPDATE}=1 to write the page anew");
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let coverage = Coverage::of(&cases::all()).expect("the tables are right");
    for row in coverage
        .rows
        .iter()
        .filter(|row| row.requirement.id.starts_with("ERA-"))
    {
        let Requirement { id, text } = row.requirement;
        let _ = write!(page, "\n## {id}\n\n{text}\n\n| case | passed on |\n|---|---|\n");
        for case in &row.cases {
            let passed = RESULTS.passed.get(case).map(|names| on_kernels(names));
            let _ = writeln!(page, "| `{case}` | {} |", passed.unwrap_or_default());
        }
        let _ = write!(page, "\n| fault | seeded into | found by |\n|---|---|---|\n");
        for fault in &row.faults {
            // A fault may also break another rule, whose cases are not listed here.
            let found = fault.cases.iter().filter(|case| row.cases.contains(&case.as_str()));
            let found: Vec<String> = found.map(|case| format!("`{case}`")).collect();
            let kernel = on_kernels(&[&fault.kernel]);
            let _ = writeln!(page, "| {} | {kernel} | {} |", fault.description, found.join(", "));
        }
    }
    page
}

/// Returns the versions in these profiles' names, separated by commas, each with its architecture
/// unless that is i386: "2.6.18, 3.4.10 `x86_64`".
fn on_kernels(names: &[&str]) -> String {
    let kernel = |name: &&str| {
        let (kernel, architecture) = name.trim_start_matches("linux-").split_once('-').unwrap_or((name, ""));
        match architecture {
            "i386" => kernel.to_owned(),
            architecture => format!("{kernel} {architecture}"),
        }
    };
    names.iter().map(kernel).collect::<Vec<_>>().join(", ")
}
