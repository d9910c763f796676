//! The C library, built and installed as the Makefile does it, and programs in C that are compiled
//! against it. Tests of other packages include this file, too.
//!
//! Where a tool is missing, a test is skipped and says so. With `IPQ_REQUIRE_C=1` that is a
//! failure, unless the test calls the tool optional.

// Each test target uses only a part of this file.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// The folder of the package that the C library is built from.
pub(crate) const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ipq-core");

/// The folder for the files that tests make.
pub(crate) const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// The folder where the library is installed. It is there after [`LIBRARY`] has been used or
/// [`compiled`] called.
pub(crate) const INSTALLED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/c-library/root");

/// The folder of the installed library. Using it for the first time builds and installs the
/// library.
pub(crate) static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(SCRATCH).join("c-library");
    std::fs::create_dir_all(&target).unwrap();
    // Tests in other processes may do this at the same time.
    let lock = File::create(target.join("lock")).unwrap();
    lock.lock().unwrap();
    succeed(
        Command::new("make")
            .args(["-C", CORE, "install"])
            .arg(format!("PREFIX={INSTALLED}"))
            .arg(format!("TARGET_DIR={}", target.display()))
            .env("CARGO", env!("CARGO"))
            .env_remove("DESTDIR"),
    );
    PathBuf::from(INSTALLED)
});

/// The programs that this process has compiled, so that tests which run side by side compile each
/// once.
static COMPILED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Returns `true` if all tools are there that [`compiled`] needs with these flags. If not, prints
/// that a test is skipped and returns `false`; with `IPQ_REQUIRE_C=1` panics instead.
pub(crate) fn have(flags: &[&str]) -> bool {
    !skipped(lack(flags))
}

/// Returns `true` if there is a reason to skip a test, and prints it.
pub(crate) fn skipped(reason: Option<String>) -> bool {
    let Some(reason) = reason else {
        return false;
    };
    eprintln!("skipped: {reason}");
    true
}

/// Returns a sentence about the first tool that is missing of those that [`compiled`] needs with
/// these flags, or `None` if all are there. With `IPQ_REQUIRE_C=1` a missing tool panics.
pub(crate) fn lack(flags: &[&str]) -> Option<String> {
    ["make", "pkg-config"]
        .iter()
        .find_map(|tool| can_not(tool, &["--version"]))
        .or_else(|| can_not_compile("cc", &[&["-pthread"], flags].concat()))
}

/// Runs `tool` with `arguments`. Returns `None` if it succeeds, and a sentence that says that it
/// does not work if it fails. With `IPQ_REQUIRE_C=1` a failure panics.
pub(crate) fn can_not(tool: &str, arguments: &[&str]) -> Option<String> {
    required(missing_optional(tool, arguments))
}

/// Runs `tool` with `arguments`. Returns `None` if it succeeds, and a sentence that says that it
/// does not work if it fails. Does not panic then, since no test requires the tool.
pub(crate) fn missing_optional(tool: &str, arguments: &[&str]) -> Option<String> {
    let can = Command::new(tool)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success());
    (!can).then(|| does_not_work(tool, arguments))
}

/// A C program that includes system headers such as these tests' C programs use. A compiler may
/// lack some of the headers for one word size, or for C++ alone.
const PROBE: &str = "#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) { return printf(\"%s\", \"\"); }
";

/// Compiles [`PROBE`] with these flags. Returns `None` if that succeeds, and a sentence that says
/// that `compiler` does not work if it fails. With `IPQ_REQUIRE_C=1` a failure panics.
pub(crate) fn can_not_compile(compiler: &str, flags: &[&str]) -> Option<String> {
    required(missing_optional_compiler(compiler, flags))
}

/// Compiles [`PROBE`] with these flags. Returns `None` if that succeeds, and a sentence that says
/// that `compiler` does not work if it fails. Does not panic then, since no test requires the
/// compiler.
pub(crate) fn missing_optional_compiler(compiler: &str, flags: &[&str]) -> Option<String> {
    static TRIED: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());

    let is_cplusplus = compiler.ends_with("++") || flags.contains(&"-xc++");
    let language = if is_cplusplus { "c++" } else { "c" };
    let arguments = [flags, &["-x", language, "-"]].concat();
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    let can = *tried
        .entry(format!("{compiler} {}", arguments.join(" ")))
        .or_insert_with(|| {
            let executable = Path::new(SCRATCH).join(format!("probe-{}", std::process::id()));
            let output = compile_probe(Command::new(compiler).args(&arguments).arg("-o").arg(&executable));
            // With some flags, such as `-fsyntax-only`, there is no executable to remove.
            let _ = std::fs::remove_file(executable);
            output.is_ok_and(|output| output.status.success())
        });
    drop(tried);
    (!can).then(|| does_not_work(compiler, &arguments))
}

fn compile_probe(command: &mut Command) -> std::io::Result<Output> {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut compiler = command.spawn()?;
    if let Some(mut source) = compiler.stdin.take() {
        // If the compiler does not read the program, it has failed, and its status says so.
        let _ = source.write_all(PROBE.as_bytes());
    }
    compiler.wait_with_output()
}

fn does_not_work(tool: &str, arguments: &[&str]) -> String {
    format!("`{tool} {}` does not work here", arguments.join(" "))
}

/// Returns the `reason` to skip a test. Panics if there is one and `IPQ_REQUIRE_C` is set.
fn required(reason: Option<String>) -> Option<String> {
    let may_skip = std::env::var_os("IPQ_REQUIRE_C").is_none();
    assert!(may_skip || reason.is_none(), "{}", reason.unwrap_or_default());
    reason
}

/// Compiles the C program `source` against the installed library, which pkg-config finds, and
/// returns the executable's path. Without `-std=` among `flags`, the language is gnu89. If this
/// process has compiled the program with these flags before, returns the same path at once. Panics
/// if the library can't be built, or the program can't be compiled.
pub(crate) fn compiled(source: &Path, flags: &[&str]) -> PathBuf {
    let name = source.file_stem().unwrap_or_default().display();
    let executable = Path::new(SCRATCH).join(format!("{name}{}", flags.concat()));
    let library = &*LIBRARY;
    let mut done = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if !done.insert(executable.clone()) {
        return executable;
    }
    let found = succeed(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "libipq"])
            .args(flags.iter().filter(|flag| **flag == "-static").map(|_| "--static"))
            .env("PKG_CONFIG_PATH", library.join("lib/pkgconfig")),
    );
    let standard = flags
        .iter()
        .all(|flag| !flag.starts_with("-std="))
        .then_some("-std=gnu89");
    let unfinished = executable.with_added_extension(std::process::id().to_string());
    succeed(
        Command::new("cc")
            .args(standard)
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-g", "-pthread"])
            .args(flags)
            .arg("-o")
            .arg(&unfinished)
            .arg(source)
            .args(String::from_utf8_lossy(&found.stdout).split_whitespace()),
    );
    std::fs::rename(unfinished, &executable).unwrap();
    executable
}

/// Runs a command, and returns its output. Panics if the command fails.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} could not be started: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Compiles `pass.c`, which makes the calls of the manual's example, and returns the executable's
/// path.
pub(crate) fn pass() -> PathBuf {
    compiled(&Path::new(CORE).join("tests/c/pass.c"), &[])
}

/// Returns the line that the README's table shows as the output of `pass`, with a line feed. The
/// first cell of the table's row begins with `case`. Panics if there is no such row.
pub(crate) fn shown_in_readme(case: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(CORE).join("README.md")).expect("there is a README");
    let row = readme
        .lines()
        .find_map(|line| line.strip_prefix("| ")?.strip_prefix(case)?.strip_suffix(" |"));
    let (_, printed) = row.and_then(|row| row.split_once(" | ")).expect("it has that case");
    format!("{}\n", printed.trim_matches('`'))
}
