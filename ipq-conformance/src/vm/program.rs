//! This program without shared libraries, so that it can run alone in the machine.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The reason why there is no program for the machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// This program's own file could not be found or read.
    #[error("this program can't be read: {0}")]
    Unreadable(#[source] io::Error),
    /// This program is not for x86-64, the machine's architecture.
    #[error(
        "the virtual machine is an x86-64 one, and this program is for {}",
        env::consts::ARCH
    )]
    OtherArchitecture,
    /// This program needs shared libraries, and can't be built anew, since its source is not here.
    #[error(
        "this program needs shared libraries, which the machine has not, and the source that it was built from is not here: build it \
         with RUSTFLAGS=\"-C target-feature=+crt-static\" cargo build --release --target {TARGET}, and use that one"
    )]
    NoSource,
    /// Cargo could not build a program without shared libraries.
    #[error("a static {TARGET} program can't be built: {what}")]
    Build {
        /// The reason: the system's error, how cargo ended, or that cargo named no program.
        what: String,
    },
}

/// Returns the path of this suite's program without shared libraries: this program if it needs
/// none, otherwise one that cargo builds now from this program's source. Fails if this program is
/// not for x86-64 or can't be read, if its source is not here, or if cargo fails.
pub(super) fn static_program() -> Result<PathBuf, ProgramError> {
    if !cfg!(target_arch = "x86_64") {
        return Err(ProgramError::OtherArchitecture);
    }
    let own = env::current_exe().map_err(ProgramError::Unreadable)?;
    if is_static(&fs::read(&own).map_err(ProgramError::Unreadable)?) {
        return Ok(own);
    }
    build(Path::new(env!("CARGO_MANIFEST_DIR")))
}

fn build(package: &Path) -> Result<PathBuf, ProgramError> {
    if !package.join("Cargo.toml").exists() {
        return Err(ProgramError::NoSource);
    }
    let failed = |what: String| ProgramError::Build { what };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(package)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .args(["build", "--release", "--bin", "ipq-conformance", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let mut programs = messages.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    programs
        .next_back()
        .ok_or_else(|| failed("cargo names no program".into()))
}

/// Returns whether `elf` is a 64-bit ELF file that names no loader of shared libraries. `false` if
/// its program headers are cut off.
fn is_static(elf: &[u8]) -> bool {
    const LOADER: u32 = 3;
    let number = |offset: usize, bytes: usize| {
        let field = elf.get(offset..offset + bytes)?;
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(field);
        usize::try_from(u64::from_le_bytes(value)).ok()
    };
    let headers = || Some((number(32, 8)?, number(54, 2)?, number(56, 2)?));
    let Some((start, size, count)) = headers().filter(|_| elf.starts_with(b"\x7fELF\x02")) else {
        return false;
    };
    let kinds = (0..count).map(|index| number(start.checked_add(index * size)?, 4));
    kinds
        .map(|kind| kind.and_then(|kind| u32::try_from(kind).ok()))
        .all(|kind| kind.is_some_and(|kind| kind != LOADER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_names_a_loader_is_not_static() {
        let own = fs::read(env::current_exe().expect("it has a path")).expect("it can be read");
        assert_eq!(is_static(&own), cfg!(target_feature = "crt-static"));
        assert!(!is_static(b"#!/bin/sh"));
        assert!(!is_static(b"\x7fELF\x02 and no more"));
    }
}
