//! One HTTP exchange, from the moment its bytes may leave until its answer is there.

use super::Claim;
use crate::api::TaskApi;
use crate::clock::Clock;
use crate::clock::Instant;
use crate::event::AttemptSeq;
use crate::policy::Answer;
use crate::policy::Delivery;
use crate::policy::NoResponse;
use crate::task::FailureKind;
use futures::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// A time-out that fires later than this was not slept through: the process stood still.
const LATE: Duration = Duration::from_millis(500);
/// How long an answer that arrived while the process stood still may take to be read.
const GRACE: Duration = Duration::from_secs(5);

/// An attempt that was admitted.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) claim: Claim,
    pub(super) seq: AttemptSeq,
}

/// An attempt that came to its end.
#[derive(Debug)]
pub(super) struct Landing {
    pub(super) flight: Flight,
    pub(super) answer: Answer,
    pub(super) sent: Instant,
    pub(super) ended: Instant,
}

/// Sends one attempt and waits for its answer; a panic in the call is an answer, too.
pub(super) async fn send<A: TaskApi>(
    api: &A,
    clock: Clock,
    timeout: Duration,
    flight: Flight,
) -> Landing {
    let sent = clock.instant();
    let task = Arc::clone(&flight.claim.task);
    let call = AssertUnwindSafe(async { api.call(task).await }).catch_unwind();
    let answer = match within(clock, timeout, call).await {
        Some(Ok(answer)) => answer,
        Some(Err(panic)) => Answer::Panicked(panic_message(panic.as_ref())),
        None => timed_out(timeout),
    };
    Landing { flight, answer, sent, ended: clock.instant() }
}

/// Awaits `future`, but no longer than `timeout` of time in which this process ran.
///
/// A process that was stopped (SIGSTOP, a suspended laptop) finds all its time-outs over when it
/// goes on, and answers in its socket buffers. They are read before anything is given up.
async fn within<F: Future>(clock: Clock, timeout: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut deadline = clock.instant() + timeout;
    loop {
        match tokio::time::timeout_at(deadline, &mut future).await {
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
