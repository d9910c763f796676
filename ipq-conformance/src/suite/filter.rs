//! Chooses cases, by ids, requirements and levels.

use crate::suite::{Case, Level, cases};

/// A choice of cases by words and levels.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    patterns: Vec<Pattern>,
    levels: Vec<Level>,
    strict: bool,
}

impl Filter {
    /// Returns a filter for the cases that match one of `words`, or for all cases if there are no
    /// words. A word is one of these:
    ///
    /// - the id of a case, which chooses that case alone;
    /// - the beginning of an id: `verdicts`, `verdicts/acc`;
    /// - a pattern for a whole id or requirement, in which `*` stands for any text and `?` for any
    ///   character: `*/*timeout*`;
    /// - a requirement or a group of requirements: `VER-3`, `VER`.
    ///
    /// With `levels` only cases of these levels are chosen, whatever `strict` is. Without `levels`
    /// quirks are chosen only if `strict` is `true` or a word is the quirk's whole id.
    #[must_use]
    pub fn new(words: &[String], levels: &[Level], strict: bool) -> Self {
        Self {
            patterns: words.iter().map(|word| Pattern::word(word)).collect(),
            levels: levels.to_vec(),
            strict,
        }
    }

    /// Returns whether the filter chooses `case`.
    #[must_use]
    pub fn chooses(&self, case: &Case) -> bool {
        let mut named = self.patterns.iter().filter(|pattern| pattern.chooses(case)).peekable();
        let wanted = self.patterns.is_empty() || named.peek().is_some();
        let by_level = if self.levels.is_empty() {
            self.strict || case.level != Level::Quirk || named.any(|pattern| pattern.text == case.id)
        } else {
            self.levels.contains(&case.level)
        };
        wanted && by_level
    }
}

/// A pattern for a text, mostly for the id of a case. It is the whole text, the beginning of it, or
/// a text with the wildcards `*` and `?` for the whole of it.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    /// `true` if `text` must match the whole of another text, with `*` and `?` as wildcards;
    /// `false` if the id of a case must begin with `text`.
    whole: bool,
}

impl Pattern {
    pub(crate) fn whole(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            whole: true,
        }
    }

    fn word(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            whole: text.contains(['*', '?']) || cases::every().iter().any(|case| case.id == text),
        }
    }

    pub(crate) fn matches(&self, id: &str) -> bool {
        if self.whole {
            matches_wildcards(self.text.as_bytes(), id.as_bytes())
        } else {
            id.starts_with(&self.text)
        }
    }

    fn chooses(&self, case: &Case) -> bool {
        self.matches(case.id) || case.requirements.iter().any(|id| self.names_requirement(id))
    }

    fn names_requirement(&self, id: &str) -> bool {
        let group = id.split('-').next().unwrap_or_default();
        self.text == id || self.text == group || (self.whole && self.matches(id))
    }
}

/// Returns whether the whole of `text` matches `pattern`, in which `*` stands for any bytes and `?`
/// for any one byte. The time is at most proportional to the product of both lengths, since only
/// the last `*` is tried again.
fn matches_wildcards(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    let mut star = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => {
                let Some((star_at, star_text)) = star else {
                    return false;
                };
                star = Some((star_at, star_text + 1));
                at = star_at + 1;
                in_text = star_text + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const CASE: Case = Case::quirk("verdicts/second-verdict", "A", &["VER-2", "VER-3"], |_| Ok(()));

    #[rstest]
    #[case::topic("verdicts", true)]
    #[case::beginning("verdicts/sec", true)]
    #[case::middle("second", false)]
    #[case::wildcards("*/second-?erdict", true)]
    #[case::wildcards_for_the_whole("verdicts/*d", false)]
    #[case::requirement("VER-3", true)]
    #[case::group("VER", true)]
    #[case::beginning_of_a_requirement("VER-", false)]
    #[case::wildcards_in_a_requirement("V*-3", true)]
    #[case::another_requirement("VER-30", false)]
    fn a_word_chooses(#[case] word: &str, #[case] chosen: bool) {
        assert_eq!(Filter::new(&[word.to_owned()], &[], true).chooses(&CASE), chosen);
    }

    #[rstest]
    #[case::not_by_default(&[], &[], false, false)]
    #[case::strictly(&[], &[], true, true)]
    #[case::by_level(&[], &[Level::Quirk], false, true)]
    #[case::not_by_another_level(&[], &[Level::Must], true, false)]
    #[case::by_its_whole_id(&["verdicts/second-verdict"], &[], false, true)]
    #[case::not_by_a_part_of_it(&["verdicts"], &[], false, false)]
    fn a_quirk_is_chosen(#[case] words: &[&str], #[case] levels: &[Level], #[case] strict: bool, #[case] chosen: bool) {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        assert_eq!(Filter::new(&words, levels, strict).chooses(&CASE), chosen);
    }

    #[test]
    fn the_id_of_a_case_chooses_that_case_alone() {
        let all = cases::every();
        for case in &all {
            let filter = Filter::new(&[case.id.to_owned()], &[], false);
            let chosen: Vec<_> = all.iter().filter(|case| filter.chooses(case)).collect();
            assert!(matches!(chosen[..], [chosen] if chosen.id == case.id), "{}", case.id);
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!matches_wildcards(pattern.as_bytes(), "a".repeat(10_000).as_bytes()));
    }
}
