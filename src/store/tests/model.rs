//! Compares the store with a plain model, over random plans, events, kills and reopenings.

use super::script::{
    answered, ended, event, lost, refused, run_ended, started, throttled, withdrawn,
};
use super::{Fixture, RECALL, at, claim, commit_only};
use crate::clock::Timestamp;
use crate::event::{AttemptResult, AttemptSeq, Event, EventKind};
use crate::store::{ResumePoint, RunWriter, StoreError, UnsettledTask};
use crate::task::{FailureKind, Ordinal, Outcome, OutcomeCounts, Task};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A step of a run, or an accident. A number picks one of the present candidates.
#[derive(Debug, Clone, Copy)]
enum Step {
    Claim(usize),
    Start,
    Withdraw(usize),
    SettleAfter(usize, fn(u64) -> AttemptResult, Outcome),
    RetryAfter(usize, fn(u64) -> AttemptResult),
    Commit,
    /// The durable attempts leave.
    Leave,
    Read,
    EndRun,
    /// The process is killed; what was not committed is lost.
    Kill,
    /// The process is killed while nobody has waited for its last commit.
    KillInCommit,
    /// The power fails: another process finds the file and the log, and nothing else.
    PowerFailure,
}

fn step() -> impl Strategy<Value = Step> {
    use Outcome::{Ambiguous, Failed, Partial, Succeeded};
    let any = 0..100_usize;
    prop_oneof![
        4 => (1..6_usize).prop_map(Step::Claim),
        12 => Just(Step::Start),
        2 => any.clone().prop_map(Step::Withdraw),
        4 => any.clone().prop_map(|n| Step::SettleAfter(n, answered, Succeeded)),
        1 => any.clone().prop_map(|n| Step::SettleAfter(n, refused, Failed)),
        1 => any.clone().prop_map(|n| Step::SettleAfter(n, refused, Partial)),
        1 => any.clone().prop_map(|n| Step::SettleAfter(n, lost, Ambiguous)),
        2 => any.clone().prop_map(|n| Step::RetryAfter(n, lost)),
        2 => any.clone().prop_map(|n| Step::RetryAfter(n, throttled)),
        1 => any.prop_map(|n| Step::RetryAfter(n, refused)),
        8 => Just(Step::Commit),
        8 => Just(Step::Leave),
        1 => Just(Step::Read),
        1 => Just(Step::EndRun),
        1 => Just(Step::Kill),
        1 => Just(Step::KillInCommit),
        1 => Just(Step::PowerFailure),
    ]
}

/// An attempt, as far as it was committed.
#[derive(Debug, Clone, PartialEq)]
struct Attempt {
    seq: u64,
    sent: Timestamp,
    result: Option<AttemptResult>,
    /// When its process was over, if it never ended.
    over: Option<Timestamp>,
}

impl Attempt {
    fn in_doubt(&self) -> bool {
        self.result.as_ref().is_none_or(|result| result.in_doubt)
    }

    fn throttled(&self) -> bool {
        let failure = self.result.as_ref().and_then(|result| result.failure.as_ref());
        failure.is_some_and(|failure| failure.kind == FailureKind::Throttled)
    }
}

/// A task, as far as it was committed.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    attempts: Vec<Attempt>,
    outcome: Option<(Outcome, Timestamp)>,
}

impl Known {
    fn outcome(&self) -> Outcome {
        match (&self.outcome, self.attempts.as_slice()) {
            (Some((outcome, _)), _) => *outcome,
            (None, []) => Outcome::NotAttempted,
            (None, attempts) if attempts.iter().any(Attempt::in_doubt) => Outcome::Ambiguous,
            (None, _) => Outcome::Failed,
        }
    }
}

/// All that was committed.
#[derive(Debug, Clone)]
struct Model {
    tasks: BTreeMap<Ordinal, Known>,
    /// The last attempt that may have left.
    may_have_left: u64,
    sessions: Vec<bool>,
}

impl Model {
    /// Forgets what was begun and cannot have left.
    fn forget(&mut self) {
        let last = self.may_have_left;
        for known in self.tasks.values_mut() {
            known.attempts.retain(|attempt| attempt.result.is_some() || attempt.seq <= last);
        }
    }

    fn apply(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.apply_one(event));
    }

    fn apply_one(&mut self, Event { at, kind }: &Event) {
        match kind {
            EventKind::AttemptStarted { seq, task, leaves, .. } => {
                let attempt = Attempt { seq: seq.0, sent: *leaves, result: None, over: None };
                self.known(task).attempts.push(attempt);
            }
            EventKind::AttemptWithdrawn { seq, task } => {
                self.known(task).attempts.retain(|attempt| attempt.seq != seq.0);
            }
            EventKind::AttemptEnded { seq, task, result } => {
                let mut attempts = self.known(task).attempts.iter_mut();
                let attempt = attempts.find(|attempt| attempt.seq == seq.0).unwrap();
                (attempt.sent, attempt.result) = (result.sent, Some(result.clone()));
            }
            EventKind::TaskSettled { task, outcome, .. } => {
                self.known(task).outcome = Some((*outcome, *at));
            }
            EventKind::RunEnded(_) => {
                *self.sessions.last_mut().unwrap() = true;
                self.close(*at);
            }
            other => panic!("not emitted here: {other:?}"),
        }
    }

    /// A process is over: what it began has left by now.
    fn close(&mut self, at: Timestamp) {
        for attempt in self.tasks.values_mut().flat_map(|known| &mut known.attempts) {
            attempt.over.get_or_insert(attempt.sent.max(at));
        }
    }

    fn known(&mut self, task: &Task) -> &mut Known {
        self.tasks.get_mut(&task.ordinal).unwrap()
    }

    /// All attempts, the last first.
    fn attempts(&self) -> Vec<&Attempt> {
        let mut attempts: Vec<_> = self.tasks.values().flat_map(|known| &known.attempts).collect();
        attempts.sort_by_key(|attempt| std::cmp::Reverse(attempt.seq));
        attempts
    }

    fn resume_point(&self) -> ResumePoint {
        let attempts = self.attempts();
        let late = |attempt: &&Attempt| match attempt.result {
            Some(_) => attempt.sent,
            None => attempt.over.unwrap_or(attempt.sent.max(at(100))),
        };
        let mut last_sent: Vec<_> = attempts.iter().take(RECALL as usize).map(late).collect();
        last_sent.sort();
        let mut settled = OutcomeCounts::default();
        for (outcome, _) in self.tasks.values().filter_map(|known| known.outcome) {
            settled[outcome] += 1;
        }
        ResumePoint {
            selected: self.tasks.len() as u64,
            settled,
            attempts: attempts.first().map_or(0, |attempt| attempt.seq),
            last_sent,
        }
    }
}

/// A task in the hands of the engine.
#[derive(Debug, Clone)]
struct Live {
    task: Arc<Task>,
    attempts: u32,
    first_sent: Option<Timestamp>,
    seq: u64,
}

/// A process at work on the run, as far as it is not committed.
#[derive(Default)]
struct Process {
    /// None in a process that is dead.
    writer: Option<RunWriter>,
    next_seq: u64,
    handed_out: BTreeSet<Ordinal>,
    ready: Vec<Live>,
    admitted: Vec<Live>,
    durable: Vec<Live>,
    on_wire: Vec<Live>,
    batch: Vec<Event>,
}

struct Test {
    fixture: Fixture,
    model: Model,
    process: Process,
}

impl Test {
    fn new(ids: &[u8]) -> Self {
        let text: String = ids.iter().map(|id| format!("task-{id:03}\n")).collect();
        let fixture = Fixture::planned(&text);
        let first = |&place: &usize| !ids[..place].contains(&ids[place]);
        let ordinal = |place: usize| Ordinal(u32::try_from(place).unwrap());
        let places = (0..ids.len()).filter(first).map(ordinal);
        let tasks = places.map(|ordinal| (ordinal, Known::default())).collect();
        let mut model = Model { tasks, may_have_left: 0, sessions: Vec::new() };
        let process = Self::open(&fixture, &mut model);
        Self { fixture, model, process }
    }

    /// A process takes up the run and finds all that was committed.
    fn open(fixture: &Fixture, model: &mut Model) -> Process {
        let writer = fixture.writer();
        model.sessions.push(false);
        model.forget();
        assert_eq!(*writer.resume_point(), model.resume_point());
        model.close(at(100));
        model.may_have_left = writer.resume_point().attempts;
        let next_seq = writer.resume_point().attempts + 1;
        Process { writer: Some(writer), next_seq, ..Process::default() }
    }

    /// Another process takes the run up when this one is gone.
    fn reopen(&mut self) {
        self.process = Process::default();
        check_rows(&self.fixture, &self.model);
        self.process = Self::open(&self.fixture, &mut self.model);
    }

    fn carry_out(&mut self, step: Step) {
        match step {
            Step::Claim(most) => self.claim(most),
            Step::Start => self.process.start(),
            Step::Withdraw(number) => self.process.withdraw(number),
            Step::SettleAfter(number, result, outcome) => {
                self.process.settle(number, result, outcome);
            }
            Step::RetryAfter(number, result) => self.process.retry(number, result),
            Step::Commit => self.commit(),
            Step::Leave => self.leave(),
            Step::Read => check_rows(&self.fixture, &self.model),
            Step::EndRun => {
                self.process.batch.push(run_ended(self.process.next_seq, None));
                self.commit();
                self.reopen();
            }
            Step::Kill => self.reopen(),
            Step::KillInCommit => {
                let batch = std::mem::take(&mut self.process.batch);
                self.model.apply(&batch);
                drop(self.process.writer().commit(batch));
                self.reopen();
            }
            Step::PowerFailure => {
                self.fixture = self.fixture.copy();
                // It is not known any more which attempts have left.
                self.model.may_have_left = u64::MAX;
                self.reopen();
            }
        }
    }

    fn commit(&mut self) {
        let batch = std::mem::take(&mut self.process.batch);
        self.model.apply(&batch);
        commit_only(self.process.writer(), batch);
        let admitted = std::mem::take(&mut self.process.admitted);
        self.process.durable.extend(admitted);
    }

    fn leave(&mut self) {
        let leaving = std::mem::take(&mut self.process.durable);
        if let Some(last) = leaving.iter().map(|live| live.seq).max() {
            assert!(self.process.writer().may_leave(AttemptSeq(last)));
            self.model.may_have_left = self.model.may_have_left.max(last);
        }
        self.process.on_wire.extend(leaving);
    }

    /// The next tasks without an outcome are handed out, each once.
    fn claim(&mut self, most: usize) {
        let claimed = claim(self.process.writer(), most);
        let left = self.model.tasks.iter().filter(|(ordinal, known)| {
            known.outcome.is_none() && !self.process.handed_out.contains(ordinal)
        });
        let expected: Vec<_> = left.take(most).collect();
        assert_eq!(claimed.len(), expected.len());
        for (claimed, (ordinal, known)) in claimed.iter().zip(expected) {
            assert_eq!(claimed.task.ordinal, *ordinal);
            check_claimed(claimed, &known.attempts);
        }
        for UnsettledTask { task, attempts, first_sent, .. } in claimed {
            self.process.handed_out.insert(task.ordinal);
            self.process.ready.push(Live { task: Arc::new(task), attempts, first_sent, seq: 0 });
        }
    }
}

impl Process {
    fn writer(&self) -> &RunWriter {
        self.writer.as_ref().unwrap()
    }

    fn start(&mut self) {
        let Some(mut live) = self.ready.pop() else { return };
        live.attempts += 1;
        live.seq = self.next_seq;
        self.next_seq += 1;
        self.batch.push(started(&live.task, live.seq, live.attempts));
        self.admitted.push(live);
    }

    /// Takes back an attempt before it leaves, whether or not its start is durable.
    fn withdraw(&mut self, number: usize) {
        let durable = number.is_multiple_of(2);
        let from = if durable { &mut self.durable } else { &mut self.admitted };
        if let Some(live) = take(from, number) {
            self.batch.push(withdrawn(&live.task, live.seq));
        }
    }

    fn end(&mut self, number: usize, result: fn(u64) -> AttemptResult) -> Option<Live> {
        let mut live = take(&mut self.on_wire, number)?;
        live.first_sent = live.first_sent.or(Some(result(live.seq).sent));
        self.batch.push(ended(&live.task, live.seq, result));
        Some(live)
    }

    fn settle(&mut self, number: usize, result: fn(u64) -> AttemptResult, outcome: Outcome) {
        let Some(Live { task, attempts, first_sent, seq }) = self.end(number, result) else {
            return;
        };
        let first_sent = first_sent.unwrap();
        let seq = AttemptSeq(seq);
        let settled = EventKind::TaskSettled { task, outcome, seq, attempts, first_sent };
        self.batch.push(event(seq.0, settled));
    }

    fn retry(&mut self, number: usize, result: fn(u64) -> AttemptResult) {
        let live = self.end(number, result);
        self.ready.extend(live);
    }
}

fn take<T>(from: &mut Vec<T>, number: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(number % from.len()))
}

fn check_claimed(claimed: &UnsettledTask, attempts: &[Attempt]) {
    assert_eq!(claimed.attempts as usize, attempts.len());
    let throttled = attempts.iter().filter(|attempt| attempt.throttled()).count();
    assert_eq!(claimed.throttled as usize, throttled);
    assert_eq!(claimed.in_doubt, attempts.iter().any(Attempt::in_doubt));
    assert_eq!(claimed.first_sent, attempts.first().map(|attempt| attempt.sent));
}

/// A reader sees what was committed, and its sums add up.
fn check_rows(fixture: &Fixture, model: &Model) {
    let mut model = model.clone();
    model.forget();
    let rows = fixture.rows();
    assert_eq!(rows.len(), model.tasks.len());
    for (row, (ordinal, known)) in rows.iter().zip(&model.tasks) {
        assert_eq!(row.ordinal, *ordinal);
        assert_eq!(row.outcome, known.outcome());
        assert_eq!(row.attempts as usize, known.attempts.len());
        assert_eq!(row.settled, known.outcome.map(|(_, at)| at));
        assert_eq!(row.first_sent, known.attempts.first().map(|attempt| attempt.sent));
        let last = row.last.as_ref().map(|last| (last.seq.0, last.sent, last.failure.clone()));
        let expected = known.attempts.last().map(|attempt| {
            let failure =
                attempt.result.as_ref().and_then(|result| result.failure.as_deref().cloned());
            (attempt.seq, attempt.sent, failure)
        });
        assert_eq!(last, expected);
    }
    let reader = fixture.reader();
    let mut attempts = Vec::new();
    let read = reader.for_each_attempt(|attempt| {
        attempts.push((attempt.seq.0, attempt.sent, attempt.in_doubt));
        Ok::<(), StoreError>(())
    });
    read.unwrap();
    let expected = model.attempts().into_iter().rev();
    let expected: Vec<_> = expected.map(|a| (a.seq, a.sent, a.in_doubt())).collect();
    assert_eq!(attempts, expected, "in the order of sending");
    assert_eq!(reader.unsettled().unwrap(), expected_unsettled(&model));
    let record = reader.record().unwrap();
    assert_eq!(record.selected, model.tasks.len() as u64);
    let ended: Vec<_> = record.sessions.iter().map(|session| session.end.is_some()).collect();
    assert_eq!(ended, model.sessions);
}

fn expected_unsettled(model: &Model) -> u64 {
    model.tasks.values().filter(|known| known.outcome.is_none()).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_store_returns_exactly_what_was_committed(
        ids in prop::collection::vec(0..40_u8, 1..30),
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let mut test = Test::new(&ids);
        for step in steps {
            test.carry_out(step);
        }
        test.carry_out(Step::Kill);
        test.claim(100);
    }
}
