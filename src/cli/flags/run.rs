//! The flags of a run: before the first call, for each call, for when new calls end, for states,
//! and for unattended runs.

use crate::cli::flags::connection::ConnectionArgs;
use crate::cli::flags::input::ExcludeArgs;
use crate::cli::flags::notify::NotifyArgs;
use crate::cli::flags::output::{DisplayArgs, DocumentArgs, DumpArgs};
use crate::cli::flags::pace::{PaceArgs, StartSmallArgs};
use crate::cli::flags::shared::StoreArgs;
use crate::cli::flags::values;
use batchctl::policy::{FinishBy, MaxDelta, MaxFailures, OnDoubt};
use batchctl::settings::OnUnknown;
use batchctl::store::JobName;
use clap::{Args, ValueEnum};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

#[derive(Debug, Args)]
#[command(next_help_heading = "Before")]
pub(crate) struct BeforeArgs {
    /// Say what would be called, and send nothing; -v shows all of it, `-o plan.csv` writes it
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Do not ask (without a terminal it is never asked)
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// The job this is one run of: runs of a job never overlap
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<JobName>,
    /// By how much the number of tasks may differ from the job's last good run: P%, N, or `none`
    #[arg(long, value_name = "P%|N", default_value = "50%")]
    pub(crate) max_delta: MaxDelta,
    #[command(flatten)]
    pub(crate) confirmed: ConfirmArgs,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
}

/// What the record of a run says about who began it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Before")]
pub(crate) struct RecordArgs {
    /// Record neither user and host nor the command line, in the run and with changes by `ctl`
    #[arg(long)]
    pub(crate) no_identity: bool,
}

/// How many tasks there have to be.
#[derive(Debug, Args)]
#[command(next_help_heading = "Before")]
pub(crate) struct ConfirmArgs {
    /// Send nothing unless so many tasks are selected; needed to delete where nobody can be asked
    #[arg(long, value_name = "N")]
    pub(crate) confirm: Option<u64>,
}

/// What to do if another run of the job is under way.
#[derive(Debug, Args)]
#[command(next_help_heading = "Before")]
pub(crate) struct LockArgs {
    /// Wait that long for another run of the job to end
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = values::span)]
    pub(crate) lock_wait: Duration,
    /// What to do if it has not ended then: fail with 75, or skip this run with 0
    #[arg(long, value_name = "DO", default_value = "fail")]
    pub(crate) if_busy: IfBusy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IfBusy {
    Fail,
    Skip,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Call")]
pub(crate) struct CallArgs {
    /// How long one attempt may take
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = values::positive_span)]
    pub(crate) timeout: Duration,
    /// How long connecting may take
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = values::positive_span)]
    pub(crate) connect_timeout: Duration,
    /// The most attempts of one task; throttled ones do not count
    #[arg(long, value_name = "N", default_value = "4",
        value_parser = values::whole_number::<NonZeroU32>)]
    pub(crate) max_attempts: NonZeroU32,
    /// Send a call again that may have been carried out, or hold it as ambiguous
    #[arg(long, value_name = "DO", default_value = "retry",
        value_parser = values::on_doubt())]
    pub(crate) on_doubt: OnDoubt,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Stop early")]
pub(crate) struct StopArgs {
    /// How many failed tasks are tolerated: N, or P% of all (at least 10)
    #[arg(long, value_name = "N|P%", default_value = "25%")]
    pub(crate) max_failures: MaxFailures,
    /// How long the service may be away before the run stops
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = values::positive_span)]
    pub(crate) outage_timeout: Duration,
    /// How long the service may throttle every call, or ask to wait, before the run stops
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = values::positive_span)]
    pub(crate) throttle_timeout: Duration,
    /// How long new calls are sent at most
    #[arg(long, value_name = "SPAN", value_parser = values::positive_span)]
    pub(crate) max_duration: Option<Duration>,
    /// The time of day, here, at which new calls end
    #[arg(long, value_name = "HH:MM")]
    pub(crate) finish_by: Option<FinishBy>,
    /// How long calls on the wire may take to finish after a stop
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = values::span)]
    pub(crate) drain_timeout: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "State")]
pub(crate) struct StateArgs {
    /// Read the states first, and leave alone what is there already
    #[arg(long)]
    pub(crate) skip_unchanged: bool,
    /// What to do then if the project does not know a task: send nothing and end with 65, send it
    /// all the same, or leave it out as failed
    #[arg(long, value_name = "DO", default_value = "fail",
        value_parser = values::on_unknown())]
    pub(crate) on_unknown: OnUnknown,
    /// Wait until each task is where it was sent; one that never is has failed (not_reached)
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait for that after the last call
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = values::positive_span)]
    pub(crate) wait_timeout: Duration,
    /// At the end look into the tasks whose outcome is not good: which sub-tasks are not where they
    /// were sent, and why
    #[arg(long)]
    pub(crate) drill: bool,
    /// How many sub-tasks are named at most, and how many tasks are looked into
    #[arg(long, value_name = "N", default_value = "1000",
        value_parser = values::drill_limit)]
    pub(crate) drill_limit: NonZeroU32,
}

impl StateArgs {
    /// Returns how long tasks are waited for, if they are.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.wait.then_some(self.wait_timeout)
    }
}

/// What follows the end of a run, or of a wait for one.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Unattended")]
pub(crate) struct EndArgs {
    /// Run CMD at the end, which finds the run in BATCHCTL_RUN, _EXIT, _FAILED and others
    #[arg(long, value_name = "CMD")]
    pub(crate) on_end: Option<String>,
    #[command(flatten)]
    pub(crate) notify: NotifyArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Unattended")]
pub(crate) struct UnattendedArgs {
    /// Say nothing if every task succeeded; otherwise a digest on standard error
    #[arg(long)]
    pub(crate) cron: bool,
    /// Wait before the run, up to that long; always the same time for this host and job
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = values::span)]
    pub(crate) splay: Duration,
    /// Call URL/start before the run, and URL or URL/STATUS after it
    #[arg(long, value_name = "URL", value_parser = values::ping)]
    pub(crate) ping: Option<Url>,
    #[command(flatten)]
    pub(crate) end: EndArgs,
    /// Write what happens to a file as well, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// The size above which the log file becomes FILE.1; five older ones are kept
    #[arg(long, value_name = "SIZE", default_value = "10MB", value_parser = values::size)]
    pub(crate) log_file_size: u64,
}

/// The flags that become settings of a run.
#[derive(Debug, Args)]
pub(crate) struct SettingArgs {
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) small: StartSmallArgs,
    #[command(flatten)]
    pub(crate) call: CallArgs,
    #[command(flatten)]
    pub(crate) stop: StopArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

/// Who is told what of a run: a person, a file, a monitor.
#[derive(Debug, Args)]
pub(crate) struct ReportingArgs {
    #[command(flatten)]
    pub(crate) documents: DocumentArgs,
    #[command(flatten)]
    pub(crate) dump: DumpArgs,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
    #[command(flatten)]
    pub(crate) unattended: UnattendedArgs,
}

/// How a run is taken up.
#[derive(Debug, Args)]
pub(crate) struct TakeUpArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) excluded: ExcludeArgs,
    /// Do not ask (without a terminal it is never asked)
    #[arg(short, long, help_heading = "Before")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) confirmed: ConfirmArgs,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
    #[command(flatten)]
    pub(crate) record: RecordArgs,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(flatten)]
    pub(crate) reporting: ReportingArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}
