//! Tests of the matrix of results in its three forms: text for a terminal, Markdown, and an HTML
//! page. One matrix has a run in which each outcome occurs once, beside results of an older suite.
//! Another has results whose texts contain markup and escape sequences for the terminal.

use crate::reports::reported;
use crate::sample_cases;
use ipq_conformance::report::JsonLines;
use ipq_conformance::report::matrix::{Collector, Matrix, Replays, Results};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

/// Saved results of an older version of the suite, in JSON Lines. No case has the level *quirk*,
/// and the last case no longer exists.
const OLDER: &str = r#"{"id":"wire/holds","title":"What holds","topic":"wire","level":"must","requirements":["WIRE-1"],"outcome":"passed","reason":null}
{"id":"verdicts/wrong-reply","title":"A reply that is not as expected","topic":"verdicts","level":"kernel","requirements":["VER-2"],"outcome":"passed","reason":null}
{"id":"verdicts/gone","title":"What was tried once","topic":"verdicts","level":"must","requirements":["VER-9"],"outcome":"skipped","reason":"needs a bridge"}
{"summary":{"passed":2,"failed":0,"skipped":1,"broken":0,"expected_difference":0,"unexpected_pass":0},"environment":{"suite":"0.0.9","world":"ip_queue","implementation":"ip_queue of Linux 2.6.32","kernel":"2.6.32","arch":"i686","word_bytes":4,"byte_order":"little","capabilities":[],"seed":3,"world_seed":null}}
"#;

fn read(text: &str) -> Vec<Results> {
    Results::read("older.json", text.as_bytes()).expect("it is right")
}

fn run() -> Results {
    let mut collector = Collector::default();
    reported(&mut collector).expect("it is kept");
    collector.results().expect("the run is over")
}

pub(crate) fn matrix() -> Matrix {
    Matrix::new([vec![run()], read(OLDER)].concat(), &sample_cases::cases())
}

fn text(matrix: &Matrix) -> String {
    text_of_width(matrix, usize::MAX)
}

fn text_of_width(matrix: &Matrix, width: usize) -> String {
    let mut output = Vec::new();
    matrix.write_text(&mut output, width).expect("it can be written");
    String::from_utf8(anstream::adapter::strip_bytes(&output).into_vec()).expect("it is text")
}

fn markdown(matrix: &Matrix) -> String {
    let mut output = Vec::new();
    matrix.write_markdown(&mut output).expect("it can be written");
    String::from_utf8(output).expect("it is text")
}

/// Returns the matrix as an HTML page, for comparison. The contents of the style and the script are
/// replaced by `…`, and tags that adjoin are put on lines of their own.
fn page(matrix: &Matrix) -> String {
    let mut page = matrix.to_html();
    for tag in ["style", "script"] {
        let begin = page.find(&format!("<{tag}>")).expect("it begins") + tag.len() + 2;
        let end = page.find(&format!("</{tag}>")).expect("it ends");
        page.replace_range(begin..end, "…");
    }
    page.replace("><", ">\n<")
}

#[test]
fn for_a_terminal() {
    insta::assert_snapshot!(text(&matrix()));
}

#[test]
fn for_a_narrow_terminal() {
    let narrow = text_of_width(&matrix(), 60);
    let table = narrow
        .split("\n\n")
        .find(|part| part.starts_with("case "))
        .expect("there is a table");
    assert!(table.lines().all(|line| line.chars().count() <= 60), "{table}");
    insta::assert_snapshot!(narrow);
}

#[test]
fn in_markdown() {
    insta::assert_snapshot!(markdown(&matrix()));
}

#[test]
fn as_a_page() {
    insta::assert_snapshot!(page(&matrix()));
}

#[test]
fn recordings_stand_beside_the_worlds_and_one_that_differs_is_bad() {
    let replays = |different| Replays {
        file: "linux-2.4.0-i386.jsonl".into(),
        kernel: "Linux 2.4.0 i386".into(),
        frames: 206,
        equal: 146,
        expected: 1,
        different,
    };
    let good = Matrix::new(read(OLDER), &[]).with_recordings(vec![replays(0)]);
    let row = "| Linux 2.4.0 i386 | linux-2.4.0-i386.jsonl | 147 | 206 | 146 | 1 | 0 |";
    assert!(good.is_good() && markdown(&good).contains(row), "{}", markdown(&good));
    let bad = Matrix::new(read(OLDER), &[]).with_recordings(vec![replays(2)]);
    assert!(!bad.is_good() && page(&bad).contains("<td class=\"failed\">2</td>"));
}

#[test]
fn results_that_were_saved_are_those_of_the_run() {
    let mut saved = Vec::new();
    reported(&mut JsonLines::new(&mut saved)).expect("it can be written");
    let read = Results::read("saved", &saved[..]).expect("it is right");
    let of = |results| page(&Matrix::new(vec![results], &[]));
    let from_file = of(read.into_iter().next().expect("it is one run"));
    assert_eq!(of(run()), from_file.replace(", from saved<", "<"));
}

#[test]
fn the_page_needs_nothing_else() {
    // A reader may follow a link, but it loads nothing by itself.
    let rules = "<a href=\"https://github.com/ipq-rs/ipq/blob/main/ipq-core/docs/";
    let inward = ["<a href=\"#", "<a class=\"to-cases\" href=\"?find="];
    let page = matrix().to_html();
    assert!(page.contains(&format!("{rules}protocol.md#VER-2\"")), "{page}");
    let page = inward
        .iter()
        .fold(page.replace(rules, ""), |page, link| page.replace(link, ""));
    assert!(page.contains("default-src 'none'"), "it may load nothing");
    for word in ["src=", "href=", "url(", "@import", "http://", "https://"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(
        page.contains("<form id=\"filter\" hidden>"),
        "what needs the script is hidden without it"
    );
}

/// Returns a matrix of one result that has `hostile` in most of its texts.
fn results_with(hostile: &str) -> Matrix {
    let text = serde_json::to_string(hostile).expect("a text is JSON");
    let case = format!(
        r#"{{"id":{text},"title":{text},"topic":{text},"level":"must","requirements":[{text}],"outcome":"failed","reason":{text},"details":{text}}}"#
    );
    let last = format!(
        r#"{{"summary":{{"passed":0,"failed":1,"skipped":0,"broken":0,"expected_difference":0,"unexpected_pass":0}},"environment":{{"suite":{text},"world":{text},"implementation":{text},"kernel":{text},"arch":{text},"word_bytes":8,"byte_order":{text},"capabilities":[{text}],"seed":0,"world_seed":null}},"out_of_date":[{text}]}}"#
    );
    let results = Results::read(hostile, format!("{case}\n{last}\n").as_bytes()).expect("it is well formed");
    Matrix::new(results, &[])
}

/// Returns the characters `<`, `>` and `"` of a page, in order, and nothing else.
fn structure(page: &str) -> String {
    page.chars()
        .filter(|letter| matches!(letter, '<' | '>' | '"'))
        .collect()
}

/// Returns the number of cell borders in each line of a Markdown text: of `|` that no backslash
/// escapes.
fn markdown_structure(text: &str) -> Vec<usize> {
    let cells = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
    text.lines().map(cells).collect()
}

#[test]
fn hostile_texts_are_texts() {
    let hostile = "</td><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt;|`*[a](javascript:b)\\|\n# \u{1b}[2J\u{202e}";
    insta::assert_snapshot!(page(&results_with(hostile)));
    insta::assert_snapshot!(markdown(&results_with(hostile)));
    insta::assert_snapshot!(text(&results_with(hostile)));
}

proptest! {
    #[test]
    fn no_text_changes_the_structure(hostile in "(\\PC|[<>&\"'`|\\\\\n\r\u{0}\u{1b}\u{9b}\u{202e}-]){0,20}") {
        let (plain, hostile) = (results_with("plain"), results_with(&hostile));
        prop_assert_eq!(structure(&page(&plain)), structure(&page(&hostile)));
        prop_assert_eq!(markdown_structure(&markdown(&plain)), markdown_structure(&markdown(&hostile)));
        let mut output = Vec::new();
        hostile.write_text(&mut output, usize::MAX).expect("it can be written");
        let written = String::from_utf8(output).expect("it is text");
        // Each escape sequence is one of our colours. What is left without them commands nothing.
        let stripped = anstream::adapter::strip_str(&written).to_string();
        prop_assert!(stripped.chars().all(|letter| letter == '\n' || !letter.is_control()), "{stripped:?}");
        prop_assert_eq!(written.matches('\u{1b}').count(), {
            let mut output = Vec::new();
            plain.write_text(&mut output, usize::MAX).expect("it can be written");
            String::from_utf8(output).expect("it is text").matches('\u{1b}').count()
        });
    }
}
