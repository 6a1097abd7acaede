//! What the engine itself costs per task: against a service that answers at once and a ledger
//! that forgets, no time is spent but the engine's own.

use batchctl::api::TaskApi;
use batchctl::clock::Clock;
use batchctl::engine::Claim;
use batchctl::engine::Claimed;
use batchctl::engine::EngineSettings;
use batchctl::engine::Kept;
use batchctl::engine::Ledger;
use batchctl::engine::LedgerError;
use batchctl::engine::run;
use batchctl::event::AttemptSeq;
use batchctl::event::Event;
use batchctl::event::EventKind;
use batchctl::policy::ActionResult;
use batchctl::policy::Answer;
use batchctl::policy::Body;
use batchctl::policy::Response;
use batchctl::task::Command;
use batchctl::task::Ordinal;
use batchctl::task::Task;
use divan::Bencher;
use divan::counter::ItemsCount;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");

fn main() {
    divan::main();
}

/// A service that carries out everything at once.
struct Immediate;

impl TaskApi for Immediate {
    async fn call(&self, _: Arc<Task>) -> Answer {
        let counts = ActionResult {
            total: Some(1),
            failed: Some(0),
            succeeded: Some(1),
            ..Default::default()
        };
        let body = Body::Result(counts);
        Answer::Response(Response {
            status: 200,
            request_id: None,
            retry_after: None,
            rate_hint: None,
            body,
        })
    }
}

/// A ledger that counts what was settled and keeps nothing.
struct Counting {
    left: std::vec::IntoIter<Claim>,
    settled: usize,
}

impl Ledger for Counting {
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        std::future::ready(Ok(Claimed::all(self.left.by_ref().take(most).collect()))).boxed()
    }

    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        let is_settled = |event: &&Event| matches!(event.kind, EventKind::TaskSettled { .. });
        self.settled += events.iter().filter(is_settled).count();
        std::future::ready(Ok(Kept::default())).boxed()
    }

    fn may_leave(&mut self, _: AttemptSeq) -> bool {
        true
    }
}

#[divan::bench(args = [10_000, 100_000], sample_count = 20)]
fn overhead(bencher: Bencher<'_, '_>, tasks: u32) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    bencher
        .counter(ItemsCount::new(tasks))
        .with_inputs(|| claims(tasks))
        .bench_values(|claims| carry_out(&runtime, claims));
}

fn claims(tasks: u32) -> Vec<Claim> {
    (0..tasks).map(|ordinal| Claim::fresh(task(ordinal))).collect()
}

fn task(ordinal: u32) -> Task {
    let id = format!("{ordinal:032x}").parse().expect("32 digits are an id");
    Task { ordinal: Ordinal(ordinal), id, command: Command::START, cells: None }
}

fn carry_out(runtime: &Runtime, claims: Vec<Claim>) {
    let tasks = claims.len();
    let settings = settings(tasks);
    let mut ledger = Counting { left: claims.into_iter(), settled: 0 };
    let (_operator, control) = mpsc::unbounded_channel();
    let result = runtime.block_on(run(&Immediate, &mut ledger, &settings, Clock::start(), control));
    let stats = result.expect("the ledger never fails");
    assert_eq!((stats.stopped, ledger.settled), (None, tasks));
}

fn settings(tasks: usize) -> EngineSettings {
    EngineSettings::unlimited(CONCURRENCY, tasks as u64)
}
