//! The one question before a run: only people at a terminal are asked.

use super::Context;
use super::stream::Audience;
use std::io;
use std::io::BufRead;
use std::io::Write;
use std::thread;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::oneshot;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
}

/// Asks on standard error, if there is a person to answer; otherwise the answer is yes.
///
/// Ctrl-C is an answer, too: whoever asks has something to clear away then.
pub(super) fn ask(question: &str, context: &Context) -> io::Result<Answer> {
    if context.stderr.audience == Audience::Cron {
        return Ok(Answer::Yes);
    }
    if !context.surroundings.stdin_is_terminal || !context.surroundings.stderr_is_terminal {
        return Ok(Answer::Yes);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Listened for before the question is there to be interrupted.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let answered = answer_to(question);
        tokio::select! {
            answer = answered => Ok(answer.unwrap_or(Answer::No)),
            _ = interrupt.recv() => {
                // The terminal has written `^C` after the question.
                let _ = writeln!(io::stderr().lock());
                Ok(Answer::No)
            }
        }
    })
}

/// Asks on a thread of its own, for nothing ends a `read` but an answer.
fn answer_to(question: &str) -> oneshot::Receiver<Answer> {
    let mut stderr = io::stderr().lock();
    // A terminal that takes no question gives no answer: `read_answer` tells.
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let (answer, answered) = oneshot::channel();
    thread::spawn(move || {
        // Nobody waits for it any longer if Ctrl-C was first.
        let _ = answer.send(read_answer());
    });
    answered
}

fn read_answer() -> Answer {
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(_) if matches!(line.trim(), "y" | "Y" | "yes" | "Yes") => Answer::Yes,
        Ok(_) | Err(_) => Answer::No,
    }
}
