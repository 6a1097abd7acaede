//! Makes room for the connections of a run: each takes a file descriptor, and shells give few.
//!
//! The soft limit is raised as far as the run needs and the hard limit allows. What does not fit
//! then is not tried: calls that cannot connect would only look like an outage.

use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use batchctl::system::process::{Resource, Rlimit, getrlimit, setrlimit};
use batchctl::text::{grouped, plural};
use std::num::NonZeroUsize;

/// Descriptors for everything but calls: the store, documents, logs, signals, name look-ups and
/// the pipes of a token command.
const OTHERS: u64 = 64;

/// The fewest descriptors with which one call at a time finds those it needs.
const LEAST: u64 = 32;
/// What systems give a process without being asked.
const USUAL: u64 = 1_024;

/// The connections of a run, as far as this process pays for them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sockets {
    /// The service is elsewhere.
    Ours,
    /// The embedded sandbox holds the other end of each.
    BothEnds,
}

/// Refuses a run for which not even one call fits: without a socket it would look like an outage,
/// and without a file like a broken disk.
pub(crate) fn require_one_call() -> Result<(), CommandError> {
    let Some(limit) = raise_to(LEAST).filter(|&limit| limit < LEAST) else { return Ok(()) };
    let error = format!("only {limit} files may be open, and a run needs {LEAST} at least");
    Err(CommandError::io(error).with_hint(advice(USUAL)))
}

/// Makes room for `wanted` calls at a time, and returns the number that fits.
pub(crate) fn make_room(wanted: NonZeroUsize, sockets: Sockets, stderr: &Stderr) -> NonZeroUsize {
    let needed = needed(wanted, sockets);
    // A limit that cannot be raised is only reported if the calls do not fit.
    let Some(limit) = raise_to(needed).filter(|&limit| limit < needed) else { return wanted };
    let fits = fitting(limit, sockets);
    let files = grouped(limit);
    let calls = plural(fits.get() as u64, "call", "calls");
    stderr.say(
        "warning",
        &format!(
            "only {files} files may be open: {calls} at a time instead of {}",
            grouped(wanted.get() as u64)
        ),
    );
    stderr.say("hint", &advice(needed));
    fits
}

fn advice(needed: u64) -> String {
    format!("raise the hard limit: `ulimit -n {needed}`, or `LimitNOFILE=`")
}

/// Raises the soft limit as far as the hard one allows, for a process that accepts any number of clients.
pub(crate) fn make_most_room() {
    raise_to(u64::MAX);
}

/// Raises the soft limit to what is needed, and returns the limit in force; `None` means no limit.
fn raise_to(needed: u64) -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    let wanted = maximum.map_or(needed, |maximum| needed.min(maximum));
    if current >= wanted {
        return Some(current);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => Some(wanted),
        // The system has a limit of its own below the hard one.
        Err(_) => Some(current),
    }
}

fn ends(sockets: Sockets) -> u64 {
    match sockets {
        Sockets::Ours => 1,
        Sockets::BothEnds => 2,
    }
}

/// One for each call and a quarter more: a connection may still be closing, or come too late,
/// while the next call has another.
fn needed(calls: NonZeroUsize, sockets: Sockets) -> u64 {
    let calls = calls.get() as u64;
    calls.saturating_add(calls / 4).saturating_mul(ends(sockets)).saturating_add(OTHERS)
}

fn fitting(limit: u64, sockets: Sockets) -> NonZeroUsize {
    let connections = limit.saturating_sub(OTHERS) / ends(sockets);
    let calls = connections - connections.div_ceil(5);
    NonZeroUsize::new(usize::try_from(calls).unwrap_or(usize::MAX)).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limit: u64, sockets: Sockets, expected: usize) {
        let fits = fitting(limit, sockets);
        assert_eq!(fits.get(), expected, "{limit} {sockets:?}");
        assert!(fits.get() == 1 || needed(fits, sockets) <= limit);
    }

    #[test]
    fn what_is_left_of_the_descriptors_is_for_calls() {
        check(1_024, Sockets::Ours, 768);
        check(1_024, Sockets::BothEnds, 384);
        check(64 + 7, Sockets::BothEnds, 2);
    }

    #[test]
    fn one_call_at_a_time_is_always_tried() {
        check(64, Sockets::Ours, 1);
        check(3, Sockets::BothEnds, 1);
    }
}
