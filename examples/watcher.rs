//! A watcher of one's own: counts what happens while a run goes on, and says so at its end.

#![expect(clippy::print_stdout, reason = "an example shows what came of it")]

use batchctl::api::TaskApi;
use batchctl::clock::Clock;
use batchctl::event::Event;
use batchctl::event::EventKind;
use batchctl::event::Watch;
use batchctl::input::CommandSource;
use batchctl::input::InputOptions;
use batchctl::input::Source;
use batchctl::loading::NewPlan;
use batchctl::policy::ActionResult;
use batchctl::policy::Answer;
use batchctl::policy::Body;
use batchctl::policy::Response;
use batchctl::run;
use batchctl::run::RunRequest;
use batchctl::settings::RunSettings;
use batchctl::task::Command;
use batchctl::task::Task;
use std::error::Error;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Counts attempts, and tells of each task that has its outcome.
#[derive(Default)]
struct Diary {
    attempts: u64,
    settled: u64,
}

impl Watch for Diary {
    fn on_events(&mut self, events: &[Event]) {
        for event in events {
            match &event.kind {
                EventKind::AttemptStarted { .. } => self.attempts += 1,
                EventKind::TaskSettled { task, outcome, .. } => {
                    self.settled += 1;
                    println!("{} {}: {outcome}", task.command, task.id);
                }
                // A watcher takes what it needs; there may be more kinds one day.
                _ => {}
            }
        }
    }

    fn finish(&mut self) {
        println!("{} tasks settled in {} attempts", self.settled, self.attempts);
    }
}

/// A service of one's own: every task of it has two sub-tasks, and all goes well.
struct Obliging;

impl TaskApi for Obliging {
    async fn call(&self, task: Arc<Task>) -> Answer {
        Answer::Response(Response {
            status: 200,
            request_id: None,
            rate_hint: None,
            retry_after: None,
            body: Body::Result(ActionResult {
                id: Some(task.id.to_string()),
                total: Some(2),
                failed: Some(0),
                succeeded: Some(2),
                error_list: Vec::new(),
            }),
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let state = tempfile::tempdir()?;
    let ids = (1..=3).map(|number| format!("gate-{number}")).collect();
    let request = RunRequest {
        state: state.path().into(),
        command: "start".into(),
        plan: NewPlan::of(
            vec![Source::Ids(ids)],
            InputOptions::new(CommandSource::Fixed(Command::START)),
        ),
        endpoint: "of one's own".into(),
        project_id: "none".into(),
        job: None,
        reason: None,
        settings: RunSettings::default(),
    };
    let planned = run::plan(request, Clock::start())?;
    let (_control, orders) = mpsc::unbounded_channel();
    planned.carry_out(&Obliging, vec![Box::new(Diary::default())], orders).await?;
    Ok(())
}
