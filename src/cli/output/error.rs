//! Words an error of a command, and gives it its exit status.
//!
//! `error:` says what is wrong, `caused by:` why, `hint:` what to type instead.

use crate::cli::output::stream::{NotPrinted, Stderr};
use batchctl::api::{ClientError, CredentialError};
#[cfg(feature = "postgres")]
use batchctl::database::DatabaseError;
use batchctl::engine::LedgerError;
use batchctl::input::InputError;
use batchctl::plan::{PlanProblem, Problems};
use batchctl::reading::MergeError;
use batchctl::report::ExitStatus;
use batchctl::run::RunError;
use batchctl::sandbox::SandboxError;
use batchctl::store::StoreError;
use batchctl::task::TaskId;
use batchctl::text::{plural, printable};
use std::error::Error;
use std::io;

/// The most columns of one line of a message.
const MESSAGE_COLUMNS: usize = 600;

/// The error of one target of a run.
#[derive(Debug, thiserror::Error)]
#[error("target `{name}`: {error}")]
struct OfTarget {
    name: String,
    error: Box<dyn Error + Send + Sync>,
}

/// Why a command ends without having done its job.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) status: ExitStatus,
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    /// What helps a target of a run, where that is something else.
    target_hint: Option<String>,
}

/// Stands in the hint for a target where its table is named.
const TABLE: &str = "{table}";

impl CommandError {
    pub(crate) fn new(status: ExitStatus, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { status, error: error.into(), hint: None, target_hint: None }
    }

    /// Standard output, a document or the system could not be written or read.
    pub(crate) fn io(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ExitStatus::InputOutput, error)
    }

    /// The command line or the configuration is wrong.
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ExitStatus::Usage, error)
    }

    /// Adds what to type instead.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds what helps a target of a run: where its calls go and with what stands in its table, which
    /// `{table}` names, and neither flags nor variables say it.
    pub(crate) fn with_target_hint(self, hint: impl Into<String>) -> Self {
        Self { target_hint: Some(hint.into()), ..self }
    }

    /// The project does not know tasks that were to be called; `help` says what can be done.
    pub(crate) fn unknown_tasks(count: u64, examples: &[TaskId], help: &str) -> Self {
        let tasks = plural(count, "task of the input", "tasks of the input");
        let error = format!("the project does not know {tasks}; nothing was sent");
        let examples: Vec<String> = examples.iter().map(|id| format!("`{id}`")).collect();
        let hint = format!("such as {}; {help}", examples.join(", "));
        Self::new(ExitStatus::BadInput, error).with_hint(hint)
    }

    /// Adds the hint of a library error, if that has one.
    pub(crate) fn with_optional_hint(self, hint: Option<impl Into<String>>) -> Self {
        Self { hint: hint.map(Into::into), ..self }
    }

    /// Returns the error in one line.
    pub(crate) fn said(&self) -> String {
        line(&self.error.to_string())
    }

    /// Prints the error, and returns its exit status.
    pub(crate) fn failed(&self, stderr: &Stderr) -> ExitStatus {
        self.print(stderr);
        self.status
    }

    /// Says which target of a run it is about.
    pub(crate) fn of_target(self, name: &str) -> Self {
        let table = format!("the table `[target.{name}]` of the config file");
        let own = self.target_hint.map(|hint| hint.replace(TABLE, &table));
        let hint = own.or(self.hint);
        let error = Box::new(OfTarget { name: name.into(), error: self.error });
        Self { error, hint, target_hint: None, ..self }
    }

    /// Prints the error, its causes and its hint on standard error.
    pub(crate) fn print(&self, stderr: &Stderr) {
        // Each problem is a line of its own, before the line that counts them.
        if let Some(problems) = self.error.downcast_ref::<Problems>() {
            print_problems(problems, stderr);
        }
        stderr.say("error", &line(&self.error.to_string()));
        let mut cause = self.error.source();
        while let Some(error) = cause {
            stderr.say("caused by", &line(&error.to_string()));
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            stderr.say("hint", &line(hint));
        }
    }
}

/// Prints each kept problem with its place, its causes and its hint.
fn print_problems(problems: &Problems, stderr: &Stderr) {
    for problem in &problems.shown {
        let mut text = problem.to_string();
        let mut cause = problem.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        stderr.line(&line(&text));
        if let Some(hint) = problem.hint() {
            stderr.line(&format!("  hint: {}", line(&hint)));
        }
    }
    let shown = u64::try_from(problems.shown.len()).unwrap_or(u64::MAX);
    match problems.count.saturating_sub(shown) {
        0 => {}
        more => stderr.line(&format!("… and {}", plural(more, "more problem", "more problems"))),
    }
}

fn line(text: &str) -> String {
    printable(text, MESSAGE_COLUMNS)
}

impl From<NotPrinted> for CommandError {
    fn from(error: NotPrinted) -> Self {
        let is_full = matches!(
            error.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        let hint = is_full.then_some("free some space where it leads, or send it elsewhere");
        Self::io(error).with_optional_hint(hint)
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let hint = error.hint();
        let status = match &error {
            StoreError::Busy { .. } | StoreError::JobBusy { .. } => ExitStatus::Busy,
            StoreError::NoRuns | StoreError::NoSuchRun { .. } | StoreError::AmbiguousRun { .. } => {
                ExitStatus::Usage
            }
            _ => ExitStatus::InputOutput,
        };
        Self::new(status, error).with_hint(hint)
    }
}

impl From<MergeError> for CommandError {
    fn from(error: MergeError) -> Self {
        let hint = error.hint();
        match error {
            MergeError::Store(error) => Self::from(error).with_hint(hint),
            error => Self::new(ExitStatus::BadInput, error).with_hint(hint),
        }
    }
}

impl From<RunError> for CommandError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::NotBegun(error) => (*error).into(),
            RunError::Input(problems) => {
                let status = status_of(&problems);
                Self::new(status, problems)
            }
            RunError::Ledger(LedgerError(cause)) => {
                let hint = cause.downcast_ref().map(StoreError::hint);
                #[cfg(feature = "postgres")]
                let hint = hint.or_else(|| cause.downcast_ref().map(DatabaseError::hint));
                let error = RunError::Ledger(LedgerError(cause));
                Self::io(error).with_optional_hint(hint)
            }
            RunError::NoSuchGroup { ref run, .. } => {
                let hint = format!("`batchctl report {run}` shows the groups of its failures");
                Self::usage(error).with_hint(hint)
            }
            RunError::UnknownTasks { count, examples } => {
                let help = "use `--on-unknown send` to call them all the same, or \
                            `--on-unknown skip` to leave them out";
                Self::unknown_tasks(count, &examples, help)
            }
            RunError::Applied { ref run } => {
                let hint = format!("`batchctl report {run}` shows what came of it");
                Self::new(ExitStatus::BadInput, error).with_hint(hint)
            }
            error => Self::io(error),
        }
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        let hint = error.hint();
        Self::io(error).with_hint(hint)
    }
}

impl From<CredentialError> for CommandError {
    fn from(error: CredentialError) -> Self {
        let (hint, of_target) = match &error {
            CredentialError::LoginRefused { .. } => (
                "it was tried once and will not be again: a few wrong passwords lock the user",
                None,
            ),
            CredentialError::SignatureRefused { .. } => (
                "check the access key, the secret key and the clock; five bad ones lock the key",
                None,
            ),
            CredentialError::File { .. } => (
                "check `--token-file FILE`; a token itself belongs into BATCHCTL_TOKEN",
                Some("check `token_file` in {table}"),
            ),
            CredentialError::SameToken { .. } | CredentialError::Final { .. } => {
                ("get a new token, then `batchctl resume`", None)
            }
            CredentialError::NoProject { .. } | CredentialError::SeveralProjects { .. } => {
                ("name one with `--project-id ID`", Some("put `project_id` into {table}"))
            }
            CredentialError::IamAway { .. } | CredentialError::IamUnanswered { .. } => {
                ("check `--iam-endpoint URL`", Some("check `iam_endpoint` in {table}"))
            }
            _ => return Self::new(ExitStatus::NotAuthorised, error),
        };
        let target_hint = of_target.map(str::to_owned);
        Self { target_hint, ..Self::new(ExitStatus::NotAuthorised, error).with_hint(hint) }
    }
}

impl From<SandboxError> for CommandError {
    fn from(error: SandboxError) -> Self {
        let status = match error {
            SandboxError::NotLoopback { .. } | SandboxError::Shares { .. } => ExitStatus::Usage,
            _ => ExitStatus::InputOutput,
        };
        Self::new(status, error)
    }
}

/// A wrong flag for an input is usage; whatever is wrong with its content is bad input.
fn status_of(problems: &Problems) -> ExitStatus {
    let is_usage = |problem: &PlanProblem| {
        use InputError::{Delimiter, NoColumns};
        matches!(problem, PlanProblem::Input(Delimiter { .. } | NoColumns { .. }))
    };
    if problems.shown.iter().any(is_usage) { ExitStatus::Usage } else { ExitStatus::BadInput }
}
