//! No file may need itself by way of others: a reader can then take the files one after the other.
//!
//! The face of a folder (`mod.rs`) is excepted, because it re-exports what its files define.
//! A path that leads through a face is followed to the file that defines the item.

use super::{code_of, is_test, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path below the root of its crate, such as `["store", "ids"]`.
type Module = Vec<String>;

/// A source tree: the text of each module's file.
struct Tree {
    files: BTreeMap<Module, File>,
}

struct File {
    code: String,
    is_face: bool,
}

/// Returns the module that a file holds.
fn module_of(path: &Path) -> Module {
    let inside = path.strip_prefix("src").unwrap().with_extension("");
    let mut names: Module = inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|last| last == "mod") {
        names.pop();
    }
    names
}

impl Tree {
    fn read() -> Self {
        let mut files = BTreeMap::new();
        for (path, text) in sources() {
            let name = path.to_str().unwrap();
            if is_test(&path) || matches!(name, "src/lib.rs" | "src/main.rs") {
                continue;
            }
            let module = module_of(&path);
            files.insert(module, File { code: code_of(&text), is_face: name.ends_with("/mod.rs") });
        }
        let folders: BTreeSet<Module> = files
            .keys()
            .filter(|name| name.len() > 1)
            .map(|name| name[..name.len() - 1].to_vec())
            .collect();
        // `text.rs` beside `text/` is a face as well.
        for (module, file) in &mut files {
            file.is_face |= folders.contains(module);
        }
        Self { files }
    }

    /// Returns the module that defines what a path names, if that is one of this tree's files.
    fn defining(&self, path: &[String]) -> Option<Module> {
        let depth =
            (1..=path.len()).rev().find(|&depth| self.files.contains_key(&path[..depth]))?;
        let (module, rest) = path.split_at(depth);
        let file = &self.files[module];
        let item = rest.first().filter(|_| file.is_face);
        let exported = item.and_then(|item| {
            let mut exports = used_paths(&file.code, module).into_iter();
            exports.find(|export| export.last() == Some(item) && export[..] != *path)
        });
        match exported {
            Some(export) => self.defining(&export),
            None => Some(module.to_vec()),
        }
    }

    /// Returns the files that each file needs, faces left out.
    fn needs(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let ordinary = self.files.iter().filter(|(_, file)| !file.is_face);
        let needed = |module: &Module, file: &File| {
            let paths = used_paths(&file.code, module);
            let found = paths.iter().filter_map(|path| self.defining(path));
            found.filter(|other| other != module && !self.files[other].is_face).collect()
        };
        ordinary.map(|(module, file)| (module, needed(module, file))).collect()
    }
}

/// Finds the paths that a file uses, each from the root of the crate.
///
/// Reads `use` declarations, and paths within the code that begin at the root.
fn used_paths(code: &str, module: &[String]) -> Vec<Module> {
    let mut found = Vec::new();
    for declaration in declarations(code) {
        expand(&declaration, &[], &mut found);
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for rest in code.split("crate::").skip(1) {
        let path: String = rest.chars().take_while(|&c| is_name(c)).collect();
        found.push(std::iter::once("crate").chain(path.split("::")).map(str::to_owned).collect());
    }
    found.iter().filter_map(|path| from_the_root(path, module)).collect()
}

/// Returns what stands between each `use` and its semicolon.
fn declarations(code: &str) -> Vec<String> {
    let starts = code.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let uses = starts.filter_map(|(start, line)| {
        let trimmed = line.trim_start();
        let after = ["use ", "pub use ", "pub(crate) use "]
            .iter()
            .find_map(|word| trimmed.strip_prefix(word))?;
        let begin = start + line.len() - after.len();
        code[begin..].split(';').next().map(str::to_owned)
    });
    uses.collect()
}

/// Expands `a::{b, c::d}` to its single paths.
fn expand(text: &str, before: &[String], found: &mut Vec<Module>) {
    let text = text.trim();
    let (head, group) = match text.split_once('{') {
        Some((head, rest)) => (head, Some(rest.trim_end().trim_end_matches('}'))),
        None => (text, None),
    };
    let names = head.split("::").map(|name| name.trim().split(" as ").next().unwrap().to_owned());
    let mut path = before.to_vec();
    path.extend(names.filter(|name| !name.is_empty() && name != "self"));
    match group {
        None => found.push(path),
        Some(group) => parts(group).iter().for_each(|part| expand(part, &path, found)),
    }
}

/// Splits a group at the commas that are not within another group.
fn parts(group: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// Resolves `crate`, `self`, `super` and a name of a child; other crates lead nowhere.
fn from_the_root(path: &[String], module: &[String]) -> Option<Module> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    if ups > 0 {
        let base = &module[..module.len().checked_sub(ups)?];
        return Some(base.iter().chain(&path[ups..]).cloned().collect());
    }
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        _ => Some(module.iter().chain(path).cloned().collect()),
    }
}

/// Returns the first circle that is found, from a file back to itself.
fn circle(needs: &BTreeMap<&Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut done = BTreeSet::new();
    needs.keys().find_map(|start| walk(start, needs, &mut Vec::new(), &mut done))
}

fn walk(
    at: &Module,
    needs: &BTreeMap<&Module, BTreeSet<Module>>,
    way: &mut Vec<Module>,
    done: &mut BTreeSet<Module>,
) -> Option<Vec<Module>> {
    if let Some(begin) = way.iter().position(|earlier| earlier == at) {
        return Some(way[begin..].to_vec());
    }
    if !done.insert(at.clone()) {
        return None;
    }
    way.push(at.clone());
    let found =
        needs.get(at).and_then(|next| next.iter().find_map(|next| walk(next, needs, way, done)));
    way.pop();
    found
}

#[test]
fn no_file_needs_itself_by_way_of_others() {
    let tree = Tree::read();
    let needs = tree.needs();
    let edges: usize = needs.values().map(BTreeSet::len).sum();
    assert!(edges > 200, "only {edges} imports were found");
    let found =
        circle(&needs).map(|way| way.iter().map(|module| module.join("::")).collect::<Vec<_>>());
    assert!(found.is_none(), "a circle of files: {}", found.unwrap().join(" -> "));
}

#[test]
fn a_circle_that_leads_through_a_face_is_found() {
    let file = |code: &str, is_face| File { code: code.to_owned(), is_face };
    let name = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
    let files = BTreeMap::from([
        (name("room"), file("mod a;\npub use a::{A, Other};\npub(crate) use b::B;", true)),
        (name("room::a"), file("use crate::room::{\n    B,\n    c::C,\n};", false)),
        (name("room::b"), file("fn f() { crate::room::A::new(); }", false)),
        (name("room::c"), file("use std::fmt;", false)),
    ]);
    let found = circle(&Tree { files }.needs()).unwrap();
    assert_eq!(found, [name("room::a"), name("room::b")]);
}
