//! The rows of a list, as they are printed.

use crate::cli::output::error::CommandError;
use crate::cli::output::row_table::{RowFormat, RowTable};
use batchctl::api::ListedTask;
use batchctl::clock::Timestamp;
use batchctl::service::IdRule;
use batchctl::task::TaskId;
use serde_json::{Value, json};

/// The columns.
const COLUMNS: [&str; 6] = ["id", "name", "tasks", "state", "counters", "created"];
/// The rows so far.
#[derive(Debug)]
pub(crate) struct ListTable {
    rows: RowTable,
    uncallable: u64,
    example: Option<String>,
    /// What ids look like; `None` for VIAS.
    ids: Option<IdRule>,
}

impl ListTable {
    pub(crate) fn new(format: RowFormat, ids: Option<IdRule>) -> Self {
        Self { rows: RowTable::new(format, &COLUMNS), uncallable: 0, example: None, ids }
    }

    /// Adds a task.
    pub(crate) fn add(&mut self, task: &ListedTask) {
        let is_callable = match &self.ids {
            Some(rule) => rule.id(&task.id).is_ok(),
            None => TaskId::check(&task.id).is_ok(),
        };
        if !is_callable {
            self.uncallable += 1;
            self.example.get_or_insert_with(|| task.id.clone());
        }
        self.rows.add(&cells(task), || object(task));
    }

    /// Returns how many tasks have an id that cannot be called.
    pub(crate) fn uncallable(&self) -> u64 {
        self.uncallable
    }

    /// Returns such an id, if there is one.
    pub(crate) fn uncallable_example(&self) -> Option<&str> {
        self.example.as_deref()
    }

    /// Returns whether a heading alone is printed.
    pub(crate) fn is_heading_alone(&self) -> bool {
        self.rows.is_heading_alone()
    }

    /// Prints all rows to standard output.
    pub(crate) fn print(self) -> Result<(), CommandError> {
        self.rows.print()
    }
}

/// Returns when a task was created, as all documents write times.
pub(crate) fn created(task: &ListedTask) -> Option<Timestamp> {
    Some(Timestamp::from_micros(task.created_ms?.checked_mul(1_000)?))
}

fn cells(task: &ListedTask) -> [String; COLUMNS.len()] {
    let optional = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
    [
        task.id.clone(),
        task.name.clone(),
        optional(task.sub_tasks),
        task.state().to_string(),
        task.states.to_string(),
        created(task).map_or_else(String::new, |at| at.to_string()),
    ]
}

fn object(task: &ListedTask) -> Value {
    let states: serde_json::Map<String, Value> =
        task.states.iter().map(|(state, count)| (state.to_owned(), count.into())).collect();
    json!({
        "id": task.id,
        "name": task.name,
        "tasks": task.sub_tasks,
        "state": task.state().as_str(),
        "counters": states,
        "created": created(task).map(|at| at.to_string()),
        "others": task.others,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use batchctl::task::StateCounts;

    fn gate() -> ListedTask {
        ListedTask {
            id: "gate-1".into(),
            name: "=gate, \"north\"".into(),
            sub_tasks: Some(3),
            states: StateCounts::from_counters([("running", 2), ("odd", 1)]),
            created_ms: Some(1_685_667_905_165),
            others: [("priority".to_owned(), json!(1))].into_iter().collect(),
            seen: None,
        }
    }

    #[test]
    fn a_row_has_what_is_known() {
        let cells = cells(&gate());
        assert_eq!(cells[2..5], ["3", "unknown", "odd=1 running=2"]);
        assert_eq!(cells[5], "2023-06-02T01:05:05.165Z");
        assert_eq!(super::cells(&ListedTask::default()), ["", "", "", "unknown", "", ""]);
    }

    #[test]
    fn json_keeps_what_nobody_knows() {
        let object = object(&gate());
        assert_eq!(object["others"]["priority"], 1);
        assert_eq!(object["counters"]["odd"], 1);
        assert_eq!(object["state"], "unknown");
    }

    #[test]
    fn ids_that_cannot_be_called_are_counted() {
        let mut rows = ListTable::new(RowFormat::Csv, None);
        rows.add(&gate());
        rows.add(&ListedTask { id: "../x".into(), ..gate() });
        assert_eq!((rows.uncallable(), rows.uncallable_example()), (1, Some("../x")));
    }
}
