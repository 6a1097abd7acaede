//! A Markdown page as the tests see it: transcripts, sentences, links, headings and flags.

use std::collections::BTreeSet;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

pub(super) struct Page {
    /// Its path from the root of the repository.
    pub(super) name: String,
    pub(super) text: String,
}

/// One command of a transcript.
#[derive(Debug)]
pub(super) struct Step {
    /// The line of the page on which the command begins, from 1.
    pub(super) line: usize,
    pub(super) command: String,
    pub(super) expected: Vec<String>,
}

pub(super) fn readme() -> Page {
    Page::read("README.md")
}

/// Returns the pages of the guide in the order of use.
pub(super) fn guide_pages() -> Vec<Page> {
    let directory = root().join("docs/guide");
    let files = std::fs::read_dir(directory).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    names.sort();
    names.iter().map(|name| Page::read(&format!("docs/guide/{name}"))).collect()
}

/// Returns README.md and every page below `docs`.
pub(super) fn linking_pages() -> Vec<Page> {
    let mut pages = vec![readme()];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(Page::read(path.to_str().unwrap()));
            }
        }
    }
    pages
}

/// Returns README.md and the guide.
pub(super) fn all_pages() -> Vec<Page> {
    let mut pages = guide_pages();
    pages.insert(0, readme());
    pages
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the long flags in a text: `--` and what belongs to the name.
pub(super) fn flags_in(text: &str) -> Vec<String> {
    let is_boundary = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '-');
    let starts = text.match_indices("--").filter(|(at, _)| is_boundary(&text[..*at]));
    let names = starts.map(|(at, _)| {
        let rest = &text[at + 2..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-');
        format!("--{}", &rest[..end.unwrap_or(rest.len())])
    });
    names.filter(|name| name.len() > 2 && !name.ends_with('-')).collect()
}

impl Page {
    pub(super) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(root().join(name)).unwrap_or_default();
        Self { name: name.into(), text }
    }

    /// Returns the commands of all transcripts, in their order.
    pub(super) fn transcripts(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut fence = None;
        for (number, line) in self.text.lines().enumerate() {
            if let Some(language) = line.strip_prefix("```") {
                fence = if fence.is_none() { Some(language) } else { None };
                continue;
            }
            if fence != Some("console") {
                continue;
            }
            let continuation = if line == ">" { Some("") } else { line.strip_prefix("> ") };
            match (line.strip_prefix("$ "), continuation, steps.last_mut()) {
                (Some(command), _, _) => {
                    steps.push(Step {
                        line: number + 1,
                        command: command.into(),
                        expected: vec![],
                    });
                }
                (None, Some(more), Some(step)) if step.expected.is_empty() => {
                    step.command.push('\n');
                    step.command.push_str(more);
                }
                (None, _, Some(step)) => step.expected.push(line.into()),
                (None, _, None) => panic!("{}:{}: output without a command", self.name, number + 1),
            }
        }
        steps
    }

    /// Returns the lines that are not in a fenced block.
    fn prose(&self) -> Vec<&str> {
        let mut is_code = false;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            if line.starts_with("```") {
                is_code = !is_code;
                lines.push("");
            } else if !is_code {
                lines.push(line);
            }
        }
        lines
    }

    /// Returns the sentences of the prose; a heading, a list item and a table's cell end one.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut blocks: Vec<String> = vec![String::new()];
        for line in self.prose() {
            let line = line.trim();
            if line.starts_with('|') {
                blocks.extend(line.split('|').map(Into::into));
                blocks.push(String::new());
                continue;
            }
            let is_item = line.starts_with("- ") || line.starts_with('#');
            if line.is_empty() || is_item {
                blocks.push(String::new());
            }
            let block = blocks.last_mut().unwrap();
            block.push_str(line.trim_start_matches("- ").trim_start_matches('#'));
            block.push(' ');
        }
        let sentences = blocks.iter().flat_map(|block| block.split_inclusive(&['.', '?'][..]));
        // A stop inside a word, such as in `tasks.csv`, ends no sentence.
        let mut joined: Vec<String> = Vec::new();
        for part in sentences {
            let goes_on = |last: &String| {
                last.ends_with(&['.', '?'][..]) && !part.starts_with(char::is_whitespace)
            };
            match joined.last_mut().filter(|last| goes_on(last)) {
                Some(last) => last.push_str(part),
                None => joined.push(part.into()),
            }
        }
        joined.retain(|sentence| sentence.contains(char::is_alphanumeric));
        joined
    }

    /// Returns the targets of relative links, as paths from the root with their `#heading`.
    pub(super) fn links(&self) -> Vec<String> {
        let prose = self.prose().join("\n");
        let ends = prose.match_indices("](");
        let targets = ends.filter_map(|(at, _)| prose[at + 2..].split_once(')')).map(|(to, _)| to);
        let relative = targets.filter(|target| !target.contains("://"));
        relative.map(|target| self.resolved(target)).collect()
    }

    fn resolved(&self, target: &str) -> String {
        if target.starts_with('#') {
            return format!("{}{target}", self.name);
        }
        let mut path = PathBuf::from(&self.name);
        path.pop();
        for component in Path::new(target).components() {
            match component {
                Component::ParentDir => assert!(path.pop(), "{}: {target}", self.name),
                Component::Normal(name) => path.push(name),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        path.into_os_string().into_string().unwrap()
    }

    /// Returns whether there is a heading with this anchor.
    pub(super) fn has_heading(&self, anchor: &str) -> bool {
        let headings = self.prose().into_iter().filter(|line| line.starts_with('#'));
        headings.map(|line| slug(line.trim_start_matches('#').trim())).any(|slug| slug == anchor)
    }

    /// Returns the program's flags that the page mentions, in spans of code and in blocks.
    pub(super) fn flags(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for line in self.text.lines() {
            let is_call = line.contains("batchctl ") && !line.contains("cargo ");
            let spans = line.split('`').skip(1).step_by(2);
            let flags = spans.filter(|span| span.starts_with('-') || span.starts_with("batchctl "));
            found.extend(flags.flat_map(flags_in));
            if is_call && !line.contains('`') {
                let (_, arguments) = line.split_once("batchctl ").unwrap();
                found.extend(flags_in(arguments.split(" | ").next().unwrap()));
            }
        }
        found
    }
}

/// Returns the anchor that a heading gets where the pages are shown.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn transcripts_are_read_with_continued_commands_and_their_output() {
    let text = "```console\n$ cat <<E\n> a\n> E\na\n> not a command\n```\n```sh\n$ no\n```\n";
    let steps = Page { name: "page.md".into(), text: text.into() }.transcripts();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!((steps[0].line, &*steps[0].command), (2, "cat <<E\na\nE"));
    assert_eq!(steps[0].expected, ["a", "> not a command"]);
}

#[test]
fn sentences_end_at_stops_items_and_cells() {
    let text = "# A heading\nOne of `a.csv`, and\nmore. Two.\n\n- item\n- other\n| x | y z |\n";
    let sentences = Page { name: "page.md".into(), text: text.into() }.sentences();
    let trimmed: Vec<&str> = sentences.iter().map(|sentence| sentence.trim()).collect();
    let expected = ["A heading One of `a.csv`, and more.", "Two.", "item", "other", "x", "y z"];
    assert_eq!(trimmed, expected);
}
