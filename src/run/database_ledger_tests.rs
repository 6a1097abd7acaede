//! Several engines carry out one run through a real database.

use super::*;
use crate::api::TaskApi;
use crate::clock::{Clock, Timestamp};
use crate::database::tests::planned;
use crate::database::tests::server::Server;
use crate::database::{
    DatabaseRuns, NewChunk, NewDatabaseRun, Phase, RateTerms, SHORT_TRIP, WorkTerms, chunk_size,
};
use crate::engine::{EngineSettings, Numbering, run};
use crate::event::{RunStats, StopReason, Watch};
use crate::policy::{ActionResult, Answer, Body, Response};
use crate::run::watchers;
use crate::task::{ServiceLimit, Task};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

const ORIGIN: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

/// A service that counts the calls of each task.
#[derive(Default)]
struct Counting {
    calls: Mutex<BTreeMap<u32, u32>>,
}

impl TaskApi for Counting {
    async fn call(&self, task: Arc<Task>) -> Answer {
        *self.calls.lock().unwrap().entry(task.ordinal.0).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let counts = ActionResult {
            total: Some(1),
            failed: Some(0),
            succeeded: Some(1),
            ..Default::default()
        };
        let body = Body::Result(counts);
        let (request_id, retry_after, rate_hint) = (None, None, None);
        Answer::Response(Response { status: 200, request_id, retry_after, rate_hint, body })
    }
}

fn chunks(tasks: u32) -> Vec<NewChunk> {
    let size = u32::try_from(chunk_size(u64::from(tasks))).unwrap();
    let firsts = (0..tasks).step_by(size as usize);
    firsts.map(|first| planned(first..tasks.min(first + size))).collect()
}

fn settings(tasks: u32, worker: u32) -> EngineSettings {
    let mut settings = EngineSettings::unlimited(NonZeroUsize::new(4).unwrap(), tasks.into());
    settings.origin.numbering = Numbering::Timed { worker };
    settings
}

struct Scene {
    server: Server,
    run: i64,
    tasks: u32,
    api: Counting,
}

impl Scene {
    async fn with_tasks(tasks: u32, lease: Duration) -> Option<Self> {
        let server = Server::start()?;
        let mut runs = DatabaseRuns::create(server.database("runs").await).await.unwrap();
        let new = NewDatabaseRun {
            id: "20240705-120000-aaaa".parse().unwrap(),
            part: 0,
            job: None,
            head: "{}".into(),
            tasks: u64::from(tasks),
            lease,
            tolerated: 0,
            rate: RateTerms::default(),
            ramp: Duration::ZERO,
            trip: SHORT_TRIP,
            job_epoch: None,
            first_phase: Phase::Send,
            looks_after: false,
            is_unapplied: false,
        };
        let run = runs.store(&[(new, chunks(tasks))]).await.unwrap()[0];
        Some(Self { server, run, tasks, api: Counting::default() })
    }

    /// Joins the run.
    async fn join(&self) -> DatabaseLedger {
        let address = self.server.address("batch", "runs");
        let mut runs = DatabaseRuns::open(address).await.unwrap();
        let worker = runs.join(self.run, "batch-a", 1, "0.1.0").await.unwrap();
        let clock = Clock::starting_at(ORIGIN);
        let terms = WorkTerms { origin: ORIGIN, clock, patience: Duration::from_secs(20) };
        let writer = runs.writer(worker, terms).unwrap();
        DatabaseLedger::new(writer)
    }

    /// Works on the run until it is done.
    async fn work(&self) -> RunStats {
        self.work_as(self.join().await).await
    }

    async fn work_as(&self, mut ledger: DatabaseLedger) -> RunStats {
        let clock = Clock::starting_at(ORIGIN);
        let worker = ledger.writer().worker().no.unsigned_abs();
        let settings = settings(self.tasks, worker);
        let (_operator, control) = mpsc::unbounded_channel();
        let stats = run(&self.api, &mut ledger, &settings, clock, control).await.unwrap();
        ledger.close().await.unwrap();
        stats
    }

    async fn number(&self, query: &str) -> i64 {
        self.server.number("runs", query).await
    }

    /// Waits until so many tasks were called.
    async fn await_calls(&self, count: usize) {
        while self.called() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn called(&self) -> usize {
        self.api.calls.lock().unwrap().len()
    }

    /// Checks that every task was settled once, and returns how many calls were repeated.
    async fn check(&self) -> u64 {
        let tasks = i64::from(self.tasks);
        assert_eq!(self.number("SELECT sum(settled)::bigint FROM batchctl.chunk").await, tasks);
        let open = "SELECT count(*) FROM batchctl.chunk WHERE state < 2";
        assert_eq!(self.number(open).await, 0);
        let calls = self.api.calls.lock().unwrap();
        assert_eq!(calls.len(), usize::try_from(self.tasks).unwrap(), "no task is lost");
        calls.values().map(|&count| u64::from(count) - 1).sum()
    }
}

#[tokio::test]
async fn a_record_of_others_leaves_it_to_a_commit_to_tell_what_is_lost() {
    let Some(scene) = Scene::with_tasks(40, Duration::from_secs(30)).await else { return };
    let address = scene.server.address("batch", "runs");
    let mut runs = DatabaseRuns::open(address).await.unwrap();
    let worker = runs.join(scene.run, "batch-a", 1, "0.1.0").await.unwrap();
    let clock = Clock::starting_at(ORIGIN);
    let terms = WorkTerms { origin: ORIGIN, clock, patience: Duration::from_secs(20) };
    let writer = runs.writer(worker, terms).unwrap();
    let ClaimedTasks::Tasks(chunk, _) = writer.claim().await.unwrap() else { panic!("no task") };
    let taken_over = "UPDATE batchctl.chunk SET epoch = epoch + 1, owner = 99 WHERE owner IS NOT NULL \
                      RETURNING no::bigint";
    assert_eq!(scene.number(taken_over).await, i64::from(chunk.0));
    // The next sign of life finds it.
    while writer.lease(chunk, clock.instant().into()) != LeaseState::Over {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let learnt =
        EventKind::RateLearnt(ServiceLimit { per_second: Some(50.0), ..ServiceLimit::default() });
    let event = Event { at: ORIGIN, kind: learnt };
    assert_eq!(writer.recorder().record(event.clone()).await, Some(event));
    assert_eq!(writer.commit(Vec::new()).await.unwrap().lost, [chunk]);
}

#[tokio::test]
async fn workers_share_a_run_and_call_every_task_once() {
    let Some(scene) = Scene::with_tasks(400, Duration::from_secs(60)).await else { return };
    let ended = futures::future::join_all((0..3).map(|_| scene.work())).await;
    assert!(ended.iter().all(|stats| stats.stopped.is_none()), "{ended:?}");
    assert_eq!(scene.check().await, 0);
    let busy = "SELECT count(DISTINCT worker) FROM batchctl.segment";
    assert_eq!(scene.number(busy).await, 3);
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.worker WHERE gone IS NULL").await, 0);
}

/// What a watcher is told, in its order: how many tasks all have settled, or the end as nothing.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Option<u64>>>>);

impl Watch for Told {
    fn on_events(&mut self, events: &[Event]) {
        let ends = events.iter().filter(|event| is_end(event)).map(|_| None);
        self.0.lock().unwrap().extend(ends);
    }

    fn on_settled_by_all(&mut self, settled: u64, _: Timestamp) {
        self.0.lock().unwrap().push(Some(settled));
    }
}

#[tokio::test]
async fn a_worker_tells_at_every_end_what_all_have_settled_by_then() {
    let Some(scene) = Scene::with_tasks(40, Duration::from_secs(60)).await else { return };
    for stopped in [None, Some(StopReason::Drained)] {
        let told = Told::default();
        let watchers: Vec<Box<dyn Watch>> = vec![Box::new(told.clone())];
        let (channel, thread) = watchers::open(watchers, Clock::starting_at(ORIGIN)).unwrap();
        let runs = DatabaseRuns::open(scene.server.address("batch", "runs")).await.unwrap();
        let standing = Standing::new(runs, scene.run, channel);
        let mut ledger = scene.join().await.shown_by(standing);
        scene.work().await;
        // It settled nothing itself, and nothing has told it of the other one by now.
        ledger.end(ORIGIN, RunStats { stopped, held: Duration::ZERO }).await.unwrap();
        ledger.close().await.unwrap();
        thread.close();
        assert_eq!(*told.0.lock().unwrap(), [Some(40), None]);
    }
}

#[tokio::test]
async fn the_chunks_of_a_worker_that_is_killed_are_taken_over() {
    let Some(scene) = Scene::with_tasks(400, Duration::from_secs(1)).await else { return };
    let killed = async {
        let worker = scene.join().await;
        tokio::select! {
            _ = scene.work_as(worker) => panic!("it is not killed"),
            // It has more of its calls on the wire, wherever it is.
            () = scene.await_calls(20) => {}
        }
    };
    killed.await;
    tokio::join!(scene.work(), scene.work());
    let repeated = scene.check().await;
    let in_doubt = scene.number("SELECT sum(in_doubt)::bigint FROM batchctl.takeover").await;
    assert!(scene.number("SELECT count(*) FROM batchctl.takeover").await >= 1);
    assert!(repeated <= u64::try_from(in_doubt).unwrap(), "{repeated} of {in_doubt} in doubt");
}

#[tokio::test]
async fn nothing_leaves_while_the_database_is_away_and_nothing_is_repeated() {
    let Some(scene) = Scene::with_tasks(2_000, Duration::from_secs(60)).await else { return };
    let (one, two) = (scene.join().await, scene.join().await);
    let crash = async {
        scene.await_calls(100).await;
        scene.server.crash();
        let before = scene.called();
        tokio::time::sleep(Duration::from_millis(200)).await;
        // What was durable leaves: of each worker those on the wire, and four times as many ahead.
        let meanwhile = scene.called() - before;
        assert!(meanwhile <= 2 * 4 * 5, "{meanwhile} calls without the database");
        scene.server.begin();
    };
    tokio::join!(crash, scene.work_as(one), scene.work_as(two));
    assert_eq!(scene.check().await, 0);
}
