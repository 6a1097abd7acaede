//! Guards the cost of a call without a clock: allocations are the same on every machine.
//!
//! The allocator of this test binary counts for the whole process, so it is one test: two would
//! count each other's. What a run costs once is taken out by running two sizes.

use batchctl::api::TaskApi;
use batchctl::clock::Clock;
use batchctl::input::CommandSource;
use batchctl::input::InputOptions;
use batchctl::input::Source;
use batchctl::plan::OnDuplicate;
use batchctl::policy::ActionResult;
use batchctl::policy::Answer;
use batchctl::policy::Body;
use batchctl::policy::Response;
use batchctl::run;
use batchctl::run::RunRequest;
use batchctl::run::RunSettings;
use batchctl::store::NewPlan;
use batchctl::task::Command;
use batchctl::task::Task;
use stats_alloc::INSTRUMENTED_SYSTEM;
use stats_alloc::Region;
use stats_alloc::StatsAlloc;
use std::alloc::System;
use std::fmt::Write;
use std::io::Cursor;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What was counted when this was last looked at. A change within the tolerance, either way, is
/// none; after a larger one the figure is to be set anew, for a reason that its commit tells.
struct Committed {
    plan: f64,
    carry_out: f64,
}

const COMMITTED: Committed = Committed { plan: 1.0, carry_out: 7.2 };
/// Batches are a little larger or smaller from run to run.
const TOLERANCE: f64 = 0.1;

const FEW: u32 = 2_000;
const MANY: u32 = 12_000;

/// A service that carries out everything at once.
struct Immediate;

impl TaskApi for Immediate {
    async fn call(&self, task: Arc<Task>) -> Answer {
        let body = Body::Result(ActionResult {
            id: Some(task.id.to_string()),
            total: Some(1),
            failed: Some(0),
            succeeded: Some(1),
            ..ActionResult::default()
        });
        let (request_id, retry_after, rate_hint) = (None, None, None);
        Answer::Response(Response { status: 200, request_id, retry_after, rate_hint, body })
    }
}

/// How often memory was allocated.
#[derive(Debug, Clone, Copy)]
struct Counted {
    plan: usize,
    carry_out: usize,
}

fn count(tasks: u32) -> Counted {
    let state = tempfile::tempdir().expect("there is room for temporary files");
    let clock = Clock::start();
    let request = RunRequest {
        state: state.path().into(),
        command: "stop".into(),
        plan: plan_of(tasks),
        endpoint: "https://vias.example.com".into(),
        project_id: "project".into(),
        job: None,
        reason: None,
        settings: settings(),
    };
    let planning = Region::new(ALLOCATOR);
    let planned = run::plan(request, clock).expect("the list is right");
    let plan = planning.change().allocations;
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_operator, control) = mpsc::unbounded_channel();
    let carrying_out = Region::new(ALLOCATOR);
    let ended = runtime
        .block_on(planned.carry_out(&Immediate, Vec::new(), control))
        .expect("the store works");
    assert_eq!(ended.stats.stopped, None);
    Counted { plan, carry_out: carrying_out.change().allocations }
}

fn plan_of(tasks: u32) -> NewPlan {
    let mut ids = String::new();
    for task in 0..tasks {
        writeln!(ids, "{task:032x}").expect("a String takes all text");
    }
    NewPlan {
        sources: vec![Source::Stream { name: "-".into(), reader: Box::new(Cursor::new(ids)) }],
        options: InputOptions::new(CommandSource::Fixed(Command::Stop)),
        on_duplicate: OnDuplicate::Collapse,
        after: None,
        limit: None,
    }
}

fn settings() -> RunSettings {
    let concurrency = NonZeroUsize::new(64).expect("64 is not 0");
    RunSettings { rate: None, concurrency, ..RunSettings::default() }
}

#[track_caller]
fn check(what: &str, [few, many]: [usize; 2], committed: f64) {
    let per_task = (many as f64 - few as f64) / f64::from(MANY - FEW);
    let differs = (per_task - committed).abs() > committed * TOLERANCE;
    assert!(!differs, "{what}: {per_task:.2} allocations a task, committed are {committed}");
}

#[test]
fn a_task_costs_as_many_allocations_as_are_committed() {
    let (few, many) = (count(FEW), count(MANY));
    check("plan", [few.plan, many.plan], COMMITTED.plan);
    check("carry out", [few.carry_out, many.carry_out], COMMITTED.carry_out);
}
