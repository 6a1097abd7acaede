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
    /// The same for that many seconds, none for as many, and so on.
    Fault(f64, f64),
    /// No limit; of so many calls that follow one another, the first few are throttled, as where
    /// some of the servers behind a gateway refuse.
    Rows(u64, u64),
}

/// A service with a limiter.
#[derive(Clone)]
pub(super) struct Service {
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
    pub(super) fn new(limiter: Limiter, seed: u64) -> Self {
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

    pub(super) fn accepts(&mut self, at: f64, limit: f64) -> bool {
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
            Limiter::Fault(share, seconds) => {
                (at / seconds + self.offset) % 2.0 >= 1.0 || self.random.f64() >= share
            }
            Limiter::Rows(refused, of) => {
                self.count += 1.0;
                (self.count as u64) % of >= refused
            }
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

/// The way between a client and the service, in seconds, and how true the client's clock is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    /// How long a call is on its way at most; at least it takes no time.
    pub(super) out: f64,
    /// How long an answer is on its way, at least and at most.
    pub(super) back: (f64, f64),
    /// How long it takes to throttle a call, give or take half of it.
    pub(super) refusal: f64,
    /// How late a timer is, at least and at most.
    pub(super) late: (f64, f64),
    /// How many seconds a throttled answer asks to wait.
    pub(super) hold: f64,
}

impl Wire {
    /// No way at all, and timers that tick in milliseconds.
    pub(super) const NONE: Self =
        Self { out: 0.0, back: (0.0, 0.0), refusal: 0.02, late: (0.0, 0.0), hold: 0.0 };
    /// A service in the same data centre, from a machine that has little to do.
    pub(super) const NEAR: Self =
        Self { out: 0.001, back: (0.001, 0.003), refusal: 0.002, late: (0.001, 0.002), hold: 0.0 };
    /// A service far away, from a machine that is busy.
    pub(super) const FAR: Self =
        Self { out: 0.005, back: (0.001, 0.05), refusal: 0.005, late: (0.001, 0.005), hold: 0.0 };

    /// Returns how long a call is on its way both times, on average.
    pub(super) fn mean(self) -> f64 {
        f64::midpoint(self.out, self.back.0 + self.back.1)
    }
}

/// One client of the service: a controller and a pacer, asked as the dispatcher asks them.
pub(super) struct Client {
    pub(super) controller: PaceController,
    pacer: Pacer,
    on_the_wire: usize,
    /// When its timer wakes it; an answer wakes it sooner.
    wakes: u64,
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

    /// Sends what may go now, and returns when the timer is due.
    fn send(&mut self, now: Instant, mut leave: impl FnMut()) -> Option<Instant> {
        self.controller.decide(now);
        let window = match self.controller.is_windowed() {
            true => PaceWindow::LastSecond,
            false => PaceWindow::None,
        };
        self.pacer.set_pace(Some((self.controller.per_second(), window)), now);
        let mut due = None;
        while self.may_send() {
            let mut answer = self.pacer.admit(now);
            if answer == Admission::Now {
                answer = self.pacer.release(now);
                if answer != Admission::Now {
                    self.pacer.withdraw();
                }
            }
            match answer {
                Admission::Now => {}
                Admission::NotBefore(later) => {
                    due = Some(later);
                    break;
                }
                Admission::AfterRelease => break,
            }
            self.controller.sent(now);
            self.on_the_wire += 1;
            leave();
        }
        due.into_iter().chain(self.controller.next_decision()).min()
    }

    fn answer(&mut self, accepted: bool, sent: Instant, hold: f64, now: Instant) {
        self.on_the_wire -= 1;
        match accepted {
            true => self.controller.served(sent, now),
            false if hold > 0.0 => {
                let until = now + Duration::from_secs_f64(hold);
                self.pacer.hold(until);
                self.controller.hold(sent, until, now);
            }
            false => self.controller.throttled(sent, now),
        }
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
    pub(super) wire: Wire,
    pub(super) seconds: f64,
    pub(super) clients: usize,
}

/// A call that comes to the service: when, its number, the client, and when it was sent.
type Call = Reverse<(u64, u64, usize, u64)>;
/// What an answer is and when it comes: microseconds, client, when sent, whether accepted.
type Answer = Reverse<(u64, usize, u64, bool)>;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

fn micros(at: f64) -> u64 {
    (at * 1e6).round() as u64
}

/// An instant after the end of every run.
const NEVER: u64 = u64::MAX / 2;

/// Returns the time between two instants, rounded up: a timer never fires before its time.
fn micros_between(from: Instant, to: Instant) -> u64 {
    u64::try_from((to - from).as_nanos().div_ceil(1_000)).unwrap()
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
        on_the_wire: 0,
        wakes: micros(0.37 * number as f64),
        served: Vec::new(),
        throttled: Vec::new(),
        sent: Vec::new(),
    }
}

/// Returns a time between two others, without a draw where there is only one.
fn between(random: &mut fastrand::Rng, (least, most): (f64, f64)) -> u64 {
    let share = if most > least { random.f64() } else { 0.0 };
    micros(least + (most - least) * share)
}

/// What calls meet at the other end of the wire.
struct Exchange<'a> {
    run: &'a Run<'a>,
    service: Service,
    random: fastrand::Rng,
    calls: BinaryHeap<Call>,
    answers: BinaryHeap<Answer>,
    sent: u64,
}

impl Exchange<'_> {
    fn send(&mut self, client: usize, now: u64) {
        self.sent += 1;
        let arrives = now + between(&mut self.random, (0.0, self.run.wire.out));
        self.calls.push(Reverse((arrives, self.sent, client, now)));
    }

    /// Lets the service decide on the calls that have come by then.
    fn serve(&mut self, clients: &mut [Client], now: u64) {
        while let Some(&Reverse((arrived, _, number, sent))) = self.calls.peek() {
            if arrived > now {
                return;
            }
            self.calls.pop();
            let at = arrived as f64 / 1e6;
            let accepted = self.service.accepts(at, (self.run.limit)(at));
            let takes = self.takes(accepted);
            let client = &mut clients[number];
            let list = if accepted { &mut client.served } else { &mut client.throttled };
            list.push(at);
            if accepted && matches!(self.run.limiter, Limiter::Concurrent(..)) {
                self.service.ends.push(micros(at + takes));
            }
            let back = between(&mut self.random, self.run.wire.back);
            self.answers.push(Reverse((micros(at + takes) + back, number, sent, accepted)));
        }
    }

    /// Returns how long the service takes for an answer.
    fn takes(&mut self, accepted: bool) -> f64 {
        let Run { limiter, latency, wire, .. } = self.run;
        match accepted {
            true => latency * (1.0 + limiter.jitter() * (2.0 * self.random.f64() - 1.0)),
            false => latency.min(wire.refusal) * (0.5 + self.random.f64()),
        }
    }
}

/// How often timers tick, in microseconds.
const TICK: u64 = 1_000;

impl Exchange<'_> {
    /// Returns the next tick at which a call, an answer or a timer is due.
    fn next(&self, clients: &[Client], now: u64) -> u64 {
        let call = self.calls.peek().map(|&Reverse((at, ..))| at);
        let answer = self.answers.peek().map(|&Reverse((at, ..))| at);
        let timers = clients.iter().map(|client| client.wakes);
        let due = timers.chain(call).chain(answer).min().unwrap_or(now);
        due.max(now + 1).next_multiple_of(TICK)
    }
}

/// Carries out a run, from one tick to the next at which something is due.
pub(super) fn simulate(run: &Run<'_>, seed: u64) -> Vec<Client> {
    let start = origin();
    let instant = |micros: u64| start + Duration::from_micros(micros);
    let mut clients: Vec<_> = (0..run.clients).map(|number| client(run, number, start)).collect();
    let mut exchange = Exchange {
        run,
        service: Service::new(run.limiter, seed),
        random: fastrand::Rng::with_seed(seed + 1_000),
        calls: BinaryHeap::new(),
        answers: BinaryHeap::new(),
        sent: 0,
    };
    let mut now = 0;
    while now < micros(run.seconds) {
        exchange.serve(&mut clients, now);
        while let Some(&Reverse((due, number, sent, accepted))) = exchange.answers.peek() {
            if due > now {
                break;
            }
            exchange.answers.pop();
            clients[number].answer(accepted, instant(sent), run.wire.hold, instant(now));
            clients[number].wakes = now;
        }
        for number in 0..clients.len() {
            let client = &mut clients[number];
            if client.wakes > now {
                continue;
            }
            let sent = exchange.sent;
            let due = client.send(instant(now), || exchange.send(number, now));
            let sent = (sent..exchange.sent).map(|_| now as f64 / 1e6);
            client.sent.extend(sent);
            let due = due.map_or(NEVER, |due| micros_between(start, due));
            client.wakes = due.max(now) + between(&mut exchange.random, run.wire.late);
            exchange.serve(&mut clients, now);
        }
        now = exchange.next(&clients, now);
    }
    clients
}
