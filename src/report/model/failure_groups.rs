//! Groups failures by their cause: ten thousand failures with seven causes are seven groups.
//!
//! Memory does not grow with the number of failures: there are at most [`MAX_GROUPS`], and texts
//! are cut. The group of a task follows from the run's file alone, so that `retry --group` finds the
//! same tasks as the report. See `docs/GLOSSARY.md`: failure group.

use crate::clock::Timestamp;
use crate::reading::{RunReader, TaskRow};
use crate::report::model::SubTaskError;
use crate::report::model::cause::{Cause, failure_of_sent, kept};
use crate::report::model::group_label::GroupLabel;
use crate::report::model::message_template::template;
use crate::store::StoreError;
use crate::task::{Failure, FailureKind, Ordinal, TaskId};
use crate::text::plural;
use std::cmp::Reverse;
use std::collections::HashMap;

/// The most causes that have a group of their own; all failures beyond them share one group.
pub const MAX_GROUPS: usize = 1_000;
/// The most ids that a group names.
const MAX_EXAMPLES: usize = 3;

/// The failures of one cause.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureGroup {
    /// Its label: the largest group is `F1`; among equals, the one whose first
    /// task stands before in the input.
    pub label: GroupLabel,
    /// At which step they failed; `None` for the group of all causes beyond [`MAX_GROUPS`].
    pub kind: Option<FailureKind>,
    /// The status of the last answer.
    pub http_status: Option<u16>,
    /// The code, empty if none was sent.
    pub error_code: String,
    /// The message of its first task.
    pub error_msg: String,
    /// The message of all its tasks, with `…` in place of parts that differ between them.
    pub message_template: String,
    /// The service's `detail` of its first task, or empty.
    pub detail: String,
    /// The detail of all its tasks, with `…` in place of parts that differ between them.
    pub detail_template: String,
    /// The service's `params` of its first task.
    pub params: Vec<String>,
    /// The service's error for the first failed sub-task of its first task, or empty.
    pub sub_task_error: String,
    /// The service's reason for its first task, or empty.
    pub reason: String,
    /// The service's advice for its first task, or empty.
    pub advice: String,
    /// The most frequent errors of its sub-tasks, if its tasks were looked into.
    pub sub_task_errors: Vec<SubTaskError>,
    /// The number of its tasks.
    pub count: u64,
    /// The number of its tasks with a recorded outcome, which are those that a retry takes.
    pub settled: u64,
    /// Its share of all failures, between 0 and 1.
    pub share: f64,
    /// Whether sending its tasks again, as they are, may help.
    pub retryable: bool,
    /// When its first task failed.
    pub first_at: Option<Timestamp>,
    /// When its last task failed.
    pub last_at: Option<Timestamp>,
    /// Its first tasks, in the order of the input.
    pub examples: Vec<TaskId>,
}

/// The failure groups of a run, and the group of each task.
#[derive(Debug)]
pub struct Grouping {
    labels: HashMap<Cause, GroupLabel>,
    /// The group of all causes beyond the limit, if there are any.
    rest: Option<GroupLabel>,
    groups: Vec<FailureGroup>,
}

impl Grouping {
    /// Reads the groups of a run. The groups of a finished run never change.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn read(run: &RunReader) -> Result<Self, StoreError> {
        // Only failed tasks are read, which is quick for a large run with few failures.
        let mut groups = FailureGroups::default();
        run.for_each_failed_task::<StoreError>(|task| {
            groups.add(&task);
            Ok(())
        })?;
        Ok(groups.finish())
    }

    /// Returns the group of a task, if the task failed.
    pub fn group_of(&self, task: &TaskRow) -> Option<GroupLabel> {
        let failure = failure_of_sent(task)?;
        self.label_of(&Cause::from_failure(task, failure))
    }

    fn label_of(&self, cause: &Cause) -> Option<GroupLabel> {
        self.labels.get(cause).copied().or(self.rest)
    }

    /// Returns the groups, in the order of their labels.
    pub fn groups(&self) -> &[FailureGroup] {
        &self.groups
    }

    /// Returns the groups without their causes.
    pub(crate) fn into_groups(self) -> Vec<FailureGroup> {
        self.groups
    }
}

/// A group to which failures are still added.
#[derive(Debug, Clone)]
struct OpenGroup {
    group: FailureGroup,
    /// How many causes came before it.
    number: usize,
    /// Its first task, which decides the order among groups of one size.
    first: Ordinal,
    /// Its first tasks, in the order of the input.
    examples: Vec<(Ordinal, TaskId)>,
    messages: Sameness,
    details: Sameness,
}

/// Whether one text of the service is the same for all tasks of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sameness {
    Same,
    Differ,
}

impl Sameness {
    /// Compares a text with that of the first task: if all are equal to it, all are the same.
    fn note(&mut self, first: &str, text: &str) {
        if first != kept(text) {
            *self = Self::Differ;
        }
    }

    /// Takes what is known of other tasks, the first of which has this text.
    fn note_others(&mut self, first: &str, (text, others): (&str, Self)) {
        if first != text || others == Self::Differ {
            *self = Self::Differ;
        }
    }
}

/// Collects failures, task by task.
#[derive(Debug, Clone, Default)]
pub(crate) struct FailureGroups {
    groups: HashMap<Cause, OpenGroup>,
    rest: Option<OpenGroup>,
    count: u64,
}

impl FailureGroups {
    /// Adds a task, and returns the number of its cause among these tasks, if it failed.
    pub(crate) fn add(&mut self, task: &TaskRow) -> Option<usize> {
        let failure = failure_of_sent(task)?;
        let cause = Cause::from_failure(task, failure);
        let is_retryable = cause.is_retryable();
        // The first causes keep their groups: the limit never moves a task to another group later.
        let number = self.groups.len();
        let is_full = number >= MAX_GROUPS && !self.groups.contains_key(&cause);
        let open = if is_full {
            self.rest.get_or_insert_with(OpenGroup::of_others)
        } else {
            self.groups
                .entry(cause)
                .or_insert_with_key(|cause| OpenGroup::new(number, cause, task, failure))
        };
        self.count += 1;
        // The group of all other causes may mix both kinds; one that may help is reason enough.
        open.group.retryable |= is_retryable;
        open.add(task, failure);
        Some(open.number)
    }

    /// Returns the groups of tasks that were added part by part, in the order of the input.
    pub(crate) fn of_parts<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        parts.for_each(|part| all.add_all(part));
        all
    }

    fn add_all(&mut self, later: &Self) {
        self.count += later.count;
        for (cause, open) in later.in_order() {
            let number = self.groups.len();
            let is_full = number >= MAX_GROUPS && !self.groups.contains_key(cause);
            if is_full {
                self.rest.get_or_insert_with(OpenGroup::of_others).add_all(open);
            } else if let Some(known) = self.groups.get_mut(cause) {
                known.add_all(open);
            } else {
                self.groups.insert(cause.clone(), OpenGroup { number, ..open.clone() });
            }
        }
        if let Some(rest) = &later.rest {
            self.rest.get_or_insert_with(OpenGroup::of_others).add_all(rest);
        }
    }

    /// Returns the causes in the order in which they came, because the first ones have groups.
    fn in_order(&self) -> Vec<(&Cause, &OpenGroup)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|(_, open)| open.number);
        groups
    }

    /// Returns the label of each cause in a grouping, by its number.
    pub(crate) fn labels_in(&self, grouping: &Grouping) -> Vec<Option<GroupLabel>> {
        let labels = self.in_order().into_iter().map(|(cause, _)| grouping.label_of(cause));
        labels.chain(self.rest.as_ref().map(|_| grouping.rest)).collect()
    }

    /// Returns the groups, the largest first and the one of all other causes last.
    pub(crate) fn finish(self) -> Grouping {
        let all = self.count;
        let mut open: Vec<(Cause, OpenGroup)> = self.groups.into_iter().collect();
        // The ordinal makes the order total. A label must mean the same group in every reading, and
        // the map has no order of its own. The time of a failure would order groups by chance: the
        // same input would get other labels in the next run.
        open.sort_unstable_by_key(|(_, it)| (Reverse(it.group.count), it.first));
        let (mut groups, mut labels) = (Vec::new(), HashMap::new());
        for (cause, it) in open {
            let group = it.finish(groups.len(), all);
            labels.insert(cause, group.label);
            groups.push(group);
        }
        let rest = self.rest.map(|it| it.finish(groups.len(), all));
        let rest_label = rest.as_ref().map(|group| group.label);
        groups.extend(rest);
        Grouping { labels, rest: rest_label, groups }
    }
}

impl OpenGroup {
    fn new(number: usize, cause: &Cause, task: &TaskRow, failure: &Failure) -> Self {
        let sub_task_error = failure.error_list.first().map_or("", |error| kept(error));
        let group = FailureGroup {
            kind: Some(cause.kind),
            http_status: cause.http_status,
            error_code: cause.code.clone(),
            // The texts of the first task stand for all, because they have one template.
            error_msg: kept(&failure.message).to_owned(),
            message_template: template(kept(&failure.message), &task.id),
            detail: kept(&failure.detail).to_owned(),
            detail_template: template(kept(&failure.detail), &task.id),
            params: failure.params.iter().map(|param| kept(param).to_owned()).collect(),
            sub_task_error: sub_task_error.to_owned(),
            reason: kept(&failure.reason).to_owned(),
            advice: kept(&failure.advice).to_owned(),
            ..FailureGroup::empty()
        };
        Self::of(number, group)
    }

    /// Begins the group of all other causes.
    fn of_others() -> Self {
        let group = FailureGroup { error_msg: "all other causes".into(), ..FailureGroup::empty() };
        Self::of(MAX_GROUPS, group)
    }

    fn of(number: usize, group: FailureGroup) -> Self {
        let (messages, details) = (Sameness::Same, Sameness::Same);
        Self { group, number, first: Ordinal(u32::MAX), examples: Vec::new(), messages, details }
    }

    fn add(&mut self, task: &TaskRow, failure: &Failure) {
        let group = &mut self.group;
        let at = failed_at(task);
        group.count += 1;
        group.settled += u64::from(task.settled.is_some());
        group.first_at = group.first_at.into_iter().chain(at).min();
        group.last_at = group.last_at.into_iter().chain(at).max();
        self.messages.note(&group.error_msg, &failure.message);
        self.details.note(&group.detail, &failure.detail);
        self.first = self.first.min(task.ordinal);
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push((task.ordinal, task.id.clone()));
        }
    }

    /// Adds the tasks of another part.
    fn add_all(&mut self, other: &Self) {
        let (group, more) = (&mut self.group, &other.group);
        group.count += more.count;
        group.settled += more.settled;
        group.retryable |= more.retryable;
        group.first_at = group.first_at.into_iter().chain(more.first_at).min();
        group.last_at = group.last_at.into_iter().chain(more.last_at).max();
        self.messages.note_others(&group.error_msg, (&more.error_msg, other.messages));
        self.details.note_others(&group.detail, (&more.detail, other.details));
        self.first = self.first.min(other.first);
        // Causes of the group of all others take turns in the input.
        self.examples.extend(other.examples.iter().cloned());
        self.examples.sort_by_key(|(ordinal, _)| *ordinal);
        self.examples.truncate(MAX_EXAMPLES);
    }

    /// Closes the group, with its label and its share of all failures.
    fn finish(self, index: usize, all: u64) -> FailureGroup {
        let mut group = self.group;
        // If all messages are the same, a number in them is part of the message, not a blank.
        if self.messages == Sameness::Same || group.kind.is_none() {
            group.message_template.clone_from(&group.error_msg);
        }
        if self.details == Sameness::Same {
            group.detail_template.clone_from(&group.detail);
        }
        group.examples = self.examples.into_iter().map(|(_, id)| id).collect();
        group.label = GroupLabel::from_index(index);
        group.share = group.count as f64 / all as f64;
        group
    }
}

impl FailureGroup {
    const fn empty() -> Self {
        Self {
            label: GroupLabel::from_index(0),
            kind: None,
            http_status: None,
            error_code: String::new(),
            error_msg: String::new(),
            message_template: String::new(),
            detail: String::new(),
            detail_template: String::new(),
            params: Vec::new(),
            sub_task_error: String::new(),
            reason: String::new(),
            advice: String::new(),
            sub_task_errors: Vec::new(),
            count: 0,
            settled: 0,
            share: 0.0,
            retryable: false,
            first_at: None,
            last_at: None,
            examples: Vec::new(),
        }
    }

    /// Returns the word for the step at which its tasks failed: `other` if there are several.
    pub(crate) fn kind_word(&self) -> &'static str {
        self.kind.map_or("other", FailureKind::as_str)
    }

    /// Returns the template that says what is wrong: of the message, or of the detail if there is
    /// no message.
    pub(crate) fn said_template(&self) -> &str {
        let is_silent = self.message_template.trim().is_empty();
        if is_silent { &self.detail_template } else { &self.message_template }
    }

    /// Returns the template of the detail, unless it stands in the place of the message or says
    /// the same as the reason.
    pub(crate) fn further_detail(&self) -> &str {
        let is_shown = self.message_template.trim().is_empty() || self.detail == self.reason;
        if is_shown { "" } else { &self.detail_template }
    }

    /// Returns a line with the label, size, cause and message template of the group.
    ///
    /// The texts are the service's: the line must be made safe before it is shown.
    pub fn in_a_line(&self) -> String {
        let status = self.http_status.map(|status| status.to_string());
        let cause: Vec<&str> = std::iter::once(self.kind_word())
            .chain(status.as_deref())
            .chain(Some(self.error_code.as_str()).filter(|code| !code.is_empty()))
            .collect();
        let tasks = plural(self.count, "task", "tasks");
        format!("{}: {tasks}, {}: {}", self.label, cause.join(" "), self.said_template())
    }
}

/// Returns when a task failed: when it was settled, or else when its last attempt ended.
fn failed_at(task: &TaskRow) -> Option<Timestamp> {
    let last_known = || {
        let last = task.last.as_ref()?;
        let micros = i64::try_from(last.duration.unwrap_or_default().as_micros());
        Some(last.sent.plus_micros(micros.unwrap_or(i64::MAX)))
    };
    task.settled.or_else(last_known)
}
