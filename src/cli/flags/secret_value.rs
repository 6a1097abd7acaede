//! Values in whose place a secret may have been typed by mistake, such as that of `--token-file`.
//!
//! Such a value is shown only if it leads somewhere: a path to something that exists or whose
//! directory does, or a command that exists. All others are known to the redactor from the
//! beginning, and messages name the flag instead.

use crate::cli::flags::precedence::GivenFlags;
use crate::cli::process::environment::Environment;
use batchctl::api::{Redactor, names_a_command};
use std::path::{Component, Path, PathBuf};

/// The flags that name a file with a secret, or whose content is easily taken for one.
const FILES: [&str; 5] =
    ["token-file", "iam-password-file", "notify-url-file", "notify-secret-file", "ca-file"];
/// The flag whose command prints a secret.
const COMMAND: &str = "token-command";

/// Returns whether a path is no secret: it exists, or its directory does.
pub(crate) fn is_path(path: &Path) -> bool {
    // A bare name would always have a directory, and so would what begins with its only slash.
    let names_directory = path.parent().is_some_and(|parent| {
        let mut parts = parent.components();
        parts.any(|part| !matches!(part, Component::RootDir)) && parent.is_dir()
    });
    path.exists() || names_directory
}

/// Returns whether a flag, with its dashes, names a file in whose place a secret may be typed.
pub(crate) fn names_a_file(flag: &str) -> bool {
    flag.strip_prefix("--").is_some_and(|name| FILES.contains(&name))
}

/// Returns whether the value of a flag may be shown.
pub(crate) fn may_be_shown(flag: &str, value: &str, environment: &Environment) -> bool {
    if FILES.contains(&flag) {
        // systemd's credentials are named without their directory.
        let directory = environment.variable("CREDENTIALS_DIRECTORY");
        let is_credential = directory.is_some_and(|path| Path::new(path).join(value).is_file());
        return is_credential || is_path(Path::new(value));
    }
    let path = || environment.variable("PATH").cloned().unwrap_or_default();
    flag != COMMAND || names_a_command(value, &path())
}

/// Returns what a message calls the file that a flag names.
pub(crate) fn file_of(flag: &str, path: &Path) -> String {
    match is_path(path) {
        true => format!("the file `{}`", path.display()),
        false => format!("what `--{flag}` names"),
    }
}

/// Makes known every value that may be a secret, whether or not it will be used.
pub(crate) fn register(given: &GivenFlags, environment: &Environment, redactor: &Redactor) {
    let files = FILES.into_iter().filter_map(|flag| Some((flag, given.value::<PathBuf>(flag)?)));
    let files = files.map(|(flag, path)| (flag, path.to_string_lossy().into_owned()));
    let command = given.value::<String>(COMMAND).map(|line| (COMMAND, line));
    for (flag, value) in files.chain(command) {
        if may_be_shown(flag, &value, environment) {
            continue;
        }
        redactor.learn("value", &value);
        // A shell names single words of what it does not understand.
        value.split_whitespace().for_each(|word| redactor.learn("value", word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_a_secret() {
        let directory = tempfile::tempdir().unwrap();
        let inside = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(inside("there"), "").unwrap();
        for path in ["/", "/dev/zero", "./x", "../x", &inside("there"), &inside("missing")] {
            assert!(is_path(Path::new(path)), "{path}");
        }
        let token = "MIIF/q9Zk+".repeat(300);
        let below_root = format!("/{token}");
        for secret in ["hunter2", "", "AK1234 SK/567", "a/b", "/hunter2", &token, &below_root] {
            assert!(!is_path(Path::new(secret)), "{secret}");
        }
    }

    #[test]
    fn every_flag_for_a_file_that_is_read_is_known() {
        fn check(command: &clap::Command) {
            for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                // The log is written, and its name is no secret of anyone.
                let is_known = FILES.contains(&flag) || flag == "log-file";
                assert!(!flag.ends_with("-file") || is_known, "--{flag}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&<crate::cli::app::Cli as clap::CommandFactory>::command());
    }
}
