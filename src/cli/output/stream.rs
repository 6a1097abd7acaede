//! Standard output and standard error, whose readers may go at any time.
//!
//! Standard output is data, standard error is talk. A closed stream does not end a run: further
//! output is dropped, because the store has all of it.

use crate::cli::output::command_hint;
use crate::cli::output::terminal_guard::{Content, TerminalGuard};
use crate::cli::process::environment;
use batchctl::api::Redactor;
use batchctl::text::Style;
use std::io;
use std::io::{LineWriter, Write};

/// Who reads standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person, who reads what is going on.
    Person,
    /// Cron, which mails all output: it gets failures only.
    Cron,
}

/// Standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stderr {
    pub(crate) style: Style,
    pub(crate) audience: Audience,
    /// Removes secrets from messages; one for the whole process.
    pub(crate) redactor: &'static Redactor,
    /// What commands in hints are completed with: the flag of the profile, or nothing.
    pub(crate) profile_flag: &'static str,
}

impl Stderr {
    /// Returns standard error for what everybody has to know.
    pub(crate) fn of_failures(self) -> Self {
        Self { audience: Audience::Person, ..self }
    }

    /// Writes a message with its kind in front.
    pub(crate) fn say(&self, kind: &str, message: &str) {
        let code = match kind {
            "error" => "\x1b[1;31m",
            "warning" => "\x1b[1;33m",
            _ => "\x1b[1m",
        };
        let completed;
        let message = match kind {
            "hint" => {
                completed = command_hint::with_flag(message, self.profile_flag);
                &completed
            }
            _ => message,
        };
        match self.style {
            Style::Coloured => self.line(&format!("{code}{kind}:\x1b[0m {message}")),
            Style::Plain => self.line(&format!("{kind}: {message}")),
        }
    }

    /// Writes a line, if the audience gets such lines.
    pub(crate) fn line(&self, text: &str) {
        if self.audience == Audience::Cron {
            return;
        }
        let text = self.redactor.redact(text.to_owned());
        // If standard error is gone, there is no stream left to report that on.
        let _ = writeln!(standard_error(), "{text}");
    }
}

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub(crate) struct NotPrinted {
    pub(crate) source: io::Error,
}

/// Writes a text to standard output. A closed pipe (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<(), NotPrinted> {
    print_as(Content::Text, text)
}

/// Writes JSON to standard output, as [`print`] does.
pub(crate) fn print_json(text: &str) -> Result<(), NotPrinted> {
    print_as(Content::Json, text)
}

fn print_as(content: Content, text: &str) -> Result<(), NotPrinted> {
    let mut out = standard_output(content);
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes a text of our own to standard output, as it is: with its colours.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), NotPrinted> {
    let mut stdout = standard_output(Content::Own);
    printed(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Returns standard output for foreign text, which a terminal gets escaped.
pub(crate) fn standard_output(content: Content) -> Box<dyn Write> {
    let stdout = io::stdout().lock();
    if environment::stdout_is_terminal() {
        let is_ascii = environment::terminals_are_ascii();
        return Box::new(TerminalGuard::new(stdout, content).in_ascii(is_ascii));
    }
    Box::new(stdout)
}

/// Returns standard error, in the characters that a terminal has.
pub(crate) fn standard_error() -> Box<dyn Write + Send> {
    if environment::stderr_is_terminal() && environment::terminals_are_ascii() {
        let guard = TerminalGuard::new(LineWriter::new(io::stderr()), Content::Own);
        return Box::new(guard.in_ascii(true));
    }
    Box::new(io::stderr())
}

/// Turns the end of a pipe's reader into success, and says of any other error where it was.
pub(crate) fn printed(result: io::Result<()>) -> Result<(), NotPrinted> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|source| NotPrinted { source }),
    }
}
