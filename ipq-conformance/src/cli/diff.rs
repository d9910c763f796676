//! `diff`: two worlds, and generated sequences of steps.

use super::progress::Progress;
use super::run::quoted;
use super::{DiffArguments, End, Failure, Part, find_world, unable, unless_possible};
use crate::diff::{Compared, Divergence, KnownDivergences, Pair, Plan};
use crate::recording::write_all;
use crate::replay::ReplayError;
use crate::world::WorldFactory;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

pub(super) fn diff(
    worlds: &[Arc<dyn WorldFactory>],
    arguments: &DiffArguments,
    output: &mut impl Write,
) -> Result<End, Failure> {
    let [first, second] = arguments.worlds.as_slice() else {
        return Err(unable("two worlds are compared: --worlds sim,nfqueue"));
    };
    let (first, second) = (find_world(worlds, first)?, find_world(worlds, second)?);
    for world in [&first, &second] {
        if let Some(end) = unless_possible(world.as_ref()) {
            return Ok(end);
        }
    }
    let known = KnownDivergences::built_in().map_err(unable)?;
    let pair = Pair {
        first: first.as_ref(),
        second: second.as_ref(),
        known: &known,
    };
    let seed = arguments.seed;
    let Some(end) = seed.checked_add(arguments.cases) else {
        return Err(unable(format!(
            "there are no {} seeds from {seed} on: the last is {}; give --seed a smaller one",
            arguments.cases,
            u64::MAX
        )));
    };
    let progress = Progress::new(arguments.cases, "sequences");
    let mut tally = Tally::default();
    let generate = match arguments.part {
        Part::IpQueue => Plan::generate,
        Part::Nfqueue => Plan::generate_numbered,
    };
    let compared = compare_all(pair, generate, seed..end, |seed, compared| {
        progress.step();
        tally.add(seed, compared)
    });
    progress.end();
    compared.map_err(unable)?;
    tally.report(seed, output)?;
    match &tally.first_divergence {
        Some((seed, divergence)) => {
            show(pair, arguments.part, *seed, divergence, output)?;
            Ok(End::Bad)
        }
        None if tally.equal + tally.known() == 0 => Ok(End::Nothing),
        None => Ok(End::Good),
    }
}

/// The results of the sequences so far.
#[derive(Default)]
struct Tally {
    equal: u64,
    /// The number of known differences for each reason.
    reasons: BTreeMap<String, u64>,
    /// The difference with the lowest seed.
    first_divergence: Option<(u64, Box<Divergence>)>,
}

impl Tally {
    /// Counts a result. Returns `true` if no difference was found so far, so that the comparison
    /// goes on.
    fn add(&mut self, seed: u64, compared: Compared) -> bool {
        match compared {
            Compared::Equal => self.equal += 1,
            Compared::Known(reason) => *self.reasons.entry(reason).or_default() += 1,
            Compared::Different(divergence) => {
                let lower = self.first_divergence.as_ref().is_none_or(|(first, _)| seed < *first);
                if lower {
                    self.first_divergence = Some((seed, divergence));
                }
            }
        }
        self.first_divergence.is_none()
    }

    fn known(&self) -> u64 {
        self.reasons.values().sum()
    }

    fn report(&self, seed: u64, output: &mut impl Write) -> io::Result<()> {
        for (reason, count) in &self.reasons {
            writeln!(output, "known       {count} × {reason}")?;
        }
        let (equal, known) = (self.equal, self.known());
        writeln!(
            output,
            "{} sequences from seed {seed} on: {equal} equal, {known} different as is known",
            equal + known
        )
    }
}

fn show(pair: Pair<'_>, part: Part, seed: u64, divergence: &Divergence, output: &mut impl Write) -> io::Result<()> {
    let (first, second) = (pair.first.name(), pair.second.name());
    let part = match part {
        Part::IpQueue => "",
        Part::Nfqueue => "--part nfqueue ",
    };
    writeln!(
        output,
        "\n{first} and {second} differ ({part}--seed {seed} --cases 1); `recorded` is {first}, `here` is {second}:\n"
    )?;
    writeln!(output, "{}", divergence.difference)?;
    writeln!(
        output,
        "As a recording of {first}, for `ipq-conformance replay --world {}`:\n",
        quoted(second)
    )?;
    write_all(output, [&divergence.recording])
}

/// Compares the worlds with the plan of each seed, and passes the results to `judge` in order until
/// `judge` returns `false`. Runs several plans at a time if both worlds allow it.
fn compare_all(
    pair: Pair<'_>,
    generate: fn(u64) -> Plan,
    seeds: Range<u64>,
    mut judge: impl FnMut(u64, Compared) -> bool,
) -> Result<(), ReplayError> {
    let several = pair.first.parallel() && pair.second.parallel();
    let workers = if several {
        thread::available_parallelism().map_or(1, NonZero::get)
    } else {
        1
    };
    let next = AtomicU64::new(seeds.start);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(workers);
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let following = |seed: u64| (seed < seeds.end).then(|| seed + 1);
                    let Ok(seed) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, following) else {
                        break;
                    };
                    let compared = pair.compare(&generate(seed), &format!("generated-{seed}"));
                    if sender.send((seed, compared)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (seed, compared) in receiver {
            // Plans of lower seeds are still running, so their results come first.
            if !judge(seed, compared?) {
                next.store(seeds.end, Ordering::Relaxed);
            }
        }
        Ok(())
    })
}

#[cfg(all(test, feature = "seeded-faults"))]
mod tests {
    use super::*;
    use crate::cli::nothing_ran;
    use crate::recording::Recording;
    use crate::replay::replay;
    use crate::world::{World, WorldError};
    use crate::worlds::SimFactory;
    use ipq_sim::Fault;
    use pretty_assertions::assert_eq;

    /// Emulators under another name; `None` for emulators that can't be created.
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

    fn compared(other: Option<SimFactory>, cases: u64) -> (End, String) {
        let worlds: [Arc<dyn WorldFactory>; 2] = [Arc::new(SimFactory::default()), Arc::new(Other(other))];
        let arguments = DiffArguments {
            worlds: vec!["sim".into(), "other".into()],
            part: Part::IpQueue,
            cases,
            seed: 0,
        };
        let mut output = Vec::new();
        let end = diff(&worlds, &arguments, &mut output).expect("both can be tried");
        (end, String::from_utf8(output).expect("it is text"))
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
}
