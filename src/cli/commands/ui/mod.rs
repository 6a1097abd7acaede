//! `ui`: shows the runs in a browser until a signal stops it.

mod operator;

use crate::cli::Context;
use crate::cli::commands::ui::operator::CommandLine;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::process::runtime::runtime;
#[cfg(feature = "postgres")]
use crate::cli::shared::source::DatabaseSource;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::system::signals::{SignalKind, signal};
use batchctl::ui::{RunSource, Ui, UiSettings};
use clap::Args;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio::process::Command;

const UI_HELP: &str = "\
The first line on standard output is the address for a browser. It works once: the browser keeps a
cookie from then on. Each page follows its run. With `--control` it can also do what `ctl` does, and
retry a group of failures, each after a confirmation.

Only this machine can reach it. `--allow-remote` lets `--listen` name an address that other machines
reach, and nothing is encrypted then: whoever reads the traffic can read the runs.

Examples:
  batchctl ui --open                   in the browser of this machine
  batchctl ui --listen 127.0.0.1:8100  at a port that an SSH tunnel can name";

/// The program that opens an address in the browser of the desktop.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

#[derive(Debug, Args)]
#[command(after_help = UI_HELP)]
pub(crate) struct UiArgs {
    /// Where to listen: an address of this machine; port 0 takes any
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Let other machines reach it, if --listen names an address that they reach
    #[arg(long)]
    allow_remote: bool,
    /// Let pages pause, change and drain runs, and retry groups of failures
    #[arg(long)]
    control: bool,
    /// Open the page in the browser of this machine
    #[arg(long)]
    open: bool,
}

pub(crate) fn serve(args: &UiArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let is_local = args.listen.ip().is_loopback();
    if !is_local && !args.allow_remote {
        let error = format!("other machines can reach `{}`", args.listen);
        let hint = "`--listen 127.0.0.1:0` is for this machine alone; `--allow-remote` lets others \
                    in who have the address, and nothing is encrypted";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    // An order of a page that has begun is finished.
    runtime()?.finish(async {
        // Before the address is printed: a script may stop the server as soon as it has read it.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::io)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::io)?;
        let operator = Arc::new(CommandLine::new(args.control, context)?);
        let runs = runs_of(context);
        let settings = UiSettings { listen: args.listen, runs, operator };
        let ui = Ui::bind(settings).await.map_err(|error| {
            CommandError::io(format!("cannot listen on `{}`: {error}", args.listen))
        })?;
        let url = ui.url();
        if !is_local {
            let warning = match args.control {
                false => "nothing is encrypted: whoever reads the traffic can read the runs",
                true => {
                    "nothing is encrypted: whoever reads the traffic can read and change the runs"
                }
            };
            context.stderr.say("warning", warning);
        }
        stream::print(&format!("{url}\n"))?;
        // Until it ends, because the browser reads the file some time later.
        let _page = if args.open { open(&url, context) } else { None };
        let stopped = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        ui.serve(stopped).await;
        Ok(ExitStatus::Ok)
    })
}

fn runs_of(context: &Context) -> Arc<dyn RunSource> {
    #[cfg(feature = "postgres")]
    if let Some(database) = context.store.database() {
        return Arc::new(DatabaseSource::new(database));
    }
    Arc::new(run::runs_in(&context.state))
}

/// Opens the address in a browser, by way of a file that only its owner can read: the arguments of a
/// process can be read by everybody.
fn open(url: &str, context: &Context) -> Option<NamedTempFile> {
    let page = format!(
        "<!DOCTYPE html>\n<meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\"><title>batchctl</title>\n"
    );
    let opened =
        tempfile::Builder::new().prefix("batchctl-ui-").suffix(".html").tempfile().and_then(
            |mut file| {
                file.write_all(page.as_bytes())?;
                let mut opener = Command::new(OPENER);
                opener.arg(file.path()).stdin(Stdio::null()).stdout(Stdio::null());
                opener.stderr(Stdio::null()).spawn().map(|_| file)
            },
        );
    opened
        .inspect_err(|error| {
            let warning =
                format!("no browser was opened ({OPENER}: {error}); use the address above");
            context.stderr.say("warning", &warning);
        })
        .ok()
}
