//! The lists of a simulated service, those who read them, and what must hold at every request.

use super::planted::Planted;
use super::service::{no_connection, reset, unauthorised, unavailable};
use super::story::{TokenLife, millis, one_in, secs};
use crate::api::{Authority, FirstUse, Listed, ListedTask, NotRenewed, Page};
use crate::clock::{Clock, Instant, Timestamp};
use crate::policy::{Answer, Body, Generation, Response, ServiceError};
use crate::task::Rate;
use fastrand::Rng;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How a list changes while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Movement {
    Still,
    Grows,
    Shrinks,
}

/// A list of tasks, by number.
#[derive(Debug)]
pub(super) struct List {
    pub(super) ids: Vec<u32>,
    /// Those that were in it at every request so far.
    pub(super) always: BTreeSet<u32>,
    pub(super) movement: Movement,
    /// The times at which it changes, the latest first.
    changes: Vec<Instant>,
    /// The most entries that the service returns on a page.
    most: usize,
    has_total: bool,
}

/// How the service and the network behave.
#[derive(Debug, Clone)]
pub(super) struct ListWeather {
    /// One of so many answers is trouble.
    trouble_one_in: u32,
    latency_millis: u64,
    /// One of so many pages asks for a wait.
    waits_one_in: u32,
    token: Option<TokenLife>,
}

/// One who reads a list, and what is true of it.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) list: List,
    pub(super) rate: Option<Rate>,
    pub(super) timeout: Duration,
    pub(super) max_attempts: u32,
    pub(super) at_a_time: usize,
    pub(super) asks_until: Option<Instant>,
    /// The requests whose start is durable, and those that have left.
    pub(super) durable: usize,
    pub(super) leaves: Timestamp,
    sent: Vec<Timestamp>,
    on_wire: usize,
    held_until: Option<Instant>,
    /// The requests for each page since it was served that used up an attempt.
    charged: BTreeMap<u32, u32>,
    /// Whether an answer was no page, or asked for a wait; whether credentials were refused.
    pub(super) had_trouble: bool,
    pub(super) was_refused: bool,
    pub(super) seen: BTreeSet<u32>,
}

/// Everything that is true.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) clock: Clock,
    pub(super) rng: Rng,
    pub(super) planted: Option<Planted>,
    weather: ListWeather,
    token: (u64, Instant),
    pub(super) readers: Vec<Reader>,
    /// The rate that all keep together.
    pub(super) total: Option<Rate>,
    sent: Vec<Timestamp>,
    pub(super) violations: Vec<String>,
    pub(super) trace: String,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
struct Reply {
    /// Nothing if no answer ever comes.
    listed: Option<Listed>,
    after: Duration,
    /// The wait that it asks for, if it may not be passed over.
    wait: Option<Duration>,
}

/// A handle to what is true, for one reader.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    pub(super) truth: Arc<Mutex<Truth>>,
    pub(super) reader: usize,
}

impl List {
    pub(super) fn drawn(rng: &mut Rng, now: Instant) -> Self {
        let movement =
            [Movement::Still, Movement::Still, Movement::Grows, Movement::Shrinks][rng.usize(..4)];
        let size = [rng.u32(0..=3), rng.u32(0..=420), rng.u32(390..=1_200)][rng.usize(..3)];
        let mut changes: Vec<Instant> =
            (0..rng.usize(1..8)).map(|_| now + millis(rng, 0..15_000)).collect();
        changes.sort_by(|one, other| other.cmp(one));
        Self {
            ids: (0..size).collect(),
            always: (0..size).collect(),
            movement,
            changes,
            most: if one_in(rng, 4) { rng.usize(20..200) } else { usize::MAX },
            // A list that becomes shorter without a total shows nothing of it.
            has_total: movement == Movement::Shrinks || !one_in(rng, 4),
        }
    }

    /// Carries out the changes that are due.
    fn change(&mut self, now: Instant, rng: &mut Rng) {
        while self.changes.last().is_some_and(|at| *at <= now) {
            self.changes.pop();
            for _ in 0..rng.usize(1..=30) {
                match self.movement {
                    Movement::Still => {}
                    Movement::Grows => {
                        let at = [0, self.ids.len(), rng.usize(..=self.ids.len())][rng.usize(..3)];
                        let next = self.ids.iter().max().map_or(0, |most| most + 1);
                        self.ids.insert(at, next);
                    }
                    Movement::Shrinks if self.ids.is_empty() => {}
                    Movement::Shrinks => {
                        let gone = self.ids.remove(rng.usize(..self.ids.len()));
                        self.always.remove(&gone);
                    }
                }
            }
        }
    }

    fn page(&self, number: u32, size: usize) -> Page {
        let size = size.min(self.most);
        let first = (number as usize - 1).saturating_mul(size).min(self.ids.len());
        let ids = &self.ids[first..(first + size).min(self.ids.len())];
        Page {
            total: self.has_total.then_some(self.ids.len() as u64),
            tasks: ids.iter().map(|&id| listed(id)).collect(),
            ..Page::default()
        }
    }
}

/// Returns the entry of a task.
fn listed(id: u32) -> ListedTask {
    ListedTask { id: format!("task-{id}"), ..ListedTask::default() }
}

impl ListWeather {
    pub(super) fn drawn(rng: &mut Rng) -> Self {
        Self {
            trouble_one_in: [3, 8, 30, u32::MAX][rng.usize(..4)],
            latency_millis: [0, 30, 400, 3_000][rng.usize(..4)],
            waits_one_in: [6, u32::MAX, u32::MAX][rng.usize(..3)],
            token: one_in(rng, 4).then(|| TokenLife {
                life: millis(rng, 500..20_000),
                renewal: millis(rng, 0..2_000),
                ahead: None,
                fails_one_in: one_in(rng, 4).then(|| rng.u32(1..6)),
            }),
        }
    }
}

impl Reader {
    pub(super) fn drawn(rng: &mut Rng, clock: Clock, rate: Option<Rate>) -> Self {
        let now = clock.instant();
        Self {
            list: List::drawn(rng, now),
            rate,
            timeout: secs(rng, 1..20),
            max_attempts: rng.u32(1..=5),
            at_a_time: rng.usize(1..=8),
            asks_until: one_in(rng, 4).then(|| now + millis(rng, 0..20_000)),
            durable: 0,
            leaves: clock.now(),
            sent: Vec::new(),
            on_wire: 0,
            held_until: None,
            charged: BTreeMap::new(),
            had_trouble: false,
            was_refused: false,
            seen: BTreeSet::new(),
        }
    }
}

impl Truth {
    pub(super) fn new(clock: Clock, seed: u64, weather: ListWeather) -> Self {
        Self {
            clock,
            rng: Rng::with_seed(seed),
            planted: None,
            trace: format!("{weather:?}\n"),
            weather,
            token: (1, clock.instant()),
            readers: Vec::new(),
            total: None,
            sent: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Returns how many requests there were.
    pub(super) fn requests(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn note(&mut self, what: &str) {
        writeln!(self.trace, "{} {what}", self.clock.now().as_micros()).unwrap();
    }

    pub(super) fn violate(&mut self, reader: usize, what: &str) {
        self.note(&format!("reader {reader}: {what}"));
        self.violations.push(format!("reader {reader}: {what}, at {}", self.clock.now()));
    }

    /// Counts a request that left before the reader began.
    pub(super) fn left_before(&mut self, reader: usize, at: Timestamp) {
        self.readers[reader].sent.push(at);
        self.sent.push(at);
        self.readers[reader].durable += 1;
    }

    /// Lets a request leave, and checks all that must hold at this moment.
    fn leaves(&mut self, no: usize, key: u32, page: impl FnOnce(&List) -> Page) -> Reply {
        let (now, at) = (self.clock.instant(), self.clock.now());
        self.note(&format!("reader {no} asks for {key}"));
        let reader = &mut self.readers[no];
        reader.sent.push(at);
        reader.on_wire += 1;
        self.sent.push(at);
        let used = reader.charged.get(&key).copied().unwrap_or(0);
        let is_over = |most: Option<Rate>, sent: &[Timestamp]| {
            let Some(rate) = most else { return false };
            let first = sent.len().checked_sub(rate.limit.get() as usize + 1);
            first.is_some_and(|first| at.since(sent[first]) < rate.window)
        };
        let broken: Vec<&str> = [
            (reader.sent.len() > reader.durable, "a request left before its start was durable"),
            (at < reader.leaves, "a request left earlier than was recorded"),
            (reader.on_wire > reader.at_a_time, "too many requests are on the wire"),
            (reader.held_until.is_some_and(|held| now < held), "a request left during a wait"),
            (reader.asks_until.is_some_and(|until| now >= until), "a request left too late"),
            (used >= reader.max_attempts, "a page was asked for too often"),
            (is_over(reader.rate, &reader.sent), "a window holds more than the rate"),
            (is_over(self.total, &self.sent), "a window of all holds more than the rate"),
        ]
        .into_iter()
        .filter_map(|(is_broken, what)| is_broken.then_some(what))
        .collect();
        broken.into_iter().for_each(|what| self.violate(no, what));
        self.reply(no, page)
    }

    fn reply(&mut self, no: usize, page: impl FnOnce(&List) -> Page) -> Reply {
        let now = self.clock.instant();
        let after = Duration::from_millis(self.rng.u64(..=self.weather.latency_millis));
        self.readers[no].list.change(now, &mut self.rng);
        let plain = |answer| Reply { listed: Some(Listed::Answer(answer)), after, wait: None };
        if self.weather.token.is_some_and(|token| now >= self.token.1 + token.life) {
            return plain(unauthorised());
        }
        if !one_in(&mut self.rng, self.weather.trouble_one_in) {
            let wait = one_in(&mut self.rng, self.weather.waits_one_in)
                .then(|| secs(&mut self.rng, 1..20));
            let mut page = page(&self.readers[no].list);
            page.retry_after = wait;
            if self.planted == Some(Planted::ShrinkingHidden) {
                page.total = None;
            }
            return Reply { listed: Some(Listed::Page(page)), after, wait };
        }
        match self.rng.u32(..6) {
            0 => plain(unavailable()),
            1 => plain(reset()),
            2 => plain(no_connection()),
            3 => Reply { listed: None, after, wait: None },
            _ => {
                let wait = one_in(&mut self.rng, 2).then(|| secs(&mut self.rng, 1..40));
                let told = wait.filter(|_| self.planted != Some(Planted::ListWaitIgnored));
                let listed = Some(Listed::Answer(throttled(told)));
                Reply { listed, after, wait }
            }
        }
    }

    /// Takes note of what came of a request.
    fn came(&mut self, no: usize, key: u32, reply: &Reply) {
        let now = self.clock.instant();
        let reader = &mut self.readers[no];
        reader.held_until = reader.held_until.max(reply.wait.map(|wait| now + wait));
        reader.had_trouble |= reply.wait.is_some();
        let status = match &reply.listed {
            Some(Listed::Page(_)) => {
                reader.charged.remove(&key);
                return;
            }
            Some(Listed::Answer(Answer::Response(response))) => Some(response.status),
            _ => None,
        };
        reader.had_trouble = true;
        match status {
            Some(401) => reader.was_refused = true,
            Some(429) => {}
            _ => *reader.charged.entry(key).or_default() += 1,
        }
    }
}

/// Counts a request as on the wire until its future is dropped or done.
struct OnWire<'a>(&'a Lists, u32, Option<Reply>);

impl Drop for OnWire<'_> {
    fn drop(&mut self) {
        let lost = Reply { listed: None, after: Duration::ZERO, wait: None };
        let reply = self.2.take().unwrap_or(lost);
        let mut truth = self.0.lock();
        truth.readers[self.0.reader].on_wire -= 1;
        truth.came(self.0.reader, self.1, &reply);
    }
}

impl Lists {
    pub(super) fn lock(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap()
    }

    pub(super) async fn page(&self, number: u32, size: usize) -> Listed {
        self.ask(number, |list| list.page(number, size)).await
    }

    /// Answers what is known of one task.
    pub(super) async fn task(&self, id: u32) -> Listed {
        let known = move |list: &List| {
            let tasks = list.ids.iter().filter(|one| **one == id).map(|&id| listed(id)).collect();
            Page { tasks, ..Page::default() }
        };
        self.ask(id, known).await
    }

    async fn ask(&self, key: u32, page: impl FnOnce(&List) -> Page) -> Listed {
        let reply = self.lock().leaves(self.reader, key, page);
        let mut on_wire = OnWire(self, key, None);
        if !reply.after.is_zero() {
            tokio::time::sleep(reply.after).await;
        }
        let Some(listed) = reply.listed.clone() else { return std::future::pending().await };
        on_wire.2 = Some(reply);
        listed
    }
}

impl Authority for Lists {
    fn generation(&self) -> Generation {
        Generation(self.lock().token.0)
    }

    fn first_use(&self) -> FirstUse {
        FirstUse::Together
    }

    fn renewal_due(&self) -> Option<Instant> {
        None
    }

    fn renew(&self, refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>> {
        async move {
            let Some(token) = self.lock().weather.token else { return Err(NotRenewed) };
            if refused != self.generation() {
                return Ok(());
            }
            tokio::time::sleep(token.renewal).await;
            let mut truth = self.lock();
            if token.fails_one_in.is_some_and(|many| one_in(&mut truth.rng, many)) {
                return Err(NotRenewed);
            }
            truth.token = (refused.0 + 1, truth.clock.instant());
            Ok(())
        }
        .boxed_local()
    }
}

fn throttled(retry_after: Option<Duration>) -> Answer {
    let error = ServiceError { code: "APIGW.0308".into(), ..ServiceError::default() };
    let (request_id, rate_hint, body) = (None, None, Body::Error(error));
    Answer::Response(Response { status: 429, request_id, retry_after, rate_hint, body })
}
