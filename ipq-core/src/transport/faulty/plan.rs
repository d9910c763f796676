//! The faults of a datagram, and a way to draw them at random.

use crate::transport::TransportError;
use crate::wire::PortId;

/// A fault of a datagram on its way to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// No fault: the datagram arrives as it is.
    Pass,
    /// The datagram is lost in silence: the kernel had no memory for it, or the receive buffer was
    /// full and the socket had asked for no report (SOCK-4). A `Fail(Overrun)` before this makes an
    /// overrun as the kernel reports one.
    Lose,
    /// At most this number of the datagram's bytes arrives, with the true length: the call's buffer
    /// was too short (SOCK-3).
    Cut(usize),
    /// The datagram comes twice. No kernel does that, but an emulator or a relay may.
    Repeat,
    /// The datagram comes after this number of those that follow it, or when nothing else would
    /// come. `Delay(1)` is two datagrams in the wrong order; 0 changes nothing.
    #[doc(alias = "reorder")]
    Delay(usize),
    /// A copy of the datagram comes first, from this port id, and then the datagram itself: another
    /// program forges a message from the kernel (SOCK-8).
    Forge(PortId),
    /// The call fails without a datagram, and the next item of the plan is for the same datagram.
    ///
    /// [`Interrupted`](TransportError::Interrupted) is a signal during the wait (EINTR), even if
    /// nothing would come. [`Overrun`](TransportError::Overrun) is the kernel's report that it lost
    /// datagrams (ENOBUFS); it comes ahead of those that the kernel kept (SOCK-4).
    /// [`TimedOut`](TransportError::TimedOut) is a wait that ends too early, as with a descriptor
    /// that was reported readable and is not (EAGAIN).
    Fail(TransportError),
}

/// A fault of a datagram on its way to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// No fault: the datagram goes as it is.
    Pass,
    /// The call reports success, and the datagram is lost. A lost verdict leaves its packet in the
    /// queue.
    Lose,
    /// At most this number of the datagram's bytes goes, and the call reports how many went:
    /// libipq's "Sent message truncated". The kernel gives no answer to a message that was cut
    /// (MSG-1).
    Cut(usize),
    /// The datagram goes twice in a row, as from a program that gives a verdict twice. The second
    /// is answered with ENOENT (VER-3), or hits the packet that has the id now (PKT-9).
    Repeat,
    /// The call reports success, and the datagram goes after this number of those that follow it,
    /// or when a receive would find nothing: verdicts from several threads, in the wrong order. 0
    /// changes nothing.
    #[doc(alias = "reorder")]
    Delay(usize),
    /// The datagram does not go, and the call fails. [`System`](TransportError::System) with
    /// ENOBUFS or EAGAIN is a system without memory for the message,
    /// [`Interrupted`](TransportError::Interrupted) a signal.
    Fail(TransportError),
}

impl Arrival {
    /// Returns `true` if the fault keeps the datagram, or a copy of it, for a later receive.
    pub(super) const fn holds(self) -> bool {
        matches!(self, Self::Repeat | Self::Delay(1..) | Self::Forge(_) | Self::Fail(_))
    }
}

impl Departure {
    /// Returns `true` if the fault keeps the datagram for a later send.
    pub(super) const fn holds(self) -> bool {
        matches!(self, Self::Delay(1..))
    }
}

/// No fault, which is what happens after the end of a plan.
impl Default for Arrival {
    fn default() -> Self {
        Self::Pass
    }
}

/// No fault, which is what happens after the end of a plan.
impl Default for Departure {
    fn default() -> Self {
        Self::Pass
    }
}

/// A random plan, endless unless there is nothing to choose from. It is the same for the same seed,
/// on every machine and in every version of this crate.
///
/// Each item is one of the choices, drawn by its weight: of `[(1, Lose), (99, Pass)]` one in a
/// hundred is `Lose` on average.
#[derive(Clone, Debug)]
pub struct Seeded<F> {
    state: u64,
    choices: Vec<(u32, F)>,
}

impl<F> Seeded<F> {
    /// Makes a plan whose items are drawn from `choices` by their weights. `seed` decides which.
    /// The plan is empty if there are no choices or all weights are 0.
    pub fn new(seed: u64, choices: impl Into<Vec<(u32, F)>>) -> Self {
        Self {
            state: seed,
            choices: choices.into(),
        }
    }

    /// Returns the next number of the generator `SplitMix64`.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl<F: Copy> Iterator for Seeded<F> {
    type Item = F;

    fn next(&mut self) -> Option<F> {
        let total: u128 = self.choices.iter().map(|(weight, _)| u128::from(*weight)).sum();
        let mut drawn = (u128::from(self.draw()) * total) >> 64;
        for (weight, choice) in &self.choices {
            match drawn.checked_sub(u128::from(*weight)) {
                None => return Some(*choice),
                Some(left) => drawn = left,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_same_seed_draws_the_same_plan_for_ever() {
        let plan = |seed| Seeded::new(seed, [(1, 'a'), (2, 'b'), (1, 'c')]);
        assert_eq!(plan(42).take(24).collect::<String>(), "babbacacbbabbbbaababcabb");
        assert_ne!(
            plan(43).take(24).collect::<String>(),
            plan(42).take(24).collect::<String>()
        );
    }

    #[test]
    fn the_generator_is_splitmix64() {
        let mut plan = Seeded::new(1_234_567, [(1, ())]);
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!([(); 5].map(|()| plan.draw()), published);
    }

    #[test]
    fn choices_come_as_often_as_their_weights_say() {
        let drawn: Vec<i32> = Seeded::new(7, [(1, 0), (0, 1), (3, 2)]).take(40_000).collect();
        let count = |choice| drawn.iter().filter(|drawn| **drawn == choice).count();
        assert_eq!(count(1), 0);
        assert!((9_500..10_500).contains(&count(0)), "{}", count(0));
    }

    #[test]
    fn nothing_to_choose_from_is_an_empty_plan_and_great_weights_overflow_nothing() {
        assert_eq!(Seeded::<u8>::new(7, []).next(), None);
        assert_eq!(Seeded::new(7, [(0, 1)]).next(), None);
        assert_eq!(Seeded::new(7, vec![(u32::MAX, 1); 1000]).next(), Some(1));
    }
}
