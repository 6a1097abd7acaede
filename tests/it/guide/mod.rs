//! The pages for users: README.md and `docs/guide`, each of which must be true and complete.
//!
//! A fenced block with the language `console` is a transcript. Lines that begin with `$ ` are
//! commands, lines that begin with `> ` after them continue the command. The other lines are the
//! expected output, of both streams. `…` stands for any text within a line; a line with nothing but
//! `…` stands for any number of lines. All transcripts of a page run in order, in one shell and one
//! directory, in which `examples/` is.

mod page;
mod transcript;

use crate::support::program::Scene;
use page::Page;
use page::all_pages;
use page::guide_pages;
use page::linking_pages;
use page::readme;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_transcript_prints_what_its_page_shows() {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let pages = all_pages();
        let runs: Vec<_> = pages
            .into_iter()
            .filter(|page| !page.transcripts().is_empty())
            .map(|page| scope.spawn(move || transcript::differences(&page)))
            .collect();
        runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_page_shows_something_that_one_can_type_and_see() {
    let pages: Vec<Page> = guide_pages().into_iter().chain([readme()]).collect();
    assert!(pages.len() >= 14, "{} pages", pages.len());
    for page in pages.iter().filter(|page| page.name != "docs/guide/README.md") {
        let shown = page.transcripts().iter().filter(|step| !step.expected.is_empty()).count();
        assert!(shown > 0, "{} has no transcript with output", page.name);
    }
}

#[test]
fn the_readme_is_short_and_links_every_page_of_the_guide() {
    let readme = readme();
    assert!(readme.text.lines().count() <= 140, "README.md is longer than 140 lines");
    let links = readme.links();
    for page in guide_pages() {
        assert!(links.contains(&page.name), "README.md does not link {}", page.name);
    }
    for name in ["docs/GLOSSARY.md", "docs/design", "ARCHITECTURE.md", "CHANGELOG.md"] {
        assert!(
            links.iter().any(|link| link.trim_end_matches('/') == name),
            "{name} is not linked"
        );
    }
    for name in ["LICENSE", "CONTRIBUTING.md", "benches/README.md"] {
        assert!(links.iter().any(|link| link == name), "{name} is not linked");
    }
}

#[test]
fn sentences_of_the_pages_are_short() {
    for page in all_pages() {
        for sentence in page.sentences() {
            let words = sentence.split_whitespace().count();
            assert!(words <= 25, "{}: {words} words: {sentence}", page.name);
        }
    }
    let mut lengths: Vec<usize> =
        readme().sentences().iter().map(|text| text.split_whitespace().count()).collect();
    lengths.sort_unstable();
    assert!(lengths[lengths.len() / 2] <= 18, "median of {lengths:?}");
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for page in linking_pages() {
        for link in page.links() {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let exists = root.join(file).exists();
            let has_heading = heading.is_empty() || Page::read(file).has_heading(heading);
            if !exists || !has_heading {
                broken.push(format!("{}: {link}", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

/// Returns every command word by word, because each has a manual page.
fn commands(scene: &Scene) -> Vec<Vec<String>> {
    scene.call(&["man", "--dir", "man"]).expect(0);
    let pages = std::fs::read_dir(scene.path("man")).unwrap();
    let names = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let words =
        |name: String| name.trim_end_matches(".1").split('-').skip(1).map(Into::into).collect();
    names.map(words).collect()
}

/// Returns the long flags in the help of all commands.
fn flags_of_the_program() -> BTreeSet<String> {
    let scene = Scene::new();
    let mut flags = BTreeSet::new();
    for command in commands(&scene) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let help = scene.call(&[&words[..], &["--help"]].concat()).expect(0).stdout;
        let options = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        flags.extend(options.flat_map(page::flags_in));
    }
    flags
}

#[test]
fn every_flag_is_documented_and_every_documented_flag_exists() {
    let flags = flags_of_the_program();
    assert!(flags.len() > 90, "{flags:?}");
    let documented: BTreeSet<String> = guide_pages().iter().flat_map(Page::flags).collect();
    let missing: Vec<_> = flags.difference(&documented).collect();
    assert!(missing.is_empty(), "flags that no page of the guide mentions: {missing:?}");
    for page in all_pages() {
        let unknown: Vec<_> =
            page.flags().into_iter().filter(|flag| !flags.contains(flag)).collect();
        assert!(unknown.is_empty(), "{} mentions flags that do not exist: {unknown:?}", page.name);
    }
}

#[test]
fn every_command_is_documented() {
    let text: String = guide_pages().into_iter().map(|page| page.text).collect();
    for command in commands(&Scene::new()) {
        let typed = format!("batchctl {}", command.join(" "));
        assert!(command.is_empty() || command[0] == "help" || text.contains(&typed), "`{typed}`");
    }
}
