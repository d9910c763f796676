//! The listeners that use `libnetfilter_queue`: a small program in C that is compiled when the
//! bench runs.

use crate::listener::{Failed, RECEIVE_BUFFER};
use crate::task::Task;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

pub(crate) const NAME: &str = "libnetfilter_queue";

/// The library's two interfaces: the name of each in the bench, and the program's argument for it.
pub(crate) const WAYS: [(&str, &str); 2] = [(NAME, "callback"), ("libnetfilter_queue on libmnl", "mnl")];

const SOURCE: &str = include_str!("listener.c");

/// The compiled program. Dropping this removes its file.
#[derive(Debug)]
pub(crate) struct Library {
    directory: TempDir,
}

impl Library {
    /// Compiles the program. If a tool or a library is missing, the error says what is needed.
    pub(crate) fn compile() -> Result<Self, Failed> {
        let needs = "it needs cc, pkg-config, and the packages libnetfilter-queue-dev, libnfnetlink-dev and libmnl-dev";
        let directory = tempfile::tempdir()?;
        let source = directory.path().join("listener.c");
        std::fs::write(&source, SOURCE)?;
        let flags = Command::new("pkg-config")
            .args(["--cflags", "--libs", "libnetfilter_queue", "libmnl"])
            .output()
            .map_err(|error| format!("no pkg-config ({error}): {needs}"))?;
        if !flags.status.success() {
            return Err(format!("no libnetfilter_queue: {needs}").into());
        }
        let library = Self { directory };
        let compiled = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(library.program())
            .arg(source)
            .args(String::from_utf8_lossy(&flags.stdout).split_whitespace())
            .output()
            .map_err(|error| format!("no cc ({error}): {needs}"))?;
        if compiled.status.success() {
            Ok(library)
        } else {
            Err(format!("{}: {needs}", String::from_utf8_lossy(&compiled.stderr).trim()).into())
        }
    }

    /// Returns the command that runs the program with the interface `way`.
    pub(crate) fn command(&self, way: &str, task: Task) -> Command {
        let mut command = Command::new(self.program());
        command.arg(way).args(task.words()).arg(RECEIVE_BUFFER.to_string());
        command
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("listener")
    }
}
