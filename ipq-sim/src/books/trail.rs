//! The last steps of packets through the hooks, for reports.

use super::serial::PacketSerial;
use ipq_core::{Hook, Verdict};
use std::fmt;

/// The number of steps that are kept, of all packets together.
const KEPT: usize = 1024;

/// A step on a packet's way: the packet came to a hook, was queued, or got a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The packet came to this hook, or runs the hook's first function again after REPEAT.
    Hook(Hook),
    /// The packet was put in a queue, for the first time or again after a verdict.
    Queued,
    /// A program gave this verdict, which took the packet out of its queue.
    Verdict(Verdict),
}

/// The last 1024 steps, of all packets together. A further step overwrites the oldest.
#[derive(Default)]
pub(crate) struct Trail {
    steps: Vec<(PacketSerial, Step)>,
    oldest: usize,
}

impl Trail {
    pub(super) fn note(&mut self, packet: PacketSerial, step: Step) {
        if self.steps.len() < KEPT {
            self.steps.reserve_exact(KEPT - self.steps.len());
            self.steps.push((packet, step));
        } else {
            self.steps[self.oldest] = (packet, step);
            self.oldest = (self.oldest + 1) % KEPT;
        }
    }

    /// Returns those steps of a packet that are still kept, oldest first.
    pub(super) fn of(&self, packet: PacketSerial) -> Vec<Step> {
        let (newer, older) = self.steps.split_at(self.oldest);
        let steps = older.iter().chain(newer);
        steps.filter(|(of, _)| *of == packet).map(|(_, step)| *step).collect()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(hook) => write!(f, "{hook}"),
            Self::Queued => f.write_str("queued"),
            Self::Verdict(verdict) => write!(f, "verdict {verdict}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_last_steps_are_kept_in_order() {
        let mut trail = Trail::default();
        let [first, second] = [0, 1].map(PacketSerial::new);
        trail.note(first, Step::Queued);
        for number in 0..KEPT {
            trail.note(second, Step::Verdict(Verdict::Unknown(number as u32)));
        }
        assert_eq!(trail.of(first), []);
        assert_eq!(trail.of(second).len(), KEPT);
        assert_eq!(trail.of(second)[0], Step::Verdict(Verdict::Unknown(0)));
        trail.note(first, Step::Hook(Hook::Forward));
        trail.note(first, Step::Queued);
        assert_eq!(trail.of(first), [Step::Hook(Hook::Forward), Step::Queued]);
        assert_eq!(trail.of(second)[0], Step::Verdict(Verdict::Unknown(2)));
    }
}
