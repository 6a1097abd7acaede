//! What really happened: the service's own ledger of calls, and every commit as the disk saw it.
//!
//! Independent of the program: it knows no pacer, no breaker and no fold. Rules that can be checked
//! at once are checked here, at the arrival of a call; the others by `judge`.

use super::story::{Disk, Kill, Order, Weather};
use crate::clock::{Clock, Instant, Timestamp};
use crate::event::{Change, Event, EventKind, RunStats, StopReason};
use crate::settings::RunSettings;
use crate::task::{Outcome, Rate};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// What the service did with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Carried out and answered in order.
    Done(Outcome),
    Refused,
    Transient,
    NeverLeft,
    Throttled(Option<Duration>),
    /// No trustworthy answer came back, whatever the service did.
    InDoubt,
    Unauthorised,
    Panicked,
}

/// One call, as the network saw it leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) at: Timestamp,
    pub(super) ordinal: u32,
    pub(super) kind: Kind,
    /// Whether the service carried the command out, now or later.
    pub(super) effect: bool,
    /// Whether its answer came back.
    pub(super) delivered: bool,
    /// Whether its end is durable.
    pub(super) recorded: bool,
}

impl Call {
    /// Returns whether the program knows how it ended.
    pub(super) fn is_known(&self) -> bool {
        self.delivered && self.recorded
    }

    /// Returns whether nobody on this side can know what the service did.
    pub(super) fn is_doubtful(&self) -> bool {
        !self.is_known() || matches!(self.kind, Kind::InDoubt | Kind::Panicked)
    }
}

/// What is true of a task.
#[derive(Debug, Clone, Default)]
pub(super) struct TaskTruth {
    /// The places of its calls.
    pub(super) calls: Vec<usize>,
    /// The outcome that is durable.
    pub(super) settled: Option<Outcome>,
    /// Starts that are durable, of processes that died, and whose call never left.
    pub(super) phantoms: u32,
    /// Those of the present process: durable starts, durable withdrawals, calls.
    starts: u32,
    withdrawn: u32,
    called: u32,
    /// Whether its outcome was handed to the ledger.
    settling: bool,
}

impl TaskTruth {
    /// Returns how many durable starts of the present process have led to no call yet.
    pub(super) fn unsent(&self) -> u32 {
        (self.starts - self.withdrawn).saturating_sub(self.called)
    }
}

/// The present process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) number: usize,
    pub(super) began: Timestamp,
    pub(super) kill: Option<Kill>,
    pub(super) disk: Disk,
    pub(super) commit_millis: (u64, u64),
    pub(super) commits: u32,
    /// Whether nobody waits for a full disk any more.
    pub(super) hurried: bool,
    pub(super) is_dead: bool,
    /// Whether the disk failed it.
    pub(super) is_failed: bool,
    steps: u64,
    on_wire: usize,
    /// The limits that were asked for, each with its time.
    rates: Vec<(Timestamp, Option<Rate>)>,
    slots: Vec<(Timestamp, usize)>,
    paused_at: Option<Timestamp>,
    stopped_at: Option<Timestamp>,
    pub(super) asked_to_stop: Vec<StopReason>,
    ends_at: Option<Timestamp>,
    held_until: Option<Timestamp>,
    /// Tasks that failed in this process.
    pub(super) failed: u64,
    /// The end that it recorded.
    pub(super) end: Option<RunStats>,
    pub(super) refusals: u64,
    /// The calls of each task whose end is not durable.
    unrecorded: BTreeMap<u32, VecDeque<usize>>,
    pub(super) settings: RunSettings,
    /// The place of its first call.
    pub(super) first_call: usize,
}

/// Everything that the world knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) rng: fastrand::Rng,
    pub(super) weather: Weather,
    pub(super) process: Process,
    pub(super) calls: Vec<Call>,
    pub(super) tasks: BTreeMap<u32, TaskTruth>,
    pub(super) violations: Vec<String>,
    pub(super) trace: String,
    /// The service's own window: its beginning, and the calls in it.
    pub(super) window: (Timestamp, u32),
    pub(super) token: (u64, Instant),
    /// The state directory, and the one that a kill leaves behind.
    pub(super) directory: PathBuf,
    pub(super) left_behind: PathBuf,
}

/// A handle to the world.
#[derive(Debug, Clone)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    died: Arc<Notify>,
}

impl Process {
    pub(super) fn new(number: usize, began: Timestamp, settings: &RunSettings) -> Self {
        let after = |span: Duration| i64::try_from(span.as_micros()).unwrap();
        Self {
            number,
            began,
            kill: None,
            disk: Disk::Sound,
            commit_millis: (0, 0),
            commits: 0,
            hurried: false,
            is_dead: false,
            is_failed: false,
            steps: 0,
            on_wire: 0,
            rates: vec![(Timestamp::from_micros(0), settings.own_rate().limit())],
            slots: vec![(Timestamp::from_micros(0), settings.concurrency.get())],
            paused_at: None,
            stopped_at: None,
            asked_to_stop: Vec::new(),
            ends_at: settings.max_duration.map(|limit| began.plus_micros(after(limit))),
            held_until: None,
            failed: 0,
            end: None,
            refusals: 0,
            unrecorded: BTreeMap::new(),
            settings: settings.clone(),
            first_call: 0,
        }
    }
}

impl World {
    pub(super) fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)), died: Arc::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Passes one step of the process, and returns whether it is still alive.
    ///
    /// A kill leaves the files as they are at this moment; nothing that the process does afterwards
    /// reaches them, the network or a watcher.
    pub(super) fn step(&self) -> bool {
        let mut state = self.lock();
        if state.process.is_dead {
            return false;
        }
        state.process.steps += 1;
        let Some(kill) = state.process.kill.filter(|kill| kill.step == state.process.steps) else {
            return true;
        };
        copy(&state.directory, &state.left_behind, kill.power);
        state.process.is_dead = true;
        let (now, steps) = (state.clock.now(), state.process.steps);
        writeln!(state.trace, "{} killed at step {steps}", now.as_micros()).unwrap();
        self.died.notify_one();
        false
    }

    /// Waits until the process is killed.
    pub(super) async fn death(&self) {
        self.died.notified().await;
    }

    /// Takes note of an order, just before the process gets it.
    pub(super) fn order(&self, order: Order) {
        let mut state = self.lock();
        let now = state.clock.now();
        writeln!(state.trace, "{} {order:?}", now.as_micros()).unwrap();
        let process = &mut state.process;
        if process.stopped_at.is_some() && !matches!(order, Order::Abandon) {
            return;
        }
        match order {
            Order::Change(Change::Paused) => process.paused_at = Some(now),
            Order::Change(Change::Resumed) => process.paused_at = None,
            Order::Change(Change::Rate(rate)) => process.rates.push((now, rate)),
            Order::Change(Change::Concurrency(most)) => process.slots.push((now, most.get())),
            Order::Change(Change::Drained) => {
                process.stopped_at = Some(now);
                process.asked_to_stop.push(StopReason::Drained);
            }
            Order::Stop(reason) => {
                process.stopped_at = Some(now);
                process.asked_to_stop.push(reason);
            }
            Order::Abandon => {
                process.stopped_at.get_or_insert(now);
                process.asked_to_stop.push(StopReason::Interrupted);
            }
        }
    }

    /// Takes note of events that were handed to the ledger.
    pub(super) fn handed(&self, events: &[Event]) {
        let mut state = self.lock();
        for event in events {
            if let EventKind::TaskSettled { task, .. } = &event.kind {
                state.tasks.entry(task.ordinal.0).or_default().settling = true;
            }
        }
    }

    /// Takes note of events that are durable.
    pub(super) fn committed(&self, events: &[Event]) {
        let mut state = self.lock();
        for event in events {
            writeln!(state.trace, "{} {:?}", event.at.as_micros(), event.kind).unwrap();
            state.commit(&event.kind);
        }
    }

    /// Takes note that the answer of a call came back.
    pub(super) fn delivered(&self, call: usize) {
        let mut state = self.lock();
        let now = state.clock.now();
        state.calls[call].delivered = true;
        match state.calls[call].kind {
            Kind::Throttled(Some(wait)) => {
                let until = now.plus_micros(i64::try_from(wait.as_micros()).unwrap());
                state.process.held_until = state.process.held_until.max(Some(until));
            }
            Kind::Unauthorised => state.process.refusals += 1,
            _ => {}
        }
    }

    /// Takes note that a call is no longer on the wire.
    pub(super) fn left_wire(&self) {
        self.lock().process.on_wire -= 1;
    }
}

impl State {
    /// Begins a process.
    pub(super) fn begin(&mut self, process: Process) {
        let was_cut = self.process.is_dead || self.process.is_failed;
        for truth in self.tasks.values_mut() {
            let unsent = truth.unsent();
            if was_cut {
                truth.phantoms += unsent;
            }
            (truth.starts, truth.withdrawn, truth.called) = (0, 0, 0);
            truth.settling = truth.settled.is_some();
        }
        let first_call = self.calls.len();
        self.process = Process { first_call, ..process };
    }

    fn commit(&mut self, kind: &EventKind) {
        match kind {
            EventKind::AttemptStarted { task, .. } => {
                self.tasks.entry(task.ordinal.0).or_default().starts += 1;
            }
            EventKind::AttemptWithdrawn { task, .. } => {
                self.tasks.entry(task.ordinal.0).or_default().withdrawn += 1;
            }
            EventKind::AttemptEnded { task, .. } => {
                let calls = self.process.unrecorded.get_mut(&task.ordinal.0);
                match calls.and_then(VecDeque::pop_front) {
                    Some(call) => self.calls[call].recorded = true,
                    None => self.violate(&format!("the end of no call of task {}", task.ordinal)),
                }
            }
            EventKind::TaskSettled { task, outcome, .. } => {
                let truth = self.tasks.entry(task.ordinal.0).or_default();
                if let Some(before) = truth.settled.replace(*outcome) {
                    self.violate(&format!("task {} was {before} and is {outcome}", task.ordinal));
                }
                self.process.failed += u64::from(*outcome == Outcome::Failed);
            }
            EventKind::RunEnded(stats) => self.process.end = Some(stats.clone()),
            _ => {}
        }
    }

    pub(super) fn violate(&mut self, what: &str) {
        let at = self.clock.now();
        self.violations.push(format!("{what}, at {at}"));
    }

    /// Lets a call leave, and checks all that must hold at this moment.
    pub(super) fn leaves(&mut self, call: Call) -> usize {
        let now = call.at;
        let number = self.calls.len();
        self.calls.push(call);
        writeln!(self.trace, "{} call of {}: {:?}", now.as_micros(), call.ordinal, call.kind)
            .unwrap();
        let truth = self.tasks.entry(call.ordinal).or_default();
        truth.calls.push(number);
        truth.called += 1;
        let is_durable = truth.starts >= truth.withdrawn + truth.called;
        let is_settled = truth.settling;
        self.process.unrecorded.entry(call.ordinal).or_default().push_back(number);
        self.process.on_wire += 1;
        let ordinal = call.ordinal;
        if !is_durable {
            self.violate(&format!("a call of task {ordinal} left before its start was durable"));
        }
        if is_settled {
            self.violate(&format!("task {ordinal} has its outcome and was sent again"));
        }
        self.check_slots(now);
        self.check_window(now);
        self.check_silence(now);
        number
    }

    fn check_slots(&mut self, now: Timestamp) {
        let most = in_force(&self.process.slots, now).max().unwrap();
        let on_wire = self.process.on_wire;
        // A lower limit is reached by waiting, so the highest one of this process bounds the wire.
        let highest = self.process.slots.iter().map(|(_, most)| *most).max().unwrap();
        let is_lowered = most < highest;
        if on_wire > highest || (!is_lowered && on_wire > most) {
            self.violate(&format!("{on_wire} calls on the wire, of {most}"));
        }
    }

    /// No window that ends with a call holds more than the limit in force.
    fn check_window(&mut self, now: Timestamp) {
        let fits = in_force(&self.process.rates, now).any(|limit| {
            let Some(rate) = limit else { return true };
            let most = usize::try_from(rate.limit.get()).unwrap();
            let Some(first) = self.calls.len().checked_sub(most + 1) else { return true };
            now.since(self.calls[first].at) >= rate.window
        });
        if !fits {
            let rate = self.process.rates.last().and_then(|(_, rate)| *rate);
            self.violate(&format!("a window holds more than {}", rate.unwrap()));
        }
    }

    /// Nothing leaves while the run is paused, held, stopped or out of time.
    fn check_silence(&mut self, now: Timestamp) {
        let process = &self.process;
        let ended = |at: Option<Timestamp>| at.is_some_and(|at| now > at);
        let why = if ended(process.stopped_at) {
            "after a stop"
        } else if ended(process.paused_at) {
            "during a pause"
        } else if ended(process.ends_at) {
            "after the end of --max-duration"
        } else if process.held_until.is_some_and(|until| now < until) {
            "before the service allowed it"
        } else {
            return;
        };
        self.violate(&format!("a call left {why}"));
    }
}

/// Returns the values that may be in force: at the moment of a change both.
fn in_force<T: Copy>(changes: &[(Timestamp, T)], now: Timestamp) -> impl Iterator<Item = T> {
    let settled = changes.iter().rposition(|(from, _)| *from < now).unwrap_or(0);
    let after = changes[settled..].iter().filter(move |(from, _)| *from <= now);
    after.map(|(_, value)| *value).collect::<Vec<_>>().into_iter()
}

/// Copies a state directory as a kill or a loss of power leaves it.
fn copy(from: &Path, to: &Path, power: bool) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let name = entry.file_name().into_string().unwrap();
        if path.is_dir() {
            copy(&path, &target, power);
        } else if power && name.ends_with("-mark") {
            // It is never synced: what is left of it is of another boot, or nothing.
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().take(2).collect();
            fs::write(&target, format!("{}\nanother-boot\n", lines.join("\n"))).unwrap();
            private(&target, 0o600);
        } else if !name.ends_with("-shm") {
            fs::copy(&path, &target).unwrap();
        }
    }
    private(to, 0o700);
}

fn private(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
