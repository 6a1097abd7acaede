//! The one question before a run: only people at a terminal are asked.

use super::Context;
use std::io;
use std::io::BufRead;
use std::io::Write;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
}

/// Asks on standard error, if there is a person to answer; otherwise the answer is yes.
pub(super) fn ask(question: &str, context: &Context) -> Answer {
    if !context.surroundings.stdin_is_terminal || !context.surroundings.stderr_is_terminal {
        return Answer::Yes;
    }
    let mut stderr = io::stderr().lock();
    // A terminal that takes no question gives no answer: `read_line` below tells.
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    drop(stderr);
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(_) if matches!(line.trim(), "y" | "Y" | "yes" | "Yes") => Answer::Yes,
        Ok(_) | Err(_) => Answer::No,
    }
}
