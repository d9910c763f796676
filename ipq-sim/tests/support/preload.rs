//! Builds the object of the package ipq-preload, for `LD_PRELOAD`.

use crate::c_library::{SCRATCH, succeed};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The path of the object, which is built at the first use.
pub(crate) static PRELOAD: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(SCRATCH).join("preload");
    succeed(
        Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--lib", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("preload/Cargo.toml"))
            .env("CARGO_TARGET_DIR", &target),
    );
    target.join("debug/libipq_preload.so")
});
