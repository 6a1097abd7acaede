//! A run in simulated time: all deciders together, called as the dispatcher calls them.
//!
//! For tests only. Starts are durable at once, timers tick in milliseconds, and the service is a
//! function of the time and the task.

use crate::policy::*;
use crate::task::{FailureKind, Outcome, Rate, TaskId};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Returns the answer to a call of a task at some time, and its latency.
pub(crate) type Service<'a> = &'a mut dyn FnMut(Duration, usize) -> (Answer, Duration);

/// An event at a later instant.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SimulatedEvent {
    Due(usize),
    Completion(u64),
}

/// A call on the wire.
#[derive(Debug, Clone, Copy)]
struct SimulatedCall {
    task: usize,
}

/// A run of tasks, all claimed at once.
pub(crate) struct Simulation {
    pub(crate) concurrency: usize,
    pub(crate) retry: RetryPolicy,
    pub(crate) pacer: Pacer,
    pub(crate) breaker: Breaker,
    budget: RetryBudget,
    suspects: SuspectQueue<(usize, Verdict)>,
    rng: fastrand::Rng,

    start: Instant,
    now: Instant,
    wake: Option<Instant>,
    later: BinaryHeap<Reverse<(Instant, SimulatedEvent)>>,
    on_wire: Vec<(u64, SimulatedCall, Answer)>,
    /// Tasks to send again after a throttled answer, and after a failure.
    throttled: VecDeque<usize>,
    due: VecDeque<usize>,
    waiting: usize,
    fresh: std::ops::Range<usize>,
    history: Vec<AttemptHistory>,
    trust: Vec<WitnessTrust>,

    pub(crate) outcomes: Vec<Option<Outcome>>,
    /// The sending times of all calls.
    pub(crate) sent: Vec<Duration>,
    /// The times of all answers, and their verdicts.
    pub(crate) answers: Vec<(Duration, Verdict)>,
    pub(crate) changes: Vec<(Duration, BreakerChange)>,
}

impl Simulation {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    pub(crate) fn new(tasks: usize, rate: &str, seed: u64) -> Self {
        let start = Instant::now();
        let rate = (rate != "none").then(|| rate.parse::<Rate>().unwrap());
        let max_attempts = NonZeroU32::new(4).unwrap();
        Self {
            concurrency: 16,
            retry: RetryPolicy { max_attempts, on_doubt: OnDoubt::Retry },
            pacer: Pacer::new(rate, start),
            breaker: Breaker::new(),
            budget: RetryBudget::new(start),
            suspects: SuspectQueue::default(),
            rng: fastrand::Rng::with_seed(seed),
            start,
            now: start,
            wake: None,
            later: BinaryHeap::new(),
            on_wire: Vec::new(),
            throttled: VecDeque::new(),
            due: VecDeque::new(),
            waiting: 0,
            fresh: 0..tasks,
            history: vec![AttemptHistory::default(); tasks],
            trust: vec![WitnessTrust::Clean; tasks],
            outcomes: vec![None; tasks],
            sent: Vec::new(),
            answers: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Runs until every task is settled, or until `end`.
    pub(crate) fn run(&mut self, end: Duration, service: Service<'_>) {
        while self.outcomes.iter().any(Option::is_none) && self.now < self.start + end {
            self.run_one_step(service);
        }
    }

    fn run_one_step(&mut self, service: Service<'_>) {
        self.wake = None;
        self.admit(service);
        self.attribute_remaining();
        self.pass_time();
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|&&settled| settled == Some(outcome)).count()
    }

    fn admit(&mut self, service: Service<'_>) {
        while self.on_wire.len() < self.concurrency {
            match self.breaker.ask(self.now) {
                Passage::Now => {}
                Passage::NotBefore(due) => return self.wake_at(due),
                Passage::AfterCompletion => return,
            }
            let Some(task) = self.next_task() else { return };
            match self.pacer.admit(self.now) {
                Admission::Now => self.send(task, service),
                Admission::NotBefore(due) => return self.wake_at(due),
                Admission::AfterRelease => return,
            }
        }
    }

    /// Returns the next task without taking it out of its queue.
    fn next_task(&mut self) -> Option<usize> {
        if self.breaker.away_since().is_some() {
            return self.next_witness();
        }
        if let Some(&task) = self.throttled.front() {
            return Some(task);
        }
        let fresh = (!self.fresh.is_empty()).then_some(self.fresh.start);
        let Some(&retry) = self.due.front() else { return fresh };
        match self.budget.ask(self.now) {
            RetryPermit::Now => Some(retry),
            RetryPermit::NotBefore(turn) => {
                self.wake_at(turn);
                fresh
            }
        }
    }

    /// Returns the task that probes whether the service is back; a trusted witness, if possible.
    fn next_witness(&mut self) -> Option<usize> {
        let fresh = (!self.fresh.is_empty()).then_some(self.fresh.start);
        let clean = self.due.iter().position(|&task| self.trust[task] != WitnessTrust::Bad);
        self.due.rotate_left(clean.unwrap_or(0));
        fresh.or(self.due.front().copied()).or(self.throttled.front().copied())
    }

    fn send(&mut self, task: usize, service: Service<'_>) {
        // A call admitted ahead of its window leaves when the window has room.
        while let Admission::NotBefore(due) = self.pacer.release(self.now) {
            self.now = due;
        }
        if self.throttled.front() == Some(&task) {
            self.throttled.pop_front();
        } else if self.due.front() == Some(&task) {
            self.due.pop_front();
            self.budget.count_retry(self.now);
        } else {
            self.fresh.next();
            self.budget.count_first(self.now);
        }
        let number = self.sent.len() as u64 + 1;
        self.breaker.begin(number);
        let (answer, latency) = service(self.elapsed(), task);
        self.sent.push(self.elapsed());
        self.on_wire.push((number, SimulatedCall { task }, answer));
        self.later.push(Reverse((self.now + latency, SimulatedEvent::Completion(number))));
    }

    fn attribute_remaining(&mut self) {
        let others = self.on_wire.len() + self.waiting + self.due.len() + self.throttled.len();
        if others == 0 && self.fresh.is_empty() {
            for (task, verdict) in self.suspects.take_all() {
                let attribution = self.breaker.attribute_without_witness(verdict);
                self.settle_or_retry(task, verdict, attribution);
            }
        }
    }

    fn pass_time(&mut self) {
        let event = self.later.peek().map(|Reverse((due, _))| *due);
        let Some(next) = event.into_iter().chain(self.wake).min() else { return };
        let next = next.max(self.now);
        let millis = (next - self.start).as_nanos().div_ceil(1_000_000);
        self.now = self.start + Duration::from_millis(u64::try_from(millis).unwrap());
        while let Some(Reverse((due, _))) = self.later.peek() {
            if *due > self.now {
                break;
            }
            match self.later.pop().unwrap().0.1 {
                SimulatedEvent::Due(task) => {
                    self.waiting -= 1;
                    self.due.push_back(task);
                }
                SimulatedEvent::Completion(number) => self.complete(number),
            }
        }
    }

    fn complete(&mut self, number: u64) {
        let index = self.on_wire.iter().position(|&(other, ..)| other == number).unwrap();
        let (_, call, answer) = self.on_wire.swap_remove(index);
        let id = "0d47bbf52962414bb7ae27fb6ea24230".parse::<TaskId>().unwrap();
        let verdict = classify(&id, &answer).verdict;
        let health = Health::from_answer(&answer, verdict);
        self.answers.push((self.elapsed(), verdict));
        self.record_health(number, self.trust[call.task].health_signal(health));
        let spared = self.history[call.task].after_uncharged(verdict);
        match self.retry.decide(verdict, spared, 1.0) {
            Decision::SendAgain { .. } if health == Health::Away => {
                self.suspects.insert(number, (call.task, verdict));
            }
            _ => self.settle_or_retry(call.task, verdict, Attribution::Presumed),
        }
        for (attribution, (task, verdict)) in self.suspects.explained(&self.breaker) {
            self.settle_or_retry(task, verdict, attribution);
        }
    }

    fn record_health(&mut self, number: u64, health: Health) {
        let jitter = self.rng.f64();
        if let Some(change) = self.breaker.completed(number, health, self.now, jitter) {
            self.changes.push((self.elapsed(), change));
        }
    }

    fn settle_or_retry(&mut self, task: usize, verdict: Verdict, attribution: Attribution) {
        self.trust[task] = self.trust[task].after(attribution, self.breaker.outage());
        let before = self.history[task];
        self.history[task] = match attribution {
            Attribution::Task | Attribution::Presumed => before.after(verdict),
            Attribution::Service => before.after_uncharged(verdict),
            Attribution::Unknown => unreachable!("only explained attempts get here"),
        };
        match self.retry.decide(verdict, self.history[task], self.rng.f64()) {
            Decision::Settle(outcome) => self.outcomes[task] = Some(outcome),
            Decision::SendAgain { after } | Decision::Wait { after } => {
                self.waiting += 1;
                self.later.push(Reverse((self.now + after, SimulatedEvent::Due(task))));
            }
            Decision::HoldRun { wait } => {
                self.pacer.hold(self.now + wait);
                self.throttled.push_front(task);
            }
            Decision::StopRun | Decision::Reauthorise => {
                panic!("no simulated service refuses credentials")
            }
        }
    }

    fn wake_at(&mut self, due: Instant) {
        self.wake = Some(self.wake.map_or(due, |wake| wake.min(due)));
    }
}

/// Returns the answer of a service that carried the command out.
pub(crate) fn done() -> Answer {
    let result = ActionResult { succeeded: Some(1), failed: Some(0), ..ActionResult::default() };
    answer(200, Body::Result(result))
}

/// Returns an error without a code.
pub(crate) fn status(status: u16) -> Answer {
    answer(status, Body::Error(ServiceError::default()))
}

fn answer(status: u16, body: Body) -> Answer {
    Answer::Response(Response {
        status,
        request_id: None,
        retry_after: None,
        rate_hint: None,
        body,
    })
}

/// Returns the answer of a refused connection.
pub(crate) fn refused() -> Answer {
    Answer::NoResponse(NoResponse {
        kind: FailureKind::Connect,
        delivery: Delivery::NeverLeft,
        message: "connection refused".into(),
    })
}
