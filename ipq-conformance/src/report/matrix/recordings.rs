//! What came of the recordings of real kernels, beside the worlds that were run.

/// The comparison of a world with a file of recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// The file's name.
    pub file: String,
    /// The kernel that was recorded, in words.
    pub kernel: String,
    /// The number of frames compared.
    pub frames: usize,
    /// The number of scenarios that were equal.
    pub equal: usize,
    /// The number of scenarios that differ for a reason that is listed.
    pub expected: usize,
    /// The number of other scenarios.
    pub different: usize,
}

impl Replays {
    /// Returns the number of scenarios.
    #[must_use]
    pub const fn scenarios(&self) -> usize {
        self.equal + self.expected + self.different
    }
}
