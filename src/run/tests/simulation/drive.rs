//! Carries a simulated run out: one process after the other, until every task has its outcome.

use super::SOME_DAY;
use super::judge::{Judge, LeftBehind};
use super::ledger::SimulatedLedger;
use super::planted::Planted;
use super::service::SimulatedService;
use super::story::{MOST_SESSIONS, Ordeal, Order, Story, Weather};
use super::world::{Process, State, World};
use crate::clock::Clock;
use crate::engine;
use crate::engine::{Control, EngineSettings, LedgerError};
use crate::event::{Event, Operator, RunStats};
use crate::input::{CommandSource, InputOptions, Source};
use crate::loading::NewPlan;
use crate::policy::{MaxFailures, REMEMBERED_SENDINGS};
use crate::run::carry_out::starting_point;
use crate::run::ledger::{RunEndedBy, StoreLedger};
use crate::run::plan::Planned;
use crate::run::resume::{Resumption, resume};
use crate::run::settings::{engine_settings, remembered_sendings};
use crate::run::watchers;
use crate::run::waves::WaveOrigin;
use crate::run::{RunRequest, plan};
use crate::settings::RunSettings;
use crate::store::{RunDirectory, RunWriter};
use crate::task::Command;
use futures::FutureExt;
use std::fmt::Write;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A process that takes longer than this hangs.
const TOO_LONG: Duration = Duration::from_secs(100 * 24 * 3600);

/// A run that was simulated.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) violations: Vec<String>,
    /// Everything that happened, in order, and the documents at the end.
    pub(super) trace: String,
    pub(super) calls: usize,
    pub(super) processes: usize,
}

/// Carries out the run of a seed, with a planted fault if there is one.
pub(super) type CarryOut = fn(u64, Option<Planted>) -> Ran;

/// How a process ended.
pub(super) enum ProcessEnd {
    Ended(RunStats),
    Killed,
    StoreFailed(LedgerError),
    Panicked,
    Hangs,
}

/// Carries out the run of a seed.
pub(super) fn carry_out(seed: u64, planted: Option<Planted>) -> Ran {
    let folder = folder();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let stage = async { Stage::set(seed, planted, folder.path()).run().await };
    runtime.unwrap().block_on(stage)
}

/// Returns a folder whose files cost no time at the disk, if there is such a place.
pub(super) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("batchctl-simulation-").tempdir_in(place).unwrap()
}

struct Stage {
    seed: u64,
    story: Story,
    planted: Option<Planted>,
    folder: PathBuf,
    clock: Clock,
    world: World,
}

impl Stage {
    fn set(seed: u64, planted: Option<Planted>, folder: &Path) -> Self {
        let story = Story::new(seed);
        let clock = Clock::starting_at(SOME_DAY);
        let world = World::new(State {
            clock,
            rng: fastrand::Rng::with_seed(seed),
            weather: story.weather.clone(),
            process: Process::new(0, clock.now(), &story.settings),
            calls: Vec::new(),
            tasks: (0..story.tasks).map(|ordinal| (ordinal, Default::default())).collect(),
            violations: Vec::new(),
            trace: format!("{story:#?}\n"),
            window: (clock.now(), 0),
            token: (1, clock.instant()),
            directory: folder.join("0"),
            left_behind: folder.join("1"),
        });
        Self { seed, story, planted, folder: folder.to_owned(), clock, world }
    }

    async fn run(self) -> Ran {
        let mut judge = Judge::default();
        let mut first = Some(self.plan());
        let id = first.as_ref().map(|planned| planned.id().clone()).unwrap();
        let mut processes = 0;
        for number in 0..=MOST_SESSIONS {
            let easy = Ordeal::default();
            let ordeal = self.story.ordeals.get(number).unwrap_or(&easy);
            tokio::time::sleep(ordeal.gap).await;
            let planned = match first.take() {
                Some(planned) => Some(planned),
                None => self.taken_up(&id, number, ordeal),
            };
            let Some(planned) = planned else { break };
            if number == MOST_SESSIONS {
                self.world.lock().violate("the run does not come to its end");
                break;
            }
            processes += 1;
            let (end, shown) = self.process(number, &planned, ordeal).await;
            let runs = RunDirectory::existing(&self.end_of_process());
            drop(planned);
            let (runs, id, end, shown, planted) = (&runs, &id, &end, &shown[..], self.planted);
            let left = LeftBehind { runs, id, end, shown, planted };
            judge.judge(&mut self.world.lock(), &left);
            if !self.world.lock().violations.is_empty() {
                break;
            }
        }
        let mut state = self.world.lock();
        Ran {
            violations: std::mem::take(&mut state.violations),
            trace: std::mem::take(&mut state.trace),
            calls: state.calls.len(),
            processes,
        }
    }

    fn input(&self) -> PathBuf {
        self.folder.join("input")
    }

    fn plan(&self) -> Planned {
        let mut ids = String::from("id\n");
        (0..self.story.tasks).for_each(|number| writeln!(ids, "task-{number:04}").unwrap());
        (0..self.story.repeated).for_each(|number| writeln!(ids, "task-{number:04}").unwrap());
        fs::write(self.input(), ids).unwrap();
        let reader = Box::new(fs::File::open(self.input()).unwrap());
        let request = RunRequest {
            state: self.world.lock().directory.clone(),
            command: "start".into(),
            plan: NewPlan::of(
                vec![Source::Stream { name: "input".into(), reader }],
                InputOptions::new(CommandSource::Fixed(Command::START)),
            ),
            endpoint: "https://vias.example.com".into(),
            project_id: "p1".into(),
            job: None,
            reason: None,
            settings: self.story.settings.clone(),
        };
        fastrand::seed(self.seed);
        plan(request, self.clock).unwrap()
    }

    /// Takes the run up; nothing if it is finished.
    fn taken_up(
        &self,
        id: &crate::store::RunId,
        number: usize,
        ordeal: &Ordeal,
    ) -> Option<Planned> {
        if ordeal.edits_input {
            fs::write(self.input(), "id\nanother-task\n").unwrap();
        }
        let directory = self.world.lock().directory.clone();
        let mut resumable = match resume(&directory, id, self.clock) {
            Ok(Resumption::Ready(resumable)) => resumable,
            Ok(Resumption::Finished) => return None,
            Err(error) => {
                self.world.lock().violate(&format!("cannot be resumed: {error}"));
                return None;
            }
        };
        if let Some(rate) = ordeal.new_rate {
            resumable.settings.rate = rate;
        }
        if Story::is_fair_for(number) {
            self.world.lock().weather = Weather::fair();
            let settings = &mut resumable.settings;
            *settings = RunSettings {
                canary: None,
                waves: None,
                max_duration: None,
                max_failures: MaxFailures::Count(u64::MAX),
                ..settings.clone()
            };
        }
        Some(resumable.into_planned())
    }

    /// Lets one process work on the run, and returns how it ended and what its watcher saw.
    async fn process(
        &self,
        number: usize,
        planned: &Planned,
        ordeal: &Ordeal,
    ) -> (ProcessEnd, Vec<Event>) {
        let mut process = Process::new(number, self.clock.now(), &planned.settings);
        process.kill = ordeal.kill;
        process.disk = ordeal.disk;
        process.commit_millis = ordeal.commit_millis;
        self.world.lock().begin(process);
        fastrand::seed(self.seed.wrapping_mul(31).wrapping_add(number as u64));
        let recall = remembered_sendings(&planned.settings).max(REMEMBERED_SENDINGS);
        let waves = match &planned.settings.waves {
            Some(_) => WaveOrigin::read(&planned.runs, &planned.id).unwrap(),
            None => WaveOrigin::default(),
        };
        let opened = RunWriter::open(&planned.runs, &planned.lock, self.clock.now(), recall);
        let writer = match opened {
            Ok(writer) => writer,
            Err(error) => return (ProcessEnd::StoreFailed(LedgerError(error.into())), Vec::new()),
        };
        let mut settings = engine_settings(&planned.settings, starting_point(&writer));
        settings.origin.changes = planned.changes.clone();
        settings.origin.unsent = waves.unsent;
        settings.origin.wave_pause_until = waves.pause_until;
        match self.planted {
            Some(Planted::DeadlineIgnored) => settings.max_duration = None,
            Some(Planted::WindowForgottenOnResume) => settings.origin.last_sent.clear(),
            _ => {}
        }
        let shown: Arc<Mutex<Vec<Event>>> = Arc::default();
        let seen = Arc::clone(&shown);
        let watcher = move |events: &[Event]| seen.lock().unwrap().extend_from_slice(events);
        let (channel, thread) = watchers::open(vec![Box::new(watcher)], self.clock).unwrap();
        let ended_by = RunEndedBy::Engine;
        let store = StoreLedger::new(writer, channel, ended_by);
        let end = self.engine(store, &settings, number > 0, &ordeal.orders).await;
        let trouble = thread.close();
        if trouble != watchers::WatchTrouble::default() {
            self.world.lock().violate(&format!("watchers had trouble: {trouble:?}"));
        }
        let shown = std::mem::take(&mut *shown.lock().unwrap());
        (end, shown)
    }

    async fn engine(
        &self,
        store: StoreLedger,
        settings: &EngineSettings,
        is_resumed: bool,
        orders: &[(Duration, Order)],
    ) -> ProcessEnd {
        let (world, clock, planted) = (self.world.clone(), self.clock, self.planted);
        let mut ledger = SimulatedLedger {
            store: Arc::new(Mutex::new(store)),
            world: world.clone(),
            clock,
            planted,
            is_resumed,
            late: Arc::default(),
            settled: Arc::default(),
        };
        let service = SimulatedService { world: world.clone(), clock, planted };
        let (remote, control) = mpsc::unbounded_channel();
        let began = clock.instant();
        let operator = async {
            for &(after, order) in orders {
                tokio::time::sleep_until(began + after).await;
                world.order(order);
                let _ = remote.send(control_of(order));
            }
            std::future::pending::<()>().await;
        };
        let engine = engine::run(&service, &mut ledger, settings, clock, control);
        let mut engine = pin!(AssertUnwindSafe(engine).catch_unwind());
        let ended = async {
            tokio::select! {
                biased;
                () = world.death() => ProcessEnd::Killed,
                ended = &mut engine => match ended {
                    Ok(Ok(stats)) => ProcessEnd::Ended(stats),
                    Ok(Err(error)) => ProcessEnd::StoreFailed(error),
                    Err(_) => ProcessEnd::Panicked,
                },
                () = operator => unreachable!("an operator never leaves"),
            }
        };
        tokio::time::timeout(TOO_LONG, ended).await.unwrap_or(ProcessEnd::Hangs)
    }

    /// Turns to the files that the process left behind, and returns their directory.
    fn end_of_process(&self) -> PathBuf {
        let mut state = self.world.lock();
        if state.process.is_dead {
            state.directory = state.left_behind.clone();
            let next = format!("{}", state.process.number + 2);
            state.left_behind = self.folder.join(next);
        }
        state.directory.clone()
    }
}

fn control_of(order: Order) -> Control {
    match order {
        Order::Change(change) => Control::Change { change, by: Operator::Key, answer: None },
        Order::Stop(reason) => Control::Stop(reason),
        Order::Abandon => Control::Abandon,
    }
}
