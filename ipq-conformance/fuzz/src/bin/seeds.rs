//! Writes the seeds and dictionaries of all targets into the directory that is the first argument.
//! If there is no such directory, or no argument, writes them into the directory of this package.

use libfuzzer_sys as _;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let named = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .filter(|path| path.is_dir());
    ipq_fuzz::seeds::write(&named.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()))
}
