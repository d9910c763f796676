//! Rounds of generated sequences, for as long as one likes: how the models are compared with the emulator.
//!
//! | variable | says |
//! |---|---|
//! | `IPQ_MODEL_STEPS` | how many steps are taken with each kernel |
//! | `IPQ_MODEL_SEED` | from which seed |
//! | `IPQ_MODEL_CHECKPOINTS` | a folder: each kernel has a file there with its figures so far, and goes on from it |

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The number of sequences in a round.
const SEQUENCES: u32 = 100;
/// The time between two checkpoints.
const BETWEEN: Duration = Duration::from_secs(5);

/// A comparison of two machines: how long it is, and where its figures are kept.
pub(crate) struct Soak {
    pub(crate) name: String,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
    /// The file with the figures, if they are kept.
    pub(crate) checkpoint: Option<PathBuf>,
}

/// The figures of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// The number of rounds without a difference.
    pub(crate) rounds: u64,
    /// Their number of steps.
    pub(crate) steps: u64,
    /// The time that they took, over all starts.
    pub(crate) seconds: f64,
}

impl Soak {
    /// Returns the comparison that the environment asks for, or one of so many `steps`.
    pub(crate) fn from_environment(name: &str, steps: u64) -> Self {
        let folder = std::env::var_os("IPQ_MODEL_CHECKPOINTS").map(PathBuf::from);
        Self {
            name: name.to_owned(),
            steps: number_from_environment("IPQ_MODEL_STEPS").unwrap_or(steps),
            seed: number_from_environment("IPQ_MODEL_SEED").unwrap_or(0),
            checkpoint: folder.map(|folder| folder.join(format!("{name}.json"))),
        }
    }

    /// Compares the machines of `M` until there were enough steps. The error is the first difference, reduced in at most
    /// `shrinking` tries.
    pub(crate) fn run<M>(&self, shrinking: u32) -> Result<Figures, String>
    where
        M: StateMachineTest,
        <M::Reference as ReferenceStateMachine>::State: Clone + Debug,
        <M::Reference as ReferenceStateMachine>::Transition: Clone + Debug,
    {
        self.rounds(|random| {
            let config = Config {
                cases: SEQUENCES,
                failure_persistence: None,
                max_shrink_iters: shrinking,
                ..Config::default()
            };
            let steps = Cell::new(0);
            let sequences = M::Reference::sequential_strategy(1..=150);
            let compared = TestRunner::new_with_rng(config.clone(), random).run(&sequences, |sequence| {
                let (reference, actions, counter) = sequence;
                steps.set(steps.get() + actions.len() as u64);
                M::test_sequential(config.clone(), reference, actions, counter);
                Ok(())
            });
            compared.map(|()| steps.get()).map_err(|error| error.to_string())
        })
    }

    /// Runs rounds until there were enough steps, from the checkpoint on if there is one. A round returns its number of
    /// steps; all it does must follow from the random numbers that it is given.
    pub(crate) fn rounds(&self, mut round: impl FnMut(TestRng) -> Result<u64, String>) -> Result<Figures, String> {
        let mut figures = self.begun()?;
        let (begun, before) = (Instant::now(), figures.seconds);
        let mut kept = Instant::now();
        let bar = self.bar();
        while figures.steps < self.steps {
            let compared = round(self.random(figures.rounds));
            figures.seconds = before + begun.elapsed().as_secs_f64();
            match compared {
                Ok(steps) => {
                    figures.rounds += 1;
                    figures.steps += steps;
                }
                Err(difference) => {
                    let difference = format!("round {} of seed {}: {difference}", figures.rounds, self.seed);
                    self.keep(&figures, Some(&difference))?;
                    return Err(difference);
                }
            }
            bar.set_position(figures.steps);
            if kept.elapsed() > BETWEEN {
                self.keep(&figures, None)?;
                kept = Instant::now();
            }
        }
        bar.finish_and_clear();
        self.keep(&figures, None)?;
        Ok(figures)
    }

    /// The random numbers of a round.
    fn random(&self, round: u64) -> TestRng {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&round.to_le_bytes());
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
    }

    /// A bar on a terminal, if the figures are kept: others are over soon.
    fn bar(&self) -> ProgressBar {
        static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
        if self.checkpoint.is_none() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} steps, {eta} left, {msg}");
        let bar = ProgressBar::new(self.steps).with_style(style.expect("the template is right"));
        BARS.add(bar.with_message(self.name.clone()))
    }

    /// The figures to go on from.
    fn begun(&self) -> Result<Figures, String> {
        let Some(path) = &self.checkpoint else {
            return Ok(Figures::default());
        };
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Figures::default()),
            text => text.map_err(|error| format!("{} can't be read: {error}", path.display()))?,
        };
        let kept: Value = serde_json::from_str(&text).unwrap_or_default();
        let read = || {
            let same = kept["name"] == self.name.as_str() && kept["seed"] == self.seed;
            same.then_some(Figures {
                rounds: kept["rounds"].as_u64()?,
                steps: kept["steps"].as_u64()?,
                seconds: kept["seconds"].as_f64()?,
            })
        };
        read().ok_or_else(|| {
            format!(
                "{} has no figures of {} from seed {}: name another folder, or remove the file to begin anew",
                path.display(),
                self.name,
                self.seed
            )
        })
    }

    /// Writes the figures, if they are kept.
    fn keep(&self, figures: &Figures, difference: Option<&str>) -> Result<(), String> {
        let Some(path) = &self.checkpoint else { return Ok(()) };
        let Figures { rounds, steps, seconds } = figures;
        let kept = json!({
            "name": self.name, "seed": self.seed, "rounds": rounds, "steps": steps, "seconds": seconds,
            "difference": difference,
        });
        write_at_once(path, &format!("{kept:#}\n"))
            .map_err(|error| format!("{} can't be written: {error}; name another folder", path.display()))
    }
}

/// Writes a file so that it is the old one or the new one at each moment, and never a part.
fn write_at_once(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.replace('_', "").parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
