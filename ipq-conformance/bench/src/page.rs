//! Writes results into the page and the files that keep them.

use crate::plot::plot;
use crate::results::{Contender, Report};
use crate::table::table;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The reason why results could not be saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The page has no comment with the table's name, or no fenced code block after it.
    #[error("the page has no line \"{mark}\" with a block of text after it: add one where the table should go")]
    NoPlace {
        /// The line that should stand before the table.
        mark: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Saves a report in this package: its table in BENCHMARKS.md, in the fenced block that follows the
/// comment `<!-- name -->`, its numbers in `results/name.json`, and its plot in `results/name.svg`.
/// The plot shows contenders that `is_ours` chooses in another colour.
pub fn save(report: &Report, name: &str, is_ours: impl Fn(&Contender) -> bool) -> Result<(), PageError> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = package.join("BENCHMARKS.md");
    let results = package.join("results").join(name);
    let numbers = serde_json::to_string_pretty(report).map_err(io::Error::from);
    let numbers = numbers.map_err(at(&results))? + "\n";
    let text = fs::read_to_string(&page).map_err(at(&page))?;
    for (path, content) in [
        (results.with_extension("json"), numbers),
        (results.with_extension("svg"), plot(report, is_ours)),
        (page, put_in(&text, name, &table(report))?),
    ] {
        fs::write(&path, content).map_err(at(&path))?;
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PageError {
    |source| PageError::File {
        path: path.to_owned(),
        source,
    }
}

/// Returns the page with `text` in place of the contents of the fenced block that follows the
/// comment `<!-- name -->`. An error if there is no such comment or no such block.
fn put_in(page: &str, name: &str, text: &str) -> Result<String, PageError> {
    const FENCE: &str = "```";
    let mark = format!("<!-- {name} -->");
    let place = || {
        let begin = page.find(&mark)? + mark.len();
        let opening = begin + page[begin..].find(FENCE)?;
        let content = opening + page[opening..].find('\n')? + 1;
        let end = content + page[content..].find(FENCE)?;
        Some((content, end))
    };
    let (content, end) = place().ok_or(PageError::NoPlace { mark: mark.clone() })?;
    Ok([&page[..content], text, &page[end..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_block_is_replaced_and_the_rest_stays() {
        let page = "# Title\n<!-- a -->\n```text\nold\n```\n<!-- b -->\n```text\nother\n```\nend\n";
        let expected = "# Title\n<!-- a -->\n```text\nold\n```\n<!-- b -->\n```text\nnew\n```\nend\n";
        assert_eq!(put_in(page, "b", "new\n").expect("a place"), expected);
    }

    #[test]
    fn a_page_without_the_place_is_refused() {
        let error = put_in("# Title\n<!-- a -->\n", "a", "new").expect_err("no block");
        assert!(error.to_string().contains("<!-- a -->"));
    }
}
