//! Names the files of runs for people. A copy vanishes with its process, so it is named as the run that
//! it is of, or as the place of all copies.

use std::fs;
use std::path::Path;

/// The directory of the copies of all processes, below the state directory. Each has one in it.
pub(crate) const COPIES: &str = "copies";
/// The file in the directory of a process's copies that says where they are from.
pub(crate) const HOME: &str = "home";

/// Returns a file of a run in words, where its content is meant.
pub(crate) fn content_of(path: &Path) -> String {
    match copied_run(path) {
        Some((run, home)) => format!("run {run} in the database {home}"),
        None => format!("the run store `{}`", path.display()),
    }
}

/// Returns the place of a file, where the disk is meant: that of a copy is where all copies go.
pub(crate) fn place_of(path: &Path) -> &Path {
    process_of(path).and_then(Path::parent).unwrap_or(path)
}

/// Returns whether a file is a copy of a run in a database.
pub(crate) fn is_copy(path: &Path) -> bool {
    process_of(path).is_some()
}

/// Returns the run of a copy, and where it is from.
fn copied_run(path: &Path) -> Option<(String, String)> {
    // COPIES/PROCESS/runs/RUN.db, and RUN.2.db for the second target of a run.
    let home = fs::read_to_string(process_of(path)?.join(HOME)).ok()?;
    let run = path.file_stem()?.to_str()?.split('.').next()?.to_owned();
    Some((run, home))
}

/// Returns the directory of a process in which a copy is. A state directory may be in one of that name, too.
fn process_of(path: &Path) -> Option<&Path> {
    let is_of_copies =
        |place: &&Path| place.parent().is_some_and(|parent| parent.ends_with(COPIES));
    path.ancestors().filter(is_of_copies).find(|place| place.join(HOME).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_named_as_its_run_and_another_file_as_itself() {
        let state = tempfile::tempdir().unwrap();
        let process = state.path().join(COPIES).join(".tmpAbC123");
        let copy = |name: &str| process.join("runs").join(name);
        let own = state.path().join("runs/20240705-120000-kfzq.db");
        fs::create_dir_all(&process).unwrap();
        fs::write(process.join(HOME), "db.example.com/batch").unwrap();
        let run = "run 20240705-120000-kfzq in the database db.example.com/batch";
        assert_eq!(content_of(&copy("20240705-120000-kfzq.db")), run);
        assert_eq!(content_of(&copy("20240705-120000-kfzq.2.db")), run);
        assert_eq!(content_of(&own), format!("the run store `{}`", own.display()));
        assert_eq!(place_of(&copy("20240705-120000-kfzq.db")), state.path().join(COPIES));
        assert_eq!(place_of(&own), own);
        assert_eq!(
            [copy("20240705-120000-kfzq.db"), own].map(|path| is_copy(&path)),
            [true, false]
        );
        let in_copies = state.path().join(COPIES).join("state/runs/20240705-120000-kfzq.db");
        assert_eq!(place_of(&in_copies), in_copies);
    }
}
