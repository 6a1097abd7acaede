//! Reads `config.toml`: every key is the name of a flag, and errors name the line.
//!
//! Common settings are at the top, those of a profile in `[profile.NAME]`. Every profile is
//! checked, not only the one in use: a typo shows on the first day. No secret may be in it.

use crate::cli::flags::config_trust;
use crate::cli::flags::config_trust::Distrust;
use crate::cli::flags::secret_looks::looks_secret;
use crate::cli::output::error::CommandError;
use batchctl::api::read_text;
use batchctl::settings::DEFAULT_PROFILE;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The table that holds the profiles.
const PROFILES: &str = "profile";
/// The table that holds the targets.
const TARGETS: &str = "target";

/// What stands for a name that looks like a secret.
const HIDDEN: &str = "…";

/// What would be a secret, with the flag that says where to keep it instead.
const SECRETS: [(&str, &str); 6] = [
    ("token", "token_file"),
    ("password", "iam_password_file"),
    ("iam_password", "iam_password_file"),
    ("secret_key", "token_file"),
    ("sk", "token_file"),
    ("security_token", "token_file"),
];

/// Why the config file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, column: usize, message: String },
    #[error("{}:{line}: there is no key `{key}`", path.display())]
    UnknownKey { path: PathBuf, line: usize, key: String, near: Option<String> },
    #[error("{}:{line}: invalid value for `{key}`", path.display())]
    Kind { path: PathBuf, line: usize, key: String },
    #[error("{}:{line}: `{key}` stands twice", path.display())]
    Twice { path: PathBuf, line: usize, key: String },
    #[error("{}:{line}: `{key}` is a secret, which this file may not hold", path.display())]
    Secret { path: PathBuf, line: usize, key: String, instead: &'static str },
    #[error("{}:{line}: `{key}` cannot differ between the targets of a run", path.display())]
    NotOfTarget { path: PathBuf, line: usize, key: String },
    #[error("there is no profile `{name}` in `{}`", path.display())]
    UnknownProfile { path: PathBuf, name: String, near: Option<String> },
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        let hint = hint(&error);
        Self::usage(error).with_optional_hint(hint)
    }
}

fn hint(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::UnknownKey { near: Some(near), .. } => Some(format!("did you mean `{near}`")),
        ConfigError::UnknownKey { near: None, .. } => {
            Some("the keys are the names of the flags, see `batchctl config show`".into())
        }
        ConfigError::UnknownProfile { near: Some(near), .. } => {
            Some(format!("did you mean `--profile {near}`"))
        }
        ConfigError::UnknownProfile { name, near: None, .. } => {
            Some(format!("add a table `[{PROFILES}.{name}]`, or choose another `--profile`"))
        }
        ConfigError::Syntax { .. } => Some("the file is TOML: `rate = \"10/s\"`".into()),
        ConfigError::Secret { instead, .. } => Some(format!(
            "put it into a file that only you can read, and name that with `{instead} = \"FILE\"`"
        )),
        ConfigError::NotOfTarget { .. } => {
            Some("put it before the tables, or into one `[profile.NAME]`".into())
        }
        ConfigError::Read { .. } | ConfigError::Kind { .. } | ConfigError::Twice { .. } => None,
    }
}

/// How many values a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    One,
    Many,
}

/// What flags there are.
pub(crate) type Flags = BTreeMap<String, Takes>;

/// What the file says of one flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) values: Vec<String>,
    pub(crate) line: usize,
    /// The profile that sets it; `None` for a common setting.
    pub(crate) profile: Option<String>,
}

/// The config file, as far as it holds for the profile in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    /// By the names of the flags.
    pub(crate) settings: BTreeMap<String, Setting>,
    /// What each target sets, by its name.
    pub(crate) targets: BTreeMap<String, Settings>,
    /// Why others can change it, if they can.
    pub(crate) distrust: Option<Distrust>,
}

/// Reads the file, if there is one.
pub(crate) fn load(
    path: &Path,
    profile: &str,
    flags: &Flags,
    is_of_target: fn(&str) -> bool,
) -> Result<Option<ConfigFile>, ConfigError> {
    match read_text(path) {
        Ok(text) => {
            let read = read(&text, path, profile, flags, is_of_target)?;
            let distrust = config_trust::distrust(path)
                .map_err(|source| ConfigError::Read { path: path.into(), source })?;
            Ok(Some(ConfigFile { distrust, ..read }))
        }
        Err(error) if is_absent(&error) => match profile {
            DEFAULT_PROFILE => Ok(None),
            name => Err(unknown_profile(path, name, [])),
        },
        Err(source) => Err(ConfigError::Read { path: path.into(), source }),
    }
}

/// Reads the text of the file at `path`.
pub(crate) fn read(
    text: &str,
    path: &Path,
    profile: &str,
    flags: &Flags,
    is_of_target: fn(&str) -> bool,
) -> Result<ConfigFile, ConfigError> {
    Reader { text, path, flags, is_of_target }.read(profile)
}

/// Returns whether nothing is there: users of a system have `/dev/null` as their home.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unknown_profile<'a>(
    path: &Path,
    name: &str,
    others: impl IntoIterator<Item = &'a str>,
) -> ConfigError {
    let near = nearest(name, others);
    let name = if looks_secret(name) { HIDDEN } else { name };
    ConfigError::UnknownProfile { path: path.into(), name: name.into(), near }
}

/// Returns the name that is most similar to a mistyped one.
fn nearest<'a>(text: &str, others: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let rated = others.into_iter().map(|other| (strsim::jaro_winkler(text, other), other));
    let (closeness, near) = rated.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (closeness > 0.8).then(|| near.to_owned())
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
    flags: &'a Flags,
    /// Whether the table of a target may hold a flag.
    is_of_target: fn(&str) -> bool,
}

pub(crate) type Settings = BTreeMap<String, Setting>;
type SpannedKey<'a> = Spanned<std::borrow::Cow<'a, str>>;

impl Reader<'_> {
    fn read(&self, profile: &str) -> Result<ConfigFile, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| self.not_toml(&error))?;
        let mut table = table.into_inner();
        let profiles = match table.remove_entry(PROFILES) {
            Some((key, value)) => self.table(&key, value)?,
            None => DeTable::new(),
        };
        let targets = self.targets(&mut table)?;
        let mut settings = self.settings(table, None)?;
        let mut names = Vec::new();
        let mut chosen = None;
        for (key, value) in profiles {
            let name = key.get_ref().to_string();
            let of_profile = self.settings(self.table(&key, value)?, Some(&name))?;
            if name == profile {
                chosen = Some(of_profile);
            }
            names.push(name);
        }
        match chosen {
            Some(chosen) => settings.extend(chosen),
            None if profile == DEFAULT_PROFILE => {}
            None => {
                let names = names.iter().map(String::as_str);
                return Err(unknown_profile(self.path, profile, names));
            }
        }
        Ok(ConfigFile { path: self.path.into(), settings, targets, distrust: None })
    }

    /// Reads the tables of all targets; what cannot differ between them is refused where it is known.
    fn targets(&self, table: &mut DeTable<'_>) -> Result<BTreeMap<String, Settings>, ConfigError> {
        let mut targets = BTreeMap::new();
        let Some((key, value)) = table.remove_entry(TARGETS) else { return Ok(targets) };
        for (key, value) in self.table(&key, value)? {
            let settings = self.settings(self.table(&key, value)?, None)?;
            let is_of_all = |(flag, _): &(&String, &Setting)| !(self.is_of_target)(flag);
            if let Some((flag, setting)) = settings.iter().find(is_of_all) {
                let (path, key) = (self.path.into(), flag.replace('-', "_"));
                return Err(ConfigError::NotOfTarget { path, line: setting.line, key });
            }
            targets.insert(key.get_ref().to_string(), settings);
        }
        Ok(targets)
    }

    fn table<'t>(
        &self,
        key: &SpannedKey<'t>,
        value: Spanned<DeValue<'t>>,
    ) -> Result<DeTable<'t>, ConfigError> {
        match value.into_inner() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong_kind(key)),
        }
    }

    fn settings(&self, table: DeTable<'_>, profile: Option<&str>) -> Result<Settings, ConfigError> {
        let mut settings = Settings::new();
        for (key, value) in table {
            let (flag, values) = self.setting(&key, value.get_ref())?;
            let line = self.line(key.span().start);
            let setting = Setting { values, line, profile: profile.map(str::to_owned) };
            if settings.insert(flag, setting).is_some() {
                let key = key.get_ref().to_string();
                return Err(ConfigError::Twice { path: self.path.into(), line, key });
            }
        }
        Ok(settings)
    }

    fn setting(
        &self,
        key: &SpannedKey<'_>,
        value: &DeValue<'_>,
    ) -> Result<(String, Vec<String>), ConfigError> {
        let flag = key.get_ref().replace('_', "-");
        let Some(&takes) = self.flags.get(&flag) else { return Err(self.unknown(key)) };
        let fits = |values: &Vec<String>| takes == Takes::Many || values.len() == 1;
        let values = values_of(value).filter(fits).ok_or_else(|| self.wrong_kind(key))?;
        Ok((flag, values))
    }

    fn unknown(&self, key: &SpannedKey<'_>) -> ConfigError {
        let (path, line) = (self.path.into(), self.line(key.span().start));
        let name = key.get_ref().replace('-', "_");
        let key = key.get_ref().to_string();
        if let Some((_, instead)) = SECRETS.iter().find(|(secret, _)| *secret == name) {
            let is_flag = self.flags.contains_key(&instead.replace('_', "-"));
            let instead = if is_flag { instead } else { "token_file" };
            return ConfigError::Secret { path, line, key, instead };
        }
        let names: Vec<String> = self.flags.keys().map(|flag| flag.replace('-', "_")).collect();
        let near = nearest(&name, names.iter().map(String::as_str).chain([PROFILES, TARGETS]));
        let key = if looks_secret(&key) { HIDDEN.into() } else { key };
        ConfigError::UnknownKey { path, line, key, near }
    }

    fn wrong_kind(&self, key: &SpannedKey<'_>) -> ConfigError {
        let line = self.line(key.span().start);
        ConfigError::Kind { path: self.path.into(), line, key: key.get_ref().to_string() }
    }

    /// Says in one line what the parser says in a drawing of five.
    fn not_toml(&self, error: &toml::de::Error) -> ConfigError {
        let start = error.span().map_or(self.text.len(), |span| span.start);
        let before = self.text.get(..start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        ConfigError::Syntax {
            path: self.path.into(),
            line: self.line(start),
            column: before[line_start..].chars().count() + 1,
            message: error.message().replace('\n', ", "),
        }
    }

    /// Returns the number of the line that contains a byte.
    fn line(&self, byte: usize) -> usize {
        self.text.bytes().take(byte).filter(|&byte| byte == b'\n').count() + 1
    }
}

/// Returns what would be typed for a value.
fn values_of(value: &DeValue<'_>) -> Option<Vec<String>> {
    Some(match value {
        DeValue::String(text) => vec![text.to_string()],
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            vec![i64::from_str_radix(&digits, number.radix()).ok()?.to_string()]
        }
        DeValue::Float(number) => vec![number.as_str().replace('_', "")],
        DeValue::Boolean(flag) => vec![flag.to_string()],
        DeValue::Array(values) => {
            let values = values.iter().map(|value| values_of(value.get_ref()));
            values.collect::<Option<Vec<_>>>()?.concat()
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

/// Writes a value as TOML: numbers and switches as they are, everything else as a text.
pub(crate) fn quoted(value: &str) -> String {
    let is_number = value.len() < 16 && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = matches!(value, "true" | "false") || (is_number && !value.is_empty());
    // A leading zero is no number in TOML, and an id such as `0047` must keep it.
    if is_plain && (value == "0" || !value.starts_with('0')) {
        return value.into();
    }
    toml::Value::String(value.into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Flags {
        let flag = |name: &str| (name.to_owned(), Takes::One);
        let mut flags = Flags::from(["rate", "project-id", "yes"].map(flag));
        flags.insert("output".into(), Takes::Many);
        flags
    }

    fn read(text: &str, profile: &str) -> Result<ConfigFile, ConfigError> {
        let path = Path::new("config.toml");
        let is_of_target = |flag: &str| flag != "yes";
        Reader { text, path, flags: &flags(), is_of_target }.read(profile)
    }

    /// Checks what is read, as `flag=values@line`.
    #[track_caller]
    fn check(text: &str, profile: &str, expected: &str) {
        let file = read(text, profile).unwrap();
        let shown = file.settings.iter().map(|(flag, setting)| {
            let profile = setting.profile.as_deref().map(|name| format!("/{name}"));
            let profile = profile.unwrap_or_default();
            format!("{flag}={}@{}{profile}", setting.values.join("|"), setting.line)
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{text}");
    }

    #[track_caller]
    fn check_refused(text: &str, profile: &str, expected: &str, expected_hint: &str) {
        let error = read(text, profile).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        let hint = hint(&error).unwrap_or_default();
        assert!(hint.contains(expected_hint), "{hint}");
    }

    #[test]
    fn a_profile_comes_before_what_holds_for_all() {
        let text = "rate = '5/s'\nyes = true\n[profile.night]\nrate = '50/s'\noutput = ['a', 'b']";
        check(text, "default", "rate=5/s@1 yes=true@2");
        check(text, "night", "output=a|b@5/night rate=50/s@4/night yes=true@2");
        check_refused(text, "day", "no profile `day`", "`[profile.day]`");
        check_refused(text, "nigth", "no profile `nigth`", "`--profile night`");
    }

    #[test]
    fn keys_are_the_names_of_flags() {
        check("project_id = 'p'", "default", "project-id=p@1");
        check("project-id = 'p'", "default", "project-id=p@1");
        check_refused("projekt_id = 'p'", "default", "config.toml:1: there is", "`project_id`");
        check_refused("\n\n[profile.other]\nrat = 1", "default", "config.toml:4: ", "`rate`");
        check_refused("[profiles.night]\nrate = 1", "default", "`profiles`", "`profile`");
        check_refused("colour = 'x'", "default", "no key `colour`", "`batchctl config show`");
        check_refused("project_id = 'a'\nproject-id = 'b'", "default", "stands twice", "");
    }

    #[test]
    fn a_target_has_a_table_of_its_own() {
        let file = read("rate = 1\n[target.north]\nrate = 5\n[target.south]\n", "default").unwrap();
        assert_eq!(file.targets.keys().collect::<Vec<_>>(), ["north", "south"]);
        assert_eq!(file.targets["north"]["rate"].values, ["5"]);
        assert_eq!(file.settings["rate"].values, ["1"]);
        check_refused("[target.north]\nyes = true", "default", "`yes` cannot differ", "before");
        check_refused("[target.north]\nrat = 1", "default", "config.toml:2: there", "`rate`");
    }

    #[test]
    fn numbers_are_read_however_they_are_written() {
        check("rate = 1_000", "default", "rate=1000@1");
        check("rate = 0x10", "default", "rate=16@1");
        check("rate = 0.5", "default", "rate=0.5@1");
    }

    #[test]
    fn a_secret_is_refused_without_showing_it() {
        let text = "yes = true\niam_password = 'hunter2'";
        check_refused(text, "default", "config.toml:2: `iam_password`", "`token_file =");
        let error = read(text, "default").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn what_no_flag_takes_is_refused() {
        check_refused("rate = { a = 1 }", "default", "config.toml:1: ", "");
        check_refused("profile = 3", "default", "invalid value for `profile`", "");
        check_refused("rate = ['1', '2']", "default", "invalid value for `rate`", "");
        check_refused("yes = true\nrate =", "default", "config.toml:2:7: ", "TOML");
    }
}
