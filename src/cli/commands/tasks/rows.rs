//! The rows of sub-tasks, as they are printed.

use crate::cli::commands::list::rows::created;
use crate::cli::output::error::CommandError;
use crate::cli::output::row_table::{RowFormat, RowTable};
use crate::cli::output::stream::Stderr;
use batchctl::api::ListedTask;
use batchctl::task::TaskId;
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
    pub(super) fn new(format: RowFormat, detail: bool) -> Self {
        let columns = if detail { COLUMNS.len() } else { WITHOUT_DETAIL };
        let rows = RowTable::new(format, &COLUMNS[..columns]);
        Self { rows, columns, uncallable: 0, example: None }
    }

    pub(super) fn add(&mut self, batch_task: &TaskId, task: &ListedTask) {
        if TaskId::check(&task.id).is_err() {
            self.uncallable += 1;
            self.example.get_or_insert_with(|| task.id.clone());
        }
        let cells = cells(batch_task, task);
        self.rows.add(&cells[..self.columns], || object(batch_task, task));
    }

    /// Says which sub-tasks cannot be called: their ids are not what the service says ids are.
    pub(super) fn warn_of_uncallable(&self, stderr: &Stderr) {
        let Some(example) = &self.example else { return };
        let tasks = plural(self.uncallable, "sub-task has", "sub-tasks have");
        let example = printable(example, 60);
        let message = format!("{tasks} an id that cannot be called, such as `{example}`");
        stderr.say("warning", &message);
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

fn object(batch_task: &TaskId, task: &ListedTask) -> Value {
    json!({
        "id": task.id,
        "name": task.name,
        "state": task.state_word(),
        "batch_id": batch_task.as_str(),
        "created": created(task).map(|at| at.to_string()),
        "others": task.others,
    })
}
