//! Groups failures by their cause, so that ten thousand of seven causes are seven groups.
//!
//! Memory does not grow with the number of failures: there are at most [`MOST_GROUPS`], and
//! texts are cut. Which group a task belongs to follows from the run's file alone, so that a
//! label in a report can be given back to `retry`.

use crate::clock::Timestamp;
use crate::report::format::kind;
use crate::report::model::Report;
use crate::report::model::cause::Cause;
use crate::report::model::cause::failure_of_sent;
use crate::report::model::cause::kept;
use crate::report::model::group_label::GroupLabel;
use crate::report::model::message_template::shape;
use crate::store::RunReader;
use crate::store::StoreError;
use crate::store::TaskRow;
use crate::task::Failure;
use crate::task::FailureKind;
use crate::task::Ordinal;
use crate::task::TaskId;
use crate::text::plural;
use std::cmp::Reverse;
use std::collections::HashMap;

/// How many causes are told apart; whatever comes with yet another is counted together.
pub const MOST_GROUPS: usize = 1_000;
/// How many ids a group names.
const EXAMPLES: usize = 3;

/// The failures of one cause.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureGroup {
    /// What it is called: the largest group is `F1`, among equals the one seen first.
    pub label: GroupLabel,
    /// Where they failed; nothing for the group of all causes beyond [`MOST_GROUPS`].
    pub kind: Option<FailureKind>,
    /// The status of the last answer.
    pub http_status: Option<u16>,
    /// The code, empty if none was sent.
    pub error_code: String,
    /// The message of the first of them.
    pub error_msg: String,
    /// The message of all of them, with `…` for what differs from one to the next.
    pub message_template: String,
    /// What the service said of the first failed sub-task of the first of them, or nothing.
    pub sub_task_error: String,
    /// The service's reason in the first of them, or nothing.
    pub reason: String,
    /// The service's advice in the first of them, or nothing.
    pub advice: String,
    /// How many tasks there are.
    pub count: u64,
    /// How many of them have their outcome: those that a retry takes.
    pub settled: u64,
    /// Which part of all failures they are, between 0 and 1.
    pub share: f64,
    /// Whether sending them again, as they are, may help.
    pub retryable: bool,
    /// When the first of them failed.
    pub first_at: Option<Timestamp>,
    /// When the last of them failed.
    pub last_at: Option<Timestamp>,
    /// The first of them, in the order of the input.
    pub examples: Vec<TaskId>,
}

/// Tells to which group a task belongs.
#[derive(Debug)]
pub struct Grouping {
    labels: HashMap<Cause, GroupLabel>,
    /// The group of all other causes, if there are any.
    rest: Option<GroupLabel>,
    groups: Vec<FailureGroup>,
}

impl Grouping {
    /// Reads the groups of a run; those of a finished run never change.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn read(run: &RunReader) -> Result<Self, StoreError> {
        let mut groups = FailureGroups::default();
        run.for_each_failed_task::<StoreError>(|task| {
            groups.add(&task);
            Ok(())
        })?;
        Ok(groups.finish())
    }

    /// Returns the group of a task, if it was sent and is not where the operator wants it.
    pub fn group_of(&self, task: &TaskRow) -> Option<GroupLabel> {
        let failure = failure_of_sent(task)?;
        self.labels.get(&Cause::of(task, failure)).copied().or(self.rest)
    }

    /// Returns the groups, in the order of their labels.
    pub fn groups(&self) -> &[FailureGroup] {
        &self.groups
    }

    /// Returns the groups alone.
    pub(crate) fn into_groups(self) -> Vec<FailureGroup> {
        self.groups
    }
}

/// A group that is still growing.
#[derive(Debug)]
struct Growing {
    group: FailureGroup,
    first: Ordinal,
    messages: Messages,
}

/// Whether the messages of a group are all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Messages {
    Same,
    Differ,
}

/// Collects failures, task by task.
#[derive(Debug, Default)]
pub(crate) struct FailureGroups {
    groups: HashMap<Cause, Growing>,
    rest: Option<Growing>,
    count: u64,
}

impl FailureGroups {
    /// Adds a task, if it was sent and is not where the operator wants it.
    pub(crate) fn add(&mut self, task: &TaskRow) {
        let Some(failure) = failure_of_sent(task) else { return };
        let cause = Cause::of(task, failure);
        let may_help = cause.may_be_gone_next_time();
        let is_full = self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&cause);
        let growing = if is_full {
            self.rest.get_or_insert_with(|| Growing::all_others(task))
        } else {
            self.groups.entry(cause).or_insert_with_key(|cause| Growing::new(cause, task, failure))
        };
        self.count += 1;
        growing.group.retryable |= may_help;
        growing.add(task, failure);
    }

    /// Returns the groups, the largest first and the one of all other causes last.
    pub(crate) fn finish(self) -> Grouping {
        let all = self.count;
        let mut growing: Vec<(Cause, Growing)> = self.groups.into_iter().collect();
        growing
            .sort_unstable_by_key(|(_, it)| (Reverse(it.group.count), it.group.first_at, it.first));
        let (mut groups, mut labels) = (Vec::new(), HashMap::new());
        for (cause, it) in growing {
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

impl Growing {
    fn new(cause: &Cause, task: &TaskRow, failure: &Failure) -> Self {
        let sub_task_error = failure.error_list.first().map_or("", |error| kept(error));
        let group = FailureGroup {
            kind: Some(cause.kind),
            http_status: cause.http_status,
            error_code: cause.code.clone(),
            error_msg: kept(&failure.message).to_owned(),
            message_template: shape(kept(&failure.message), &task.id),
            sub_task_error: sub_task_error.to_owned(),
            reason: kept(&failure.reason).to_owned(),
            advice: kept(&failure.advice).to_owned(),
            ..FailureGroup::empty()
        };
        Self { group, first: task.ordinal, messages: Messages::Same }
    }

    fn all_others(task: &TaskRow) -> Self {
        let group = FailureGroup { error_msg: "all other causes".into(), ..FailureGroup::empty() };
        Self { group, first: task.ordinal, messages: Messages::Same }
    }

    fn add(&mut self, task: &TaskRow, failure: &Failure) {
        let group = &mut self.group;
        let at = failed_at(task);
        group.count += 1;
        group.settled += u64::from(task.settled.is_some());
        group.first_at = group.first_at.into_iter().chain(at).min();
        group.last_at = group.last_at.into_iter().chain(at).max();
        if group.examples.len() < EXAMPLES {
            group.examples.push(task.id.clone());
        }
        if group.error_msg != kept(&failure.message) {
            self.messages = Messages::Differ;
        }
    }

    /// Gives the group its place among all.
    fn finish(self, index: usize, all: u64) -> FailureGroup {
        let mut group = self.group;
        // Where nothing differs, a number in the message is as much part of it as the words.
        if self.messages == Messages::Same || group.kind.is_none() {
            group.message_template.clone_from(&group.error_msg);
        }
        group.label = GroupLabel::of_index(index);
        group.share = group.count as f64 / all as f64;
        group
    }
}

impl FailureGroup {
    const fn empty() -> Self {
        Self {
            label: GroupLabel::of_index(0),
            kind: None,
            http_status: None,
            error_code: String::new(),
            error_msg: String::new(),
            message_template: String::new(),
            sub_task_error: String::new(),
            reason: String::new(),
            advice: String::new(),
            count: 0,
            settled: 0,
            share: 0.0,
            retryable: false,
            first_at: None,
            last_at: None,
            examples: Vec::new(),
        }
    }

    /// Says in a line what the group is, for whoever named it by its label.
    ///
    /// The texts are the service's; whoever shows the line makes it safe first.
    pub fn in_a_line(&self) -> String {
        let status = self.http_status.map(|status| status.to_string());
        let place: Vec<&str> = std::iter::once(kind(self))
            .chain(status.as_deref())
            .chain(Some(self.error_code.as_str()).filter(|code| !code.is_empty()))
            .collect();
        let tasks = plural(self.count, "task", "tasks");
        format!("{}: {tasks}, {}: {}", self.label, place.join(" "), self.message_template)
    }

    /// Returns the command that sends just these tasks again.
    ///
    /// Nothing where it would find none, and while the run goes on: its groups still change.
    pub fn retry_command(&self, report: &Report) -> Option<String> {
        let is_offered = self.settled > 0 && report.exit.is_some();
        is_offered.then(|| format!("batchctl retry {} --group {}", report.run.id, self.label))
    }
}

/// Returns when a task failed: when it was settled, or else when the last thing of it is known.
fn failed_at(task: &TaskRow) -> Option<Timestamp> {
    let last_known = || {
        let last = task.last.as_ref()?;
        let micros = i64::try_from(last.duration.unwrap_or_default().as_micros());
        Some(last.sent.plus_micros(micros.unwrap_or(i64::MAX)))
    };
    task.settled.or_else(last_known)
}
