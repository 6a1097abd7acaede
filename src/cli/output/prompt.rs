//! Asks the operator at a terminal: whether to begin, and for secrets. A script is never asked.

use crate::cli::output::stream::{Audience, Stderr, standard_error};
use crate::cli::process::environment::Environment;
use batchctl::system::signals::{SignalKind, signal};
use batchctl::system::terminal::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead, Write};
use std::{io, thread};
use tokio::sync::oneshot;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    Yes,
    No,
}

/// Asks on standard error, if there is a person to answer; otherwise the answer is yes.
///
/// Ctrl-C counts as no, because the caller has a plan to remove.
pub(crate) fn ask(
    question: &str,
    environment: &Environment,
    stderr: &Stderr,
) -> io::Result<Confirmation> {
    if !has_person(environment, stderr) {
        return Ok(Confirmation::Yes);
    }
    until_interrupted(&format!("{question} [y/N] "), is_yes)
}

/// Asks a person for an exact text to be typed.
pub(crate) fn ask_for(wanted: &str, question: &str) -> io::Result<Confirmation> {
    let wanted = wanted.to_owned();
    until_interrupted(&format!("{question} "), move |line| line == wanted)
}

fn until_interrupted(
    question: &str,
    accepts: impl Fn(&str) -> bool + Send + 'static,
) -> io::Result<Confirmation> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Listened for before the question is there to be interrupted.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let answered = answer_to(question, accepts);
        tokio::select! {
            answer = answered => Ok(answer.unwrap_or(Confirmation::No)),
            _ = interrupt.recv() => {
                // The terminal has written `^C` after the question.
                let _ = writeln!(io::stderr().lock());
                Ok(Confirmation::No)
            }
        }
    })
}

/// Returns whether a person can read a question and answer it.
pub(crate) fn has_person(environment: &Environment, stderr: &Stderr) -> bool {
    let is_terminal = environment.stdin_is_terminal && environment.stderr_is_terminal;
    is_terminal && stderr.audience == Audience::Person
}

/// What came of asking for a secret.
pub(crate) enum Secret {
    Given(String),
    /// There is no person to ask.
    Nobody,
    Interrupted,
}

/// Asks for a secret, which is not shown while it is typed.
pub(crate) fn secret(
    question: &str,
    environment: &Environment,
    stderr: &Stderr,
) -> io::Result<Secret> {
    if !has_person(environment, stderr) {
        return Ok(Secret::Nobody);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        // Shown again whichever way this ends.
        let _hidden = Hidden::begin()?;
        let mut stderr = standard_error();
        write!(stderr, "{question}").and_then(|()| stderr.flush())?;
        drop(stderr);
        let (answer, answered) = oneshot::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            let _ = answer.send(read.map(|_| line.trim_end_matches(['\r', '\n']).to_owned()));
        });
        let given = tokio::select! {
            given = answered => given.map_or(Ok(Secret::Nobody), |line| line.map(Secret::Given)),
            _ = interrupt.recv() => Ok(Secret::Interrupted),
        };
        // The end of the line was typed unseen.
        let _ = writeln!(io::stderr().lock());
        given
    })
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone shows nothing to anybody.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Asks on a thread of its own, because a blocked `read` cannot be cancelled.
fn answer_to(
    question: &str,
    accepts: impl Fn(&str) -> bool + Send + 'static,
) -> oneshot::Receiver<Confirmation> {
    let mut stderr = standard_error();
    // If the question cannot be written, `read_answer` fails too and means no.
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    let (answer, answered) = oneshot::channel();
    thread::spawn(move || {
        // The receiver is gone if Ctrl-C came first.
        let _ = answer.send(read_answer(accepts));
    });
    answered
}

fn is_yes(line: &str) -> bool {
    matches!(line, "y" | "Y" | "yes" | "Yes")
}

fn read_answer(accepts: impl Fn(&str) -> bool) -> Confirmation {
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(_) if accepts(line.trim()) => Confirmation::Yes,
        Ok(_) | Err(_) => Confirmation::No,
    }
}
