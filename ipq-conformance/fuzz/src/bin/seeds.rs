//! Writes the seeds and dictionaries of all targets into the folder that is named, if it is there,
//! otherwise into the folder of this package.

use libfuzzer_sys as _;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let named = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .filter(|path| path.is_dir());
    ipq_fuzz::seeds::write(&named.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()))
}
