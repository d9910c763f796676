//! The recordings that come with the suite.

use super::Reader;

/// A file of recordings that is built in.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The file's name.
    pub name: &'static str,
    /// The file's contents.
    pub text: &'static str,
}

impl Embedded {
    /// All files that are built in.
    pub const ALL: [Self; 3] = [
        Self {
            name: "linux-3.4.10-i386.jsonl",
            text: include_str!("../../recordings/linux-3.4.10-i386.jsonl"),
        },
        Self {
            name: "linux-3.4.10-x86_64-walks.jsonl",
            text: include_str!("../../recordings/linux-3.4.10-x86_64-walks.jsonl"),
        },
        Self {
            name: "linux-3.4.10-x86_64.jsonl",
            text: include_str!("../../recordings/linux-3.4.10-x86_64.jsonl"),
        },
    ];

    /// Returns a reader of the file.
    #[must_use]
    pub fn reader(self) -> Reader<&'static [u8]> {
        Reader::new(self.name, self.text.as_bytes())
    }
}
