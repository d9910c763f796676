//! Suggestions for mistyped words.

use super::{Failure, unable};
use crate::suite::{Case, Filter, Topic, cases};

/// The least likeness of two words, from 0 to 1, at which one is suggested for the other.
const ALIKE: f64 = 0.7;
/// The least length of a mistyped word, in bytes, for which longer words that contain it are
/// suggested.
const SHORTEST_PART: usize = 3;
/// The most words that are suggested at once.
const MOST: usize = 3;

/// Fails at the first word that chooses no case. The error suggests at most three topics, case ids
/// and `commands` that are like the word.
pub(super) fn refuse_unknown(words: &[String], commands: &[&str]) -> Result<(), Failure> {
    let all = cases::every();
    let is_unknown = |word: &&String| {
        let filter = Filter::new(std::slice::from_ref(*word), &[], true);
        !all.iter().any(|case| filter.chooses(case))
    };
    let Some(word) = words.iter().find(is_unknown) else {
        return Ok(());
    };
    let topics: Vec<_> = all.iter().filter_map(Case::topic).map(Topic::name).collect();
    let ids: Vec<_> = all.iter().map(|case| case.id).collect();
    let known = [commands, &topics, &ids].concat();
    Err(unable(format_args!(
        "{word:?} chooses no case; {}",
        hint(word, known.into_iter(), "`ipq-conformance list` shows the cases")
    )))
}

/// Returns the question "did you mean ...?" with at most three `known` words that are like `word`;
/// `otherwise` if none is.
pub(super) fn hint<'k>(word: &str, known: impl Iterator<Item = &'k str>, otherwise: &str) -> String {
    let near = like(word, known);
    if near.is_empty() {
        otherwise.to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    }
}

/// Returns the `known` words that are like `word`, at most three, and the most alike first.
fn like<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Vec<&'k str> {
    let mut near: Vec<_> = known
        .map(|known| (likeness(word, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.dedup();
    near.into_iter().take(MOST).map(|(_, known)| known).collect()
}

fn likeness(word: &str, known: &str) -> f64 {
    let [word, known] = [word, known].map(str::to_lowercase);
    if word.len() >= SHORTEST_PART && known.contains(&word) {
        return 1.0;
    }
    strsim::normalized_damerau_levenshtein(&word, &known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use rstest::rstest;

    #[rstest]
    #[case::a_letter_too_few("lst", &["list"])]
    #[case::letters_in_another_order("lsit", &["list"])]
    #[case::a_part("accept", &["verdicts/accept", "verdicts/accept-late"])]
    #[case::the_most_alike_first("verdicts/acept-lte", &["verdicts/accept-late", "verdicts/accept"])]
    #[case::something_else("nonsense", &[])]
    #[case::a_short_part("a", &[])]
    fn words_like_it_are_suggested(#[case] word: &str, #[case] suggested: &[&str]) {
        let known = ["list", "verdicts/accept", "verdicts/accept-late"];
        assert_eq!(like(word, known.into_iter()), suggested);
    }
}
