//! Does the steps of a recording in a world, and compares the answers with the recorded ones.
//!
//! All bytes and numbers must be equal, with the exceptions that the README of the recordings
//! lists. The value of a packet id of `ip_queue` may differ, since each kernel chooses its own, but
//! it must name the same packet. The time in a timestamp may differ, but not whether there is one.
//! The values of pad bytes may differ, but not their number.

mod frames;
mod ids;
mod known;
mod record;

use crate::decode::{self, Kind};
use crate::recording::{Problem, RecordedStep, Recording};
use crate::suite::isolation::isolate;
use crate::transcript::describe;
use crate::world::{Observation, Received, Step, World, WorldError};
use ids::Ids;
use ipq_core::wire::Abi;
use std::fmt;
use std::ops::Range;

pub use known::known_order;
pub use record::record;

/// The result of replaying one recording in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The number of recorded frames that were compared: datagrams received, and frames that left
    /// by a device. A frame in the step that differs is counted.
    pub frames: usize,
    /// The first difference, at which the replay ended; `None` if no answer of the world differs
    /// from the recorded one in what counts.
    pub difference: Option<Difference>,
}

/// The reason why a recording could not be replayed to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A step uses a socket that is not open, or opens a socket that is open already: see
    /// [`Recording::misuse`].
    #[error("{0}")]
    Malformed(Problem),
    /// The world can't begin, can't do a step, or does not end as it should.
    #[error("{}{error}", .step.map(|step| format!("step {step}: ")).unwrap_or_default())]
    World {
        /// The number of the step, from 1; `None` if the world can't begin. If the world does not
        /// end as it should, it is the last step's number.
        step: Option<usize>,
        /// The reason that the world gives.
        error: WorldError,
    },
}

/// Turns the error into a problem in the same step.
impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Malformed(problem) => problem,
            ReplayError::World { step, error } => Self {
                step,
                what: error.to_string(),
            },
        }
    }
}

/// Begins the fresh `world`, does the steps of `recording` in it up to the first difference, and
/// returns the result. A panic of the world in a step is a difference, too. If there is no
/// difference, ends the world.
///
/// Fails before a step that [`Recording::misuse`] names, and if the world can't begin, can't do a
/// step, or does not end as it should.
pub fn replay(recording: &Recording, world: &mut dyn World) -> Result<Replayed, ReplayError> {
    let own = || world.describe().machine.abi;
    let abi = recording.setup.machine.as_ref().map_or_else(own, |machine| machine.abi);
    let mut setup = recording.setup.clone();
    setup.earlier_peer_died = began_with_a_dead_peer(recording);
    let begun = world.begin(&setup);
    begun.map_err(|error| ReplayError::World { step: None, error })?;
    let misuse = recording.misuse();
    let mut ids = Ids::new(abi, &world.capabilities());
    let mut frames = 0;
    for (number, recorded) in (1..).zip(&recording.steps) {
        if let Some(misuse) = misuse.as_ref().filter(|misuse| misuse.step == number) {
            return Err(ReplayError::Malformed(Problem::in_step(number, &misuse.what)));
        }
        let step = ids.rewrite(&recorded.step);
        let unequal = match isolate(|| world.step(&step)) {
            Ok(Ok(seen)) => compare(recorded, &seen, &mut ids).map(|unequal| (unequal, Some(seen))),
            Ok(Err(error)) => {
                return Err(ReplayError::World {
                    step: Some(number),
                    error,
                });
            }
            Err(panic) => {
                let what = format!("the world panicked at {panic}");
                Some((Unequal::plainly(what), None))
            }
        };
        if is_frame(&recorded.seen) {
            frames += 1;
        }
        if let Some((unequal, seen)) = unequal {
            let difference = Difference::new(recording, number, step, seen, unequal, abi);
            return Ok(Replayed {
                frames,
                difference: Some(difference),
            });
        }
    }
    world.end().map_err(|error| ReplayError::World {
        step: Some(recording.steps.len()),
        error,
    })?;
    Ok(Replayed {
        frames,
        difference: None,
    })
}

/// Returns whether the first line `Peer died` in the recorded texts says 1; `false` if no text has
/// that line. If no peer attached before that text, the recorded queue's last peer had been found
/// dead before the first step.
fn began_with_a_dead_peer(recording: &Recording) -> bool {
    let texts = recording.steps.iter().filter_map(|recorded| match &recorded.seen {
        Observation::Text(text) => Some(text),
        _ => None,
    });
    let told = texts
        .flat_map(|text| text.lines())
        .find_map(|line| line.strip_prefix("Peer died"));
    told.is_some_and(|value| value.trim_end().ends_with('1'))
}

/// A difference between a world's answer to a step and the recorded one. It is displayed in full,
/// over several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The scenario's name.
    pub scenario: String,
    /// The number of the step, from 1.
    pub step: usize,
    /// The number of steps in the scenario.
    pub steps: usize,
    /// The step as it was done, with this world's packet ids.
    pub done: Step,
    /// The observation in the recording.
    pub recorded: Observation,
    /// The observation in this world; `None` if the world panicked.
    pub seen: Option<Observation>,
    /// The difference in one line, such as the offset of the first byte that differs.
    pub what: String,
    abi: Abi,
    exempt: Vec<Range<usize>>,
}

impl Difference {
    fn new(
        recording: &Recording,
        step: usize,
        done: Step,
        seen: Option<Observation>,
        unequal: Unequal,
        abi: Abi,
    ) -> Self {
        Self {
            scenario: recording.name.clone(),
            step,
            steps: recording.steps.len(),
            done,
            recorded: recording.steps[step - 1].seen.clone(),
            seen,
            what: unequal.what,
            abi,
            exempt: unequal.exempt,
        }
    }

    /// Returns the difference with recorded and seen swapped; `None` if the world panicked.
    pub(crate) fn mirrored(&self) -> Option<Self> {
        let seen = self.seen.clone()?;
        Some(Self {
            recorded: seen,
            seen: Some(self.recorded.clone()),
            ..self.clone()
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, steps, what, .. } = self;
        writeln!(f, "{}, step {step} of {steps}: {what}", self.scenario)?;
        writeln!(f, "  recorded  {}", describe(&self.done, &self.recorded, self.abi))?;
        let Some(seen) = &self.seen else {
            return Ok(());
        };
        writeln!(f, "  here      {}", describe(&self.done, seen, self.abi))?;
        for line in details(&self.recorded, seen, &self.exempt, self.abi).lines() {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

/// The difference between two answers.
struct Unequal {
    /// The difference in one line. It stays true if recorded and seen are swapped.
    what: String,
    /// The ranges of a frame's bytes in which differences do not count.
    exempt: Vec<Range<usize>>,
}

impl Unequal {
    fn plainly(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            exempt: Vec::new(),
        }
    }
}

fn is_frame(seen: &Observation) -> bool {
    matches!(
        seen,
        Observation::Receive(Received::Frame { .. }) | Observation::Sniff { frame: Some(_) }
    )
}

fn compare(recorded: &RecordedStep, seen: &Observation, ids: &mut Ids) -> Option<Unequal> {
    match (&recorded.seen, seen) {
        (
            Observation::Receive(Received::Frame {
                bytes: expected,
                sender,
            }),
            Observation::Receive(Received::Frame {
                bytes,
                sender: sender_here,
            }),
        ) => {
            if sender != sender_here {
                return Some(Unequal::plainly("the senders differ"));
            }
            let socket = recorded.step.socket().unwrap_or_default();
            frames::compare(expected, bytes, *sender == 0, socket, ids)
        }
        (Observation::Sniff { frame: Some(expected) }, Observation::Sniff { frame: Some(frame) }) => {
            let offset = decode::first_difference(expected, frame)?;
            let what = format!("the frame that left differs from byte {offset} on");
            Some(Unequal::plainly(what))
        }
        // In a recording, an empty line stands for the file of a queue that the kernel lacks.
        (Observation::Text(expected), Observation::Absent) if expected == "\n" => None,
        (Observation::Text(expected), Observation::Text(text)) => {
            let line = expected.lines().zip(text.lines()).position(|(one, other)| one != other);
            let line = line.unwrap_or_else(|| expected.lines().count().min(text.lines().count())) + 1;
            (expected != text).then(|| Unequal::plainly(format!("the text differs in line {line}")))
        }
        (expected, seen) => (expected != seen).then(|| Unequal::plainly("the answer differs")),
    }
}

/// Returns the frames or texts of both answers, line by line: `-` marks what was recorded, `+` what
/// was seen here, and `~` what may differ. If the answers are of two kinds, returns only the frame
/// that one of them has. Empty if neither answer has a frame or text to compare.
fn details(recorded: &Observation, seen: &Observation, exempt: &[Range<usize>], abi: Abi) -> String {
    match (recorded, seen) {
        (
            Observation::Receive(Received::Frame { bytes: expected, .. }),
            Observation::Receive(Received::Frame { bytes, .. }),
        ) => decode::compare(expected, bytes, Kind::Netlink(abi), exempt),
        (Observation::Sniff { frame: Some(expected) }, Observation::Sniff { frame: Some(frame) }) => {
            decode::compare(expected, frame, Kind::Ethernet, exempt)
        }
        (Observation::Text(expected), Observation::Text(text)) => compare_lines(expected, text),
        (expected, seen) => dump_frame(expected, '-', abi) + &dump_frame(seen, '+', abi),
    }
}

fn compare_lines(expected: &str, seen: &str) -> String {
    let (mut expected, mut seen) = (expected.split_inclusive('\n'), seen.split_inclusive('\n'));
    let mut text = String::new();
    loop {
        match (expected.next(), seen.next()) {
            (None, None) => return text,
            (Some(one), Some(other)) if one == other => text += &signed(' ', one),
            (one, other) => {
                text.extend(one.map(|line| signed('-', line)));
                text.extend(other.map(|line| signed('+', line)));
            }
        }
    }
}

fn signed(sign: char, line: &str) -> String {
    format!("{sign} {line:?}\n")
}

/// Returns a dump of the frame in an observation, with `sign` as the first character of each line;
/// an empty text if there is no frame.
fn dump_frame(seen: &Observation, sign: char, abi: Abi) -> String {
    let dump = match seen {
        Observation::Receive(Received::Frame { bytes, .. }) => decode::dump(bytes, Kind::Netlink(abi)),
        Observation::Sniff { frame: Some(frame) } => decode::dump(frame, Kind::Ethernet),
        _ => return String::new(),
    };
    dump.lines()
        .flat_map(|line| [sign.to_string(), line[1..].to_owned(), "\n".to_owned()])
        .collect()
}
