//! The one loop of a run: admit, make durable, release, classify.
//!
//! Invariants: an attempt is polled only after its start is durable. At most `concurrency` attempts
//! are on the wire, plus a bounded number begun ahead of them; a waiting task holds no slot. Only this
//! loop waits; every decider it asks answers with an instant. Must not know stores, displays or
//! HTTP. Admission, commit, release and completion are explained in `docs/GLOSSARY.md`.

mod admission;
mod completion;
mod credentials;
pub(super) mod leases;
pub(super) mod lookahead;
mod on_wire;
mod operator_changes;
mod outage;
mod pace;
mod stopping;
mod waves;

use crate::api::Authority;
use crate::clock::{Clock, Instant};
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::control::Control;
use crate::engine::ledger::{ChunkRef, Claim, Claimed, Kept, Ledger, LedgerError};
use crate::engine::retry_queue::RetryQueue;
use crate::engine::settings::EngineSettings;
use crate::event::{Event, EventKind, Operator, RunStarted, RunStats, StopReason};
use crate::policy::{
    Breaker, Canary, CredentialsTrust, Opening, Pacer, RetryBudget, SlotGate, SuspectQueue,
    WaveGate,
};
use credentials::Renewal;
use futures::future::{BoxFuture, poll_fn};
use leases::Supply;
use lookahead::Lookahead;
use on_wire::OnWire;
use operator_changes::OperatorChanges;
use outage::EndedAttempt;
use pace::EffectivePace;
use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use tokio::time::Sleep;
use waves::wave_gate;

/// The number of tasks waiting for a retry at which no fresh ones are begun. This keeps memory flat
/// while a service refuses everything.
pub(super) const MAX_WAITING: usize = 10_000;
/// The minimum number of tasks to claim at a time.
const MIN_CLAIM: usize = 256;

/// The longest span of [`Dispatcher::far_timer`].
const LONGEST_FAR_TIMER: Duration = Duration::from_secs(30);

type Commit = BoxFuture<'static, Result<Kept, LedgerError>>;
type Claiming = BoxFuture<'static, Result<Claimed, LedgerError>>;

/// All state of a run under way.
pub(super) struct Dispatcher<'a, L, S, F> {
    ledger: &'a mut L,
    send: S,
    settings: &'a EngineSettings,
    clock: Clock,
    pacer: Pacer,
    /// The slots of the rate group, if the run belongs to one.
    group: Option<SlotGate>,
    pace: EffectivePace,
    operator: OperatorChanges,
    breaker: Breaker,
    budget: RetryBudget,
    canary: Option<Canary>,
    waves: Option<WaveGate>,
    /// Whether these hold no task back any more.
    is_open: bool,
    jitter: fastrand::Rng,
    authority: &'a dyn Authority,
    trust: CredentialsTrust,
    renewing: Option<Renewal<'a>>,

    /// Claimed and never admitted by this process.
    fresh: VecDeque<Claim>,
    claiming: Option<Claiming>,
    supply: Supply,
    /// The chunks whose leases ended: their calls on the wire count, and are not recorded.
    lost: Vec<ChunkRef>,
    /// Whether all tasks go back to the ledger, as soon as nothing is on the wire.
    gives_back: bool,
    retry_queue: RetryQueue<Claim>,
    /// Tasks whose last attempt did not reach the service, for a reason not yet known.
    suspects: SuspectQueue<EndedAttempt>,

    /// Events since the last commit began, and the attempts whose start is among them.
    batch: Vec<Event>,
    admitted: Vec<Attempt>,
    /// The commit under way, and the attempts whose start it makes durable.
    committing: Option<Commit>,
    in_commit: Vec<Attempt>,
    /// Whether the attempts in the commit are withdrawn as soon as it is done.
    withdraws_commit: bool,
    /// Attempts that are durable, but wait for the pacer or a slot.
    durable: VecDeque<Attempt>,
    lookahead: Lookahead,
    on_wire: OnWire<F>,
    /// Kept earlier than every call's time-out, because tokio writes to its wake-up pipe whenever a
    /// new timer becomes the earliest.
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
            group: SlotGate::to(settings.slots.clone(), settings.rate, now.into()),
            pace: EffectivePace::new(settings, &clock, now),
            operator: OperatorChanges::new(settings.concurrency),
            breaker: Breaker::new(),
            budget: RetryBudget::new(now.into()),
            canary: settings.canary.map(Canary::new),
            waves: wave_gate(settings, clock),
            is_open: settings.canary.is_none() && settings.waves.is_none(),
            jitter: fastrand::Rng::new(),
            authority,
            trust: CredentialsTrust::new(authority.generation()),
            renewing: None,
            fresh: VecDeque::new(),
            claiming: None,
            supply: Supply::More,
            lost: Vec::new(),
            gives_back: false,
            retry_queue: RetryQueue::new(),
            suspects: SuspectQueue::default(),
            batch: Vec::new(),
            admitted: Vec::new(),
            committing: None,
            in_commit: Vec::new(),
            withdraws_commit: false,
            durable: VecDeque::new(),
            lookahead: Lookahead::default(),
            on_wire: OnWire::new(),
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
        self.emit(EventKind::RunStarted(self.started()));
        let settings = self.settings;
        for &change in &settings.origin.changes {
            self.emit(EventKind::RunChanged { change, by: Operator::Process(std::process::id()) });
        }
        self.begin_waves();
        // The order within a turn: first everything that may change a decision (stops, holds, the
        // pace), then the admissions, then the commit that lets them go.
        loop {
            self.wake = None;
            self.take_input(&mut control);
            self.continue_after_hold();
            self.check_wave();
            self.check_gates();
            self.keep_pace();
            self.give_back();
            self.refill();
            self.admit();
            self.attribute_remaining();
            // The first commit runs while calls are written. The second one takes the results of
            // calls that were answered within their first poll, if no commit is under way.
            self.commit();
            // Without the runtime's budget: once it is used up, sockets refuse to write, and a request
            // would leave later than at its release.
            unconstrained(async { self.release() }).await;
            self.commit();
            if self.is_done() {
                break;
            }
            if let Err(error) = self.step(&mut control).await {
                self.ledger.note_unrecorded(&self.batch);
                return Err(error);
            }
        }
        self.end().await
    }

    /// Takes control messages, deadlines and due retries without waiting.
    ///
    /// A run whose calls always answer at once never gets to these branches of [`Self::step`]. All
    /// released calls have been polled by now, so a stop overtakes none of them.
    fn take_input(&mut self, control: &mut mpsc::UnboundedReceiver<Control>) {
        while let Ok(request) = control.try_recv() {
            self.handle(request);
        }
        self.check_deadline();
        self.renew_ahead();
        self.retry_queue.gather_due();
    }

    /// Waits for the next completion, commit, claim, timer or control message, and handles it.
    ///
    /// Completions come first, because they free slots and their times must not be delayed. Dropping
    /// the losing branches is safe: each awaited future stays in its field.
    async fn step(
        &mut self,
        control: &mut mpsc::UnboundedReceiver<Control>,
    ) -> Result<(), LedgerError> {
        let wake = self.next_wake();
        tokio::select! {
            biased;
            // Without the runtime's budget: calls that always have something to read would use it up,
            // and timers and signals would starve. A connection yields by itself.
            Some(completion) = unconstrained(poll_fn(|cx| self.on_wire.poll_next(cx))) => self.complete_all(completion),
            committed = finished(&mut self.committing) => {
                let Kept { lost } = committed?;
                self.lookahead.committed(self.clock.instant());
                self.operator.notify_committed();
                self.mark_durable();
                self.drop_lost(lost);
            }
            claimed = finished(&mut self.claiming) => self.take_claimed(claimed?),
            () = self.retry_queue.fall_due() => {}
            renewed = credentials::renewed(&mut self.renewing) => self.take_renewed(renewed),
            Some(request) = control.recv() => self.handle(request),
            () = sleep_until(wake) => {}
            () = self.far_timer.as_mut(), if !self.on_wire.is_empty() => self.reset_far_timer(),
        }
        Ok(())
    }

    fn bring_far_timer_forward(&mut self, span: Duration) {
        let due = self.clock.instant() + span;
        if self.far_timer.deadline() > due {
            self.far_timer.as_mut().reset(due);
        }
    }

    fn reset_far_timer(&mut self) {
        self.lookahead.end_gathering();
        let span = (self.settings.timeout / 2).min(LONGEST_FAR_TIMER);
        self.far_timer.as_mut().reset(self.clock.instant() + span);
    }

    fn emit(&mut self, kind: EventKind) {
        self.emit_at(self.clock.instant(), kind);
    }

    /// Emits an event with an instant that has just been read, because reading the clock costs time.
    fn emit_at(&mut self, at: Instant, kind: EventKind) {
        self.batch.push(Event { at: self.clock.label(at), kind });
    }

    fn started(&self) -> RunStarted {
        RunStarted {
            selected: self.settings.origin.selected,
            settled: self.settings.origin.settled,
            rate_limit: self.settings.rate,
            finds_rate: self.settings.pace.opening == Opening::Doubling,
            looks_at: None,
            concurrency: self.settings.concurrency.get(),
        }
    }

    fn wake_at(&mut self, due: Instant) {
        self.wake = Some(self.wake.map_or(due, |wake| wake.min(due)));
    }

    fn next_wake(&self) -> Option<Instant> {
        let gates = self.wake.into_iter().chain(self.pace.changes());
        let ends =
            gates.chain(self.deadline).chain(self.outage_ends()).chain(self.throttling_ends());
        ends.chain(self.renewal_due()).chain(self.wave_pause_ends()).min()
    }
}

/// Awaits a future that is under way and takes it out; waits forever if there is none.
///
/// Cancel safe: the future stays where it is when this one is dropped.
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

/// Returns a pacer that counts the sendings of earlier processes of the run.
fn recalling(settings: &EngineSettings, clock: Clock) -> Pacer {
    let mut pacer = Pacer::new(settings.rate, clock.instant().into());
    let sent = settings.origin.last_sent.iter();
    sent.filter_map(|&at| clock.past_instant(at)).for_each(|at| pacer.recall(at.into()));
    pacer
}
