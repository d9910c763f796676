//! The recordings that come with the suite.

use super::Reader;

/// A file of recordings that is built into the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The file's name.
    pub name: &'static str,
    /// The file's contents.
    pub text: &'static str,
}

macro_rules! embedded {
    ($($name:literal,)*) => {
        [$(Embedded {
            name: $name,
            text: include_str!(concat!("../../recordings/", $name)),
        }),*]
    };
}

impl Embedded {
    /// All files that are built in, ordered by name.
    pub const ALL: [Self; 16] = embedded![
        "linux-2.4.0-i386-walks.jsonl",
        "linux-2.4.0-i386.jsonl",
        "linux-2.4.16-i386-walks.jsonl",
        "linux-2.4.16-i386.jsonl",
        "linux-2.4.32-i386-walks.jsonl",
        "linux-2.4.32-i386.jsonl",
        "linux-2.6.18-i386-walks.jsonl",
        "linux-2.6.18-i386.jsonl",
        "linux-2.6.27-i386-walks.jsonl",
        "linux-2.6.27-i386.jsonl",
        "linux-3.4.10-i386.jsonl",
        "linux-3.4.10-x86_64-walks.jsonl",
        "linux-3.4.10-x86_64.jsonl",
        "linux-6.1.192-x86_64.jsonl",
        "linux-6.18.44-x86_64-walks.jsonl",
        "linux-6.18.44-x86_64.jsonl",
    ];

    /// Returns a reader of the file, from its first line on.
    #[must_use]
    pub fn reader(self) -> Reader<&'static [u8]> {
        Reader::new(self.name, self.text.as_bytes())
    }
}
