//! A real server: who may record what, and what is there after crashes.

mod failures;
pub(crate) mod server;
pub(crate) mod simulated;
pub(crate) mod simulated_worker;
mod versions;

use crate::clock::{Clock, system_time};
use crate::database::leases::{ChunkClaim, Fate, Flush, LeasedChunk};
use crate::database::rates::scope_of;
use crate::database::{
    DatabaseError, DatabaseRuns, NewChunk, NewDatabaseRun, Phase, RateTerms, SHORT_TRIP,
    SignOfLife, Worker, chunk_size, slots,
};
use crate::journal::{PlanChunkWriter, PlannedTask, Text};
use crate::task::{Command, Outcome, OutcomeCounts};
use server::Server;
use std::ops::Range;
use std::time::Duration;

/// A lease that ends at once: its chunk is free for the next claim.
const NONE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

/// Returns a chunk with these tasks.
pub(crate) fn planned(ordinals: Range<u32>) -> NewChunk {
    let mut writer = PlanChunkWriter::default();
    for ordinal in ordinals {
        writer.push(&PlannedTask {
            ordinal,
            id: Text::Plain(&format!("task-{ordinal:05}")),
            command: Command::START,
            source: 0,
            line: u64::from(ordinal) + 1,
            column: None,
            others: None,
            doubted: false,
        });
    }
    let (_, tasks, body) = writer.finish();
    NewChunk { tasks, body, states: Vec::new() }
}

fn run(lease: Duration) -> NewDatabaseRun {
    NewDatabaseRun {
        id: "20240705-120000-aaaa".parse().unwrap(),
        part: 0,
        job: None,
        head: "{}".into(),
        tasks: 6,
        lease,
        tolerated: 3,
        rate: RateTerms { limit: "2000/s".parse().ok(), ..RateTerms::default() },
        ramp: Duration::ZERO,
        trip: SHORT_TRIP,
        job_epoch: None,
        first_phase: Phase::Send,
        looks_after: false,
        is_unapplied: false,
    }
}

fn chunks() -> Vec<NewChunk> {
    (0..3).map(|no| NewChunk { tasks: 2, body: vec![no; 100], states: Vec::new() }).collect()
}

/// A run of three chunks with two tasks each, and a worker for it.
struct Scene {
    server: Server,
    runs: DatabaseRuns,
    run: i64,
}

impl Scene {
    async fn with_lease(lease: Duration) -> Option<Self> {
        let server = Server::start()?;
        let mut runs = DatabaseRuns::create(server.database("runs").await).await.unwrap();
        let run = runs.store(&[(run(lease), chunks())]).await.unwrap()[0];
        Some(Self { server, runs, run })
    }

    async fn worker(&mut self) -> Worker {
        self.runs.join(self.run, "batch-a", 4711, "0.1.0").await.unwrap()
    }

    async fn claim(&mut self, worker: Worker) -> LeasedChunk {
        match worker.claim(&mut self.runs.link, &[]).await.unwrap() {
            ChunkClaim::Chunk(chunk) => chunk,
            other => panic!("{other:?}"),
        }
    }

    async fn flush(&mut self, worker: Worker, flush: &Flush) -> Fate {
        worker.flush(&mut self.runs.link, std::slice::from_ref(flush)).await.unwrap()[0]
    }

    async fn number(&self, query: &str) -> i64 {
        self.server.number("runs", query).await
    }
}

fn flush_of(chunk: &LeasedChunk, seq: u32, settled: u64) -> Flush {
    let (no, epoch, body) = (chunk.no, chunk.epoch, vec![7; 20]);
    let mut counts = OutcomeCounts::default();
    counts[Outcome::Succeeded] = settled;
    Flush { no, epoch, seq, body, settled: counts }
}

#[tokio::test]
async fn a_worker_does_not_take_a_chunk_from_itself() {
    let Some(mut scene) = Scene::with_lease(NONE).await else { return };
    let worker = scene.worker().await;
    let chunk = scene.claim(worker).await;
    let address = scene.server.address("batch", "runs");
    let mut link = crate::database::link::Link::new(address).unwrap();
    let next = worker.claim(&mut link, &[chunk.no]).await.unwrap();
    let ChunkClaim::Chunk(next) = next else { panic!("{next:?}") };
    assert_eq!((chunk.no, next.no), (0, 1));
    let none = worker.claim(&mut link, &[0, 1, 2]).await.unwrap();
    assert_eq!(none, ChunkClaim::NotYet);
}

#[tokio::test]
async fn every_chunk_is_claimed_once_and_settled_by_its_segments() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let (one, two) = (scene.worker().await, scene.worker().await);
    assert_eq!((one.no, two.no, one.lease), (1, 2, LONG));
    let mut claimed = Vec::new();
    for worker in [one, two, one] {
        claimed.push((worker, scene.claim(worker).await));
    }
    let numbers: Vec<u32> = claimed.iter().map(|(_, chunk)| chunk.no).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!((&claimed[1].1.body, claimed[1].1.before), (&vec![1; 100], None));
    assert_eq!(two.claim(&mut scene.runs.link, &[]).await.unwrap(), ChunkClaim::NotYet);
    for (worker, chunk) in &claimed {
        assert_eq!(scene.flush(*worker, &flush_of(chunk, 0, 1)).await, Fate::Kept);
        assert_eq!(scene.flush(*worker, &flush_of(chunk, 1, 1)).await, Fate::Kept);
    }
    assert_eq!(two.claim(&mut scene.runs.link, &[]).await.unwrap(), ChunkClaim::Done);
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.segment").await, 6);
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.takeover").await, 0);
}

#[tokio::test]
async fn a_flush_under_a_lost_lease_records_nothing() {
    let Some(mut scene) = Scene::with_lease(NONE).await else { return };
    let (slow, quick) = (scene.worker().await, scene.worker().await);
    let before = scene.claim(slow).await;
    assert_eq!(scene.flush(slow, &flush_of(&before, 0, 1)).await, Fate::Kept);
    let after = scene.claim(quick).await;
    assert_eq!((after.no, after.epoch, after.next_seq), (before.no, 2, 1));
    assert_eq!((after.before, after.was_leased), (Some(slow.no), true));
    quick.note_doubts(&mut scene.runs.link, &after, 1).await.unwrap();
    assert_eq!(scene.number("SELECT in_doubt::bigint FROM batchctl.takeover").await, 1);
    assert_eq!(scene.flush(slow, &flush_of(&before, 1, 1)).await, Fate::Lost);
    assert_eq!(scene.flush(quick, &flush_of(&after, 1, 1)).await, Fate::Kept);
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.segment").await, 2);
    let wishes =
        slow.beat(&mut scene.runs.link, SignOfLife::default(), &[(before.no, before.epoch)]).await;
    assert!(wishes.unwrap().kept.is_empty());
}

#[tokio::test]
async fn a_flush_whose_answer_was_lost_is_recognised() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let worker = scene.worker().await;
    let chunk = scene.claim(worker).await;
    let flush = flush_of(&chunk, 0, 1);
    assert_eq!(scene.flush(worker, &flush).await, Fate::Kept);
    // Sent again, because nobody knows whether it landed.
    assert_eq!(scene.flush(worker, &flush).await, Fate::Kept);
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.segment").await, 1);
    assert_eq!(scene.number("SELECT sum(settled) FROM batchctl.chunk").await, 1);
}

#[tokio::test]
async fn chunks_that_are_given_back_are_free_and_no_takeover() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let worker = scene.worker().await;
    let chunk = scene.claim(worker).await;
    worker.give_back(&mut scene.runs.link, &[(chunk.no, chunk.epoch)]).await.unwrap();
    let again = scene.claim(worker).await;
    assert_eq!((again.no, again.epoch, again.was_leased), (chunk.no, 2, false));
    // Giving back under an old lease changes nothing.
    worker.give_back(&mut scene.runs.link, &[(chunk.no, chunk.epoch)]).await.unwrap();
    assert_eq!(scene.claim(worker).await.no, 1);
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.takeover").await, 0);
}

#[tokio::test]
async fn doubts_of_a_chunk_that_was_given_back_make_a_takeover() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let (one, two) = (scene.worker().await, scene.worker().await);
    let chunk = scene.claim(one).await;
    one.give_back(&mut scene.runs.link, &[(chunk.no, chunk.epoch)]).await.unwrap();
    let again = scene.claim(two).await;
    assert!(!again.is_takeover(0) && again.is_takeover(1));
    for in_doubt in [3, 2] {
        // A second time, because the answer was lost.
        two.note_doubts(&mut scene.runs.link, &again, in_doubt).await.unwrap();
    }
    let row = format!(
        "SELECT count(*) FROM batchctl.takeover WHERE epoch = 2 AND from_worker = {} AND by_worker = {} \
         AND in_doubt = 2",
        one.no, two.no
    );
    assert_eq!(scene.number(&row).await, 1);
}

#[tokio::test]
async fn a_beat_keeps_leases_and_brings_wishes() {
    let Some(mut scene) = Scene::with_lease(NONE).await else { return };
    let worker = scene.worker().await;
    let chunk = scene.claim(worker).await;
    let renewing = Worker { lease: LONG, ..worker };
    let sign = SignOfLife { calls: 5, throttled: 1, in_flight: 2, uncertainty_us: Some(800) };
    let wishes =
        renewing.beat(&mut scene.runs.link, sign, &[(chunk.no, chunk.epoch)]).await.unwrap();
    assert_eq!((wishes.kept, wishes.paused, &*wishes.rate), (vec![chunk.no], false, "2000/s"));
    assert_eq!(scene.claim(worker).await.no, chunk.no + 1);
    let wish = "UPDATE batchctl.run SET change_no = 1, paused = true, concurrency = 4, \
                stopping = 'drained'";
    scene.server.sql("runs", wish).await;
    let wishes = worker.beat(&mut scene.runs.link, sign, &[]).await.unwrap();
    assert_eq!((wishes.change_no, wishes.paused, wishes.concurrency), (1, true, Some(4)));
    assert_eq!(wishes.stopping.as_deref(), Some("drained"));
    assert_eq!(scene.number("SELECT calls FROM batchctl.worker").await, 5);
}

#[tokio::test]
async fn a_clock_is_compared_with_that_of_the_database() {
    const HOUR: i64 = 3_600_000_000;
    let Some(mut scene) = Scene::with_lease(NONE).await else { return };
    for hours in [-4, 4] {
        let clock = Clock::starting_at(system_time().plus_micros(hours * HOUR));
        let ahead = scene.runs.clock_ahead(clock).await.unwrap();
        // Both are of this machine; how long an answer takes is not what is tested.
        assert_eq!((ahead + HOUR / 2).div_euclid(HOUR), hours, "{ahead}");
    }
}

#[tokio::test]
async fn a_worker_whose_run_was_removed_is_told_so() {
    let Some(mut scene) = Scene::with_lease(NONE).await else { return };
    let worker = scene.worker().await;
    scene.server.sql("runs", "TRUNCATE batchctl.run CASCADE").await;
    let told = worker.beat(&mut scene.runs.link, SignOfLife::default(), &[]).await.unwrap_err();
    assert!(matches!(told, DatabaseError::RunGone { .. }) && !told.may_pass(), "{told:?}");
}

#[tokio::test]
async fn what_the_server_says_is_one_line() {
    let Some(mut scene) = Scene::with_lease(NONE).await else { return };
    let words = "DO $$ BEGIN RAISE EXCEPTION 'one\ntwo' USING DETAIL = 'three'; END $$";
    let said = scene.runs.link.with(async |client| client.batch_execute(words).await).await;
    let said = said.unwrap_err();
    assert!(matches!(said, DatabaseError::Statement { .. }), "{said:?}");
    let source = std::error::Error::source(&said).unwrap();
    assert_eq!(source.to_string(), "ERROR: one; two; three");
    assert!(source.source().is_none());
}

#[tokio::test]
async fn killed_connections_and_crashes_repeat_and_lose_nothing() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let worker = scene.worker().await;
    let chunk = scene.claim(worker).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE application_name = 'batchctl'";
    for seq in 0..20 {
        match seq {
            10 => {
                scene.server.crash();
                scene.server.begin();
            }
            _ => drop(scene.number(kill).await),
        }
        let flush = flush_of(&chunk, seq, u64::from(seq >= 18));
        let mut tries = 0;
        let fate = loop {
            match worker.flush(&mut scene.runs.link, std::slice::from_ref(&flush)).await {
                Ok(fates) => break fates[0],
                Err(error) => assert!(error.may_pass(), "{error:?}"),
            }
            tries += 1;
            assert!(tries < 10, "it does not pass");
        };
        assert_eq!(fate, Fate::Kept, "segment {seq}");
    }
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.segment").await, 20);
    assert_eq!(scene.number("SELECT settled::bigint FROM batchctl.chunk WHERE no = 0").await, 2);
}

#[tokio::test]
async fn a_plan_is_there_whole_or_not_at_all() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.chunk").await, 3);
    let id = run(LONG).id;
    assert_eq!(scene.runs.numbers_of(&id).await.unwrap(), [scene.run]);
    // The answer to the first try may have been lost; it is not stored twice.
    assert_eq!(scene.runs.store(&[(run(LONG), chunks())]).await.unwrap(), [scene.run]);
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.run").await, 1);
    // The id is taken by another run, so that nothing of the second plan may stay.
    let other = NewDatabaseRun { head: "another".into(), ..run(LONG) };
    let refused = scene.runs.store(&[(other, chunks())]).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::RunExists { .. }), "{refused:?}");
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.chunk").await, 3);
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.rate").await, 1);
    // A planner that dies in the middle of its load.
    let address = scene.server.address("batch", "runs");
    let second = NewDatabaseRun { id: "20240705-120000-bbbb".parse().unwrap(), ..run(LONG) };
    let many: Vec<NewChunk> = (0..20_000)
        .map(|_| NewChunk { tasks: 1, body: vec![1; 2_000], states: Vec::new() })
        .collect();
    let planner = tokio::spawn(async move {
        let mut runs = DatabaseRuns::open(address).await.unwrap();
        runs.store(&[(second, many)]).await
    });
    while scene.number("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY chunk%'").await
        == 0
        && !planner.is_finished()
    {
        tokio::task::yield_now().await;
    }
    planner.abort();
    let _ = planner.await;
    let planned = scene.number("SELECT count(*) FROM batchctl.run WHERE id LIKE '%bbbb'").await;
    let chunks = scene.number("SELECT count(*) FROM batchctl.chunk").await;
    assert!(matches!((planned, chunks), (0, 3) | (1, 20_003)), "{planned} {chunks}");
}

#[tokio::test]
async fn the_targets_of_a_run_are_there_and_go_together() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let of = |id: &str, part| NewDatabaseRun { id: id.parse().unwrap(), part, ..run(LONG) };
    let parts = |id: &str| [0, 1, 2].map(|part| (of(id, part), chunks()));
    let id = "20240705-120000-cccc";
    let rows = scene.runs.store(&parts(id)).await.unwrap();
    let numbers = scene.runs.numbers_of(&id.parse().unwrap()).await.unwrap();
    assert_eq!((rows.len(), &rows), (3, &numbers));
    // A row is there already: none of the others may stay.
    scene.runs.store(&[(of("20240705-120000-dddd", 2), chunks())]).await.unwrap();
    let refused = scene.runs.store(&parts("20240705-120000-dddd")).await;
    assert!(matches!(refused, Err(DatabaseError::RunExists { .. })), "{refused:?}");
    let stored = "SELECT count(*) FROM batchctl.run WHERE id LIKE '%dddd%'";
    assert_eq!(scene.number(stored).await, 1);
    // A worker at one of them keeps all of them.
    let worker = scene.runs.join(rows[1], "batch-a", 4711, "0.1.0").await.unwrap();
    assert!(!scene.runs.remove(&rows).await.unwrap());
    worker.leave(&mut scene.runs.link).await.unwrap();
    assert!(scene.runs.remove(&rows).await.unwrap());
    assert!(scene.runs.numbers_of(&id.parse().unwrap()).await.unwrap().is_empty());
    assert_eq!(scene.number("SELECT count(*) FROM batchctl.chunk").await, 6);
}

#[tokio::test]
async fn slots_are_granted_on_one_timeline_for_all() {
    let Some(mut scene) = Scene::with_lease(LONG).await else { return };
    let one = scene.runs.grant_slots(scene.run, 10).await.unwrap();
    let two = scene.runs.grant_slots(scene.run, 10).await.unwrap();
    assert_eq!((one.count, two.count), (10, 10));
    // (1 s + 15 ms + 10 ms) ÷ 2,000.
    assert_eq!(one.step_ns, 512_500);
    assert!(two.first_ns >= one.first_ns + 10 * one.step_ns);
    let rest = scene.runs.grant_slots(scene.run, 1_000_000).await.unwrap();
    assert!(rest.count <= 400, "no slot lies further ahead than 200 ms");
    let until = rest.now_ns + 60_000_000_000;
    slots::hold(&mut scene.runs.link, &scope_of(scene.run), until).await.unwrap();
    let held = scene.runs.grant_slots(scene.run, 1).await.unwrap();
    assert_eq!((held.count, held.hold_ns), (0, until));
}

#[test]
fn small_runs_are_shared_too() {
    let sizes = [0, 1, 1_000, 1_024, 6_400, 64_000, 10_000_000].map(chunk_size);
    assert_eq!(sizes, [16, 16, 16, 16, 100, 1_000, 1_000]);
}
