//! `config init`: writes a config file in which everything is a comment, to be chosen from.

use crate::cli::flags::config_file::quoted;
use crate::cli::flags::sources::settings_of;
use crate::cli::output::error::CommandError;
use batchctl::system::files::{DirBuilderExt, OpenOptionsExt};
use clap::{Arg, ArgAction, Command};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

const HEAD: &str = "\
# The configuration of batchctl. Every key is the name of a flag, and what stands here is its
# default: a flag beats its variable (BATCHCTL_RATE) beats a profile beats the rest of this file.
# No secret may stand here: name a file or a command with token_file or token_command.
# `batchctl config show --origin` says what holds, and why.
";

const TAIL: &str = "
# A profile is chosen with `--profile prod`, or with BATCHCTL_PROFILE. `[profile.default]` is used
# if none is.
# [profile.prod]
# region = \"cn-north-4\"
# project_id = \"0123456789abcdef0123456789abcdef\"
# rate = \"20/s\"
";

/// Why a config file was not written.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("`{}` is there already; nothing was changed in it", path.display())]
    Exists { path: PathBuf },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Writes the file, and says where it is.
pub(crate) fn init(path: &Path) -> Result<String, CommandError> {
    match write(path, &template(&crate::cli::command())) {
        Ok(()) => Ok(format!("wrote {}\n", path.display())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(CommandError::usage(InitError::Exists { path: path.into() })
                .with_hint("`batchctl config show --origin` says what it sets"))
        }
        Err(source) => {
            let error = InitError::Write { path: path.into(), source };
            Err(CommandError::io(error))
        }
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    // `create_new` leaves an existing file alone, also one made in the same moment.
    let mut options = fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Writes all keys with their help, below the headings that the help has.
fn template(command: &Command) -> String {
    let mut text = HEAD.to_owned();
    let settings = settings_of(command);
    let heading = |arg: &Arg| arg.get_help_heading().unwrap_or_default().to_owned();
    let mut headings: Vec<String> = Vec::new();
    for arg in &settings {
        if !headings.contains(&heading(arg)) {
            headings.push(heading(arg));
        }
    }
    for title in headings {
        let _ = writeln!(text, "\n## {title}");
        for arg in settings.iter().filter(|arg| heading(arg) == title) {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let key = arg.get_long().unwrap_or_default().replace('-', "_");
            let _ = writeln!(text, "\n# {help}\n# {key} = {}", example(arg));
        }
    }
    text.push_str(TAIL);
    text
}

/// Returns the default of a flag, or what a value of it is called.
fn example(arg: &Arg) -> String {
    let default = arg.get_default_values().first().map(|value| quoted(&value.to_string_lossy()));
    let name = || arg.get_value_names().and_then(|names| Some(quoted(names.first()?.as_str())));
    match arg.get_action() {
        ArgAction::SetTrue => "false".into(),
        ArgAction::Count => "0".into(),
        ArgAction::Append => format!("[{}]", name().unwrap_or_default()),
        _ => default.or_else(name).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::config_file;
    use crate::cli::flags::sources::flags_of;

    #[test]
    fn every_key_of_the_template_is_one_that_is_read() {
        let command = crate::cli::command();
        let template = template(&command);
        let uncommented: String = template
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.contains(" = ") || line.starts_with('['))
            .fold(String::new(), |text, line| text + line + "\n");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, uncommented).unwrap();
        let read =
            config_file::load(&path, "prod", &flags_of(&command), |_| true).unwrap().unwrap();
        assert_eq!(read.settings["rate"].values, ["20/s"]);
        assert_eq!(read.settings["concurrency"].values, ["16"]);
        assert!(read.settings.len() > 30, "{}", read.settings.len());
    }
}
