//! The slots of a run in a database, as one worker uses them.
//!
//! A thread asks the database, so that the dispatcher never waits for it. A slot is used at its time
//! or a little later, never before: see [`ClockMap`]. While the database is away there are no slots,
//! and so nothing leaves.

use crate::clock::Clock;
use crate::database::error::DatabaseError;
use crate::database::link::Link;
use crate::database::numbers::{i32_of, i64_of};
use crate::database::rates::{most_uncertainty, scope_of};
use crate::database::slots;
use crate::database::told_quota::{QUOTA_FOR, Quota};
use crate::policy::{ClockMap, Grant, SlotSource, SlotSpacing, SlotTrouble};
use crate::settings::RunSettings;
use crate::task::Rate;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};
use tokio::sync::{mpsc, watch};

/// When the pool is looked at again that waits for an answer.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// When a database is asked again that did not answer, or whose time is too uncertain.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long slots without a limit are good for, before the database is asked again.
const FREE_FOR: Duration = Duration::from_millis(250);
/// When a worker that is too far away looks whether it still is.
const MEASURE_AGAIN: Duration = Duration::from_secs(1);
/// How many round trips decide at most that a worker is too far away. The shortest one counts, because
/// a slot is used so much too late at the most; the first one may make the connection as well.
const MOST_TRIPS: u32 = 5;
/// When slots are asked for again while all up to the horizon are taken.
const TAKEN_AGAIN: Duration = Duration::from_millis(20);

/// Called once with the uncertainty of this worker's clock and the longest one that keeps the rate.
pub(super) type OnUncertain = Box<dyn Fn(Duration, Duration) + Send>;

/// Which slots a worker asks for.
pub(crate) struct SlotTerms {
    /// The run.
    pub(crate) run: i64,
    /// The clock.
    pub(crate) clock: Clock,
    /// The longest uncertainty with which the rate holds.
    pub(crate) most_uncertain: MostUncertain,
    /// Called if this worker's is longer.
    pub(crate) on_uncertain: OnUncertain,
}

/// How uncertain a worker may be of the database's time, and whether it is too far away. The rate and
/// the way that it allows for change while the worker is on the run.
#[derive(Debug, Clone)]
pub(crate) struct MostUncertain {
    known: Arc<Mutex<(Option<Rate>, Duration)>>,
    /// Whether this worker is too far away, once that is known.
    is_far: Arc<watch::Sender<Option<bool>>>,
}

impl MostUncertain {
    /// Takes what a run with these settings allows for.
    pub(crate) fn new(settings: &RunSettings, trip: Duration) -> Self {
        let known = Arc::new(Mutex::new((settings.own_rate().limit(), trip)));
        Self { known, is_far: Arc::new(watch::Sender::new(None)) }
    }

    /// Takes the present rate, and the longest way that the run allows for.
    pub(crate) fn follow(&self, rate: Option<Rate>, trip: Duration) {
        *lock(&self.known) = (rate, trip);
    }

    fn get(&self) -> Duration {
        let (rate, trip) = *lock(&self.known);
        most_uncertainty(rate, trip)
    }

    fn tell(&self, is_far: bool) {
        self.is_far.send_replace(Some(is_far));
    }

    /// Returns whether this worker is too far away to send anything, as it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<bool>> {
        self.is_far.subscribe()
    }

    /// Returns what says whether this worker is too far away to send anything, as soon as it is known.
    pub(crate) fn is_far(&self) -> impl Future<Output = bool> + Send + 'static {
        let mut known = self.is_far.subscribe();
        async move { known.wait_for(Option::is_some).await.is_ok_and(|far| *far == Some(true)) }
    }
}

enum Request {
    Slots(i32),
    Hold { until: Instant },
    Limit(Quota),
}

/// Slots from the database.
pub struct DatabaseSlots {
    pool: Arc<Mutex<Pool>>,
    requests: mpsc::UnboundedSender<Request>,
    told: Option<Quota>,
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
    pub(super) fn start(link: Link, terms: SlotTerms) -> io::Result<Self> {
        let pool = Arc::new(Mutex::new(Pool::default()));
        let (requests, queue) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let map = ClockMap::new(terms.clock.instant().into());
        let (scope, shared) = (scope_of(terms.run), Arc::clone(&pool));
        let (told, is_told) = (None, false);
        let asking = Asking { link, scope, terms, map, told, is_told, pool: shared };
        let thread = thread::Builder::new().name("slots".into());
        // It ends with the channel; nobody waits for it, because it has nothing to finish.
        thread.spawn(move || runtime.block_on(asking.run(queue)))?;
        Ok(Self { pool, requests, told: None })
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
            let wanted = i32_of(wanted.max(1));
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

    fn limit(&mut self, per_second: Option<f64>, until: Option<Instant>, now: Instant) {
        let quota = Quota { per_second, until: until.unwrap_or(now + QUOTA_FOR) };
        // Every answer says it again.
        if quota.differs(self.told, now) {
            self.told = Some(quota);
            let _ = self.requests.send(Request::Limit(quota));
        }
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

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is whole, also before a panic.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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

/// How far away the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Near enough to keep the rate, or there is none to keep.
    Short,
    /// Too far away to send anything.
    Long,
    /// It does not answer.
    Unknown,
}

/// What a question for slots brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// What the database grants.
    Granted,
    /// Nothing can be used, because the time of the database is too uncertain.
    TooUncertain,
}

impl Asking {
    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut measure_at = self.measure().await;
        loop {
            let request = tokio::select! {
                request = requests.recv() => request,
                // It is given nothing, and would never know that it is near by now.
                () = until(measure_at) => {
                    measure_at = self.measure().await;
                    continue;
                }
            };
            let Some(request) = request else { return };
            match request {
                Request::Slots(wanted) => {
                    let mut is_asked_in_vain = measure_at.is_some();
                    if !is_asked_in_vain {
                        let asked = self.ask(wanted).await;
                        if asked.as_ref().is_ok_and(|asked| *asked == Asked::TooUncertain) {
                            measure_at = self.measure().await;
                        }
                        is_asked_in_vain = asked.is_err() || measure_at.is_some();
                    }
                    // Nothing is granted then, and the gate asks again.
                    let mut pool = lock(&self.pool);
                    pool.is_asked = false;
                    if is_asked_in_vain {
                        pool.not_before = Some(self.now() + ASK_AGAIN);
                    }
                }
                Request::Hold { until } => self.hold(until).await,
                Request::Limit(quota) => self.limit(quota).await,
            }
        }
    }

    /// Measures the way to the database, without a slot, and tells whether it is too long; returns
    /// when that is to be done again, if it is.
    async fn measure(&mut self) -> Option<Instant> {
        let way = self.way().await;
        let is_far = match way {
            Way::Short => false,
            Way::Long => true,
            Way::Unknown => return Some(self.now() + ASK_AGAIN),
        };
        if is_far && !std::mem::replace(&mut self.is_told, true) {
            let most = self.terms.most_uncertain.get();
            (self.terms.on_uncertain)(self.uncertainty(self.now()), most);
        }
        self.terms.most_uncertain.tell(is_far);
        if !is_far {
            lock(&self.pool).not_before = None;
        }
        is_far.then(|| self.now() + MEASURE_AGAIN)
    }

    async fn way(&mut self) -> Way {
        for _ in 0..MOST_TRIPS {
            match self.ask(0).await {
                Ok(Asked::Granted) => return Way::Short,
                Ok(Asked::TooUncertain) => {}
                Err(_) => return Way::Unknown,
            }
        }
        Way::Long
    }

    fn uncertainty(&self, now: Instant) -> Duration {
        self.map.uncertainty(now).unwrap_or(Duration::MAX)
    }

    fn now(&self) -> Instant {
        self.terms.clock.instant().into()
    }

    async fn ask(&mut self, wanted: i32) -> Result<Asked, DatabaseError> {
        let asked = self.now();
        let grant = slots::grant(&mut self.link, &self.scope, wanted).await?;
        let answered = self.now();
        self.map.learn(asked, answered, grant.now_ns);
        self.told = Some((grant.now_ns, answered));
        let is_free = grant.step_ns == 0 && grant.hold_ns <= grant.now_ns;
        lock(&self.pool).free_until = is_free.then(|| answered + FREE_FOR);
        if is_free {
            // Nothing is to be kept, so it does not matter how exactly the time is known.
            return Ok(Asked::Granted);
        }
        // A wait alone is kept by whoever knows the time less exactly, a little longer.
        let is_limited = grant.step_ns > 0;
        if is_limited && self.uncertainty(answered) > self.terms.most_uncertain.get() {
            return Ok(Asked::TooUncertain);
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
        Ok(Asked::Granted)
    }

    /// Returns an instant in the database's time.
    fn database_time(&self, instant: Instant) -> Option<i64> {
        let (told_ns, at) = self.told?;
        let ahead = instant.saturating_duration_since(at).as_nanos();
        Some(told_ns.saturating_add(i64_of(ahead)))
    }

    async fn limit(&mut self, quota: Quota) {
        let Some(until_ns) = self.database_time(quota.until) else { return };
        let step_ns = quota.per_second.map_or(0, |pace| (1e9 / pace) as i64);
        // This worker keeps the quota in any case; the service tells the others as well.
        let _ = slots::limit(&mut self.link, &self.scope, step_ns, until_ns).await;
    }

    async fn hold(&mut self, until: Instant) {
        let Some(until_ns) = self.database_time(until) else { return };
        // This worker holds in any case; the service tells the others as well.
        let _ = slots::hold(&mut self.link, &self.scope, until_ns).await;
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
