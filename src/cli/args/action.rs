//! The flags of `start`, `stop` and `run`.

use super::DocumentArgs;
use super::values;
use super::values::EmptyInput;
use super::values::RateLimit;
use batchctl::api::Endpoint;
use batchctl::api::ProjectId;
use batchctl::input::Format;
use batchctl::plan;
use batchctl::policy;
use batchctl::policy::FinishBy;
use batchctl::policy::MaxFailures;
use batchctl::progress;
use batchctl::store::JobName;
use clap::ArgAction;
use clap::Args;
use clap::ValueEnum;
use std::num::NonZeroU32;
use std::num::NonZeroU64;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

const ACTION_HELP: &str = "\
Examples:
  batchctl stop tasks.csv --region cn-north-4 --project-id ID --token-file ~/.token
  batchctl stop --id 0d47bbf52962414bb7ae27fb6ea24230 --dry-run
  jq -r .id tasks.json | batchctl start - --rate 5/s --yes -o results.csv";

const RUN_HELP: &str = "\
Examples:
  batchctl run plan.csv --dry-run            plan.csv has the columns id and command
  batchctl run plan.csv --command-column todo -o results.csv";

#[derive(Debug, Args)]
#[command(after_help = ACTION_HELP)]
pub(crate) struct ActionArgs {
    /// Files that name batch tasks; `-` for standard input
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// A batch task (repeatable)
    #[arg(long = "id", value_name = "ID", help_heading = "Input")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub(crate) struct RunArgs {
    /// Files that name batch tasks and commands; `-` for standard input
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The column that says `start` or `stop`
    #[arg(long, value_name = "NAME", default_value = "command", help_heading = "Input")]
    pub(crate) command_column: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What `start`, `stop` and `run` share.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) before: BeforeArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) small: StartSmallArgs,
    #[command(flatten)]
    pub(crate) call: CallArgs,
    #[command(flatten)]
    pub(crate) stop: StopArgs,
    #[command(flatten)]
    pub(crate) documents: DocumentArgs,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct PlaceArgs {
    /// The service's address
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) endpoint: Option<Endpoint>,
    /// The region, instead of an endpoint: vias.NAME.myhuaweicloud.com
    #[arg(long, value_name = "NAME", value_parser = values::region)]
    pub(crate) region: Option<String>,
    /// The project
    #[arg(long, value_name = "ID", value_parser = values::project_id)]
    pub(crate) project_id: Option<ProjectId>,
    /// Call a simulated service in this process: no account, no network
    #[arg(long)]
    pub(crate) sandbox: bool,
}

#[derive(Debug, Args)]
#[command(
    next_help_heading = "Credentials (the token itself is never a flag; BATCHCTL_TOKEN holds it)"
)]
pub(crate) struct CredentialArgs {
    /// Read the token from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Take the token that a command prints
    #[arg(long, value_name = "CMD")]
    pub(crate) token_command: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// The column of the ids [default: the first of id, batch_task_id, task_id]
    #[arg(long, value_name = "NAME")]
    pub(crate) id_column: Option<String>,
    /// How files are arranged
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) format: InputFormat,
    /// What separates cells [default: told by the content]
    #[arg(long, value_name = "C", value_parser = values::delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// The first row is a task, not the names of the columns
    #[arg(long)]
    pub(crate) no_header: bool,
    /// What to do with an id that stands more than once
    #[arg(long, value_name = "DO", default_value = "collapse")]
    pub(crate) on_duplicate: OnDuplicate,
    /// Take only the first N tasks
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Leave out what succeeded in this run and in those it follows
    #[arg(long, value_name = "RUN")]
    pub(crate) after: Option<String>,
    /// What to do if there is no task in the input
    #[arg(long, value_name = "DO", default_value = "fail")]
    pub(crate) if_empty: EmptyInput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    Auto,
    Csv,
    Tsv,
    List,
}

impl From<InputFormat> for Format {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Auto => Self::Auto,
            InputFormat::Csv => Self::Csv,
            InputFormat::Tsv => Self::Tsv,
            InputFormat::List => Self::List,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnDuplicate {
    Collapse,
    Error,
}

impl From<OnDuplicate> for plan::OnDuplicate {
    fn from(choice: OnDuplicate) -> Self {
        match choice {
            OnDuplicate::Collapse => Self::Collapse,
            OnDuplicate::Error => Self::Error,
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Before")]
pub(crate) struct BeforeArgs {
    /// Say what would be called, and send nothing
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
    #[command(flatten)]
    pub(crate) lock: LockArgs,
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
#[command(next_help_heading = "Pace")]
pub(crate) struct PaceArgs {
    /// The most sendings: N or N/s a second, N/m, N/h, or `none`
    #[arg(long, value_name = "RATE", default_value = "10/s", value_parser = values::rate)]
    pub(crate) rate: RateLimit,
    /// The most calls on the wire at a time
    #[arg(short = 'j', long, value_name = "N", default_value = "16")]
    pub(crate) concurrency: NonZeroUsize,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Start small")]
pub(crate) struct StartSmallArgs {
    /// How many tasks must succeed before the rest is sent; 0 for none
    #[arg(long, value_name = "N")]
    canary: Option<u64>,
    /// Over which span the rate grows to its limit; 0s for none
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    ramp: Option<Duration>,
}

impl StartSmallArgs {
    /// Returns how many tasks go ahead, if any do.
    pub(crate) fn canary(&self) -> Option<NonZeroU64> {
        self.canary.and_then(NonZeroU64::new)
    }

    /// Returns over which span the rate grows, if it does.
    pub(crate) fn ramp(&self) -> Option<Duration> {
        self.ramp.filter(|span| !span.is_zero())
    }
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
    #[arg(long, value_name = "N", default_value = "4")]
    pub(crate) max_attempts: NonZeroU32,
    /// Send a call again that may have been carried out, or hold it as ambiguous
    #[arg(long, value_name = "DO", default_value = "retry")]
    pub(crate) on_doubt: OnDoubt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnDoubt {
    Retry,
    Hold,
}

impl From<OnDoubt> for policy::OnDoubt {
    fn from(choice: OnDoubt) -> Self {
        match choice {
            OnDoubt::Retry => Self::Retry,
            OnDoubt::Hold => Self::Hold,
        }
    }
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
    /// How long new calls are sent at the most
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
#[command(next_help_heading = "Output")]
pub(crate) struct DisplayArgs {
    /// No progress and no summary; errors and documents only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How progress is shown on standard error [auto: a bar on a terminal, otherwise lines]
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: ProgressChoice,
    /// Tell each task that did not succeed; twice: each attempt
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How -v tells it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    Auto,
    Bar,
    Lines,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl From<LogFormat> for progress::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}
