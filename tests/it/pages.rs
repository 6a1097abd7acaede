//! The pages for engineers: the glossary has one meaning for each word, and no link is broken.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// The fewest words that the glossary defines.
const LEAST_WORDS: usize = 30;

/// The pages whose links are checked, besides all of `docs/design`.
const PAGES: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benches/README.md",
    "docs/GLOSSARY.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

fn pages() -> Vec<PathBuf> {
    let design = fs::read_dir(root().join("docs/design")).unwrap();
    let design = design.map(|entry| entry.unwrap().path());
    let markdown = design.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    PAGES.iter().map(|page| root().join(page)).chain(markdown).collect()
}

/// Returns a page without its fenced blocks: nothing in them is a heading or a link.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Returns the entries of the glossary: each word, and the text below its heading.
fn entries(glossary: &str) -> Vec<(&str, String)> {
    let sections = glossary.split("\n### ").skip(1);
    sections
        .map(|section| {
            let (word, text) = section.split_once('\n').expect("a heading has a text below it");
            let text = text.split("\n## ").next().unwrap_or_default();
            (word, text.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// Counts sentences: a stop ends one if a capital letter, a code span or nothing follows it.
fn sentences(text: &str) -> usize {
    let ends = text.match_indices(". ").filter(|&(at, _)| {
        let next = text[at + 2..].chars().next();
        next.is_some_and(|next| next.is_uppercase() || next == '`')
    });
    ends.count() + usize::from(text.ends_with('.'))
}

/// Returns the targets of the links in a text.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.collect()
}

/// Returns the anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

fn has_anchor(page: &Path, wanted: &str) -> bool {
    let text = read(page);
    let prose = prose(&text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).any(|found| found == wanted)
}

/// Returns why a link of a page leads nowhere, if it does.
fn broken(page: &Path, link: &str) -> Option<String> {
    let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => page.to_owned(),
        file => page.parent().expect("a page is in a folder").join(file),
    };
    if !target.exists() {
        return Some(format!("{}: {link} does not exist", page.display()));
    }
    let is_missing = !fragment.is_empty() && !has_anchor(&target, fragment);
    is_missing.then(|| format!("{}: {link} has no such heading", page.display()))
}

fn is_foreign(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

#[test]
fn the_glossary_defines_each_word_once_in_two_sentences() {
    let text = read(&root().join("docs/GLOSSARY.md"));
    let entries = entries(&text);
    assert!(entries.len() >= LEAST_WORDS, "only {} words are defined", entries.len());
    let mut words = BTreeSet::new();
    for (word, text) in &entries {
        assert!(words.insert(word.to_lowercase()), "`{word}` is defined twice");
        assert!(sentences(text) >= 2, "`{word}` needs two sentences: {text}");
    }
}

#[test]
fn every_link_of_the_pages_for_engineers_resolves() {
    let mut checked = 0;
    for page in pages() {
        let text = prose(&read(&page));
        for link in links(&text).into_iter().filter(|link| !is_foreign(link)) {
            checked += 1;
            assert_eq!(broken(&page, link), None);
        }
    }
    assert!(checked > 20, "only {checked} links were found");
}

/// Returns the Rust files that a page names, also within commands, each with its folder.
fn source_files(text: &str) -> Vec<&str> {
    let words = text.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    words.filter(|word| word.ends_with(".rs") && word.contains('/')).collect()
}

#[test]
fn every_source_file_that_a_page_names_is_there() {
    let text = "in `store/no_such_file.rs`, `ids.rs` of `store`, and `run src/main.rs`";
    assert_eq!(source_files(text), ["store/no_such_file.rs", "src/main.rs"]);
    let is_there = |file: &&str| ["", "src"].iter().any(|of| root().join(of).join(file).is_file());
    for page in pages() {
        let text = prose(&read(&page));
        let gone: Vec<&str> =
            source_files(&text).into_iter().filter(|file| !is_there(file)).collect();
        assert!(gone.is_empty(), "{} names {gone:?}", page.display());
    }
}

#[test]
fn every_page_of_the_design_is_linked_from_its_index() {
    let index = read(&root().join("docs/design/README.md"));
    for page in pages().into_iter().filter(|page| page.parent().unwrap().ends_with("design")) {
        let name = page.file_name().unwrap().to_str().unwrap();
        let is_index = name == "README.md";
        assert!(is_index || links(&index).contains(&name), "docs/design/README.md: no {name}");
    }
}

#[test]
fn a_link_without_a_target_is_noticed() {
    let page = root().join("docs/GLOSSARY.md");
    assert_eq!(broken(&page, "../ARCHITECTURE.md"), None);
    assert_eq!(broken(&page, "#words-of-the-engine"), None);
    assert!(broken(&page, "no-such-page.md").is_some());
    assert!(broken(&page, "#no-such-heading").is_some());
    assert!(broken(&page, "../ARCHITECTURE.md#no-such-heading").is_some());
}

#[test]
fn sentences_end_with_a_stop_before_a_capital() {
    assert_eq!(sentences("One. Two."), 2);
    assert_eq!(sentences("A rate, such as 0.5 a second, e.g. half."), 1);
    assert_eq!(sentences("Without an end"), 0);
}

#[test]
fn every_direct_dependency_has_a_reason() {
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let page = read(&root().join("docs/design/dependencies.md"));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut rows: Vec<&str> = rows.collect();
    let mut names: Vec<&String> = manifest["dependencies"].as_table().unwrap().keys().collect();
    rows.sort_unstable();
    names.sort_unstable();
    assert_eq!(rows, names);
}
