//! Decides on the pace of all workers, as long as this one is the one to decide.
//!
//! Every worker asks for it; one gets it, and keeps it while it is heard of. What the service gives is
//! told by the sums of all workers, so it does not matter which of them decides.

use crate::clock::{Clock, Instant};
use crate::database::{DatabaseError, DatabaseRuns, PaceStanding, Recorder, Worker};
use crate::event::{Event, EventKind};
use crate::policy::{CommonPace, CommonSample, PaceStart};
use crate::run::watchers::WatcherChannel;
use crate::task::{Rate, ServiceLimit};
use std::time::Duration;

/// How often the sums of all workers are read.
const EVERY: Duration = Duration::from_millis(250);
/// How often and from which change on the limit of the service is reported.
const REPORT_PERIOD: Duration = Duration::from_secs(1);
const REPORTED_CHANGE: f64 = 0.02;

/// A worker's part in the pace of all.
pub(crate) struct CommonPacing {
    pub(crate) runs: DatabaseRuns,
    pub(crate) worker: Worker,
    pub(crate) clock: Clock,
    /// Where the pace begins, but for what the database knows.
    pub(crate) start: PaceStart,
    pub(crate) recorder: Recorder,
    pub(crate) shown: WatcherChannel,
}

/// What the worker that decides knows.
struct Deciding {
    standing: PaceStanding,
    at: Instant,
    pace: CommonPace,
    reported: Option<f64>,
    reported_at: Instant,
}

impl CommonPacing {
    pub(crate) async fn keep(mut self) {
        let mut deciding = None;
        loop {
            // The last pace stays in force while the database is away.
            if let Ok(decided) = self.decide(&mut deciding).await {
                deciding = decided;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn decide(
        &mut self,
        deciding: &mut Option<Deciding>,
    ) -> Result<Option<Deciding>, DatabaseError> {
        let Some(standing) = self.runs.take_pace(self.worker).await? else { return Ok(None) };
        let now = self.clock.instant();
        let before = deciding.take().filter(|before| before.standing.has_rate_of(&standing));
        let Some(mut before) = before else {
            let begun = self.begin(standing, now);
            self.runs.set_pace(self.worker, begun.pace.per_second(), begun.pace.limit()).await?;
            return Ok(Some(begun));
        };
        let was = (before.pace.per_second(), before.pace.limit());
        before.pace.decide(CommonSample {
            calls: standing.calls.saturating_sub(before.standing.calls),
            throttled: standing.throttled.saturating_sub(before.standing.throttled),
            seconds: (now - before.at).as_secs_f64(),
            is_held: standing.is_held || before.standing.is_held,
        });
        let decided = (before.pace.per_second(), before.pace.limit());
        (before.standing, before.at) = (standing, now);
        if was != decided {
            self.runs.set_pace(self.worker, decided.0, decided.1).await?;
        }
        self.report(&mut before, now).await;
        Ok(Some(before))
    }

    fn begin(&self, standing: PaceStanding, now: Instant) -> Deciding {
        let mut start = self.start;
        let rate: Option<Rate> = standing.rate.parse().ok();
        start.bounds.most = rate.map_or(f64::INFINITY, Rate::per_second);
        start.opening = standing.opening();
        start.learnt.per_second = standing.learnt;
        let pace = CommonPace::new(start, standing.pace);
        Deciding { standing, at: now, pace, reported: None, reported_at: now }
    }

    async fn report(&self, deciding: &mut Deciding, now: Instant) {
        let limit = deciding.pace.limit();
        let is_known = match (deciding.reported, limit) {
            (Some(before), Some(now)) => (now / before - 1.0).abs() < REPORTED_CHANGE,
            (before, now) => before == now,
        };
        if is_known || now - deciding.reported_at < REPORT_PERIOD {
            return;
        }
        (deciding.reported, deciding.reported_at) = (limit, now);
        let limit = ServiceLimit { per_second: limit, ..ServiceLimit::default() };
        let event = Event { at: self.clock.label(now), kind: EventKind::RateLearnt(limit) };
        self.shown.show(self.recorder.record(event).await.into_iter().collect());
    }
}
