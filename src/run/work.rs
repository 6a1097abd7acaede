//! Carries a run of a database out, beside other workers: all of it, or its targets side by side.

use crate::api::TaskApi;
use crate::database::{DatabaseRuns, RateTerms};
use crate::event::{Change, Operator, RunStats, StopReason, Watch};
use crate::reading::RunReader;
use crate::run::carry_out::Ended;
use crate::run::error::RunError;
use crate::run::patience::Patience;
use crate::run::plan::{Planned, TargetRun};
use crate::run::shared_part::{Opening, SharedPart, database, store};
use crate::run::shared_run::{SharedRun, TakenUp};
use crate::run::target_orders::{TargetOrders, share_out};
use crate::run::watchers;
use crate::store::StoreError;
use futures::future::join_all;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a worker that is done looks whether the others are.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Planned {
    /// Keeps the run in a database, where other workers carry it out as well.
    pub fn share(&mut self, shared: SharedRun) {
        self.shared = Some(shared);
    }

    /// Stores the plan in its database, or applies the one that is there, and leaves the run to workers.
    ///
    /// # Errors
    ///
    /// Nothing is stored then; a plan that was applied before is not applied again.
    ///
    /// # Panics
    ///
    /// The run has no database.
    pub async fn store(self) -> Result<(), RunError> {
        let shared = self.shared.clone().expect("it is shared");
        self.rows(&mut database(&shared)?, &shared).await.map(drop)
    }

    /// Carries out this worker's part of the run, at each of its targets by its own `api`. A target
    /// without one ends at once: it has no task, or its credentials could not be got.
    pub(crate) async fn carry_out_shared<A: TaskApi>(
        self,
        apis: &[Option<&A>],
        watchers: Vec<Box<dyn Watch>>,
        orders: TargetOrders,
    ) -> Result<Ended, RunError> {
        let shared = self.shared.clone().expect("it is shared");
        let mut runs = database(&shared)?;
        let rows = self.rows(&mut runs, &shared).await?;
        let origin = RunReader::open(&self.runs, &self.id)?.record()?.run.origin;
        let ahead = async |runs: &mut DatabaseRuns| Ok(runs.clock_ahead(self.clock).await?);
        let ahead_us = self.patience(&shared).ask(&mut runs, ahead).await?;
        let (channel, thread) = watchers::open(watchers, self.clock).map_err(RunError::Thread)?;
        let own = self.own_targets();
        // All of them join before one sends: an unknown task of one may refuse the run as a whole.
        let (mut parts, mut senders) = (Vec::new(), Vec::new());
        for (own, api) in own.iter().zip(apis) {
            let (sender, asked) = mpsc::unbounded_channel();
            senders.push((own.name().to_owned(), sender));
            let shown = match own.settings.target {
                Some(_) => channel.of_target(own.name()),
                None => channel.clone(),
            };
            let row = *rows.get(own.index).ok_or_else(|| self.no_such_run())?;
            let opening =
                Opening { planned: &self, shared: &shared, own, row, origin, ahead_us, shown };
            parts.push(opening.join(*api, asked).await?);
        }
        // Every part has a channel of its own; the thread of the watchers ends with the last of them.
        drop(channel);
        let lease = parts.iter().map(SharedPart::lease).max().unwrap_or_default();
        let ran = tokio::select! {
            biased;
            () = share_out(orders, senders) => unreachable!("orders are shared out for ever"),
            ran = join_all(parts.into_iter().map(SharedPart::carry_out)) => ran,
        };
        let watch_trouble = thread.close();
        let targets = unless_refused(ran)?;
        if targets.iter().all(is_of_the_run) {
            await_others(&shared, &self, lease).await?;
        }
        let held = targets.iter().map(|stats| stats.held).max().unwrap_or_default();
        let stats = RunStats { stopped: targets.iter().find_map(|stats| stats.stopped), held };
        let targets = if self.targets.is_empty() { Vec::new() } else { targets };
        let (group_trouble, learning_trouble) = (None, None);
        Ok(Ended { stats, targets, watch_trouble, group_trouble, learning_trouble })
    }

    /// Returns the targets that are carried out; of a run without any all of it as one.
    fn own_targets(&self) -> Vec<TargetRun> {
        if !self.targets.is_empty() {
            return self.targets.clone();
        }
        let (settings, changes) = (self.settings.clone(), self.changes.clone());
        vec![TargetRun { index: 0, settings, changes, selected: self.totals.selected }]
    }

    fn patience(&self, shared: &SharedRun) -> Patience {
        Patience { clock: self.clock, span: shared.patience }
    }

    fn no_such_run(&self) -> StoreError {
        StoreError::NoSuchRun { wanted: self.id.to_string() }
    }

    /// Returns the numbers of the rows of the run in the database, one for each of its targets; a new run
    /// is stored first.
    async fn rows(
        &self,
        runs: &mut DatabaseRuns,
        shared: &SharedRun,
    ) -> Result<Vec<i64>, RunError> {
        let patience = self.patience(shared);
        patience.ask(runs, async |runs| Ok(runs.prepare().await?)).await?;
        if shared.taken_up == TakenUp::Anew {
            let store = async |runs: &mut DatabaseRuns| {
                runs.plan_from(&self.runs, &self.id, shared.terms).await
            };
            return Ok(patience.ask(runs, store).await?);
        }
        let rows = patience.ask(runs, async |runs| Ok(runs.numbers_of(&self.id).await?)).await?;
        if rows.is_empty() {
            return Err(self.no_such_run().into());
        }
        if shared.taken_up == TakenUp::Applied
            && !patience.ask(runs, async |runs| Ok(runs.apply(&rows).await?)).await?
        {
            return Err(RunError::Applied { run: self.id.clone() });
        }
        if shared.taken_up == TakenUp::Again {
            for own in self.own_targets() {
                let row = *rows.get(own.index).ok_or_else(|| self.no_such_run())?;
                self.take_up(runs, row, &own, patience).await?;
            }
        }
        Ok(rows)
    }

    /// Lets the run or a target of it go on that was stopped, with what this process was told.
    async fn take_up(
        &self,
        runs: &mut DatabaseRuns,
        row: i64,
        own: &TargetRun,
        patience: Patience,
    ) -> Result<(), StoreError> {
        let tolerated = own.settings.max_failures.tolerated(own.selected);
        let least_lease = 2 * own.settings.timeout;
        // Each part once: what workers have done since the one before must stay.
        let taken_up =
            async |runs: &mut DatabaseRuns| Ok(runs.take_up(row, tolerated, least_lease).await?);
        patience.ask(runs, taken_up).await?;
        let origin = RunReader::open(&self.runs, &self.id)?.record()?.run.origin;
        let by = Operator::Process(std::process::id()).to_string();
        // The number of calls at a time is each worker's own.
        for change in own.changes.iter().filter(|it| matches!(it, Change::Rate(_))) {
            let order =
                async |runs: &mut DatabaseRuns| Ok(runs.order(row, origin, *change, &by).await?);
            patience.ask(runs, order).await?;
        }
        let rate = RateTerms::of(&own.settings);
        patience.ask(runs, async |runs| Ok(runs.set_rate(row, &rate).await?)).await
    }
}

/// Returns what became of all targets, or why the run cannot go on: unknown tasks refuse it with those of
/// all targets.
fn unless_refused(ran: Vec<Result<RunStats, RunError>>) -> Result<Vec<RunStats>, RunError> {
    let (mut count, mut examples) = (0, Vec::new());
    let mut ended = Vec::new();
    for ran in ran {
        match ran {
            Err(RunError::UnknownTasks { count: more, examples: known }) => {
                count += more;
                examples.extend(known);
            }
            ran => ended.push(ran),
        }
    }
    if count > 0 {
        return Err(RunError::UnknownTasks { count, examples });
    }
    ended.into_iter().collect()
}

/// Returns whether a worker has ended as the whole run does.
fn is_of_the_run(stats: &RunStats) -> bool {
    stats.stopped.is_none_or(StopReason::is_of_all_workers)
}

/// Waits until the other workers have ended as well, so that the report has their part.
async fn await_others(
    shared: &SharedRun,
    planned: &Planned,
    lease: Duration,
) -> Result<(), RunError> {
    let mut runs = database(shared)?;
    let until = planned.clock.instant() + planned.settings.drain_timeout + lease;
    loop {
        let is_over = match runs.standings(Some(&planned.id)).await {
            Ok(standings) => standings.iter().all(|run| !run.is_running()),
            // It was there a moment ago.
            Err(error) if error.may_pass() => false,
            Err(error) => return Err(store(error)),
        };
        if is_over || planned.clock.instant() >= until {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
