//! The config file: a refusal names a line; settings are written and read again the same.

#![no_main]

/// The reader, and what it imports of the command line.
mod cli;

use cli::flags::config_file::{self, ConfigError, ConfigFile, Flags, Takes, quoted};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::OnceLock;

fn flags() -> &'static Flags {
    static FLAGS: OnceLock<Flags> = OnceLock::new();
    FLAGS.get_or_init(|| {
        let one = ["rate", "project-id", "yes", "token-file", "concurrency", "endpoint"];
        let mut flags: Flags = one.map(|name| (name.to_owned(), Takes::One)).into();
        flags.extend(["output", "where"].map(|name| (name.to_owned(), Takes::Many)));
        flags
    })
}

fn read(text: &str, profile: &str) -> Result<ConfigFile, ConfigError> {
    config_file::read(text, Path::new("config.toml"), profile, flags(), |flag| flag != "rate")
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
            Ok(config) => config,
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
        let again = again.settings;
        assert_eq!(again.len(), config.settings.len(), "{written}");
        for (flag, setting) in &config.settings {
            assert_eq!(again[flag].values, setting.values, "{written}");
        }
    }
});
