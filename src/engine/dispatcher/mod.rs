//! The one loop of a run: admit, make durable, release, classify.
//!
//! Invariants: an attempt is polled only after its start is durable; at most `concurrency`
//! attempts are on the wire, and a bounded number more is begun ahead of them; a waiting task is
//! none of them. Only this loop waits; everything it asks answers with an instant. Must not know
//! stores, displays or HTTP.

mod admission;
pub(super) mod ahead;
mod completion;
mod credentials;
mod operator;
mod outage;
mod pace;
mod stopping;

use crate::api::Authority;
use crate::clock::Clock;
use crate::clock::Instant;
use crate::engine::Claim;
use crate::engine::Control;
use crate::engine::Ledger;
use crate::engine::LedgerError;
use crate::engine::attempt::Attempt;
use crate::engine::attempt::Completion;
use crate::engine::settings::EngineSettings;
use crate::engine::waiting::Waiting;
use crate::event::Event;
use crate::event::EventKind;
use crate::event::RunStarted;
use crate::event::RunStats;
use crate::event::StopReason;
use crate::policy::Breaker;
use crate::policy::Canary;
use crate::policy::Pacer;
use crate::policy::RetryBudget;
use crate::policy::SuspectQueue;
use crate::policy::Trust;
use ahead::Lookahead;
use credentials::Renewing;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use operator::OperatorChanges;
use outage::Attempted;
use pace::Pace;
use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Sleep;

/// How many tasks may wait for another attempt before no new ones are begun: what keeps memory
/// flat while a service refuses everything.
pub(super) const MOST_WAITING: usize = 10_000;
/// How many tasks are claimed at a time, at least.
const LEAST_CLAIM: usize = 256;

/// How long the timer lies that is there for the others.
const LONGEST_ANCHOR: Duration = Duration::from_secs(30);

type Commit = BoxFuture<'static, Result<(), LedgerError>>;
type Claiming = BoxFuture<'static, Result<Vec<Claim>, LedgerError>>;

/// All state of a run under way.
pub(super) struct Dispatcher<'a, L, S, F> {
    ledger: &'a mut L,
    send: S,
    settings: &'a EngineSettings,
    clock: Clock,
    pacer: Pacer,
    pace: Pace,
    desk: OperatorChanges,
    breaker: Breaker,
    budget: RetryBudget,
    canary: Option<Canary>,
    jitter: fastrand::Rng,
    authority: &'a dyn Authority,
    trust: Trust,
    renewing: Option<Renewing<'a>>,

    /// Claimed and never admitted by this process.
    fresh: VecDeque<Claim>,
    claiming: Option<Claiming>,
    exhausted: bool,
    waiting: Waiting<Claim>,
    /// Their last attempt did not reach the service, and nobody can tell yet why.
    suspects: SuspectQueue<Attempted>,

    /// What happened since the last commit began, and the attempts whose start is part of it.
    batch: Vec<Event>,
    admitted: Vec<Attempt>,
    /// The commit under way, and the attempts whose start it makes durable.
    committing: Option<Commit>,
    in_commit: Vec<Attempt>,
    /// Durable, not yet released by the pacer, or without a slot.
    durable: VecDeque<Attempt>,
    ahead: Lookahead,
    on_wire: FuturesUnordered<Pin<Box<F>>>,
    /// A timer that is due before the time-outs of all calls to come: the runtime wakes itself up
    /// for every one that is due before all there are.
    far_timer: Pin<Box<Sleep>>,

    next_seq: u64,
    settled: u64,
    failed: u64,
    stopping: Option<StopReason>,
    deadline: Option<Instant>,
    held_since: Option<Instant>,
    held: Duration,
    /// The earliest instant at which a gate that refused will let something through.
    wake: Option<Instant>,
}

impl<'a, L, S, F> Dispatcher<'a, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    pub(super) fn new(
        ledger: &'a mut L,
        send: S,
        authority: &'a dyn Authority,
        settings: &'a EngineSettings,
        clock: Clock,
    ) -> Self {
        let now = clock.instant();
        Self {
            ledger,
            send,
            settings,
            clock,
            pacer: recalling(settings, clock),
            pace: Pace::new(settings, now),
            desk: OperatorChanges::new(settings.concurrency),
            breaker: Breaker::new(),
            budget: RetryBudget::new(now.into()),
            canary: settings.canary.map(Canary::new),
            jitter: fastrand::Rng::new(),
            authority,
            trust: Trust::new(authority.generation()),
            renewing: None,
            fresh: VecDeque::new(),
            claiming: None,
            exhausted: false,
            waiting: Waiting::new(),
            suspects: SuspectQueue::default(),
            batch: Vec::new(),
            admitted: Vec::new(),
            committing: None,
            in_commit: Vec::new(),
            durable: VecDeque::new(),
            ahead: Lookahead::default(),
            on_wire: FuturesUnordered::new(),
            far_timer: Box::pin(tokio::time::sleep_until(now)),
            next_seq: settings.origin.attempts + 1,
            settled: settings.origin.settled,
            failed: settings.origin.failed,
            stopping: None,
            deadline: settings.max_duration.and_then(|limit| now.checked_add(limit)),
            held_since: None,
            held: Duration::ZERO,
            wake: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut control: mpsc::UnboundedReceiver<Control>,
    ) -> Result<RunStats, LedgerError> {
        self.tell(EventKind::RunStarted(self.started()));
        loop {
            self.wake = None;
            self.attend(&mut control);
            self.continue_after_hold();
            self.keep_pace();
            self.refill();
            self.admit();
            self.attribute_remaining();
            // The next commit goes on while calls are written; one may answer at once.
            self.commit();
            self.release().await;
            self.commit();
            if self.is_done() {
                break;
            }
            self.step(&mut control).await?;
        }
        self.end().await
    }

    /// Takes note of what a run that never has to wait would not hear of in [`Self::step`].
    ///
    /// All calls that were released have been polled by now, so a stop overtakes none of them.
    fn attend(&mut self, control: &mut mpsc::UnboundedReceiver<Control>) {
        while let Ok(asked) = control.try_recv() {
            self.obey(asked);
        }
        self.check_deadline();
        self.renew_ahead();
        self.waiting.gather_due();
    }

    /// Waits for the next thing to happen, and takes note of it.
    ///
    /// Calls come first: they are polled, and so sent, as soon as they are released.
    async fn step(
        &mut self,
        control: &mut mpsc::UnboundedReceiver<Control>,
    ) -> Result<(), LedgerError> {
        let wake = self.next_wake();
        tokio::select! {
            biased;
            Some(completion) = self.on_wire.next() => self.complete_all(completion),
            committed = finished(&mut self.committing) => {
                committed?;
                self.ahead.committed(self.clock.instant());
                self.desk.tell_recorded();
                self.clear_for_release();
            }
            claimed = finished(&mut self.claiming) => self.take_claimed(claimed?),
            () = self.waiting.fall_due() => {}
            renewed = credentials::renewed(&mut self.renewing) => self.take_renewed(renewed),
            Some(asked) = control.recv() => self.obey(asked),
            () = sleep_until(wake) => {}
            () = self.far_timer.as_mut(), if !self.on_wire.is_empty() => self.reset_far_timer(),
        }
        Ok(())
    }

    fn reset_far_timer(&mut self) {
        let span = (self.settings.timeout / 2).min(LONGEST_ANCHOR);
        self.far_timer.as_mut().reset(self.clock.instant() + span);
    }

    fn tell(&mut self, kind: EventKind) {
        self.tell_of(self.clock.instant(), kind);
    }

    /// Tells what happened at an instant that has just been read: a clock takes its time, too.
    fn tell_of(&mut self, at: Instant, kind: EventKind) {
        self.batch.push(Event { at: self.clock.label(at), kind });
    }

    fn started(&self) -> RunStarted {
        RunStarted {
            selected: self.settings.origin.selected,
            settled: self.settings.origin.settled,
            rate_limit: self.settings.rate,
            finds_rate: self.settings.auto.is_some(),
            concurrency: self.settings.concurrency.get(),
        }
    }

    fn wake_at(&mut self, due: Instant) {
        self.wake = Some(self.wake.map_or(due, |wake| wake.min(due)));
    }

    fn next_wake(&self) -> Option<Instant> {
        let gates = self.wake.into_iter().chain(self.pace.changes());
        let ends = gates.chain(self.deadline).chain(self.outage_ends());
        ends.chain(self.renewal_due()).min()
    }
}

/// Awaits a future that is under way and takes it out; waits for ever where there is none.
///
/// Nothing is lost when this is dropped: the future stays where it is.
async fn finished<T>(under_way: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(future) = under_way else { return std::future::pending().await };
    let output = future.await;
    *under_way = None;
    output
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Returns a pacer that knows the sendings of earlier processes of the run.
fn recalling(settings: &EngineSettings, clock: Clock) -> Pacer {
    let mut pacer = Pacer::new(settings.rate, clock.instant().into());
    let sent = settings.origin.last_sent.iter();
    sent.filter_map(|&at| clock.past_instant(at)).for_each(|at| pacer.recall(at.into()));
    pacer
}
