//! One HTTP exchange, from the moment its bytes may leave until its answer is there.

use super::Claim;
use crate::api::TaskApi;
use crate::clock::Clock;
use crate::clock::Instant;
use crate::event::AttemptSeq;
use crate::policy::Answer;
use crate::policy::Delivery;
use crate::policy::Generation;
use crate::policy::NoResponse;
use crate::task::FailureKind;
use futures::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// A time-out that fires later than this was not slept through: the process stood still.
const LATE: Duration = Duration::from_millis(500);
/// How long an answer that arrived while the process stood still may take to be read.
const GRACE: Duration = Duration::from_secs(5);

/// An attempt that was admitted.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) claim: Claim,
    pub(super) seq: AttemptSeq,
}

/// An attempt that came to its end.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) attempt: Attempt,
    pub(super) answer: Answer,
    /// The credentials that the call was sent with.
    pub(super) used: Generation,
    pub(super) sent: Instant,
    pub(super) ended: Instant,
}

/// Sends one attempt and waits for its answer; a panic in the call is an answer, too.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice, call by call")]
pub(super) fn send<A: TaskApi>(
    api: &A,
    clock: Clock,
    timeout: Duration,
    attempt: Attempt,
) -> impl Future<Output = Completion> {
    async move {
        let sent = clock.instant();
        let task = Arc::clone(&attempt.claim.task);
        // The call takes its credentials when it is first polled, and that is now.
        let used = api.authority().generation();
        let call = pin!(AssertUnwindSafe(async { api.call(task).await }).catch_unwind());
        let answer = match within(clock, sent.checked_add(timeout), call).await {
            Some(Ok(answer)) => answer,
            Some(Err(panic)) => Answer::Panicked(panic_message(panic.as_ref())),
            None => timed_out(timeout),
        };
        Completion { attempt, answer, used, sent, ended: clock.instant() }
    }
}

/// Awaits `future`, but no longer than to the deadline, if there is one, in time in which this
/// process ran.
///
/// A process that was stopped (SIGSTOP, a suspended laptop) finds all its time-outs over when it
/// goes on, and answers in its socket buffers. They are read before anything is given up.
///
/// The future stays where it is: a copy of it would make every attempt twice as large.
async fn within<F: Future>(
    clock: Clock,
    deadline: Option<Instant>,
    mut future: Pin<&mut F>,
) -> Option<F::Output> {
    let Some(mut deadline) = deadline else {
        return Some(future.await);
    };
    loop {
        match tokio::time::timeout_at(deadline, future.as_mut()).await {
            Ok(output) => return Some(output),
            Err(_) if clock.instant() > deadline + LATE => deadline = clock.instant() + GRACE,
            Err(_) => return None,
        }
    }
}

fn timed_out(timeout: Duration) -> Answer {
    Answer::NoResponse(NoResponse {
        kind: FailureKind::Timeout,
        delivery: Delivery::Possible,
        message: format!("no answer within {timeout:?}"),
    })
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

    /// Carries out a call under a time-out, and stands still for `stopped` before it is over.
    ///
    /// Then the answer comes, if it does, after so many seconds more.
    async fn check(stopped: u64, answer_after: Option<u64>, expected: (Option<u8>, u64)) {
        let clock = Clock::start();
        let begun = clock.instant();
        let (answer, answered) = oneshot::channel();
        let call = pin!(async { answered.await.expect("an answer, or none for ever") });
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
    async fn an_answer_in_time_is_taken() {
        check(0, Some(9), (Some(7), 9)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_given_up_when_its_time_is_over() {
        check(0, None, (None, 10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_waits_while_the_process_stood_still_is_read() {
        check(600, Some(0), (Some(7), 600)).await;
        check(600, Some(4), (Some(7), 604)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stood_still_waits_five_seconds_more_and_no_longer() {
        check(600, None, (None, 605)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_out_that_is_noticed_a_little_late_is_one() {
        check(10, None, (None, 10)).await;
    }
}
