//! Tests of the runner, among others that a case gets the right outcome if the world that it runs
//! in panics, hangs or fails. A world is what a case runs against, such as the emulator.

use ipq_conformance::suite::runner::{CaseReport, Runner};
use ipq_conformance::suite::{Case, KnownDifferences, Outcome, Packet};
use ipq_conformance::world::{
    Called, Capabilities, Capability, Description, Observation, Setup, Step, World, WorldError, WorldFactory,
};
use ipq_conformance::worlds::SimFactory;
use ipq_core::Family;
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A factory of worlds that do one thing wrong, which the variant's name says.
#[derive(Clone, Copy)]
enum Wrong {
    Panics,
    Hangs,
    CallHangs,
    LaboratoryFails,
    PanicsWhenDropped,
    LacksEverything,
}

struct WrongWorld(Wrong);

impl World for WrongWorld {
    fn describe(&self) -> Description {
        SimFactory::default()
            .create()
            .expect("the emulator is there")
            .describe()
    }

    fn capabilities(&self) -> Capabilities {
        match self.0 {
            Wrong::LacksEverything => Capabilities::default(),
            _ => Capabilities::all(),
        }
    }

    fn begin(&mut self, _: &Setup) -> Result<(), WorldError> {
        Ok(())
    }

    fn step(&mut self, _: &Step) -> Result<Observation, WorldError> {
        match self.0 {
            Wrong::CallHangs => Ok(Observation::Called(Called::Hung("it did not come back in 5s".into()))),
            Wrong::Panics => panic!("out of order"),
            Wrong::Hangs => loop {
                std::thread::park();
            },
            Wrong::LaboratoryFails => Err(WorldError::Broken("no power".into())),
            Wrong::PanicsWhenDropped | Wrong::LacksEverything => Ok(Observation::Done),
        }
    }
}

impl Drop for WrongWorld {
    fn drop(&mut self) {
        if matches!(self.0, Wrong::PanicsWhenDropped) {
            panic!("it can't be tidied up");
        }
    }
}

impl WorldFactory for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        Ok(Box::new(WrongWorld(*self)))
    }
}

const CASE: Case = Case::must("messages/one", "One step", &["MSG-1"], |subject| {
    subject.set_net_admin(true)
});

fn run_in(wrong: Wrong, case: Case) -> (Outcome, String) {
    let runner = Runner::new(Arc::new(wrong), KnownDifferences::default(), 0);
    let CaseReport { outcome, reason, .. } = runner.run_case(&case);
    (outcome, reason.unwrap_or_default())
}

#[test]
fn a_world_that_panics_makes_the_case_failed() {
    let (outcome, reason) = run_in(Wrong::Panics, CASE);
    assert_eq!(outcome, Outcome::Failed);
    assert!(
        reason.contains("the world panicked at") && reason.contains("runner.rs") && reason.contains("out of order"),
        "{reason}"
    );
}

#[test]
fn a_world_that_hangs_makes_the_case_failed_and_is_left_behind() {
    let case = Case {
        time_limit: Duration::ZERO,
        ..CASE
    };
    let (outcome, reason) = run_in(Wrong::Hangs, case);
    assert_eq!(
        (outcome, reason.contains("time limit")),
        (Outcome::Failed, true),
        "{reason}"
    );
}

#[rstest]
#[case::a_panic(Wrong::Panics, CASE)]
#[case::a_hang(Wrong::Hangs, Case { time_limit: Duration::ZERO, ..CASE })]
#[case::a_hang_of_the_library(Wrong::CallHangs, Case { run: |subject| subject.program().create(Family::Ipv4).map(drop), ..CASE })]
fn what_is_known_to_be_different_may_not_hang_or_panic(#[case] wrong: Wrong, #[case] case: Case) {
    let known = r#"[{"world": "wrong", "cases": ["messages/one"], "reason": "It is another kernel."}]"#;
    let known = KnownDifferences::parse(known).expect("the list is right");
    let report = Runner::new(Arc::new(wrong), known, 0).run_case(&case);
    assert_eq!(report.outcome, Outcome::Failed);
}

#[test]
fn a_case_that_goes_on_for_ever_is_stopped_at_its_next_step() {
    let endless = Case {
        time_limit: Duration::from_millis(1),
        run: |subject| {
            loop {
                subject.set_net_admin(true)?;
            }
        },
        ..CASE
    };
    let runner = Runner::new(Arc::new(SimFactory::default()), KnownDifferences::default(), 0);
    let report = runner.run_case(&endless);
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(
        report
            .reason
            .is_some_and(|reason| reason.contains("over its time limit"))
    );
}

#[test]
fn a_laboratory_that_fails_makes_the_case_broken() {
    let (outcome, reason) = run_in(Wrong::LaboratoryFails, CASE);
    assert_eq!(
        (outcome, reason.contains("the laboratory failed: no power")),
        (Outcome::Broken, true),
        "{reason}"
    );
}

#[test]
fn a_world_that_panics_when_it_is_dropped_makes_the_case_broken() {
    let (outcome, reason) = run_in(Wrong::PanicsWhenDropped, CASE);
    assert_eq!(
        (outcome, reason.contains("it can't be tidied up")),
        (Outcome::Broken, true),
        "{reason}"
    );
}

#[test]
fn a_case_is_skipped_with_the_name_of_what_is_lacking() {
    let (outcome, reason) = run_in(Wrong::LacksEverything, CASE.needs(&[Capability::Sysctl]));
    assert_eq!(
        (outcome, reason.starts_with("needs sysctl: ")),
        (Outcome::Skipped, true),
        "{reason}"
    );
    let elsewhere = CASE.setup(|| {
        let mut setup = Setup::default();
        setup.never_reuse_ids = true;
        setup
    });
    let (outcome, reason) = run_in(Wrong::LacksEverything, elsewhere);
    assert_eq!(
        (outcome, reason.starts_with("needs never-reused-ids: ")),
        (Outcome::Skipped, true),
        "{reason}"
    );
}

/// A factory that can't create its world, as if a privilege were missing.
struct Elsewhere;

impl WorldFactory for Elsewhere {
    fn name(&self) -> &'static str {
        "elsewhere"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        Err(WorldError::Unsupported("namespaces are forbidden here".into()))
    }
}

#[test]
fn where_no_world_can_be_made_every_case_is_skipped_and_nothing_ran() {
    let runner = Runner::new(Arc::new(Elsewhere), KnownDifferences::default(), 0);
    let summary = runner.run(&[CASE, CASE], &mut |report| {
        assert_eq!(
            report.reason.as_deref(),
            Some("not supported here: namespaces are forbidden here")
        );
    });
    assert_eq!(summary.count(Outcome::Skipped), 2);
    assert!(summary.nothing_ran() && summary.is_good());
}

/// The number of an [`AloneFactory`]'s worlds that exist now. Creating one panics if there is one.
struct Alone(AtomicUsize);

struct AloneWorld(Arc<Alone>);

struct AloneFactory(Arc<Alone>);

impl WorldFactory for AloneFactory {
    fn name(&self) -> &'static str {
        "alone"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        assert_eq!(
            self.0.0.fetch_add(1, Ordering::SeqCst),
            0,
            "another world is still there"
        );
        Ok(Box::new(AloneWorld(Arc::clone(&self.0))))
    }

    fn parallel(&self) -> bool {
        false
    }
}

impl World for AloneWorld {
    fn describe(&self) -> Description {
        WrongWorld(Wrong::LacksEverything).describe()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    fn begin(&mut self, _: &Setup) -> Result<(), WorldError> {
        Ok(())
    }

    fn step(&mut self, _: &Step) -> Result<Observation, WorldError> {
        Ok(Observation::Done)
    }
}

impl Drop for AloneWorld {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_world_that_must_be_alone_is_and_reports_come_in_order() {
    let factory = AloneFactory(Arc::new(Alone(AtomicUsize::new(0))));
    let cases: Vec<_> = ["messages/a", "messages/b", "messages/c"]
        .map(|id| Case { id, ..CASE })
        .into();
    let mut seen = Vec::new();
    let summary = Runner::new(Arc::new(factory), KnownDifferences::default(), 0)
        .run(&cases, &mut |report| seen.push(report.case.id));
    assert_eq!(seen, ["messages/a", "messages/b", "messages/c"]);
    assert_eq!(summary.count(Outcome::Passed), 3);
}

#[rstest]
#[case::unexcused("[]")]
#[case::a_hang_is_not_excused(r#"[{"world": "sim", "cases": ["libipq/one"], "reason": "It is another kernel."}]"#)]
fn what_a_handle_could_not_do_is_the_reason_even_if_the_case_does_not_look(#[case] known: &str) {
    let case = Case::must("libipq/one", "One", &["LIB-3"], |subject| {
        let handle = subject.handle(Family::Ipv4)?;
        let _ = handle.read(&mut [0; 64], ipq_core::Wait::Forever);
        Ok(())
    });
    let known = KnownDifferences::parse(known).expect("the list is right");
    let report = Runner::new(Arc::new(SimFactory::default()), known, 0).run_case(&case);
    let reason = report.reason.unwrap_or_default();
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(
        reason.contains("nothing came to a read without a time limit"),
        "{reason}"
    );
}

#[test]
fn a_packet_that_was_let_through_although_it_should_not_is_found_by_the_fence() {
    let case = Case::must("forwarding/one", "One", &["FWD-1"], |subject| {
        subject.inject(&Packet::udp4().protocol(132).payload(*b"not queued"))?;
        subject.expect_not_forwarded()
    });
    let report = Runner::new(Arc::new(SimFactory::default()), KnownDifferences::default(), 0).run_case(&case);
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(
        report
            .reason
            .is_some_and(|reason| reason.contains("a packet was forwarded that should not have been"))
    );
}
