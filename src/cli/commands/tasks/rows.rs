//! The rows of sub-tasks, as they are printed.

use crate::cli::commands::list::rows::created;
use crate::cli::output::error::CommandError;
use crate::cli::output::row_table::{RowFormat, RowTable};
use crate::cli::output::stream::Stderr;
use batchctl::api::ListedTask;
use batchctl::task::{TARGET_COLUMN, TaskId};
use batchctl::text::{plural, printable};
use serde_json::{Value, json};

/// The columns; the last three only with `--detail`.
const COLUMNS: [&str; 10] = [
    "id",
    "name",
    "state",
    "batch_id",
    "camera",
    "algorithm",
    "created",
    "status",
    "error_code",
    "error_msg",
];
/// The number of columns without details.
const WITHOUT_DETAIL: usize = 7;

/// The rows so far.
pub(super) struct SubTaskTable {
    rows: RowTable,
    columns: usize,
    uncallable: u64,
    /// An id that cannot be called.
    example: Option<String>,
}

impl SubTaskTable {
    pub(super) fn new(format: RowFormat, detail: bool, has_targets: bool) -> Self {
        let columns = if detail { COLUMNS.len() } else { WITHOUT_DETAIL };
        let target = has_targets.then_some(TARGET_COLUMN);
        let named: Vec<&str> = COLUMNS[..columns].iter().copied().chain(target).collect();
        let rows = RowTable::new(format, &named);
        Self { rows, columns, uncallable: 0, example: None }
    }

    /// Adds a sub-task; `target` is that of its run, in a run of several.
    pub(super) fn add(&mut self, batch_task: &TaskId, target: Option<&str>, task: &ListedTask) {
        if TaskId::check(&task.id).is_err() {
            self.uncallable += 1;
            self.example.get_or_insert_with(|| task.id.clone());
        }
        let mut cells = cells(batch_task, task)[..self.columns].to_vec();
        cells.extend(target.map(str::to_owned));
        self.rows.add(&cells, || object(batch_task, target, task));
    }

    /// Says which sub-tasks cannot be called: their ids are not what the service says ids are.
    pub(super) fn warn_of_uncallable(&self, stderr: &Stderr) {
        let Some(example) = &self.example else { return };
        let tasks = plural(self.uncallable, "sub-task has", "sub-tasks have");
        let example = printable(example, 60);
        let message = format!("{tasks} an id that cannot be called, such as `{example}`");
        stderr.say("warning", &message);
    }

    /// Returns whether a heading alone is printed.
    pub(super) fn is_heading_alone(&self) -> bool {
        self.rows.is_heading_alone()
    }

    /// Prints all rows to standard output.
    pub(super) fn print(self) -> Result<(), CommandError> {
        self.rows.print()
    }
}

fn cells(batch_task: &TaskId, task: &ListedTask) -> [String; COLUMNS.len()] {
    [
        task.id.clone(),
        task.name.clone(),
        task.state_word().to_owned(),
        batch_task.to_string(),
        task.text("video_source_name").to_owned(),
        task.text("title").to_owned(),
        created(task).map_or_else(String::new, |at| at.to_string()),
        task.text("status").to_owned(),
        task.error("code").to_owned(),
        task.error("message").to_owned(),
    ]
}

fn object(batch_task: &TaskId, target: Option<&str>, task: &ListedTask) -> Value {
    let mut object = json!({
        "id": task.id,
        "name": task.name,
        "state": task.state_word(),
        "batch_id": batch_task.as_str(),
        "created": created(task).map(|at| at.to_string()),
        "others": task.others,
    });
    if let Some(target) = target {
        object["target"] = target.into();
    }
    object
}
