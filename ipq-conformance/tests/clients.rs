//! The library's cases, run on several libraries: this project's in Rust and in C, and one in C
//! that can have a defect of choice, which a case has to find.
//!
//! Where `make`, `pkg-config` or a C compiler is missing, the tests of libraries in C are skipped,
//! with the reason. `IPQ_REQUIRE_C=1` makes that a failure.

#![cfg(target_os = "linux")]

#[path = "support/c_library.rs"]
mod c_library;

use c_library::{CORE, LIBRARY, SCRATCH, have, succeed};
use pretty_assertions::assert_eq;
use rstest::rstest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The path of the object of `ipq-preload`, for a library that opens a netlink socket of its own.
/// The first use builds the object, in the target directory of the C library, so that what both
/// depend on is built once.
static PRELOAD: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(SCRATCH).join("c-library");
    succeed(
        Command::new(env!("CARGO"))
            .args(["build", "--release", "--manifest-path"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ipq-sim/preload/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target),
    );
    target.join("release/libipq_preload.so")
});

/// Compiles the library of `tests/c/faulty.c` with this defect, or with none, and returns its path.
fn library(defect: Option<&str>) -> PathBuf {
    let library = Path::new(SCRATCH).join(format!("libipq-{}.so", defect.unwrap_or("sound")));
    // Tests beside this one may load the library: they never see half of it.
    let whole = tempfile::NamedTempFile::new_in(SCRATCH)
        .expect("there is room for the library")
        .into_temp_path();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/faulty.c");
    // With these options the C library notices when an fd_set overruns.
    succeed(
        Command::new("cc")
            .args([
                "-std=gnu99",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-O2",
                "-U_FORTIFY_SOURCE",
                "-D_FORTIFY_SOURCE=2",
            ])
            .args(["-shared", "-fPIC", "-o"])
            .arg(&whole)
            .args(defect.map(|defect| format!("-D{defect}")))
            .arg(format!("-I{CORE}/include"))
            .arg(source),
    );
    whole.persist(&library).expect("a file is renamed");
    library
}

/// A case's outcome in a report, with its reason and the requirements that it cites.
struct Line {
    outcome: String,
    reason: String,
    requirements: Vec<String>,
}

/// Runs the cases that `filter` chooses, with the options `--client` and, if `preload` is given,
/// `--preload`. Returns each case's result by its id. Panics if no case was chosen.
fn results(client: &str, preload: Option<&Path>, filter: &[&str]) -> BTreeMap<String, Line> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-conformance"));
    command
        .args(["run", "--strict", "--format", "json", "--client", client])
        .args(filter);
    if let Some(object) = preload {
        command.arg("--preload").arg(object);
    }
    let output = command.output().expect("the program can be run");
    let report = String::from_utf8(output.stdout).expect("a report is text");
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines = report
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cases = lines.filter(|line| line.get("id").is_some()).map(|line| {
        let requirements = line["requirements"].as_array().expect("they are a list");
        let case = Line {
            outcome: text(&line["outcome"]),
            reason: text(&line["reason"]),
            requirements: requirements.iter().map(text).collect(),
        };
        (text(&line["id"]), case)
    });
    let cases: BTreeMap<_, _> = cases.collect();
    assert!(!cases.is_empty(), "{errors}");
    cases
}

/// Returns the ids and outcomes of the cases of the topic libipq.
fn of_libipq(results: &BTreeMap<String, Line>) -> Vec<(&str, &str)> {
    let cases = results.iter().filter(|(id, _)| id.starts_with("libipq/"));
    cases.map(|(id, case)| (id.as_str(), case.outcome.as_str())).collect()
}

/// Returns a line for each case that did not pass: its outcome, its id and the reason.
fn troubles(results: &BTreeMap<String, Line>) -> Vec<String> {
    let troubles = results.iter().filter(|(_, case)| case.outcome != "passed");
    troubles
        .map(|(id, case)| format!("{} {id}: {}", case.outcome, case.reason))
        .collect()
}

fn dlopen(library: &Path) -> String {
    format!("dlopen:{}", library.display())
}

#[test]
fn every_case_that_rust_has_passes_in_rust() {
    let results = results("rust", None, &[]);
    let skipped = |case: &&Line| case.outcome == "skipped" && case.reason.starts_with("needs c-library");
    let (c_only, rest): (Vec<_>, Vec<_>) = results.values().partition(skipped);
    assert!(c_only.len() > 10 && rest.len() > 15, "{}, {}", c_only.len(), rest.len());
    for case in rest {
        assert_eq!(case.outcome, "passed", "{}", case.reason);
    }
}

#[test]
fn our_library_passes_every_case() {
    if have(&[]) {
        let results = results(&dlopen(&LIBRARY.join("lib/libipq.so.0")), None, &[]);
        assert_eq!(troubles(&results), Vec::<String>::new());
        let rust = self::results("rust", None, &[]);
        assert_eq!(of_libipq(&results), of_libipq(&rust));
    }
}

#[test]
fn a_library_on_a_netlink_socket_of_its_own_passes_every_case() {
    if have(&[]) {
        let results = results(&dlopen(&library(None)), Some(&PRELOAD), &[]);
        assert_eq!(troubles(&results), Vec::<String>::new());
    }
}

#[rstest]
// These are from "Defects of the original" on the page of the protocol.
#[case("STACK_IS_SENT", "WIRE-7", "libipq/set-mode-bytes")]
#[case("SELECT_OVERRUNS", "LIB-3", "c-library/high-descriptor")]
#[case("SENDER_IS_KEPT", "LIB-3", "libipq/foreign-datagram")]
#[case("HEADER_FLAG_IS_TRUNCATION", "LIB-3", "c-library/header-flag")]
#[case("GLOBAL_ERROR_NUMBER", "LIB-7", "c-library/threads-have-errors-of-their-own")]
// These are other faults that a replacement may have.
#[case("SUCCESS_CLEARS", "LIB-12", "libipq/success-keeps-the-error-number")]
#[case("TIMEOUT_SETS_ERRNO", "LIB-3", "c-library/timeout-leaves-errno")]
#[case("TIMEOUT_IS_AN_ERROR", "LIB-3", "libipq/timeout")]
#[case("SIGNAL_IS_AN_ERROR", "LIB-3", "c-library/signal-ends-a-timed-wait")]
#[case("SMALL_BUFFER_TAKEN", "LIB-3", "libipq/small-buffer")]
#[case("TRUNCATION_UNSEEN", "LIB-3", "libipq/truncated")]
#[case("SENDER_UNSEEN", "LIB-3", "libipq/foreign-datagram")]
#[case("EMPTY_DATAGRAM_TAKEN", "LIB-3", "c-library/empty-datagram")]
#[case("BUFFER_OVERRUNS", "LIB-3", "libipq/truncated")]
#[case("OTHER_TEXT", "LIB-5", "libipq/timeout")]
#[case("ALWAYS_PRINTS_ERRNO", "LIB-6", "c-library/perror")]
#[case("NO_CTL", "LIB-9", "c-library/ctl")]
#[case("NEGATIVE_ERRORS", "ERR-4", "libipq/error-number-is-positive")]
#[case("RETURNS_NOTHING", "LIB-2", "libipq/set-mode-bytes")]
#[case("SEQUENCE_COUNTED", "LIB-11", "libipq/request-header")]
#[case("LENGTH_NEEDS_PAYLOAD", "LIB-11", "c-library/length-without-payload")]
fn a_defect_is_found_by_name(#[case] defect: &str, #[case] requirement: &str, #[case] case: &str) {
    if !have(&[]) {
        return;
    }
    let results = results(&dlopen(&library(Some(defect))), Some(&PRELOAD), &[case]);
    let found = &results[case];
    assert_eq!(found.outcome, "failed", "{case}: {:?}", troubles(&results));
    assert!(
        found.requirements.iter().any(|id| id == requirement),
        "{:?}",
        found.requirements
    );
}

#[test]
fn a_crash_is_said_to_be_one() {
    if have(&[]) {
        let results = results(&dlopen(&library(Some("NULL_CRASHES"))), Some(&PRELOAD), &[]);
        let Line {
            outcome,
            reason,
            requirements,
        } = &results["c-library/destroy-null"];
        assert_eq!(
            (outcome.as_str(), &requirements[..]),
            ("failed", &["LIB-9".to_owned()][..])
        );
        assert!(
            reason.contains("ipq_destroy_handle(NULL) did not return: it crashed: signal: 11"),
            "{reason}"
        );
        assert_eq!(troubles(&results).len(), 1);
    }
}

#[test]
fn a_library_that_goes_to_this_machines_kernel_is_refused() {
    if !have(&[]) {
        return;
    }
    // A copy of the command, with no object of ipq-preload beside it.
    let folder = tempfile::tempdir().expect("there is room for a directory");
    let command = folder.path().join("ipq-conformance");
    std::fs::copy(env!("CARGO_BIN_EXE_ipq-conformance"), &command).expect("there is room for the command");
    let output = Command::new(command)
        .args(["run", "--client", &dlopen(&library(None))])
        .output()
        .expect("it can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("did not come to the emulator"), "{error}");
    assert!(error.contains("--preload"), "{error}");
}

#[rstest]
#[case::no_such_file(
    "dlopen:/nowhere/libipq.so",
    "/nowhere/libipq.so: cannot open shared object file: No such file or directory; name a"
)]
#[case::no_library("dlopen:/dev/null", "ipq-conformance: the library can't be loaded: ")]
#[case::no_client(
    "python",
    "invalid value 'python' for '--client <CLIENT>': it can be rust; dlopen: and the path of a libipq.so; or exec:"
)]
#[case::no_name("dlopen:", "invalid value 'dlopen:' for '--client <CLIENT>'")]
fn what_is_no_library_is_refused(#[case] client: &str, #[case] words: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-conformance"));
    let output = command
        .args(["run", "--client", client])
        .output()
        .expect("it can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(words), "{error}");
}
