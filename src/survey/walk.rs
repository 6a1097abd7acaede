//! Walks through the list: requests pages as the pacer allows, and passes them on.
//!
//! The second loop of the library, beside the dispatcher's. It is sequential, so it needs neither
//! slots nor a breaker. Dropping a walk ends it; the pages passed on so far stay valid.

use super::pages::{Gap, Next, Pages};
use crate::api::{ListFilter, Listed, Page, TaskApi};
use crate::clock::{Clock, Timestamp};
use crate::policy::{
    Admission, Answer, AttemptHistory, Decision, NoResponse, OnDoubt, Pacer, RetryPolicy,
    SharedSlots, SlotGate, classify_read,
};
use crate::task::{Failure, FailureKind, Rate};
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{sleep, sleep_until, timeout};

/// Makes requests durable, and takes the pages of a walk.
pub trait PageSink {
    /// An error that ends the walk.
    type Error;

    /// Makes durable that a request may leave from that time on.
    fn request(&mut self, leaves: Timestamp) -> impl Future<Output = Result<(), Self::Error>>;

    /// Takes a page, and returns whether more are needed.
    fn page(&mut self, page: Page) -> impl Future<Output = Result<WalkStep, Self::Error>>;
}

/// Whether a walk continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkStep {
    /// More pages are needed.
    More,
    /// All tasks that are searched for were seen.
    Enough,
}

/// The end of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkEnd {
    /// Every task of the list was seen, or every task that was searched for.
    Whole,
    /// A task may have been missed.
    Gap(Gap),
}

/// The settings of a walk.
#[derive(Debug, Clone, Copy)]
pub struct WalkerSettings {
    /// The rate limit, if there is one.
    pub rate: Option<Rate>,
    /// The longest time that one request may take.
    pub timeout: Duration,
    /// The most requests for one page before the walk ends; throttled answers do not count.
    pub max_attempts: NonZeroU32,
}

/// Walks through the list, at the rate that all requests of the run share.
pub struct Walker<'a, A> {
    api: &'a A,
    settings: WalkerSettings,
    pacer: Pacer,
    group: Option<SlotGate>,
    clock: Clock,
    jitter: fastrand::Rng,
    sent: Vec<Timestamp>,
}

impl<'a, A: TaskApi> Walker<'a, A> {
    /// Returns a walker that knows the last sending times before it, the oldest first.
    pub fn new(api: &'a A, settings: WalkerSettings, clock: Clock, sent: &[Timestamp]) -> Self {
        let mut pacer = Pacer::new(settings.rate, clock.instant().into());
        // The rate counts across phases and sessions, so a new pacer must not begin empty.
        let past = sent.iter().filter_map(|&at| clock.past_instant(at));
        past.for_each(|at| pacer.recall(at.into()));
        Self {
            api,
            settings,
            pacer,
            group: None,
            clock,
            jitter: fastrand::Rng::new(),
            sent: Vec::new(),
        }
    }

    /// Lets the walker share the slots of a rate group, if there are any.
    #[must_use]
    pub fn sharing(mut self, slots: Option<SharedSlots>) -> Self {
        let now = self.clock.instant();
        let shared = slots.zip(self.settings.rate);
        self.group = shared.map(|(slots, rate)| SlotGate::new(slots, rate, now.into()));
        self
    }

    /// Takes the times of the requests since the last call, the oldest first.
    pub fn take_sent(&mut self) -> Vec<Timestamp> {
        std::mem::take(&mut self.sent)
    }

    /// Walks through all pages, until there are no more or no more are needed.
    ///
    /// # Errors
    ///
    /// The errors of the sink alone. A list that cannot be read is a gap.
    pub async fn walk<N: PageSink>(
        &mut self,
        filter: &ListFilter,
        notes: &mut N,
    ) -> Result<WalkEnd, N::Error> {
        let mut pages = Pages::default();
        let mut number = 1;
        loop {
            let page = match self.page(filter, number, notes).await? {
                Ok(page) => page,
                Err(gap) => return Ok(WalkEnd::Gap(gap)),
            };
            let next = pages.take(&page);
            if notes.page(page).await? == WalkStep::Enough {
                return Ok(WalkEnd::Whole);
            }
            match next {
                Next::Page(next) => number = next,
                Next::Whole => return Ok(WalkEnd::Whole),
                Next::Gap(gap) => return Ok(WalkEnd::Gap(gap)),
            }
        }
    }

    /// Requests a page as often as the policy allows.
    async fn page<N: PageSink>(
        &mut self,
        filter: &ListFilter,
        number: u32,
        notes: &mut N,
    ) -> Result<Result<Page, Gap>, N::Error> {
        // `Retry` whatever `--on-doubt` says: reading a list twice changes nothing.
        let policy =
            RetryPolicy { max_attempts: self.settings.max_attempts, on_doubt: OnDoubt::Retry };
        let mut history = AttemptHistory::default();
        loop {
            self.await_turn(notes).await?;
            // Read before the request: `renew` must know which credentials were refused.
            let generation = self.api.authority().generation();
            let answer = match self.ask(filter, number).await {
                Listed::Page(page) => return Ok(Ok(page)),
                Listed::Answer(answer) => answer,
            };
            let asked_wait = answer.retry_after().unwrap_or_default();
            let finding = classify_read(&answer);
            let failure = finding.failure.unwrap_or_else(|| Failure::seen(FailureKind::Body, ""));
            history = history.after(finding.verdict);
            match policy.decide(finding.verdict, history, self.jitter.f64()) {
                Decision::SendAgain { after } => sleep(after.max(asked_wait)).await,
                Decision::Wait { after } => sleep(after).await,
                // The pacer holds, and `await_turn` waits for it: one place waits for everything.
                Decision::HoldRun { wait } => {
                    self.pacer.hold((self.clock.instant() + wait).into());
                }
                Decision::Settle(_) | Decision::StopRun => return Ok(Err(Gap::Unread(failure))),
                // Renewed credentials that are refused at once would be refused again.
                Decision::Reauthorise if history.refusals > 1 => {
                    return Ok(Err(Gap::Unauthorised(failure)));
                }
                Decision::Reauthorise => {
                    if self.api.authority().renew(generation).await.is_err() {
                        return Ok(Err(Gap::Unauthorised(failure)));
                    }
                }
            }
        }
    }

    /// Waits until one more request may leave, and makes its start durable.
    async fn await_turn<N: PageSink>(&mut self, notes: &mut N) -> Result<(), N::Error> {
        // The same two gates as the dispatcher's: one spreads requests, the other is exact at the
        // moment of leaving, because the commit between them takes an unknown time.
        while let Admission::NotBefore(due) = self.pacer.admit(self.clock.instant().into()) {
            sleep_until(due.into()).await;
        }
        let leaves = self.pacer.earliest_release(self.clock.instant().into());
        notes.request(self.clock.label(leaves.into())).await?;
        while let Some(group) = &mut self.group
            && let Some(due) = group.due(1, self.clock.instant().into(), self.jitter.f64())
        {
            sleep_until(due.into()).await;
        }
        while let Admission::NotBefore(due) = self.pacer.release(self.clock.instant().into()) {
            sleep_until(due.into()).await;
        }
        Ok(())
    }

    async fn ask(&mut self, filter: &ListFilter, number: u32) -> Listed {
        let mut call = pin!(timeout(self.settings.timeout, self.api.list(filter, number)));
        // The first poll sends. The time is taken right after it, so that no stall of the process
        // comes between the request and the time for which it counts.
        let first = futures::poll!(call.as_mut());
        let now = self.clock.instant();
        self.pacer.left_by(now.into());
        if let Some(group) = &mut self.group {
            group.take();
        }
        self.sent.push(self.clock.label(now));
        let answered = match first {
            Poll::Ready(answered) => answered,
            Poll::Pending => call.await,
        };
        answered.unwrap_or_else(|_| {
            let answer = NoResponse::timed_out(self.settings.timeout);
            Listed::Answer(Answer::NoResponse(answer))
        })
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
