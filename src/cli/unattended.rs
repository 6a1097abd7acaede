//! What surrounds a run that nobody watches: its splay before, its pings on both sides.

use crate::cli::args::Command;
use crate::cli::args::CommonArgs;
use crate::cli::args::PlaceArgs;
use crate::cli::args::TakeUpArgs;
use crate::cli::args::UnattendedArgs;
use crate::cli::args::WhichRunArgs;
use crate::cli::ping::Ping;
use crate::cli::splay;
use crate::cli::stream::Stderr;
use batchctl::api::Roots;
use batchctl::api::Route;
use batchctl::report::ExitStatus;
use batchctl::text::span;
use std::thread;

/// A run that is about to begin, as schedulers and monitors know it.
pub(crate) struct Unattended {
    args: UnattendedArgs,
    place: PlaceArgs,
    /// The name of the job, or the command of a run without one.
    job: String,
}

impl Unattended {
    /// Returns what the flags of a run ask for; a dry run is none.
    pub(crate) fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Start(args) => Self::of_action(&args.common, "start"),
            Command::Stop(args) => Self::of_action(&args.common, "stop"),
            Command::Run(args) => Self::of_action(&args.common, "run"),
            Command::Resume(args) => Some(Self::following(&args.which, &args.how, "resume")),
            Command::Retry(args) if args.dry_run => None,
            Command::Retry(args) => Some(Self::following(&args.which, &args.how, "retry")),
            _ => None,
        }
    }

    fn of_action(args: &CommonArgs, word: &str) -> Option<Self> {
        let job = args.before.job.as_ref().map_or_else(|| word.to_owned(), ToString::to_string);
        let (unattended, place) = (args.unattended.clone(), args.place.clone());
        (!args.before.dry_run).then_some(Self { args: unattended, place, job })
    }

    fn following(which: &WhichRunArgs, how: &TakeUpArgs, word: &str) -> Self {
        let job = which.job.clone().unwrap_or_else(|| word.to_owned());
        Self { args: how.unattended.clone(), place: how.place.clone(), job }
    }

    /// Tells whether standard error is read by cron.
    pub(crate) fn is_for_cron(&self) -> bool {
        self.args.cron
    }

    /// Waits for the splay, and does the work between two pings.
    pub(crate) fn around(
        &self,
        stderr: &mut Stderr,
        work: impl FnOnce() -> ExitStatus,
    ) -> ExitStatus {
        self.wait(stderr);
        let ping = self.args.ping.as_ref().map(|url| Ping::start(url, self.route()));
        let status = work();
        if let Some(ping) = ping {
            ping.end(status, stderr);
        }
        status
    }

    /// A monitor is reached as the service is. What is wrong with that way is told by the run.
    fn route(&self) -> Route {
        let roots = self.place.ca_file.as_deref().and_then(|path| Roots::read(path).ok());
        Route { roots: roots.unwrap_or_default(), proxy: self.place.proxy.clone() }
    }

    /// A signal ends the process here as it ends any other: nothing was begun.
    fn wait(&self, stderr: &mut Stderr) {
        let host = rustix::system::uname();
        let wait = splay::wait(self.args.splay, host.nodename().to_bytes(), &self.job);
        if !wait.is_zero() {
            stderr.line(&format!("waiting {} before the run (--splay)", span(wait)));
            thread::sleep(wait);
        }
    }
}
