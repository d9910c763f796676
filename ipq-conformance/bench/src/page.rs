//! The page that keeps what was measured.

/// Why a page could not be brought up to date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The page has no place for it.
    #[error("the page has no line \"{mark}\" with a block of text after it: add one where the table should go")]
    NoPlace {
        /// The line that should stand before it.
        mark: String,
    },
}

/// The page with `text` in the place of the block of text that follows the comment `<!-- name -->`.
pub fn put_in(page: &str, name: &str, text: &str) -> Result<String, PageError> {
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
        assert_eq!(put_in(page, "b", "new\n").as_deref(), Ok(expected));
    }

    #[test]
    fn a_page_without_the_place_is_refused() {
        let error = put_in("# Title\n<!-- a -->\n", "a", "new").expect_err("no block");
        assert!(error.to_string().contains("<!-- a -->"));
    }
}
