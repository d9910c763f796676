//! The C library as C sees it: headers, layouts, symbols, and what it says to mistakes.
//!
//! Skipped, with the reason, where there is no C compiler; a failure there with `IPQ_REQUIRE_C=1`.

#![cfg(target_os = "linux")]

use ipq_core::wire::Abi;
use pretty_assertions::assert_eq;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Where the library is, built as the Makefile does.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-library");
    let installed = target.join("root");
    let made = run(Command::new("make")
        .args(["-C", PACKAGE, "install"])
        .arg(format!("PREFIX={}", installed.display()))
        .arg(format!("TARGET_DIR={}", target.display()))
        .env("CARGO", env!("CARGO"))
        .env_remove("DESTDIR"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    installed
});

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} could not be started: {error}"))
}

/// Whether `tool` can do what `arguments` ask of it; if not, says that a test is skipped, or fails it.
fn has(tool: &str, arguments: &[&str]) -> bool {
    let found = Command::new(tool)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        let reason = format!("skipped: `{tool} {}` does not work here", arguments.join(" "));
        assert!(std::env::var_os("IPQ_REQUIRE_C").is_none(), "{reason}");
        eprintln!("{reason}");
    }
    found
}

fn source(name: &str) -> PathBuf {
    Path::new(PACKAGE).join("tests/c").join(name)
}

#[rstest]
fn the_headers_compile_without_a_warning_and_lay_out_what_the_kernel_does(
    #[values(("cc", "c89"), ("cc", "c17"), ("c++", "c++17"))] (compiler, standard): (&str, &str),
    #[values((Abi::LP64_LITTLE, "-m64"), (Abi::ILP32_LITTLE, "-m32"))] (abi, model): (Abi, &str),
) {
    let probe = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("probe-{standard}{model}.c"));
    std::fs::write(&probe, "#include <sys/socket.h>\n").unwrap();
    if !has(compiler, &[model, "-fsyntax-only", probe.to_str().unwrap()]) {
        return;
    }
    let compiled = run(Command::new(compiler)
        .args([model, "-fsyntax-only", "-Wall", "-Wextra", "-Werror"])
        .arg(format!("-std={standard}"))
        .arg(format!("-DPACKET_BYTES={}", abi.packet_message_bytes()))
        .arg(format!("-DREQUEST_BYTES={}", abi.request_bytes()))
        .arg(format!("-I{PACKAGE}/include"))
        .args(["-x", if compiler == "cc" { "c" } else { "c++" }])
        .args([source("layout.c"), source("pass.c"), source("errors.c")]));
    assert_eq!(String::from_utf8_lossy(&compiled.stderr), "");
    assert!(compiled.status.success());
}

#[test]
fn the_library_exports_the_functions_of_libipq_and_nothing_else() {
    if !has("cc", &["--version"]) || !has("nm", &["--version"]) || !has("make", &["--version"]) {
        return;
    }
    let listed = run(Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(LIBRARY.join("lib/libipq.so.0")));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let symbols: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    let expected = [
        "ipq_create_handle",
        "ipq_ctl",
        "ipq_destroy_handle",
        "ipq_errstr",
        "ipq_get_msgerr",
        "ipq_get_packet",
        "ipq_message_type",
        "ipq_perror",
        "ipq_read",
        "ipq_set_mode",
        "ipq_set_verdict",
    ];
    assert_eq!(symbols, expected);
}

/// Compiles a program against what was installed, found by pkg-config, and runs it with `transport`.
fn program(name: &str, transport: &str) -> Output {
    let pkg_config = run(Command::new("pkg-config")
        .args(["--cflags", "--libs", "libipq"])
        .env("PKG_CONFIG_PATH", LIBRARY.join("lib/pkgconfig")));
    assert!(
        pkg_config.status.success(),
        "{}",
        String::from_utf8_lossy(&pkg_config.stderr)
    );
    let executable = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{transport}"));
    let flags = String::from_utf8(pkg_config.stdout).unwrap();
    let compiled = run(Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&executable)
        .arg(source(&format!("{name}.c")))
        .args(flags.split_whitespace()));
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    run(Command::new(executable)
        .env("LD_LIBRARY_PATH", LIBRARY.join("lib"))
        .env("IPQ_TRANSPORT", transport))
}

fn has_tools() -> bool {
    [("cc", "--version"), ("make", "--version"), ("pkg-config", "--version")]
        .iter()
        .all(|(tool, argument)| has(tool, &[argument]))
}

#[test]
fn mistakes_are_errors_and_not_crashes() {
    if has_tools() {
        let output = program("errors", "auto");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "ERROR: Implementation error\nerrors: Implementation error: Operation not permitted\n"
        );
        assert!(output.status.success());
    }
}

#[test]
fn a_wrong_transport_is_an_error_that_lists_the_right_ones() {
    if has_tools() {
        let output = program("pass", "netlin");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "pass: Unable to create netlink socket: IPQ_TRANSPORT is \"netlin\", and it can be auto, netlink or \
             unix:PATH: Invalid argument\n"
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn an_emulator_that_is_not_there_is_named() {
    if has_tools() {
        let output = program("pass", "unix:nowhere");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "pass: Unable to create netlink socket: no emulator answers at nowhere: No such file or directory (ENOENT, 2); \
             start one with `ipq-sim serve --socket nowhere`: No such file or directory\n"
        );
    }
}
