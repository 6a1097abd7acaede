//! Whole runs in simulated time against services that limit calls, with the real controller and pacer.

use crate::policy::{
    Admission, Opening, PaceController, PaceStart, PaceWindow, Pacer, RateBounds, rate_per_second,
};
use crate::task::{Rate, ServiceLimit};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// A way in which a service limits calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Limiter {
    /// So many in each window of that many seconds.
    Fixed(f64),
    /// So many accepted in any window of that many seconds.
    Sliding(f64),
    /// So many in any window, throttled ones included, as Huawei's gateway counts.
    SlidingAll(f64),
    /// Two fixed windows weighted by their overlap with the last second, as CDNs count.
    Weighted,
    /// A bucket that holds the tokens of that many seconds.
    Bucket(f64),
    /// So many calls at the same time, which take longer or shorter by that share.
    Concurrent(usize, f64),
    /// No limit; this share is throttled by chance.
    Chance(f64),
}

/// A service with a limiter.
struct Service {
    limiter: Limiter,
    random: fastrand::Rng,
    offset: f64,
    filled_at: f64,
    tokens: Option<f64>,
    window: f64,
    count: f64,
    previous: f64,
    accepted: VecDeque<f64>,
    /// When the calls that are worked on end.
    ends: Vec<u64>,
}

impl Service {
    fn new(limiter: Limiter, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let offset = random.f64();
        Self {
            limiter,
            random,
            offset,
            filled_at: 0.0,
            tokens: None,
            window: -1.0,
            count: 0.0,
            previous: 0.0,
            accepted: VecDeque::new(),
            ends: Vec::new(),
        }
    }

    fn accepts(&mut self, at: f64, limit: f64) -> bool {
        match self.limiter {
            Limiter::Fixed(span) => {
                self.turn_window((at / span + self.offset).floor());
                self.take(limit * span)
            }
            Limiter::Weighted => {
                self.turn_window((at + self.offset).floor());
                let left = 1.0 - (at + self.offset).fract();
                self.take(limit - self.previous * left)
            }
            Limiter::Sliding(span) => self.slide(at, span, limit, false),
            Limiter::SlidingAll(span) => self.slide(at, span, limit, true),
            Limiter::Bucket(seconds) => {
                let most = (seconds * limit).max(1.0);
                let gained = (at - self.filled_at) * limit;
                let tokens = self.tokens.map_or(most, |tokens| (tokens + gained).min(most));
                self.filled_at = at;
                // Rounding must not cost a token of a bucket that holds only one.
                let accepts = tokens > 0.999_9;
                self.tokens = Some(tokens - f64::from(u8::from(accepts)));
                accepts
            }
            Limiter::Concurrent(most, _) => {
                self.ends.retain(|&end| end > micros(at));
                let most = if most == 0 { limit as usize } else { most };
                self.ends.len() < most
            }
            Limiter::Chance(share) => self.random.f64() >= share,
        }
    }

    fn turn_window(&mut self, window: f64) {
        if window != self.window {
            self.previous = if window == self.window + 1.0 { self.count } else { 0.0 };
            (self.window, self.count) = (window, 0.0);
        }
    }

    fn take(&mut self, limit: f64) -> bool {
        let accepts = self.count < limit;
        self.count += f64::from(u8::from(accepts));
        accepts
    }

    fn slide(&mut self, at: f64, span: f64, limit: f64, counts_all: bool) -> bool {
        while self.accepted.front().is_some_and(|&first| first + span <= at) {
            self.accepted.pop_front();
        }
        let accepts = (self.accepted.len() as f64) < limit * span;
        if accepts || counts_all {
            self.accepted.push_back(at);
        }
        accepts
    }
}

/// One client of the service: a controller and a pacer, asked as the dispatcher asks them.
pub(super) struct Client {
    pub(super) controller: PaceController,
    pacer: Pacer,
    begins: f64,
    on_the_wire: usize,
    pub(super) served: Vec<f64>,
    pub(super) throttled: Vec<f64>,
    pub(super) sent: Vec<f64>,
}

impl Limiter {
    fn jitter(self) -> f64 {
        if let Self::Concurrent(_, jitter) = self { jitter } else { 0.1 }
    }
}

impl Client {
    fn may_send(&self) -> bool {
        self.controller.most_at_a_time().is_none_or(|most| self.on_the_wire < most)
    }
}

/// A run: what limits it, at which level, from what ceiling, and how long calls take.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) limiter: Limiter,
    /// The level, a second; of a limit on calls at a time, how many.
    pub(super) limit: &'a dyn Fn(f64) -> f64,
    pub(super) ceiling: Option<u32>,
    pub(super) latency: f64,
    /// How long answers are on their way.
    pub(super) way: f64,
    pub(super) seconds: f64,
    pub(super) clients: usize,
}

/// What an answer is and when it comes: microseconds, client, when sent, whether accepted.
type Answer = Reverse<(u64, usize, u64, bool)>;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

fn micros(at: f64) -> u64 {
    (at * 1e6).round() as u64
}

fn client(run: &Run<'_>, number: usize, start: Instant) -> Client {
    let most = run.ceiling.map_or(30_000.0, f64::from);
    let opening = run.ceiling.map_or(Opening::Doubling, |_| Opening::AtCeiling);
    let bounds = RateBounds { least: 0.5, most };
    let start_at = PaceStart { bounds, opening, learnt: ServiceLimit::default() };
    let rate: Rate = rate_per_second(most);
    Client {
        controller: PaceController::new(start_at, start),
        pacer: Pacer::new(Some(rate), start),
        begins: 0.37 * number as f64,
        on_the_wire: 0,
        served: Vec::new(),
        throttled: Vec::new(),
        sent: Vec::new(),
    }
}

/// Carries out a run, a millisecond at a time as timers tick.
pub(super) fn simulate(run: &Run<'_>, seed: u64) -> Vec<Client> {
    let start = origin();
    let instant = |micros: u64| start + Duration::from_micros(micros);
    let mut service = Service::new(run.limiter, seed);
    let mut random = fastrand::Rng::with_seed(seed + 1_000);
    let mut clients: Vec<_> = (0..run.clients).map(|number| client(run, number, start)).collect();
    let mut answers: BinaryHeap<Answer> = BinaryHeap::new();
    for now in (0..micros(run.seconds)).step_by(1_000) {
        while let Some(&Reverse((due, number, sent, accepted))) = answers.peek() {
            if due > now {
                break;
            }
            answers.pop();
            clients[number].on_the_wire -= 1;
            let controller = &mut clients[number].controller;
            match accepted {
                true => controller.served(instant(sent), instant(now)),
                false => controller.throttled(instant(sent), instant(now)),
            }
        }
        let at = now as f64 / 1e6;
        for (number, client) in clients.iter_mut().enumerate().filter(|(_, c)| c.begins <= at) {
            client.controller.decide(instant(now));
            let window = match client.controller.is_windowed() {
                true => PaceWindow::LastSecond,
                false => PaceWindow::None,
            };
            client.pacer.set_pace(Some((client.controller.per_second(), window)), instant(now));
            while client.may_send() && client.pacer.admit(instant(now)) == Admission::Now {
                if client.pacer.release(instant(now)) != Admission::Now {
                    client.pacer.withdraw();
                    break;
                }
                client.controller.sent(instant(now));
                client.sent.push(at);
                client.on_the_wire += 1;
                let accepted = service.accepts(at, (run.limit)(at));
                let takes = match accepted {
                    true => run.latency * (1.0 + run.limiter.jitter() * (2.0 * random.f64() - 1.0)),
                    false => run.latency.min(0.02) * (0.5 + random.f64()),
                };
                let list = if accepted { &mut client.served } else { &mut client.throttled };
                list.push(at);
                if accepted && matches!(run.limiter, Limiter::Concurrent(..)) {
                    service.ends.push(micros(at + takes));
                }
                let takes = takes + run.way;
                answers.push(Reverse((micros(at + takes), number, now, accepted)));
            }
        }
    }
    clients
}
