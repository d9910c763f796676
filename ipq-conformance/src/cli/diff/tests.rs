use super::*;
use crate::cli::{MergeArguments, merge, nothing_ran};
use crate::partition::Partition;
use crate::recording::Recording;
use crate::replay::replay;
use crate::world::{World, WorldError};
use crate::worlds::SimFactory;
use ipq_sim::Fault;
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

/// A factory called `other`, whose worlds are emulators. With `None` it can't create a world.
struct Other(Option<SimFactory>);

impl WorldFactory for Other {
    fn name(&self) -> &'static str {
        "other"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        let none = || WorldError::Unsupported("there is none here".into());
        self.0.as_ref().ok_or_else(none)?.create()
    }
}

/// A factory called `other` that creates emulators, this many of them, and then fails.
struct Failing(AtomicUsize, SimFactory);

impl WorldFactory for Failing {
    fn name(&self) -> &'static str {
        "other"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        let left = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| WorldError::Broken("the power is off".into()))?;
        self.1.create()
    }

    fn parallel(&self) -> bool {
        false
    }
}

fn arguments(cases: u64) -> DiffArguments {
    DiffArguments {
        worlds: vec!["sim".into(), "other".into()],
        part: Part::IpQueue,
        cases,
        seed: 0,
        partition: None,
        checkpoint: None,
    }
}

fn try_with(other: impl WorldFactory + 'static, arguments: &DiffArguments) -> Result<(End, String), Failure> {
    let worlds: [Arc<dyn WorldFactory>; 2] = [Arc::new(SimFactory::default()), Arc::new(other)];
    let mut output = Vec::new();
    let end = diff(&worlds, arguments, &mut output)?;
    Ok((end, String::from_utf8(output).expect("it is text")))
}

fn with(other: Option<SimFactory>, arguments: &DiffArguments) -> (End, String) {
    try_with(Other(other), arguments).expect("both can be tried")
}

fn compared(other: Option<SimFactory>, cases: u64) -> (End, String) {
    with(other, &arguments(cases))
}

#[test]
fn what_is_equal_is_counted() {
    let (end, output) = compared(Some(SimFactory::default()), 50);
    let expected = "50 sequences from seed 0 on: 50 equal, 0 different as is known\n";
    assert_eq!((end, output.as_str()), (End::Good, expected));
}

#[test]
fn a_difference_is_printed_as_a_recording_that_shows_it_again() {
    let other = SimFactory::with_fault(Fault::SuccessAcknowledged);
    let (end, output) = compared(Some(other.clone()), 50);
    assert_eq!(end, End::Bad);
    let line = output.lines().next_back().expect("it says something");
    let recording = Recording::parse(line).expect("the last line is a recording");
    let shows_it = |factory: SimFactory| {
        let mut world = factory.create().expect("there are always emulators");
        let replayed = replay(&recording, world.as_mut()).expect("it can be replayed");
        replayed.difference.is_some()
    };
    assert!(shows_it(other) && !shows_it(SimFactory::default()), "{output}");
}

#[test]
fn without_one_of_the_worlds_nothing_is_tried() {
    // An environment variable may make this a failure.
    let end = nothing_ran("other");
    assert_eq!(compared(None, 50), (end, String::new()));
    assert_eq!(compared(Some(SimFactory::default()), 0).0, End::Nothing);
}

/// Returns the checkpoint in a file as JSON, without `seconds`, the time that the diff took.
fn figures(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("it is there");
    let mut checkpoint: Value = serde_json::from_str(&text).expect("it is JSON");
    let figures = checkpoint["diff"].as_object_mut().expect("it has figures");
    let seconds = figures.remove("seconds").and_then(|seconds| seconds.as_f64());
    assert!(seconds.is_some_and(|seconds| seconds > 0.0));
    checkpoint
}

/// Runs a diff with a checkpoint at `path`. Returns how it ended, what it printed, and the
/// checkpoint without its time.
fn kept(other: SimFactory, arguments: DiffArguments, path: &Path) -> (End, String, Value) {
    let checkpoint = Some(path.to_owned());
    let (end, output) = with(
        Some(other),
        &DiffArguments {
            checkpoint,
            ..arguments
        },
    );
    (end, output, figures(path))
}

#[rstest]
#[case::without_a_difference(SimFactory::default())]
// The thirteenth sequence shows it.
#[case::with_one(SimFactory::with_fault(Fault::MarkForgotten))]
fn a_run_that_was_interrupted_ends_as_if_it_was_not(#[case] other: SimFactory) {
    let folder = tempfile::tempdir().expect("there is room");
    let [path, other_path] = ["whole", "in-two"].map(|name| folder.path().join(name));
    let whole = kept(other.clone(), arguments(30), &path);
    // The world is created once for a trial, and then goes wrong in the third sequence.
    let failing = Failing(AtomicUsize::new(3), other.clone());
    let interrupted = DiffArguments {
        checkpoint: Some(other_path.clone()),
        ..arguments(30)
    };
    let error = try_with(failing, &interrupted).expect_err("it went wrong");
    assert!(error.to_string().contains("the power is off"), "{error}");
    assert_eq!(figures(&other_path)["diff"]["next"], json!(2));
    assert_eq!(kept(other.clone(), arguments(30), &other_path), whole);
    // When the run is over, nothing is compared again.
    assert_eq!(kept(SimFactory::default(), arguments(30), &other_path), whole);
}

#[test]
fn a_run_can_become_longer() {
    let folder = tempfile::tempdir().expect("there is room");
    let [path, other_path] = ["whole", "in-two"].map(|name| folder.path().join(name));
    kept(SimFactory::default(), arguments(10), &other_path);
    let longer = kept(SimFactory::default(), arguments(25), &other_path);
    assert_eq!(longer, kept(SimFactory::default(), arguments(25), &path));
}

#[rstest]
#[case::another_seed(arguments(10), DiffArguments { seed: 5, ..arguments(10) }, "is the checkpoint of another diff")]
#[case::another_part(
    arguments(10),
    DiffArguments { part: Part::Nfqueue, ..arguments(10) },
    "is the checkpoint of another diff"
)]
#[case::a_part_of_it(
    arguments(10),
    DiffArguments { partition: "1/2".parse().ok(), ..arguments(10) },
    "is the checkpoint of another diff"
)]
#[case::fewer_sequences(arguments(10), arguments(5), "is at seed 10, which is none of the 5 sequences")]
fn a_checkpoint_of_another_run_is_refused(
    #[case] first: DiffArguments,
    #[case] second: DiffArguments,
    #[case] problem: &str,
) {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("checkpoint");
    let keeping = |arguments| DiffArguments {
        checkpoint: Some(path.clone()),
        ..arguments
    };
    with(Some(SimFactory::default()), &keeping(first));
    let before = fs::read(&path).expect("it is there");
    let error = try_with(SimOther, &keeping(second)).expect_err("it is another");
    assert!(error.to_string().contains(problem), "{error}");
    assert!(
        error
            .to_string()
            .ends_with("name another file, or remove it to begin anew"),
        "{error}"
    );
    assert_eq!(fs::read(&path).expect("it is there still"), before);
}

#[test]
fn the_seed_that_is_said_to_be_the_last_can_be_tried() {
    let last = u64::MAX - 1;
    let beyond = DiffArguments {
        seed: last,
        ..arguments(2)
    };
    let error = try_with(SimOther, &beyond).expect_err("there is no seed after it");
    assert!(error.to_string().contains(&format!("the last is {last};")), "{error}");
    let (end, output) = with(Some(SimFactory::default()), &DiffArguments { cases: 1, ..beyond });
    assert_eq!(end, End::Good, "{output}");
}

#[rstest]
#[case::no_json("half")]
#[case::another_report("{\"summary\":{}}")]
fn what_is_no_checkpoint_is_refused(#[case] text: &str) {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("checkpoint");
    fs::write(&path, text).expect("there is room");
    let keeping = DiffArguments {
        checkpoint: Some(path.clone()),
        ..arguments(3)
    };
    let error = try_with(SimOther, &keeping).expect_err("it is none").to_string();
    assert!(error.contains("is no checkpoint of a diff"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("it is there still"), text);
}

/// A factory called `other`, whose worlds are emulators.
struct SimOther;

impl WorldFactory for SimOther {
    fn name(&self) -> &'static str {
        "other"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        SimFactory::default().create()
    }
}

#[rstest]
#[case::without_a_difference(SimFactory::default())]
// The thirteenth sequence shows it.
#[case::with_one(SimFactory::with_fault(Fault::MarkForgotten))]
fn three_parts_that_are_merged_are_the_whole(#[case] other: SimFactory) {
    let folder = tempfile::tempdir().expect("there is room");
    let (end, _, mut whole) = kept(other.clone(), arguments(31), &folder.path().join("whole"));
    let first: Partition = "1/3".parse().expect("it is right");
    let parts = (1..).zip(first.all()).map(|(number, partition)| {
        let path = folder.path().join(format!("part-{number}"));
        let partition = Some(partition);
        kept(
            other.clone(),
            DiffArguments {
                partition,
                ..arguments(31)
            },
            &path,
        );
        path
    });
    let reports: Vec<PathBuf> = parts.collect();
    let merged = folder.path().join("merged");
    let arguments = MergeArguments {
        reports,
        output: Some(merged.clone()),
    };
    assert_eq!(merge::merge(&arguments).expect("they can be merged"), end);
    let mut merged = figures(&merged);
    if end == End::Bad {
        // Each part stopped at its own first difference, so the counts of equal sequences differ.
        for figures in [&mut whole, &mut merged] {
            figures["diff"]["equal"].take();
        }
    }
    assert_eq!(merged, whole);
}
