//! Changes every place of pure modules in every small way, and names the changes that no test notices.
//!
//! All changes are compiled into one program, and a variable of its environment chooses one. So a
//! change costs the time until its first test fails, and not the time of a compiler.

#![expect(
    clippy::disallowed_methods,
    reason = "the tool is no part of the program, which has one clock"
)]

mod changes;
mod compile;
mod results;
mod rewrite;
mod trial;
mod values;

use crate::changes::Site;
use crate::results::{Equivalent, Results};
use crate::trial::Tests;
use crate::values::Known;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

/// The modules that are changed.
const MODULES: [&str; 2] = ["journal", "policy"];

/// A source file with its changes.
struct Source {
    /// Its path in the crate.
    path: String,
    text: String,
    sites: Vec<Site>,
}

/// A change that the tests are tried with.
struct Candidate {
    number: usize,
    module: String,
    place: String,
    name: String,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut folder = || PathBuf::from(arguments.next().expect("CRATE and RESULTS are named"));
    let (root, told) = (folder(), folder());
    let wanted: Vec<String> = arguments.collect();
    let variable = |name: &str| std::env::var(name).unwrap_or_default();

    let mut sources = read(&root, &wanted);
    let equivalent = Equivalent::read(&told.join("equivalent"));
    let candidates = number(&mut sources);
    let binary = match compile::compiled(&root, &sources) {
        Ok(compiled) => compiled,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let tests = Tests::measured(binary.path, &MODULES, variable("QUICK") == "yes");
    let (count, seconds) = tests.size();
    println!("{count} tests, {seconds:.1} s without a change");

    let path = told.join("results");
    let mut results = Results::read(&path, &variable("CHANGES"));
    // What was listed as equivalent meanwhile is not missed any more.
    let is_tried = |one: &&Candidate| !equivalent.has(&one.name);
    let names = candidates.iter().filter(is_tried).map(|one| one.name.clone()).collect();
    results.forget_others(&names, wanted.is_empty());
    let is_possible = |one: &&Candidate| !binary.dropped.contains(&one.number);
    let left = candidates.iter().filter(is_possible);
    let left = left.filter(|one| is_tried(one) && results.wants(&one.name));
    let left: Vec<&Candidate> = left.collect();
    println!(
        "{} changes, {} are no programs, {} to try",
        candidates.len(),
        binary.dropped.len(),
        left.len()
    );
    let jobs =
        variable("JOBS").parse().or_else(|_| std::thread::available_parallelism().map(usize::from));
    let (queue, kept) = (Mutex::new(left.into_iter()), Mutex::new(results));
    std::thread::scope(|scope| {
        for _ in 0..jobs.unwrap_or(1) {
            scope.spawn(|| {
                loop {
                    let Some(one) = queue.lock().expect("no worker panics").next() else { return };
                    let finding = tests.attempt(one.number, &one.module);
                    kept.lock().expect("no worker panics").add(&one.name, &one.place, finding);
                }
            });
        }
    });
    let results = kept.into_inner().expect("no worker panics");
    let names = candidates.iter().map(|one| one.name.as_str());
    let stale = equivalent.stale(names.clone());
    if wanted.is_empty() && !stale.is_empty() {
        eprintln!("listed as equivalent, but no change: {stale:#?}");
        return ExitCode::from(2);
    }
    let least = variable("LEAST").parse().unwrap_or(95.0);
    if results.tell(names.filter(|name| equivalent.has(name)).count()) < least {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Reads the sources that are to be changed.
fn read(root: &Path, wanted: &[String]) -> Vec<Source> {
    let mut files = BTreeMap::new();
    collect(root, &root.join("src"), &mut files);
    let known = Known::of(files.values().map(String::as_str));
    let is_wanted = |path: &str| {
        MODULES.iter().any(|module| path.starts_with(&format!("src/{module}/")))
            && !(path.ends_with("tests.rs")
                || path.contains("/tests/")
                || path.ends_with("/simulation.rs"))
            && (wanted.is_empty() || wanted.iter().any(|one| path.starts_with(one.as_str())))
    };
    let files = files.into_iter().filter(|(path, _)| is_wanted(path));
    files
        .map(|(path, text)| {
            let sites = changes::sites(&text, &known);
            Source { path, text, sites }
        })
        .collect()
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(root).expect("it is below").to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(&path).expect("the file can be read"));
        }
    }
}

/// Gives each change its number and its name.
fn number(sources: &mut [Source]) -> Vec<Candidate> {
    let (mut candidates, mut names) = (Vec::new(), BTreeSet::new());
    for source in sources {
        let module = source.path.trim_start_matches("src/").trim_end_matches(".rs");
        let module = module.trim_end_matches("/mod").replace('/', "::");
        for change in source.sites.iter_mut().flat_map(|site| &mut site.changes) {
            change.number = candidates.len() + 1;
            let mut name = format!("{} {}", source.path, change.what);
            for repeated in 2.. {
                if names.insert(name.clone()) {
                    break;
                }
                name = format!("{} {} ({repeated})", source.path, change.what);
            }
            let place = format!("{}:{}", source.path, change.line);
            candidates.push(Candidate {
                number: change.number,
                module: module.clone(),
                place,
                name,
            });
        }
    }
    candidates
}
