//! What the service may be asked to list: batch tasks, the sub-tasks of one, or a single sub-task.

use super::endpoint::ProjectId;
use crate::task::TaskId;
use url::Url;

/// The number of batch tasks that are asked for at a time: the most that the service gives.
pub const PAGE_SIZE: usize = 200;
/// The highest number of a page that the service takes.
pub const LAST_PAGE: u32 = 10_000;
/// The number of sub-tasks that are asked for at a time: the most that the service gives.
const SUB_TASKS_PAGE: usize = 1_000;
/// The longest part of a name that may be looked for, in characters.
const LONGEST_NAME: usize = 100;

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Batch tasks of the project.
    BatchTasks(ListFilter),
    /// The sub-tasks of a batch task, or of the whole project.
    SubTasks {
        /// The batch task.
        batch_task: Option<TaskId>,
        /// How many there are, if an earlier answer has said so.
        expected: Option<u64>,
    },
    /// One sub-task, with its status and its error: a page of one entry.
    SubTask(TaskId),
}

impl Default for Listing {
    fn default() -> Self {
        Self::BatchTasks(ListFilter::default())
    }
}

impl Listing {
    /// Returns how many entries a page has at most.
    pub fn page_size(&self) -> usize {
        match self {
            Self::BatchTasks(_) => PAGE_SIZE,
            Self::SubTasks { .. } => SUB_TASKS_PAGE,
            Self::SubTask(_) => 1,
        }
    }

    /// Returns how many entries there are in all, if that is known beforehand.
    pub fn expected(&self) -> Option<u64> {
        match self {
            Self::BatchTasks(_) => None,
            Self::SubTasks { expected, .. } => *expected,
            Self::SubTask(_) => Some(1),
        }
    }

    /// Returns the path of a page, below the base of the endpoint.
    pub(super) fn path(&self, project: &ProjectId) -> String {
        // An id needs no escaping, because its characters are checked.
        match self {
            Self::BatchTasks(_) => format!("/v2/{project}/batch-tasks"),
            Self::SubTasks { .. } => format!("/v2/{project}/tasks"),
            Self::SubTask(id) => format!("/v2/{project}/tasks/{id}"),
        }
    }

    /// Adds the query of a page to its address.
    pub(super) fn add_to(&self, url: &mut Url, number: u32) {
        match self {
            Self::BatchTasks(filter) => filter.add_to(url, number),
            Self::SubTasks { batch_task, .. } => {
                let mut query = url.query_pairs_mut();
                if let Some(batch_task) = batch_task {
                    query.append_pair("batch_id", batch_task.as_str());
                }
                query.append_pair("page_size", &SUB_TASKS_PAGE.to_string());
                query.append_pair("page", &number.to_string());
            }
            Self::SubTask(_) => {}
        }
    }
}

/// The batch tasks that the service is asked for. An empty field does not narrow them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// With a sub-task in this state, a word of the service in the case it is to be sent in.
    pub state: Option<String>,
    /// With this part in the name.
    pub name_part: Option<String>,
    /// Of one of these video groups.
    pub groups: Vec<String>,
    /// Of this maker of algorithms.
    pub manufacturer: Option<String>,
    /// With this algorithm.
    pub title: Option<String>,
}

impl ListFilter {
    /// Adds the query of a page to the address of the list.
    ///
    /// The oldest come first: what is created meanwhile is on the last page and shifts nothing.
    fn add_to(&self, url: &mut Url, number: u32) {
        let mut query = url.query_pairs_mut();
        query.append_pair("page_size", &PAGE_SIZE.to_string());
        query.append_pair("page_num", &number.to_string());
        query.append_pair("sort_name", "created_at").append_pair("order_by", "asc");
        if !self.groups.is_empty() {
            query.append_pair("video_group", &self.groups.join(","));
        }
        if let Some(part) = &self.name_part {
            let part: String = part.chars().take(LONGEST_NAME).collect();
            query.append_pair("type_like", "batch_task_name").append_pair("name_like", &part);
        }
        let others = [
            ("task_state", &self.state),
            ("manufacturer", &self.manufacturer),
            ("title", &self.title),
        ];
        let given = others.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        query.extend_pairs(given);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_query(filter: &ListFilter, expected: &str) {
        let mut url: Url = "https://example.com/list".parse().unwrap();
        filter.add_to(&mut url, 7);
        let always = "page_size=200&page_num=7&sort_name=created_at&order_by=asc";
        assert_eq!(url.query().unwrap(), format!("{always}{expected}"));
    }

    #[test]
    fn filters_are_encoded() {
        check_query(&ListFilter::default(), "");
        let all = ListFilter {
            state: Some("RUNNING".into()),
            name_part: Some("gate & yard".into()),
            groups: vec!["a".into(), "b".into()],
            manufacturer: Some("m#".into()),
            title: None,
        };
        let expected = "&video_group=a%2Cb&type_like=batch_task_name&name_like=gate+%26+yard\
                        &task_state=RUNNING&manufacturer=m%23";
        check_query(&all, expected);
    }

    #[test]
    fn sub_tasks_have_paths_of_their_own() {
        let project: ProjectId = "p-1".parse().unwrap();
        let check = |listing: &Listing, path: &str, query: Option<&str>| {
            let mut url: Url = "https://example.com".parse().unwrap();
            listing.add_to(&mut url, 2);
            assert_eq!((listing.path(&project).as_str(), url.query()), (path, query));
        };
        let batch_task = "gate-1".parse().ok();
        let all = Listing::SubTasks { batch_task, expected: Some(3) };
        check(&all, "/v2/p-1/tasks", Some("batch_id=gate-1&page_size=1000&page=2"));
        let of_project = Listing::SubTasks { batch_task: None, expected: None };
        check(&of_project, "/v2/p-1/tasks", Some("page_size=1000&page=2"));
        check(&Listing::SubTask("0001".parse().unwrap()), "/v2/p-1/tasks/0001", None);
    }
}
