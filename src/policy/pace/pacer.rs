//! Decides when the next sending may go, so that no window holds more than the rate.
//!
//! Two gates. `admit` spreads sendings evenly: GCRA (`governor`), whose small burst lets a late
//! timer catch up but forgets what a longer stall owes. `release` makes the limit exact: it
//! remembers the last sendings and lets no window hold one too many, whatever stalls between
//! admission and sending. It never waits; it answers with an instant. Only the dispatcher asks.
//!
//! The rate may change while the run is under way. What was sent before still counts: every
//! window that ends with a sending holds no more than the limit in force at that sending.

use crate::policy::pace::even_spacing::{EvenSpacing, widened};
use crate::task::Rate;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How long before its window is free a sending may be admitted: what making it durable takes.
const AHEAD: Duration = Duration::from_millis(25);
/// The least number of sendings that is remembered, whatever the rate: a rate that is set later
/// may have a longer window.
pub const REMEMBERED_SENDINGS: u32 = 10_000;
const KEPT: usize = REMEMBERED_SENDINGS as usize;
/// The fewest sendings a second that [`rate_per_second`] gives.
pub(crate) const SLOWEST: f64 = 0.01;

/// The rate at which an unlimited run counts its sendings once it keeps to a pace: beyond reach.
pub(super) const UNLIMITED: Rate = Rate {
    limit: NonZeroU32::new(100_000).expect("100,000 is not zero"),
    window: Duration::from_secs(1),
};

/// What a pace counts besides the time since the last sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceWindow {
    /// Nothing.
    None,
    /// All sendings of the last second.
    LastSecond,
}

/// Whether a sending may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may, and it is counted.
    Now,
    /// Not before then.
    NotBefore(Instant),
    /// Not before one that was admitted has been released or withdrawn.
    AfterRelease,
}

/// Returns the rate of that many sendings a second, which need not be a whole number.
///
/// Its window is a second or a little longer, so that no second holds more than the number
/// rounded up, and the long run holds exactly the number. A hundredth of a sending a second is
/// the least there is.
///
/// ```
/// use batchctl::policy::rate_per_second;
/// use std::time::Duration;
///
/// let rate = rate_per_second(2.5);
/// assert_eq!(rate.limit.get(), 3);
/// assert_eq!(rate.window, Duration::from_millis(1_200));
/// ```
pub fn rate_per_second(per_second: f64) -> Rate {
    let per_second = per_second.max(SLOWEST);
    // A whole number must stay itself, even where the arithmetic before left a trace on it.
    let most = (per_second - 1e-6).ceil().max(1.0);
    let limit = NonZeroU32::new(most as u32).expect("a number of 1 or more is not zero");
    let window = Duration::from_secs_f64((most / per_second).max(1.0));
    Rate { limit, window }
}

/// Holds the rate, and the service's wish that the run waits.
#[derive(Debug)]
pub struct Pacer {
    limit: Option<RateLimit>,
    /// Whether the operator sets no limit, so that only a pace is kept to.
    is_unlimited: bool,
    /// The last sendings for which there was no limit, the oldest first.
    unlimited: VecDeque<Instant>,
    held_until: Option<Instant>,
    /// How many are admitted and not yet released.
    admitted: usize,
}

impl Pacer {
    /// Returns a pacer that knows of no sending yet. Without a rate, only holds delay a sending.
    pub fn new(rate: Option<Rate>, now: Instant) -> Self {
        let limit = rate.map(|rate| RateLimit::new(rate, now));
        Self {
            is_unlimited: rate.is_none(),
            limit,
            unlimited: VecDeque::new(),
            held_until: None,
            admitted: 0,
        }
    }

    /// Returns the rate in force, apart from the pace.
    pub fn rate(&self) -> Option<Rate> {
        self.limit.as_ref().filter(|_| !self.is_unlimited).map(|limit| limit.rate)
    }

    /// Returns whether a rate or a pace spreads the sendings.
    pub fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// Spreads sendings at this pace, a second, below the rate; `None` for the rate alone.
    ///
    /// A pace is kept to from one sending to the next, and what was sent before does not count,
    /// unless it is [`PaceWindow::LastSecond`]: then no second holds more than the pace.
    pub fn set_pace(&mut self, pace: Option<(f64, PaceWindow)>, now: Instant) {
        if self.is_unlimited {
            self.set_rate_in_force(pace.map(|_| UNLIMITED), now);
        }
        if let Some(limit) = &mut self.limit {
            limit.keep_pace(pace, now);
        }
    }

    /// Changes the rate from now on.
    ///
    /// Sendings before it count in the new rate's windows: as many as any rate before it needed,
    /// and at least [`REMEMBERED_SENDINGS`].
    pub fn set_rate(&mut self, rate: Option<Rate>, now: Instant) {
        self.is_unlimited = rate.is_none();
        self.set_rate_in_force(rate, now);
    }

    fn set_rate_in_force(&mut self, rate: Option<Rate>, now: Instant) {
        match (&mut self.limit, rate) {
            (Some(limit), Some(rate)) => limit.change(rate, now),
            (None, Some(rate)) => {
                let sent = std::mem::take(&mut self.unlimited);
                self.limit = Some(RateLimit::after(sent, rate, now));
            }
            (limit, None) => {
                let before = limit.take().map(|limit| limit.sent);
                self.unlimited = before.unwrap_or_else(|| std::mem::take(&mut self.unlimited));
            }
        }
    }

    /// Remembers a sending of an earlier process of the same run; the oldest comes first.
    pub fn recall(&mut self, sent: Instant) {
        match &mut self.limit {
            Some(limit) => limit.remember(sent),
            None => self.remember_unlimited(sent),
        }
    }

    fn remember_unlimited(&mut self, sent: Instant) {
        self.unlimited.push_back(sent);
        while self.unlimited.len() > KEPT {
            self.unlimited.pop_front();
        }
    }

    /// Sends nothing before `until`; a hold that lasts longer stays.
    pub fn hold(&mut self, until: Instant) {
        self.held_until = Some(self.held_until.map_or(until, |held| held.max(until)));
    }

    /// Returns the end of the present hold.
    pub fn held_until(&self, now: Instant) -> Option<Instant> {
        self.held_until.filter(|&until| until > now)
    }

    /// Asks for one more sending; the answer `Now` reserves it until it is released or withdrawn.
    pub fn admit(&mut self, now: Instant) -> Admission {
        if let Some(until) = self.held_until(now) {
            return Admission::NotBefore(until);
        }
        if let (Some(_), Some(limit)) = (self.held_until.take(), &mut self.limit) {
            // What a hold left unused is not made up for: the service has asked for fewer calls.
            limit.respace(now);
        }
        let answer = match &mut self.limit {
            Some(limit) => limit.admit(self.admitted, now),
            None => Admission::Now,
        };
        self.admitted += usize::from(answer == Admission::Now);
        answer
    }

    /// Returns when one that was admitted may leave, if it may not leave now; counts nothing.
    pub fn release_due(&self, now: Instant) -> Option<Instant> {
        let free = self.limit.as_ref().and_then(|limit| limit.free_behind(0));
        self.held_until(now).or_else(|| free.filter(|&free| free > now))
    }

    /// Asks whether one that was admitted may leave now; the answer `Now` counts it as sent.
    pub fn release(&mut self, now: Instant) -> Admission {
        if let Some(due) = self.release_due(now) {
            return Admission::NotBefore(due);
        }
        match &mut self.limit {
            Some(limit) => limit.remember(now),
            None => self.remember_unlimited(now),
        }
        self.admitted = self.admitted.saturating_sub(1);
        Admission::Now
    }

    /// Takes note that the one that was just released had left by `now`: between its release and
    /// its bytes this process may have stood still.
    pub fn left_by(&mut self, now: Instant) {
        let sent = self.limit.as_mut().map_or(&mut self.unlimited, |limit| &mut limit.sent);
        if let Some(last) = sent.back_mut() {
            *last = now.max(*last);
        }
    }

    /// Returns the earliest time at which the one that was just admitted can leave: now, or
    /// when the window has room for it.
    pub fn earliest_release(&self, now: Instant) -> Instant {
        let behind = self.admitted.saturating_sub(1);
        let free = self.limit.as_ref().and_then(|limit| limit.free_behind(behind));
        free.map_or(now, |free| free.max(now))
    }

    /// Takes back one that was admitted and will not be sent.
    pub fn withdraw(&mut self) {
        self.admitted = self.admitted.saturating_sub(1);
        if let Some(limit) = self.limit.as_mut().filter(|limit| limit.sent.is_empty()) {
            // The first sending is still to come, and waits for none.
            limit.is_spacing_used = false;
        }
    }
}

/// A rate, and what its two gates remember.
#[derive(Debug)]
struct RateLimit {
    rate: Rate,
    spacing: EvenSpacing,
    /// What the rate allows.
    allowed: Allowance,
    /// What the pace allows besides, if it has a window.
    paced: Option<Allowance>,
    /// The last `kept` sendings or more, and all that a window of the rate can hold, the oldest
    /// first: the rate may be raised, or get a longer window, before they are old.
    sent: VecDeque<Instant>,
    /// The most sendings in a window of any rate so far. A pace below the rate does not lessen it:
    /// the rate's own window still counts what was sent.
    kept: usize,
    last_admitted: Option<Instant>,
    /// Whether the spacing has let something through that may have left.
    is_spacing_used: bool,
    pace: Option<(f64, PaceWindow)>,
}

/// How many sendings a window may hold.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    most: usize,
    /// A rate's window and a margin: calls that leave evenly do not arrive evenly, and a server
    /// counts arrivals.
    window: Duration,
}

impl Allowance {
    fn for_rate(rate: Rate) -> Self {
        Self { most: most(rate), window: widened(rate.window) }
    }

    /// Returns when the window has room for one more, behind that many that have not been sent.
    fn free_behind(self, others: usize, sent: &VecDeque<Instant>) -> Option<Instant> {
        let index = sent.len().checked_sub(self.most.saturating_sub(others))?;
        sent.get(index).map(|&sent| sent + self.window)
    }
}

impl RateLimit {
    fn new(rate: Rate, now: Instant) -> Self {
        let allowed = Allowance::for_rate(rate);
        Self {
            rate,
            spacing: EvenSpacing::new(rate.limit, allowed.window, now),
            allowed,
            paced: None,
            sent: VecDeque::new(),
            kept: allowed.most.max(KEPT),
            last_admitted: None,
            is_spacing_used: true,
            pace: None,
        }
    }

    /// Returns a limit that counts what was sent before it.
    fn after(sent: VecDeque<Instant>, rate: Rate, now: Instant) -> Self {
        let last = sent.back().copied();
        let mut limit = Self { sent, ..Self::new(rate, now) };
        if let Some(last) = last {
            limit.spacing = EvenSpacing::after(last, rate.limit, limit.allowed.window);
        }
        limit
    }

    fn change(&mut self, rate: Rate, now: Instant) {
        if rate == self.rate {
            return;
        }
        self.rate = rate;
        self.kept = self.kept.max(most(rate));
        self.respace(now);
    }

    fn keep_pace(&mut self, pace: Option<(f64, PaceWindow)>, now: Instant) {
        if pace == self.pace {
            return;
        }
        self.pace = pace;
        self.respace(now);
    }

    /// Sets both gates anew. The pace moves the spacing alone, unless it has a window.
    fn respace(&mut self, now: Instant) {
        let pace = self.pace.filter(|&(pace, _)| pace < self.rate.per_second());
        let spaced = pace.map_or(self.rate, |(pace, _)| rate_per_second(pace));
        self.allowed = Allowance::for_rate(self.rate);
        self.paced = match pace {
            Some((_, PaceWindow::LastSecond)) => {
                Some(Allowance { most: most(spaced), window: spaced.window })
            }
            Some((_, PaceWindow::None)) | None => None,
        };
        // What is sent below the rate is to be what the pace says: the service is measured by it.
        let window = if pace.is_some() { spaced.window } else { widened(spaced.window) };
        let period = window / spaced.limit.get();
        self.spacing = match self.last_admitted.filter(|&last| last + period > now) {
            Some(last) => EvenSpacing::after(last, spaced.limit, window),
            // What a lower pace left unused is not made up for at a higher one.
            None => EvenSpacing::new(spaced.limit, window, now),
        };
    }

    fn admit(&mut self, admitted: usize, now: Instant) -> Admission {
        let most = self.paced.map_or(self.allowed.most, |paced| paced.most.min(self.allowed.most));
        if admitted >= most {
            return Admission::AfterRelease;
        }
        // Were all that are admitted sent now, this one would follow them. Admitted only then, it
        // would leave late by a commit, and the next window's would wait for it in turn: each
        // window would last a commit longer.
        let free = self.free_behind(admitted);
        if let Some(free) = free.filter(|&free| free > now + AHEAD) {
            return Admission::NotBefore(free - AHEAD);
        }
        if !std::mem::replace(&mut self.is_spacing_used, true) && admitted == 0 {
            self.last_admitted = None;
            self.respace(now);
        }
        match self.spacing.check(now) {
            Some(due) => Admission::NotBefore(due),
            None => {
                self.last_admitted = Some(now);
                Admission::Now
            }
        }
    }

    /// Returns when every window has room for one more behind that many that are admitted.
    fn free_behind(&self, admitted: usize) -> Option<Instant> {
        let windows = self.paced.into_iter().chain([self.allowed]);
        windows.filter_map(|window| window.free_behind(admitted, &self.sent)).max()
    }

    fn remember(&mut self, sent: Instant) {
        self.sent.push_back(sent);
        while self.sent.len() > self.kept && self.sent[0] + self.allowed.window <= sent {
            self.sent.pop_front();
        }
    }
}

fn most(rate: Rate) -> usize {
    usize::try_from(rate.limit.get()).expect("a u32 fits a usize")
}

#[cfg(test)]
#[path = "pacer_pace_tests.rs"]
mod pace_tests;
#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
