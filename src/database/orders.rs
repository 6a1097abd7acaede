//! What operators do to a run in the database: they change it, stop it, take it up again.
//!
//! Every change is one transaction: the wish that workers read with their next beat, and the record
//! of it.

use crate::clock::Timestamp;
use crate::database::error::DatabaseError;
use crate::database::numbers::{i32_of, i64_of, trip_at};
use crate::database::plan::{LOAD_TIMEOUT, NOT_APPLIED};
use crate::database::rates::{interval_nanos, scope_of};
use crate::database::runs::DatabaseRuns;
use crate::database::segments::{SegmentRow, insert};
use crate::event::Change;
use crate::journal::{RunRecord, RunSegmentWriter};
use crate::task::Rate;
use std::time::Duration;
use tokio_postgres::{Row, Transaction};

const STANDING: &str = "
SELECT stopping, paused, concurrency, trip_us, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    EXISTS (SELECT FROM chunk c WHERE c.run = $1 AND c.state < 2), (SELECT text_limit FROM rate WHERE scope = $2),
    looks_after AND phase < 4
FROM run WHERE no = $1 FOR UPDATE";
const NOTE: &str = "
WITH me AS (UPDATE run SET workers = workers + 1, change_no = change_no + 1 WHERE no = $1 RETURNING workers)
SELECT workers FROM me";

/// Whether a worker is on a run; nobody changes the run meanwhile.
pub(super) const BUSY: &str = "
SELECT EXISTS (SELECT FROM worker w WHERE w.run = r.no AND w.gone IS NULL
    AND w.seen > clock_timestamp() - r.lease) FROM run r WHERE r.no = $1 FOR UPDATE";

/// The answer to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// All workers obey with their next beat.
    Changed,
    /// The run was in this state already.
    AsBefore,
    /// The run stops already.
    Stopping,
    /// Every task has its outcome.
    Finished,
}

impl DatabaseRuns {
    /// Changes a run for all its workers; `origin` is the time from which those of the run count.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn order(
        &mut self,
        run: i64,
        origin: Timestamp,
        change: Change,
        by: &str,
    ) -> Result<Ordered, DatabaseError> {
        let mut unchanged = None;
        let ordered = self.link.transact(async |transaction| {
            let scope = scope_of(run);
            let row = transaction.query_one(STANDING, &[&run, &scope]).await?;
            unchanged = without_a_change(&row, change);
            if unchanged.is_some() {
                return Ok(None);
            }
            carry_out(transaction, run, change, &row).await?;
            let at_us = row.get::<_, i64>(4) - origin.as_micros();
            let no: i32 = transaction.query_one(NOTE, &[&run]).await?.get(0);
            let mut writer = RunSegmentWriter::default();
            let (what, value) = (change.as_str(), change.value());
            writer.push(&RunRecord::Changed { at_us, what, value: value.as_deref(), by });
            let mut body = Vec::new();
            writer.write(0, &mut body);
            insert(transaction, run, no, &[SegmentRow::of_worker(no, 0, &body)]).await?;
            Ok(Some(Ordered::Changed))
        });
        let ordered = ordered.await?;
        Ok(ordered.or(unchanged).expect("what is not changed has a reason"))
    }
}

fn without_a_change(row: &Row, change: Change) -> Option<Ordered> {
    let (paused, concurrency, rate): (bool, Option<i32>, String) =
        (row.get(1), row.get(2), row.get(6));
    // When the calls are over, tasks may still be waited for: that can be ended, and not be changed.
    let can_end = change == Change::Drained && row.get(7);
    if !row.get::<_, bool>(5) && !can_end {
        return Some(Ordered::Finished);
    }
    if row.get::<_, Option<String>>(0).is_some() {
        return Some(Ordered::Stopping);
    }
    let is_so = match change {
        Change::Paused => paused,
        Change::Resumed => !paused,
        Change::Rate(_) => change.value() == Some(rate),
        Change::Concurrency(most) => concurrency == Some(i32_of(most.get())),
        Change::Drained => false,
    };
    is_so.then_some(Ordered::AsBefore)
}

async fn carry_out(
    transaction: &Transaction<'_>,
    run: i64,
    change: Change,
    row: &Row,
) -> Result<(), tokio_postgres::Error> {
    match change {
        Change::Paused | Change::Resumed => {
            let paused = change == Change::Paused;
            let update = "UPDATE run SET paused = $2 WHERE no = $1";
            transaction.execute(update, &[&run, &paused]).await?;
        }
        Change::Concurrency(most) => {
            let update = "UPDATE run SET concurrency = $2 WHERE no = $1";
            transaction.execute(update, &[&run, &i32_of(most.get())]).await?;
        }
        Change::Drained => {
            let update = "UPDATE run SET stopping = $2 WHERE no = $1";
            transaction.execute(update, &[&run, &"drained"]).await?;
        }
        Change::Rate(limit) => {
            let trip = trip_at(row, 3);
            let interval = limit.map_or(0, |rate| interval_nanos(rate, trip));
            let update = "UPDATE rate SET text_limit = $2, interval_ns = $3, searches = false, ramp_ns = 0 \
                 WHERE scope = $1";
            let text = change.value().unwrap_or_default();
            transaction.execute(update, &[&scope_of(run), &text, &interval]).await?;
        }
    }
    Ok(())
}

impl DatabaseRuns {
    /// Lets a run go on that was stopped, with this number of tolerated failures from now on. Failures and
    /// the time that is left count anew.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn take_up(
        &mut self,
        run: i64,
        tolerated: u64,
        least_lease: Duration,
    ) -> Result<(), DatabaseError> {
        let tolerated = i64_of(tolerated);
        let lease = least_lease.as_secs_f64();
        let take_up = "UPDATE run SET stopping = NULL, failed = 0, deadline = NULL, paused = false, \
                   concurrency = NULL, tolerated = $2, wait_until = NULL, \
                   lease = greatest(lease, $3 * interval '1 second') WHERE no = $1";
        // Whoever is still in a phase of what was stopped records nothing of it.
        let anew = "UPDATE run SET phase = first_phase, phase_owner = NULL, phase_epoch = phase_epoch + 1, \
                canary_from = NULL \
                WHERE no = $1 AND (stopping IS NOT NULL OR phase = 4)";
        let anew_failures = "UPDATE worker SET failed = 0 WHERE run = $1";
        // Once: a worker that has come meanwhile would lose what it has counted.
        let taken_up = self.link.transact(async |transaction| {
            transaction.execute(anew, &[&run]).await?;
            transaction.execute(take_up, &[&run, &tolerated, &lease]).await?;
            transaction.execute(anew_failures, &[&run]).await.map(Some)
        });
        taken_up.await.map(drop)
    }

    /// Returns the longest way to the database and back with which the rate of a run holds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn trip(&mut self, run: i64) -> Result<Duration, DatabaseError> {
        let trip = "SELECT trip_us FROM run WHERE no = $1";
        let row = self.link.with(async |client| client.query_one(trip, &[&run]).await).await?;
        Ok(trip_at(&row, 0))
    }

    /// Lets a worker with this way to the database and back keep the rate, and returns the longest one
    /// that is allowed for. Slots are a little farther apart from then on.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn allow_trip(
        &mut self,
        run: i64,
        trip: Duration,
    ) -> Result<Duration, DatabaseError> {
        let scope = scope_of(run);
        let standing = "SELECT r.trip_us, t.text_limit FROM run r, rate t \
                    WHERE r.no = $1 AND t.scope = $2 FOR UPDATE OF r";
        let (longer, slower) = (
            "UPDATE run SET trip_us = $2 WHERE no = $1",
            "UPDATE rate SET interval_ns = $2 WHERE scope = $1",
        );
        self.link
            .with(async |client| {
                let transaction = client.transaction().await?;
                let row = transaction.query_one(standing, &[&run, &scope]).await?;
                let allowed = trip_at(&row, 0);
                if allowed >= trip {
                    return Ok(allowed);
                }
                let micros = i32_of(trip.as_micros());
                transaction.execute(longer, &[&run, &micros]).await?;
                // Without a limit there is nothing to keep.
                if let Ok(limit) = row.get::<_, &str>(1).parse::<Rate>() {
                    let interval = interval_nanos(limit, trip);
                    transaction.execute(slower, &[&scope, &interval]).await?;
                }
                transaction.commit().await?;
                Ok(trip)
            })
            .await
    }

    /// Lets workers carry out a plan of its own, at all of its targets; returns whether nobody has done
    /// so before.
    ///
    /// # Errors
    ///
    /// Those of the database; then it may be applied all the same.
    pub async fn apply(&mut self, rows: &[i64]) -> Result<bool, DatabaseError> {
        let apply = "UPDATE run SET stopping = NULL WHERE no = ANY($1) AND stopping = $2";
        let applied = self.link.transact(async |transaction| {
            let applied = transaction.execute(apply, &[&rows, &NOT_APPLIED]).await?;
            Ok((applied == rows.len() as u64).then_some(()))
        });
        Ok(applied.await?.is_some())
    }

    /// Returns how long new calls may be sent, of the span that began with the first worker.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn time_left(&mut self, run: i64, span: Duration) -> Result<Duration, DatabaseError> {
        let begin = "UPDATE run SET deadline = coalesce(deadline, clock_timestamp() + $2 * interval '1 second') \
                 WHERE no = $1 RETURNING extract(epoch FROM deadline - clock_timestamp())::float8";
        // A century is for ever, and no more would fit the column.
        let seconds = span.as_secs_f64().min(3e9);
        let row =
            self.link.with(async |client| client.query_one(begin, &[&run, &seconds]).await).await?;
        Ok(Duration::try_from_secs_f64(row.get::<_, f64>(0).max(0.0)).unwrap_or(span))
    }

    /// Removes a run with all of its targets, unless a worker is at one of them; returns whether it is gone.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn remove(&mut self, rows: &[i64]) -> Result<bool, DatabaseError> {
        let removed = self.link.transact_within(LOAD_TIMEOUT, async |transaction| {
            for row in rows {
                // One that is gone by now is what was wanted.
                let busy = transaction.query_opt(BUSY, &[row]).await?;
                if busy.is_some_and(|busy| busy.get(0)) {
                    return Ok(None);
                }
            }
            for table in ["segment", "takeover", "chunk", "worker"] {
                let delete = format!("DELETE FROM {table} WHERE run = ANY($1)");
                transaction.execute(&delete, &[&rows]).await?;
            }
            let scopes: Vec<String> = rows.iter().map(|row| scope_of(*row)).collect();
            transaction.execute("DELETE FROM rate WHERE scope = ANY($1)", &[&scopes]).await?;
            transaction.execute("DELETE FROM run WHERE no = ANY($1)", &[&rows]).await?;
            Ok(Some(()))
        });
        Ok(removed.await?.is_some())
    }
}
