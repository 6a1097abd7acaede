//! Keeps what this process knows inside of it: no core dump, and no panic that shows a secret. Keeps
//! it alive where a limit of the system would end it without a word.

use crate::cli::output::stream::Stderr;
use batchctl::api::Redactor;
use batchctl::system::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit,
};
use batchctl::system::signals::SignalKind;
use batchctl::system::signals::consts::SIGXFSZ;
use batchctl::system::signals::flag::register;
use batchctl::text::printable;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The most columns of the message of a panic.
const MESSAGE_COLUMNS: usize = 600;

/// Forbids core dumps, to this process and what it starts, and other processes of the same user a
/// look at its memory.
pub(crate) fn forbid_dumps() {
    // Best effort: if this fails, core dumps were not possible anyway.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Makes a write beyond the limit of file sizes an error, which is told, instead of the end.
pub(crate) fn outlive_size_limits() {
    // A handler, because a signal that is ignored stays so in a token command.
    let _ = register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Lets the signal that asks for the progress change nothing while there is none to print: before a
/// run is planned, and in commands that carry none out.
pub(crate) fn outlive_status_requests() {
    let status = SignalKind::user_defined1().as_raw_value();
    let _ = register(status, Arc::new(AtomicBool::new(false)));
}

/// Prints panics on standard error, without the secrets it may have had in its hands.
pub(crate) fn report_panics(stderr: Stderr) {
    panic::set_hook(Box::new(move |panic| {
        stderr.say("error", &panic_message(panic, stderr.redactor));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            stderr.line(&backtrace.to_string());
        }
        stderr.say("hint", "this is a defect of batchctl; `batchctl resume` goes on with the run");
    }));
}

fn panic_message(panic: &PanicHookInfo<'_>, redactor: &Redactor) -> String {
    let message = payload(panic).unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = redactor.redact(message.to_owned());
    format!("panic at {place}: {}", printable(&message, MESSAGE_COLUMNS))
}

/// Returns what a panic was given to say: `panic!` makes a text of one of two types.
fn payload<'a>(panic: &'a PanicHookInfo<'_>) -> Option<&'a str> {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_panic_is_told_without_secrets() {
        let redactor = Redactor::default();
        redactor.learn("token", "hunter2-hunter2");
        let seen = Arc::new(Mutex::new(String::new()));
        let (to, before) = (Arc::clone(&seen), panic::take_hook());
        panic::set_hook(Box::new(move |panic| {
            *to.lock().unwrap() = panic_message(panic, &redactor);
        }));
        let panicked = panic::catch_unwind(|| panic!("no such token: {}", "hunter2-hunter2"));
        panic::set_hook(before);
        assert!(panicked.is_err());
        let seen = seen.lock().unwrap();
        assert!(seen.starts_with("panic at src/cli/process/hardening.rs:"), "{seen}");
        assert!(seen.ends_with(": no such token: [token]"), "{seen}");
    }
}
