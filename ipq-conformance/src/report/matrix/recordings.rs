//! The results of replaying the recordings of real kernels, which the matrix shows beside its
//! worlds.

/// The result of replaying a file of recordings in a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// The name of the file of recordings.
    pub file: String,
    /// The machine that was recorded, in words: its kernel, architecture, word size and byte order.
    pub kernel: String,
    /// The number of recorded frames that were compared.
    pub frames: usize,
    /// The number of scenarios without a difference.
    pub equal: usize,
    /// The number of scenarios that differ for a listed reason.
    pub expected: usize,
    /// The number of scenarios that differ for no listed reason.
    pub different: usize,
}

impl Replays {
    /// Returns the number of scenarios that were replayed.
    #[must_use]
    pub const fn scenarios(&self) -> usize {
        self.equal + self.expected + self.different
    }
}
