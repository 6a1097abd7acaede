//! One walk through the list at a time: asks for pages, as the pacer allows, and hands them on.
//!
//! Dropping a walk gives it up; what was handed on until then is all that is known.

use super::pages::Gap;
use super::pages::Next;
use super::pages::Pages;
use crate::api::ListFilter;
use crate::api::Listed;
use crate::api::Page;
use crate::api::TaskApi;
use crate::clock::Clock;
use crate::clock::Timestamp;
use crate::policy::Admission;
use crate::policy::Answer;
use crate::policy::AttemptHistory;
use crate::policy::Decision;
use crate::policy::NoResponse;
use crate::policy::OnDoubt;
use crate::policy::Pacer;
use crate::policy::RetryPolicy;
use crate::policy::classify_read;
use crate::task::Failure;
use crate::task::FailureKind;
use crate::task::Rate;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::sleep;
use tokio::time::sleep_until;
use tokio::time::timeout;

/// Where requests are made durable, and pages go to.
pub trait PageSink {
    /// Why it cannot go on; ends the walk.
    type Error;

    /// Makes durable that a request may leave from then on.
    fn request(&mut self, leaves: Timestamp) -> impl Future<Output = Result<(), Self::Error>>;

    /// Takes a page, and says whether more are wanted.
    fn page(&mut self, page: Page) -> impl Future<Output = Result<WalkStep, Self::Error>>;
}

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkStep {
    /// More pages are wanted.
    More,
    /// Everything that was looked for has been seen.
    Enough,
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkEnd {
    /// Every task of the list was seen, or all that were looked for.
    Whole,
    /// A task may have been missed.
    Gap(Gap),
}

/// How lists are read.
#[derive(Debug, Clone, Copy)]
pub struct WalkerSettings {
    /// The most sendings in a window.
    pub rate: Option<Rate>,
    /// How long one request may take.
    pub timeout: Duration,
    /// How often a page is asked for before the walk is given up; throttled answers do not count.
    pub max_attempts: NonZeroU32,
}

/// Walks through the list, at the rate it shares with all other sendings of the run.
pub struct Walker<'a, A> {
    api: &'a A,
    settings: WalkerSettings,
    pacer: Pacer,
    clock: Clock,
    jitter: fastrand::Rng,
    sent: Vec<Timestamp>,
}

impl<'a, A: TaskApi> Walker<'a, A> {
    /// Returns a walker that knows the last sendings before it, the oldest first.
    pub fn new(api: &'a A, settings: WalkerSettings, clock: Clock, sent: &[Timestamp]) -> Self {
        let mut pacer = Pacer::new(settings.rate, clock.instant().into());
        let past = sent.iter().filter_map(|&at| clock.past_instant(at));
        past.for_each(|at| pacer.recall(at.into()));
        Self { api, settings, pacer, clock, jitter: fastrand::Rng::new(), sent: Vec::new() }
    }

    /// Returns when requests were sent since this was last asked, the oldest first.
    pub fn take_sent(&mut self) -> Vec<Timestamp> {
        std::mem::take(&mut self.sent)
    }

    /// Walks through all pages, until there are no more or no more are wanted.
    ///
    /// # Errors
    ///
    /// Those of the notebook alone; a list that cannot be read is a gap.
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

    /// Asks for a page as often as the policy allows.
    async fn page<N: PageSink>(
        &mut self,
        filter: &ListFilter,
        number: u32,
        notes: &mut N,
    ) -> Result<Result<Page, Gap>, N::Error> {
        let policy =
            RetryPolicy { max_attempts: self.settings.max_attempts, on_doubt: OnDoubt::Retry };
        let mut history = AttemptHistory::default();
        loop {
            self.await_turn(notes).await?;
            let generation = self.api.authority().generation();
            let answer = match self.ask(filter, number).await {
                Listed::Page(page) => return Ok(Ok(page)),
                Listed::Answer(answer) => answer,
            };
            let finding = classify_read(&answer);
            let failure = finding.failure.unwrap_or_else(|| Failure::seen(FailureKind::Body, ""));
            history = history.after(finding.verdict);
            match policy.decide(finding.verdict, history, self.jitter.f64()) {
                Decision::SendAgain { after } => sleep(after).await,
                Decision::HoldRun { wait } => {
                    self.pacer.hold((self.clock.instant() + wait).into());
                }
                Decision::Settle(_) => return Ok(Err(Gap::Unread(failure))),
                // Those that were just renewed and are refused at once are not worth renewing.
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

    /// Waits until one more request may leave, and has that made durable before.
    async fn await_turn<N: PageSink>(&mut self, notes: &mut N) -> Result<(), N::Error> {
        while let Admission::NotBefore(due) = self.pacer.admit(self.clock.instant().into()) {
            sleep_until(due.into()).await;
        }
        let leaves = self.pacer.earliest_release(self.clock.instant().into());
        notes.request(self.clock.label(leaves.into())).await?;
        while let Admission::NotBefore(due) = self.pacer.release(self.clock.instant().into()) {
            sleep_until(due.into()).await;
        }
        Ok(())
    }

    async fn ask(&mut self, filter: &ListFilter, number: u32) -> Listed {
        let mut call = pin!(timeout(self.settings.timeout, self.api.list(filter, number)));
        let first = futures::poll!(call.as_mut());
        let now = self.clock.instant();
        self.pacer.left_by(now.into());
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
