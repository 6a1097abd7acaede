//! Builds the program with all changes, without those that are no programs.

use crate::Source;
use crate::rewrite::{CHOICE, rewrite};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// More rounds than the compiler needs to tell all that is wrong.
const MOST_ROUNDS: usize = 30;

/// The program with all changes.
pub(crate) struct Compiled {
    pub(crate) path: PathBuf,
    /// The changes that are not in it, because they are no programs.
    pub(crate) dropped: BTreeSet<usize>,
}

type Places = BTreeMap<String, Vec<(usize, Range<usize>)>>;

/// Compiles the tests with all changes.
///
/// # Errors
///
/// What the compiler says, if no change is to blame.
pub(crate) fn compiled(root: &Path, sources: &[Source]) -> Result<Compiled, String> {
    fs::write(root.join("src/mutant.rs"), CHOICE).expect("the crate can be written");
    let mut dropped = BTreeSet::new();
    for _ in 0..MOST_ROUNDS {
        let mut places = Places::new();
        for source in sources {
            let rewritten = rewrite(&source.text, &source.sites, &dropped);
            fs::write(root.join(&source.path), rewritten.text).expect("the crate can be written");
            places.insert(source.path.clone(), rewritten.places);
        }
        let messages = cargo(root, &["check", "--profile", "test", "--lib"]);
        let errors: Vec<&Value> = messages.iter().filter_map(error).collect();
        if errors.is_empty() {
            let messages = cargo(root, &["test", "--no-run", "--lib"]);
            let path = messages.iter().find_map(|message| message["executable"].as_str());
            let path = path.ok_or("the tests were not built")?.into();
            return Ok(Compiled { path, dropped });
        }
        let blamed: BTreeSet<usize> =
            errors.iter().filter_map(|error| blamed(error, &places)).collect();
        if blamed.is_empty() {
            let told = errors.iter().filter_map(|error| error["rendered"].as_str());
            return Err(told.collect());
        }
        dropped.extend(blamed);
    }
    Err("the compiler does not come to an end".into())
}

fn cargo(root: &Path, words: &[&str]) -> Vec<Value> {
    let mut command = Command::new("cargo");
    command.args(words).args(["--offline", "--message-format", "json"]).current_dir(root);
    let output = command.stderr(Stdio::inherit()).output().expect("cargo starts");
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn error(message: &Value) -> Option<&Value> {
    let message = message.get("message")?;
    (message["level"] == "error"
        && message["spans"].as_array().is_some_and(|spans| !spans.is_empty()))
    .then_some(message)
}

/// Returns the change that an error points at.
fn blamed(error: &Value, places: &Places) -> Option<usize> {
    let mut spans: Vec<&Value> = error["spans"].as_array()?.iter().collect();
    spans.sort_by_key(|span| span["is_primary"] != true);
    spans.into_iter().find_map(|span| {
        let at = usize::try_from(span["byte_start"].as_u64()?).ok()?;
        let of_file = places.get(span["file_name"].as_str()?)?;
        of_file.iter().find(|(_, range)| range.contains(&at)).map(|(number, _)| *number)
    })
}
