//! The flags that say how the input is read.

use crate::cli::flags::values;
use crate::cli::flags::values::{EmptyInput, ShardChoice};
use batchctl::input::{Condition, Format};
use batchctl::plan::OnDuplicate;
use batchctl::policy::SampleSize;
use clap::Args;
use std::path::PathBuf;

/// How files are arranged.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct TableArgs {
    /// The column of the ids [default: the first of id, batch_task_id, task_id]
    #[arg(long, value_name = "NAME")]
    pub(crate) id_column: Option<String>,
    /// How files are arranged
    #[arg(long, value_name = "FORMAT", default_value = "auto",
        value_parser = values::input_format())]
    pub(crate) format: Format,
    /// The character between cells [default: detected from the content]
    #[arg(long, value_name = "C", value_parser = values::delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// The first row is a task, not the names of the columns
    #[arg(long)]
    pub(crate) no_header: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    #[command(flatten)]
    pub(crate) table: TableArgs,
    /// What to do with an id that occurs more than once
    #[arg(long, value_name = "DO", default_value = "collapse",
        value_parser = values::on_duplicate())]
    pub(crate) on_duplicate: OnDuplicate,
    /// Take only rows in which the column has this value; `*` stands for any text and `?` for one
    /// character (repeatable: all must hold)
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub(crate) conditions: Vec<Condition>,
    /// Take only a sample of the tasks: N of them, or P%
    #[arg(long, value_name = "P%|N")]
    pub(crate) sample: Option<SampleSize>,
    /// What decides which tasks are in the sample [default: drawn, and printed]
    #[arg(long, value_name = "N", value_parser = values::whole_number::<u64>)]
    pub(crate) seed: Option<u64>,
    /// Pass over the first N tasks
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::whole_number::<u64>)]
    pub(crate) offset: u64,
    /// Take only the first N tasks
    #[arg(long, value_name = "N", value_parser = values::whole_number::<u64>)]
    pub(crate) limit: Option<u64>,
    /// Carry out only part K of N at its part of the rate, here; the others elsewhere. `auto` or
    /// `auto/N` takes K from Slurm or Kubernetes
    #[arg(long, value_name = "K/N", value_parser = values::shard)]
    pub(crate) shard: Option<ShardChoice>,
    /// Leave out what succeeded in this run and in those it follows
    #[arg(long, value_name = "RUN")]
    pub(crate) after: Option<String>,
    /// What to do if there is no task in the input
    #[arg(long, value_name = "DO", default_value = "fail")]
    pub(crate) if_empty: EmptyInput,
}

/// The tasks that are never called.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct ExcludeArgs {
    /// Never call the tasks that this file names: a list, or a table with `id`, and perhaps `until`
    /// and `reason` (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude: Vec<PathBuf>,
}

/// The most tasks of a plan.
#[derive(Debug, Args)]
#[command(next_help_heading = "Before")]
pub(crate) struct MaxTasksArgs {
    /// Send nothing if more than N tasks are selected
    #[arg(long, value_name = "N", value_parser = values::whole_number::<u64>)]
    pub(crate) max_tasks: Option<u64>,
}
