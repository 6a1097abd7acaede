//! What a look into the tasks that did not succeed has shown, as JSON.

use crate::report::model::{DrillPart, SubTaskError};
use crate::task::{DrilledSubTask, DrilledTask};
use crate::text::non_empty;
use serde::Serialize;

/// The tasks that were looked into.
#[derive(Serialize)]
pub(crate) struct DrillJson<'a> {
    limit: Option<u32>,
    /// Whether every sub-task is named that is not where it was sent.
    whole: bool,
    finished: bool,
    left: u64,
    why_left: Option<&'a str>,
    unread: u64,
    listed: u64,
    not_there: u64,
    named: u64,
    tasks: Vec<DrilledTaskJson<'a>>,
}

#[derive(Serialize)]
struct DrilledTaskJson<'a> {
    id: &'a str,
    whole: bool,
    gap: Option<&'a str>,
    listed: u64,
    not_there: u64,
    sub_tasks: Vec<DrilledSubTaskJson<'a>>,
}

#[derive(Serialize)]
struct DrilledSubTaskJson<'a> {
    id: &'a str,
    name: Option<&'a str>,
    camera: Option<&'a str>,
    state: Option<&'a str>,
    status: Option<&'a str>,
    error_code: Option<&'a str>,
    error_msg: Option<&'a str>,
    gap: Option<&'a str>,
}

/// One error of sub-tasks of a failure group.
#[derive(Serialize)]
pub(crate) struct SubTaskErrorJson<'a> {
    error_code: Option<&'a str>,
    error_msg: &'a str,
    count: u64,
    example: &'a str,
}

impl<'a> DrillJson<'a> {
    pub(crate) fn from_part(part: &'a DrillPart) -> Self {
        Self {
            limit: part.limit,
            whole: part.is_whole(),
            finished: part.is_over,
            left: part.left,
            why_left: part.why_left.as_deref(),
            unread: part.unread,
            listed: part.listed,
            not_there: part.not_there,
            named: part.named,
            tasks: part.tasks.iter().map(DrilledTaskJson::from_task).collect(),
        }
    }
}

impl<'a> DrilledTaskJson<'a> {
    fn from_task(task: &'a DrilledTask) -> Self {
        Self {
            id: &task.id,
            whole: task.is_whole(),
            gap: task.gap.as_deref(),
            listed: task.listed,
            not_there: task.not_there,
            sub_tasks: task.sub_tasks.iter().map(DrilledSubTaskJson::from_sub_task).collect(),
        }
    }
}

impl<'a> DrilledSubTaskJson<'a> {
    fn from_sub_task(task: &'a DrilledSubTask) -> Self {
        Self {
            id: &task.id,
            name: non_empty(&task.name),
            camera: non_empty(&task.camera),
            state: non_empty(&task.state),
            status: non_empty(&task.status),
            error_code: non_empty(&task.error_code),
            error_msg: non_empty(&task.error_msg),
            gap: task.gap.as_deref(),
        }
    }
}

impl<'a> SubTaskErrorJson<'a> {
    pub(crate) fn from_error(error: &'a SubTaskError) -> Self {
        let (error_code, error_msg) = (non_empty(&error.error_code), error.error_msg.as_str());
        Self { error_code, error_msg, count: error.count, example: &error.example }
    }
}
