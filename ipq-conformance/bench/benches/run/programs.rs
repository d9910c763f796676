//! Builds the programs that are run, as users build them: the command `ipq-sim`, this project's
//! libipq.so, and programs in C.

use crate::measure::Failed;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The workspace's directory.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The programs that were built.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The command `ipq-sim`.
    pub(crate) simulator: PathBuf,
    /// The directory of libipq.so.0.
    pub(crate) library: PathBuf,
    /// The path of the compiled accept loop of libipq(3).
    pub(crate) listener: PathBuf,
    /// The path of the compiled accept loop of `libnetfilter_queue`, or the reason why it can't be
    /// compiled.
    pub(crate) numbered: Result<PathBuf, String>,
    directory: TempDir,
}

impl Programs {
    /// Builds the programs; all but `ipq-sim` go into a temporary directory. The error says what
    /// failed.
    pub(crate) fn build() -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        // The workspace's own target directory, in which most is built already.
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("..");
        let core = Path::new(ROOT).join("ipq-core");
        let prefix = directory.path().join("root");
        succeed(
            Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--release", "--package", "ipq-sim", "--target-dir"])
                .arg(&target)
                .arg("--manifest-path")
                .arg(Path::new(ROOT).join("Cargo.toml")),
        )?;
        succeed(
            Command::new("make")
                .arg("-C")
                .arg(&core)
                .arg("install")
                .arg(format!("PREFIX={}", prefix.display()))
                .arg(format!("TARGET_DIR={}", target.display()))
                .env("CARGO", env!("CARGO"))
                .env_remove("DESTDIR"),
        )?;
        let (library, listener) = (prefix.join("lib"), directory.path().join("listener"));
        succeed(
            Command::new("cc")
                .args(["-std=gnu89", "-O2", "-o"])
                .arg(&listener)
                .arg(core.join("tests/c/pass.c"))
                .arg(format!("-I{}", prefix.join("include").display()))
                .arg(format!("-L{}", library.display()))
                .arg("-lipq"),
        )?;
        let numbered = directory.path().join("numbered");
        let numbered = compile_numbered(&numbered).map(|()| numbered);
        Ok(Self {
            numbered: numbered.map_err(|error| error.to_string()),
            simulator: target.join("release/ipq-sim"),
            library,
            listener,
            directory,
        })
    }

    /// Returns the path for a file `name` in the temporary directory, which is removed when this is
    /// dropped. Does not create the file.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Compiles the accept loop of `libnetfilter_queue` to the file `program`.
fn compile_numbered(program: &Path) -> Result<(), Failed> {
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "libnetfilter_queue"])
        .output()?;
    if !flags.status.success() {
        return Err("it needs pkg-config and the package libnetfilter-queue-dev".into());
    }
    succeed(
        Command::new("cc")
            .args(["-O2", "-o"])
            .arg(program)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/run/numbered.c"))
            .args(String::from_utf8_lossy(&flags.stdout).split_whitespace()),
    )
}

fn succeed(command: &mut Command) -> Result<(), Failed> {
    let output = command
        .output()
        .map_err(|error| format!("{} can't be run: {error}", command.get_program().display()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
    }
}
