//! Tests the checkpoints of comparisons: one that was interrupted goes on from its own, a
//! difference is kept there, and the figures of another comparison are refused.

use crate::soak::{Figures, Soak};
use pretty_assertions::assert_eq;
use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn soak(steps: u64, checkpoint: &Path) -> Soak {
    Soak {
        name: "a model".to_owned(),
        steps,
        seed: 7,
        checkpoint: Some(checkpoint.to_owned()),
    }
}

/// Returns the number of steps of a round, 10 to 19, which follows from the random numbers.
fn some(mut random: TestRng) -> u64 {
    10 + u64::from(random.next_u32() % 10)
}

/// Runs a comparison that finds no difference.
fn compare(soak: &Soak) -> Result<Figures, String> {
    soak.rounds(|random| Ok(some(random)))
}

/// Returns the figures with 0 seconds, so that figures of two runs can be equal.
fn timeless(figures: Result<Figures, String>) -> Result<Figures, String> {
    figures.map(|figures| Figures {
        seconds: 0.0,
        ..figures
    })
}

fn kept(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("the figures are kept");
    serde_json::from_str(&text).expect("they are JSON")
}

#[test]
fn a_comparison_that_was_interrupted_ends_as_if_it_was_not() {
    let folder = tempfile::tempdir().expect("there is room");
    let [path, in_two] = ["whole", "in-two"].map(|name| folder.path().join(name));
    let whole = timeless(compare(&soak(500, &path)));
    compare(&soak(200, &in_two)).expect("there is no difference");
    let before = kept(&in_two);
    assert_eq!(timeless(compare(&soak(500, &in_two))), whole);
    assert!(before["steps"].as_u64() < kept(&in_two)["steps"].as_u64());
    // All steps were taken, so no round is run.
    let none = |_: TestRng| -> Result<u64, String> { panic!("a round is run") };
    assert_eq!(timeless(soak(500, &in_two).rounds(none)), whole);
}

#[test]
fn a_difference_is_kept_and_found_again_at_once() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("new/figures");
    let mut rounds = 0;
    let differs = |random| {
        rounds += 1;
        if rounds == 4 {
            Err("they differ".to_owned())
        } else {
            Ok(some(random))
        }
    };
    let expected = "round 3 of seed 7: they differ";
    assert_eq!(soak(1_000, &path).rounds(differs), Err(expected.to_owned()));
    assert_eq!(
        (&kept(&path)["rounds"], &kept(&path)["difference"]),
        (&3.into(), &expected.into())
    );
    let again = soak(1_000, &path).rounds(|_| Err("they differ".to_owned()));
    assert_eq!(again, Err(expected.to_owned()));
    // Once the difference is gone, the comparison goes on.
    compare(&soak(1_000, &path)).expect("there is no difference");
    assert_eq!(kept(&path)["difference"], Value::Null);
}

#[rstest]
#[case::of_another_seed(r#"{"name":"a model","seed":8,"rounds":3,"steps":30,"seconds":1.5}"#)]
#[case::of_another_model(r#"{"name":"another","seed":7,"rounds":3,"steps":30,"seconds":1.5}"#)]
#[case::cut("{\"name\":\"a model\",\"seed\":7,")]
fn other_figures_are_refused(#[case] text: &str) {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("figures");
    fs::write(&path, text).expect("there is room");
    let refused = compare(&soak(100, &path)).expect_err("they are others");
    assert!(
        refused
            .ends_with("has no figures of a model from seed 7: name another folder, or remove the file to begin anew"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
}
