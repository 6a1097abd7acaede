//! The sub-tasks of batch tasks: one page of them, and one of them in detail.
//!
//! They are computed from their batch task when they are asked for, so a project of very many takes
//! no memory for them.

use crate::clock::Instant;
use crate::sandbox::faults::{SeededRandom, ServiceFault};
use crate::sandbox::http::{HttpResponse, Sort, SubTaskQuery};
use crate::sandbox::service::batch_task::BatchTask;
use crate::sandbox::service::project::SandboxProject;
use crate::sandbox::service::sub_task_id;
use crate::sandbox::service::view::{ALGORITHM, View};
use hyper::StatusCode;
use serde::Serialize;

/// The id of the algorithm.
const ALGORITHM_ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
/// What is wrong with a sub-task that did not start or stop.
const OFFLINE: &str = "the video source is offline";

/// The body of a page.
#[derive(Serialize)]
struct PageBody {
    /// The entries on this page alone, as the definition says.
    count: usize,
    tasks: Vec<Entry>,
    page: usize,
    page_size: usize,
}

/// One sub-task of a page in the service's format.
#[derive(Serialize)]
struct Entry {
    id: String,
    name: String,
    service_id: &'static str,
    /// Milliseconds since the Unix epoch, as a text here and as a number in the list of batch tasks.
    created_at: String,
    state: String,
    video_source_name: String,
    title: &'static str,
    r#type: &'static str,
    algorithm_publish_id: &'static str,
}

/// One sub-task in detail.
#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    entry: Entry,
    project_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<DetailError>,
    group_name: &'static str,
    schedule_status: &'static str,
}

#[derive(Serialize)]
struct DetailError {
    code: &'static str,
    message: String,
}

/// The answer to an action.
#[derive(Serialize)]
pub(crate) struct SubTaskActionBody<'a> {
    id: &'a str,
    status_code: u16,
    status_msg: &'static str,
}

impl<'a> SubTaskActionBody<'a> {
    /// Returns the answer of an action that was accepted.
    pub(crate) const fn accepted(id: &'a str) -> Self {
        Self { id, status_code: 200, status_msg: "OK" }
    }
}

/// Returns the response to a query.
pub(crate) fn page(
    project: &mut SandboxProject,
    query: &SubTaskQuery,
    now: Instant,
) -> HttpResponse {
    let view = View::new(project, now);
    let random = project.random();
    let (tasks, catalogue) = project.catalogued();
    let batch_tasks: Box<dyn Iterator<Item = &str>> = match &query.batch_task {
        // A batch task that does not exist has no sub-tasks, which is no error of a filter.
        Some(id) => Box::new(tasks.get_key_value(&**id).into_iter().map(|(id, _)| &**id)),
        None => Box::new(catalogue.ids(Sort::CreatedAt).iter().map(|id| &**id)),
    };
    let all = batch_tasks.flat_map(|id| (0..tasks[id].size()).map(move |index| (id, index)));
    let taken = all.filter(|&(id, index)| {
        let state = || tasks[id].state_of(index, view.sight(id));
        query.state.is_none_or(|wanted| wanted == state())
    });
    let entries: Vec<Entry> = taken
        .skip((query.page - 1) * query.page_size)
        .take(query.page_size)
        .map(|(id, index)| entry(view, random, id, &tasks[id], index))
        .collect();
    let (page, page_size) = (query.page, query.page_size);
    let body = PageBody { count: entries.len(), tasks: entries, page, page_size };
    HttpResponse::json(StatusCode::OK, &body)
}

/// Returns one sub-task in detail.
pub(crate) fn detail(
    project: &mut SandboxProject,
    project_id: &str,
    id: &str,
    now: Instant,
) -> Result<HttpResponse, ServiceFault> {
    let view = View::new(project, now);
    let random = project.random();
    let (batch_task, task, index) = project.sub_task(id).ok_or(ServiceFault::NoSuchSubTask)?;
    let state = task.state_of(index, view.sight(batch_task));
    let is_in_trouble = task.has_failed(index, state);
    let camera = camera(view, batch_task, index);
    let body = Detail {
        entry: entry(view, random, batch_task, task, index),
        project_id: project_id.into(),
        status: is_in_trouble.then_some(OFFLINE),
        error: is_in_trouble.then(|| DetailError {
            code: "VIAS.10010022",
            message: format!("{OFFLINE}: {camera}"),
        }),
        group_name: view.group(batch_task),
        schedule_status: "INACTIVATED",
    };
    Ok(HttpResponse::json(StatusCode::OK, &body))
}

/// Returns the ids of the sub-tasks of a batch task in a state.
pub(crate) fn in_state(
    project: &SandboxProject,
    batch_task: &str,
    state: &str,
    now: Instant,
) -> Vec<String> {
    let Some(task) = project.tasks().get(batch_task) else { return Vec::new() };
    let sight = View::new(project, now).sight(batch_task);
    let taken = (0..task.size()).filter(|&index| task.state_of(index, sight) == state);
    taken.map(|index| sub_task_id::of(project.random(), batch_task, index)).collect()
}

fn entry(
    view: View,
    random: SeededRandom,
    batch_task: &str,
    task: &BatchTask,
    index: u16,
) -> Entry {
    Entry {
        id: sub_task_id::of(random, batch_task, index),
        name: format!("{} {}", view.name(batch_task), index + 1),
        service_id: ALGORITHM,
        created_at: task.created_at().to_string(),
        // This list has the states in capitals, the other one in lower case.
        state: task.state_of(index, view.sight(batch_task)).to_uppercase(),
        video_source_name: camera(view, batch_task, index),
        title: ALGORITHM,
        r#type: "0",
        algorithm_publish_id: ALGORITHM_ID,
    }
}

fn camera(view: View, batch_task: &str, index: u16) -> String {
    format!("{}-camera-{}", view.group(batch_task), index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::sandbox::settings::SandboxSettings;
    use crate::task::{Command, TaskId};
    use serde_json::Value;

    fn project() -> SandboxProject {
        let settings = SandboxSettings { tasks: 2, sub_tasks: 12..=12, ..Default::default() };
        SandboxProject::new(&settings)
    }

    fn list(project: &mut SandboxProject, query: &str, now: Instant) -> Value {
        page(project, &SubTaskQuery::parse(query).unwrap(), now).body()
    }

    #[test]
    fn a_page_counts_its_own_entries_and_leads_back_to_the_batch_task() {
        let (mut project, now) = (project(), Clock::start().instant());
        let query = "batch_id=task-000001&page_size=5&page=3";
        let body = list(&mut project, query, now);
        assert_eq!((&body["count"], &body["page"]), (&2.into(), &3.into()));
        let id = body["tasks"][1]["id"].as_str().unwrap();
        assert_eq!(TaskId::check(id), Ok(()));
        let (owner, _, index) = project.sub_task(id).unwrap();
        assert_eq!((owner, index), ("task-000001", 11));
        assert_eq!(list(&mut project, "page_size=100", now)["count"], 24);
        assert_eq!(list(&mut project, "batch_id=nobody", now)["count"], 0);
    }

    #[test]
    fn what_failed_says_why_and_can_be_started_by_itself() {
        let (mut project, now) = (project(), Clock::start().instant());
        project.call("gate-partial", Command::START, now);
        let later = now + project.settle();
        let failed = "batch_id=gate-partial&task_state=START_FAILED&page_size=100";
        let before = list(&mut project, failed, later);
        let id = before["tasks"][0]["id"].as_str().unwrap();
        let shown = detail(&mut project, "p", id, later).unwrap().body();
        assert!(shown["error"]["message"].as_str().unwrap().starts_with(OFFLINE), "{shown}");
        project.call_sub_task(id, Command::START, later).unwrap();
        let then = later + project.settle();
        let after = list(&mut project, failed, then)["count"].as_u64();
        assert_eq!(after, before["count"].as_u64().map(|count| count - 1));
        assert!(detail(&mut project, "p", id, then).unwrap().body()["error"].is_null());
        assert!(project.call_sub_task("00000000000000000000", Command::START, then).is_none());
    }
}
