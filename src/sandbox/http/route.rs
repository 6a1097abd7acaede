//! The operation of a request, by its method and path only.
//!
//! Exact like the gateway: an additional slash makes another path. Knows no headers and no state.

use hyper::Method;

/// An operation; its texts come from the path as they are, unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SandboxRoute<'a> {
    /// Start or stop one batch task.
    Action(ActionPath<'a>),
    /// Delete one batch task.
    Delete(ItemPath<'a>),
    /// One page of the batch tasks of a project.
    List {
        /// The project.
        project: &'a str,
    },
    /// Start or stop one sub-task.
    SubTaskAction(ActionPath<'a>),
    /// One page of the sub-tasks of a project.
    SubTasks {
        /// The project.
        project: &'a str,
    },
    /// One sub-task in detail.
    SubTask(ItemPath<'a>),
    /// An IAM login.
    Login,
    /// The projects of the account.
    Projects,
    /// An operation that the gateway does not know.
    Unknown,
}

/// The variable parts in the path of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActionPath<'a> {
    /// The project.
    pub(crate) project: &'a str,
    /// The batch task or sub-task.
    pub(crate) id: &'a str,
    /// The command.
    pub(crate) command: &'a str,
}

/// The variable parts in the path of a batch task or sub-task itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemPath<'a> {
    /// The project.
    pub(crate) project: &'a str,
    /// The batch task or sub-task.
    pub(crate) id: &'a str,
}

impl<'a> SandboxRoute<'a> {
    /// Returns the operation of a method and a path.
    pub(crate) fn parse(method: &Method, path: &'a str) -> Self {
        if path == "/v3/auth/tokens" && method == Method::POST {
            return Self::Login;
        }
        if path == "/v3/projects" && method == Method::GET {
            return Self::Projects;
        }
        path.strip_prefix("/v2/")
            .and_then(|rest| Self::parse_service_path(method, rest))
            .unwrap_or(Self::Unknown)
    }

    /// Returns the operation of a path below `/v2/`.
    fn parse_service_path(method: &Method, rest: &'a str) -> Option<Self> {
        // Not checked against the service's patterns here: a bad id is the service's error, which has
        // another format than that of an unknown path.
        let (project, rest) = rest.split_once('/').filter(|(project, _)| !project.is_empty())?;
        let (collection, rest) = match rest.split_once('/') {
            Some((collection, rest)) => (collection, Some(rest)),
            None => (rest, None),
        };
        let one_segment = |text: &str| !text.is_empty() && !text.contains('/');
        let action = |rest: &'a str| {
            let (id, command) = rest.split_once("/action/")?;
            let is_action = method == Method::PUT && one_segment(id) && one_segment(command);
            is_action.then_some(ActionPath { project, id, command })
        };
        let is_get = method == Method::GET;
        match (collection, rest) {
            ("batch-tasks", None) => is_get.then_some(Self::List { project }),
            ("batch-tasks", Some(id)) if method == Method::DELETE && one_segment(id) => {
                Some(Self::Delete(ItemPath { project, id }))
            }
            ("batch-tasks", Some(rest)) => action(rest).map(Self::Action),
            ("tasks", None) => is_get.then_some(Self::SubTasks { project }),
            ("tasks", Some(id)) if is_get && one_segment(id) => {
                Some(Self::SubTask(ItemPath { project, id }))
            }
            ("tasks", Some(rest)) => action(rest).map(Self::SubTaskAction),
            _ => None,
        }
    }

    /// Returns the project, if the path names one; still unchecked.
    pub(crate) const fn project(&self) -> Option<&'a str> {
        match *self {
            Self::Action(path) | Self::SubTaskAction(path) => Some(path.project),
            Self::Delete(path) | Self::SubTask(path) => Some(path.project),
            Self::List { project } | Self::SubTasks { project } => Some(project),
            Self::Login | Self::Projects | Self::Unknown => None,
        }
    }

    /// Returns the batch task or sub-task that is called or shown, still unchecked.
    pub(crate) const fn id(&self) -> Option<&'a str> {
        match *self {
            Self::Action(path) | Self::SubTaskAction(path) => Some(path.id),
            Self::Delete(path) | Self::SubTask(path) => Some(path.id),
            Self::List { .. }
            | Self::SubTasks { .. }
            | Self::Login
            | Self::Projects
            | Self::Unknown => None,
        }
    }

    /// Returns the operation's word in the access log, if the request is well-formed.
    pub(crate) fn log_name(&self) -> Option<&'a str> {
        match *self {
            Self::Action(path) | Self::SubTaskAction(path) => {
                matches!(path.command, "start" | "stop").then_some(path.command)
            }
            Self::Delete(_) => Some("delete"),
            Self::List { .. } => Some("list"),
            Self::SubTasks { .. } => Some("tasks"),
            Self::SubTask(_) => Some("task"),
            Self::Login => Some("login"),
            Self::Projects => Some("projects"),
            Self::Unknown => None,
        }
    }
}

/// Returns whether a text matches the service's pattern for projects, `^[a-zA-Z0-9-]{1,64}$`.
pub(crate) fn is_project_id(text: &str) -> bool {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(belongs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, path: &str, expected: SandboxRoute<'_>) {
        assert_eq!(SandboxRoute::parse(method, path), expected, "{method} {path}");
    }

    #[test]
    fn the_operations_have_their_paths() {
        let action =
            SandboxRoute::Action(ActionPath { project: "p-1", id: "gate-1", command: "start" });
        check(&Method::PUT, "/v2/p-1/batch-tasks/gate-1/action/start", action);
        let list = SandboxRoute::List { project: "p-1" };
        check(&Method::GET, "/v2/p-1/batch-tasks", list);
        let gone = SandboxRoute::Delete(ItemPath { project: "p-1", id: "gate-1" });
        check(&Method::DELETE, "/v2/p-1/batch-tasks/gate-1", gone);
        let one = ActionPath { project: "p-1", id: "0001", command: "stop" };
        check(&Method::PUT, "/v2/p-1/tasks/0001/action/stop", SandboxRoute::SubTaskAction(one));
        let shown = SandboxRoute::SubTask(ItemPath { project: "p-1", id: "0001" });
        check(&Method::GET, "/v2/p-1/tasks/0001", shown);
        check(&Method::GET, "/v2/p-1/tasks", SandboxRoute::SubTasks { project: "p-1" });
        check(&Method::POST, "/v3/auth/tokens", SandboxRoute::Login);
        check(&Method::GET, "/v3/projects", SandboxRoute::Projects);
    }

    #[test]
    fn every_other_method_or_path_is_unknown() {
        let unknown = |method, path| check(method, path, SandboxRoute::Unknown);
        unknown(&Method::POST, "/v2/p/batch-tasks/gate/action/start");
        unknown(&Method::PUT, "/v2/p/batch-tasks/gate/action/start/");
        unknown(&Method::PUT, "/v2/p/batch-tasks/gate/action/");
        unknown(&Method::PUT, "/v2/p/batch-tasks/gate/action");
        unknown(&Method::PUT, "/v2/p/batch-tasks//action/start");
        unknown(&Method::PUT, "/v2/p/batch-tasks/gate/x/action/start");
        unknown(&Method::PUT, "//v2/p/batch-tasks/gate/action/start");
        unknown(&Method::PUT, "/v2//batch-tasks/gate/action/start");
        unknown(&Method::PUT, "/v2/p/q/batch-tasks/gate/action/start");
        unknown(&Method::PUT, "/v2/p/batch-tasksgate/action/start");
        unknown(&Method::GET, "/v2/p/batch-tasks/");
        unknown(&Method::PUT, "/v2/p/batch-tasks");
        unknown(&Method::PUT, "/v2/p/tasks");
        unknown(&Method::DELETE, "/v2/p/batch-tasks");
        unknown(&Method::DELETE, "/v2/p/batch-tasks/gate-1/");
        unknown(&Method::DELETE, "/v2/p/batch-tasks/gate-1/action/stop");
        unknown(&Method::GET, "/v2/p/batch-tasks/gate-1");
        unknown(&Method::GET, "/v2/p/tasks/");
        unknown(&Method::GET, "/v2/p/tasks/0001/");
        unknown(&Method::POST, "/v2/p/tasks/0001/action/stop");
        unknown(&Method::GET, "/v3/auth/tokens");
        unknown(&Method::POST, "/v3/projects");
        unknown(&Method::GET, "/");
    }

    #[test]
    fn the_parts_of_a_path_are_not_decoded() {
        let action =
            SandboxRoute::Action(ActionPath { project: "..", id: "a%2Fb", command: "restart" });
        check(&Method::PUT, "/v2/../batch-tasks/a%2Fb/action/restart", action);
    }

    #[test]
    fn projects_follow_the_services_pattern() {
        assert!(is_project_id("0123-abcXYZ"));
        assert!(is_project_id(&"a".repeat(64)));
        assert!(!is_project_id(&"a".repeat(65)));
        assert!(!is_project_id(""));
        assert!(!is_project_id("a_b"));
    }
}
