//! Tests that the README of the repository shows the code of the example `filter`.

use std::fs;
use std::path::Path;

#[test]
fn the_filter_in_the_readme_is_the_example() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(readme) = fs::read_to_string(package.join("../README.md")) else {
        eprintln!("skipped: the packaged crate is without the repository's README");
        return;
    };
    let example = include_str!("../examples/filter.rs");
    let (_, code) = example.split_once("\n\n").expect("documentation, and then code");
    assert!(
        readme.contains(&format!("```rust,no_run\n{code}```\n")),
        "copy examples/filter.rs into README.md"
    );
}
