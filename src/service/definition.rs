//! A service as a file describes it: where it is, what it can do, and what its answers mean.

use crate::service::body::BodyTemplate;
use crate::service::pointer::Pointer;
use crate::service::rule::{CountsAt, ErrorAt, Rule, TextSource};
use crate::service::state::{StateReading, StateSource};
use crate::service::template::Template;
use crate::task::{Command, Repetition, TaskId, TaskIdError};
use regex::Regex;
use serde_json::Value;

/// A service that a file describes.
#[derive(Debug, Clone)]
pub struct Service {
    /// A line for lists of services.
    pub about: Option<String>,
    /// The base of all calls; `{region}` may be a part of its host.
    pub endpoint: String,
    /// Further hosts that a link to the next page may lead to.
    pub hosts: Vec<String>,
    /// How credentials are sent.
    pub auth: Auth,
    /// Headers of every call.
    pub headers: Vec<(String, Template)>,
    /// What ids look like.
    pub id: IdRule,
    /// What it can do, in the order of the file.
    pub actions: Vec<Action>,
    /// What answers mean, for every action.
    pub rules: Vec<Rule>,
    /// Where its own counts stand.
    pub counts: Option<CountsAt>,
    /// Where the texts of its errors stand.
    pub errors: ErrorAt,
    /// Where its own id of a request stands, tried in turn.
    pub request_id: Vec<TextSource>,
    /// How states are read, if they can be.
    pub state: Option<StateReading>,
}

/// How credentials are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// As Huawei Cloud takes them, from every source there is.
    Huawei,
    /// A token in `Authorization`.
    Bearer,
    /// A user and a password in `Authorization`.
    Basic,
    /// A token in a header of this name.
    Header(String),
    /// Not at all.
    None,
}

/// What ids look like.
#[derive(Debug, Clone)]
pub struct IdRule {
    /// The column that holds them; `None`: as for VIAS.
    pub column: Option<String>,
    /// The expression as the file has it.
    pub pattern: String,
    /// The expression, for the whole of an id.
    pub whole: Regex,
}

/// One thing that a service can do with an id.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its name, which is the command of its tasks.
    pub name: String,
    /// The method.
    pub method: Method,
    /// The path.
    pub path: Template,
    /// The query, in the order of the file.
    pub query: Vec<(String, Template)>,
    /// Headers; each replaces the service's of that name.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Option<BodyTemplate>,
    /// What the body is.
    pub content_type: String,
    /// Whether a second call changes nothing more.
    pub repeatable: bool,
    /// The word for the state that it leads to.
    pub leads_to: Option<String>,
    /// States of the service that count as being there too.
    pub reached: Vec<Value>,
    /// The action that undoes it.
    pub opposite: Option<String>,
    /// Where the answer repeats the id.
    pub answer_id: Option<Pointer>,
    /// What answers mean, before the service's own rules.
    pub rules: Vec<Rule>,
}

/// The method of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`, which reads a state and is no action's.
    Get,
    /// `PUT`
    Put,
    /// `POST`
    Post,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

/// Why a text is no id of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// No service may have such an id.
    #[error(transparent)]
    Never(#[from] TaskIdError),
    /// The service's own pattern has no such id.
    #[error("the id does not match `{pattern}`")]
    Pattern {
        /// The pattern of the file.
        pattern: String,
    },
}

/// The word for an id that is not there any more.
pub const GONE: &str = "gone";

impl Method {
    /// Every method of actions, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Put, Self::Post, Self::Patch, Self::Delete];

    /// Returns the method as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Returns whether a second call of this method changes nothing more (RFC 9110, 9.2.2).
    pub const fn is_idempotent(self) -> bool {
        matches!(self, Self::Get | Self::Put | Self::Delete)
    }
}

impl IdRule {
    /// Returns an id of the service, or why it is none.
    pub fn id(&self, text: &str) -> Result<TaskId, IdError> {
        let id = TaskId::accepted(text)?;
        if self.whole.is_match(text) {
            return Ok(id);
        }
        Err(IdError::Pattern { pattern: self.pattern.clone() })
    }
}

impl Action {
    /// Returns the action as the command of tasks.
    pub fn command(&self) -> Command {
        let repetition = match self.repeatable {
            true => Repetition::Harmless,
            false => Repetition::Harmful,
        };
        let command = match self.leads_to.as_deref() {
            Some(GONE) => Command::of_removal(&self.name, repetition),
            Some(_) | None => Command::of_action(&self.name, repetition),
        };
        command.expect("the file was checked for its names")
    }
}

impl Service {
    /// Returns an action by its name.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// Returns whether states are read by a request for each id, and not by a list of all.
    pub fn reads_each_id(&self) -> bool {
        self.state.as_ref().is_some_and(|state| matches!(state.from, StateSource::Get(_)))
    }

    /// Returns the rules for an action, in the order in which they are tried.
    pub fn rules_of<'a>(&'a self, action: &'a Action) -> impl Iterator<Item = &'a Rule> {
        action.rules.iter().chain(&self.rules)
    }
}
