//! Finds and reads files that describe services. What is read is what was judged: the open file.
//!
//! A file decides where calls go. So it must be this user's or root's, and no one else's to write;
//! a link is followed, and its target is judged.

use crate::cli::Context;
use crate::cli::flags::config_file::is_absent;
use crate::cli::output::error::CommandError;
use crate::cli::process::environment::Environment;
use batchctl::service::{MOST_BYTES, Service, ServiceFile, ServiceProblem, VIAS};
use batchctl::system::files::OFlags;
use batchctl::system::files::{MetadataExt, OpenOptionsExt};
use batchctl::system::process::geteuid;
use batchctl::text::{plural, printable, shell_quoted};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most columns of one line of a problem.
const LINE_COLUMNS: usize = 600;
/// The bits of a mode that let others than the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file that describes a service is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceFileError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is no regular file", path.display())]
    NoFile { path: PathBuf },
    #[error("`{}` is larger than {} KiB", path.display(), MOST_BYTES >> 10)]
    Large { path: PathBuf },
    #[error("`{}` is no UTF-8", path.display())]
    NoText { path: PathBuf },
    #[error("others may change `{}`", path.display())]
    Shared { path: PathBuf, remedy: String },
    #[error("there is no service `{name}`")]
    Unknown { name: String, near: Option<String>, directory: Option<PathBuf> },
    #[error("`{name}` is neither the name of a service nor a file")]
    NoName { name: String },
}

impl From<ServiceFileError> for CommandError {
    fn from(error: ServiceFileError) -> Self {
        let hint = match &error {
            ServiceFileError::Shared { remedy, .. } => Some(remedy.clone()),
            ServiceFileError::Unknown { near: Some(near), .. } => {
                Some(format!("did you mean `{near}`"))
            }
            ServiceFileError::Unknown { name, near: None, directory } => {
                let file = directory.as_ref().map(|directory| file_of(directory, name));
                Some(match file {
                    Some(file) => format!("its file would be `{}`", file.display()),
                    None => "name a file, such as `./shop.toml`".into(),
                })
            }
            ServiceFileError::NoName { .. } => {
                Some("a name is like `shop`, a file like `./shop.toml`".into())
            }
            ServiceFileError::Read { .. }
            | ServiceFileError::NoFile { .. }
            | ServiceFileError::Large { .. }
            | ServiceFileError::NoText { .. } => None,
        };
        Self::usage(error).with_optional_hint(hint)
    }
}

/// The text of a service, with its name and its file.
#[derive(Debug)]
pub(crate) struct ServiceText {
    pub(crate) name: String,
    /// `None` for the service that is built in.
    pub(crate) path: Option<PathBuf>,
    pub(crate) text: String,
}

impl ServiceText {
    /// Reads the service that a name or a path stands for.
    pub(crate) fn find(word: &str, environment: &Environment) -> Result<Self, ServiceFileError> {
        if word.contains('/') || Path::new(word).extension().is_some_and(|end| end == "toml") {
            return Self::read(Path::new(word));
        }
        if !is_name(word) {
            return Err(ServiceFileError::NoName { name: word.into() });
        }
        if word == VIAS.0 {
            return Ok(Self::built_in());
        }
        let directory = environment.services_directory();
        let names = match &directory {
            Some(directory) => names_in(directory)?,
            None => Vec::new(),
        };
        match directory {
            Some(directory) if names.iter().any(|name| name == word) => {
                Self::read(&file_of(&directory, word))
            }
            directory => {
                let known = names.into_iter().chain([VIAS.0.to_owned()]);
                let near = known
                    .map(|name| (strsim::jaro_winkler(word, &name), name))
                    .filter(|(closeness, _)| *closeness > 0.8)
                    .max_by(|(one, _), (other, _)| one.total_cmp(other));
                let near = near.map(|(_, name)| name);
                Err(ServiceFileError::Unknown { name: word.into(), near, directory })
            }
        }
    }

    /// Returns the service that needs no file.
    pub(crate) fn built_in() -> Self {
        Self { name: VIAS.0.into(), path: None, text: VIAS.1.into() }
    }

    /// Reads a file; its name is that of the service.
    pub(crate) fn read(path: &Path) -> Result<Self, ServiceFileError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = read(path)?;
        Ok(Self { name, path: Some(path.into()), text })
    }

    /// Reads the text as a service.
    pub(crate) fn parse(&self) -> Result<ServiceFile, Vec<ServiceProblem>> {
        ServiceFile::read(&self.text)
    }

    /// Reads the text as a service that is to be used, and says all that is wrong with it.
    pub(crate) fn usable(&self, context: &Context) -> Result<Service, CommandError> {
        self.parse().map(|file| file.service).map_err(|problems| {
            let name = self.shown();
            say(&name, &problems, "", context);
            CommandError::usage(format!("{} in `{name}`", counted(problems.len())))
        })
    }

    /// Returns how the file is named in messages.
    pub(crate) fn shown(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => self.name.clone(),
        }
    }
}

/// Returns the names of all services that have a file, in order.
pub(crate) fn names_in(directory: &Path) -> Result<Vec<String>, ServiceFileError> {
    let failed = |source| ServiceFileError::Read { path: directory.into(), source };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    check(directory, &std::fs::metadata(directory).map_err(failed)?)?;
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(failed)?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".toml"));
        names.extend(name.filter(|name| is_name(name)).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Returns the file of a service.
pub(crate) fn file_of(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.toml"))
}

/// Returns whether a text can be the name of a service.
fn is_name(text: &str) -> bool {
    let is_char = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    begins && text.len() <= 64 && text.bytes().all(is_char)
}

fn read(path: &Path) -> Result<String, ServiceFileError> {
    let failed = |source| ServiceFileError::Read { path: path.into(), source };
    let (file, found) = open(path).map_err(failed)?;
    if !found.is_file() {
        return Err(ServiceFileError::NoFile { path: path.into() });
    }
    check(path, &found)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(ServiceFileError::Large { path: path.into() });
    }
    String::from_utf8(bytes).map_err(|_| ServiceFileError::NoText { path: path.into() })
}

/// Opens a file without waiting, and asks the open file what it is.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Without `NONBLOCK` opening a pipe waits for a writer.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let flags = i32::try_from(flags).expect("both flags are below the sign bit");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    Ok((file, found))
}

/// Refuses what others can change.
fn check(path: &Path, found: &Metadata) -> Result<(), ServiceFileError> {
    let quoted = shell_quoted(&path.to_string_lossy());
    let own = geteuid().as_raw();
    let remedy = if found.uid() != own && found.uid() != 0 {
        format!("its owner is user {}: `chown {own} {quoted}`", found.uid())
    } else if found.mode() & WRITABLE_BY_OTHERS != 0 {
        format!("close it: `chmod go-w {quoted}`")
    } else {
        return Ok(());
    };
    Err(ServiceFileError::Shared { path: path.into(), remedy })
}

/// Prints the problems of a file, one line each.
pub(crate) fn say(file: &str, problems: &[ServiceProblem], kind: &str, context: &Context) {
    for line in lines(file, problems, kind) {
        context.stderr.line(&printable(&line, LINE_COLUMNS));
    }
}

/// Says what is wrong with a file, one line for each problem.
fn lines(file: &str, problems: &[ServiceProblem], kind: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for ServiceProblem { place, message, hint } in problems {
        lines.push(format!("{file}:{}:{}: {kind}{message}", place.line, place.column));
        lines.extend(hint.iter().map(|hint| format!("  hint: {hint}")));
    }
    lines
}

/// Says how many problems there are.
pub(crate) fn counted(problems: usize) -> String {
    plural(u64::try_from(problems).unwrap_or(u64::MAX), "problem", "problems")
}
