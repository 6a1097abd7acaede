//! A service that answers by a script, and a ledger in memory; both report to a common witness.

use crate::api::{Authority, TaskApi};
use crate::clock::{Clock, Instant, Timestamp};
use crate::engine::{ChunkRef, Claim, Claimed, Kept, Leave, Ledger, LedgerError};
use crate::event::{AttemptSeq, Event, EventKind};
use crate::policy::{
    ActionResult, Answer, Body, Delivery, NoResponse, RateHint, Response, ServiceError,
};
use crate::task::{FailureKind, Task};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a service answers one call.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) after: Duration,
    pub(super) then: Then,
}

#[derive(Debug, Clone)]
pub(super) enum Then {
    Answer(Box<Answer>),
    Panic,
    Silence,
}

/// Returns the reply to the `number`-th call, counted from 1, for the task with an ordinal.
pub(super) type Script = Box<dyn Fn(u32, u32) -> Reply>;

pub(super) fn at_once(answer: Answer) -> Reply {
    after_millis(0, answer)
}

pub(super) fn after_millis(millis: u64, answer: Answer) -> Reply {
    Reply { after: Duration::from_millis(millis), then: Then::Answer(Box::new(answer)) }
}

pub(super) fn panicking() -> Reply {
    Reply { after: Duration::ZERO, then: Then::Panic }
}

pub(super) fn silence() -> Reply {
    Reply { after: Duration::ZERO, then: Then::Silence }
}

pub(super) fn done() -> Answer {
    counts(0, 1)
}

pub(super) fn partial() -> Answer {
    counts(1, 1)
}

fn counts(failed: i64, succeeded: i64) -> Answer {
    response(
        200,
        Body::Result(ActionResult {
            total: Some(failed + succeeded),
            failed: Some(failed),
            succeeded: Some(succeeded),
            ..ActionResult::default()
        }),
    )
}

pub(super) fn refused() -> Answer {
    response(404, Body::Error(ServiceError::default()))
}

pub(super) fn transient() -> Answer {
    response(503, Body::Error(ServiceError::default()))
}

pub(super) fn in_doubt() -> Answer {
    response(502, Body::Unreadable("a page of the gateway".into()))
}

pub(super) fn unauthorised() -> Answer {
    let code = "APIGW.0301".to_owned();
    response(401, Body::Error(ServiceError { code, ..ServiceError::default() }))
}

/// Returns an answer that asks for fewer calls for some seconds.
pub(super) fn throttled(seconds: u64) -> Answer {
    asking(429, seconds)
}

/// Returns an error that asks for a wait of some seconds.
pub(super) fn asking(status: u16, seconds: u64) -> Answer {
    Answer::Response(Response {
        status,
        request_id: None,
        rate_hint: None,
        retry_after: Some(Duration::from_secs(seconds)),
        body: Body::Error(ServiceError::default()),
    })
}

/// Returns an answer that asks for fewer calls without a duration.
pub(super) fn throttled_somehow() -> Answer {
    response(429, Body::Error(ServiceError::default()))
}

/// Adds the service's quota to an answer.
pub(super) fn telling(answer: Answer, hint: RateHint) -> Answer {
    let Answer::Response(response) = answer else { panic!("only a response has headers") };
    Answer::Response(Response { rate_hint: Some(Box::new(hint)), ..response })
}

pub(super) fn never_left() -> Answer {
    let message = "connection refused".into();
    let (kind, delivery) = (FailureKind::Connect, Delivery::NeverLeft);
    Answer::NoResponse(NoResponse { kind, delivery, message })
}

fn response(status: u16, body: Body) -> Answer {
    Answer::Response(Response {
        status,
        request_id: None,
        retry_after: None,
        rate_hint: None,
        body,
    })
}

/// One call as the service saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) at: Timestamp,
    pub(super) ordinal: u32,
    pub(super) number: u32,
}

/// The record of what service and ledger have seen so far.
#[derive(Debug, Default)]
pub(super) struct Witness {
    pub(super) sendings: Vec<Sending>,
    /// Every batch of events and the time at which it was durable.
    pub(super) commits: Vec<(Timestamp, Vec<Event>)>,
    /// How often each task's start was made durable, and how often it was called.
    starts: HashMap<u32, u32>,
    calls: HashMap<u32, u32>,
    /// The last attempt of each task whose start is durable.
    begun: HashMap<u32, AttemptSeq>,
    /// The last attempt that was announced to the ledger.
    departing: Option<AttemptSeq>,
    /// Sendings whose start was not durable or not announced: there must be none.
    pub(super) undurable: Vec<Sending>,
    pub(super) on_wire: usize,
    pub(super) most_on_wire: usize,
}

type Shared = Arc<Mutex<Witness>>;

/// A service that answers by a script.
pub(super) struct Service {
    pub(super) clock: Clock,
    pub(super) script: Script,
    pub(super) authority: Arc<dyn Authority>,
    pub(super) witness: Shared,
}

impl Service {
    fn take(&self, task: &Task) -> Sending {
        let mut witness = self.witness.lock().unwrap();
        let ordinal = task.ordinal.0;
        let calls = witness.calls.entry(ordinal).or_default();
        *calls += 1;
        let sending = Sending { at: self.clock.now(), ordinal, number: *calls };
        witness.sendings.push(sending);
        let is_durable =
            witness.starts.get(&ordinal).is_some_and(|&starts| starts >= sending.number);
        let is_announced = witness.begun.get(&ordinal).copied() <= witness.departing;
        if !is_durable || !is_announced {
            witness.undurable.push(sending);
        }
        witness.on_wire += 1;
        witness.most_on_wire = witness.most_on_wire.max(witness.on_wire);
        sending
    }
}

/// Counts a call as on the wire until its future is dropped or done.
struct OnWire(Shared);

impl Drop for OnWire {
    fn drop(&mut self) {
        self.0.lock().unwrap().on_wire -= 1;
    }
}

impl TaskApi for Service {
    async fn call(&self, task: Arc<Task>) -> Answer {
        let sending = self.take(&task);
        let _on_wire = OnWire(Arc::clone(&self.witness));
        let reply = (self.script)(sending.ordinal, sending.number);
        if !reply.after.is_zero() {
            tokio::time::sleep(reply.after).await;
        }
        match reply.then {
            Then::Answer(answer) => *answer,
            Then::Panic => panic!("the script says so"),
            Then::Silence => std::future::pending().await,
        }
    }

    fn authority(&self) -> &dyn Authority {
        &*self.authority
    }
}

/// How the ledger behaves.
#[derive(Debug, Clone)]
pub(super) struct LedgerScript {
    /// The maximum number of tasks to hand out at a time.
    pub(super) most_claimed: usize,
    pub(super) claim_delay: Duration,
    /// The durations of commits, in turn and then from the start again.
    pub(super) commit_delays: Vec<Duration>,
    /// The commit that fails, and the claim, counted from 0.
    pub(super) broken_commit: Option<usize>,
    pub(super) broken_claim: Option<usize>,
    /// How many announcements it cannot record.
    pub(super) deaf: usize,
    /// How often it has no task at present, before it has more or none.
    pub(super) not_yet: usize,
    /// The commit in which a chunk is lost, and the chunk.
    pub(super) lost: Option<(usize, ChunkRef)>,
    /// The chunk that is found lost when its first call is about to leave.
    pub(super) taken: Option<ChunkRef>,
    /// The span of the run in which no call may leave, because a lease was not renewed.
    pub(super) unrenewed: Option<(Duration, Duration)>,
    /// How long after its beginning the run has its leases, unless it is never over.
    pub(super) leased: Option<Duration>,
}

/// A ledger in memory.
pub(super) struct MemoryLedger {
    pub(super) clock: Clock,
    pub(super) began: Instant,
    pub(super) left: VecDeque<Claim>,
    pub(super) script: LedgerScript,
    pub(super) witness: Shared,
    pub(super) claims: usize,
    pub(super) commits: usize,
    /// All tasks, as they were at the beginning.
    pub(super) all: Vec<Claim>,
    pub(super) gave_back: Vec<Instant>,
}

impl Ledger for MemoryLedger {
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        let count = most.min(self.script.most_claimed).min(self.left.len());
        let claimed = if self.left.is_empty() && self.script.not_yet > 0 {
            self.script.not_yet -= 1;
            Claimed::NotYet
        } else {
            Claimed::all(self.left.drain(..count).collect())
        };
        let broken = self.script.broken_claim == Some(self.claims);
        self.claims += 1;
        let delay = self.script.claim_delay;
        async move {
            pause(delay).await;
            if broken { Err(disk_full()) } else { Ok(claimed) }
        }
        .boxed()
    }

    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        let delays = &self.script.commit_delays;
        let delay = delays[self.commits % delays.len()];
        let broken = self.script.broken_commit == Some(self.commits);
        let lost = self.script.lost.filter(|(commit, _)| *commit == self.commits);
        self.commits += 1;
        let (clock, witness) = (self.clock, Arc::clone(&self.witness));
        async move {
            pause(delay).await;
            if broken {
                return Err(disk_full());
            }
            witness.lock().unwrap().commit(clock.now(), events);
            Ok(Kept { lost: lost.map(|(_, chunk)| chunk).into_iter().collect() })
        }
        .boxed()
    }

    fn may_leave(&mut self, last: AttemptSeq) -> bool {
        if self.script.deaf > 0 {
            self.script.deaf -= 1;
            return false;
        }
        let departing = &mut self.witness.lock().unwrap().departing;
        *departing = Some(last).max(*departing);
        true
    }

    fn give_back(&mut self) {
        let witness = self.witness.lock().unwrap();
        assert_eq!(witness.on_wire, 0, "what is given back is not on the wire");
        let of_task = |event: &Event| match &event.kind {
            EventKind::AttemptStarted { task, .. } => Some((task.ordinal.0, 1)),
            EventKind::AttemptWithdrawn { task, .. } => Some((task.ordinal.0, -1)),
            _ => None,
        };
        let events = || witness.commits.iter().flat_map(|(_, events)| events);
        let is_settled = |claim: &Claim| {
            events().any(|event| {
                matches!(&event.kind,
                EventKind::TaskSettled { task, .. } if task.ordinal == claim.task.ordinal)
            })
        };
        let again = self.all.iter().filter(|claim| !is_settled(claim)).map(|claim| {
            let of_this = events().filter_map(of_task);
            let attempts: i32 = of_this
                .filter(|(ordinal, _)| *ordinal == claim.task.ordinal.0)
                .map(|(_, count)| count)
                .sum();
            Claim { attempts: attempts.unsigned_abs(), ..claim.clone() }
        });
        self.left = again.collect();
        self.gave_back.push(self.clock.instant());
    }

    fn may_send(&mut self, chunk: ChunkRef, now: Instant) -> Leave {
        if self.script.taken == Some(chunk) {
            return Leave::Lost;
        }
        if let Some(leased) = self.script.leased {
            return Leave::Until(self.began + leased);
        }
        let Some((from, until)) = self.script.unrenewed else { return Leave::Now };
        let passed = now - self.began;
        if (from..until).contains(&passed) {
            Leave::NotBefore(self.began + until)
        } else {
            Leave::Now
        }
    }
}

impl Witness {
    fn commit(&mut self, at: Timestamp, events: Vec<Event>) {
        for event in &events {
            if let EventKind::AttemptStarted { seq, task, .. } = &event.kind {
                self.begun.insert(task.ordinal.0, *seq);
                *self.starts.entry(task.ordinal.0).or_default() += 1;
            }
        }
        self.commits.push((at, events));
    }
}

async fn pause(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

fn disk_full() -> LedgerError {
    let error: Box<dyn std::error::Error + Send + Sync> = "the disk is full".into();
    LedgerError(error)
}
