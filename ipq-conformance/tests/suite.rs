//! Runs every case and every recording on the emulator, each as a test of its own. To run some:
//! `cargo test --test suite verdicts/`.

use ipq_conformance::recording::{Embedded, Recording};
use ipq_conformance::replay::{known_order, replay};
use ipq_conformance::suite::runner::{CaseReport, Runner};
use ipq_conformance::suite::{Case, KnownDifferences, Outcome, cases};
use ipq_conformance::world::WorldFactory;
use ipq_conformance::worlds::SimFactory;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let factory: Arc<dyn WorldFactory> = Arc::new(SimFactory::default());
    let known = KnownDifferences::built_in().expect("the list of known differences is right");
    let runner = Runner::new(Arc::clone(&factory), known, 0);

    let cases = cases::all();
    let mut trials: Vec<_> = cases.iter().map(|case| case_trial(*case, runner.clone())).collect();
    let stale = runner.stale(&cases);
    trials.push(Trial::test("known-differences-are-up-to-date", move || {
        if stale.is_empty() {
            Ok(())
        } else {
            Err(Failed::from(stale.join("\n")))
        }
    }));
    let mut recordings = 0;
    for file in Embedded::ALL {
        for read in file.reader() {
            let recording = read.expect("the recordings are right");
            trials.push(recording_trial(file.name, recording, Arc::clone(&factory)));
            recordings += 1;
        }
    }

    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        println!("{} cases and {recordings} recordings there are in all", cases.len());
    }
    conclusion.exit_code()
}

fn case_trial(case: Case, runner: Runner) -> Trial {
    let body = move || {
        let CaseReport {
            outcome,
            reason,
            details,
            transcript,
            ..
        } = runner.run_case(&case);
        match outcome {
            Outcome::Passed => Ok(Completion::Completed),
            Outcome::Skipped | Outcome::ExpectedDifference => Ok(Completion::ignored_with(reason.unwrap_or_default())),
            Outcome::Failed | Outcome::Broken | Outcome::UnexpectedPass => Err(Failed::from(format!(
                "{outcome}: {}\n{}{}",
                reason.unwrap_or_default(),
                details.unwrap_or_default(),
                transcript.map(|transcript| transcript.render()).unwrap_or_default()
            ))),
        }
    };
    Trial::ignorable_test(case.id, body)
}

fn recording_trial(file: &str, recording: Recording, factory: Arc<dyn WorldFactory>) -> Trial {
    let name = format!("recordings/{}/{}", file.trim_end_matches(".jsonl"), recording.name);
    let body = move || {
        let mut world = factory.create().map_err(|error| error.to_string())?;
        let replayed = replay(&recording, world.as_mut()).map_err(|error| error.to_string())?;
        match replayed.difference {
            None => Ok(Completion::Completed),
            Some(difference) if known_order(&recording, &difference).is_some() => Ok(Completion::ignored_with(
                known_order(&recording, &difference).unwrap_or_default(),
            )),
            Some(difference) => Err(Failed::from(difference.to_string())),
        }
    };
    Trial::ignorable_test(name, body)
}
