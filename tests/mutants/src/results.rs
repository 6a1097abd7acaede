//! What the tests said to each change, in a file that later calls go on with.

use crate::trial::Finding;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The changes that this call tries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    All,
    /// Those that earlier calls missed.
    Missed,
    /// Those that earlier calls did not come to.
    New,
    /// Both.
    Left,
}

/// The findings by the name of the change.
pub(crate) struct Results {
    path: PathBuf,
    choice: Choice,
    findings: BTreeMap<String, Finding>,
    file: File,
}

/// The names of changes that no test can notice; `**` stands for any text.
pub(crate) struct Equivalent(Vec<String>);

impl Equivalent {
    /// Reads a list; reasons stand behind `#`.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the list of equivalent changes is there");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(str::to_owned).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| is_like(name, pattern))
    }

    /// Returns the lines that name none of these changes.
    pub(crate) fn stale<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Vec<&String> {
        self.0.iter().filter(|pattern| !names.clone().any(|name| is_like(name, pattern))).collect()
    }
}

/// Returns whether a name is like a pattern. A single `*` is an operator.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once("**") else { return name == pattern };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split("**").collect();
    let (last, between) = parts.split_last().expect("a split has a part");
    for part in between {
        let Some((_, behind)) = left.split_once(part) else { return false };
        left = behind;
    }
    left.ends_with(last)
}

fn word(finding: Finding) -> &'static str {
    match finding {
        Finding::Caught => "caught",
        Finding::Endless => "endless",
        Finding::Missed => "missed",
    }
}

impl Results {
    /// Reads what earlier calls found; `all`, or nothing, begins anew.
    pub(crate) fn read(path: &Path, choice: &str) -> Self {
        let choice = match choice {
            "" | "all" => Choice::All,
            "missed" => Choice::Missed,
            "new" => Choice::New,
            "left" => Choice::Left,
            other => panic!("CHANGES is all, missed, new or left, not {other}"),
        };
        let text = fs::read_to_string(path).unwrap_or_default();
        let finding = |line: &str| {
            let (found, name) = line.split_once(' ')?;
            let all = [Finding::Caught, Finding::Endless, Finding::Missed];
            Some((name.to_owned(), all.into_iter().find(|finding| word(*finding) == found)?))
        };
        let mut findings: BTreeMap<_, _> = text.lines().filter_map(finding).collect();
        if choice == Choice::All {
            findings.clear();
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.expect("the results can be written");
        Self { path: path.into(), choice, findings, file }
    }

    /// Forgets changes that are no more, if all files are read.
    pub(crate) fn forget_others(&mut self, names: &BTreeSet<String>, all: bool) {
        self.findings.retain(|name, _| !all || names.contains(name));
        let line = |(name, finding): (&String, &Finding)| format!("{} {name}\n", word(*finding));
        let text: String = self.findings.iter().map(line).collect();
        fs::write(&self.path, text).expect("the results can be written");
    }

    /// Returns whether this call tries a change.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let found = self.findings.get(name);
        match self.choice {
            Choice::All => true,
            Choice::Missed => found == Some(&Finding::Missed),
            Choice::New => found.is_none(),
            Choice::Left => found.is_none_or(|found| *found == Finding::Missed),
        }
    }

    /// Keeps a finding, and tells of what was missed.
    pub(crate) fn add(&mut self, name: &str, place: &str, finding: Finding) {
        writeln!(self.file, "{} {name}", word(finding)).expect("the results can be written");
        self.findings.insert(name.into(), finding);
        if finding == Finding::Missed {
            let told = name.split_once(' ').map_or(name, |(_, told)| told);
            println!("missed  {place}: {told}");
        }
    }

    /// Tells the sums, and returns the share of noticed changes in percent.
    pub(crate) fn tell(&self, equivalent: usize) -> f64 {
        let count = |of: Finding| self.findings.values().filter(|finding| **finding == of).count();
        let (caught, endless, missed) =
            (count(Finding::Caught), count(Finding::Endless), count(Finding::Missed));
        let all = caught + endless + missed;
        let share = 100.0 * (caught + endless) as f64 / all.max(1) as f64;
        println!(
            "{all} changes: {caught} fail a test, {endless} never end, {missed} missed; \
             {share:.1} % noticed. {equivalent} are listed as equivalent."
        );
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stars_stand_for_any_text() {
        let name = "src/a.rs f: `^` in `A | B`";
        for pattern in [name, "src/**", "src/a.rs ** in `** | **`", "**B`"] {
            assert!(is_like(name, pattern), "{pattern}");
        }
        for pattern in ["src/a.rs", "src/b**", "** & **", "**A`", "src/*"] {
            assert!(!is_like(name, pattern), "{pattern}");
        }
    }
}
