//! One page of the batch tasks: their selection, order and JSON.

use crate::clock::Instant;
use crate::sandbox::http::{Column, HttpResponse, ListQuery, SortOrder};
use crate::sandbox::service::batch_task::BatchTask;
use crate::sandbox::service::project::SandboxProject;
use crate::sandbox::service::view::{ALGORITHM, View};
use hyper::StatusCode;
use serde::Serialize;
use std::collections::BTreeMap;

/// The manufacturer of the algorithm.
const COMPANY: &str = "sandbox";

/// The body of the response.
#[derive(Serialize)]
struct ListBody<'a> {
    count: usize,
    batch_task_list: Vec<BatchTaskEntry<'a>>,
}

/// One batch task in the service's format.
#[derive(Serialize)]
struct BatchTaskEntry<'a> {
    id: &'a str,
    batch_task_name: String,
    alg_name: &'a str,
    company: &'a str,
    r#type: &'a str,
    num_task: u16,
    created_at: i64,
    video_group_name: &'a str,
    video_source_name: String,
    batch_task_status_info: BTreeMap<&'static str, u16>,
    // Undocumented, but sent by the real service; clients must tolerate it.
    priority: u8,
}

/// Returns the response to a query.
pub(crate) fn page(project: &mut SandboxProject, query: &ListQuery, now: Instant) -> HttpResponse {
    let view = View::new(project, now);
    let (tasks, catalogue) = project.catalogued();
    let ids = catalogue.ids(query.sort);
    let ordered: Box<dyn Iterator<Item = &str>> = match query.order {
        SortOrder::Ascending => Box::new(ids.iter().map(|id| &**id)),
        SortOrder::Descending => Box::new(ids.iter().rev().map(|id| &**id)),
    };
    let entry = |id| view.entry(id, &tasks[id]);
    // Without a filter only the entries of the page are computed: a project may have very many.
    let body = if query.takes_all() {
        ListBody { count: ids.len(), batch_task_list: query.cut(ordered).map(entry).collect() }
    } else {
        let taken: Vec<&str> =
            ordered.filter(|id| view.is_asked_for(query, id, &tasks[*id])).collect();
        ListBody {
            count: taken.len(),
            batch_task_list: query.cut(taken.into_iter()).map(entry).collect(),
        }
    };
    HttpResponse::json(StatusCode::OK, &body)
}

impl View {
    /// Returns whether a query selects a batch task.
    fn is_asked_for(&self, query: &ListQuery, id: &str, task: &BatchTask) -> bool {
        let in_state = |state: &str| {
            task.states(self.sight(id)).iter().any(|&(name, count)| count > 0 && name == state)
        };
        let is_named = |column, part: &str| match column {
            Column::BatchTaskName => self.name(id).contains(part),
            Column::PublishServiceName => ALGORITHM.contains(part),
        };
        let in_group = |groups: &[String]| groups.iter().any(|group| group == self.group(id));
        query.state.is_none_or(in_state)
            && query.groups.as_deref().is_none_or(in_group)
            && query.name_like.as_ref().is_none_or(|(column, part)| is_named(*column, part))
            && query.manufacturer.as_ref().is_none_or(|name| name == COMPANY)
            && query.title.as_ref().is_none_or(|title| title == ALGORITHM)
    }

    /// Returns the entry of one batch task.
    fn entry<'a>(&self, id: &'a str, task: &BatchTask) -> BatchTaskEntry<'a> {
        let mut states = BTreeMap::new();
        for (state, count) in task.states(self.sight(id)).into_iter().filter(|&(_, n)| n > 0) {
            *states.entry(state).or_default() += count;
        }
        BatchTaskEntry {
            id,
            batch_task_name: self.name(id),
            alg_name: ALGORITHM,
            company: COMPANY,
            r#type: "cloud",
            num_task: task.size(),
            created_at: task.created_at(),
            video_group_name: self.group(id),
            video_source_name: format!("{}-camera-1", self.group(id)),
            batch_task_status_info: states,
            priority: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::sandbox::settings::SandboxSettings;
    use crate::task::Command;
    use serde_json::Value;
    use std::time::Duration;

    fn project(tasks: u32) -> SandboxProject {
        SandboxProject::new(&SandboxSettings { tasks, ..SandboxSettings::default() })
    }

    fn list(project: &mut SandboxProject, query: &str, now: Instant) -> Value {
        let query = ListQuery::parse(query).unwrap();
        page(project, &query, now).body()
    }

    /// Checks the number of all entries, and the ids on the page.
    fn check(project: &mut SandboxProject, query: &str, count: u64, expected: &[&str]) {
        let body = list(project, query, Clock::start().instant());
        let entries = body["batch_task_list"].as_array().unwrap();
        let ids: Vec<&str> = entries.iter().map(|e| e["id"].as_str().unwrap()).collect();
        assert_eq!(body["count"], count, "{query}");
        assert_eq!(ids, expected, "{query}");
    }

    #[test]
    fn the_youngest_come_first_in_pages() {
        let first = ["task-000001", "task-000002", "task-000003", "task-000004", "task-000005"];
        check(&mut project(7), "page_size=5", 7, &first);
        let rest = ["task-000006", "task-000007"];
        check(&mut project(7), "page_size=5&page_num=2", 7, &rest);
        check(&mut project(7), "page_size=5&page_num=3", 7, &[]);
        check(&mut project(0), "", 0, &[]);
    }

    #[test]
    fn without_paging_all_are_on_one_page() {
        let body = list(&mut project(300), "is_paged=false", Clock::start().instant());
        assert_eq!(body["batch_task_list"].as_array().unwrap().len(), 300);
    }

    #[test]
    fn the_order_can_be_reversed() {
        let oldest = ["task-000003", "task-000002", "task-000001"];
        check(&mut project(3), "order_by=asc", 3, &oldest);
    }

    #[test]
    fn the_order_can_be_by_size() {
        let query = "sort_name=task_count&order_by=asc&page_size=200";
        let body = list(&mut project(100), query, Clock::start().instant());
        let entries = body["batch_task_list"].as_array().unwrap();
        let sizes: Vec<u64> =
            entries.iter().map(|entry| entry["num_task"].as_u64().unwrap()).collect();
        assert!(sizes.is_sorted());
        assert_eq!((sizes[0], sizes[99]), (1, 8));
    }

    #[test]
    fn states_are_filtered_whatever_their_case() {
        let mut project = project(3);
        let now = Clock::start().instant();
        project.call("task-000002", Command::START, now);
        let later = now + project.settle();
        for query in ["task_state=running", "task_state=RUNNING"] {
            let body = list(&mut project, query, later);
            assert_eq!(body["count"], 1);
            assert_eq!(body["batch_task_list"][0]["id"], "task-000002");
        }
        assert_eq!(list(&mut project, "task_state=STOPPED", later)["count"], 2);
        assert_eq!(list(&mut project, "task_state=frozen", later)["count"], 0);
    }

    #[test]
    fn stuck_tasks_never_reach_their_new_state() {
        let mut project = project(1);
        let now = Clock::start().instant();
        project.call("gate-stuck", Command::START, now);
        let later = now + Duration::from_secs(86_400);
        assert_eq!(list(&mut project, "task_state=starting", later)["count"], 1);
        let settings = SandboxSettings { tasks: 3, stuck: 1.0, ..SandboxSettings::default() };
        let mut project = SandboxProject::new(&settings);
        project.call("task-000001", Command::START, now);
        assert_eq!(list(&mut project, "task_state=starting", later)["count"], 1);
        assert_eq!(list(&mut project, "task_state=stopped", later)["count"], 2);
    }

    #[test]
    fn a_share_of_the_tasks_runs_at_the_start() {
        let running = |share| {
            let settings = SandboxSettings { running: share, ..SandboxSettings::default() };
            let mut project = SandboxProject::new(&settings);
            list(&mut project, "task_state=running", Clock::start().instant())["count"].clone()
        };
        assert_eq!((running(0.0), running(1.0)), (0.into(), 1_000.into()));
        assert_eq!(running(0.5), 511);
    }

    #[test]
    fn names_groups_and_manufacturers_are_filtered() {
        let like = "type_like=batch_task_name&name_like=000002";
        check(&mut project(3), like, 1, &["task-000002"]);
        check(&mut project(3), "type_like=publish_service_name&name_like=face", 0, &[]);
        check(&mut project(3), "video_group=none,such", 0, &[]);
        check(&mut project(3), "manufacturer=other", 0, &[]);
        let everything = "video_group=gate,hall,yard,dock&manufacturer=sandbox\
                          &title=intrusion-detection&order_by=asc";
        let all = ["task-000003", "task-000002", "task-000001"];
        check(&mut project(3), everything, 3, &all);
    }

    #[test]
    fn an_entry_has_the_documented_fields_and_one_more() {
        let mut project = project(1);
        let now = Clock::start().instant();
        let body = list(&mut project, "", now);
        let entry = body["batch_task_list"][0].as_object().unwrap();
        assert_eq!(entry.len(), 11);
        assert!(entry.contains_key("priority"));
        let states = entry["batch_task_status_info"].as_object().unwrap();
        assert_eq!(states.len(), 1);
        assert_eq!(states["stopped"], entry["num_task"]);
    }

    #[test]
    fn tasks_added_later_are_listed_too() {
        let mut project = project(1);
        check(&mut project, "", 1, &["task-000001"]);
        project.call("gate-1", Command::START, Clock::start().instant());
        check(&mut project, "", 2, &["gate-1", "task-000001"]);
    }
}
