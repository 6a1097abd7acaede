//! A run from the library: three tasks, against the embedded sandbox.

#![expect(clippy::print_stdout, reason = "an example shows what came of it")]

use batchctl::api::ClientSettings;
use batchctl::api::Credentials;
use batchctl::api::Redactor;
use batchctl::api::Route;
use batchctl::api::TokenSource;
use batchctl::api::ViasClient;
use batchctl::clock::Clock;
use batchctl::input::CommandSource;
use batchctl::input::InputOptions;
use batchctl::input::Source;
use batchctl::loading::NewPlan;
use batchctl::reading::RunReader;
use batchctl::report::Report;
use batchctl::report::StillRunning;
use batchctl::report::summary;
use batchctl::run;
use batchctl::run::RunRequest;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use batchctl::settings::RunSettings;
use batchctl::task::Command;
use batchctl::text::Style;
use std::error::Error;
use std::sync::Arc;
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let state = tempfile::tempdir()?;
    let sandbox = SandboxThread::start(SandboxSettings::default())?;
    let settings = RunSettings::default();
    let client = ClientSettings {
        endpoint: sandbox.url().parse()?,
        project: "project-1".parse()?,
        level: settings.level,
        route: Route::default(),
        connect_timeout: settings.connect_timeout,
        concurrency: settings.concurrency,
    };
    let ids = ["gate-north", "gate-south-partial", "gate-west-refused"].map(str::to_owned);
    let request = RunRequest {
        state: state.path().into(),
        command: "stop".into(),
        plan: NewPlan::of(
            vec![Source::Ids(ids.into())],
            InputOptions::new(CommandSource::Fixed(Command::STOP)),
        ),
        endpoint: client.endpoint.to_string(),
        project_id: client.project.to_string(),
        job: None,
        reason: Some("to show how it is done".into()),
        settings,
    };
    // Everything is read, checked and stored here, and nothing sent.
    let planned = run::plan(request, Clock::start())?;
    let (runs, id) = (planned.runs().clone(), planned.id().clone());

    let token = TokenSource::given("any", "this example").into();
    let credentials = Credentials::load(token, Clock::start(), Redactor::default()).await?;
    let api = ViasClient::new(client, Arc::new(credentials))?;
    // Whoever keeps the other end can stop the run.
    let (_control, orders) = mpsc::unbounded_channel();
    planned.carry_out(&api, Vec::new(), orders).await?;

    let report = Report::read(&RunReader::open(&runs, &id)?, StillRunning::No)?;
    print!("{}", summary(&report, &[], Style::Plain));
    Ok(())
}
