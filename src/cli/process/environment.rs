//! What this process finds around it: variables and terminals. Read here and nowhere else.

use crate::cli::flags::notify;
use batchctl::api::Redactor;
use std::env;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

/// The variables that a command sees besides its own.
const PASSED_ON: [&str; 8] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR"];

/// The variables in which the command of `--on-end` finds the run, besides the state directory.
pub(crate) const OF_ON_END: [&str; 11] = [
    "BATCHCTL_RUN",
    "BATCHCTL_EXIT",
    "BATCHCTL_COMMAND",
    "BATCHCTL_SELECTED",
    "BATCHCTL_SUCCEEDED",
    "BATCHCTL_PARTIAL",
    "BATCHCTL_FAILED",
    "BATCHCTL_AMBIGUOUS",
    "BATCHCTL_UNCHANGED",
    "BATCHCTL_NOT_ATTEMPTED",
    "BATCHCTL_OUTPUTS",
];

/// The variables that hold a secret, with what it is called.
pub(crate) const SECRETS: [(&str, &str); 6] = [
    ("BATCHCTL_TOKEN", "token"),
    ("BATCHCTL_IAM_PASSWORD", "password"),
    ("BATCHCTL_IAM_PASSCODE", "passcode"),
    ("HUAWEICLOUD_SDK_SK", "secret key"),
    ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "security token"),
    ("BATCHCTL_NOTIFY_SECRET", "webhook secret"),
];

/// The environment of this process, read once.
#[derive(Debug)]
pub(crate) struct Environment {
    variables: Vec<(OsString, OsString)>,
    /// What was typed, the name of the program included.
    pub(crate) arguments: Vec<String>,
    /// One bit for each signal that is ignored, the lowest for signal 1.
    ignored_signals: u64,
    pub(crate) stdin_is_terminal: bool,
    pub(crate) stdout_is_terminal: bool,
    pub(crate) stderr_is_terminal: bool,
}

/// Returns whether standard output is a terminal, which must be shown no controls.
pub(crate) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Returns whether terminals have no other characters than ASCII, as the locale says.
pub(crate) fn terminals_are_ascii() -> bool {
    says_ascii(|name| env::var_os(name).filter(|value| !value.is_empty()))
}

fn says_ascii(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let first = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    first.and_then(|locale| locale.into_string().ok()).is_some_and(|text| is_ascii_locale(&text))
}

/// Returns whether standard error is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

impl Environment {
    pub(crate) fn read() -> Self {
        Self {
            variables: env::vars_os().collect(),
            arguments: env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            ignored_signals: ignored_signals(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: stdout_is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Makes known every secret there is among the variables, whether or not it will be used.
    pub(crate) fn register_secrets(&self, redactor: &Redactor) {
        for (variable, name) in SECRETS {
            if let Some(secret) = self.variable(variable).and_then(|value| value.to_str()) {
                redactor.learn(name, secret.trim());
            }
        }
        let webhook = self.variable("BATCHCTL_NOTIFY_URL").and_then(|value| value.to_str());
        if let Some(address) = webhook {
            notify::register(address, redactor);
        }
    }

    /// Returns the names of the variables that hold a secret.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &'static str> {
        let names = SECRETS.into_iter().map(|(variable, _)| variable);
        names.filter(|variable| self.variable(variable).is_some())
    }

    /// Returns whether a signal was ignored when the process started.
    pub(crate) fn ignores(&self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.ignored_signals & (1 << (signal - 1)) != 0
    }

    /// Returns the names of all variables, as far as they are text.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter_map(|(name, _)| name.to_str())
    }

    /// Returns a variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsString> {
        let found = self.variables.iter().find(|(variable, _)| variable == name);
        found.map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// Returns whether the locale says that terminals have no other characters than ASCII.
    ///
    /// Without any of these variables nothing is said, and nearly every terminal has UTF-8.
    pub(crate) fn shows_ascii_alone(&self) -> bool {
        says_ascii(|name| self.variable(name).cloned())
    }

    /// Returns an absolute path from a variable; others are ignored, as the XDG specification
    /// wants it.
    fn directory(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.directory("HOME")
    }

    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        Some(self.config_directory()?.join("config.toml"))
    }

    /// Returns the directory of the files that describe services.
    pub(crate) fn services_directory(&self) -> Option<PathBuf> {
        Some(self.config_directory()?.join("services"))
    }

    fn config_directory(&self) -> Option<PathBuf> {
        let home = || self.directory("HOME").map(|home| home.join(".config"));
        Some(self.directory("XDG_CONFIG_HOME").or_else(home)?.join("batchctl"))
    }

    pub(crate) fn state_directory(&self) -> Option<PathBuf> {
        let home = || self.directory("HOME").map(|home| home.join(".local").join("state"));
        let state = self.directory("XDG_STATE_HOME").or_else(home)?;
        Some(state.join("batchctl"))
    }

    /// Returns the variables of this process that a command may see.
    pub(crate) fn for_commands(&self) -> Vec<(OsString, OsString)> {
        let passed = |(name, _): &&(OsString, OsString)| {
            name.to_str().is_some_and(|name| PASSED_ON.contains(&name))
        };
        self.variables.iter().filter(passed).cloned().collect()
    }
}

/// Returns whether a locale names a character set that is not UTF-8, or is the one without any.
fn is_ascii_locale(locale: &str) -> bool {
    let without_modifier = locale.split('@').next().unwrap_or_default();
    match without_modifier.split_once('.') {
        Some((_, set)) => !matches!(set.to_ascii_lowercase().as_str(), "utf-8" | "utf8"),
        None => matches!(without_modifier, "C" | "POSIX"),
    }
}

/// Reads the ignored signals from `/proc` (proc(5), `SigIgn`); none if the file does not exist. Asking the system itself takes code that is not safe.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_says_which_characters_a_terminal_has() {
        for locale in ["C", "POSIX", "de_DE.ISO-8859-15@euro", "zh_CN.GB18030"] {
            assert!(is_ascii_locale(locale), "{locale}");
        }
        for locale in ["C.UTF-8", "en_US.utf8", "de_DE.UTF-8@euro", "en_US"] {
            assert!(!is_ascii_locale(locale), "{locale}");
        }
    }
}
