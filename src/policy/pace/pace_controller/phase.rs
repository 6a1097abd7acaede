//! What the controller is about, and the measures that several of its decisions share.

use crate::policy::pace::limit_trial::Trial;
use std::time::Instant;

/// The share of the limit at which the pace rests.
pub(super) const RESTING: f64 = 0.995;
/// How long the pace rests at most before it looks above the limit, in seconds.
pub(super) const LONGEST_REST: f64 = 3.0;
/// A throttled call so far above the limit shows that the pace grew too far.
pub(super) const TOO_FAR: f64 = 1.1;
/// By what factor a fast search grows, instead of doubling: a step too far costs more.
pub(super) const SEARCH_FACTOR: f64 = 1.6;
/// How far above a level a pace is at most that is still near it.
pub(super) const NEAR: f64 = 1.03;
/// The first step towards a limit that is only roughly known, as a share of it.
pub(super) const NEAR_STEP: f64 = 0.008;
/// How many calls on the wire show what throttles them.
pub(super) const ENOUGH_ON_THE_WIRE: f64 = 4.0;
/// How many seconds show at which pace a call was throttled.
pub(super) const SHORT: f64 = 0.1;

#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    /// No limit is known.
    Open { since: Instant, was_served: bool },
    /// A call was throttled: nothing is sent until the answers to those on the wire are there. Where these are
    /// too few, some more go out first.
    Listening(Listening),
    /// Calls were throttled: by a limit, or by chance?
    Trying(Trial),
    /// The service asked the run to hold; calls on the wire then show the throttled share.
    Held { since: Instant, until: Instant },
    /// Nothing is accepted: one call at a time asks whether that has changed.
    Exhausted { since: Instant, interval: f64, next: Instant },
    /// At the limit.
    Resting(Rest),
    /// Above the limit, or on the way to one that is roughly known.
    Growing(Growth),
    /// The same where the service asks for holds: a step too far costs one.
    Climbing(Climb),
}

/// What is to be decided when the calls on the wire are answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listening {
    /// When the first throttled call was sent.
    pub(super) since: Instant,
    pub(super) until: Instant,
    /// What was accepted in the second before it.
    pub(super) accepted: f64,
    pub(super) met: Met,
}

/// Where the pace was when it met a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// At its ceiling.
    AtCeiling,
    /// On the way up, far above any limit that was known.
    Growing,
    /// The same with so few calls on the wire that some more are sent.
    SendingOn,
    /// The same after some more were sent.
    SentOn,
    /// At a limit that was roughly known.
    AtRest,
    /// In a window that is full.
    Window,
    /// Near the first limit of a run, which is known badly.
    FirstLimit,
}

/// A question whether the service accepts more in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    /// The pace that holds again afterwards.
    pub(super) pace: f64,
    /// When the window began.
    pub(super) begun: Instant,
}

/// A second window that is filled as fast as the first one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling {
    /// The pace at which it takes as long to fill it as the first one lasted at most.
    pub(super) pace: f64,
    /// The limit if the first window was a whole one.
    pub(super) shown: f64,
}

/// A rest at the limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    pub(super) since: Instant,
    pub(super) until: Instant,
    /// How often the pace was lowered meanwhile.
    pub(super) lowered: u32,
    /// Whether it follows single calls that came after a pace that was much higher.
    pub(super) may_slide: bool,
}

/// The way up: how large the steps are, and when the last one was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    pub(super) since: Instant,
    pub(super) is_rough: bool,
    pub(super) step: f64,
    pub(super) grown: Instant,
    /// Up to which of the levels above the limit the service was asked.
    pub(super) asked: usize,
}

/// A way up in even steps: each lasts for long enough to show whether it is accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Climb {
    /// When the last step was, and how many seconds it lasts.
    pub(super) grown: Instant,
    pub(super) every: f64,
    /// How large it is, as a share of the pace, and by what factor the next one is larger.
    pub(super) step: f64,
    pub(super) grows: f64,
    /// The level before it.
    pub(super) from: f64,
}

impl Climb {
    /// To a limit that calls on the wire have shown badly.
    pub(super) fn to_limit(now: Instant) -> Self {
        Self { grown: now, every: 0.1, step: 0.05, grows: 1.0, from: 0.0 }
    }

    /// From a limit that may have risen: a window of a second shows each step.
    pub(super) fn from_limit(from: f64, now: Instant) -> Self {
        Self { grown: now, every: 1.05, step: 0.02, grows: 2.0, from }
    }
}
