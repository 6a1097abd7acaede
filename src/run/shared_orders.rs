//! The orders of operators, between this process, the database, and the engine.

use crate::clock::Timestamp;
use crate::database::{DatabaseRuns, MostUncertain, Ordered, Wishes};
use crate::engine::{ChangeAnswer, Control};
use crate::event::{Change, Operator, StopReason};
use crate::run::shared_phases::reason_of;
use crate::settings::RunSettings;
use crate::store::StoreError;
use std::num::NonZeroUsize;
use tokio::sync::{mpsc, watch};

/// Passes the orders of this process on: what concerns the run goes to all workers.
pub(crate) struct Orders {
    pub(crate) runs: DatabaseRuns,
    pub(crate) run: i64,
    pub(crate) origin: Timestamp,
}

impl Orders {
    pub(crate) async fn pass_on(
        mut self,
        mut asked: mpsc::UnboundedReceiver<Control>,
        engine: &mpsc::UnboundedSender<Control>,
    ) {
        while let Some(request) = asked.recv().await {
            match request {
                Control::Change { change, by, answer } => {
                    let by = by.to_string();
                    let ordered = self.runs.order(self.run, self.origin, change, &by).await;
                    let outcome = match ordered {
                        Ok(Ordered::Changed) => ChangeAnswer::Changed,
                        Ok(Ordered::AsBefore) => ChangeAnswer::AsBefore,
                        Ok(Ordered::Stopping | Ordered::Finished) => ChangeAnswer::Stopping,
                        Err(_) => ChangeAnswer::NotNow,
                    };
                    if let Some(answer) = answer {
                        // The one who asked may be gone.
                        let _ = answer.send(outcome);
                    }
                }
                // The run is about to end, with everybody who listens.
                own @ (Control::Stop(_) | Control::Abandon | Control::GiveBack) => {
                    drop(engine.send(own));
                }
            }
        }
    }
}

/// Turns what beats bring into orders for the engine.
pub(crate) async fn obey(
    mut wishes: watch::Receiver<Option<Wishes>>,
    settings: &RunSettings,
    engine: &mpsc::UnboundedSender<Control>,
    uncertainty: &MostUncertain,
) {
    let by = Operator::Elsewhere;
    let change = |change| drop(engine.send(Control::Change { change, by, answer: None }));
    let (mut paused, mut concurrency, mut stopping) = (false, None, None);
    let mut rate = planned_rate(settings);
    while wishes.changed().await.is_ok() {
        let Some(now) = wishes.borrow_and_update().clone() else { continue };
        uncertainty.follow(now.rate.parse().ok(), now.trip);
        if let Some(word) = now.stopping {
            // Once: what follows after the calls is not stopped by it.
            if stopping.as_ref() != Some(&word) {
                let _ = engine.send(Control::Stop(reason_of(&word)));
                stopping = Some(word);
            }
            continue;
        }
        if now.job_taken.is_some() {
            // What is left can be carried out when the other run of the job is over.
            let _ = engine.send(Control::Stop(StopReason::Interrupted));
            continue;
        }
        if std::mem::replace(&mut paused, now.paused) != now.paused {
            change(if now.paused { Change::Paused } else { Change::Resumed });
        }
        if std::mem::replace(&mut concurrency, now.concurrency) != now.concurrency {
            change(calls_at_a_time(&now, settings));
        }
        if rate != now.rate {
            change(Change::Rate(now.rate.parse().ok()));
            rate = now.rate;
        }
    }
}

/// Tells the engine that begins what was ordered before: the phases before it take no such order. One that
/// is in effect changes nothing.
pub(crate) fn tell_standing(
    wishes: &watch::Receiver<Option<Wishes>>,
    settings: &RunSettings,
    engine: &mpsc::UnboundedSender<Control>,
) {
    let Some(now) = wishes.borrow().clone() else { return };
    let by = Operator::Elsewhere;
    let change = |change| drop(engine.send(Control::Change { change, by, answer: None }));
    if now.paused {
        change(Change::Paused);
    }
    if now.concurrency.is_some() {
        change(calls_at_a_time(&now, settings));
    }
    if now.rate != planned_rate(settings) {
        change(Change::Rate(now.rate.parse().ok()));
    }
}

fn planned_rate(settings: &RunSettings) -> String {
    Change::Rate(settings.own_rate().limit()).value().unwrap_or_default()
}

fn calls_at_a_time(wishes: &Wishes, settings: &RunSettings) -> Change {
    let most = wishes.concurrency.and_then(|most| usize::try_from(most).ok());
    Change::Concurrency(most.and_then(NonZeroUsize::new).unwrap_or(settings.concurrency))
}

/// Lets the engine give its tasks back when this worker becomes too far away to send any.
pub(crate) async fn give_back_if_far(
    uncertainty: &MostUncertain,
    engine: &mpsc::UnboundedSender<Control>,
) {
    let mut is_far = uncertainty.changes();
    while is_far.wait_for(|far| *far == Some(true)).await.is_ok() {
        let _ = engine.send(Control::GiveBack);
        if is_far.wait_for(|far| *far == Some(false)).await.is_err() {
            return;
        }
    }
}

/// Returns the error for a run whose job another one has by now.
pub(crate) fn job_taken(wishes: &watch::Receiver<Option<Wishes>>) -> Option<StoreError> {
    let (job, holder) = wishes.borrow().as_ref()?.job_taken.clone()?;
    Some(StoreError::JobBusy { job: job.parse().ok()?, holder })
}
