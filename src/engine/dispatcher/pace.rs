//! The rate in force, and the pace below it.
//!
//! The rate is what the operator allows, as far as the ramp has grown and the service's hints leave
//! room; the pacer keeps it exactly. The pace is what the service accepts of it, as the controller
//! finds it. Invariants: neither is ever above the operator's rate. Whatever keeps the rate from being
//! used (a hold, an outage, the ramp, a hint, too few slots) does not raise the pace, because the
//! controller counts what was sent.

use super::Dispatcher;
use super::leases::Supply;
use crate::clock::{Clock, Instant, Timestamp};
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::Ledger;
use crate::engine::settings::EngineSettings;
use crate::event::{EventKind, StopReason};
use crate::policy::{
    Answer, HintedPace, LONGEST_WAIT, Opening, PaceController, PaceStart, PaceWindow, Ramp,
    RateBounds, RateHint, SlotGate, Verdict, rate_per_second,
};
use crate::task::{Rate, ServiceLimit};
use std::num::NonZeroUsize;
use std::time::Duration;

/// How often and from which change on the limit of the service is reported.
const REPORT_PERIOD: Duration = Duration::from_secs(1);
const REPORTED_CHANGE: f64 = 0.02;
/// The microseconds of a day, which has a whole number of any time after which chance is tested again.
const DAY: i64 = 86_400_000_000;

/// The parts of the rate in force and of the pace.
pub(super) struct EffectivePace {
    limit: Option<Rate>,
    controller: PaceController,
    /// Whether the pace is kept by the slots alone.
    is_common: bool,
    /// The limits of the service that were reported last, and when.
    reported: ServiceLimit,
    reported_at: Option<Instant>,
    /// Whether the last hint was a quota without an end.
    is_quota: bool,
    ramp: Option<Ramp>,
    began: Instant,
    hinted: HintedPace,
    /// Since when every call has been throttled, and whether it was more than one.
    throttled: Option<ThrottledCalls>,
    /// When a part changes by itself, if one does.
    changes: Option<Instant>,
}

impl EffectivePace {
    pub(super) fn new(settings: &EngineSettings, clock: &Clock, now: Instant) -> Self {
        Self {
            limit: settings.rate,
            controller: controller(settings.pace, settings.is_pace_common, clock, now),
            is_common: settings.is_pace_common,
            reported: ServiceLimit::default(),
            reported_at: None,
            is_quota: false,
            ramp: settings.ramp.map(Ramp::new),
            began: now,
            hinted: HintedPace::default(),
            throttled: None,
            changes: Some(now),
        }
    }

    /// Returns when the rate or the pace changes by itself.
    pub(super) fn changes(&self) -> Option<Instant> {
        self.changes
    }

    /// Records a sending of any kind.
    pub(super) fn sent(&mut self, at: Instant) {
        self.controller.sent(at.into());
        if self.changes.is_none() {
            self.changes = self.next_change(at);
        }
    }

    /// Records what the answer to a call meant that was sent at `sent`.
    fn completed(&mut self, verdict: Verdict, sent: Instant, now: Instant) {
        self.throttled = match (verdict, self.throttled) {
            (Verdict::Throttled { .. }, None) => {
                Some(ThrottledCalls { since: now, several: false })
            }
            (Verdict::Throttled { .. }, Some(calls)) => {
                Some(ThrottledCalls { several: true, ..calls })
            }
            _ => None,
        };
        match verdict {
            Verdict::Throttled { hold } => match hold.filter(|hold| !hold.is_zero()) {
                Some(hold) => {
                    let until = now.checked_add(hold).unwrap_or(now);
                    self.controller.hold(sent.into(), until.into(), now.into());
                }
                None => self.controller.throttled(sent.into(), now.into()),
            },
            // The call got past every limit, whatever became of it.
            Verdict::Done(_) | Verdict::Refused | Verdict::Transient | Verdict::Unauthorised => {
                self.controller.served(sent.into(), now.into());
            }
            Verdict::NeverLeft | Verdict::ProxyRefused | Verdict::InDoubt | Verdict::Panicked => {
                self.controller.ended(now.into());
            }
        }
    }

    /// Returns the limits that the service sets below those of the operator.
    fn set_by_service(&self, concurrency: NonZeroUsize, now: Instant) -> ServiceLimit {
        let rate = self.limit.map_or(f64::INFINITY, Rate::per_second);
        let hinted = self.hinted.per_second(now.into());
        let found = self.controller.limit();
        let lowest = hinted.into_iter().chain(found.per_second).reduce(f64::min);
        let is_below =
            |&most: &u32| usize::try_from(most).is_ok_and(|most| most < concurrency.get());
        ServiceLimit {
            per_second: lowest.filter(|&lowest| lowest < rate),
            at_a_time: found.at_a_time.filter(is_below),
        }
    }

    /// Returns the event for a limit of the service that differs from the one reported last.
    fn report_limit(&mut self, concurrency: NonZeroUsize, now: Instant) -> Option<EventKind> {
        if self.is_common {
            return None;
        }
        let mut limit = self.set_by_service(concurrency, now);
        if limit.per_second.is_none() && self.is_quota {
            // A quota that is enough for the tasks that are left is still the service's limit.
            limit.per_second = self.reported.per_second;
        }
        let is_rate_known = match (self.reported.per_second, limit.per_second) {
            (Some(before), Some(now)) => (now / before - 1.0).abs() < REPORTED_CHANGE,
            (before, now) => before == now,
        };
        let is_known = is_rate_known && self.reported.at_a_time == limit.at_a_time;
        if is_known || self.reported_at.is_some_and(|at| now - at < REPORT_PERIOD) {
            return None;
        }
        (self.reported, self.reported_at) = (limit, Some(now));
        Some(EventKind::RateLearnt(limit))
    }

    /// Returns the rate in force, without the pace.
    fn rate(&self, now: Instant) -> Option<Rate> {
        let share = self.ramp.map_or(1.0, |ramp| ramp.share(now - self.began));
        match (self.limit, self.hinted.per_second(now.into())) {
            (None, hinted) => hinted.map(rate_per_second),
            (Some(limit), Some(hinted)) if hinted < limit.per_second() => {
                Some(rate_per_second(hinted * share))
            }
            (Some(limit), _) => Some(stretched(limit, share)),
        }
    }

    /// Returns the pace below the rate, and what it counts.
    fn pace(&self, now: Instant) -> Option<(f64, PaceWindow)> {
        let ceiling = self.limit.map_or(f64::INFINITY, Rate::per_second);
        let share = self.ramp.map_or(1.0, |ramp| ramp.share(now - self.began));
        let window =
            if self.controller.is_windowed() { PaceWindow::LastSecond } else { PaceWindow::None };
        let per_second = self.controller.per_second();
        (per_second < ceiling).then_some((per_second * share, window))
    }

    fn next_change(&self, now: Instant) -> Option<Instant> {
        let step = self.ramp.and_then(|ramp| ramp.next_step(now - self.began));
        let step = step.and_then(|step| self.began.checked_add(step));
        let over = self.hinted.until(now.into()).map(Instant::from);
        let decision = self.controller.next_decision().map(Instant::from);
        step.into_iter().chain(over).chain(decision).min()
    }
}

/// Returns a controller of the pace; one that moves nothing if the pace is found elsewhere.
fn controller(start: PaceStart, is_common: bool, clock: &Clock, now: Instant) -> PaceController {
    let mut start = start;
    if is_common {
        start.bounds.least = start.bounds.most;
    }
    // All runs know when the day began, so those of one service test chance at the same times.
    PaceController::new(start, now.into()).testing_since(midnight(clock, now).into())
}

/// Returns when the day began in UTC, or the instant itself if instants do not reach so far.
fn midnight(clock: &Clock, now: Instant) -> Instant {
    let time = clock.label(now);
    let begun = Timestamp::from_micros(time.as_micros().div_euclid(DAY) * DAY);
    now.checked_sub(time.since(begun)).unwrap_or(now)
}

/// A row of throttled calls.
#[derive(Debug, Clone, Copy)]
struct ThrottledCalls {
    since: Instant,
    several: bool,
}

/// Returns a share of a rate: as many sendings, in a longer window. What a pacer remembers for the
/// rate is then enough for its share.
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
    pub(super) fn from_answer(answer: &Answer) -> Option<Self> {
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
    /// Changes rate and pace where one of their parts has changed by itself.
    pub(super) fn keep_pace(&mut self) {
        let now = self.clock.instant();
        if self.pace.changes.is_none_or(|due| now < due) {
            return;
        }
        self.pace.controller.decide(now.into());
        if let Some(limit) = self.pace.report_limit(self.operator.concurrency, now) {
            self.emit(limit);
        }
        self.set_pace(now);
    }

    /// Lets the pace follow what the answer to a call meant.
    pub(super) fn follow_pace(&mut self, verdict: Verdict, sent: Instant, now: Instant) {
        self.pace.completed(verdict, sent, now);
        self.set_pace(now);
    }

    /// Returns how many calls may be on the wire, as far as the service limits that.
    pub(super) fn most_at_a_time(&self) -> usize {
        self.pace.controller.most_at_a_time().unwrap_or(usize::MAX)
    }

    /// Replaces the operator's limit; a search for a rate ends with it. What is known of the
    /// service's limit stays known.
    pub(super) fn limit_rate(&mut self, limit: Option<Rate>) {
        let now = self.clock.instant();
        let most = limit.map_or(f64::INFINITY, Rate::per_second);
        let least = self.settings.pace.bounds.least.min(most);
        let mut learnt = self.pace.controller.limit();
        learnt.per_second = learnt.per_second.filter(|_| !self.pace.controller.is_search());
        let bounds = RateBounds { least, most };
        let start = PaceStart { bounds, opening: Opening::AtCeiling, learnt };
        match (&mut self.group, limit) {
            (Some(group), Some(rate)) => group.set_rate(rate),
            (None, Some(_)) => {
                self.group = SlotGate::to(self.settings.slots.clone(), limit, now.into());
            }
            (Some(_) | None, None) => {}
        }
        self.pace.limit = limit;
        self.pace.controller = controller(start, self.pace.is_common, &self.clock, now);
        self.set_pace(now);
    }

    /// Returns whether that is the operator's limit already.
    pub(super) fn is_limited_to(&self, limit: Option<Rate>) -> bool {
        !self.pace.controller.is_search() && self.pace.limit == limit
    }

    /// Returns when the run ends because every call is throttled until then.
    ///
    /// One call says nothing of the time since: at a slow rate no other may have been sent.
    pub(super) fn throttling_ends(&self) -> Option<Instant> {
        self.longest_hold_end().filter(|_| self.pace.throttled.is_some_and(|calls| calls.several))
    }

    /// Returns the latest end of a hold that the run waits for.
    fn longest_hold_end(&self) -> Option<Instant> {
        // A paused run sends nothing, so it cannot know whether the service accepts calls again.
        if self.stopping.is_some() || self.operator.is_paused() {
            return None;
        }
        self.pace.throttled?.since.checked_add(self.settings.throttle_timeout)
    }

    pub(super) fn check_throttling(&mut self) {
        if self.throttling_ends().is_some_and(|end| self.clock.instant() >= end) {
            self.stop(StopReason::Throttled);
        }
    }

    /// Ends the run at once where the service asks for a longer hold than the run may last: to wait
    /// would only keep a process waiting.
    pub(super) fn check_hold(&mut self) {
        let held = self.pacer.held_until(self.clock.instant().into()).map(Instant::from);
        if held.zip(self.longest_hold_end()).is_some_and(|(held, end)| held > end) {
            self.stop(StopReason::Throttled);
        }
    }

    /// Ends the run where all tasks that are left wait, as the service asked, for longer than it may
    /// last.
    pub(super) fn check_long_waits(&mut self) {
        let others = self.begun() + self.fresh.len() + self.suspects.len();
        if self.stopping.is_some() || others > 0 || self.supply != Supply::Done {
            return;
        }
        let due = self.retry_queue.next_due();
        // The waits of retries are the run's own, and no wish of the service.
        let longest = self.settings.throttle_timeout.max(LONGEST_WAIT);
        let end = self.clock.instant().checked_add(longest);
        if due.zip(end).is_some_and(|(due, end)| due > end) {
            self.stop(StopReason::Throttled);
        }
    }

    /// Begins anew to count how long every call is throttled, after a pause.
    pub(super) fn forget_throttling(&mut self) {
        self.pace.throttled = None;
    }

    /// Takes note of what an answer says of the quota: it only ever lowers the pace.
    pub(super) fn hear_quota(&mut self, heard: Heard) {
        let to_send = self.left_to_send();
        if self.stopping.is_some() || to_send == 0 {
            return;
        }
        let now = self.clock.instant();
        let wait = self.pace.hinted.hear(heard.hint, to_send, now.into());
        let hinted = self.pace.hinted.per_second(now.into());
        self.pace.is_quota |= hinted.is_some();
        let until = self.pace.hinted.until(now.into());
        self.pace.is_quota &= until.is_none();
        if let Some(group) = &mut self.group {
            group.limit(hinted, until, now.into());
        }
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
        let pace = self.pace.pace(now);
        if pace.is_some() && !self.pacer.is_limited() {
            self.withdraw_all_for_later();
        }
        self.pacer.set_pace(pace, now.into());
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
    fn the_day_begins_at_midnight_in_utc() {
        for (seconds, since_midnight) in
            [(0, 0), (5, 5), (86_399, 86_399), (172_803, 3), (-1, 86_399)]
        {
            let clock = Clock::starting_at(Timestamp::from_micros(1_000_000 * seconds));
            let now = clock.instant();
            let since = Duration::from_micros(clock.label(now).as_micros().rem_euclid(DAY) as u64);
            assert_eq!(midnight(&clock, now), now - since);
            assert_eq!(since.as_secs(), since_midnight, "{seconds}");
        }
    }

    #[test]
    fn a_share_of_a_rate_has_the_same_sendings_in_a_longer_window() {
        check("10/s", 1.0, (10, 1_000));
        check("10/s", 0.5, (10, 2_000));
        check("60/m", 0.25, (60, 240_000));
    }
}
