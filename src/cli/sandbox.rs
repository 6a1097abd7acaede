//! `sandbox`: serves until it is told to stop.

use crate::cli::args::SandboxArgs;
use crate::cli::descriptors;
use crate::cli::failure::Failure;
use crate::cli::stream;
use batchctl::report::ExitStatus;
use batchctl::sandbox::Sandbox;
use batchctl::sandbox::SandboxError;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

pub(crate) fn serve(args: SandboxArgs) -> Result<ExitStatus, Failure> {
    descriptors::make_most_room();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    runtime.block_on(async {
        let told = |error: std::io::Error| Failure::new(ExitStatus::InputOutput, error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
        let sandbox = Sandbox::bind(args.into()).await.map_err(failed)?;
        stream::print(&format!("{}\n", sandbox.url())).map_err(told)?;
        let stopped = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        sandbox.serve(stopped).await.map_err(failed)?;
        Ok(ExitStatus::Ok)
    })
}

fn failed(error: SandboxError) -> Failure {
    let status = match error {
        SandboxError::NotLoopback { .. } | SandboxError::Shares { .. } => ExitStatus::Usage,
        _ => ExitStatus::InputOutput,
    };
    Failure::new(status, error)
}
