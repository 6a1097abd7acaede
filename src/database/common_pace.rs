//! The pace that the service gives to all workers of a timeline: one of them decides on it.
//!
//! Who decides is in the row of the timeline, with a lease of its own. A worker that is gone is
//! replaced when that is over, and the pace stays in force meanwhile.

use crate::database::error::DatabaseError;
use crate::database::leases::Worker;
use crate::database::numbers::u64_at;
use crate::database::runs::DatabaseRuns;
use crate::policy::Opening;

const TAKE: &str = "
WITH own AS (
    UPDATE rate t SET pace_owner = $2, pace_until = clock_timestamp() + interval '2 seconds'
    FROM rate r WHERE r.scope = 'run:' || $1::bigint AND t.scope = r.timeline
        AND (t.pace_owner IS NULL OR t.pace_owner = $2 OR t.pace_until < clock_timestamp())
    RETURNING t.scope, r.text_limit, r.searches, t.pace_ns, t.learnt_ns,
        t.hold_until_ns > extract(epoch FROM clock_timestamp()) * 1000000000 AS is_held)
SELECT own.text_limit, own.searches, own.pace_ns, own.learnt_ns, own.is_held, sums.calls, sums.throttled
FROM own, LATERAL (
    SELECT coalesce(sum(w.calls), 0)::bigint AS calls, coalesce(sum(w.throttled), 0)::bigint AS throttled
    FROM worker w JOIN rate r ON r.scope = 'run:' || w.run WHERE r.timeline = own.scope) sums";
const SET: &str = "
UPDATE rate t SET pace_ns = $3, learnt_ns = $4
FROM rate r WHERE r.scope = 'run:' || $1::bigint AND t.scope = r.timeline AND t.pace_owner = $2";

/// What the worker that decides on the pace knows of all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct PaceStanding {
    /// The rate of its run, as a text.
    pub rate: String,
    /// Whether the rate is found below that one.
    pub searches: bool,
    /// The pace in force, in sendings a second.
    pub pace: Option<f64>,
    /// The limit of the service that is known.
    pub learnt: Option<f64>,
    /// Whether the service has asked for a wait that goes on.
    pub is_held: bool,
    /// The calls of all workers that ended.
    pub calls: u64,
    /// Those of them that were throttled.
    pub throttled: u64,
}

impl PaceStanding {
    /// Returns whether another one has the same rate.
    pub(crate) fn has_rate_of(&self, other: &Self) -> bool {
        (&self.rate, self.searches) == (&other.rate, other.searches)
    }

    /// Returns where a pace begins below the rate.
    pub(crate) fn opening(&self) -> Opening {
        if self.searches { Opening::Doubling } else { Opening::AtCeiling }
    }
}

impl DatabaseRuns {
    /// Returns what this worker decides on the pace from, if it is the one that decides.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn take_pace(
        &mut self,
        worker: Worker,
    ) -> Result<Option<PaceStanding>, DatabaseError> {
        let row = self
            .link
            .with(async |client| client.query_opt(TAKE, &[&worker.run, &owner(worker)]).await)
            .await?;
        let per_second = |nanos: i64| (nanos > 0).then(|| 1e9 / nanos as f64);
        Ok(row.map(|row| PaceStanding {
            rate: row.get(0),
            searches: row.get(1),
            pace: per_second(row.get(2)),
            learnt: per_second(row.get(3)),
            is_held: row.get(4),
            calls: u64_at(&row, 5),
            throttled: u64_at(&row, 6),
        }))
    }

    /// Sets the pace of all workers, if this one still decides on it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn set_pace(
        &mut self,
        worker: Worker,
        pace: Option<f64>,
        learnt: Option<f64>,
    ) -> Result<(), DatabaseError> {
        let (owner, pace, learnt) = (owner(worker), nanos(pace), nanos(learnt));
        self.link
            .with(async |client| {
                client.execute(SET, &[&worker.run, &owner, &pace, &learnt]).await.map(drop)
            })
            .await
    }
}

fn owner(worker: Worker) -> String {
    format!("{}/{}", worker.run, worker.no)
}

fn nanos(per_second: Option<f64>) -> i64 {
    per_second.map_or(0, |pace| (1e9 / pace) as i64)
}
