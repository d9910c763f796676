//! Tests of a matrix: its rows, columns, notes, reasons and summary.

use super::*;
use pretty_assertions::assert_eq;
use rstest::rstest;

const SUITE: [Case; 3] = [
    Case::must("wire/first", "First", &["WIRE-1"], |_| Ok(())),
    Case::kernel("wire/second", "Second", &["WIRE-2"], |_| Ok(())),
    Case::quirk("proc/third", "Third", &["PROC-1"], |_| Ok(())),
];

fn tried(id: &str, level: Level, outcome: Outcome) -> Tried {
    Tried {
        id: id.into(),
        title: "A title".into(),
        topic: id.split('/').next().unwrap_or_default().into(),
        level,
        requirements: vec!["WIRE-1".into()],
        outcome,
        reason: (outcome != Outcome::Passed).then(|| format!("{outcome} for a reason")),
        details: None,
        transcript: None,
    }
}

fn results(world: &str, kernel: &str, cases: Vec<Tried>) -> Results {
    Results {
        source: None,
        environment: Environment {
            suite: VERSION.into(),
            world: world.into(),
            implementation: "an implementation".into(),
            kernel: kernel.into(),
            arch: "x86_64".into(),
            word_bytes: 8,
            byte_order: "little".into(),
            capabilities: Vec::new(),
            seed: 0,
            world_seed: None,
            date: None,
            choice: None,
        },
        cases,
        out_of_date: Vec::new(),
    }
}

fn passed(ids: &[&str]) -> Vec<Tried> {
    ids.iter().map(|id| tried(id, Level::Must, Outcome::Passed)).collect()
}

fn ids(matrix: &Matrix) -> Vec<&str> {
    matrix.rows.iter().map(|row| row.id.as_str()).collect()
}

fn reason(matrix: &Matrix, row: usize, column: usize) -> &str {
    matrix.rows[row].cells[column].reason.as_deref().unwrap_or_default()
}

#[test]
fn rows_are_in_the_suites_order_and_what_it_does_not_know_comes_last() {
    let columns = vec![
        results("sim", "3.4", passed(&["else/where", "proc/third"])),
        results("nfqueue", "6.18", passed(&["wire/second", "wire/first"])),
    ];
    let matrix = Matrix::new(columns, &SUITE);
    assert_eq!(ids(&matrix), ["wire/first", "wire/second", "proc/third", "else/where"]);
    let topics: Vec<_> = matrix
        .topics()
        .map(|rows| (rows[0].topic.as_str(), rows.len()))
        .collect();
    assert_eq!(topics, [("wire", 2), ("proc", 1), ("else", 1)]);
}

#[test]
fn a_case_that_a_column_lacks_is_not_run_and_the_reason_is_the_likely_one() {
    let mut other_version = results("old", "2.6", Vec::new());
    other_version.environment.suite = "0.0.9".into();
    let quirk = tried("proc/third", Level::Quirk, Outcome::Passed);
    let columns = vec![
        results(
            "sim",
            "3.4",
            [passed(&["wire/first", "wire/gone"]), vec![quirk]].concat(),
        ),
        results("nfqueue", "6.18", passed(&["wire/second"])),
        other_version,
    ];
    let matrix = Matrix::new(columns, &SUITE);
    let third = &matrix.rows[2];
    assert_eq!(third.id, "proc/third");
    assert_eq!(third.cells[1].state, State::NotRun);
    assert_eq!(
        reason(&matrix, 0, 1),
        "not among these results: it was not chosen, or not there yet"
    );
    assert_eq!(
        reason(&matrix, 2, 1),
        "not among these results: a quirk, which `run` leaves out without --strict"
    );
    assert_eq!(
        reason(&matrix, 2, 2),
        "not among these results, which are of suite 0.0.9"
    );
    assert_eq!(
        matrix.notes,
        [
            format!(
                "the columns are of different versions of the suite: sim of {VERSION}, nfqueue of {VERSION}, old of 0.0.9"
            ),
            "sim has no result of 1 case that another column has".into(),
            "nfqueue has no result of 3 cases that another column has".into(),
            "old has no result of 4 cases that another column has".into(),
        ]
    );
}

#[test]
fn a_case_that_columns_describe_differently_is_noted() {
    let columns = vec![
        results("sim", "3.4", vec![tried("wire/first", Level::Must, Outcome::Passed)]),
        results(
            "nfqueue",
            "6.18",
            vec![tried("wire/first", Level::Kernel, Outcome::Passed)],
        ),
    ];
    let matrix = Matrix::new(columns, &SUITE);
    assert_eq!(matrix.rows[0].level, Level::Must);
    assert_eq!(
        matrix.notes,
        ["wire/first is of level kernel and checks WIRE-1 in nfqueue"]
    );
}

#[rstest]
#[case::worlds(&[("sim", "3.4", "a"), ("nfqueue", "3.4", "a")], &["sim", "nfqueue"])]
#[case::kernels(&[("sim", "3.4", "a"), ("ip_queue", "3.4", "b"), ("ip_queue", "3.0", "c")], &["sim", "ip_queue 3.4", "ip_queue 3.0"])]
#[case::files(&[("sim", "3.4", "a"), ("sim", "3.4", "b")], &["sim 3.4 (a)", "sim 3.4 (b)"])]
#[case::the_same_file(&[("sim", "3.4", "a"), ("sim", "3.4", "a")], &["sim 3.4 (a) #1", "sim 3.4 (a) #2"])]
fn columns_have_names_of_their_own(#[case] columns: &[(&str, &str, &str)], #[case] expected: &[&str]) {
    let columns: Vec<_> = columns
        .iter()
        .map(|(world, kernel, file)| Results {
            source: Some((*file).to_owned()),
            ..results(world, kernel, Vec::new())
        })
        .collect();
    assert_eq!(names(&columns), expected);
}

#[rstest]
#[case::all_passed(&[Outcome::Passed], true, false)]
#[case::skips_are_no_run(&[Outcome::Skipped], true, true)]
#[case::a_known_difference_is_one(&[Outcome::Skipped, Outcome::ExpectedDifference], true, false)]
#[case::failed(&[Outcome::Passed, Outcome::Failed], false, false)]
#[case::broken(&[Outcome::Broken], false, false)]
#[case::passed_unexpectedly(&[Outcome::UnexpectedPass], false, false)]
fn it_comes_to_what_its_worst_cell_does(#[case] outcomes: &[Outcome], #[case] good: bool, #[case] idle: bool) {
    let names = ["wire/first", "wire/second"];
    let cases = names.iter().zip(outcomes);
    let cases = cases.map(|(id, outcome)| tried(id, Level::Must, *outcome)).collect();
    let matrix = Matrix::new(vec![results("sim", "3.4", cases)], &SUITE);
    assert_eq!((matrix.is_good(), matrix.nothing_ran()), (good, idle));
}

#[test]
fn a_list_that_is_out_of_date_is_bad() {
    let mut column = results("sim", "3.4", passed(&["wire/first"]));
    column.out_of_date.push("it names nothing".into());
    assert!(!Matrix::new(vec![column], &SUITE).is_good());
}

#[test]
fn the_summary_names_the_worlds_with_trouble() {
    let good = results("sim", "3.4", passed(&["wire/first", "wire/second"]));
    let mut bad = results(
        "nfqueue",
        "6.18",
        vec![tried("wire/first", Level::Must, Outcome::Failed)],
    );
    bad.out_of_date.push("it names nothing".into());
    assert_eq!(
        Matrix::new(vec![good, bad], &SUITE).summary(),
        "2 cases in 2 worlds; 1 failed in nfqueue; known differences of nfqueue are out of date"
    );
}

#[test]
fn every_cell_that_is_not_green_has_a_reason() {
    let mut cases: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| tried(&format!("wire/{}", outcome.name()), Level::Must, *outcome))
        .collect();
    for case in &mut cases {
        case.reason = None;
    }
    let matrix = Matrix::new(
        vec![results("sim", "3.4", cases), results("other", "1", Vec::new())],
        &SUITE,
    );
    for cell in matrix.rows.iter().flat_map(|row| &row.cells) {
        assert_eq!(
            cell.reason.is_some(),
            cell.state != State::Run(Outcome::Passed),
            "{cell:?}"
        );
    }
}

#[test]
fn each_reason_is_numbered_once() {
    let mut cases = vec![
        tried("wire/first", Level::Must, Outcome::Skipped),
        tried("wire/second", Level::Must, Outcome::Skipped),
        tried("proc/third", Level::Must, Outcome::Failed),
    ];
    cases[2].reason = Some("another".into());
    let matrix = Matrix::new(vec![results("sim", "3.4", cases)], &SUITE);
    let reasons = matrix.reasons();
    assert_eq!(reasons.list, ["skipped for a reason", "another"]);
    let numbers: Vec<_> = matrix.rows.iter().map(|row| reasons.number(&row.cells[0])).collect();
    assert_eq!(numbers, [Some(1), Some(1), Some(2)]);
}
