//! The C library, built and installed as the Makefile does it, and programs in C that are compiled
//! against it. Tests of other packages have this file too.
//!
//! Where a tool is missing a test is skipped, and says so; `IPQ_REQUIRE_C=1` makes that a failure.

// Each test target uses a part of this.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// The package that the library is of.
pub(crate) const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ipq-core");

/// Where tests put what they make.
pub(crate) const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// Where the library is installed, when [`LIBRARY`] or a program has been asked for.
pub(crate) const INSTALLED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/c-library/root");

/// The library, installed.
pub(crate) static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(SCRATCH).join("c-library");
    std::fs::create_dir_all(&target).unwrap();
    // Tests of other processes may be about to do the same.
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

/// What has been compiled: tests run side by side.
static COMPILED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Whether all is here that [`compiled`] needs with these flags. If not, says that a test is
/// skipped, or fails it.
pub(crate) fn have(flags: &[&str]) -> bool {
    !skipped(lack(flags))
}

/// Says that a test is skipped, if there is a reason for it.
pub(crate) fn skipped(reason: Option<String>) -> bool {
    let Some(reason) = reason else {
        return false;
    };
    eprintln!("skipped: {reason}");
    true
}

/// What is missing of all that [`compiled`] needs with these flags, if anything is; a failure if
/// nothing may be.
pub(crate) fn lack(flags: &[&str]) -> Option<String> {
    ["make", "pkg-config"]
        .iter()
        .find_map(|tool| can_not(tool, &["--version"]))
        .or_else(|| can_not_compile("cc", &[&["-pthread"], flags].concat()))
}

/// Says so if `tool` can't do what `arguments` ask of it; a failure if it must.
pub(crate) fn can_not(tool: &str, arguments: &[&str]) -> Option<String> {
    required(missing_optional(tool, arguments))
}

/// The same for a tool that is never required.
pub(crate) fn missing_optional(tool: &str, arguments: &[&str]) -> Option<String> {
    let can = Command::new(tool)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success());
    (!can).then(|| does_not_work(tool, arguments))
}

/// A program with the headers of the programs here. A compiler may lack some of them for a word
/// size or for C++ alone.
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

/// Says so if a compiler can't compile and link a small program with these flags; a failure if it
/// must.
pub(crate) fn can_not_compile(compiler: &str, flags: &[&str]) -> Option<String> {
    required(missing_optional_compiler(compiler, flags))
}

/// The same for a compiler that is never required.
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
            // There is none if the flags say so.
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
        // A compiler that does not read it has failed.
        let _ = source.write_all(PROBE.as_bytes());
    }
    compiler.wait_with_output()
}

fn does_not_work(tool: &str, arguments: &[&str]) -> String {
    format!("`{tool} {}` does not work here", arguments.join(" "))
}

/// Fails for a reason to skip a test if none may be skipped.
fn required(reason: Option<String>) -> Option<String> {
    let may_skip = std::env::var_os("IPQ_REQUIRE_C").is_none();
    assert!(may_skip || reason.is_none(), "{}", reason.unwrap_or_default());
    reason
}

/// Compiles a program against what was installed, found by pkg-config, with `flags` for the
/// compiler, once. It is old C unless they say otherwise.
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

/// What a command printed, which has to succeed.
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

/// The program that makes the calls of the manual's example.
pub(crate) fn pass() -> PathBuf {
    compiled(&Path::new(CORE).join("tests/c/pass.c"), &[])
}

/// What `pass` prints in a case, as the package's README shows it.
pub(crate) fn shown_in_readme(case: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(CORE).join("README.md")).expect("there is a README");
    let row = readme
        .lines()
        .find_map(|line| line.strip_prefix("| ")?.strip_prefix(case)?.strip_suffix(" |"));
    let (_, printed) = row.and_then(|row| row.split_once(" | ")).expect("it has that case");
    format!("{}\n", printed.trim_matches('`'))
}
