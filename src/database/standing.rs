//! Where the runs of a database stand, in numbers: without reading what became of each task.

use crate::clock::Timestamp;
use crate::database::error::DatabaseError;
use crate::database::numbers::{u32_at, u32_or_none, u64_at};
use crate::database::plan::NOT_APPLIED;
use crate::database::runs::DatabaseRuns;
use crate::event::StopReason;
use crate::reading::RunState;
use crate::settings::TargetPart;
use crate::store::{RunId, RunRecord, SessionRecord, StoredEnd, parse_head};
use crate::task::{Outcome, OutcomeCounts, ServiceLimit};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::Row;

const IDS: &str = "SELECT id, job FROM run WHERE position('.' IN id) = 0 ORDER BY id";
const NEXT: &str = "
SELECT split_part(id, '.', 1) FROM run WHERE stopping IS NULL AND
    (EXISTS (SELECT FROM chunk WHERE run = run.no AND state < 2) OR looks_after AND phase < 4)
    AND NOT EXISTS (SELECT FROM job j WHERE j.name = run.job AND j.lease_until > clock_timestamp()
        AND j.run IS DISTINCT FROM (SELECT f.no FROM run f WHERE f.id = split_part(run.id, '.', 1)))
ORDER BY no DESC LIMIT 1";
const RUNS: &str = "
SELECT r.no, r.head, r.stopping, r.paused, r.concurrency, c.settled, c.succeeded, c.partial, c.failed,
    c.ambiguous, c.unchanged, own.text_limit,
    (SELECT count(*) FROM takeover t WHERE t.run = r.no),
    (SELECT coalesce(sum(in_doubt), 0)::bigint FROM takeover t WHERE t.run = r.no),
    own.searches, (SELECT learnt_ns FROM rate t WHERE t.scope = own.timeline),
    c.segments + (SELECT count(*) FROM segment s WHERE s.run = r.no AND s.chunk < 0)
FROM run r LEFT JOIN rate own ON own.scope = 'run:' || r.no, LATERAL (
    SELECT coalesce(sum(next_seq), 0)::bigint AS segments, coalesce(sum(settled), 0)::bigint AS settled, coalesce(sum(succeeded), 0)::bigint AS succeeded,
        coalesce(sum(partial), 0)::bigint AS partial, coalesce(sum(failed), 0)::bigint AS failed,
        coalesce(sum(ambiguous), 0)::bigint AS ambiguous, coalesce(sum(unchanged), 0)::bigint AS unchanged
    FROM chunk WHERE run = r.no) c
WHERE $1::text IS NULL OR split_part(r.id, '.', 1) = $1
ORDER BY split_part(r.id, '.', 1), length(r.id), r.id";
const WORKERS: &str = "
SELECT w.run, w.no, w.host, w.process, w.version, (extract(epoch FROM w.since) * 1000000)::bigint,
    (extract(epoch FROM w.gone) * 1000000)::bigint, w.calls, w.in_flight,
    extract(epoch FROM clock_timestamp() - w.seen)::float8, extract(epoch FROM r.lease)::float8
FROM worker w JOIN run r ON r.no = w.run WHERE $1::text IS NULL OR split_part(r.id, '.', 1) = $1 ORDER BY w.run, w.no";

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RunStanding {
    /// Its record; each worker is a session.
    pub record: RunRecord,
    /// The tasks with an outcome.
    pub outcomes: OutcomeCounts,
    /// Whether it was planned on its own, and applied since.
    pub is_applied: bool,
    /// Why it stops, if it does.
    pub stopping: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// The calls at a time of each worker, if an operator has set them.
    pub concurrency: Option<u32>,
    /// The rate of all workers together.
    pub rate: String,
    /// Whether the rate is found below that one.
    pub searches: bool,
    /// The limit of the service that is known, in sendings a second.
    pub learnt: Option<f64>,
    /// How many chunks were taken over from workers that were gone.
    pub takeovers: u64,
    /// How many of their tasks were in doubt.
    pub in_doubt: u64,
    /// The workers, in the order in which they came.
    pub workers: Vec<WorkerStanding>,
    /// How many segments its journal has.
    pub segments: u64,
    /// Where each of its targets stands, in a run of several: then all above is their sum, and what
    /// holds for all of them.
    pub targets: Vec<RunStanding>,
}

/// A worker of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerStanding {
    /// Its number.
    pub no: i32,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub process: u32,
    /// The version of batchctl.
    pub version: String,
    /// When it came.
    pub since: Timestamp,
    /// When it went, if it said so.
    pub gone: Option<Timestamp>,
    /// Its calls.
    pub calls: u64,
    /// Those on the wire.
    pub in_flight: u32,
    /// How long ago it was heard of.
    pub seen: Duration,
    /// After which silence others take its chunks.
    pub lease: Duration,
}

impl WorkerStanding {
    /// Returns whether it still works, as far as the database knows.
    pub fn is_alive(&self) -> bool {
        self.gone.is_none() && self.seen < self.lease
    }
}

impl RunStanding {
    /// Returns whether it is a plan that was not applied.
    pub fn is_unapplied(&self) -> bool {
        self.stopping.as_deref() == Some(NOT_APPLIED)
    }

    /// Returns whether a worker is on it.
    pub fn is_running(&self) -> bool {
        self.workers.iter().any(WorkerStanding::is_alive)
    }

    /// Returns its state.
    pub fn state(&self) -> RunState {
        let is_open = self.is_open();
        let have_left = self.workers.iter().all(|worker| worker.gone.is_some());
        match self.workers.as_slice() {
            _ if !is_open => RunState::Finished,
            [] => RunState::Planned,
            _ if self.is_running() => RunState::Running,
            _ if have_left || self.stopping.is_some() => RunState::Interrupted,
            _ => RunState::Killed,
        }
    }

    /// Forgets what changes by itself, such as how long ago a worker was heard of: two standings that
    /// are the same then have the same report.
    pub fn settle(&mut self) {
        for worker in &mut self.workers {
            worker.seen = if worker.is_alive() { Duration::ZERO } else { Duration::MAX };
            worker.in_flight = 0;
        }
        self.targets.iter_mut().for_each(Self::settle);
    }

    /// Returns the name of the target that it is of, in a run of several.
    pub fn target(&self) -> Option<&str> {
        self.record.run.settings.target.as_ref().map(TargetPart::name)
    }

    fn is_open(&self) -> bool {
        self.outcomes.selected() < self.record.selected
    }

    /// Returns where a run stands, from its targets.
    fn of_targets(targets: Vec<Self>) -> Option<Self> {
        let mut whole = targets.first()?.clone();
        for other in &targets[1..] {
            whole.record.add_target(other.record.clone());
            whole.outcomes += other.outcomes;
            whole.takeovers += other.takeovers;
            whole.in_doubt += other.in_doubt;
            whole.segments += other.segments;
            whole.is_applied |= other.is_applied;
            whole.workers.extend(other.workers.iter().cloned());
        }
        whole.record.sessions.sort_by_key(|session| session.started);
        whole.workers.sort_by_key(|worker| worker.since);
        // Of a target that has ended nothing can be stopped or paused any more.
        let open: Vec<&Self> = targets.iter().filter(|target| target.is_open()).collect();
        if let Some(first) = open.first() {
            let stop_all = open.iter().all(|target| target.stopping.is_some());
            whole.stopping = first.stopping.clone().filter(|_| stop_all);
            whole.paused = open.iter().all(|target| target.paused);
        }
        (whole.searches, whole.learnt) = (false, None);
        Some(Self { targets, ..whole })
    }
}

impl DatabaseRuns {
    /// Returns the ids of all runs with their jobs, the oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn ids(&mut self) -> Result<Vec<(RunId, Option<String>)>, DatabaseError> {
        let rows = self.link.with(async |client| client.query(IDS, &[]).await).await?;
        let id = |row: &Row| Some((row.get::<_, &str>(0).parse().ok()?, row.get(1)));
        Ok(rows.iter().filter_map(id).collect())
    }

    /// Returns the newest run with open tasks that nobody has stopped.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn next_to_work(&mut self) -> Result<Option<RunId>, DatabaseError> {
        let row = self.link.with(async |client| client.query_opt(NEXT, &[]).await).await?;
        Ok(row.and_then(|row| row.get::<_, &str>(0).parse().ok()))
    }

    /// Returns where runs stand, the oldest first: all of them, or one.
    ///
    /// # Errors
    ///
    /// Those of the database; a description that is damaged.
    pub async fn standings(
        &mut self,
        only: Option<&RunId>,
    ) -> Result<Vec<RunStanding>, DatabaseError> {
        let only = only.map(RunId::as_str);
        let (workers, rows) = self
            .link
            .with(async |client| {
                Ok((client.query(WORKERS, &[&only]).await?, client.query(RUNS, &[&only]).await?))
            })
            .await?;
        let shown = self.link.shown();
        let mut of_runs: BTreeMap<i64, Vec<WorkerStanding>> = BTreeMap::new();
        for row in &workers {
            of_runs.entry(row.get(0)).or_default().push(worker(row));
        }
        let mut workers = |row: &Row| of_runs.remove(&row.get(0)).unwrap_or_default();
        let rows = rows.iter().map(|row| standing(row, workers(row), shown));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let of_a_run = rows.chunk_by(|one, other| one.record.run.id == other.record.run.id);
        Ok(of_a_run.filter_map(whole).collect())
    }
}

/// Returns where a run stands, from its rows.
fn whole(rows: &[RunStanding]) -> Option<RunStanding> {
    match rows {
        [run] if run.target().is_none() => Some(run.clone()),
        targets => RunStanding::of_targets(targets.to_vec()),
    }
}

fn standing(
    row: &Row,
    workers: Vec<WorkerStanding>,
    shown: &str,
) -> Result<RunStanding, DatabaseError> {
    let head = String::from_utf8_lossy(row.get(1)).into_owned();
    let mut record = parse_head(&head).map_err(|error| DatabaseError::Damaged {
        shown: shown.to_owned(),
        detail: error.to_string(),
    })?;
    let mut outcomes = OutcomeCounts::default();
    outcomes[Outcome::Succeeded] = u64_at(row, 6);
    outcomes[Outcome::Partial] = u64_at(row, 7);
    outcomes[Outcome::Failed] = u64_at(row, 8);
    outcomes[Outcome::Ambiguous] = u64_at(row, 9);
    outcomes[Outcome::Unchanged] = u64_at(row, 10);
    outcomes[Outcome::NotAttempted] = u64_at(row, 5).saturating_sub(outcomes.selected());
    let stopping: Option<String> = row.get(2);
    let is_applied = note_applied(&mut record, stopping.as_deref());
    let is_open = outcomes.selected() < record.selected;
    let stopped = stopping.as_deref().and_then(|reason| reason.parse().ok());
    let stopped = is_open.then(|| stopped.unwrap_or(StopReason::Interrupted));
    let target = record.run.settings.target.as_ref().map(|target| target.name().to_owned());
    let session = |worker: &WorkerStanding| SessionRecord {
        target: target.clone(),
        started: worker.since,
        end: worker.gone.map(|at| StoredEnd { at, stopped, held: Duration::ZERO }),
        process: worker.process,
        version: worker.version.clone(),
        learnt: ServiceLimit::default(),
    };
    let sessions = workers.iter().map(session).collect();
    Ok(RunStanding {
        record: RunRecord { sessions, ..record },
        outcomes,
        is_applied,
        stopping,
        paused: row.get(3),
        concurrency: u32_or_none(row, 4),
        rate: row.get::<_, Option<String>>(11).unwrap_or_default(),
        searches: row.get::<_, Option<bool>>(14).unwrap_or_default(),
        learnt: row.get::<_, Option<i64>>(15).filter(|&it| it > 0).map(|nanos| 1e9 / nanos as f64),
        takeovers: u64_at(row, 12),
        in_doubt: u64_at(row, 13),
        workers,
        segments: u64_at(row, 16),
        targets: Vec::new(),
    })
}

/// Takes the mark of a plan from the record of a run that was applied, and returns whether it had one:
/// who has applied it may not have begun yet.
pub(super) fn note_applied(record: &mut RunRecord, stopping: Option<&str>) -> bool {
    stopping != Some(NOT_APPLIED) && record.run.settings.planned_with.take().is_some()
}

fn worker(row: &Row) -> WorkerStanding {
    let span = |column: usize| {
        Duration::try_from_secs_f64(row.get::<_, f64>(column).max(0.0)).unwrap_or(Duration::MAX)
    };
    WorkerStanding {
        no: row.get(1),
        host: row.get(2),
        process: u32_at(row, 3),
        version: row.get(4),
        since: Timestamp::from_micros(row.get(5)),
        gone: row.get::<_, Option<i64>>(6).map(Timestamp::from_micros),
        calls: u64_at(row, 7),
        in_flight: u32_at(row, 8),
        seen: span(9),
        lease: span(10),
    }
}
