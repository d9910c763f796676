//! Tests of the pages of the protocols' rules: among others, that they have every rule that a text
//! file in the repository cites.

use pretty_assertions::assert_eq;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 2] = [
    include_str!("../docs/protocol.md"),
    include_str!("../docs/nfnetlink_queue.md"),
];
const LINKS: &str = include_str!("../docs/rule-links.html");

/// An id that looks like that of a rule, and is deliberately none. The suite's own tests use it.
const NO_RULE: &str = "VER-30";

#[test]
fn each_rule_is_on_a_page_once_and_has_an_anchor() {
    let anchors: Vec<_> = anchors().filter(|id| id.contains('-')).collect();
    let unique: BTreeSet<_> = anchors.iter().copied().collect();
    assert_eq!(anchors.len(), unique.len());
    for id in anchors {
        let rule = format!("<a id=\"{id}\"></a>**{id}** ");
        assert!(
            PAGES.iter().any(|page| page.contains(&rule)),
            "{id}'s anchor does not stand at its rule"
        );
    }
}

#[test]
fn the_links_in_the_documentation_know_every_group_of_rules() {
    for group in groups() {
        let known = LINKS.contains(&format!("{group}|")) || LINKS.contains(&format!("{group})"));
        assert!(known, "rule-links.html does not know {group}");
    }
}

/// Checks that each rule id in the text files that [`files`] returns is on a page, but for
/// [`NO_RULE`].
#[test]
fn every_rule_that_is_cited_is_on_a_page() {
    let mut unknown = BTreeMap::<_, Vec<PathBuf>>::new();
    let (known, groups): (BTreeSet<_>, _) = (anchors().collect(), groups());
    let mut cited = 0;
    for file in files() {
        let text = fs::read_to_string(&file).expect("a file of text");
        // In a file of this name each line begins with a rule's id, also of a group that the pages
        // don't have.
        let is_table = file.file_name().is_some_and(|name| name == "requirements.txt");
        let of_table = text
            .lines()
            .filter(|_| is_table)
            .filter_map(|line| line.split(' ').next());
        for id in ids(&text, &groups).chain(of_table) {
            cited += 1;
            if !known.contains(id) && id != NO_RULE {
                let files = unknown.entry(id.to_owned()).or_default();
                files.push(file.clone());
                files.dedup();
            }
        }
    }
    assert!(cited > 100, "only {cited} citations were found");
    assert_eq!(unknown, BTreeMap::new(), "write these rules on a page in ipq-core/docs");
}

/// Checks that the recordings exist which the section on other kernels names. The packaged crate
/// has no recordings, so nothing is checked there.
#[test]
fn every_recording_that_is_named_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/recordings");
    let Ok(files) = fs::read_dir(folder) else { return };
    let recordings: String = files
        .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a file of text"))
        .collect();
    let (_, section) = PAGES[0].split_once("<a id=\"kernels\">").expect("there is the section");
    let quoted = section.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'*');
        word.contains('-') && word.bytes().all(fits)
    };
    let names: BTreeSet<_> = quoted.filter(is_name).collect();
    assert!(names.len() > 10, "{names:?}");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| match name.strip_suffix('*') {
            Some(front) => !recordings.contains(&format!("\"name\":\"{front}")),
            None => !recordings.contains(&format!("\"name\":\"{name}\"")),
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn anchors() -> impl Iterator<Item = &'static str> {
    let anchored = PAGES.iter().flat_map(|page| page.split("<a id=\"").skip(1));
    anchored.filter_map(|rest| rest.split('"').next())
}

/// Returns the groups of the rules on the pages, such as ATT.
fn groups() -> BTreeSet<&'static str> {
    anchors()
        .filter_map(|id| id.split_once('-'))
        .map(|(group, _)| group)
        .collect()
}

/// Returns the words of a text that are rule ids of these groups.
fn ids<'t>(text: &'t str, groups: &BTreeSet<&str>) -> impl Iterator<Item = &'t str> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character)));
    words.filter(|word| {
        let parts = word.split_once('-');
        parts.is_some_and(|(group, number)| groups.contains(group) && number.parse::<u8>().is_ok())
    })
}

/// Returns the text files of the repository, or of the crate alone if it was packaged: those with
/// the extensions of [`is_text`]. Leaves out hidden folders, and those named target, recordings or
/// corpus.
fn files() -> Vec<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = package
        .parent()
        .filter(|above| above.join("ipq-sim/Cargo.toml").exists());
    let mut folders = vec![repository.unwrap_or(package).to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry"))
        {
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() && !name.starts_with('.') && !["target", "recordings", "corpus"].contains(&&*name) {
                folders.push(path);
            } else if kind.is_file() && is_text(&path) {
                files.push(path);
            }
        }
    }
    files
}

fn is_text(path: &Path) -> bool {
    let kinds = ["c", "h", "md", "rs", "txt", "json"];
    path.extension()
        .is_some_and(|extension| kinds.iter().any(|kind| extension == *kind))
}
