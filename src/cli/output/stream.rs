//! Standard output and standard error, whose readers may go at any time.
//!
//! Standard output is data, standard error is talk. A closed stream does not end a run: further
//! output is dropped, because the store has all of it.

use crate::cli::output::command_hint;
use batchctl::api::Redactor;
use batchctl::text::Style;
use std::io;
use std::io::Write;

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
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Writes the result to standard output. A closed pipe (`| head`) is not an error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes a result that is no text of its own to standard output, as [`print`] does.
pub(crate) fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    forgive_closed(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Turns the end of a pipe's reader into success.
pub(crate) fn forgive_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
