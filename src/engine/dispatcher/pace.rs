//! The rate in force: what the operator allows or a search has found, as far as the ramp has grown
//! and the service's hints leave room.
//!
//! Invariant: it is never above the operator's. It changes only when one of its parts does; the
//! pacer holds it and is told so at once. What keeps the rate from being used (a hold, an outage,
//! the ramp, a hint, too few slots) keeps the search from raising it: that counts what was sent.

use super::Dispatcher;
use crate::clock::Instant;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::engine::ledger::Ledger;
use crate::engine::settings::EngineSettings;
use crate::event::EventKind;
use crate::policy::AdaptiveRate;
use crate::policy::Answer;
use crate::policy::HintedPace;
use crate::policy::Ramp;
use crate::policy::RateHint;
use crate::policy::Verdict;
use crate::policy::rate_per_second;
use crate::task::Rate;
use std::time::Duration;

/// The parts of the rate in force.
pub(super) struct Pace {
    limit: Option<Rate>,
    search: Option<AdaptiveRate>,
    /// What was told last of what the search has learnt.
    told: Option<f64>,
    ramp: Option<Ramp>,
    began: Instant,
    hinted: HintedPace,
    /// The last quota that was told and lowered the pace, in sendings a second.
    quota: Option<f64>,
    /// When a part changes by itself, if one does.
    changes: Option<Instant>,
}

impl Pace {
    pub(super) fn new(settings: &EngineSettings, now: Instant) -> Self {
        Self {
            limit: settings.rate,
            search: settings.auto.map(|auto| AdaptiveRate::new(auto, now.into())),
            told: None,
            ramp: settings.ramp.map(Ramp::new),
            began: now,
            hinted: HintedPace::default(),
            quota: None,
            changes: Some(now),
        }
    }

    /// Returns when the rate in force changes by itself.
    pub(super) fn changes(&self) -> Option<Instant> {
        self.changes
    }

    /// Takes note of a sending of any kind.
    pub(super) fn sent(&mut self, at: Instant) {
        if let Some(search) = &mut self.search {
            search.sent(at.into());
        }
    }

    /// Takes note of what the answer to a call meant that was sent then.
    pub(super) fn completed(&mut self, verdict: Verdict, sent: Instant) {
        if let (Some(search), Verdict::Throttled { .. }) = (&mut self.search, verdict) {
            search.throttled(sent.into());
        }
    }

    /// Returns what is to be told of what the search has learnt, if it is not what was told last.
    fn news(&mut self) -> Option<EventKind> {
        let found = self.search.as_ref()?.learnt();
        // A burst may be served beyond a quota of a minute or an hour: what was told is lower.
        let per_second = found.into_iter().chain(self.quota).reduce(f64::min);
        let is_new = per_second != self.told;
        self.told = per_second;
        is_new.then_some(EventKind::RateLearnt { per_second })
    }

    /// Takes note of a hint, and returns for how long the run shall hold, if at all.
    fn hear(&mut self, hint: RateHint, to_send: u64, now: Instant) -> Option<Duration> {
        let wait = self.hinted.hear(hint, to_send, now.into());
        let lasting = self.hinted.until(now.into()).is_none();
        let quota = self.hinted.per_second(now.into()).filter(|_| lasting);
        self.quota = quota.or(self.quota);
        wait
    }

    fn rate(&self, now: Instant) -> Option<Rate> {
        let share = self.ramp.map_or(1.0, |ramp| ramp.share(now - self.began));
        match (self.allowed(), self.hinted.per_second(now.into())) {
            (None, hinted) => hinted.map(rate_per_second),
            (Some(limit), Some(hinted)) if hinted < limit.per_second() => {
                Some(rate_per_second(hinted * share))
            }
            (Some(limit), _) => Some(stretched(limit, share)),
        }
    }

    /// Returns what the operator allows, or what was found below it.
    fn allowed(&self) -> Option<Rate> {
        let found = self.search.as_ref().map(AdaptiveRate::per_second);
        match (self.limit, found) {
            (Some(limit), Some(found)) if found >= limit.per_second() => Some(limit),
            (limit, None) => limit,
            (_, Some(found)) => Some(rate_per_second(found)),
        }
    }

    fn next_change(&self, now: Instant) -> Option<Instant> {
        let step = self.ramp.and_then(|ramp| ramp.next_step(now - self.began));
        let step = step.and_then(|step| self.began.checked_add(step));
        let over = self.hinted.until(now.into()).map(Instant::from);
        let decision = self.search.as_ref().map(|search| search.next_decision().into());
        step.into_iter().chain(over).chain(decision).min()
    }
}

/// Returns that share of a rate: as many sendings, in a longer window. What a pacer remembers
/// for the one is enough for the other.
fn stretched(limit: Rate, share: f64) -> Rate {
    Rate { window: limit.window.div_f64(share), ..limit }
}

/// What an answer says of the quota, and whether it says by itself how long to wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    hint: RateHint,
    names_wait: bool,
}

impl Heard {
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let Answer::Response(response) = answer else { return None };
        let hint = **response.rate_hint.as_ref()?;
        Some(Self { hint, names_wait: response.retry_after.is_some() })
    }
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Changes the rate in force where one of its parts has changed by itself.
    pub(super) fn keep_pace(&mut self) {
        let now = self.clock.instant();
        if self.pace.changes.is_none_or(|due| now < due) {
            return;
        }
        if let Some(search) = &mut self.pace.search {
            search.decide(now.into());
        }
        self.pace.news().into_iter().for_each(|news| self.emit(news));
        self.set_pace(now);
    }

    /// Replaces the operator's limit; a search for a rate ends with it.
    pub(super) fn limit_rate(&mut self, limit: Option<Rate>) {
        self.pace.limit = limit;
        self.pace.search = None;
        self.set_pace(self.clock.instant());
    }

    /// Tells whether that is the operator's limit already.
    pub(super) fn is_limited_to(&self, limit: Option<Rate>) -> bool {
        self.pace.search.is_none() && self.pace.limit == limit
    }

    /// Takes note of what an answer says of the quota: it only ever lowers the pace.
    pub(super) fn hear_quota(&mut self, heard: Heard) {
        let to_send = self.left_to_send();
        if self.stopping.is_some() || to_send == 0 {
            return;
        }
        let now = self.clock.instant();
        let wait = self.pace.hear(heard.hint, to_send, now);
        self.set_pace(now);
        // Its own word on how long to wait counts more than what its quota leaves to conclude.
        if let Some(wait) = wait.filter(|_| !heard.names_wait) {
            self.hold_run(now + wait);
        }
    }

    fn set_pace(&mut self, now: Instant) {
        let rate = self.pace.rate(now);
        if rate != self.pacer.rate() {
            if self.pacer.rate().is_none() {
                // What was begun ahead would leave later than its record says.
                self.withdraw_all_for_later();
            }
            self.pacer.set_rate(rate, now.into());
        }
        self.pace.changes = self.pace.next_change(now);
    }

    fn left_to_send(&self) -> u64 {
        let on_wire = u64::try_from(self.on_wire.len()).unwrap_or(u64::MAX);
        let settled = self.settled.saturating_add(on_wire);
        self.settings.origin.selected.saturating_sub(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rate: &str, share: f64, expected: (u32, u64)) {
        let stretched = stretched(rate.parse().unwrap(), share);
        let (limit, millis) = expected;
        assert_eq!(stretched.limit.get(), limit, "{rate} {share}");
        assert_eq!(stretched.window, Duration::from_millis(millis), "{rate} {share}");
    }

    #[test]
    fn a_share_of_a_rate_has_the_same_sendings_in_a_longer_window() {
        check("10/s", 1.0, (10, 1_000));
        check("10/s", 0.5, (10, 2_000));
        check("60/m", 0.25, (60, 240_000));
    }
}
