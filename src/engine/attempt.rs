//! One HTTP exchange, from the moment its bytes may leave until its answer has arrived.

use crate::api::TaskApi;
use crate::clock::{Clock, Instant};
use crate::engine::ledger::Claim;
use crate::event::AttemptSeq;
use crate::policy::{Answer, Generation, NoResponse};
use futures::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

/// If a time-out fires later than this, the process was stopped while it waited.
const LATE: Duration = Duration::from_millis(500);
/// The time for reading an answer that arrived while the process was stopped.
const GRACE: Duration = Duration::from_secs(5);

/// An admitted attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) claim: Claim,
    pub(super) seq: AttemptSeq,
    /// When it is given up whatever its time-out is: another process may have its task from then on.
    pub(super) until: Option<Instant>,
}

/// The end of an attempt.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) attempt: Attempt,
    pub(super) answer: Answer,
    /// The credentials with which the call was sent.
    pub(super) used: Generation,
    pub(super) sent: Instant,
    pub(super) ended: Instant,
}

/// Sends one attempt and waits for its answer. A panic in the call counts as an answer.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` stores its arguments twice in every call"
)]
pub(super) fn send<A: TaskApi>(
    api: &A,
    clock: Clock,
    timeout: Duration,
    attempt: Attempt,
) -> impl Future<Output = Completion> {
    async move {
        let sent = clock.instant();
        let task = Arc::clone(&attempt.claim.task);
        // Read before the first poll, in which the call takes its credentials: nothing runs
        // in between, so both see the same generation.
        let used = api.authority().generation();
        let call = pin!(AssertUnwindSafe(async { api.call(task).await }).catch_unwind());
        let deadline = sent.checked_add(timeout).into_iter().chain(attempt.until).min();
        let answer = match within(clock, deadline, call).await {
            Some(Ok(answer)) => answer,
            Some(Err(panic)) => Answer::Panicked(panic_message(panic.as_ref())),
            None => {
                let span = deadline.map_or(timeout, |deadline| deadline - sent);
                Answer::NoResponse(NoResponse::timed_out(span))
            }
        };
        Completion { attempt, answer, used, sent, ended: clock.instant() }
    }
}

/// Awaits `future` until the deadline, if there is one.
///
/// Time in which the process was stopped (SIGSTOP, a suspended laptop) does not count: when the
/// process continues, all its time-outs are over, but answers may wait in the socket buffers.
/// They are read before anything is given up.
///
/// The future is borrowed, because moving it here would double the size of every attempt.
async fn within<F: Future>(
    clock: Clock,
    deadline: Option<Instant>,
    mut future: Pin<&mut F>,
) -> Option<F::Output> {
    let Some(deadline) = deadline else {
        return Some(future.await);
    };
    let answered = tokio::time::timeout_at(deadline, future.as_mut()).await;
    if answered.is_ok() || clock.instant() <= deadline + LATE {
        return answered.ok();
    }
    // One grace and no second: a machine that is always late would never give a call up.
    let grace = clock.instant() + GRACE;
    tokio::time::timeout_at(grace, future).await.ok()
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(owned).unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Stops the process for `stopped` seconds in the middle of a call with a time-out.
    ///
    /// If there is an answer, it arrives `answer_after` seconds later.
    async fn check(stopped: u64, answer_after: Option<u64>, expected: (Option<u8>, u64)) {
        let clock = Clock::start();
        let begun = clock.instant();
        let (answer, answered) = oneshot::channel();
        let call = pin!(async { answered.await.expect("the sender outlives the call") });
        let mut call = pin!(within(clock, Some(begun + TIMEOUT), call));
        assert_eq!(call.as_mut().now_or_never(), None, "the time-out has begun");
        tokio::time::advance(Duration::from_secs(stopped)).await;
        let service = async {
            let Some(seconds) = answer_after else { return Some(answer) };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            answer.send(7).expect("the call is still there");
            None
        };
        let (answer, _) = tokio::join!(call, service);
        let lasted = (clock.instant() - begun).as_secs();
        assert_eq!((answer, lasted), expected, "stopped for {stopped} s");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_before_the_time_out_is_taken() {
        check(0, Some(9), (Some(7), 9)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_given_up_at_its_time_out() {
        check(0, None, (None, 10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_arrived_while_the_process_was_stopped_is_read() {
        check(600, Some(0), (Some(7), 600)).await;
        check(600, Some(4), (Some(7), 604)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_process_waits_at_most_five_seconds_more() {
        check(600, None, (None, 605)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_out_that_fires_a_little_late_still_counts() {
        check(10, None, (None, 10)).await;
    }
}
