//! Measures how true the rate is: `cargo bench --bench rate` prints three tables, in three minutes;
//! `-- 1000/s` narrows it to that limit.
//!
//! The engine in this process, the real clock, a service that answers at once and a ledger that
//! forgets: what is measured is the pace alone. A sending is counted when the service is called.
//!
//! - `used`: sendings a second from the first to the last, as a share of the limit. The pacer
//!   widens its window by half a percent (at most 50 ms), so 99.5 % is all there is; the
//!   first two may go together, which shows where there are few. A place in a window is free again
//!   a whole window after it was used, so what a wake-up is late is lost for good: on a machine
//!   whose processors are taken this measures the machine.
//! - `running`: the same without the time of the stalls. What a stall of more than 10 ms takes is
//!   not caught up: a burst afterwards could keep to the limit, but each later window would have
//!   the same burst and the same gap, and a server with a small bucket would throttle it.
//! - `peak`: the most sendings in any window of the limit's length; above 100 % would be a defect.
//! - `cpu`: the processor time of the engine's thread, for each sending.
//!
//! The second table is about services whose limit lies below the rate (`-- followed` for it alone), and
//! the third about four senders that share one; `followed.rs` and `group.rs` say what they measure.

mod followed;
mod group;

use batchctl::api::TaskApi;
use batchctl::clock::Clock;
use batchctl::clock::Instant;
use batchctl::engine::Claim;
use batchctl::engine::Claimed;
use batchctl::engine::EngineSettings;
use batchctl::engine::Kept;
use batchctl::engine::Ledger;
use batchctl::engine::LedgerError;
use batchctl::engine::run;
use batchctl::event::AttemptSeq;
use batchctl::event::Event;
use batchctl::policy::ActionResult;
use batchctl::policy::Answer;
use batchctl::policy::Body;
use batchctl::policy::Response;
use batchctl::policy::ServiceError;
use batchctl::task::Command;
use batchctl::task::Ordinal;
use batchctl::task::Rate;
use batchctl::task::Task;
use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::time::ClockId;
use rustix::time::clock_gettime;
use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;

const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");
/// How long this process stands still, and how long it runs in between.
const STALL: Duration = Duration::from_millis(300);
const BETWEEN: Duration = Duration::from_secs(2);

/// Limits whose threads sleep nearly all the time, and are measured side by side.
const LOW: [(&str, u64); 4] = [("1/s", 20), ("7/s", 20), ("50/s", 20), ("300/m", 66)];
/// Limits that need a processor, one after the other.
const HIGH: [(&str, u64); 3] = [("1000/s", 5), ("10000/s", 5), ("30000/s", 5)];

/// What happens beside the sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// 30 % of the answers are 429, and ask to come back at once.
    Throttled,
    /// The whole thread stands still now and then.
    Stalls,
}

const TROUBLES: [(Trouble, &str); 3] = [
    (Trouble::None, "plain"),
    (Trouble::Throttled, "30 % answered 429, Retry-After: 0"),
    (Trouble::Stalls, "stalls of 300 ms"),
];

fn main() {
    // `cargo test --benches` runs this, too, and only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--bench") {
        measure_all();
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn measure_all() {
    let only_followed = std::env::args().any(|argument| argument == "followed");
    if !only_followed {
        measure_rates();
    }
    println!("\n{}", followed::HEAD);
    let rows: Vec<_> = followed::all()
        .into_iter()
        .map(|followed| thread::spawn(move || followed.measured()))
        .collect();
    for row in rows {
        println!("{}", row.join().expect("a measurement comes to its end"));
    }
    println!("\n{}", group::HEAD);
    println!("{}", group::measured());
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn measure_rates() {
    let [limit, sendings, used] = ["limit", "sendings", "used"];
    let [running, peak, cpu] = ["running", "peak", "cpu"];
    println!("{limit:>8}  {:32} {sendings:>8} {used:>8} {running:>8} {peak:>8} {cpu:>9}", "");
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_wanted = |limit: &str| wanted.is_empty() || wanted.iter().any(|other| other == limit);
    let low: Vec<_> = all(&LOW)
        .filter(|(limit, ..)| is_wanted(limit))
        .map(|(limit, seconds, trouble)| thread::spawn(move || measured(limit, seconds, trouble)))
        .collect();
    for row in low {
        println!("{}", row.join().expect("a measurement comes to its end"));
    }
    for (limit, seconds, trouble) in all(&HIGH).filter(|(limit, ..)| is_wanted(limit)) {
        println!("{}", measured(limit, seconds, trouble));
    }
}

fn all(
    limits: &'static [(&str, u64)],
) -> impl Iterator<Item = (&'static str, u64, (Trouble, &'static str))> {
    let with = |&(limit, seconds)| TROUBLES.map(|trouble| (limit, seconds, trouble));
    limits.iter().flat_map(with)
}

/// Sends at that limit for so long, and returns a row of the table.
fn measured(limit: &str, seconds: u64, (trouble, name): (Trouble, &str)) -> String {
    let rate: Rate = limit.parse().expect("the limits here are rates");
    let sendings = (rate.per_second() * seconds as f64) as u32;
    // Those that are throttled are sent again.
    let tasks = if trouble == Trouble::Throttled { sendings / 10 * 7 } else { sendings };
    let seen = Seen::of(rate, tasks.max(2), trouble);
    let sent = seen.sent.len();
    let used = seen.average(seen.elapsed()) / rate.per_second() * 100.0;
    let running = seen.average(seen.running()) / rate.per_second() * 100.0;
    let peak = seen.peak(rate) * 100.0;
    let cpu = seen.cpu.as_secs_f64() * 1e6 / sent as f64;
    let shares = format!("{used:>7.2}% {running:>7.2}% {peak:>7.2}%");
    format!("{limit:>8}  {name:32} {sent:>8} {shares} {cpu:>6.1} µs")
}

/// What came of one run.
struct Seen {
    sent: Vec<Instant>,
    stalled: Vec<(Instant, Instant)>,
    cpu: Duration,
}

impl Seen {
    fn of(rate: Rate, tasks: u32, trouble: Trouble) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let clock = Clock::start();
        let service = Service { clock, trouble, sent: RefCell::default() };
        let claims: Vec<Claim> = (0..tasks).map(|ordinal| Claim::fresh(task(ordinal))).collect();
        let mut ledger = Forgetful { left: claims.into_iter() };
        let settings = settings(rate, tasks);
        let mut stalled = Vec::new();
        let (_operator, control) = mpsc::unbounded_channel();
        let before = thread_time();
        runtime.block_on(async {
            tokio::select! {
                ended = run(&service, &mut ledger, &settings, clock, control) => {
                    ended.expect("the ledger never fails");
                }
                () = stand_still(clock, trouble, &mut stalled) => {}
            }
        });
        let cpu = thread_time() - before;
        Self { sent: service.sent.into_inner(), stalled, cpu }
    }

    /// Returns how many there were a second.
    fn average(&self, span: Duration) -> f64 {
        (self.sent.len() - 1) as f64 / span.as_secs_f64()
    }

    /// Returns the time from the first sending to the last.
    fn elapsed(&self) -> Duration {
        self.sent[self.sent.len() - 1] - self.sent[0]
    }

    /// Returns how much of it this process ran.
    fn running(&self) -> Duration {
        let last = self.sent[self.sent.len() - 1];
        let stalls = self.stalled.iter().filter(|&&(_, until)| until <= last);
        self.elapsed().saturating_sub(stalls.map(|&(from, until)| until - from).sum())
    }

    /// Returns the share of the limit that the fullest window held.
    fn peak(&self, rate: Rate) -> f64 {
        let mut first = 0;
        let mut most = 0;
        for (last, &at) in self.sent.iter().enumerate() {
            while at - self.sent[first] >= rate.window {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        most as f64 / f64::from(rate.limit.get())
    }
}

/// Carries out a run with that service in a runtime of its own.
fn answered_by(
    service: &impl TaskApi,
    ledger: &mut Forgetful,
    settings: &EngineSettings,
    clock: Clock,
) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (_operator, control) = mpsc::unbounded_channel();
    let ended = runtime.block_on(run(service, ledger, settings, clock, control));
    ended.expect("the ledger never fails");
}

/// Stops this thread now and then, for ever.
async fn stand_still(clock: Clock, trouble: Trouble, stalled: &mut Vec<(Instant, Instant)>) {
    if trouble != Trouble::Stalls {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(BETWEEN).await;
        let from = clock.instant();
        thread::sleep(STALL);
        stalled.push((from, clock.instant()));
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("processor time is not negative")
}

fn task(ordinal: u32) -> Task {
    let id = format!("{ordinal:032x}").parse().expect("32 digits are an id");
    Task { ordinal: Ordinal(ordinal), id, command: Command::START, cells: None }
}

fn settings(rate: Rate, tasks: u32) -> EngineSettings {
    EngineSettings::unlimited(CONCURRENCY, tasks.into()).at_rate(Some(rate))
}

/// A service that answers at once, and takes note of when it was called.
struct Service {
    clock: Clock,
    trouble: Trouble,
    sent: RefCell<Vec<Instant>>,
}

impl TaskApi for Service {
    async fn call(&self, _: Arc<Task>) -> Answer {
        let mut sent = self.sent.borrow_mut();
        sent.push(self.clock.instant());
        match self.trouble {
            Trouble::Throttled if sent.len() % 10 < 3 => throttled(Some(Duration::ZERO)),
            Trouble::None | Trouble::Throttled | Trouble::Stalls => done(),
        }
    }
}

fn done() -> Answer {
    let counts = ActionResult {
        total: Some(1),
        failed: Some(0),
        succeeded: Some(1),
        ..ActionResult::default()
    };
    answer(200, None, Body::Result(counts))
}

fn throttled(retry_after: Option<Duration>) -> Answer {
    answer(429, retry_after, Body::Error(ServiceError::default()))
}

fn answer(status: u16, retry_after: Option<Duration>, body: Body) -> Answer {
    Answer::Response(Response { status, request_id: None, retry_after, rate_hint: None, body })
}

/// A ledger that keeps nothing.
struct Forgetful {
    left: std::vec::IntoIter<Claim>,
}

impl Ledger for Forgetful {
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        std::future::ready(Ok(Claimed::all(self.left.by_ref().take(most).collect()))).boxed()
    }

    fn on_events(&mut self, _: Vec<Event>) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        std::future::ready(Ok(Kept::default())).boxed()
    }

    fn may_leave(&mut self, _: AttemptSeq) -> bool {
        true
    }
}
