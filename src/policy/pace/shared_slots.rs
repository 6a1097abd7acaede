//! Sending slots that several senders of one limit share, and how one sender uses them.
//!
//! A source reserves slots on one timeline, an interval apart over all senders. A slot is used at
//! its time or a little later, and given up after that. So a window W holds at most
//! ⌈(W + lateness) ÷ interval⌉ sendings, whichever sender joins, leaves or dies; [`SlotSpacing`] chooses the
//! interval such that this is the limit. Slots lie at most [`HORIZON`] ahead: that is all a sender
//! that dies can waste.

use crate::policy::pace::even_spacing::widened;
use crate::task::Rate;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How far ahead slots are reserved.
pub(super) const HORIZON: Duration = Duration::from_millis(100);
/// The shortest time after which a slot is given up, and its share of the window.
const LEAST_LATENESS: Duration = Duration::from_millis(10);
const LATENESS_SHARE: u32 = 100;
/// Which part of the horizon one sender may reserve at once, and by which it asks at random.
const PART: u32 = 4;
/// When a source is asked again that could not be used.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long a source may fail before its senders give it up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// How slots are spaced for a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotSpacing {
    /// The time between two slots.
    pub interval: Duration,
    /// How late a slot may be used.
    pub lateness: Duration,
}

impl SlotSpacing {
    /// Returns the spacing by which no window of the rate holds more than its limit.
    ///
    /// The window is widened as the pacer widens it, because calls that leave evenly do not arrive
    /// evenly.
    pub fn for_rate(rate: Rate) -> Self {
        let lateness = (rate.window / LATENESS_SHARE).max(LEAST_LATENESS);
        let window = widened(rate.window) + lateness;
        let nanos = window.as_nanos().div_ceil(u128::from(rate.limit.get()));
        let interval = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Self { interval, lateness }
    }
}

/// Slots that were reserved, or when to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// So many slots, the first one then, an interval apart.
    Slots {
        /// The time of the first one.
        first: Instant,
        /// How many there are; not 0.
        count: u32,
        /// The time between two of them.
        step: Duration,
    },
    /// All slots up to the horizon are reserved.
    NotBefore(Instant),
}

/// Reserves sending slots on one timeline.
///
/// One home is a process alone ([`ProcessSlots`]), another a file that the processes of a machine
/// share, a database a third.
pub trait SlotSource: Send {
    /// Reserves up to `wanted` slots from `now` on.
    ///
    /// # Errors
    ///
    /// The source cannot be used at present. No slot is reserved then.
    fn reserve(
        &mut self,
        wanted: u32,
        spacing: SlotSpacing,
        now: Instant,
    ) -> Result<Grant, SlotTrouble>;

    /// Keeps all slots free until then, for every sender.
    fn hold(&mut self, until: Instant, now: Instant);

    /// Grants every sender no more than the quota leaves room for, in sendings a second, until its
    /// window is over; nothing is no quota. A source of one process has senders that hear of it.
    fn limit(&mut self, _per_second: Option<f64>, _until: Option<Instant>, _now: Instant) {}
}

/// Why the slots of a source cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SlotTrouble(pub String);

/// The timeline in a number of nanoseconds: the earliest time that is not reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotTimeline {
    /// That time.
    pub free_from: u64,
}

/// A reservation on a timeline, in its nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// So many slots from then on.
    Slots {
        /// The time of the first one.
        first: u64,
        /// How many there are.
        count: u32,
    },
    /// Nothing is free before then.
    NotBefore(u64),
}

impl Reservation {
    /// Returns it as a grant; `at` gives the instant of a time on the timeline.
    pub fn granted(self, spacing: SlotSpacing, at: impl Fn(u64) -> Instant) -> Grant {
        let step = spacing.interval;
        match self {
            Self::Slots { first, count } => Grant::Slots { first: at(first), count, step },
            Self::NotBefore(due) => Grant::NotBefore(at(due)),
        }
    }
}

impl SlotTimeline {
    /// Reserves up to `wanted` slots within the horizon.
    pub fn reserve(&mut self, wanted: u32, spacing: SlotSpacing, now: u64) -> Reservation {
        let (interval, horizon) = (nanos(spacing.interval), nanos(HORIZON));
        let first = self.free_from.max(now);
        if first > now + horizon {
            return Reservation::NotBefore(first - horizon);
        }
        let free = (now + horizon - first) / interval.max(1) + 1;
        let count = u32::try_from(free).unwrap_or(u32::MAX).min(wanted.max(1));
        self.free_from = first.saturating_add(interval.saturating_mul(u64::from(count)));
        Reservation::Slots { first, count }
    }

    /// Reserves nothing before `until` any more.
    pub fn hold(&mut self, until: u64) {
        self.free_from = self.free_from.max(until);
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The slots of one process that shares its limit with nobody.
#[derive(Debug)]
pub struct ProcessSlots {
    start: Instant,
    timeline: SlotTimeline,
}

impl ProcessSlots {
    /// Returns a timeline without a reservation.
    pub fn new(now: Instant) -> Self {
        Self { start: now, timeline: SlotTimeline::default() }
    }
}

impl SlotSource for ProcessSlots {
    fn reserve(
        &mut self,
        wanted: u32,
        spacing: SlotSpacing,
        now: Instant,
    ) -> Result<Grant, SlotTrouble> {
        let passed = nanos(now.saturating_duration_since(self.start));
        let at = |time: u64| self.start + Duration::from_nanos(time);
        Ok(self.timeline.reserve(wanted, spacing, passed).granted(spacing, at))
    }

    fn hold(&mut self, until: Instant, _: Instant) {
        self.timeline.hold(nanos(until.saturating_duration_since(self.start)));
    }
}

/// A source that several parts of a process use.
#[derive(Clone)]
pub struct SharedSlots {
    source: Arc<Mutex<Watched<dyn SlotSource>>>,
    /// The rate that they keep together; by default that of each user.
    total: Option<Rate>,
}

/// A source, and the trouble of the last time that it was asked.
struct Watched<S: ?Sized> {
    trouble: Option<SlotTrouble>,
    source: S,
}

impl SharedSlots {
    /// Shares a source.
    pub fn new(source: impl SlotSource + 'static) -> Self {
        Self { source: Arc::new(Mutex::new(Watched { trouble: None, source })), total: None }
    }

    /// Shares a source between senders that each have a limit of their own, and keep this rate
    /// together.
    pub fn in_total(source: impl SlotSource + 'static, rate: Rate) -> Self {
        Self { total: Some(rate), ..Self::new(source) }
    }

    /// Returns why the source could not be used the last time, if it could not.
    pub fn trouble(&self) -> Option<SlotTrouble> {
        self.lock().trouble.clone()
    }

    fn reserve(
        &self,
        wanted: u32,
        spacing: SlotSpacing,
        now: Instant,
    ) -> Result<Grant, SlotTrouble> {
        let mut watched = self.lock();
        let reserved = watched.source.reserve(wanted, spacing, now);
        watched.trouble = reserved.as_ref().err().cloned();
        reserved
    }

    fn hold(&self, until: Instant, now: Instant) {
        self.lock().source.hold(until, now);
    }

    fn limit(&self, per_second: Option<f64>, until: Option<Instant>, now: Instant) {
        self.lock().source.limit(per_second, until, now);
    }

    fn lock(&self) -> MutexGuard<'_, Watched<dyn SlotSource>> {
        // A source has no state that a panic could leave half changed.
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SharedSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedSlots").finish_non_exhaustive()
    }
}

/// Lets one sender use slots of a source: asks for as many as it has use for, and drops late ones.
#[derive(Debug)]
pub struct SlotGate {
    source: SharedSlots,
    spacing: SlotSpacing,
    granted: VecDeque<Instant>,
    asks_from: Instant,
    /// Since when the source fails.
    failing_since: Option<Instant>,
}

impl SlotGate {
    /// Returns a gate to slots for that rate.
    pub fn new(source: SharedSlots, rate: Rate, now: Instant) -> Self {
        let spacing = SlotSpacing::for_rate(rate);
        Self { source, spacing, granted: VecDeque::new(), asks_from: now, failing_since: None }
    }

    /// Returns a gate to shared slots, if there are any. Without a rate of one's own, the slots alone
    /// say when something may be sent.
    pub fn to(slots: Option<SharedSlots>, rate: Option<Rate>, now: Instant) -> Option<Self> {
        let slots = slots?;
        let rate = slots.total.or(rate).unwrap_or(super::pacer::UNLIMITED);
        Some(Self::new(slots, rate, now))
    }

    /// Spaces slots for another rate of the sender from now on; a rate of all together stays.
    pub fn set_rate(&mut self, rate: Rate) {
        self.spacing = SlotSpacing::for_rate(self.source.total.unwrap_or(rate));
    }

    /// Returns when the next slot can be used, with that many sendings ready; nothing if now.
    ///
    /// `jitter` is drawn evenly from 0 to 1.
    pub fn due(&mut self, ready: usize, now: Instant, jitter: f64) -> Option<Instant> {
        while self.granted.front().is_some_and(|&slot| slot + self.spacing.lateness < now) {
            self.granted.pop_front();
        }
        self.refill(ready, now, jitter);
        if self.granted.is_empty() {
            return Some(self.asks_from);
        }
        self.granted.front().copied().filter(|&slot| slot > now)
    }

    /// Returns the trouble of a source that has failed for so long that it is to be given up.
    pub fn lost(&self, now: Instant) -> Option<SlotTrouble> {
        let failing = now.saturating_duration_since(self.failing_since?);
        self.source.trouble().filter(|_| failing >= GIVE_UP_AFTER)
    }

    /// Uses the slot that is due.
    pub fn take(&mut self) {
        self.granted.pop_front();
    }

    /// Keeps all slots free until then, for every sender of the same limit.
    pub fn hold(&mut self, until: Instant, now: Instant) {
        self.granted.clear();
        // Senders with limits of their own are not throttled with this one.
        if self.source.total.is_none() {
            self.source.hold(until, now);
        }
    }

    /// Tells every sender of the same limit what a quota leaves room for.
    pub fn limit(&mut self, per_second: Option<f64>, until: Option<Instant>, now: Instant) {
        if self.source.total.is_none() {
            self.source.limit(per_second, until, now);
        }
    }

    /// Reserves slots in time, as far as there is use for them.
    fn refill(&mut self, ready: usize, now: Instant, jitter: f64) {
        let part = HORIZON.as_nanos() / u128::from(PART) / self.spacing.interval.as_nanos().max(1);
        let wanted = usize::try_from(part).unwrap_or(usize::MAX).max(1).min(ready);
        let missing = wanted.saturating_sub(self.granted.len());
        if now < self.asks_from || missing == 0 {
            return;
        }
        let spacing = self.spacing;
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        // Senders ask at random moments. Were they to ask in the same order each time, the last of
        // them would starve. It costs nothing, because the slots in question lie ahead.
        let scatter = |span: Duration| span.mul_f64(jitter);
        let reserved = self.source.reserve(missing, spacing, now);
        self.failing_since = reserved.is_err().then(|| self.failing_since.unwrap_or(now));
        match reserved {
            Ok(Grant::Slots { first, count, step }) => {
                self.granted.extend((0..count).map(|number| first + step * number));
                // Counted from the slot: whoever asked again when it uses one would always be
                // before those who wait, because that is the moment from which they may ask. Over
                // no more than what was granted, or a sender with few calls ready would idle.
                let granted = step.saturating_mul(count);
                self.asks_from = first.max(now) + scatter(granted.min(HORIZON / PART));
            }
            Ok(Grant::NotBefore(due)) => self.asks_from = due + scatter(HORIZON / PART),
            Err(_) => self.asks_from = now + AGAIN_AFTER,
        }
    }
}

#[cfg(test)]
#[path = "shared_slots_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "shared_slots_steps_tests.rs"]
mod steps;
