//! Runs rounds of generated sequences, by which the models are compared with the emulator, for as
//! long as asked.
//!
//! | environment variable | meaning |
//! |---|---|
//! | `IPQ_MODEL_STEPS` | the least number of steps with each kernel |
//! | `IPQ_MODEL_SEED` | the seed of the random numbers |
//! | `IPQ_MODEL_CHECKPOINTS` | a folder with the figures of each kernel, from which a run goes on |

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
/// The least time between two checkpoints of a comparison that goes on.
const BETWEEN: Duration = Duration::from_secs(5);

/// A comparison of two machines: its length, its seed, and where its figures are kept.
pub(crate) struct Soak {
    pub(crate) name: String,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
    /// The file where the figures are kept. `None` if they are not kept.
    pub(crate) checkpoint: Option<PathBuf>,
}

/// The figures of a comparison so far: its rounds, its steps, and the time that they took.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// The number of rounds in which no difference was found.
    pub(crate) rounds: u64,
    /// The number of steps in all these rounds.
    pub(crate) steps: u64,
    /// The time that the rounds took, over all runs of the comparison.
    pub(crate) seconds: f64,
}

impl Soak {
    /// Returns the comparison that the environment variables ask for. Without them it has `steps`
    /// steps from seed 0, and keeps no figures.
    pub(crate) fn from_environment(name: &str, steps: u64) -> Self {
        let folder = std::env::var_os("IPQ_MODEL_CHECKPOINTS").map(PathBuf::from);
        Self {
            name: name.to_owned(),
            steps: number_from_environment("IPQ_MODEL_STEPS").unwrap_or(steps),
            seed: number_from_environment("IPQ_MODEL_SEED").unwrap_or(0),
            checkpoint: folder.map(|folder| folder.join(format!("{name}.json"))),
        }
    }

    /// Compares the two machines of `M` until enough steps were taken. The error tells the first
    /// difference, shrunk in at most `shrinking` tries, or what is wrong with the checkpoint.
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

    /// Runs rounds until enough steps were taken, from the checkpoint on if there is one. `round`
    /// returns its number of steps, or a difference, which ends the comparison. What it does must
    /// follow from its random numbers alone. The error tells the difference, or what is wrong with
    /// the checkpoint.
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

    /// Returns the random numbers of a round, which follow from the seed and the round's number.
    fn random(&self, round: u64) -> TestRng {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&round.to_le_bytes());
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
    }

    /// Returns a progress bar, which is hidden if the figures are not kept.
    fn bar(&self) -> ProgressBar {
        static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
        if self.checkpoint.is_none() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} steps, {eta} left, {msg}");
        let bar = ProgressBar::new(self.steps).with_style(style.expect("the template is right"));
        BARS.add(bar.with_message(self.name.clone()))
    }

    /// Returns the figures of the checkpoint, or zeros if there is none. Fails if the file can't be
    /// read, or has no figures of this comparison.
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

    /// Writes the figures to the checkpoint, with the difference if there is one. Does nothing if
    /// figures are not kept.
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

/// Writes a file by renaming a new one, so that the path never has a part of the text. Makes the
/// directory if it is missing.
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
