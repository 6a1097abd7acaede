//! Several workers that carry one run out together through a simulated database.
//!
//! The engine, its policies, the records and their fold are the real ones. `truth` keeps what really
//! happened, and checks what must hold at every moment.

use super::SOME_DAY;
use super::drive::Ran;
use super::planted::Planted;
use super::service::{Reply, SimulatedService};
use super::story::{Story, Weather, millis, one_in, rate, secs};
use super::truth::{Crew, Truth};
use super::world::{Call, Process, State, World};
use crate::api::{Authority, TaskApi};
use crate::clock::{Clock, Instant};
use crate::database::DatabaseError;
use crate::database::tests::simulated::{Neglect, SimulatedDatabase};
use crate::database::tests::simulated_worker::{Network, SimulatedWorker};
use crate::engine;
use crate::engine::{
    ChunkRef, Claimed, Control, EngineSettings, Kept, Leave, Ledger, LedgerError, Numbering,
    StartingPoint,
};
use crate::event::{AttemptSeq, Event, StopReason};
use crate::journal::Fact;
use crate::policy::{Answer, LeaseState, OnDoubt, ProcessSlots, RetryPolicy, SharedSlots};
use crate::run::database_ledger::{chunk_ref, claimed_tasks};
use crate::settings::RunSettings;
use crate::task::Task;
use fastrand::Rng;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use std::any::Any;
use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// A worker that takes longer than this hangs.
const TOO_LONG: Duration = Duration::from_secs(12 * 3600);
/// After so many processes in one place everything goes well.
const MOST_ORDEALS: usize = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What happens to one process.
#[derive(Debug, Default)]
struct Ordeal {
    gap: Duration,
    /// When it dies.
    kill: Option<Duration>,
    /// When an operator stops it.
    stop: Option<Duration>,
    /// When it gives all its tasks back, because it is too far away for a moment.
    far: Option<Duration>,
    network: Network,
}

impl Ordeal {
    fn drawn(rng: &mut Rng) -> Self {
        Self {
            gap: millis(rng, 0..3_000),
            kill: one_in(rng, 2).then(|| millis(rng, 0..20_000)),
            stop: one_in(rng, 6).then(|| millis(rng, 0..20_000)),
            far: None,
            network: Network {
                slow_millis: [0, 5, 100, 1_500][rng.usize(..4)],
                loses_one_in: one_in(rng, 2).then(|| rng.u32(2..20)),
                away: one_in(rng, 3).then(|| (millis(rng, 0..10_000), secs(rng, 1..30))),
                patience: secs(rng, 5..60),
                counts_from_answer: false,
            },
        }
    }

    fn easy() -> Self {
        let network = Network { patience: Duration::from_secs(3_600), ..Network::default() };
        Self { gap: Duration::from_secs(1), network, ..Self::default() }
    }
}

/// The stage of a run with several workers.
struct Stage {
    seed: u64,
    planted: Option<Planted>,
    clock: Clock,
    crew: Crew,
    world: World,
    database: Arc<Mutex<SimulatedDatabase>>,
    truth: Arc<Mutex<Truth>>,
    slots: Option<SharedSlots>,
    ordeals: Vec<Vec<Ordeal>>,
}

/// Carries out the run of a seed with several workers.
pub(super) fn carry_out_by_workers(seed: u64, planted: Option<Planted>) -> Ran {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async { Stage::set(seed, planted).run().await })
}

fn crew(rng: &mut Rng) -> Crew {
    Crew {
        tasks: rng.u32(1..=90),
        concurrency: NonZeroUsize::new(rng.usize(1..=6)).unwrap(),
        rate: (!one_in(rng, 4)).then(|| rate(rng)),
        retry: RetryPolicy {
            max_attempts: NonZeroU32::new(rng.u32(1..=5)).unwrap(),
            on_doubt: if one_in(rng, 4) { OnDoubt::Hold } else { OnDoubt::Retry },
        },
    }
}

impl Stage {
    fn set(seed: u64, planted: Option<Planted>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clock = Clock::starting_at(SOME_DAY);
        let crew = crew(&mut rng);
        let weather = Weather::drawn(&mut rng);
        let timeout = secs(&mut rng, 1..40);
        let settings = RunSettings { timeout, ..RunSettings::default() };
        let lease = [secs(&mut rng, 1..4), secs(&mut rng, 4..30)][rng.usize(..2)];
        let mut database = SimulatedDatabase::new(clock, crew.tasks, rng.u32(1..=20), lease);
        database.neglect = match planted {
            Some(Planted::EpochIgnored) => Neglect::Epochs,
            Some(Planted::FlushedTwice) => Neglect::Sequence,
            Some(Planted::DoubtsUntold) => Neglect::Doubts,
            _ => Neglect::Nothing,
        };
        if one_in(&mut rng, 4) {
            database.tolerated = rng.u64(..u64::from(crew.tasks));
        }
        let truth = Arc::new(Mutex::new(Truth::new(clock, crew)));
        let seen = Arc::clone(&truth);
        let on_fact = move |worker, ordinal, fact: &Fact<'_>| {
            seen.lock().unwrap().fact(worker, ordinal, fact);
        };
        let places = rng.usize(2..=4);
        let count = rng.usize(1..MOST_ORDEALS);
        let ordeals = (0..places).map(|_| (0..count).map(|_| Ordeal::drawn(&mut rng)).collect());
        let mut ordeals: Vec<Vec<Ordeal>> = ordeals.collect();
        // Another generator, so that what seeds have shown before stays what it was.
        let mut rng = Rng::with_seed(!seed);
        let mut far_rng = Rng::with_seed(seed.rotate_left(32));
        let has_lame_network = one_in(&mut rng, 8);
        for Ordeal { network, far, .. } in ordeals.iter_mut().flatten() {
            *far = one_in(&mut far_rng, 3).then(|| millis(&mut far_rng, 0..10_000));
            if has_lame_network && rng.bool() {
                let lease = u64::try_from(lease.as_millis()).unwrap();
                network.slow_millis = rng.u64(lease / 5..=lease);
            }
            network.counts_from_answer = planted == Some(Planted::LeaseFromAnswer);
        }
        let world = World::new(State {
            clock,
            rng: Rng::with_seed(seed),
            weather,
            process: Process::new(0, clock.now(), &settings),
            calls: Vec::new(),
            tasks: Default::default(),
            violations: Vec::new(),
            trace: String::new(),
            window: (clock.now(), 0),
            token: (1, clock.instant()),
            directory: PathBuf::new(),
            left_behind: PathBuf::new(),
        });
        Self {
            seed,
            planted,
            clock,
            crew,
            world,
            database: Arc::new(Mutex::new(database.observed_by(on_fact))),
            truth,
            slots: crew.rate.map(|_| Self::new_slots(clock)),
            ordeals,
        }
    }

    fn new_slots(clock: Clock) -> SharedSlots {
        SharedSlots::new(ProcessSlots::new(clock.instant().into()))
    }

    async fn run(self) -> Ran {
        fastrand::seed(self.seed);
        let places = (0..self.ordeals.len()).map(|place| self.place(place));
        let processes = join_all(places).await.into_iter().sum();
        let (recorded, told) = {
            let database = self.database.lock().unwrap();
            (database.recorded(), database.in_doubt())
        };
        let mut truth = self.truth.lock().unwrap();
        match recorded {
            Ok(recorded) => truth.judge(&recorded, told),
            Err(damage) => truth.violate(&format!("the records are damaged: {damage}")),
        }
        Ran {
            violations: std::mem::take(&mut truth.violations),
            trace: std::mem::take(&mut truth.trace),
            calls: truth.calls.len(),
            processes,
        }
    }

    /// Begins one process after the other, until the run is done; returns how many.
    async fn place(&self, place: usize) -> usize {
        for number in 0.. {
            let easy = Ordeal::easy();
            let ordeal = self.ordeals[place].get(number).unwrap_or(&easy);
            tokio::time::sleep(ordeal.gap).await;
            let is_over = !self.truth.lock().unwrap().violations.is_empty();
            if is_over || self.database.lock().unwrap().is_done() {
                return number;
            }
            if number > Story::MOST_PROCESSES {
                self.truth.lock().unwrap().violate("the run does not come to its end");
                return number;
            }
            if number >= MOST_ORDEALS {
                self.world.lock().weather = Weather::fair();
            }
            self.process(place, number, ordeal).await;
            let mut database = self.database.lock().unwrap();
            if database.stopping.take().is_some() {
                // An operator resumes it.
                database.tolerated = u64::MAX;
            }
        }
        unreachable!("numbers do not end")
    }

    async fn process(&self, place: usize, number: usize, ordeal: &Ordeal) {
        let seed = self.seed.wrapping_mul(31).wrapping_add((place * 100 + number) as u64);
        let worker = SimulatedWorker::join(&self.database, ordeal.network.clone(), seed);
        let no = worker.no();
        self.truth.lock().unwrap().note(&format!("worker {no}: {ordeal:?}"));
        let service = CrewService {
            inner: SimulatedService { world: self.world.clone(), clock: self.clock, planted: None },
            no,
            database: Arc::clone(&self.database),
            truth: Arc::clone(&self.truth),
        };
        let is_lease_ignored = self.planted == Some(Planted::LeaseIgnored);
        let given_back = None;
        let mut ledger = CrewLedger { worker: worker.clone(), is_lease_ignored, given_back };
        let settings = self.settings(no);
        let (remote, control) = mpsc::unbounded_channel();
        let told = remote.clone();
        let stop = move |reason| drop(told.send(Control::Stop(reason)));
        let beats = tokio::spawn(worker.clone().beats(stop));
        let operator = async {
            tokio::time::sleep(ordeal.stop.unwrap_or(TOO_LONG * 2)).await;
            let _ = remote.send(Control::Stop(StopReason::Terminated));
            std::future::pending::<()>().await;
        };
        let far = async {
            tokio::time::sleep(ordeal.far.unwrap_or(TOO_LONG * 2)).await;
            let _ = remote.send(Control::GiveBack);
            std::future::pending::<()>().await;
        };
        let engine = engine::run(&service, &mut ledger, &settings, self.clock, control);
        let engine = AssertUnwindSafe(engine).catch_unwind();
        let ended = tokio::select! {
            biased;
            () = tokio::time::sleep(ordeal.kill.unwrap_or(TOO_LONG)) => {
                if ordeal.kill.is_none() {
                    self.truth.lock().unwrap().violate("a worker hangs");
                }
                worker.die();
                None
            }
            ended = engine => Some(ended),
            () = operator => unreachable!("an operator never leaves"),
            () = far => unreachable!("it never ends"),
        };
        let failed = match ended {
            None => None,
            Some(Ok(Ok(_))) => worker.close().await.err().map(|error| LedgerError(error.into())),
            Some(Ok(Err(error))) => Some(error),
            Some(Err(_)) => Some(LedgerError("the engine panicked".into())),
        };
        beats.abort();
        let mut truth = self.truth.lock().unwrap();
        truth.note(&format!("worker {no} is gone"));
        if let Some(error) = failed {
            let is_away =
                |error: &DatabaseError| matches!(error, DatabaseError::Unreachable { .. });
            if !error.0.downcast_ref().is_some_and(is_away) {
                truth.violate(&format!("worker {no} failed: {}", error.0));
            }
        }
    }

    fn settings(&self, worker: u32) -> EngineSettings {
        let slots = match self.planted {
            Some(Planted::SlotsNotShared) => self.crew.rate.map(|_| Self::new_slots(self.clock)),
            _ => self.slots.clone(),
        };
        let origin = StartingPoint {
            selected: self.crew.tasks.into(),
            settled: self.database.lock().unwrap().settled(),
            numbering: Numbering::Timed { worker },
            ..StartingPoint::default()
        };
        EngineSettings {
            slots,
            timeout: self.world.lock().process.settings.timeout,
            retry: self.crew.retry,
            origin,
            // The database counts the failures of all workers.
            ..EngineSettings::unlimited(self.crew.concurrency, 0).at_rate(self.crew.rate)
        }
    }
}

/// The service, as one worker sees it.
struct CrewService {
    inner: SimulatedService,
    no: u32,
    database: Arc<Mutex<SimulatedDatabase>>,
    truth: Arc<Mutex<Truth>>,
}

/// Counts a call as on the wire until its future is dropped or done.
struct OnWire<'a>(&'a CrewService, usize);

impl Drop for OnWire<'_> {
    fn drop(&mut self) {
        self.0.truth.lock().unwrap().left_wire(self.1);
    }
}

impl TaskApi for CrewService {
    async fn call(&self, task: Arc<Task>) -> Answer {
        let Reply { kind, effect, answer, after } = self.inner.world.lock().reply(&task);
        let owner = self.database.lock().unwrap().owner(task.ordinal.0);
        let call = {
            let (at, ordinal) = (self.inner.clock.now(), task.ordinal.0);
            let (delivered, recorded) = (false, false);
            let call = Call { at, ordinal, kind, effect, delivered, recorded };
            self.truth.lock().unwrap().leaves(self.no, owner, call)
        };
        let _on_wire = OnWire(self, call);
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        let Some(answer) = answer else { return std::future::pending().await };
        self.truth.lock().unwrap().calls[call].delivered = true;
        match answer {
            // Without the hook of panics, which would write to standard error.
            Answer::Panicked(message) => {
                std::panic::resume_unwind(Box::new(message) as Box<dyn Any + Send>)
            }
            answer => answer,
        }
    }

    fn authority(&self) -> &dyn Authority {
        self.inner.authority()
    }
}

/// The door of the database, as `DatabaseLedger` is.
struct CrewLedger {
    worker: SimulatedWorker,
    is_lease_ignored: bool,
    given_back: Option<BoxFuture<'static, Result<(), LedgerError>>>,
}

/// Begins work at once, and waits for its end.
fn begun<T: Send + 'static>(
    work: impl Future<Output = Result<T, LedgerError>> + Send + 'static,
) -> BoxFuture<'static, Result<T, LedgerError>> {
    let work = tokio::spawn(work);
    async move { work.await.expect("nothing of it is given up before the runtime") }.boxed()
}

fn failed(error: DatabaseError) -> LedgerError {
    LedgerError(error.into())
}

impl Ledger for CrewLedger {
    fn claim(&mut self, _: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        let (worker, given_back) = (self.worker.clone(), self.given_back.take());
        begun(async move {
            if let Some(given_back) = given_back {
                given_back.await?;
            }
            worker.claim().await.map(claimed_tasks).map_err(failed)
        })
    }

    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        let worker = self.worker.clone();
        begun(async move {
            let flushed = worker.commit(events).await.map_err(failed)?;
            Ok(Kept { lost: flushed.lost.into_iter().map(chunk_ref).collect() })
        })
    }

    fn may_leave(&mut self, _: AttemptSeq) -> bool {
        true
    }

    fn may_send(&mut self, chunk: ChunkRef, now: Instant) -> Leave {
        if self.is_lease_ignored {
            return Leave::Now;
        }
        if !self.worker.may_fail() {
            return Leave::NotBefore(now + LOOK_AGAIN);
        }
        match self.worker.lease((chunk.no, chunk.epoch)) {
            LeaseState::Firm(left) => Leave::Until(now + left),
            LeaseState::Ending => Leave::NotBefore(now + LOOK_AGAIN),
            LeaseState::Over => Leave::Lost,
        }
    }

    fn note_failure(&mut self) {
        self.worker.note_failure();
    }

    fn give_back(&mut self) {
        let worker = self.worker.clone();
        self.given_back = Some(begun(async move { worker.release().await.map_err(failed) }));
    }

    fn note_dropped(&mut self, chunk: ChunkRef) {
        drop(tokio::spawn(self.worker.clone().give_up((chunk.no, chunk.epoch))));
    }
}
