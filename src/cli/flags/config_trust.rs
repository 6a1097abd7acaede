//! Judges whether others can change a file: by its mode, its owner, or a directory above it.

use batchctl::system::files::MetadataExt;
use batchctl::system::process::geteuid;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The bits of a mode that let others than the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The bit of a directory in which everybody may only remove their own files.
const STICKY: u32 = 0o1000;

/// Why a file is not its reader's alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distrust {
    /// What others can change: the file, or a directory above it.
    path: PathBuf,
    /// The command that ends that.
    remedy: String,
}

impl Distrust {
    /// Says in a sentence what is wrong.
    pub(crate) fn message(&self) -> String {
        format!("others may change `{}`", self.path.display())
    }

    pub(crate) fn remedy(&self) -> &str {
        &self.remedy
    }
}

/// Finds out who besides the reader can change a file: by its mode, its owner, or by putting
/// another in its place.
pub(crate) fn distrust(file: &Path) -> io::Result<Option<Distrust>> {
    let absolute = std::path::absolute(file)?;
    let resolved = fs::canonicalize(&absolute)?;
    // A link can be replaced where it stands, and the file where it is.
    let directories = absolute.ancestors().chain(resolved.ancestors()).skip(1);
    for path in std::iter::once(resolved.as_path()).chain(directories.filter(|path| path.is_dir()))
    {
        let metadata = fs::metadata(path)?;
        let owner = metadata.uid();
        if owner != geteuid().as_raw() && owner != 0 {
            let remedy = format!("chown {} '{}'", geteuid().as_raw(), path.display());
            return Ok(Some(Distrust { path: path.into(), remedy }));
        }
        let is_shared = metadata.mode() & WRITABLE_BY_OTHERS != 0;
        if is_shared && !(metadata.is_dir() && metadata.mode() & STICKY != 0) {
            let remedy = format!("chmod go-w '{}'", path.display());
            return Ok(Some(Distrust { path: path.into(), remedy }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[track_caller]
    fn check(file: &Path, expected: Option<&Path>) {
        let found = distrust(file).unwrap();
        assert_eq!(found.as_ref().map(|found| found.path.as_path()), expected, "{found:?}");
    }

    #[test]
    fn a_file_is_ones_own_if_nobody_else_can_change_or_replace_it() {
        let home = tempfile::tempdir().unwrap();
        let (directory, file) = (home.path().join("a"), home.path().join("a/config.toml"));
        fs::create_dir(&directory).unwrap();
        fs::write(&file, "").unwrap();
        set_mode(&directory, 0o700);
        for mode in [0o600, 0o644, 0o400] {
            set_mode(&file, mode);
            check(&file, None);
        }
        for mode in [0o666, 0o620, 0o602] {
            set_mode(&file, mode);
            check(&file, Some(&file));
        }
        set_mode(&file, 0o600);
        for mode in [0o777, 0o770, 0o702] {
            set_mode(&directory, mode);
            check(&file, Some(&directory));
        }
        set_mode(&directory, 0o1777);
        check(&file, None);
    }

    #[test]
    fn a_link_is_judged_where_it_stands_and_where_it_leads() {
        let home = tempfile::tempdir().unwrap();
        let (dots, open) = (home.path().join("dots"), home.path().join("open"));
        for directory in [&dots, &open] {
            fs::create_dir(directory).unwrap();
            set_mode(directory, 0o700);
        }
        fs::write(dots.join("config.toml"), "").unwrap();
        set_mode(&dots.join("config.toml"), 0o600);
        symlink(dots.join("config.toml"), open.join("config.toml")).unwrap();
        check(&open.join("config.toml"), None);
        set_mode(&open, 0o777);
        check(&open.join("config.toml"), Some(&open));
        set_mode(&open, 0o700);
        set_mode(&dots, 0o777);
        check(&open.join("config.toml"), Some(&dots));
    }
}
