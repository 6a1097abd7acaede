//! A browser without a window, where the machine has one.

use std::env;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use tempfile::TempDir;

/// What browsers that can do it are called.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A browser with a profile of its own.
pub(crate) struct Browser {
    program: PathBuf,
    profile: TempDir,
}

impl Browser {
    /// Finds a browser. Where there is none it says so on standard error, and with `CI=true` it
    /// is a failure: what has to hold before a change lands must not be skipped in silence.
    pub(crate) fn find() -> Option<Self> {
        let places = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&places)
            .flat_map(|place| NAMES.map(|name| place.join(name)))
            .find(|program| program.is_file());
        if found.is_none() {
            let is_ci = env::var("CI").is_ok_and(|value| value == "true");
            assert!(!is_ci, "CI=true, and there is no browser: install chromium");
            // Not by a macro that prints: what a test prints that passes is not shown.
            writeln!(io::stderr(), "skipped: no browser ({})", NAMES.join(", ")).unwrap();
        }
        found.map(|program| Self { program, profile: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Returns the directory of its profile.
    pub(crate) fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// Opens a page and returns its document once its script has run.
    pub(crate) fn document(&self, page: &Path, fragment: &str) -> String {
        let output = Command::new(&self.program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-dev-shm-usage", "--virtual-time-budget=4000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", self.profile.path().display()))
            .arg(format!("file://{}#{fragment}", page.display()))
            .env("HOME", self.profile.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }
}
