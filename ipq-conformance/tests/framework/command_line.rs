//! The program: what it prints, and its exit status.

use pretty_assertions::assert_eq;
use rstest::rstest;
use std::io::Write;
use std::process::{Command, Output};
use tempfile::NamedTempFile;

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipq-conformance"));
    command.args(arguments).output().expect("the program can be run")
}

fn printed(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("there is room for a file");
    file.write_all(text.as_bytes()).expect("there is room for its text");
    file
}

/// The recording of that name.
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
#[case::nothing_chosen(&["verdicts/nothing"], 3)]
#[case::nothing_listed(&["list", "verdicts/nothing"], 3)]
#[case::no_such_option(&["--nonsense"], 2)]
#[case::no_such_world(&["--world", "nowhere"], 2)]
#[case::no_such_id(&["explain", "nothing"], 2)]
#[case::no_such_file(&["replay", "nowhere.jsonl"], 2)]
#[case::the_recordings_that_come_with_it(&["replay"], 0)]
#[case::a_recording_of_no_file(&["record", "--world", "sim", "nowhere.jsonl"], 2)]
#[case::seeds_beyond_the_last(&["diff", "--worlds", "sim,sim", "--seed", "18446744073709551615", "--cases", "1"], 2)]
#[case::a_matrix_of_a_run(&["matrix", "--world", "sim"], 0)]
#[case::a_matrix_of_nothing(&["matrix"], 2)]
#[case::a_matrix_of_no_world(&["matrix", "--world", "nowhere"], 2)]
#[case::a_matrix_of_no_file(&["matrix", "nowhere.json"], 2)]
#[case::a_matrix_into_no_folder(&["matrix", "--world", "sim", "--output", "nowhere/at/all"], 2)]
fn the_exit_status_says_how_it_went(#[case] arguments: &[&str], #[case] status: i32) {
    let output = program(arguments);
    assert_eq!(output.status.code(), Some(status), "{:?}", printed(&output));
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

/// Once, and not for each scenario.
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
        // On a kernel up to 3.4.
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
        "1599 scenarios and 4925 frames compared: 1598 equal, 1 as expected, 0 different\n"
    );
    let (out, _) = printed(&program(&["replay", "--format", "json"]));
    assert_eq!(out.lines().count(), 1600);
    let last = out.lines().last().map(|line| serde_json::from_str(line).expect("JSON"));
    let expected = serde_json::json!({
        "summary": { "equal": 1598, "expected": 1, "different": 0, "errors": 0, "frames": 4925 },
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

/// Whatever differs beside it: the command could not be carried out.
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

/// Results of a run of one topic, changed by `change`.
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
    assert_eq!(
        (output.status.code(), printed(&output)),
        (Some(0), (String::new(), String::new()))
    );
    let written = std::fs::read_to_string(page).expect("it is there");
    assert!(
        written.starts_with("<!DOCTYPE html>") && written.contains("proc/"),
        "{written}"
    );
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
