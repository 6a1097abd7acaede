//! Walks through the list: requests pages as the pacer allows, and passes them on.
//!
//! The second loop of the library, beside the dispatcher's. It is sequential, so it needs neither
//! slots nor a breaker. Dropping a walk ends it; the pages passed on so far stay valid.

use super::pages::{Gap, Next, Pages};
use crate::api::{Listed, Listing, Page, TaskApi};
use crate::clock::{Clock, Instant, Timestamp};
use crate::policy::{
    Admission, Answer, AttemptHistory, Decision, HintedPace, NoResponse, OnDoubt, Pacer, RateHint,
    RetryPolicy, SharedSlots, SlotGate, SlotTrouble, Verdict, classify_read,
};
use crate::task::{Failure, FailureKind, Rate, TaskId};
use std::num::{NonZeroU32, NonZeroUsize};
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

    /// Returns the tasks that are searched for, where the service has to be asked for each.
    fn wanted(&self) -> Vec<TaskId> {
        Vec::new()
    }

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
    /// The time for which every request may be throttled, and the longest wait that an answer may
    /// ask for, before the walk ends.
    pub throttle_timeout: Duration,
    /// How many requests may be on the wire at a time, where the service is asked for each task.
    pub at_a_time: NonZeroUsize,
}

/// What follows after an answer that is no page.
pub(super) enum AfterAnswer {
    /// The request is made again after this wait.
    Again(Duration),
    /// The credentials are renewed, and the request is made again.
    Renew(Failure),
    /// The request is not made again.
    GiveUp(Gap),
}

/// Walks through the list, at the rate that all requests of the run share.
pub struct Walker<'a, A> {
    pub(super) api: &'a A,
    pub(super) settings: WalkerSettings,
    pacer: Pacer,
    group: Option<SlotGate>,
    pub(super) clock: Clock,
    jitter: fastrand::Rng,
    sent: Vec<Timestamp>,
    /// Since when every request has been throttled.
    throttled_since: Option<Instant>,
    /// The pace that pages left room for.
    hinted: HintedPace,
    /// What the last answer said that asked for a wait.
    held_for: Option<Failure>,
    /// No wait that the service asks for may last longer.
    latest: Option<Instant>,
    /// No page is asked for from then on.
    asks_until: Option<Instant>,
    /// Whether the pacer has admitted a request that has not left.
    is_admitted: bool,
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
            throttled_since: None,
            hinted: HintedPace::default(),
            held_for: None,
            latest: None,
            asks_until: None,
            is_admitted: false,
        }
    }

    /// Lets the walker share the slots of a rate group, if there are any.
    #[must_use]
    pub fn sharing(mut self, slots: Option<SharedSlots>) -> Self {
        self.group = SlotGate::to(slots, self.settings.rate, self.clock.instant().into());
        self
    }

    /// Ends walks from now on rather than wait for the service beyond that instant.
    pub fn wait_until_at_most(&mut self, latest: Option<Instant>) {
        self.latest = latest;
    }

    /// Asks for no page from that instant on. A request on the wire still gets its answer: a service
    /// must not be asked for two pages at a time.
    pub fn ask_until(&mut self, until: Option<Instant>) {
        self.asks_until = until;
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
        listing: &Listing,
        notes: &mut N,
    ) -> Result<WalkEnd, N::Error> {
        let mut pages = Pages::of(listing);
        let mut number = 1;
        loop {
            let page = match self.page(listing, number, notes).await? {
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
        listing: &Listing,
        number: u32,
        notes: &mut N,
    ) -> Result<Result<Page, Gap>, N::Error> {
        let mut history = AttemptHistory::default();
        loop {
            if let Some(failure) = self.held_too_long() {
                return Ok(Err(Gap::Unread(failure)));
            }
            if let Err(gap) = self.await_turn(notes).await? {
                return Ok(Err(gap));
            }
            // Read before the request: `renew` must know which credentials were refused.
            let generation = self.api.authority().generation();
            let answer = match self.ask(listing, number).await {
                Listed::Page(page) => {
                    let left = pages_behind(listing, &page, number);
                    self.take_page(&page, left);
                    return Ok(Ok(page));
                }
                Listed::Answer(answer) => answer,
            };
            match self.after_answer(&answer, &mut history) {
                AfterAnswer::Again(after) => sleep(after).await,
                AfterAnswer::Renew(failure) => {
                    if self.api.authority().renew(generation).await.is_err() {
                        return Ok(Err(Gap::Unauthorised(failure)));
                    }
                }
                AfterAnswer::GiveUp(gap) => return Ok(Err(gap)),
            }
        }
    }

    /// Takes note of a page, and of how many are behind it.
    pub(super) fn take_page(&mut self, page: &Page, left: u64) {
        (self.throttled_since, self.held_for) = (None, None);
        self.obey(page.retry_after, page.rate_hint.as_deref(), left);
    }

    /// Decides what follows after an answer that is no page.
    pub(super) fn after_answer(
        &mut self,
        answer: &Answer,
        history: &mut AttemptHistory,
    ) -> AfterAnswer {
        // `Retry` whatever `--on-doubt` says: reading twice changes nothing.
        let policy =
            RetryPolicy { max_attempts: self.settings.max_attempts, on_doubt: OnDoubt::Retry };
        let finding = classify_read(answer);
        let failure = finding.failure.unwrap_or_else(|| Failure::seen(FailureKind::Body, ""));
        *history = history.after(finding.verdict);
        let decision = policy.decide(finding.verdict, *history, self.jitter.f64());
        self.take_note(finding.verdict, decision, answer, &failure);
        match decision {
            Decision::Wait { after } if self.is_too_late(self.clock.instant() + after) => {
                AfterAnswer::GiveUp(Gap::Unread(failure))
            }
            Decision::SendAgain { after } | Decision::Wait { after } => AfterAnswer::Again(after),
            Decision::HoldRun { .. } => AfterAnswer::Again(Duration::ZERO),
            Decision::Settle(_) | Decision::StopRun => AfterAnswer::GiveUp(Gap::Unread(failure)),
            // Renewed credentials that are refused at once would be refused again.
            Decision::Reauthorise if history.refusals > 1 => {
                AfterAnswer::GiveUp(Gap::Unauthorised(failure))
            }
            Decision::Reauthorise => AfterAnswer::Renew(failure),
        }
    }

    /// Takes note of what an answer asks for: a wait of its own holds the next request, too.
    fn take_note(&mut self, verdict: Verdict, decision: Decision, answer: &Answer, seen: &Failure) {
        let now = self.clock.instant();
        let is_throttled = matches!(verdict, Verdict::Throttled { .. });
        self.throttled_since = self.throttled_since.or(Some(now)).filter(|_| is_throttled);
        if is_throttled {
            self.held_for = Some(seen.clone());
        }
        let asked = match decision {
            Decision::HoldRun { wait } => Some(wait),
            _ => answer.retry_after(),
        };
        let Some(asked) = asked else { return };
        let until = now.checked_add(asked).unwrap_or(now);
        // The pacer holds, and `await_turn` waits for it: one place waits for everything.
        self.pacer.hold(until.into());
        self.held_for = Some(seen.clone());
        if let (true, Some(group)) = (is_throttled, &mut self.group) {
            group.hold(until.into(), now.into());
        }
    }

    /// Lets the next request wait as a page that was served asks for it, for as many more pages.
    fn obey(&mut self, asked: Option<Duration>, hint: Option<&RateHint>, left: u64) {
        let now = self.clock.instant();
        let of_quota = hint.and_then(|hint| self.hinted.hear(*hint, left, now.into()));
        // A walk asks for one page at a time, so a wait after each of them is a pace.
        let of_pace = self.hinted.per_second(now.into()).map(|pace| 1.0 / pace);
        let of_pace = of_pace.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let Some(wait) = [asked, of_quota, of_pace].into_iter().flatten().max() else { return };
        self.pacer.hold(now.checked_add(wait).unwrap_or(now).into());
        if asked.or(of_quota).is_some() {
            let said = "an answer with states asks for a wait, or says that the quota is used up";
            self.held_for = Some(Failure::seen(FailureKind::Throttled, said));
        }
    }

    /// Returns the answer that asks for a longer wait than the walk may make, if there is one.
    pub(super) fn held_too_long(&self) -> Option<Failure> {
        let held = self.pacer.held_until(self.clock.instant().into())?;
        self.held_for.clone().filter(|_| self.is_too_late(held.into()))
    }

    /// Returns whether to wait until then takes more patience than the walk has.
    fn is_too_late(&self, until: Instant) -> bool {
        let since = self.throttled_since.unwrap_or_else(|| self.clock.instant());
        let end = since.checked_add(self.settings.throttle_timeout);
        end.into_iter().chain(self.latest).min().is_some_and(|end| until > end)
    }

    /// Waits until one more request may leave, and makes its start durable.
    pub(super) async fn await_turn<N: PageSink>(
        &mut self,
        notes: &mut N,
    ) -> Result<Result<(), Gap>, N::Error> {
        // A walk that was dropped may have left one behind.
        if std::mem::take(&mut self.is_admitted) {
            self.pacer.withdraw();
        }
        // The same two gates as the dispatcher's: one spreads requests, the other is exact at the
        // moment of leaving, because the commit between them takes an unknown time.
        let asks_until = self.asks_until;
        let is_over = |at: Instant| asks_until.is_some_and(|until| at >= until);
        if is_over(self.clock.instant()) {
            return Ok(Err(Gap::OutOfTime));
        }
        while let Admission::NotBefore(due) = self.pacer.admit(self.clock.instant().into()) {
            if is_over(due.into()) {
                return Ok(Err(Gap::OutOfTime));
            }
            sleep_until(due.into()).await;
        }
        self.is_admitted = true;
        let leaves = self.pacer.earliest_release(self.clock.instant().into());
        notes.request(self.clock.label(leaves.into())).await?;
        // The commit takes an unknown time, too. What is recorded and does not leave costs a place in
        // the window, and no more.
        while !is_over(self.clock.instant()) {
            let due = match self.slot_due() {
                Ok(due) => due,
                Err(trouble) => return Ok(Err(Gap::NoSlots(trouble))),
            };
            // Both at one moment: a slot that waited for the pacer would be used too late.
            let due = due.map_or_else(
                || self.pacer.release(self.clock.instant().into()),
                |due| Admission::NotBefore(due.into_std()),
            );
            match due {
                Admission::NotBefore(due) if is_over(due.into()) => break,
                Admission::NotBefore(due) => sleep_until(due.into()).await,
                Admission::Now | Admission::AfterRelease => {
                    self.is_admitted = false;
                    return Ok(Ok(()));
                }
            }
        }
        Ok(Err(Gap::OutOfTime))
    }

    /// Returns when a slot of the group is due, if none is now.
    fn slot_due(&mut self) -> Result<Option<Instant>, SlotTrouble> {
        let Some(group) = &mut self.group else { return Ok(None) };
        let now = self.clock.instant().into();
        let due = group.due(1, now, self.jitter.f64());
        match group.lost(now).filter(|_| due.is_some()) {
            Some(trouble) => Err(trouble),
            None => Ok(due.map(Instant::from_std)),
        }
    }

    async fn ask(&mut self, listing: &Listing, number: u32) -> Listed {
        let mut call = pin!(timeout(self.settings.timeout, self.api.list(listing, number)));
        // The first poll sends. The time is taken right after it, so that no stall of the process
        // comes between the request and the time for which it counts.
        let first = futures::poll!(call.as_mut());
        self.note_sent();
        let answered = match first {
            Poll::Ready(answered) => answered,
            Poll::Pending => call.await,
        };
        answered.unwrap_or_else(|_| {
            let answer = NoResponse::timed_out(self.settings.timeout);
            Listed::Answer(Answer::NoResponse(answer))
        })
    }

    /// Takes note that a request has left just now.
    pub(super) fn note_sent(&mut self) {
        let now = self.clock.instant();
        self.pacer.left_by(now.into());
        if let Some(group) = &mut self.group {
            group.take();
        }
        self.sent.push(self.clock.label(now));
    }
}

/// Returns how many pages there are behind one, or more than any list has if that is not said.
fn pages_behind(listing: &Listing, page: &Page, number: u32) -> u64 {
    let pages = page.total.map(|total| total.div_ceil(listing.page_size() as u64));
    pages.map_or(u64::MAX, |pages| pages.saturating_sub(number.into()))
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
