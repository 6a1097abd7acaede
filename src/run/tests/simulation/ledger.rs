//! The door of the store: the real one, on a disk that is slow, full, broken or cut off by a kill.

use super::planted::Planted;
use super::story::Disk;
use super::world::World;
use crate::clock::{Clock, Timestamp};
use crate::engine::{ChunkRef, Claim, Claimed, Kept, Ledger, LedgerError};
use crate::event::{AttemptSeq, Event, EventKind};
use crate::run::ledger::StoreLedger;
use crate::task::Task;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// How long a writer waits for room.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_secs(1);

/// The ledger of a simulated process.
pub(super) struct SimulatedLedger {
    pub(super) store: Arc<Mutex<StoreLedger>>,
    pub(super) world: World,
    pub(super) clock: Clock,
    pub(super) planted: Option<Planted>,
    /// Whether an earlier process has worked on the run.
    pub(super) is_resumed: bool,
    /// What a planted fault holds back.
    pub(super) late: Arc<Mutex<Vec<Event>>>,
    pub(super) settled: Arc<Mutex<Vec<Arc<Task>>>>,
}

impl Ledger for SimulatedLedger {
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        let (store, world) = (Arc::clone(&self.store), self.world.clone());
        let (planted, is_resumed) = (self.planted, self.is_resumed);
        let settled = Arc::clone(&self.settled);
        async move {
            if !world.step() {
                return std::future::pending().await;
            }
            let claiming = store.lock().unwrap().claim(most);
            let claimed = wait_for(claiming)?;
            let Claimed::Tasks(mut claims) = claimed else {
                let again = settled.lock().unwrap().pop();
                let sent_again = planted == Some(Planted::SettledTaskSentAgain);
                let again = again.filter(|_| sent_again).map(|task| Claim::fresh((*task).clone()));
                return Ok(Claimed::all(again.into_iter().collect()));
            };
            if planted == Some(Planted::DoubtSkippedOnResume) && is_resumed {
                claims.retain(|claim| !claim.history.doubted);
            }
            if planted == Some(Planted::RetryLost) {
                for claim in &mut claims {
                    claim.chunk = ChunkRef { no: claim.task.ordinal.0 + 1, epoch: 1 };
                }
            }
            Ok(Claimed::all(claims))
        }
        .boxed()
    }

    fn on_events(
        &mut self,
        mut events: Vec<Event>,
    ) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        if !self.world.step() {
            return std::future::pending().boxed();
        }
        self.world.handed(&events);
        let kept = self.plant(&mut events);
        let is_early = self.planted == Some(Planted::StartNotDurable);
        let is_last = events.iter().any(|event| matches!(event.kind, EventKind::RunEnded(_)));
        if is_early && !is_last {
            // Answered at once; written when there is more to write.
            let before = std::mem::replace(&mut *self.late.lock().unwrap(), events);
            return self.commit(before, Kept::default());
        }
        let mut all = std::mem::take(&mut *self.late.lock().unwrap());
        all.append(&mut events);
        self.commit(all, kept)
    }

    fn may_leave(&mut self, last: AttemptSeq) -> bool {
        if !self.world.step() {
            return false;
        }
        if self.planted == Some(Planted::DepartureNotRecorded) {
            return true;
        }
        let may_leave = self.store.lock().unwrap().may_leave(last);
        may_leave && self.world.step()
    }

    fn hurry(&mut self) {
        self.world.lock().process.hurried = true;
        self.store.lock().unwrap().hurry();
    }
}

impl SimulatedLedger {
    fn commit(
        &self,
        events: Vec<Event>,
        kept: Kept,
    ) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        let (store, world, clock) = (Arc::clone(&self.store), self.world.clone(), self.clock);
        async move {
            let (before, after) = delays(&world);
            pass(before).await;
            disk(&world, clock).await?;
            // A step between the disk's answer and the commit: a kill here loses the batch.
            if !world.step() {
                return std::future::pending().await;
            }
            let given = events.clone();
            let committing = store.lock().unwrap().on_events(events);
            wait_for(committing).inspect_err(|_| world.lock().process.is_failed = true)?;
            world.committed(&given);
            if !world.step() {
                return std::future::pending().await;
            }
            pass(after).await;
            Ok(kept)
        }
        .boxed()
    }

    /// Does to a batch what the planted fault does.
    fn plant(&self, events: &mut Vec<Event>) -> Kept {
        match self.planted {
            Some(Planted::ShownBeforeCommit) => {
                self.store.lock().unwrap().watcher_channel.show(events.clone());
            }
            Some(Planted::SettledTwice) => {
                let is_settled =
                    |event: &&Event| matches!(event.kind, EventKind::TaskSettled { .. });
                let again: Vec<Event> = events.iter().filter(is_settled).take(1).cloned().collect();
                events.splice(0..0, again);
            }
            Some(Planted::SettledTaskSentAgain) => {
                self.settled.lock().unwrap().extend(events.iter().filter_map(|event| {
                    let EventKind::TaskSettled { task, .. } = &event.kind else { return None };
                    Some(Arc::clone(task))
                }));
            }
            Some(Planted::RetryLost) => {
                let lost = events.iter().find_map(|event| {
                    let EventKind::RetryScheduled { task, .. } = &event.kind else { return None };
                    Some(ChunkRef { no: task.ordinal.0 + 1, epoch: 1 })
                });
                return Kept { lost: lost.into_iter().collect() };
            }
            _ => {}
        }
        Kept::default()
    }
}

/// Draws how long a commit takes before it is durable, and after that.
fn delays(world: &World) -> (Duration, Duration) {
    let mut state = world.lock();
    let (before, after) = state.process.commit_millis;
    let before = state.rng.u64(..=before);
    let after = state.rng.u64(..=after);
    (Duration::from_millis(before), Duration::from_millis(after))
}

async fn pass(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

/// Waits for room on the disk, as the writer does, or fails for good.
async fn disk(world: &World, clock: Clock) -> Result<(), LedgerError> {
    let failed = |world: &World, why: &'static str| {
        world.lock().process.is_failed = true;
        Err(LedgerError(why.into()))
    };
    let (disk, number, began) = {
        let process = &mut world.lock().process;
        process.commits += 1;
        (process.disk, process.commits, process.began)
    };
    match disk {
        Disk::Broken { commit } if commit == number => failed(world, "the disk is broken"),
        Disk::Sound | Disk::Broken { .. } => Ok(()),
        Disk::Full { from, lasts } => {
            let mut waited = Duration::ZERO;
            while is_within(clock.now(), began, from, lasts) {
                let hurried = world.lock().process.hurried;
                if hurried || waited >= PATIENCE {
                    return failed(world, "the disk is full");
                }
                tokio::time::sleep(STEP).await;
                waited += STEP;
            }
            Ok(())
        }
    }
}

fn is_within(now: Timestamp, began: Timestamp, from: Duration, lasts: Duration) -> bool {
    let since = now.since(began);
    since >= from && since < from + lasts
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for the thread of the store, while simulated time stands still.
pub(super) fn wait_for<T>(mut future: BoxFuture<'static, T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
