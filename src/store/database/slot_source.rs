//! The slots of a run in a database, as one worker uses them.
//!
//! A thread asks the database, so that the dispatcher never waits for it. A slot is used at its time
//! or a little later, never before: see [`ClockMap`]. While the database is away there are no slots,
//! and so nothing leaves.

use crate::clock::Clock;
use crate::policy::{ClockMap, Grant, SlotSource, SlotSpacing, SlotTrouble};
use crate::store::database::error::DatabaseError;
use crate::store::database::link::Link;
use crate::store::database::plan::scope_of;
use crate::store::database::slots;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};
use tokio::sync::mpsc;

/// When the pool is looked at again that waits for an answer.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// When a database is asked again that did not answer, or whose time is too uncertain.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long slots without a limit are good for, before the database is asked again.
const FREE_FOR: Duration = Duration::from_millis(250);
/// When slots are asked for again while all up to the horizon are taken.
const TAKEN_AGAIN: Duration = Duration::from_millis(20);

/// Called once with the uncertainty of this worker's clock and the longest one that keeps the rate.
pub(crate) type OnUncertain = Box<dyn Fn(Duration, Duration) + Send>;

/// Which slots a worker asks for.
pub(crate) struct SlotTerms {
    /// The run.
    pub(crate) run: i64,
    /// The clock.
    pub(crate) clock: Clock,
    /// The longest uncertainty with which the rate holds.
    pub(crate) most_uncertain: Duration,
    /// Called if this worker's is longer.
    pub(crate) on_uncertain: OnUncertain,
}

enum Request {
    Slots(i32),
    Hold { until: Instant },
}

/// Slots from the database.
pub struct DatabaseSlots {
    pool: Arc<Mutex<Pool>>,
    requests: mpsc::UnboundedSender<Request>,
}

#[derive(Default)]
struct Pool {
    granted: VecDeque<Granted>,
    /// A question is under way.
    is_asked: bool,
    /// There is no slot before then.
    not_before: Option<Instant>,
    /// Until then there is no limit.
    free_until: Option<Instant>,
}

struct Granted {
    first: Instant,
    count: u32,
    step: Duration,
}

impl DatabaseSlots {
    /// Starts the thread that asks.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub(crate) fn start(link: Link, terms: SlotTerms) -> io::Result<Self> {
        let pool = Arc::new(Mutex::new(Pool::default()));
        let (requests, queue) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let map = ClockMap::new(terms.clock.instant().into());
        let (scope, shared) = (scope_of(terms.run), Arc::clone(&pool));
        let asking = Asking { link, scope, terms, map, told: None, is_told: false, pool: shared };
        let thread = thread::Builder::new().name("slots".into());
        // It ends with the channel; nobody waits for it, because it has nothing to finish.
        thread.spawn(move || runtime.block_on(asking.run(queue)))?;
        Ok(Self { pool, requests })
    }
}

impl SlotSource for DatabaseSlots {
    fn reserve(&mut self, wanted: u32, _: SlotSpacing, now: Instant) -> Result<Grant, SlotTrouble> {
        let mut pool = lock(&self.pool);
        if let Some(until) = pool.free_until.filter(|&until| now < until) {
            if !pool.is_asked && until - now < FREE_FOR / 2 {
                pool.is_asked = self.requests.send(Request::Slots(1)).is_ok();
            }
            return Ok(Grant::Slots { first: now, count: wanted.max(1), step: Duration::ZERO });
        }
        let grant = pool.take(wanted);
        let waits = pool.not_before.is_some_and(|due| now < due);
        if pool.granted.is_empty() && !pool.is_asked && !waits {
            let wanted = i32::try_from(wanted.max(1)).unwrap_or(i32::MAX);
            pool.is_asked = self.requests.send(Request::Slots(wanted)).is_ok();
        }
        let due = pool.not_before.filter(|_| waits).unwrap_or(now + LOOK_AGAIN);
        Ok(grant.unwrap_or(Grant::NotBefore(due)))
    }

    fn hold(&mut self, until: Instant, _: Instant) {
        let mut pool = lock(&self.pool);
        pool.granted.clear();
        pool.free_until = None;
        drop(pool);
        let _ = self.requests.send(Request::Hold { until });
    }
}

impl Pool {
    fn take(&mut self, wanted: u32) -> Option<Grant> {
        let granted = self.granted.front_mut()?;
        let count = granted.count.min(wanted.max(1));
        let (first, step) = (granted.first, granted.step);
        granted.first += step * count;
        granted.count -= count;
        if granted.count == 0 {
            self.granted.pop_front();
        }
        Some(Grant::Slots { first, count, step })
    }
}

fn lock(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    // Every change is whole, also before a panic.
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread owns.
struct Asking {
    link: Link,
    scope: String,
    terms: SlotTerms,
    map: ClockMap,
    /// The database's time of the last answer, and when that came.
    told: Option<(i64, Instant)>,
    is_told: bool,
    pool: Arc<Mutex<Pool>>,
}

impl Asking {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        while let Some(request) = requests.recv().await {
            match request {
                Request::Slots(wanted) => {
                    // Nothing is granted then, and the gate asks again.
                    let asked = self.ask(wanted).await;
                    let mut pool = lock(&self.pool);
                    pool.is_asked = false;
                    if asked.is_err() {
                        pool.not_before = Some(self.now() + ASK_AGAIN);
                    }
                }
                Request::Hold { until } => self.hold(until).await,
            }
        }
    }

    fn now(&self) -> Instant {
        self.terms.clock.instant().into()
    }

    async fn ask(&mut self, wanted: i32) -> Result<(), DatabaseError> {
        let asked = self.now();
        let grant = slots::grant(&mut self.link, &self.scope, wanted).await?;
        let answered = self.now();
        self.map.learn(asked, answered, grant.now_ns);
        self.told = Some((grant.now_ns, answered));
        let is_free = grant.step_ns == 0 && grant.hold_ns <= grant.now_ns;
        lock(&self.pool).free_until = is_free.then(|| answered + FREE_FOR);
        if is_free {
            // Nothing is to be kept, so it does not matter how exactly the time is known.
            return Ok(());
        }
        let uncertainty = self.map.uncertainty(answered).unwrap_or(Duration::MAX);
        if uncertainty > self.terms.most_uncertain {
            // The first round trip may have made the connection as well, so a second one decides.
            let is_first = lock(&self.pool).not_before.is_none();
            if !is_first && !std::mem::replace(&mut self.is_told, true) {
                (self.terms.on_uncertain)(uncertainty, self.terms.most_uncertain);
            }
            lock(&self.pool).not_before = Some(answered + ASK_AGAIN);
            return Ok(());
        }
        let first = self.map.instant_of(grant.first_ns, answered).unwrap_or(answered);
        let mut pool = lock(&self.pool);
        match u32::try_from(grant.count) {
            Ok(count @ 1..) => {
                let step = Duration::from_nanos(u64::try_from(grant.step_ns).unwrap_or(0));
                pool.granted.push_back(Granted { first, count, step });
                pool.not_before = None;
            }
            _ => {
                let soon = answered + TAKEN_AGAIN;
                // A hold is looked at again in time, because an operator may end it.
                let latest = answered + 5 * ASK_AGAIN;
                let free = first.checked_sub(2 * ASK_AGAIN).unwrap_or(soon);
                pool.not_before = Some(free.clamp(soon, latest));
            }
        }
        Ok(())
    }

    async fn hold(&mut self, until: Instant) {
        let Some((told_ns, at)) = self.told else { return };
        let ahead = until.saturating_duration_since(at).as_nanos();
        let until_ns = told_ns.saturating_add(i64::try_from(ahead).unwrap_or(i64::MAX));
        // This worker holds in any case; the service tells the others as well.
        let _ = slots::hold(&mut self.link, &self.scope, until_ns).await;
    }
}
