//! The program: what it prints, and its exit status.

use pretty_assertions::assert_eq;
use rstest::rstest;
use std::io::Write;
use std::process::{Command, Output};
use tempfile::NamedTempFile;

pub(crate) fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-conformance"));
    command.args(arguments).output().expect("the program can be run")
}

pub(crate) fn printed(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("there is room for a file");
    file.write_all(text.as_bytes()).expect("there is room for its text");
    file
}

/// Returns the line of the built-in recording with this name, with a line end. If several
/// recordings have the name, returns the last one's line.
fn recording(name: &str) -> String {
    let lines = ipq_conformance::recording::Embedded::ALL
        .iter()
        .flat_map(|file| file.text.lines());
    let mut found = lines.filter(|line| line.starts_with(&format!("{{\"name\":\"{name}\"")));
    found.next_back().expect("there is such a recording").to_owned() + "\n"
}

#[rstest]
#[case::everything(&[], 0)]
#[case::by_name(&["run", "verdicts"], 0)]
#[case::nothing_chosen(&["verdicts/nothing"], 2)]
#[case::one_word_too_many(&["run", "verdicts/accept", "verdicts/nothing"], 2)]
#[case::nothing_of_a_library_in_a_world(&["run", "c-library"], 3)]
#[case::nothing_listed(&["list", "verdicts/nothing"], 2)]
#[case::no_such_option(&["--nonsense"], 2)]
#[case::no_such_world(&["--world", "nowhere"], 2)]
#[case::no_such_id(&["explain", "nothing"], 2)]
#[case::no_such_file(&["replay", "nowhere.jsonl"], 2)]
#[case::the_recordings_that_come_with_it(&["replay"], 0)]
#[case::a_recording_of_no_file(&["record", "--world", "sim", "nowhere.jsonl"], 2)]
#[case::a_recording_of_no_case(&["record", "--world", "sim", "--cases", "verdicts/nothing"], 2)]
#[case::a_recording_of_what_takes_time(&["record", "--world", "sim", "--cases", "libipq/timeout"], 3)]
#[case::recordings_of_seeds_beyond_the_last(&["record", "--world", "sim", "--generated", "2", "--seed", "18446744073709551615"], 2)]
#[case::seeds_beyond_the_last(&["diff", "--worlds", "sim,sim", "--seed", "18446744073709551615", "--cases", "1"], 2)]
#[case::kernels_without_ip_queue(&["diff", "--part", "nfqueue", "--worlds", "linux-6.1-x86_64,linux-6.1-x86_64", "--cases", "2"], 0)]
#[case::a_matrix_of_a_run(&["matrix", "--world", "sim"], 0)]
#[case::a_matrix_of_nothing(&["matrix"], 2)]
#[case::a_matrix_of_no_world(&["matrix", "--world", "nowhere"], 2)]
#[case::a_matrix_of_no_file(&["matrix", "nowhere.json"], 2)]
#[case::a_matrix_into_no_folder(&["matrix", "--world", "sim", "--output", "nowhere/at/all"], 2)]
fn the_exit_status_says_how_it_went(#[case] arguments: &[&str], #[case] status: i32) {
    let output = program(arguments);
    assert_eq!(output.status.code(), Some(status), "{:?}", printed(&output));
}

#[rstest]
#[case::a_command(&["explan", "VER-3"], "\"explan\" chooses no case; did you mean explain?")]
#[case::a_case(&["verdicts/acept"], "\"verdicts/acept\" chooses no case; did you mean verdicts/accept")]
#[case::a_case_beside_another(&["run", "proc", "verdics"], "\"verdics\" chooses no case; did you mean verdicts")]
#[case::a_case_to_list(&["list", "nosuch"], "\"nosuch\" chooses no case; `ipq-conformance list` shows the cases")]
#[case::an_id(&["explain", "VER-30"], "no case and no requirement has the id \"VER-30\"; did you mean VER-3")]
#[case::an_id_like_none(&["explain", "nonsense"], "`ipq-conformance explain` the requirements")]
fn a_mistyped_word_is_named_with_the_likely_ones(#[case] arguments: &[&str], #[case] said: &str) {
    let output = program(arguments);
    let (out, errors) = printed(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""));
    assert!(errors.contains(said), "{errors}");
}

#[rstest]
#[case::without_worlds(&["matrix"], "name worlds, such as --world all")]
#[case::with_a_filter(&["matrix", "verdicts", "--world", "sim"], "run verdicts --strict --world WORLD --format json")]
#[case::of_no_file(&["matrix", "nowhere.json"], "nowhere.json: can't be opened: ")]
fn a_matrix_that_can_not_be_made_says_how_it_can(#[case] arguments: &[&str], #[case] said: &str) {
    let output = program(arguments);
    let (out, errors) = printed(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""));
    assert!(errors.contains(said), "{errors}");
}

#[cfg(target_os = "linux")]
#[rstest]
#[case::no_kernel(&["vm", "--kernel", "/nowhere/bzImage"], "/nowhere/bzImage can't be read (No such file")]
#[case::no_object(&["--client", "dlopen:libm.so.6", "--preload", "/nowhere.so"], "'--preload <OBJECT>': No such file")]
#[case::no_library(&["--client", "dlopen:/nowhere.so"], "the library can't be loaded: ")]
#[case::no_libipq(&["--client", "dlopen:libm.so.6"], "it is no libipq, since it has no function ipq_create_handle")]
fn what_is_not_there_is_refused_before_anything_is_tried(#[case] arguments: &[&str], #[case] said: &str) {
    let output = program(arguments);
    let (out, errors) = printed(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""));
    assert!(errors.contains(said), "{errors}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_only_the_installation_has_is_found_by_its_name() {
    let prefix = tempfile::tempdir().expect("a folder");
    let [bin, lib] = ["bin", "lib"].map(|folder| prefix.path().join(folder));
    std::fs::create_dir(&bin).expect("a folder");
    std::fs::create_dir(&lib).expect("a folder");
    let installed = bin.join("ipq-conformance");
    std::fs::copy(env!("CARGO_BIN_EXE_ipq-conformance"), &installed).expect("a copy");
    let library = lib.join("libipq-of-the-installation.so");
    std::fs::write(&library, "no library").expect("it is written");
    let try_it = |name: &str| {
        let output = Command::new(&installed)
            .args(["--client", &format!("dlopen:{name}")])
            .output();
        printed(&output.expect("the program can be run")).1
    };
    let errors = try_it("libipq-of-the-installation.so");
    assert!(errors.contains(&format!("{}: ", library.display())), "{errors}");
    let errors = try_it("./libipq-of-the-installation.so");
    assert!(!errors.contains(&format!("{}", lib.display())), "{errors}");
}

#[cfg(unix)]
#[test]
fn what_is_no_text_is_no_command() {
    use std::os::unix::ffi::OsStrExt;

    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-conformance"));
    let output = command.arg(std::ffi::OsStr::from_bytes(b"\xff")).output();
    let output = output.expect("the program can be run");
    assert_eq!(output.status.code(), Some(2), "{:?}", printed(&output));
}

/// Checks `--world ip_queue` on a kernel without `ip_queue`: the reason is printed once, and not
/// for each scenario, and the exit status is 3, or 1 with `IPQ_REQUIRE_REAL=1`.
#[rstest]
#[case::tried(None, 3)]
#[case::required(Some("1"), 1)]
fn a_world_that_is_not_to_be_had_here_is_said_to_be(
    #[values("replay", "record")] command: &str,
    #[case] required: Option<&str>,
    #[case] status: i32,
) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ipq-conformance"));
    program
        .args([command, "--world", "ip_queue"])
        .env_remove("IPQ_REQUIRE_REAL");
    let output = program.envs(required.map(|value| ("IPQ_REQUIRE_REAL", value))).output();
    let output = output.expect("the program can be run");
    let (out, errors) = printed(&output);
    if out.is_empty() {
        assert_eq!(output.status.code(), Some(status), "{errors}");
        assert!(errors.lines().count() <= 2, "{errors}");
    } else {
        // This kernel has ip_queue, so it is Linux 3.4 or older.
        assert_eq!(output.status.code(), Some(0), "{errors}");
    }
}

#[test]
fn the_report_goes_to_a_file_without_colours() {
    let (out, _) = printed(&program(&["verdicts"]));
    assert!(!out.contains('\x1b'), "{out}");
}

#[test]
fn json_lines_end_with_the_summary() {
    let (out, _) = printed(&program(&["--format", "json", "attaching"]));
    let lines = out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let mut lines: Vec<_> = lines.collect();
    let summary = lines.pop().expect("a last line");
    assert_eq!(summary["summary"]["passed"], lines.len());
    assert!(
        lines
            .iter()
            .all(|line| line["topic"] == "attaching" && line["reason"].is_null())
    );
}

#[test]
fn the_recordings_are_counted() {
    let (out, _) = printed(&program(&["replay"]));
    let (listed, counted) = out.split_once('\n').expect("two lines");
    assert!(
        listed.starts_with("expected   linux-2.4.32-i386-walks.jsonl:3: wk77-002, step 33: "),
        "{listed}"
    );
    assert_eq!(
        counted,
        "2058 scenarios and 8973 frames compared: 2057 equal, 1 as expected, 0 different\n"
    );
    let (out, _) = printed(&program(&["replay", "--format", "json"]));
    assert_eq!(out.lines().count(), 2059);
    let last = out.lines().last().map(|line| serde_json::from_str(line).expect("JSON"));
    let expected = serde_json::json!({
        "summary": { "equal": 2057, "expected": 1, "different": 0, "errors": 0, "frames": 8973 },
    });
    assert_eq!(last, Some(expected));
}

#[test]
fn a_changed_recording_is_different_and_the_others_are_not() {
    let changed = recording("verdict-twice").replacen("\"sent\":40", "\"sent\":41", 1);
    let file = file(&(recording("verdict-ack") + &changed + &recording("maxlen-3")));
    let output = program(&["replay", &file.path().display().to_string()]);
    let (out, _) = printed(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out.starts_with("different  ") && out.contains(":2: verdict-twice, step "),
        "{out}"
    );
    assert!(out.contains(" 2 equal, 1 different\n"), "{out}");
}

#[test]
fn a_malformed_file_is_refused_with_the_place() {
    let file = file(
        &(recording("verdict-ack") + &recording("verdict-twice").replacen("\"op\":\"send\"", "\"op\":\"sand\"", 1)),
    );
    let path = file.path().display().to_string();
    for format in ["human", "json"] {
        let output = program(&["replay", "--format", format, &path]);
        assert_eq!(output.status.code(), Some(2));
        let (_, error) = printed(&output);
        assert!(
            error.starts_with(&format!("ipq-conformance: {path}:2: step ")),
            "{error}"
        );
        assert!(error.contains("unknown variant `sand`"), "{error}");
    }
}

/// Checks that a recording that can't be read and a file that is not there are counted as errors.
/// The exit status is then 2, even if another recording shows a difference.
#[test]
fn what_can_not_be_replayed_is_counted_and_is_the_exit_status() {
    let changed = recording("verdict-twice").replacen("\"sent\":40", "\"sent\":41", 1);
    let malformed = recording("verdict-twice").replacen("\"op\":\"send\"", "\"op\":\"sand\"", 1);
    let file = file(&(recording("verdict-ack") + &changed + &malformed));
    let path = file.path().display().to_string();
    let output = program(&["replay", "--format", "json", &path, "/nowhere/new.jsonl"]);
    let (out, errors) = printed(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    let lines = out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let lines: Vec<_> = lines.collect();
    let [equal, different, unread, not_there, last] = &lines[..] else {
        panic!("five lines: {out}");
    };
    assert_eq!([&equal["outcome"], &different["outcome"]], ["equal", "different"]);
    assert_eq!(
        [&unread["file"], &not_there["file"]],
        [path.as_str(), "/nowhere/new.jsonl"]
    );
    assert_eq!(unread["line"], 3);
    assert!(unread["step"].is_u64(), "{unread}");
    for error in [unread, not_there] {
        let words = error["error"].as_str().expect("it says why");
        assert!(errors.contains(words), "{errors}");
    }
    let frames = equal["frames"].as_u64().zip(different["frames"].as_u64());
    let frames = frames.map(|(equal, different)| equal + different);
    let summary = serde_json::json!({ "equal": 1, "expected": 0, "different": 1, "errors": 2, "frames": frames });
    assert_eq!(last, &serde_json::json!({ "summary": summary }));

    let (out, _) = printed(&program(&["replay", &path]));
    assert!(
        out.ends_with(" 1 equal, 1 different\n1 could not be replayed\n"),
        "{out}"
    );
}

/// Checks that cases and generated sequences can be recorded in a world, and that the recordings
/// replay equal there.
#[rstest]
#[case::cases(&["--cases", "nfq-verdicts", "attaching"])]
#[case::generated(&["--generated", "3", "--seed", "7"])]
#[case::generated_for_numbered_queues(&["--generated", "3", "--part", "nfqueue"])]
fn what_was_recorded_replays_equal(#[case] steps: &[&str]) {
    let (recorded, errors) = printed(&program(&[&["record", "--world", "sim"], steps].concat()));
    let count = recorded.lines().count();
    assert!(count >= 3, "{errors}");
    assert!(
        errors.contains(&format!("ipq-conformance: {count} scenarios recorded, 0 not")),
        "{errors}"
    );
    let file = file(&recorded);
    let (out, errors) = printed(&program(&["replay", &file.path().display().to_string()]));
    assert!(
        out.ends_with(&format!(" {count} equal, 0 different\n")),
        "{out}{errors}"
    );
}

/// Checks that a case is left out, with the reason, if another kernel may answer its steps
/// otherwise.
#[rstest]
#[case::by_time("nfq-overrun/so-error-takes-the-error", "the time of a step can't be compared")]
#[case::by_chance(
    "nfq-rules/balance-spreads",
    "each machine spreads packets over queues by a hash of its own"
)]
fn a_case_that_can_not_be_replayed_is_not_recorded(#[case] case: &str, #[case] reason: &str) {
    let output = program(&["record", "--world", "sim", "--cases", case]);
    let (out, errors) = printed(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(3), ""), "{errors}");
    assert!(
        errors.starts_with(&format!("ipq-conformance: left out {case}: {reason}\n")),
        "{errors}"
    );
}

#[test]
fn a_recording_of_a_kernel_that_the_emulator_is_not_is_refused_and_not_passed() {
    let file = file(&recording("verdict-ack").replacen("3.4.10", "3.5", 1));
    let output = program(&["replay", &file.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
}

#[rstest]
#[case::requirement("VER-5")]
#[case::requirement_in_lower_case("ver-5")]
#[case::case("verdicts/accept")]
fn an_id_is_explained(#[case] id: &str) {
    let (out, _) = printed(&program(&["explain", id]));
    assert!(out.to_lowercase().starts_with(&id.to_lowercase()), "{out}");
    assert!(out.lines().count() > 4, "{out}");
}

#[rstest]
#[case::explain("explain")]
#[case::coverage("coverage")]
fn every_requirement_is_shown_with_its_sentence(#[case] command: &str) {
    let (out, _) = printed(&program(&[command]));
    let requirements = ipq_conformance::suite::requirements::Requirement::all();
    assert!(!requirements.is_empty());
    for requirement in requirements {
        let line = format!("{:<8} {}\n", requirement.id, requirement.text);
        assert!(out.contains(&line), "{line}{out}");
    }
}

#[test]
fn a_requirement_is_explained_with_its_page_and_the_verb_agrees() {
    let (out, _) = printed(&program(&["explain", "VER-5"]));
    let page = "https://github.com/ipq-rs/ipq/blob/main/ipq-core/docs/protocol.md#VER-5\n";
    assert!(out.contains(page), "{out}");
    let found = out.lines().filter(|line| line.starts_with("When the emulator of "));
    let mut count = 0;
    for line in found {
        count += 1;
        let verb = if line.contains(", ") && line.ends_with(" fail.") {
            " fail."
        } else {
            " fails."
        };
        assert!(line.ends_with(verb), "{line}");
        let cases = line.rsplit("), ").next().unwrap_or_default().matches('/').count();
        assert_eq!(verb == " fail.", cases > 1, "{line}");
    }
    assert!(count > 0, "{out}");
}

#[test]
fn manual_pages_name_every_option_and_completions_are_a_script() {
    let directory = tempfile::tempdir().expect("there is room for a folder");
    let man1 = directory.path().join("man1");
    let written = program(&["manual", &man1.display().to_string()]);
    assert_eq!(written.status.code(), Some(0), "{:?}", printed(&written));
    let page = std::fs::read_to_string(man1.join("ipq-conformance-run.1")).expect("there is a page");
    for option in ["strict", "client", "transcripts"] {
        assert!(page.contains(&format!("\\-\\-{option}")), "{option}: {page}");
    }
    let (script, _) = printed(&program(&["completions", "bash"]));
    let registers = |line: &str| line.trim().starts_with("complete -F ") && line.ends_with(" ipq-conformance");
    assert!(script.lines().any(registers), "{script}");
}

/// Runs the cases of topic `proc` with a report of JSON lines. Returns a file that holds the report
/// as `change` returns it.
fn results(change: impl Fn(String) -> String) -> NamedTempFile {
    let (out, _) = printed(&program(&["run", "proc", "--format", "json"]));
    file(&change(out))
}

#[test]
fn a_matrix_of_saved_results_is_written_to_a_file() {
    let saved = results(|text| text);
    let page = NamedTempFile::new().expect("there is room for a file");
    let (results, page) = (saved.path().display().to_string(), page.path().display().to_string());
    let output = program(&["matrix", &results, "--format", "html", "--output", &page]);
    let summary = format!("{page}: 3 cases in 1 world\n");
    assert_eq!(
        (output.status.code(), printed(&output)),
        (Some(0), (String::new(), summary))
    );
    let written = std::fs::read_to_string(page).expect("it is there");
    assert!(
        written.starts_with("<!DOCTYPE html>") && written.contains("proc/"),
        "{written}"
    );
}

#[test]
fn a_matrix_tells_of_the_recordings_that_were_replayed() {
    let saved = results(|text| text);
    let (out, error) = printed(&program(&[
        "matrix",
        "--recordings",
        &saved.path().display().to_string(),
    ]));
    let line = "recorded on Linux 2.4.32 i386 (4-byte words, little-endian), linux-2.4.32-i386-walks.jsonl: \
                59 of 60 scenarios equal, 1 known differences, 0 others\n";
    assert!(out.contains(line) && error.is_empty(), "{out}{error}");
}

#[test]
fn a_matrix_has_no_colours_but_on_a_terminal() {
    for format in ["text", "markdown", "html"] {
        let saved = results(|text| text);
        let (out, _) = printed(&program(&[
            "matrix",
            "--format",
            format,
            &saved.path().display().to_string(),
        ]));
        assert!(out.contains("proc/") && !out.contains('\x1b'), "{out}");
    }
}

#[rstest]
#[case::of_another_command(|_| "{\"summary\":{\"equal\":1,\"different\":0,\"frames\":2}}\n".to_owned(), 1)]
#[case::cut(|text: String| text.lines().next().map(|line| line.to_owned() + "\n").unwrap_or_default(), 2)]
fn a_matrix_of_damaged_results_is_refused_with_the_place(#[case] change: fn(String) -> String, #[case] line: usize) {
    let damaged = results(change);
    let path = damaged.path().display().to_string();
    let output = program(&["matrix", &path]);
    assert_eq!(output.status.code(), Some(2));
    let (out, error) = printed(&output);
    assert_eq!(out, "");
    assert!(
        error.starts_with(&format!("ipq-conformance: {path}:{line}: the ")),
        "{error}"
    );
}

#[test]
fn a_matrix_comes_to_what_its_worst_cell_does() {
    let counted = |text: &str, from: &str, to: &str| {
        let count = text.lines().count() - 1;
        text.replace("\"outcome\":\"passed\"", &format!("\"outcome\":\"{to}\""))
            .replace(&format!("\"{from}\":{count}"), &format!("\"{from}\":0"))
            .replace(&format!("\"{to}\":0"), &format!("\"{to}\":{count}"))
    };
    for (outcome, status) in [("failed", 1), ("skipped", 3), ("expected_difference", 0)] {
        let saved = results(|text| counted(&text, "passed", outcome));
        let output = program(&["matrix", &saved.path().display().to_string()]);
        assert_eq!(output.status.code(), Some(status), "{:?}", printed(&output));
    }
}
