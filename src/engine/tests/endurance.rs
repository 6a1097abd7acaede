//! A run of hours at a constant rate: nothing grows, nothing is lost, and no window is too full.
//!
//! A short form always runs. The whole day is ignored, because it takes minutes.

use super::scene::{SOME_DAY, task};
use super::service::{done, transient};
use crate::api::TaskApi;
use crate::clock::{Clock, Timestamp};
use crate::engine::{Claim, Claimed, EngineSettings, Kept, Ledger, LedgerError, run};
use crate::event::{AttemptSeq, Event, EventKind};
use crate::policy::Answer;
use crate::task::Task;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// The calls of a second.
const RATE: u32 = 1_000;
/// One call in this many fails once and is sent again.
const ONE_FAILS_OF: u32 = 1_000;
/// The longest time between a call and its answer.
const SLOWEST: Duration = Duration::from_millis(60);

/// A service that notes the times of the last calls only.
struct SteadyService {
    clock: Clock,
    last: RefCell<VecDeque<Timestamp>>,
    failed: RefCell<VecDeque<u32>>,
}

impl SteadyService {
    /// Checks the window that ends with a call that leaves now.
    fn note_call(&self) {
        let (now, mut last) = (self.clock.now(), self.last.borrow_mut());
        last.push_back(now);
        if last.len() > RATE as usize {
            let first = last.pop_front().expect("it is not empty");
            assert!(
                now.since(first) >= Duration::from_secs(1),
                "a window from {first} is too full"
            );
        }
    }

    /// Returns whether this is the call of a task that fails.
    fn fails(&self, ordinal: u32) -> bool {
        let mut failed = self.failed.borrow_mut();
        if !ordinal.is_multiple_of(ONE_FAILS_OF) {
            return false;
        }
        if let Some(place) = failed.iter().position(|&earlier| earlier == ordinal) {
            failed.remove(place);
            return false;
        }
        failed.push_back(ordinal);
        true
    }
}

impl TaskApi for SteadyService {
    async fn call(&self, task: Arc<Task>) -> Answer {
        self.note_call();
        let ordinal = task.ordinal.0;
        let answer = if self.fails(ordinal) { transient() } else { done() };
        let took = SLOWEST.mul_f64(f64::from(ordinal % 7 + 1) / 7.0);
        tokio::time::sleep(took).await;
        answer
    }
}

/// What a ledger that forgets its events has counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    started: u64,
    ended: u64,
    settled: u64,
    /// The most attempts between their start and their end.
    most_open: u64,
}

/// A ledger that makes its tasks when they are claimed.
struct CountingLedger {
    next: u32,
    tasks: u32,
    counted: Arc<Mutex<Counted>>,
}

impl Ledger for CountingLedger {
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        let end = self.tasks.min(self.next + u32::try_from(most).expect("claims are small"));
        let claims = (self.next..end).map(|ordinal| Claim::fresh(task(ordinal))).collect();
        self.next = end;
        async move { Ok(Claimed::all(claims)) }.boxed()
    }

    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        let counted = Arc::clone(&self.counted);
        async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let mut counted = counted.lock().unwrap();
            for event in &events {
                counted.started +=
                    u64::from(matches!(event.kind, EventKind::AttemptStarted { .. }));
                counted.ended += u64::from(matches!(event.kind, EventKind::AttemptEnded { .. }));
                counted.settled += u64::from(matches!(event.kind, EventKind::TaskSettled { .. }));
                counted.most_open = counted.most_open.max(counted.started - counted.ended);
            }
            Ok(Kept::default())
        }
        .boxed()
    }

    fn may_leave(&mut self, _last: AttemptSeq) -> bool {
        true
    }
}

fn settings(tasks: u32) -> EngineSettings {
    let rate = format!("{RATE}/s").parse().unwrap();
    EngineSettings::unlimited(NonZeroUsize::new(128).unwrap(), tasks.into()).at_rate(Some(rate))
}

/// Carries out a run that lasts for this time, and checks it.
async fn check(lasts: Duration) {
    let tasks = u32::try_from(lasts.as_secs()).unwrap() * RATE;
    let (clock, counted) = (Clock::starting_at(SOME_DAY), Arc::new(Mutex::default()));
    let service = SteadyService { clock, last: RefCell::default(), failed: RefCell::default() };
    let mut ledger = CountingLedger { next: 0, tasks, counted: Arc::clone(&counted) };
    let (_operator, control) = mpsc::unbounded_channel();
    let begun = clock.instant();
    run(&service, &mut ledger, &settings(tasks), clock, control).await.expect("a ledger in memory");
    let took = clock.instant() - begun;

    let calls = u64::from(tasks) + u64::from(tasks.div_ceil(ONE_FAILS_OF));
    let counted = counted.lock().unwrap();
    assert_eq!((counted.started, counted.ended), (calls, calls));
    assert_eq!(counted.settled, u64::from(tasks));
    assert!(counted.most_open <= 128, "{counted:?}");
    assert!(service.failed.borrow().is_empty());
    let least = Duration::from_secs_f64(calls as f64 / f64::from(RATE));
    assert!(took >= least.saturating_sub(Duration::from_secs(1)), "{took:?}");
    assert!(took <= least.mul_f64(1.01) + Duration::from_secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_minute_at_a_thousand_calls_a_second_uses_the_rate_and_never_exceeds_it() {
    check(Duration::from_secs(60)).await;
}

/// `cargo test --release --lib a_day_at -- --ignored`
#[tokio::test(start_paused = true)]
#[ignore = "takes minutes"]
async fn a_day_at_a_thousand_calls_a_second_needs_no_more_memory_than_a_minute() {
    check(Duration::from_secs(60)).await;
    let after_a_minute = peak_kilobytes();
    check(Duration::from_secs(24 * 3_600)).await;
    let grown = peak_kilobytes() - after_a_minute;
    assert!(grown < 10_000, "{grown} kB more");
}

/// Returns the most memory that this process had.
fn peak_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is known");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}
