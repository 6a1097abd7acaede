//! The law of the source tree: who may import whom, and what no file may do.
//!
//! The table is the one of `ARCHITECTURE.md`; a change of either is a change of both.

mod cycles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the library and what it may import of the others.
const TABLE: &[(&str, &[&str])] = &[
    ("task", &[]),
    ("text", &[]),
    ("system", &[]),
    ("clock", &["system"]),
    ("policy", &["task"]),
    ("service", &["task", "text", "policy"]),
    ("settings", &["task", "policy"]),
    ("event", &["task", "clock"]),
    ("external_sort", &["system"]),
    ("whole_file", &["system"]),
    ("input", &["task", "text"]),
    ("api", &["task", "text", "system", "clock", "policy", "service"]),
    ("plan", &["task", "text", "input", "service"]),
    ("journal", &["task"]),
    ("engine", &["task", "clock", "policy", "event", "api"]),
    // `policy` only for the questions and answers of its deciders, which `run` passes in.
    ("store", &["task", "clock", "policy", "settings", "event", "journal", "text", "system"]),
    ("repair", &["task", "clock", "text", "journal", "store"]),
    (
        "reading",
        &[
            "task",
            "clock",
            "text",
            "settings",
            "event",
            "journal",
            "external_sort",
            "whole_file",
            "store",
            "repair",
        ],
    ),
    // `input` only as what a plan is made of: a load reads its sources row by row.
    (
        "loading",
        &[
            "task",
            "clock",
            "policy",
            "settings",
            "input",
            "plan",
            "journal",
            "external_sort",
            "store",
            "reading",
        ],
    ),
    (
        "database",
        &["task", "clock", "policy", "settings", "event", "journal", "store", "repair", "reading"],
    ),
    ("learnt_rates", &["task", "clock", "whole_file", "store"]),
    (
        "report",
        &["task", "clock", "text", "policy", "settings", "event", "store", "repair", "reading"],
    ),
    ("ui", &["task", "system", "clock", "report", "store", "reading"]),
    ("progress", &["task", "clock", "text", "event"]),
    ("sandbox", &["task", "clock", "service"]),
    ("slots", &["task", "system", "clock", "policy"]),
    ("survey", &["task", "clock", "policy", "api"]),
    (
        "run",
        &[
            "task",
            "clock",
            "policy",
            "settings",
            "event",
            "api",
            "plan",
            "engine",
            "store",
            "repair",
            "reading",
            "loading",
            "database",
            "learnt_rates",
            "report",
            "slots",
            "survey",
        ],
    ),
];

/// The most lines of a file, its tests not counted.
const MOST_LINES: usize = 400;
/// The most lines of a function, from its signature to its closing brace.
const MOST_LINES_OF_A_FUNCTION: usize = 70;

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &mut found);
    assert!(found.len() > 40, "the source tree was not found");
    found
}

fn collect(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            found.push((path.strip_prefix(root).unwrap().to_owned(), text));
        }
    }
}

/// Returns the module of the library that a file belongs to; nothing for the binary's.
fn module_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix("src").unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main" | "cli")).then(|| name.to_owned())
}

fn is_test(path: &Path) -> bool {
    let name = path.to_str().unwrap();
    let stage = ["src/policy/simulation.rs", "src/progress/test_events.rs"].contains(&name);
    stage || name.contains("/tests/") || name.ends_with("tests.rs")
}

/// Returns a file's text up to its tests, comments left out.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Finds the modules named after `crate::`.
fn imports(code: &str) -> BTreeSet<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    code.split("crate::").skip(1).map(word).filter(|name: &String| !name.is_empty()).collect()
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = TABLE.iter().copied().collect();
    for (path, text) in sources() {
        let Some(module) = module_of(&path).filter(|_| !is_test(&path)) else { continue };
        let allowed = table.get(module.as_str());
        let allowed = allowed.unwrap_or_else(|| panic!("{}: no row in the table", path.display()));
        for import in imports(&code_of(&text)) {
            let fits = import == module || allowed.contains(&import.as_str());
            assert!(fits, "{}: `{module}` may not import `{import}`", path.display());
        }
    }
}

#[test]
fn the_table_is_the_one_that_architecture_md_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for (module, allowed) in TABLE {
        let imports = if allowed.is_empty() { "–".to_owned() } else { allowed.join(", ") };
        let row = text.lines().find(|line| line.starts_with(&format!("| `{module}` |")));
        let row = row.unwrap_or_else(|| panic!("ARCHITECTURE.md has no row for `{module}`"));
        assert!(row.ends_with(&format!("| {imports} |")), "{row}\nshould end with: {imports}");
    }
}

#[test]
fn the_table_has_no_circle() {
    let mut seen = BTreeSet::new();
    let mut rest: Vec<_> = TABLE.to_vec();
    while !rest.is_empty() {
        let before = rest.len();
        rest.retain(|(module, allowed)| {
            let ready = allowed.iter().all(|import| seen.contains(import));
            if ready {
                seen.insert(*module);
            }
            !ready
        });
        assert!(rest.len() < before, "a circle among {rest:?}");
    }
}

#[test]
fn the_binary_uses_the_public_library_alone() {
    for (path, text) in sources() {
        if path.starts_with("src/cli") {
            let own = code_of(&text).replace("crate::cli::", "");
            assert!(!own.contains("crate::"), "{}", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with `//!`", path.display());
    }
}

#[test]
fn files_stay_small() {
    for (path, text) in sources() {
        if is_test(&path) {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
    }
}

/// What the library must not do, and the files that are for just that.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("#[allow(", &[]),
    ("#![allow(", &[]),
    ("unsafe ", &[]),
    ("io::stdout()", &["src/cli/"]),
    ("io::stderr()", &["src/cli/"]),
    ("io::stdin()", &["src/cli/"]),
    ("env::var", &["src/cli/process/environment.rs"]),
    ("Instant::now(", &["src/clock.rs"]),
    ("SystemTime::now(", &["src/clock.rs"]),
    ("process::exit(", &[]),
    ("println!(", &[]),
    ("todo!(", &[]),
    ("unimplemented!(", &[]),
];

/// What only a Unix has; the file that is the door to it may name it.
const OF_UNIX: &[&str] = &[
    "std::os::",
    "rustix",
    "libc",
    "nix::",
    "signal_hook",
    "signal::unix",
    "net::UnixStream",
    "net::UnixListener",
    "net::{Unix",
    "/proc/",
];

/// Files that name a thing of `OF_UNIX` all the same, with why.
const BEYOND_THE_DOOR: &[(&str, &str, &str)] = &[
    ("src/system.rs", "", "it is the door"),
    ("src/api/shell_command.rs", "/proc/", "children of a shell that is to be killed"),
    ("src/cli/process/environment.rs", "/proc/", "which signals are ignored"),
    ("src/cli/run/socket_address.rs", "/proc/", "a path that is short enough for a socket"),
];

#[test]
fn what_is_of_unix_alone_is_behind_one_door() {
    for (path, text) in sources() {
        let (name, code) = (path.to_str().unwrap(), code_of(&text));
        for word in OF_UNIX {
            let is_known = |(file, what, _): &(&str, &str, &str)| {
                *file == name && (what.is_empty() || what == word)
            };
            let excused = is_test(&path) || BEYOND_THE_DOOR.iter().any(is_known);
            let hint = "take it from `system`, and add it there if it is missing";
            assert!(excused || !code.contains(word), "{name} contains `{word}`: {hint}");
        }
    }
}

#[test]
fn the_library_keeps_its_hands_off_the_process() {
    for (path, text) in sources() {
        if is_test(&path) {
            continue;
        }
        let code = code_of(&text);
        let name = path.to_str().unwrap();
        for (forbidden, exempt) in FORBIDDEN {
            let excused = exempt.iter().any(|prefix| name.starts_with(prefix));
            assert!(excused || !code.contains(forbidden), "{name} contains `{forbidden}`");
        }
    }
}

/// Returns the functions of a formatted file that are too long, each with its lines.
fn long_functions(code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let words: Vec<&str> =
            line.split_whitespace().take_while(|word| !word.contains('(')).collect();
        let is_function = words.contains(&"fn") || line.trim_start().starts_with("fn ");
        if !is_function || line.trim_start().starts_with("//") {
            continue;
        }
        // The signature of a trait's function has no body.
        let head_ends = |later: &&&str| later.ends_with(';') || later.ends_with('{');
        if lines[start..].iter().find(head_ends).is_some_and(|last| last.ends_with(';')) {
            continue;
        }
        // The code is formatted, so a function ends at the first brace of its own indentation.
        let ends =
            |later: &&str| indent(later) == indent(line) && later.trim_start().starts_with('}');
        let length = lines[start..].iter().position(ends).unwrap_or(0) + 1;
        if length > MOST_LINES_OF_A_FUNCTION {
            found.push(format!("{} ({length} lines)", line.trim()));
        }
    }
    found
}

#[test]
fn functions_fit_a_screen() {
    for (path, text) in sources() {
        if !is_test(&path) {
            let long = long_functions(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
            assert!(long.is_empty(), "{}: {long:#?}", path.display());
        }
    }
}

#[test]
fn a_function_that_is_too_long_is_found() {
    let body = "    x();\n".repeat(MOST_LINES_OF_A_FUNCTION);
    let planted = format!("fn short() {{\n    x();\n}}\n\npub async fn long() {{\n{body}}}\n");
    assert_eq!(long_functions(&planted).len(), 1);
    let signature =
        format!("trait T {{\n    fn of(\n        &self,\n    ) -> bool;\n}}\n\n{body}    }}\n");
    assert!(long_functions(&signature).is_empty());
}

#[test]
fn modules_are_named_one_by_one_after_crate() {
    // The law of the modules reads the word after `crate::`, which a group would hide.
    for (path, text) in sources() {
        assert!(!text.contains("use crate::{"), "{}", path.display());
    }
}
