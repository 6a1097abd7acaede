//! The config file: a refusal names a line; settings are written and read again the same.

#![no_main]

/// The reader, and what it imports of the command line.
mod cli;

use cli::flags::config_file::{ConfigError, ConfigFile, Flags, Takes, load, quoted};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

/// A file for each input in turn, because the reader reads one.
fn file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| std::env::temp_dir().join(format!("config-{}.toml", std::process::id())))
}

fn flags() -> Flags {
    let one = ["rate", "project-id", "yes", "token-file", "concurrency", "endpoint"];
    let mut flags: Flags = one.map(|name| (name.to_owned(), Takes::One)).into();
    flags.extend(["output", "where"].map(|name| (name.to_owned(), Takes::Many)));
    flags
}

fn read(text: &str, profile: &str) -> Result<Option<ConfigFile>, ConfigError> {
    fs::write(file(), text).expect("the directory for such files can be written");
    load(file(), profile, &flags(), |flag| flag != "rate")
}

/// Returns the line that an error names, if it is about a place in the file.
fn line_of(error: &ConfigError) -> Option<usize> {
    match error {
        ConfigError::Syntax { line, .. }
        | ConfigError::UnknownKey { line, .. }
        | ConfigError::Kind { line, .. }
        | ConfigError::Twice { line, .. }
        | ConfigError::Secret { line, .. }
        | ConfigError::NotOfTarget { line, .. } => Some(*line),
        ConfigError::Read { .. } | ConfigError::UnknownProfile { .. } => None,
    }
}

fuzz_target!(|text: &str| {
    let lines = text.matches('\n').count() + 1;
    for profile in ["default", "night"] {
        let config = match read(text, profile) {
            Ok(config) => config.expect("the file is there"),
            Err(error) => {
                let line = line_of(&error);
                assert!(line.is_none_or(|line| (1..=lines).contains(&line)), "{error}");
                let is_about_profile = matches!(error, ConfigError::UnknownProfile { .. });
                assert!(line.is_some() || is_about_profile, "{error}");
                continue;
            }
        };
        let mut written = String::new();
        for (flag, setting) in &config.settings {
            assert!((1..=lines).contains(&setting.line), "{flag}: {setting:?}");
            let values: Vec<String> = setting.values.iter().map(|value| quoted(value)).collect();
            written.push_str(&format!("{} = [{}]\n", flag.replace('-', "_"), values.join(", ")));
        }
        let again = read(&written, "default").unwrap_or_else(|error| panic!("{error}\n{written}"));
        let again = again.expect("the file is there").settings;
        assert_eq!(again.len(), config.settings.len(), "{written}");
        for (flag, setting) in &config.settings {
            assert_eq!(again[flag].values, setting.values, "{written}");
        }
    }
});
