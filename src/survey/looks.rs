//! Reads states: by a walk through the list, or by a request for each task where there is no list.
//!
//! Looks are many at a time, and follow the rules of a walk otherwise: each start is durable before it
//! leaves, and no window exceeds the rate. What cannot be read leaves a gap, and the rest is read.

use super::pages::Gap;
use super::walk::{AfterAnswer, PageSink, WalkEnd, Walker};
use crate::api::{Listed, Listing, StateLookup, TaskApi};
use crate::clock::Instant;
use crate::policy::{Answer, AttemptHistory, Generation, NoResponse};
use crate::task::TaskId;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::Poll;
use tokio::time::{sleep_until, timeout};

/// After so many tasks in a row whose states cannot be read, no other is asked for.
const MOST_UNREAD: u32 = 5;

/// Reads the states that are searched for, as the service has them read.
///
/// # Errors
///
/// The errors of the sink alone. States that cannot be read are a gap.
pub async fn read_states<A: TaskApi, N: PageSink>(
    walker: &mut Walker<'_, A>,
    listing: &Listing,
    notes: &mut N,
) -> Result<WalkEnd, N::Error> {
    match walker.api.state_access().source {
        StateLookup::List => walker.walk(listing, notes).await,
        StateLookup::EachId => Looks::new(notes.wanted()).carry_out(walker, notes).await,
    }
}

/// One task that is asked for.
struct Look {
    id: TaskId,
    history: AttemptHistory,
    not_before: Option<Instant>,
}

/// A look that was answered.
struct Landed {
    look: Look,
    generation: Generation,
    answer: Listed,
}

impl Landed {
    /// Returns whether nothing that is sent after it depends on it.
    fn asks_for_nothing(&self) -> bool {
        let Listed::Page(page) = &self.answer else { return false };
        page.retry_after.is_none() && page.rate_hint.is_none()
    }
}

type InFlight<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Landed> + 'a>>>;

/// The looks at all tasks.
struct Looks {
    queue: VecDeque<Look>,
    landed: VecDeque<Landed>,
    unread_in_a_row: u32,
    gap: Option<Gap>,
    /// Whether nothing more is asked for.
    is_over: bool,
}

impl Looks {
    fn new(ids: Vec<TaskId>) -> Self {
        let look = |id| Look { id, history: AttemptHistory::default(), not_before: None };
        Self {
            queue: ids.into_iter().map(look).collect(),
            landed: VecDeque::new(),
            unread_in_a_row: 0,
            gap: None,
            is_over: false,
        }
    }

    async fn carry_out<A: TaskApi, N: PageSink>(
        mut self,
        walker: &mut Walker<'_, A>,
        notes: &mut N,
    ) -> Result<WalkEnd, N::Error> {
        let mut in_flight = InFlight::new();
        loop {
            while let Some(landed) = self.landed.pop_front() {
                self.take(landed, walker, notes).await?;
            }
            let now = walker.clock.instant();
            let is_due = |look: &Look| look.not_before.is_none_or(|at| at <= now);
            let due = self.queue.iter().position(is_due).filter(|_| !self.is_over);
            match due {
                Some(index) if in_flight.len() < walker.settings.at_a_time.get() => {
                    let look = self.queue.remove(index).expect("it was found a moment ago");
                    self.send(look, walker, &mut in_flight, notes).await?;
                }
                Some(_) | None if !in_flight.is_empty() => {
                    self.landed.extend(in_flight.next().await);
                }
                Some(_) | None => {
                    let next = self.queue.iter().filter_map(|look| look.not_before).min();
                    match next.filter(|_| !self.is_over) {
                        Some(next) => sleep_until(next).await,
                        None => break,
                    }
                }
            }
        }
        Ok(self.gap.map_or(WalkEnd::Whole, WalkEnd::Gap))
    }

    /// Sends a look when its turn has come. What is on the wire goes on meanwhile.
    async fn send<'a, A: TaskApi, N: PageSink>(
        &mut self,
        look: Look,
        walker: &mut Walker<'a, A>,
        in_flight: &mut InFlight<'a>,
        notes: &mut N,
    ) -> Result<(), N::Error> {
        if let Some(failure) = walker.held_too_long() {
            self.give_up(Gap::Unread(failure));
            return Ok(());
        }
        let turn = {
            let mut turn = pin!(walker.await_turn(notes));
            loop {
                if in_flight.is_empty() {
                    break turn.await;
                }
                tokio::select! {
                    // What came is looked at before anything else leaves.
                    biased;
                    Some(landed) = in_flight.next() => {
                        let is_plain = landed.asks_for_nothing();
                        self.landed.push_back(landed);
                        if !is_plain {
                            // It may ask for a wait, which holds this look as well.
                            self.queue.push_front(look);
                            return Ok(());
                        }
                    }
                    came = &mut turn => break came,
                }
            }
        }?;
        if let Err(gap) = turn {
            self.give_up(gap);
            return Ok(());
        }
        let api = walker.api;
        let (patience, id) = (walker.settings.timeout, look.id.clone());
        // Read before the request: `renew` must know which credentials were refused.
        let generation = api.authority().generation();
        let mut call = Box::pin(async move {
            let answered = timeout(patience, api.look(&id)).await;
            let answer = answered.unwrap_or_else(|_| {
                Listed::Answer(Answer::NoResponse(NoResponse::timed_out(patience)))
            });
            Landed { look, generation, answer }
        });
        // The first poll sends.
        let first = futures::poll!(call.as_mut());
        walker.note_sent();
        match first {
            Poll::Ready(landed) => self.landed.push_back(landed),
            Poll::Pending => in_flight.push(call),
        }
        Ok(())
    }

    async fn take<A: TaskApi, N: PageSink>(
        &mut self,
        landed: Landed,
        walker: &mut Walker<'_, A>,
        notes: &mut N,
    ) -> Result<(), N::Error> {
        let Landed { mut look, generation, answer } = landed;
        let answer = match answer {
            Listed::Page(page) => {
                self.unread_in_a_row = 0;
                let left = self.queue.len() as u64;
                walker.take_page(&page, left);
                notes.page(page).await?;
                return Ok(());
            }
            Listed::Answer(answer) => answer,
        };
        match walker.after_answer(&answer, &mut look.history) {
            AfterAnswer::Again(after) => {
                look.not_before = walker.clock.instant().checked_add(after);
                self.queue.push_back(look);
            }
            AfterAnswer::Renew(failure) => {
                if walker.api.authority().renew(generation).await.is_err() {
                    self.give_up(Gap::Unauthorised(failure));
                }
                self.queue.push_back(look);
            }
            AfterAnswer::GiveUp(gap @ Gap::Unauthorised(_)) => self.give_up(gap),
            AfterAnswer::GiveUp(gap) => {
                self.gap.get_or_insert(gap);
                self.unread_in_a_row += 1;
                self.is_over |= self.unread_in_a_row >= MOST_UNREAD;
            }
        }
        Ok(())
    }

    fn give_up(&mut self, gap: Gap) {
        self.gap = Some(gap);
        self.is_over = true;
    }
}

#[cfg(test)]
#[path = "looks_tests.rs"]
mod tests;
