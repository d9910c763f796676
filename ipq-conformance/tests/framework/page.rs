//! Tests of the page of results in a real browser: filtering by what is typed or by the address,
//! links to a case, transcripts and reasons that open, a small screen, the two colour schemes, and
//! reading without the script. They are skipped if no browser is installed.

mod browser;

use crate::matrix::matrix;
use browser::Browser;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

/// A browser, and a file with the page of the sample results.
struct Reader {
    browser: Browser,
    page: PathBuf,
    _folder: TempDir,
}

/// A JavaScript expression for the ids of the rows of cases that no filter hides, also of rows
/// outside the window.
const SHOWN: &str =
    "Array.from(document.querySelectorAll('.cases tr[id]')).filter((row) => row.offsetHeight > 0).map((row) => row.id)";

impl Reader {
    /// Starts a browser, and writes the page to a file without opening it. `None` if no browser is
    /// installed.
    fn new() -> Option<Self> {
        let Some(browser) = Browser::start() else {
            eprintln!("skipped: there is no chromium, chromium-browser or google-chrome to open the page in");
            return None;
        };
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let page = folder.path().join("matrix.html");
        std::fs::write(&page, matrix().to_html()).expect("the page can be written");
        Some(Self {
            browser,
            page,
            _folder: folder,
        })
    }

    fn open(&mut self, rest: &str) {
        self.browser.open(&self.page, rest);
    }

    #[track_caller]
    fn shows(&mut self, cases: &[&str]) {
        let cases: Vec<_> = cases.iter().map(|case| format!("case:{case}")).collect();
        self.browser.until(SHOWN, &json!(cases));
    }

    /// Returns whether the element with this id has a height, and is wholly between the upper and
    /// the lower end of the window.
    fn sees(&mut self, id: &str) -> Value {
        let id = json!(id);
        self.browser.value(&format!(
            "(() => {{ const at = document.getElementById({id}).getBoundingClientRect(); \
             return at.height > 0 && at.top >= 0 && at.bottom <= innerHeight; }})()"
        ))
    }
}

#[test]
fn a_reader_filters_follows_an_anchor_and_opens_a_transcript() {
    let Some(mut reader) = Reader::new() else {
        return;
    };
    reader.browser.show(1500, 900, "light");
    reader.open("");
    let count = reader.browser.value(SHOWN).as_array().map(Vec::len);
    assert_eq!(count, Some(7), "without a filter every case is there");

    // What is typed goes into the address, and an address filters, too.
    reader.browser.click("#find");
    reader.browser.type_text("VER-2");
    reader.shows(&["verdicts/wrong-reply"]);
    assert_eq!(reader.browser.value("location.search"), "?find=VER-2");
    assert_eq!(
        reader.browser.value("document.getElementById('count').textContent"),
        "1 of 7 cases"
    );
    reader.open("?outcome=failed&world=sim");
    reader.shows(&["verdicts/wrong-reply"]);
    reader.open("?outcome=failed&world=ip_queue");
    reader.shows(&[]);
    // An invalid parameter is ignored.
    reader.open("?find=VER-9&level=none#%");
    reader.shows(&["verdicts/gone"]);
    reader.browser.click("form button");
    reader.browser.until("location.search", &json!(""));

    // A case that is shown by its link stays in sight, whatever is filtered.
    reader.open("?find=PROC-1#case:verdicts/gone");
    reader.shows(&["proc/known-but-holds", "proc/panics", "verdicts/gone"]);
    assert_eq!(reader.sees("case:verdicts/gone"), true);
    reader.open("");
    reader.browser.click(r##"a[href="#case:verdicts/wrong-reply:sim"]"##);
    reader.browser.until(
        "decodeURIComponent(location.hash)",
        &json!("#case:verdicts/wrong-reply:sim"),
    );
    assert_eq!(reader.sees("case:verdicts/wrong-reply:sim"), true);

    // The transcript opens in its place.
    let transcript = "Array.from(document.querySelectorAll('.explained pre')).filter((text) => text.textContent.includes('VERDICT'))[1]";
    let hidden = format!("{transcript}.checkVisibility()");
    assert_eq!(reader.browser.value(&hidden), false);
    reader.browser.click(".explained details:nth-of-type(2) summary");
    reader.browser.until(&hidden, &json!(true));

    // The reason of a skip, which many cells share, appears at the cell that is clicked on.
    reader.browser.click(".cases .skipped button");
    reader.browser.until(
        "document.querySelector('[popover]:popover-open').textContent.startsWith('needs bridge')",
        &json!(true),
    );
}

#[test]
fn it_fits_a_phone_and_the_dark_and_needs_no_script_to_be_read() {
    let Some(mut reader) = Reader::new() else {
        return;
    };
    let ground = "getComputedStyle(document.body).backgroundColor";
    reader.browser.show(400, 800, "dark");
    reader.open("");
    assert_eq!(reader.browser.value("document.documentElement.scrollWidth"), 400);
    assert_eq!(reader.browser.value(ground), "rgb(13, 17, 23)");
    let world = "getComputedStyle(document.querySelector('.cases tr[id] td'), '::after').content.includes('sim')";
    assert_eq!(reader.browser.value(world), true, "a cell names its world");
    reader.browser.show(400, 800, "light");
    assert_eq!(reader.browser.value(ground), "rgb(255, 255, 255)");

    let off = json!({ "value": true });
    reader.browser.call("Emulation.setScriptExecutionDisabled", &off);
    reader.open("#case:verdicts/wrong-reply:sim");
    assert_eq!(
        reader.browser.value("document.getElementById('filter').offsetHeight"),
        0
    );
    assert_eq!(reader.sees("case:verdicts/wrong-reply:sim"), true);
    reader.browser.click(".explained details summary");
    reader
        .browser
        .until("document.querySelector('.explained details').open", &json!(true));
}
