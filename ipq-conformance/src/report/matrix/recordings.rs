//! The results of replaying the recordings of real kernels, beside the worlds that were run.

/// The comparison of a world with a file of recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// The name of the file of recordings.
    pub file: String,
    /// The kernel that was recorded, in words.
    pub kernel: String,
    /// The number of frames that were compared.
    pub frames: usize,
    /// The number of scenarios that were equal.
    pub equal: usize,
    /// The number of scenarios that differ for a reason that is listed.
    pub expected: usize,
    /// The number of scenarios that differ for no listed reason.
    pub different: usize,
}

impl Replays {
    /// Returns the number of scenarios in the file.
    #[must_use]
    pub const fn scenarios(&self) -> usize {
        self.equal + self.expected + self.different
    }
}
