//! `diff`: does generated sequences of steps in two worlds, and compares the answers.

pub(super) mod checkpoint;

use super::progress::Progress;
use super::run::quoted;
use super::{DiffArguments, End, Failure, Part, find_world, unable, unless_possible};
use crate::diff::{Compared, Divergence, KnownDivergences, Pair};
use crate::recording::write_all;
use crate::replay::ReplayError;
use crate::world::WorldFactory;
use checkpoint::{Choice, Figures, Found, Keeper};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

pub(super) fn diff(
    worlds: &[Arc<dyn WorldFactory>],
    arguments: &DiffArguments,
    output: &mut impl Write,
) -> Result<End, Failure> {
    let [first, second] = arguments.worlds.as_slice() else {
        return Err(unable("two worlds are compared: --worlds sim,nfqueue"));
    };
    let choice = Choice {
        worlds: [first.clone(), second.clone()],
        part: arguments.part.name().to_owned(),
        seed: arguments.seed,
    };
    let (first, second) = (find_world(worlds, first)?, find_world(worlds, second)?);
    let setup = arguments.part.setup();
    for world in [&first, &second] {
        if let Some(end) = unless_possible(world.as_ref(), &setup) {
            return Ok(end);
        }
    }
    let known = KnownDivergences::built_in().map_err(unable)?;
    let pair = Pair {
        first: first.as_ref(),
        second: second.as_ref(),
        known: &known,
    };
    let fresh = Figures::new(choice, arguments.cases, arguments.partition);
    let (mut keeper, mut figures) = Keeper::open(arguments.checkpoint.as_deref(), fresh)?;
    let compared = compare_rest(pair, arguments, &mut figures, &mut keeper);
    // What was found before an error is kept, too.
    keeper.write(&mut figures)?;
    compared?;
    figures.report(output)?;
    match &figures.difference {
        Some(found) => {
            show(pair, arguments.part, found, output)?;
            Ok(End::Bad)
        }
        None if figures.equal + figures.known() == 0 => Ok(End::Nothing),
        None => Ok(End::Good),
    }
}

/// Compares the two worlds on the sequences of this run's partition that were not compared yet, up
/// to the first unknown difference, and adds the results to `figures`. Does nothing if `figures`
/// has an unknown difference already. Fails if the end of the seeds does not fit in a `u64`, if a
/// world fails, or if the checkpoint can't be written.
fn compare_rest(
    pair: Pair<'_>,
    arguments: &DiffArguments,
    figures: &mut Figures,
    keeper: &mut Keeper,
) -> Result<(), Failure> {
    let (first, cases) = (arguments.seed, arguments.cases);
    let left = figures.left().ok_or_else(|| {
        unable(format!(
            "there are no {cases} seeds from {first} on: the last is {}; give --seed a smaller one",
            u64::MAX - 1
        ))
    })?;
    if figures.difference.is_some() {
        return Ok(());
    }
    let done = left.start - first;
    if done > 0 {
        eprintln!("ipq-conformance: goes on after {done} of {cases} sequences");
    }
    let progress = Progress::new(cases, "sequences");
    progress.skip(done);
    let end = left.end;
    let part = arguments.partition;
    let chosen = left.filter(|seed| part.is_none_or(|part| part.has_number(seed - first)));
    let mut kept = Ok(());
    let compared = compare_all(pair, arguments.part, chosen, |seed, compared| {
        progress.skip(seed + 1 - figures.next);
        kept = count(figures, seed, compared).and_then(|()| keeper.keep(figures));
        kept.is_ok() && figures.difference.is_none()
    });
    progress.end();
    kept?;
    compared.map_err(unable)?;
    if figures.difference.is_none() {
        figures.next = end;
    }
    Ok(())
}

/// Adds the result of the sequence `seed` to `figures`, and makes `seed + 1` the next to compare.
/// An unknown difference is kept with its recording.
fn count(figures: &mut Figures, seed: u64, compared: Compared) -> Result<(), Failure> {
    figures.next = seed + 1;
    match compared {
        Compared::Equal => figures.equal += 1,
        Compared::Known(reason) => *figures.known.entry(reason).or_default() += 1,
        Compared::Different(divergence) => figures.difference = Some(found(seed, &divergence)?),
    }
    Ok(())
}

fn found(seed: u64, divergence: &Divergence) -> Result<Found, Failure> {
    let mut recording = Vec::new();
    write_all(&mut recording, [&divergence.recording])?;
    Ok(Found {
        seed,
        text: divergence.difference.to_string(),
        recording: serde_json::from_slice(&recording).map_err(unable)?,
    })
}

fn show(pair: Pair<'_>, part: Part, found: &Found, output: &mut impl Write) -> io::Result<()> {
    let (first, second) = (pair.first.name(), pair.second.name());
    let part = match part {
        Part::IpQueue => "",
        Part::Nfqueue => "--part nfqueue ",
    };
    let Found { seed, text, recording } = found;
    writeln!(
        output,
        "\n{first} and {second} differ ({part}--seed {seed} --cases 1); `recorded` is {first}, `here` is {second}:\n"
    )?;
    writeln!(output, "{text}")?;
    writeln!(
        output,
        "As a recording of {first}, for `ipq-conformance replay --world {}`:\n",
        quoted(second)
    )?;
    writeln!(output, "{recording}")
}

/// Compares the worlds on the plan that each seed generates for `part`, and passes the results to
/// `judge` in the order of `seeds` until `judge` returns `false`. Runs several plans at a time if
/// both worlds allow it. The first error ends the comparison, and is returned.
fn compare_all(
    pair: Pair<'_>,
    part: Part,
    seeds: impl Iterator<Item = u64> + Send,
    mut judge: impl FnMut(u64, Compared) -> bool,
) -> Result<(), ReplayError> {
    let several = pair.first.parallel() && pair.second.parallel();
    let workers = if several {
        thread::available_parallelism().map_or(1, NonZero::get)
    } else {
        1
    };
    let seeds = Mutex::new(seeds.enumerate());
    let over = AtomicBool::new(false);
    let next = || {
        let mut seeds = seeds.lock().unwrap_or_else(PoisonError::into_inner);
        seeds.next().filter(|_| !over.load(Ordering::Relaxed))
    };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(workers);
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((place, seed)) = next() {
                    let (plan, name) = part.scenario(seed);
                    let compared = pair.compare(&plan, &name);
                    if sender.send((place, (seed, compared))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut judged = 0;
        for (place, result) in receiver {
            waiting.insert(place, result);
            while let Some((seed, compared)) = waiting.remove(&judged) {
                judged += 1;
                let goes_on = compared.map(|compared| judge(seed, compared));
                if !matches!(goes_on, Ok(true)) {
                    over.store(true, Ordering::Relaxed);
                    return goes_on.map(drop);
                }
            }
        }
        Ok(())
    })
}

#[cfg(all(test, feature = "seeded-faults"))]
mod tests;
